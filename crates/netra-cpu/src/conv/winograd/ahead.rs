//! Asks for memory while the sums keep the arithmetic busy: the input rows of the next step, and the output rows of this one.
//!
//! A row is a few cache lines, and the next row in the order of work lies pages away, which no processor foresees. Waiting
//! for rows would take a third of the time of a layer whose tensors exceed the caches.

use std::ops::Range;

use super::transform::{IN, OUT};
use super::{Job, Place, Step};
use crate::simd::LINE;
use crate::simd::map::Residual;

/// Most lines that are asked for during one register tile.
pub const ROOM: usize = 96;

/// Elements of input and output that are near enough without being asked for.
const SMALL: usize = 1 << 20;

/// What is still to be asked for.
pub struct Ahead {
    /// Input of the step after this one, of this unit or of the next.
    input: Option<(Place, Step)>,
    inputs: Walk,
    /// Results of this step, and what is added to them.
    output: (Place, Step),
    outputs: Walk,
}

impl Ahead {
    /// For one step, whose sums are `tiles` register tiles, and the step that comes next.
    pub fn new(job: &Job<'_>, place: Place, step: Step, coming: Option<(Place, Step)>, tiles: usize) -> Self {
        let (s, rows) = (&job.w.shape, job.w.plan.rows);
        let elements = |channels: usize, size: [usize; 3]| channels * size.iter().product::<usize>();
        if elements(s.channels, s.input) + elements(s.filters, s.output) < SMALL {
            let none = || Walk::new(0..0, 0, 0, tiles);
            return Self { input: None, inputs: none(), output: (place, step), outputs: none() };
        }
        let slices = coming.map_or(0, |(_, next)| next.inputs.1);
        let first = place.blocks.0 * job.w.plan.tile.channels;
        let last = s.filters.min(place.blocks.1 * job.w.plan.tile.channels);
        Self {
            input: coming,
            inputs: Walk::new(0..s.channels, slices, rows, tiles),
            output: (place, step),
            outputs: Walk::new(first..last, step.outputs.1, rows, tiles),
        }
    }

    /// The lines to ask for during the next register tile, in `room`.
    pub fn next<'r>(&mut self, job: &Job<'_>, room: &'r mut [*const f32; ROOM]) -> &'r [*const f32] {
        let mut lines = Lines { room, n: 0 };
        for _ in 0..self.inputs.share() {
            if let (Some((place, step)), Some(at)) = (self.input, self.inputs.next()) {
                let base = job.x.map_or(job.out.pointer(0).cast_const(), <[f32]>::as_ptr);
                let width = job.w.shape.input[2];
                job.input_rows(place, step, at).for_each(|row| lines.add(base.wrapping_add(row), width));
            }
        }
        for _ in 0..self.outputs.share() {
            if let Some(at) = self.outputs.next() {
                job.ask_output(self.output.0, self.output.1, at, &mut lines);
            }
        }
        &lines.room[..lines.n]
    }
}

/// A walk through the rows of tiles of the slices of some channels, in even shares.
struct Walk {
    channels: Range<usize>,
    slices: usize,
    rows: usize,
    /// Slice and row of tiles to come next.
    at: (usize, usize),
    /// So many of `shares` shares make one row of tiles more, and what is left over of earlier ones.
    rate: usize,
    rest: usize,
    shares: usize,
}

impl Walk {
    fn new(channels: Range<usize>, slices: usize, rows: usize, shares: usize) -> Self {
        Self { rate: channels.len() * slices * rows, channels, slices, rows, at: (0, 0), rest: 0, shares }
    }

    /// Rows of tiles in the next share.
    fn share(&mut self) -> usize {
        let mut n = 0;
        self.rest += self.rate;
        // Seldom more than one or two: cheaper than a division.
        while self.rest >= self.shares {
            self.rest -= self.shares;
            n += 1;
        }
        n
    }

    /// Channel, slice and row of tiles.
    fn next(&mut self) -> Option<(usize, usize, usize)> {
        let (slice, row) = self.at;
        let found = (!self.channels.is_empty()).then_some((self.channels.start, slice, row));
        self.at.1 += 1;
        if self.at.1 == self.rows {
            self.at = (slice + 1, 0);
        }
        if self.at.0 == self.slices {
            self.at.0 = 0;
            self.channels.start += 1;
        }
        found
    }
}

impl Job<'_> {
    /// Where the input rows of a row of tiles begin, those inside the input. `at` is the channel, the slice of the step, the row
    /// of tiles.
    fn input_rows(&self, place: Place, step: Step, at: (usize, usize, usize)) -> impl Iterator<Item = usize> {
        let (c, slice, r) = at;
        self.depth(place, step, slice).into_iter().flat_map(move |d| {
            (0..IN).filter_map(move |i| self.row(place, r, i)).map(move |y| self.input_row(place, c, d, y))
        })
    }

    /// The output rows of a row of tiles, and what is added to them.
    fn ask_output(&self, place: Place, step: Step, at: (usize, usize, usize), lines: &mut Lines<'_>) {
        let (filter, slice, r) = at;
        let width = self.w.shape.output[2];
        for at in (0..OUT).filter_map(|i| self.output_row(place, step, filter, slice, r, i)) {
            lines.add(self.out.pointer(at), width);
            if let Residual::Tensor(t) = self.finish.residual {
                lines.add(t[at..].as_ptr(), width);
            }
        }
    }
}

/// Addresses of cache lines.
struct Lines<'r> {
    room: &'r mut [*const f32; ROOM],
    n: usize,
}

impl Lines<'_> {
    /// The lines of a row of `width` elements; those beyond the room are left out.
    fn add(&mut self, row: *const f32, width: usize) {
        for (to, at) in self.room[self.n..].iter_mut().zip((0..width).step_by(LINE)) {
            *to = row.wrapping_add(at);
            self.n += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every row of tiles comes once, in the order of work, and no share is more than one ahead of an even pace.
    #[test]
    fn a_walk_visits_all_in_even_shares() {
        for (channels, slices, rows, shares) in [(3..8, 4, 2, 7), (0..2, 1, 1, 100), (0..0, 3, 2, 5), (5..9, 6, 1, 1)] {
            let all: Vec<_> = channels
                .clone()
                .flat_map(|c| (0..slices).flat_map(move |s| (0..rows).map(move |r| (c, s, r))))
                .collect();
            let mut walk = Walk::new(channels, slices, rows, shares);
            let mut seen = Vec::new();
            for share in 1..=shares {
                let n = walk.share();
                seen.extend((0..n).map_while(|_| walk.next()));
                assert_eq!(seen.len(), all.len() * share / shares, "share {share} of {shares}");
            }
            assert_eq!(seen, all);
        }
    }
}
