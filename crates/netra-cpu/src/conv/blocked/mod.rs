//! Direct convolution with output channels in the lanes: each input pixel is broadcast against vectors of weights.
//!
//! Where planes are small, rows of pixels fill vectors badly and every step of the sum fetches whole vectors of input;
//! channels fill them well, an output costs one broadcast a term, and a stride only spreads the pixels that are read. A
//! unit of work goes over its tile of outputs a block of channels and a chain of terms at a time; the sums are transposed
//! on the way out.

mod kernel;
mod plan;

use super::Weights;
use super::axis::{Axis, Stretch};
use super::plan::Geometry;
use crate::Context;
use crate::isa::Isa;
use crate::parallel::{Digits, Shared};
use crate::simd::map::{Finish, Rows};
use crate::simd::{Simd, SimdOp};
use plan::Plan;
pub use plan::STAGE;

/// A planned convolution.
pub struct Blocked(Plan);

impl Blocked {
    /// Plans a convolution, unless it costs more than `limit`.
    pub fn new(geometry: &Geometry, isa: Isa, threads: usize, limit: u64) -> Option<Self> {
        Plan::new(geometry, isa, threads).filter(|plan| plan.cost < limit).map(Self)
    }

    /// Rough half cycles of the whole convolution.
    pub fn cost(&self) -> u64 {
        self.0.cost
    }

    /// Floats of scratch that each worker needs.
    pub fn scratch(&self) -> usize {
        self.0.scratch()
    }

    /// Brings weights into `[group][block][term][channel of the block]`, zero beyond the last channel, and the bias into
    /// `[group][channel]`, as many as there are lanes.
    pub fn pack(&self, weight: &[f32], bias: Option<&[f32]>) -> Weights {
        let Plan { geometry: g, lanes, vectors, .. } = &self.0;
        let (terms, width) = (g.terms(), vectors * lanes);
        let padded = self.0.channel_vectors() * lanes;
        let mut weights = vec![0.0; g.groups * padded * terms];
        let mut packed_bias = vec![0.0; g.groups * padded];
        for (group, to) in weights.chunks_mut(padded * terms).enumerate() {
            for m in 0..g.filters {
                let filter = group * g.filters + m;
                packed_bias[group * padded + m] = bias.map_or(0.0, |b| b[filter]);
                let first = m / width * width;
                let step = width.min(padded - first);
                let to = to[first * terms + m % width..].iter_mut().step_by(step);
                to.zip(&weight[filter * terms..][..terms]).for_each(|(to, &w)| *to = w);
            }
        }
        Weights { weights, bias: packed_bias }
    }

    /// Computes `out`.
    pub fn run(&self, context: &Context<'_>, x: &[f32], packed: &Weights, finish: Finish<'_>, out: &mut [f32]) {
        let out = Shared::new(out);
        let job = Job { isa: context.isa, plan: &self.0, packed, finish, x, out: &out };
        context.threads.for_each(self.0.units(), |worker, unit| {
            job.unit(unit, context.scratch.lock(worker).floats());
        });
    }
}

/// What the units of a convolution share.
struct Job<'a> {
    isa: Isa,
    plan: &'a Plan,
    packed: &'a Weights,
    finish: Finish<'a>,
    x: &'a [f32],
    out: &'a Shared<f32>,
}

/// Where a tile lies: `batch * groups + group`, its depth, its first row and rows, its first column and columns.
struct Place {
    image: usize,
    depth: usize,
    rows: (usize, usize),
    columns: (usize, usize),
}

/// A block of output channels: the first of its group, and its vectors.
struct Block {
    first: usize,
    vectors: usize,
}

impl Job<'_> {
    fn unit(&self, unit: usize, scratch: &mut [f32]) {
        let plan = self.plan;
        let mut digits = Digits(unit);
        let [dn, hn, wn] = plan.counts();
        let (w, h, depth) = (digits.next(wn), digits.next(hn), digits.next(dn));
        // Neighbouring units share their weights, and hand channels to the kernels that follow.
        let part = digits.next(plan.parts);
        let image = digits.0;
        let range = |i: usize, most: usize, outputs: usize| (i * most, most.min(outputs - i * most));
        let [_, height, width] = &plan.geometry.axes;
        let (rows, columns) = (range(h, plan.tile[0], height.outputs), range(w, plan.tile[1], width.outputs));
        let place = Place { image, depth, rows, columns };

        let (slab, scratch) = scratch.split_at_mut(plan.slab());
        let (sums, stage) = scratch.split_at_mut(plan.sums());
        let g = &plan.geometry;
        let x = &self.x[image * g.channels * g.input_plane()..][..g.channels * g.input_plane()];
        let x = if plan.in_place {
            let start = |axis: &Axis, at: usize| at * axis.stride + axis.taps.first().map_or(0, |&t| t as usize);
            let [d, h, w] = &g.axes;
            &x[(start(d, depth) * h.input + start(h, rows.0)) * w.input + start(w, columns.0)..]
        } else {
            self.fill(&place, x, slab);
            slab
        };
        let (from, to) = (plan.blocks() * part / plan.parts, plan.blocks() * (part + 1) / plan.parts);
        for i in from..to {
            let vectors = plan.vectors.min(plan.channel_vectors() - i * plan.vectors);
            let block = Block { first: i * plan.vectors * plan.lanes, vectors };
            self.sums(&place, &block, x, sums);
            self.finish(&place, &block, sums, stage);
        }
    }

    /// Copies what the tile reads, with zeros around the input.
    fn fill(&self, place: &Place, x: &[f32], slab: &mut [f32]) {
        let Plan { geometry: g, window, pitch, .. } = self.plan;
        let [d, h, w] = &g.axes;
        let top = (place.rows.0 * h.stride) as isize + h.first_tap();
        let rows = h.window(place.rows.1);
        let Stretch { before, start, inside } = w.stretch(place.columns.0, *pitch);
        let slices = slab.chunks_mut(window[0] * pitch);
        let wanted = (0..g.channels).flat_map(|c| d.taps.iter().map(move |t| (c, t)));
        for ((c, tap), slice) in wanted.zip(slices) {
            let depth = d.existing((place.depth * d.stride) as isize + tap);
            for (i, to) in slice.chunks_mut(*pitch).take(rows).enumerate() {
                match (depth, h.existing(top + i as isize)) {
                    (Some(depth), Some(row)) => {
                        let from = &x[((c * d.input + depth) * h.input + row) * w.input..][..w.input];
                        to[..before].fill(0.0);
                        to[before..before + inside].copy_from_slice(&from[start..][..inside]);
                        to[before + inside..].fill(0.0);
                    }
                    _ => to.fill(0.0),
                }
            }
        }
    }

    /// The sums of a block over the tile: `[pixel][channel of the block]`.
    fn sums(&self, place: &Place, block: &Block, x: &[f32], sums: &mut [f32]) {
        let Plan { geometry: g, lanes, kernels, pitch, .. } = self.plan;
        let width = block.vectors * lanes;
        let group = place.image % g.groups * self.plan.channel_vectors() * lanes;
        let bias = &self.packed.bias[group + block.first..][..width];
        let (rows, columns) = (place.rows.1, place.columns.1);
        for pixel in sums[..rows * columns * width].chunks_exact_mut(width) {
            pixel.copy_from_slice(bias);
        }
        let weights = &self.packed.weights[(group + block.first) * g.terms()..][..width * g.terms()];
        let chain = self.plan.chain();
        let runs = columns.div_ceil(kernels.longest(block.vectors));
        for (offsets, weights) in self.plan.offsets.chunks(chain).zip(weights.chunks(chain * width)) {
            let furthest = offsets.iter().copied().max().unwrap_or(0);
            for row in 0..rows {
                for run in 0..runs {
                    let (from, to) = (columns * run / runs, columns * (run + 1) / runs);
                    let start = row * g.axes[1].stride * pitch + from * g.axes[2].stride;
                    assert!(start + furthest + (to - from - 1) * g.axes[2].stride < x.len());
                    let sums = &mut sums[(row * columns + from) * width..(row * columns + to) * width];
                    let kernel = kernels.get(to - from, block.vectors);
                    // SAFETY: the kernels were chosen for this instruction set. The last pixel of the furthest term
                    // lies in `x`, as asserted; `weights` holds a block for each offset, `sums` one for each pixel.
                    unsafe { kernel(x[start..].as_ptr(), offsets, weights.as_ptr(), sums.as_mut_ptr()) };
                }
            }
        }
    }

    /// Transposes, finishes and writes the sums of a block.
    fn finish(&self, place: &Place, block: &Block, sums: &[f32], stage: &mut [f32]) {
        let Plan { geometry: g, lanes, .. } = self.plan;
        let [_, h, w] = &g.axes;
        let width = block.vectors * lanes;
        let count = width.min(g.filters - block.first);
        let first = (place.image * g.filters + block.first) * g.output_plane();
        let columns = place.columns.1;
        for row in 0..place.rows.1 {
            let pixel = (place.depth * h.out_size + place.rows.0 + row) * w.out_size + place.columns.0;
            for from in (0..columns).step_by(STAGE) {
                let n = STAGE.min(columns - from);
                // As many as whole vectors of four: the buffer has room after the last pixel.
                let sums = &sums[(row * columns + from) * width..][..n.next_multiple_of(4) * width];
                self.isa.dispatch(Transpose { sums, vectors: block.vectors, stage });
                let rows = Rows { count, n, from_step: STAGE, to_step: g.output_plane() };
                // SAFETY: every output element belongs to one unit, and a unit visits it once.
                unsafe { self.finish.rows(self.isa, rows, stage, first + pixel + from, self.out) };
            }
        }
    }
}

/// Brings `sums[pixel][channel]` into rows of [`STAGE`] pixels, one row a channel.
pub struct Transpose<'a> {
    /// Whole groups of four pixels, [`STAGE`] at most.
    pub sums: &'a [f32],
    /// Vectors of channels.
    pub vectors: usize,
    /// Room for all channels.
    pub stage: &'a mut [f32],
}

impl SimdOp for Transpose<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let width = self.vectors * S::LANES;
        assert!(self.sums.len() <= STAGE * width && self.stage.len() >= STAGE * width);
        for (quad, sums) in self.sums.chunks_exact(4 * width).enumerate() {
            for v in 0..self.vectors {
                let mut rows = [s.splat(0.0); 4];
                for (p, row) in rows.iter_mut().enumerate() {
                    // SAFETY: `sums` holds four pixels of `width` channels.
                    *row = unsafe { s.load(sums.as_ptr().add(p * width + v * S::LANES)) };
                }
                for (j, column) in s.transpose4(rows).into_iter().enumerate() {
                    let mut at = [0; 4];
                    for (q, at) in at.iter_mut().enumerate() {
                        *at = (v * S::LANES + 4 * q + j) * STAGE + 4 * quad;
                    }
                    // SAFETY: the stage holds `width` rows, as asserted, and a quad is one of `STAGE / 4`.
                    unsafe { s.store_quads(self.stage.as_mut_ptr(), &at[..S::LANES / 4], column) };
                }
            }
        }
    }
}
