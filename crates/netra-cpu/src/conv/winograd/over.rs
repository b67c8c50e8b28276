//! A convolution that is written over its input: half the memory, and a third less traffic, since no other cache line is
//! fetched only to be overwritten.
//!
//! A unit of work reads each slice of its rows before it writes that slice, so along the depth nothing is in the way. Across
//! the rows, each unit also reads one row of either neighbour. So each thread goes through a chain of neighbouring units in
//! order and keeps the last input row of the unit before; what belongs to another thread's chain is copied before any begins.

use super::plan::Shape;
use super::transform::IN;
use super::{Job, Winograd};
use crate::Context;
use crate::conv::Weights;
use crate::parallel::Shared;
use crate::simd::map::{ChannelAffine, Finish};

/// Bytes of a tensor from which on it is worth keeping rows: smaller ones stay in a cache.
const LARGE: usize = 16 << 20;

/// Input rows `[channel][slice]` that are, or may be, overwritten when a chain reads them.
pub struct Fences<'a> {
    /// Of the row of tiles before the next unit.
    above: &'a mut [f32],
    /// Of the row of tiles behind the chain.
    below: &'a mut [f32],
    /// First row of tiles of the unit at hand, and one past the chain's last.
    first: usize,
    end: usize,
}

impl Fences<'_> {
    /// Input row `i` of a row of tiles, when it is behind a fence. `at` is the channel and the slice.
    #[inline(always)]
    pub fn row(&self, s: &Shape, tile_row: usize, i: usize, at: (usize, usize)) -> Option<&[f32]> {
        let fence = match i {
            0 if tile_row == self.first => &*self.above,
            i if i + 1 == IN && tile_row + 1 == self.end => &*self.below,
            _ => return None,
        };
        Some(&fence[start(s, at)..][..s.input[2]])
    }

    /// Keeps a row of the unit at hand for the next unit; of several rows of tiles the last remains.
    #[inline(always)]
    pub fn keep(&mut self, s: &Shape, at: (usize, usize), row: &[f32]) {
        self.above[start(s, at)..][..s.input[2]].copy_from_slice(row);
    }
}

/// Where the row of a channel and slice begins in a fence.
fn start(s: &Shape, (channel, depth): (usize, usize)) -> usize {
    (channel * s.input[0] + depth) * s.input[2]
}

impl Winograd {
    /// Whether the output may be written over the input, and it is worth it.
    pub fn overwrites(&self) -> bool {
        let bytes = self.shape.channels * self.shape.input.iter().product::<usize>() * size_of::<f32>();
        bytes >= LARGE && self.may_overwrite()
    }

    fn may_overwrite(&self) -> bool {
        let (s, plan) = (&self.shape, &self.plan);
        let same = s.channels == s.filters && s.slices_centred() && s.pads[1] == s.dilations[1];
        // Each slice of a unit's rows is read once.
        let whole = plan.parts == 1 && plan.segments.len() == s.dilations[0].min(s.output[0]);
        same && whole && s.batch == 1 && s.groups == 1
    }

    /// Floats of scratch that each worker needs to [run over](Self::run_over) the input.
    pub fn scratch_over(&self) -> usize {
        self.buffers.len() + 2 * self.fence()
    }

    /// Floats of a fence.
    fn fence(&self) -> usize {
        self.shape.channels * self.shape.input[0] * self.shape.input[2]
    }

    /// Computes `out`, which holds the input. Asks for a convolution that [may be overwritten](Self::overwrites).
    pub fn run_over(
        &self,
        context: &Context<'_>,
        affine: Option<ChannelAffine<'_>>,
        packed: &Weights,
        finish: Finish<'_>,
        out: &mut [f32],
    ) {
        let out = Shared::new(out);
        let job =
            Job { w: self, packed, finish, x: None, slices: self.shape.input[0], affine, outputs: None, out: &out };
        let groups = self.plan.row_groups(&self.shape);
        let chains = context.threads.count().min(groups);
        let bounds = |chain: usize| (chain * groups / chains, (chain + 1) * groups / chains);
        // Each chain has a scratch of its own, whichever thread it falls to.
        context.threads.for_each(chains, |_, chain| {
            let (from, to) = bounds(chain);
            job.protect(from, to, &mut context.scratch.lock(chain).floats()[self.buffers.len()..]);
        });
        let segments = self.plan.segments.len();
        context.threads.for_each(chains, |_, chain| {
            let (from, to) = bounds(chain);
            let mut scratch = context.scratch.lock(chain);
            let (scratch, fences) = scratch.floats().split_at_mut(self.buffers.len());
            let (above, below) = fences.split_at_mut(self.fence());
            let mut fences = Fences { above, below, first: 0, end: to * self.plan.rows };
            for unit in from * segments..to * segments {
                fences.first = unit / segments * self.plan.rows;
                job.unit(unit, scratch, Some(&mut fences));
            }
        });
    }
}

impl Job<'_> {
    /// Copies the rows that the chain of the units' rows of tiles `from..to` reads of its neighbours.
    fn protect(&self, from: usize, to: usize, fences: &mut [f32]) {
        let (s, plan, fence) = (&self.w.shape, &self.w.plan, self.w.fence());
        let segments = plan.segments.len();
        let (above, below) = fences.split_at_mut(fence);
        let first = self.place(from * segments);
        let last = self.place((to - 1) * segments);
        for (fence, place, r, i) in [(above, first, 0, 0), (below, last, plan.rows - 1, IN - 1)] {
            let Some(y) = self.row(place, r, i) else { continue };
            for at in (0..s.channels).flat_map(|c| (0..s.input[0]).map(move |d| (c, d))) {
                fence[start(s, at)..][..s.input[2]].copy_from_slice(self.input(place, at.0, at.1, y));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use netra_graph::Activation;

    use super::*;
    use crate::isa::{InstructionSet, Isa};
    use crate::parallel::{Scratch, Threads};
    use crate::simd::map::{Residual, Source};

    fn noise(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i + seed) * 7919 % 1009) as f32 / 504.5 - 1.0).collect()
    }

    /// The bits that the convolution gives elsewhere. Tells in how many cases it could be written over its input.
    fn compare(input: [usize; 3], channels: usize, depth_taps: usize, dilation: usize) -> usize {
        let dilations = [if depth_taps == 1 { 1 } else { dilation }, dilation, dilation];
        let pads = [dilations[0] * (depth_taps / 2), dilation, dilation];
        let (batch, groups, filters, output) = (1, 1, channels, input);
        let shape = Shape { batch, groups, channels, filters, input, output, depth_taps, dilations, pads };
        let n = channels * input.iter().product::<usize>();
        let (x, residual, weight) = (noise(n, 1), noise(n, 2), noise(channels * channels * depth_taps * 9, 3));
        let (factors, shifts) = (noise(channels, 4), noise(channels, 5));
        let activation = Some(Activation::Relu);
        let affine = ChannelAffine { factors: &factors, shifts: &shifts, activation };
        let mut cases = 0;
        for (set, count) in InstructionSet::available().into_iter().flat_map(|set| [(set, 1), (set, 2), (set, 5)]) {
            let (isa, threads) = (Isa::new(set).unwrap(), Threads::new(count).unwrap());
            let Some(w) = Winograd::new(shape.clone(), isa, count, u64::MAX).filter(Winograd::may_overwrite) else {
                continue;
            };
            cases += 1;
            let packed = w.pack(&weight, Some(&factors));
            let scratch = Scratch::new(count, w.scratch_over(), 0);
            let context = Context { isa, threads: &threads, scratch: &scratch };
            for (affine, residual) in [(None, Residual::None), (Some(affine), Residual::Tensor(&residual))] {
                let finish = Finish { residual, activation };
                let (mut expected, mut got) = (vec![0.0; n], x.clone());
                w.run(&context, Source { x: &x, affine }, &packed, finish, &mut expected);
                for _ in 0..2 {
                    got.copy_from_slice(&x);
                    w.run_over(&context, affine, &packed, finish, &mut got);
                    assert!(got == expected, "{shape:?} on {set}, {count} threads");
                }
            }
        }
        cases
    }

    #[test]
    fn the_bits_are_those_of_a_tensor_of_its_own() {
        let cases = [
            compare([9, 40, 21], 5, 3, 1),
            compare([16, 64, 30], 3, 3, 1),
            compare([12, 37, 18], 6, 3, 2),
            compare([10, 33, 25], 4, 3, 4),
            compare([7, 41, 16], 4, 5, 1),
            compare([6, 50, 20], 4, 1, 1),
            compare([1, 90, 70], 7, 1, 3),
        ];
        assert!(cases.iter().all(|&n| n > 0), "{cases:?}");
    }
}
