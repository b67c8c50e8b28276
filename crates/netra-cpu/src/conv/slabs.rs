//! A transposed convolution and the convolution that reads it, a slab of slices at a time: at the top of a U-Net's decoder what
//! the first makes is as large as any tensor of the network, and never whole.

use netra_graph::UpsampledConv;

use super::upsample::Upsample;
use super::winograd::Winograd;
use super::{Weights, shape};
use crate::Context;
use crate::isa::Isa;
use crate::parallel::Shared;
use crate::simd::map::{Finish, Residual};

/// Bytes of a tensor from which on it is worth not having it: smaller ones hardly count.
const LARGE: usize = 64 << 20;
/// Most bytes of a ring of slices, which stays in the cache that all cores share.
const RING: usize = 16 << 20;

/// A planned pair.
pub struct Slabs {
    up: Upsample,
    conv: Winograd,
    pair: UpsampledConv,
    /// Output slices of a slab.
    slices: usize,
    /// Slices of a channel of the ring.
    ring: usize,
}

/// Weights of a [`Slabs`]: of the transposed convolution, and of the convolution.
pub struct Packed {
    up: Weights,
    conv: Weights,
}

impl Packed {
    /// Bytes of the copies.
    pub fn bytes(&self) -> usize {
        self.up.bytes() + self.conv.bytes()
    }
}

impl Slabs {
    /// Plans the pair, where it is large and each of its parts can be had in slices. `x` is what the transposed convolution
    /// reads; the weights are `C, M, kernel...` of that and `M, C, kernel...` of the convolution.
    pub fn new(
        pair: &UpsampledConv,
        x: &[usize],
        weights: [&[usize]; 2],
        out: &[usize],
        isa: Isa,
        threads: usize,
    ) -> Option<Self> {
        let large = pair.shape.iter().product::<usize>() * size_of::<f32>() >= LARGE;
        large.then(|| Self::within(RING, pair, x, weights, out, isa, threads)).flatten()
    }

    /// Plans slabs of at most so many bytes, or of four slices.
    fn within(
        room: usize,
        pair: &UpsampledConv,
        x: &[usize],
        [up, weight]: [&[usize]; 2],
        out: &[usize],
        isa: Isa,
        threads: usize,
    ) -> Option<Self> {
        if pair.shape.len() != 5 || pair.up.groups > 1 || pair.conv.groups > 1 || x[0] != 1 {
            return None;
        }
        let factor = up[2];
        let up = Upsample::new(&pair.up, x, up, &pair.shape, isa, threads)?;
        let conv = Winograd::new(shape(&pair.conv, &pair.shape, weight, out)?, isa, threads, u64::MAX)?;
        // Slices that a slab reads beyond its own, and that are made with those.
        let more = weight[2] - 1 + factor - 1;
        let slice = pair.shape.iter().product::<usize>() / pair.shape[2] * size_of::<f32>();
        let slices = (room / slice).saturating_sub(more).max(4);
        let worth = 4 * slices <= pair.shape[2] && conv.slices_alone();
        worth.then(|| Self { up, conv, pair: pair.clone(), slices, ring: slices + more })
    }

    /// Floats of scratch that each worker needs.
    pub fn scratch(&self) -> usize {
        self.up.scratch().max(self.conv.scratch())
    }

    /// Floats of scratch that all workers share.
    pub fn common(&self) -> usize {
        let [_, channels, _, height, width] = self.pair.shape[..] else { return 0 };
        channels * self.ring * height * width
    }

    /// Brings the weights and the biases into the order of the inner loops.
    pub fn pack(&self, up: (&[f32], Option<&[f32]>), conv: (&[f32], Option<&[f32]>)) -> Packed {
        Packed { up: self.up.pack(up.0, up.1), conv: self.conv.pack(conv.0, conv.1) }
    }

    /// Computes `out`.
    pub fn run(&self, context: &Context<'_>, x: &[f32], packed: &Packed, residual: Residual<'_>, out: &mut [f32]) {
        let finish = Finish { residual: Residual::None, activation: self.pair.up.activation };
        let last = Finish { residual, activation: self.pair.conv.activation };
        let (depth, factor) = (self.pair.shape[2], self.pair.up.strides[0]);
        let before = self.pair.conv.pads[0].0;
        let mut common = context.scratch.common();
        let ring = &mut common.floats()[..self.common()];
        let out = Shared::new(out);
        let mut made = 0;
        for first in (0..depth).step_by(self.slices) {
            let n = self.slices.min(depth - first);
            // A kernel reads as many slices behind its place as before it.
            let until = (first + n + before).min(depth).div_ceil(factor);
            self.up.run_slices(context, x, &packed.up, finish, made..until, (self.ring, ring));
            made = until;
            self.conv.run_slices(context, (self.ring, ring), &packed.conv, last, (first, n), &out);
        }
    }
}

#[cfg(test)]
mod tests {
    use netra_graph::{Activation, Conv, ConvTranspose, DType, Kernel, ProgramBuilder, Tensor, eval};

    use super::*;
    use crate::isa::InstructionSet;
    use crate::parallel::{Scratch, Threads};

    fn noise(shape: &[usize], seed: u32) -> Tensor {
        let n = shape.iter().product::<usize>() as u32;
        let value = |i: u32| (i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0;
        Tensor::from_f32(shape.to_vec(), (0..n).map(value).collect()).unwrap()
    }

    /// A pair with kernels of `taps` slices, the transposed one's `factors`, against the reference evaluator.
    fn compare(x: [usize; 5], channels: usize, factors: [usize; 3], taps: usize, bias: bool, room: usize) {
        let up = [&[x[1], channels][..], &factors].concat();
        let shape = [vec![1, channels], (0..3).map(|i| x[i + 2] * factors[i]).collect()].concat();
        let weight = [9, channels, taps, 3, 3];
        let out = [&[1, 9], &shape[2..]].concat();
        let pair = UpsampledConv {
            up: ConvTranspose {
                strides: factors.to_vec(),
                pads: vec![(0, 0); 3],
                dilations: vec![1; 3],
                groups: 1,
                activation: bias.then_some(Activation::Relu),
            },
            shape: shape.clone(),
            conv: Conv {
                strides: vec![1; 3],
                pads: vec![(taps / 2, taps / 2), (1, 1), (1, 1)],
                dilations: vec![1; 3],
                groups: 1,
                activation: Some(Activation::LeakyRelu(0.1)),
            },
        };
        let tensors =
            [noise(&x, 1), noise(&weight, 2), noise(&[9], 3), noise(&out, 4), noise(&up, 5), noise(&[channels], 6)];
        let mut b = ProgramBuilder::new();
        let id = |b: &mut ProgramBuilder, i: usize| Some(b.constant("c", tensors[i].clone()));
        let mut ids = vec![Some(b.input("x", DType::F32, &x))];
        ids.extend((1..6).map(|i| if bias || !matches!(i, 2 | 5) { id(&mut b, i) } else { None }));
        let y = b.step("y", Kernel::UpsampledConv(Box::new(pair.clone())), &ids, DType::F32, &out);
        let expected = eval::run(&b.finish(vec![y]), &[tensors[0].view()]).unwrap().remove(0);
        let expected = expected.as_f32().unwrap();
        let range = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let floats = |i: usize| tensors[i].as_f32().unwrap();
        let given = |i: usize| bias.then(|| floats(i));
        for (set, count) in InstructionSet::available().into_iter().flat_map(|set| [(set, 1), (set, 3)]) {
            let (isa, threads) = (Isa::new(set).unwrap(), Threads::new(count).unwrap());
            let slabs = Slabs::within(room, &pair, &x, [&up, &weight], &out, isa, count).unwrap();
            let packed = slabs.pack((floats(4), given(5)), (floats(1), given(2)));
            let scratch = Scratch::new(count, slabs.scratch(), slabs.common());
            let context = Context { isa, threads: &threads, scratch: &scratch };
            let mut got = vec![f32::NAN; expected.len()];
            slabs.run(&context, floats(0), &packed, Residual::Tensor(floats(3)), &mut got);
            let worst = expected.iter().zip(&got).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
            let what = format!("{x:?} to {channels} by {factors:?}, {taps} taps, {set}, {count} threads");
            assert!(worst <= 2e-5 * range && got.iter().all(|v| v.is_finite()), "{what}: {worst:e} of {range}");
        }
    }

    /// Slabs that divide the depth and that do not, rings that pairs of slices begin at odd places of.
    #[test]
    fn slabs_are_as_the_whole_is() {
        compare([1, 5, 12, 9, 8], 12, [2, 2, 2], 3, true, 0);
        compare([1, 4, 9, 7, 11], 10, [2, 2, 2], 3, false, 0);
        compare([1, 4, 25, 7, 6], 9, [1, 2, 2], 3, true, 0);
        compare([1, 4, 7, 6, 5], 11, [3, 2, 2], 3, false, 0);
        compare([1, 4, 20, 6, 7], 12, [2, 2, 2], 5, true, 0);
        compare([1, 3, 10, 6, 9], 14, [2, 2, 2], 1, true, 14 * 12 * 18 * 4 * 6);
    }

    /// A kernel that reaches further to one side would read slices that the ring has given to others, or that are not made yet.
    #[test]
    fn kernels_that_lean_to_one_side_are_left_whole() {
        let isa = Isa::new(InstructionSet::Portable).unwrap();
        let plan = |pad| {
            let (up, strides, groups, activation) = (vec![(0, 0); 3], vec![2; 3], 1, None);
            let up = ConvTranspose { strides, pads: up, dilations: vec![1; 3], groups, activation };
            let (strides, pads) = (vec![1; 3], vec![pad, (1, 1), (1, 1)]);
            let conv = Conv { strides, pads, dilations: vec![1; 3], groups, activation };
            let pair = UpsampledConv { up, shape: vec![1, 6, 20, 12, 14], conv };
            let weights = [&[4, 6, 2, 2, 2][..], &[6, 6, 3, 3, 3]];
            Slabs::within(0, &pair, &[1, 4, 10, 6, 7], weights, &[1, 6, 20, 12, 14], isa, 1).is_some()
        };
        assert_eq!([(1, 1), (2, 0), (0, 2)].map(plan), [true, false, false]);
    }
}
