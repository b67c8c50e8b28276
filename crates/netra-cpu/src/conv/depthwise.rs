//! Depthwise convolution: every output plane hears one input plane, so that each value read serves few multiply-adds.
//!
//! A tile of rows is copied with zeros around it, apart by the remainders of the strides: then each tap is a run of
//! neighbours. Runs go on across the ends of rows, which keeps vectors full where rows are short; the results that belong
//! to no output are dropped on the way out.

use netra_graph::Conv;

use super::axis::Axis;
use super::plan::{Geometry, wanted_units};
use crate::Context;
use crate::isa::Isa;
use crate::parallel::Shared;
use crate::simd::map::Finish;
use crate::simd::{Simd, SimdOp};

/// Floats of copied input that stay in the first-level cache with their results.
const NEAR: usize = 6 * 1024;
/// Most floats of copied input, for planes with long rows.
const FAR: usize = 64 * 1024;
/// Floats after each part of the scratch that whole vectors may touch.
const SLACK: usize = 16;
/// Vectors of neighbouring results that are computed together.
const TOGETHER: usize = 8;

/// A planned depthwise convolution.
pub struct Depthwise {
    geometry: Geometry,
    /// Output rows of a tile.
    rows: usize,
    /// Copied input: `[depth tap][row remainder][column remainder][row][column]`.
    pitch: usize,
    part: usize,
    slice: usize,
    /// Start of each term of the sum in the copied input.
    offsets: Vec<usize>,
    /// Tiles that one unit of work computes.
    together: usize,
}

/// Weights `[filter][term]` and a bias for each filter.
pub struct Packed {
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Packed {
    /// Bytes of the copies.
    pub fn bytes(&self) -> usize {
        (self.weights.len() + self.bias.len()) * size_of::<f32>()
    }
}

/// Distance from the first tap to the last, in outputs.
fn reach(axis: &Axis) -> usize {
    axis.taps.last().zip(axis.taps.first()).map_or(0, |(last, first)| (last - first) as usize / axis.stride)
}

impl Depthwise {
    /// Plans a convolution of one channel and one filter a group; `None` for others, and where rows are too long to
    /// copy. Shapes are `N, C, spatial...` and the weight's `M, C / groups, kernel...`.
    pub fn new(p: &Conv, x: &[usize], weight: &[usize], out: &[usize], threads: usize) -> Option<Self> {
        let geometry = Geometry::forward(p, x, weight, out);
        let [d, h, w] = &geometry.axes;
        let empty = [d, h, w].iter().any(|a| a.outputs == 0 || a.taps.is_empty());
        if geometry.channels != 1 || geometry.filters != 1 || geometry.taps() == 1 || empty {
            return None;
        }
        let pitch = w.outputs + reach(w);
        let parts = h.stride * w.stride;
        let sizes = |rows: usize| {
            let part = (rows + reach(h)) * pitch + 2 * SLACK;
            (part, part * parts * d.taps.len())
        };
        let rows = (2..=h.outputs).take_while(|&rows| sizes(rows).1 <= NEAR).last().unwrap_or(1);
        // Balanced: the last tile is about as large as the others.
        let rows = h.outputs.div_ceil(h.outputs.div_ceil(rows));
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
        let mut plan = Self { geometry, rows, pitch, part, slice, offsets, together: 1 };
        plan.together = plan.tiles().div_ceil(2 * wanted_units(&plan.geometry, threads));
        Some(plan)
    }

    /// Tiles of the whole output.
    fn tiles(&self) -> usize {
        let Geometry { batch, groups, axes: [d, h, _], .. } = &self.geometry;
        batch * groups * d.outputs * h.outputs.div_ceil(self.rows)
    }

    /// Floats of a tile's results with what lies between its rows.
    fn results(&self) -> usize {
        self.rows * self.pitch + TOGETHER * SLACK
    }

    /// Floats of scratch that each worker needs: the copied input, the results, and these without gaps.
    pub fn scratch(&self) -> usize {
        self.slice * self.geometry.axes[0].taps.len() + TOGETHER * SLACK + 2 * self.results()
    }

    /// Copies weights and bias.
    pub fn pack(&self, weight: &[f32], bias: Option<&[f32]>) -> Packed {
        let bias = bias.map_or_else(|| vec![0.0; self.geometry.groups], <[f32]>::to_vec);
        Packed { weights: weight.to_vec(), bias }
    }

    /// Computes `out`.
    pub fn run(&self, context: &Context<'_>, x: &[f32], packed: &Packed, finish: Finish<'_>, out: &mut [f32]) {
        let out = Shared::new(out);
        let tiles = self.tiles();
        context.threads.for_each(tiles.div_ceil(self.together), |worker, unit| {
            let mut scratch = context.scratch.lock(worker);
            let first = unit * self.together;
            for tile in first..tiles.min(first + self.together) {
                self.tile(context.isa, tile, x, packed, scratch.floats(), finish, &out);
            }
        });
    }

    #[allow(clippy::too_many_arguments)] // What the loop above shares, and one tile.
    fn tile(
        &self,
        isa: Isa,
        tile: usize,
        x: &[f32],
        packed: &Packed,
        scratch: &mut [f32],
        finish: Finish<'_>,
        out: &Shared<f32>,
    ) {
        let g = &self.geometry;
        let [d, h, w] = &g.axes;
        let bands = h.outputs.div_ceil(self.rows);
        let (band, depth, image) = (tile % bands, tile / bands % d.outputs, tile / bands / d.outputs);
        let (row, filter) = (band * self.rows, image % g.groups);
        let rows = self.rows.min(h.outputs - row);
        let (input, rest) = scratch.split_at_mut(self.slice * d.taps.len() + TOGETHER * SLACK);
        let (results, whole) = rest.split_at_mut(self.results());
        let terms = self.offsets.len();
        isa.dispatch(Tile {
            plan: self,
            x: &x[image * g.input_plane()..][..g.input_plane()],
            at: [depth, row],
            rows,
            weights: &packed.weights[filter * terms..][..terms],
            bias: packed.bias[filter],
            input,
            results,
            whole,
        });
        let at = image * g.output_plane() + (depth * h.outputs + row) * w.outputs;
        let n = rows * w.outputs;
        // SAFETY: the rows of this tile, which belong to no other.
        finish.run(isa, &whole[..n], at, unsafe { out.slice(at, n) });
    }
}

/// One tile's sums, into `whole`.
struct Tile<'a> {
    plan: &'a Depthwise,
    /// One plane.
    x: &'a [f32],
    /// Depth and first row of the outputs.
    at: [usize; 2],
    rows: usize,
    weights: &'a [f32],
    bias: f32,
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
        let Depthwise { geometry: g, pitch, part, slice, .. } = self.plan;
        let [d, h, w] = &g.axes;
        let needed = (self.rows - 1) * h.stride + (h.taps[h.taps.len() - 1] - h.taps[0]) as usize + 1;
        for (slot, tap) in d.taps.iter().enumerate() {
            let depth = (self.at[0] * d.stride) as isize + tap;
            let exists = depth >= 0 && depth < d.input as isize;
            for i in 0..needed {
                let row = (self.at[1] * h.stride + i) as isize + h.taps[0];
                let line = if exists && row >= 0 && row < h.input as isize {
                    &self.x[(depth as usize * h.input + row as usize) * w.input..][..w.input]
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
        let end = (self.rows - 1) * plan.pitch + plan.geometry.axes[2].outputs;
        let (mut i, wide) = (0, TOGETHER * S::LANES);
        let reach = plan.offsets.iter().copied().max().unwrap_or(0);
        assert!(
            reach + end.next_multiple_of(S::LANES) <= self.input.len() && end + wide <= self.results.len() + S::LANES
        );
        assert_eq!(self.weights.len(), plan.offsets.len());
        let (x, to) = (self.input.as_ptr(), self.results.as_mut_ptr());
        while i + wide <= end {
            // SAFETY: asserted above: `i + wide <= end`.
            unsafe { run::<S, TOGETHER>(s, x.add(i), &plan.offsets, self.weights, self.bias, to.add(i)) };
            i += wide;
        }
        while i + 2 * S::LANES <= end {
            // SAFETY: as above.
            unsafe { run::<S, 2>(s, x.add(i), &plan.offsets, self.weights, self.bias, to.add(i)) };
            i += 2 * S::LANES;
        }
        while i < end {
            // SAFETY: asserted above, one vector beyond the end at most.
            unsafe { run::<S, 1>(s, x.add(i), &plan.offsets, self.weights, self.bias, to.add(i)) };
            i += S::LANES;
        }
    }

    /// Brings the rows of results together.
    #[inline(always)]
    fn join<S: Simd>(&mut self, s: S) {
        let (pitch, width) = (self.plan.pitch, self.plan.geometry.axes[2].outputs);
        assert!((self.rows - 1) * pitch + width + SLACK <= self.results.len().min(self.whole.len()));
        for row in 0..self.rows {
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
