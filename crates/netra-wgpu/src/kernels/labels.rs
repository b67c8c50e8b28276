//! From channels to labels. Channels lie in a ring of slices, `[channels, slots, rows, columns]`: slice `z` at `z` modulo the
//! slots; a tensor of its own is a ring that holds it all.

use cubecl::prelude::*;

use super::grid::{Outside, Three, index_of, pair, position, trilinear};

/// A run of slots of a ring, around its end.
#[derive(CubeLaunch, CubeType)]
pub(crate) struct Span {
    /// Voxels of the run.
    pub total: usize,
    pub first: usize,
    pub slots: usize,
    /// Voxels of a slice.
    pub plane: usize,
    pub channels: usize,
}

/// Where voxel `position` of the run lies in a channel.
#[cube]
fn slot(position: usize, s: &Span) -> usize {
    (s.first + position / s.plane) % s.slots * s.plane + position % s.plane
}

#[cube]
fn is_no_number(v: f32) -> bool {
    (u32::reinterpret(v) & 0x7fff_ffffu32) > 0x7f80_0000u32
}

/// Divides every channel by `by`.
#[cube(launch)]
pub(crate) fn divide_kernel(x: &mut [f32], by: &[f32], s: Span) {
    if ABSOLUTE_POS >= s.total {
        terminate!();
    }
    let mut at = slot(ABSOLUTE_POS, &s);
    let divisor = by[at];
    for _ in 0..s.channels {
        x[at] /= divisor;
        at += s.slots * s.plane;
    }
}

/// The same number in every channel.
#[cube(launch)]
pub(crate) fn level_kernel(x: &mut [f32], level: f32, s: Span) {
    if ABSOLUTE_POS >= s.total {
        terminate!();
    }
    let mut at = slot(ABSOLUTE_POS, &s);
    for _ in 0..s.channels {
        x[at] = level;
        at += s.slots * s.plane;
    }
}

#[cube(launch)]
pub(crate) fn sigmoid_kernel(x: &mut [f32], s: Span) {
    if ABSOLUTE_POS >= s.total {
        terminate!();
    }
    let mut at = slot(ABSOLUTE_POS, &s);
    for _ in 0..s.channels {
        x[at] = 1.0f32 / (1.0f32 + (-x[at]).exp());
        at += s.slots * s.plane;
    }
}

/// `most` is the greatest of itself and the channels.
#[cube(launch)]
pub(crate) fn most_kernel(x: &[f32], most: &mut [f32], s: Span) {
    if ABSOLUTE_POS >= s.total {
        terminate!();
    }
    let place = slot(ABSOLUTE_POS, &s);
    let mut greatest = most[place];
    let mut at = place;
    for _ in 0..s.channels {
        greatest = select(x[at] > greatest, x[at], greatest);
        at += s.slots * s.plane;
    }
    most[place] = greatest;
}

/// Each channel's exponential, less `most` before it is taken, and added to `sum`.
#[cube(launch)]
pub(crate) fn exponential_kernel(x: &mut [f32], most: &[f32], sum: &mut [f32], s: Span) {
    if ABSOLUTE_POS >= s.total {
        terminate!();
    }
    let place = slot(ABSOLUTE_POS, &s);
    let mut total = sum[place];
    let mut at = place;
    for _ in 0..s.channels {
        let value = (x[at] - most[place]).exp();
        total += value;
        x[at] = value;
        at += s.slots * s.plane;
    }
    sum[place] = total;
}

/// What happens once the last channel was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Finish {
    /// Nothing: more channels are to come, or the greatest is the label.
    Keep,
    /// The label is one more where its value reaches the threshold, else 0.
    Threshold,
}

/// The label and its value, so far.
#[derive(CubeType)]
struct Best {
    label: u32,
    value: f32,
}

#[cube]
fn compare(best: &mut Best, label: u32, value: f32) {
    if value > best.value {
        best.label = label;
        best.value = value;
    }
}

#[cube]
fn finished(best: &Best, least: f32, #[comptime] finish: Finish) -> u32 {
    if comptime!(finish == Finish::Threshold) {
        select(best.value >= least, best.label + 1u32, 0u32)
    } else {
        best.label
    }
}

/// Which channels a call compares.
#[derive(CubeLaunch, CubeType)]
pub(crate) struct Candidates {
    /// How many, and the label of the first.
    pub channels: usize,
    pub label: u32,
    pub least: f32,
}

/// Labels of a region of the grid that begins at `start`, each from its own voxel: the region begins at `within` in the ring.
#[cube(launch)]
pub(crate) fn decide_kernel(
    x: &[f32],
    labels: &mut [u32],
    values: &mut [f32],
    flag: &mut [u32],
    total: usize,
    region: Three,
    start: Three,
    within: Three,
    ring: Three,
    grid: Three,
    c: Candidates,
    #[comptime] resume: bool,
    #[comptime] finish: Finish,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let at = index_of(ABSOLUTE_POS, &region);
    let place = ((start.d + at.d) * grid.h + start.h + at.h) * grid.w + start.w + at.w;
    let step = ring.d * ring.h * ring.w;
    let mut from = ((within.d + at.d) % ring.d * ring.h + within.h + at.h) * ring.w + within.w + at.w;
    let mut best = Best { label: c.label, value: x[from] };
    if comptime!(resume) {
        best.label = labels[place];
        best.value = values[place];
    }
    let mut wrong = false.runtime();
    for k in 0..c.channels {
        let value = x[from];
        wrong = wrong || is_no_number(value);
        compare(&mut best, c.label + k as u32, value);
        from += step;
    }
    if wrong {
        flag[0] = 1u32;
    }
    labels[place] = finished(&best, c.least, finish);
    values[place] = best.value;
}

/// The greatest channel of each voxel of a run, and its value; sets the flag where a channel is not a number.
#[cube(launch)]
pub(crate) fn winner_kernel(
    x: &[f32],
    winners: &mut [u32],
    values: &mut [f32],
    flag: &mut [u32],
    s: Span,
    first: u32,
    #[comptime] resume: bool,
) {
    if ABSOLUTE_POS >= s.total {
        terminate!();
    }
    let place = slot(ABSOLUTE_POS, &s);
    let mut best = Best { label: first, value: x[place] };
    if comptime!(resume) {
        best.label = winners[place];
        best.value = values[place];
    }
    let mut wrong = false.runtime();
    let mut at = place;
    for k in 0..s.channels {
        let value = x[at];
        wrong = wrong || is_no_number(value);
        compare(&mut best, first + k as u32, value);
        at += s.slots * s.plane;
    }
    if wrong {
        flag[0] = 1u32;
    }
    winners[place] = best.label;
    values[place] = best.value;
}

/// Labels of the voxels of another grid that lie between the slices of a ring: those of a region that begins at `start` whose
/// later slice is one of `from..to`. The slice before has to be in the ring too. The grid of `size` begins at element `offset`
/// of the ring.
///
/// A channel that wins at all eight neighbours wins between them, since all channels are interpolated with the same weights:
/// the others are read at the borders of labels alone.
#[cube(launch)]
pub(crate) fn decide_linear_kernel(
    x: &[f32],
    winners: &[u32],
    wholes: &[i32],
    fractions: &[f32],
    labels: &mut [u32],
    values: &mut [f32],
    total: usize,
    region: Three,
    start: Three,
    target: Three,
    size: Three,
    ring: Three,
    offset: usize,
    from: usize,
    to: usize,
    c: Candidates,
    #[comptime] resume: bool,
    #[comptime] finish: Finish,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let at = index_of(ABSOLUTE_POS, &region);
    let at = Three { d: start.d + at.d, h: start.h + at.h, w: start.w + at.w };
    let place = (at.d * target.h + at.h) * target.w + at.w;
    let d = pair(&position(wholes, fractions, &at, &target, 0usize), size.d, Outside::Extent);
    let h = pair(&position(wholes, fractions, &at, &target, 1usize), size.h, Outside::Extent);
    let w = pair(&position(wholes, fractions, &at, &target, 2usize), size.w, Outside::Extent);
    if !(d.inside && h.inside && w.inside && d.high >= from && d.high < to) {
        terminate!();
    }
    let plane = ring.h * ring.w;
    let mut low = offset + d.low % ring.d * plane;
    let mut high = offset + d.high % ring.d * plane;
    let (upper, lower) = (h.low * ring.w, h.high * ring.w);
    let winner = winners[low + upper + w.low];
    let same = winner == winners[low + upper + w.high]
        && winner == winners[low + lower + w.low]
        && winner == winners[low + lower + w.high]
        && winner == winners[high + upper + w.low]
        && winner == winners[high + upper + w.high]
        && winner == winners[high + lower + w.low]
        && winner == winners[high + lower + w.high];
    // Under every number: a comparison replaces it.
    let mut best = Best { label: c.label, value: (-3.4e38f32).runtime() };
    if comptime!(resume) {
        best.label = labels[place];
        best.value = values[place];
    }
    if same {
        if winner >= c.label && winner < c.label + c.channels as u32 {
            let skipped = (winner - c.label) as usize * ring.d * plane;
            best.label = winner;
            best.value = trilinear(x, low + skipped, high + skipped, ring.w, &d, &h, &w);
        }
    } else {
        for k in 0..c.channels {
            compare(&mut best, c.label + k as u32, trilinear(x, low, high, ring.w, &d, &h, &w));
            low += ring.d * plane;
            high += ring.d * plane;
        }
    }
    labels[place] = finished(&best, c.least, finish);
    values[place] = best.value;
}

/// Two labels a word, the earlier in the lower half.
#[cube(launch)]
pub(crate) fn pack_kernel(labels: &[u32], out: &mut [u32], total: usize) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    out[ABSOLUTE_POS] = labels[2 * ABSOLUTE_POS] | (labels[2 * ABSOLUTE_POS + 1] << 16u32);
}
