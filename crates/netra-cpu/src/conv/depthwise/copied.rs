//! Rows that are copied with zeros around them, apart by the remainders of the strides: then each tap is a run of
//! neighbours. Runs go on across the ends of rows, which keeps vectors full where rows are short; the results that belong
//! to no output are dropped on the way out.

use super::super::axis::Axis;
use super::super::plan::Geometry;
use super::{Band, balanced};
use crate::isa::Isa;
use crate::simd::{Simd, SimdOp};

/// Floats of copied input that stay in the first-level cache with their results.
const NEAR: usize = 6 * 1024;
/// Most floats of copied input, for planes with long rows.
const FAR: usize = 64 * 1024;
/// Floats after each part of the scratch that whole vectors may touch.
const SLACK: usize = 16;
/// Vectors of neighbouring results that are computed together.
const TOGETHER: usize = 8;

/// Where a band of rows is copied: `[depth tap][row remainder][column remainder][row][column]`.
pub struct Copied {
    rows: usize,
    pitch: usize,
    part: usize,
    slice: usize,
    /// Start of each term of the sum.
    offsets: Vec<usize>,
}

/// Distance from the first tap to the last, in outputs.
fn reach(axis: &Axis) -> usize {
    axis.taps.last().zip(axis.taps.first()).map_or(0, |(last, first)| (last - first) as usize / axis.stride)
}

impl Copied {
    /// A plan for any kernel; `None` where rows are too long to copy.
    pub fn new(geometry: &Geometry) -> Option<Self> {
        let [d, h, w] = &geometry.axes;
        let pitch = w.outputs + reach(w);
        let parts = h.stride * w.stride;
        let sizes = |rows: usize| {
            let part = (rows + reach(h)) * pitch + 2 * SLACK;
            (part, part * parts * d.taps.len())
        };
        let rows = (2..=h.outputs).take_while(|&rows| sizes(rows).1 <= NEAR).last().unwrap_or(1);
        let rows = balanced(h.outputs, rows);
        let (part, all) = sizes(rows);
        if all > FAR {
            return None;
        }
        let slice = part * parts;
        let mut offsets = Vec::with_capacity(geometry.terms());
        for depth in 0..d.taps.len() {
            for row in h.taps.iter().map(|t| (t - h.taps[0]) as usize) {
                for column in w.taps.iter().map(|t| (t - w.taps[0]) as usize) {
                    let remainder = row % h.stride * w.stride + column % w.stride;
                    let at = row / h.stride * pitch + column / w.stride;
                    offsets.push(depth * slice + remainder * part + at);
                }
            }
        }
        Some(Self { rows, pitch, part, slice, offsets })
    }

    /// Output rows of a band.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Floats of a band's results with what lies between its rows.
    fn results(&self) -> usize {
        self.rows * self.pitch + TOGETHER * SLACK
    }

    /// Floats of scratch: the copied input and the results.
    pub fn scratch(&self, geometry: &Geometry) -> usize {
        self.slice * geometry.axes[0].taps.len() + TOGETHER * SLACK + self.results()
    }

    /// The sums of a band, one row after the other.
    pub fn run(&self, isa: Isa, geometry: &Geometry, band: &Band<'_>, scratch: &mut [f32], whole: &mut [f32]) {
        let (input, results) = scratch.split_at_mut(scratch.len() - self.results());
        isa.dispatch(Tile { plan: self, geometry, band, input, results, whole });
    }
}

/// One band's sums, into `whole`.
struct Tile<'a> {
    plan: &'a Copied,
    geometry: &'a Geometry,
    band: &'a Band<'a>,
    input: &'a mut [f32],
    results: &'a mut [f32],
    whole: &'a mut [f32],
}

impl SimdOp for Tile<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        self.copy(s);
        self.sums(s);
        self.join(s);
    }
}

impl Tile<'_> {
    /// Copies the input rows. A vector may run over the end of a row: what it writes there is written again with the next
    /// row, or is slack.
    #[inline(always)]
    fn copy<S: Simd>(&mut self, s: S) {
        let Copied { pitch, part, slice, .. } = self.plan;
        let [d, h, w] = &self.geometry.axes;
        let band = self.band;
        let needed = (band.rows - 1) * h.stride + (h.taps[h.taps.len() - 1] - h.taps[0]) as usize + 1;
        for (slot, tap) in d.taps.iter().enumerate() {
            let depth = (band.depth * d.stride) as isize + tap;
            let exists = depth >= 0 && depth < d.input as isize;
            for i in 0..needed {
                let row = (band.row * h.stride + i) as isize + h.taps[0];
                let line = if exists && row >= 0 && row < h.input as isize {
                    &band.x[(depth as usize * h.input + row as usize) * w.input..][..w.input]
                } else {
                    &[]
                };
                let start = slot * slice + i % h.stride * w.stride * part + i / h.stride * pitch;
                for remainder in 0..w.stride {
                    let to = &mut self.input[start + remainder * part..][..pitch + SLACK];
                    copy_row(s, line, w, remainder, to);
                }
            }
        }
    }

    #[inline(always)]
    fn sums<S: Simd>(&mut self, s: S) {
        let plan = self.plan;
        let Band { rows, weights, bias, .. } = *self.band;
        let end = (rows - 1) * plan.pitch + self.geometry.axes[2].outputs;
        let (mut i, wide) = (0, TOGETHER * S::LANES);
        let reach = plan.offsets.iter().copied().max().unwrap_or(0);
        assert!(
            reach + end.next_multiple_of(S::LANES) <= self.input.len() && end + wide <= self.results.len() + S::LANES
        );
        assert_eq!(weights.len(), plan.offsets.len());
        let (x, to) = (self.input.as_ptr(), self.results.as_mut_ptr());
        while i + wide <= end {
            // SAFETY: asserted above: `i + wide <= end`.
            unsafe { run::<S, TOGETHER>(s, x.add(i), &plan.offsets, weights, bias, to.add(i)) };
            i += wide;
        }
        while i + 2 * S::LANES <= end {
            // SAFETY: as above.
            unsafe { run::<S, 2>(s, x.add(i), &plan.offsets, weights, bias, to.add(i)) };
            i += 2 * S::LANES;
        }
        while i < end {
            // SAFETY: asserted above, one vector beyond the end at most.
            unsafe { run::<S, 1>(s, x.add(i), &plan.offsets, weights, bias, to.add(i)) };
            i += S::LANES;
        }
    }

    /// Brings the rows of results together.
    #[inline(always)]
    fn join<S: Simd>(&mut self, s: S) {
        let (pitch, width, rows) = (self.plan.pitch, self.geometry.axes[2].outputs, self.band.rows);
        assert!((rows - 1) * pitch + width + SLACK <= self.results.len() && rows * width + SLACK <= self.whole.len());
        for row in 0..rows {
            for i in (0..width).step_by(S::LANES) {
                // SAFETY: asserted: one vector beyond the last row at most. Rows follow each other, so what a vector
                // writes beyond its row is written again.
                unsafe {
                    let v = s.load(self.results.as_ptr().add(row * pitch + i));
                    s.store(self.whole.as_mut_ptr().add(row * width + i), v);
                }
            }
        }
    }
}

/// Copies every `w.stride`-th element of a padded row from `remainder` on; `to` ends with slack. An empty `line` is zeros.
#[inline(always)]
fn copy_row<S: Simd>(s: S, line: &[f32], w: &Axis, remainder: usize, to: &mut [f32]) {
    let pitch = to.len() - SLACK;
    let begin = remainder as isize + w.taps[0];
    // The first column inside the input, and where it lies there.
    let before = if begin < 0 { begin.unsigned_abs().div_ceil(w.stride).min(pitch) } else { 0 };
    let first = (begin + (before * w.stride) as isize).max(0) as usize;
    let n = line.len().saturating_sub(first).div_ceil(w.stride).min(pitch - before);
    let zero = s.splat(0.0);
    for i in (0..before).step_by(S::LANES) {
        // SAFETY: `i < pitch`, and slack for a vector follows.
        unsafe { s.store(to.as_mut_ptr().add(i), zero) };
    }
    let mut done = before;
    match w.stride {
        1 => {
            for i in (0..n).step_by(S::LANES) {
                // SAFETY: `first + n <= line.len()`; `before + i < pitch`, and slack for a vector follows.
                unsafe {
                    let v = s.load_part(line.as_ptr().add(first + i), S::LANES.min(n - i));
                    s.store(to.as_mut_ptr().add(before + i), v);
                }
                done = before + i + S::LANES;
            }
        }
        2 => {
            // Written so that the compiler makes vectors of it.
            let pairs = line.get(first..).unwrap_or(&[]).chunks_exact(2);
            let last = pairs.remainder().first();
            to[before..].iter_mut().zip(pairs).take(n).for_each(|(to, pair)| *to = pair[0]);
            if let Some(&last) = last
                && n == (line.len() - first).div_ceil(2)
            {
                to[before + n - 1] = last;
            }
            done += n;
        }
        stride => {
            let from = line.get(first..).unwrap_or(&[]).iter().step_by(stride);
            to[before..].iter_mut().zip(from).take(n).for_each(|(to, &v)| *to = v);
            done += n;
        }
    }
    for i in (done..pitch).step_by(S::LANES) {
        // SAFETY: `i < pitch`, and slack for a vector follows.
        unsafe { s.store(to.as_mut_ptr().add(i), zero) };
    }
}

/// `to[i] = bias + sum over k of x[offsets[k] + i] weights[k]` for `U` vectors.
///
/// # Safety
/// `x` is readable for `U` vectors at every offset, `to` writable for as many; there is a weight for each offset.
#[inline(always)]
unsafe fn run<S: Simd, const U: usize>(
    s: S,
    x: *const f32,
    offsets: &[usize],
    weights: &[f32],
    bias: f32,
    to: *mut f32,
) {
    let mut sums = [s.splat(bias); U];
    for (&offset, &weight) in offsets.iter().zip(weights) {
        let weight = s.splat(weight);
        for (u, sum) in sums.iter_mut().enumerate() {
            // SAFETY: readable, as the caller promises.
            *sum = s.fma(unsafe { s.load(x.add(offset + u * S::LANES)) }, weight, *sum);
        }
    }
    for (u, &sum) in sums.iter().enumerate() {
        // SAFETY: writable, as the caller promises.
        unsafe { s.store(to.add(u * S::LANES), sum) };
    }
}
