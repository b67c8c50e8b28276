//! Direct convolution as a matrix product over panels: what a short run of outputs hears is copied into a panel that stays
//! in the first-level cache, and all filters go over it.
//!
//! Outputs fill the lanes, so that the results need no transposition. Padding, strides and dilations concern the copy
//! alone; the product reads panels and weights from end to end. That pays for the copy from some sixteen filters on:
//! channels of a tensor lie pages apart, and reading them as they lie costs more in misses of the address cache and in
//! loads that cross cache lines.

mod fill;
mod kernel;
mod plan;

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Weights;
use super::plan::Geometry;
use crate::Context;
use crate::isa::Isa;
use crate::parallel::Shared;
use crate::simd::map::{Finish, Residual, Rows, Source};
use crate::simd::{LINE, prefetch, prefetch_to_write};
use fill::Fill;
use kernel::VECTORS;
use plan::Plan;

/// A planned convolution.
pub struct Panel(Plan);

impl Panel {
    /// Plans a convolution, unless it costs more than `limit`.
    pub fn new(geometry: &Geometry, isa: Isa, threads: usize, limit: u64) -> Option<Self> {
        Plan::new(geometry.clone(), isa, threads).filter(|plan| plan.cost < limit).map(Self)
    }

    /// Rough half cycles of the whole convolution.
    pub fn cost(&self) -> u64 {
        self.0.cost
    }

    /// Whether what is read can be scaled, shifted and activated: where panels are plain copies.
    pub fn takes_affine(&self) -> bool {
        fill::plain(&self.0.geometry)
    }

    /// Floats of scratch that each worker needs.
    pub fn scratch(&self) -> usize {
        self.0.scratch()
    }

    /// Brings weights into `[group][chain][block][term of the chain][filter of the block]`, zero beyond the last filter, and
    /// the bias into `[group][filter]`, as many as the blocks have.
    pub fn pack(&self, weight: &[f32], bias: Option<&[f32]>) -> Weights {
        let plan = &self.0;
        let g = &plan.geometry;
        let (terms, taps, block) = (g.terms(), g.taps(), plan.kernels.filters);
        let padded = plan.blocks() * block;
        let mut weights = vec![0.0; g.groups * padded * terms];
        let mut packed_bias = vec![0.0; g.groups * padded];
        for (group, to) in weights.chunks_mut(padded * terms).enumerate() {
            for m in 0..g.filters {
                let filter = group * g.filters + m;
                packed_bias[group * padded + m] = bias.map_or(0.0, |b| b[filter]);
                let from = &weight[filter * terms..][..terms];
                for (chain, to) in to.chunks_mut(plan.chain * padded).enumerate() {
                    let length = to.len() / padded;
                    let to = to[m / block * length * block + m % block..].iter_mut().step_by(block).take(length);
                    for (i, to) in to.enumerate() {
                        let term = chain * plan.chain + i;
                        *to = from[term % g.channels * taps + term / g.channels];
                    }
                }
            }
        }
        Weights { weights, bias: packed_bias }
    }

    /// Computes `out`.
    pub fn run(
        &self,
        context: &Context<'_>,
        source: Source<'_>,
        packed: &Weights,
        finish: Finish<'_>,
        out: &mut [f32],
    ) {
        let out = Shared::new(out);
        let job = Job { isa: context.isa, plan: &self.0, packed, finish, source, out: &out };
        // Which group's panels each worker has in its scratch.
        let filled: Vec<AtomicUsize> = (0..context.threads.count()).map(|_| AtomicUsize::new(usize::MAX)).collect();
        context.threads.for_each(self.0.units(), |worker, unit| {
            let mut scratch = context.scratch.lock(worker);
            let group = unit / self.0.parts;
            let fresh = filled[worker].swap(group, Ordering::Relaxed) != group;
            job.unit(group, unit % self.0.parts, fresh, scratch.floats());
        });
    }
}

/// What the units of a convolution share.
struct Job<'a> {
    isa: Isa,
    plan: &'a Plan,
    packed: &'a Weights,
    finish: Finish<'a>,
    source: Source<'a>,
    out: &'a Shared<f32>,
}

/// Work of a unit: an image's outputs from `first` on, in `vectors`, for some blocks of filters.
struct Group {
    image: usize,
    first: usize,
    vectors: usize,
    blocks: Range<usize>,
}

impl Job<'_> {
    /// Computes one part of the filters for a group of runs, after filling its panels when they are not there.
    fn unit(&self, group: usize, part: usize, fresh: bool, scratch: &mut [f32]) {
        let plan = self.plan;
        let (g, terms) = (&plan.geometry, plan.geometry.terms());
        let (image, group) = (group / plan.groups(), group % plan.groups());
        let width = plan.together * VECTORS * plan.lanes;
        let first = group * width;
        let vectors = width.min(plan.outputs() - first).div_ceil(plan.lanes);
        let blocks = plan.blocks() * part / plan.parts..plan.blocks() * (part + 1) / plan.parts;
        let (panels, sums) = scratch.split_at_mut(plan.together * plan.panel());
        if fresh {
            let source = self.source.part(image * g.channels, g.channels, g.input_plane());
            self.isa.dispatch(Fill { geometry: g, source, first, outputs: plan.outputs(), vectors, panels });
        }
        let runs = vectors.div_ceil(VECTORS);
        let group = Group { image, first, vectors, blocks };
        for begin in (0..terms).step_by(plan.chain) {
            let chain = begin..terms.min(begin + plan.chain);
            if plan.near() {
                for run in 0..runs {
                    group.blocks.clone().for_each(|block| self.tile(&group, &chain, block, run, panels, sums));
                }
            } else {
                for block in group.blocks.clone() {
                    (0..runs).for_each(|run| self.tile(&group, &chain, block, run, panels, sums));
                }
            }
        }
    }

    /// Adds a chain to the sums of a block of filters over a run of outputs, and after the last chain writes them.
    fn tile(&self, group: &Group, chain: &Range<usize>, block: usize, run: usize, panels: &[f32], sums: &mut [f32]) {
        let plan = self.plan;
        let (g, filters, outputs) = (&plan.geometry, plan.kernels.filters, plan.outputs());
        let vectors = VECTORS.min(group.vectors - run * VECTORS);
        let (width, length) = (vectors * plan.lanes, chain.len());
        let padded = plan.blocks() * filters;
        let start = group.image % g.groups * padded;
        let at = start * g.terms() + chain.start * padded + block * filters * length;
        let weights = &self.packed.weights[at..][..filters * length];
        let bias = &self.packed.bias[start + block * filters..][..filters];
        let bias = if chain.start == 0 { bias.as_ptr() } else { std::ptr::null() };
        let panel = &panels[run * plan.panel() + chain.start * width..][..length * width];
        let at = if plan.single() { 0 } else { run * plan.sums() + (block - group.blocks.start) * filters * width };
        let tile = &mut sums[at..][..filters * width];

        let first = group.first + run * VECTORS * plan.lanes;
        let count = filters.min(g.filters - block * filters);
        let rows = Rows { count, n: width.min(outputs - first), from_step: width, to_step: outputs };
        let at = (group.image * g.filters + block * filters) * outputs + first;
        let last = chain.end == g.terms();
        if last {
            self.ask_output(rows, at);
        }
        // SAFETY: the kernels were chosen for this instruction set; panel, weights, bias and tile were cut to the sizes that
        // it works on.
        unsafe { plan.kernels.get(vectors)(panel.as_ptr(), weights.as_ptr(), length, bias, tile.as_mut_ptr()) };
        if last {
            // SAFETY: every output belongs to one block and one run of one unit, which visits it once.
            unsafe { self.finish.rows(self.isa, rows, tile, at, self.out) };
        }
    }

    /// Asks for the cache lines of some rows of the output, which would otherwise come only when they are written.
    fn ask_output(&self, rows: Rows, at: usize) {
        for row in 0..rows.count {
            for i in (0..rows.n).step_by(LINE) {
                let at = at + row * rows.to_step + i;
                prefetch_to_write(self.out.pointer(at));
                if let Residual::Tensor(t) = self.finish.residual {
                    prefetch(t.as_ptr().wrapping_add(at));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::InstructionSet;
    use crate::parallel::{Scratch, Threads};
    use netra_graph::{Activation, Conv, DType, Kernel, ProgramBuilder, Tensor, eval};

    fn tensor(shape: &[usize], seed: usize) -> Tensor {
        let value = |i: usize| ((i * 7919 + seed * 104_729) % 2003) as f32 / 2003.0 - 0.5;
        Tensor::from_f32(shape, (0..shape.iter().product()).map(value).collect()).unwrap()
    }

    /// Shapes that the cost model would give to other kernels are computed here all the same.
    fn compare(x: &[usize], filters: usize, kernel: &[usize], stride: usize, dilation: usize, groups: usize) {
        let rank = kernel.len();
        let pads: Vec<(usize, usize)> = kernel.iter().map(|k| (k / 2 * dilation, (k - 1) / 2)).collect();
        let activation = Some(Activation::HardSwish);
        let p = Conv { strides: vec![stride; rank], pads, dilations: vec![dilation; rank], groups, activation };
        let mut out = vec![x[0], filters];
        out.extend(
            (0..rank).map(|i| (x[i + 2] + p.pads[i].0 + p.pads[i].1 - dilation * (kernel[i] - 1) - 1) / stride + 1),
        );
        let weight = tensor(&[&[filters, x[1] / groups], kernel].concat(), 1);
        let (bias, input, skip) = (tensor(&[filters], 2), tensor(x, 3), tensor(&out, 4));
        let mut b = ProgramBuilder::new();
        let ids = [b.input("x", DType::F32, x), b.constant("w", weight.clone()), b.constant("b", bias.clone())];
        let ids = [ids[0], ids[1], ids[2], b.constant("r", skip.clone())].map(Some);
        let y = b.step("y", Kernel::Conv(p.clone()), &ids, DType::F32, &out);
        let expected = eval::run(&b.finish(vec![y]), &[input.view()]).unwrap().remove(0);
        let expected = expected.as_f32().unwrap();
        for set in InstructionSet::available() {
            for count in [1, 3] {
                let isa = Isa::new(set).unwrap();
                let threads = Threads::new(count).unwrap();
                let geometry = Geometry::forward(&p, x, weight.shape(), &out).flattened();
                let panel = Panel::new(&geometry, isa, count, u64::MAX).unwrap();
                let packed = panel.pack(weight.as_f32().unwrap(), bias.as_f32());
                let scratch = Scratch::new(count, panel.scratch(), 0);
                let context = Context { isa, threads: &threads, scratch: &scratch };
                let finish = Finish { residual: Residual::Tensor(skip.as_f32().unwrap()), activation };
                let mut got = vec![f32::NAN; expected.len()];
                let source = Source { x: input.as_f32().unwrap(), affine: None };
                panel.run(&context, source, &packed, finish, &mut got);
                let range = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
                let worst = expected.iter().zip(&got).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
                let what = format!("{x:?} to {out:?}, {kernel:?} on {set}, {count} threads");
                assert!(worst <= 2e-6 * range && got.iter().all(|v| v.is_finite()), "{what}: {worst:e} of {range}");
            }
        }
    }

    #[test]
    fn every_shape_is_as_the_reference_has_it() {
        compare(&[1, 70, 14, 14], 90, &[1, 1], 1, 1, 1);
        compare(&[2, 300, 7, 7], 33, &[1, 1], 1, 1, 1);
        compare(&[1, 20, 40, 41], 7, &[1, 1], 1, 1, 1);
        compare(&[1, 24, 13, 15], 20, &[1, 1], 2, 1, 1);
        compare(&[1, 16, 20, 9], 8, &[3, 3], 1, 1, 1);
        compare(&[1, 3, 31, 40], 16, &[7, 7], 2, 1, 1);
        compare(&[1, 8, 17, 25], 12, &[5, 3], 3, 1, 1);
        compare(&[1, 6, 19, 18], 10, &[3, 3], 1, 3, 1);
        compare(&[1, 6, 19, 18], 10, &[3, 3], 2, 2, 1);
        compare(&[2, 12, 11, 10], 18, &[3, 3], 1, 1, 3);
        compare(&[1, 5, 6, 7, 8], 9, &[3, 3, 3], 1, 1, 1);
        compare(&[1, 5, 7, 6, 9], 9, &[3, 1, 3], 2, 1, 1);
        compare(&[1, 9, 50], 5, &[4], 1, 1, 1);
        compare(&[1, 2, 3, 1], 3, &[3, 1], 1, 1, 1);
    }

    #[test]
    fn weights_beyond_the_caches_go_over_all_runs() {
        compare(&[1, 512, 7, 7], 520, &[1, 1], 1, 1, 1);
        compare(&[1, 260, 9, 9], 100, &[3, 3], 1, 1, 1);
    }
}
