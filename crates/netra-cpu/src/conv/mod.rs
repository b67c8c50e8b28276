//! Convolution: which algorithm, and the one way to call any of them.

mod axis;
mod blocked;
mod choice;
mod depthwise;
mod direct;
#[cfg(target_arch = "x86_64")]
mod narrow;
mod panel;
mod pixel;
mod plan;
mod slabs;
mod tile;
mod upsample;
mod winograd;

use netra_graph::{Activation, Conv, ConvTranspose};

use crate::Context;
use crate::arithmetic::Arithmetic;
use crate::isa::Isa;
use crate::simd::map::{ChannelAffine, Finish, Residual, Source};
use blocked::Blocked;
pub use choice::Choice;
use depthwise::Depthwise;
use direct::Direct;
#[cfg(target_arch = "x86_64")]
use narrow::Narrow;
use panel::Panel;
use pixel::Pixel;
use plan::Geometry;
pub use slabs::{Packed as SlabWeights, Slabs};
#[cfg(target_arch = "x86_64")]
use upsample::NarrowUpsample;
use upsample::Upsample;
use winograd::{Shape, Winograd};

/// A planned convolution or transposed convolution.
pub struct Convolution {
    algorithm: Algorithm,
    activation: Option<Activation>,
}

enum Algorithm {
    Direct(Direct),
    Blocked(Box<Blocked>),
    Depthwise(Box<Depthwise>),
    Panel(Box<Panel>),
    Pixel(Box<Pixel>),
    Upsample(Box<Upsample>),
    Winograd(Box<Winograd>),
    #[cfg(target_arch = "x86_64")]
    Narrow(Box<Narrow>),
    #[cfg(target_arch = "x86_64")]
    NarrowUpsample(Box<NarrowUpsample>),
}

/// Weights and bias of one [`Convolution`] in the order that it reads them.
pub enum Packed {
    /// Of a direct convolution.
    Direct(direct::Packed),
    /// Of a direct convolution with output channels in the lanes.
    Blocked(Weights),
    /// Of a depthwise convolution.
    Depthwise(Weights),
    /// Of a convolution over panels.
    Panel(Weights),
    /// Of a convolution of single pixels.
    Pixel(pixel::Packed),
    /// Of a transposed convolution whose windows do not overlap.
    Upsample(Weights),
    /// Of a Winograd convolution.
    Winograd(Weights),
    /// Of a convolution in narrow numbers.
    #[cfg(target_arch = "x86_64")]
    Narrow(crate::dot::Packed),
}

impl Packed {
    /// Bytes of the copies.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Direct(p) => p.bytes(),
            Self::Blocked(p) => p.bytes(),
            Self::Depthwise(p) => p.bytes(),
            Self::Panel(p) => p.bytes(),
            Self::Pixel(p) => p.bytes(),
            Self::Upsample(p) => p.bytes(),
            Self::Winograd(p) => p.bytes(),
            #[cfg(target_arch = "x86_64")]
            Self::Narrow(p) => p.bytes(),
        }
    }
}

/// Weights and bias of one convolution in the order that an algorithm reads them; its `pack` tells which.
pub struct Weights {
    /// The weights.
    pub weights: Vec<f32>,
    /// The bias.
    pub bias: Vec<f32>,
}

impl Weights {
    /// Bytes of the copies.
    pub fn bytes(&self) -> usize {
        (self.weights.len() + self.bias.len()) * size_of::<f32>()
    }
}

/// The last three entries, filled up with `fill` in front.
fn three<T: Clone>(values: &[T], fill: T) -> [T; 3] {
    std::array::from_fn(|i| (i + values.len()).checked_sub(3).map_or_else(|| fill.clone(), |j| values[j].clone()))
}

impl Convolution {
    /// Plans a convolution. Shapes are `N, C, spatial...` and the weight's `M, C / groups, kernel...`.
    pub fn new(
        p: &Conv,
        x: &[usize],
        weight: &[usize],
        out: &[usize],
        isa: Isa,
        threads: usize,
        arithmetic: Arithmetic,
    ) -> Self {
        let geometry = Geometry::forward(p, x, weight, out);
        if let Some(d) = Depthwise::new(&geometry, isa, threads) {
            return Self { algorithm: Algorithm::Depthwise(Box::new(d)), activation: p.activation };
        }
        if let Some(pixel) = Pixel::new(p, x, weight, out, isa) {
            return Self { algorithm: Algorithm::Pixel(Box::new(pixel)), activation: p.activation };
        }
        let geometry = geometry.flattened();
        let direct = Direct::new(&geometry, isa, threads);
        let blocked = Blocked::new(&geometry, isa, threads, direct.cost());
        let cost = blocked.as_ref().map_or(direct.cost(), Blocked::cost);
        let panel = Panel::new(&geometry, isa, threads, cost);
        let cost = panel.as_ref().map_or(cost, Panel::cost);
        let winograd = match arithmetic {
            Arithmetic::Exact => None,
            _ => shape(p, x, weight, out).and_then(|s| Winograd::new(s, isa, threads, cost / 5 * 4)),
        };
        let algorithm = match (winograd, panel, blocked) {
            (Some(w), ..) => Algorithm::Winograd(Box::new(w)),
            (None, Some(p), _) => Algorithm::Panel(Box::new(p)),
            (None, None, Some(b)) => Algorithm::Blocked(Box::new(b)),
            (None, None, None) => Algorithm::Direct(direct),
        };
        #[cfg(target_arch = "x86_64")]
        {
            let cost = if let Algorithm::Winograd(w) = &algorithm { w.cost() } else { cost };
            if let Some(n) = Narrow::new(&geometry, arithmetic, isa, threads, cost as usize) {
                return Self { algorithm: Algorithm::Narrow(Box::new(n)), activation: p.activation };
            }
        }
        Self { algorithm, activation: p.activation }
    }

    /// Plans a transposed convolution. The weight's shape is `C, M / groups, kernel...`.
    #[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))] // The arithmetic.
    pub fn transposed(
        p: &ConvTranspose,
        x: &[usize],
        weight: &[usize],
        out: &[usize],
        isa: Isa,
        threads: usize,
        arithmetic: Arithmetic,
    ) -> Self {
        let algorithm = match Upsample::new(p, x, weight, out, isa, threads) {
            #[cfg(target_arch = "x86_64")]
            Some(up) => match NarrowUpsample::format(&up, arithmetic, isa) {
                Some(format) => Algorithm::NarrowUpsample(Box::new(NarrowUpsample::new(up, format))),
                None => Algorithm::Upsample(Box::new(up)),
            },
            #[cfg(not(target_arch = "x86_64"))]
            Some(up) => Algorithm::Upsample(Box::new(up)),
            None => Algorithm::Direct(Direct::transposed(p, x, weight, out, isa, threads)),
        };
        Self { algorithm, activation: p.activation }
    }

    /// Floats of scratch that each worker needs; `over` tells whether the output is written over the input.
    pub fn scratch(&self, over: bool) -> usize {
        match &self.algorithm {
            Algorithm::Winograd(a) if over => a.scratch_over(),
            Algorithm::Direct(a) => a.scratch(),
            Algorithm::Blocked(a) => a.scratch(),
            Algorithm::Depthwise(a) => a.scratch(),
            Algorithm::Panel(a) => a.scratch(),
            Algorithm::Pixel(a) => a.scratch(),
            Algorithm::Upsample(a) => a.scratch(),
            Algorithm::Winograd(a) => a.scratch(),
            #[cfg(target_arch = "x86_64")]
            Algorithm::Narrow(a) => a.scratch(),
            #[cfg(target_arch = "x86_64")]
            Algorithm::NarrowUpsample(a) => a.scratch(),
        }
    }

    /// Brings weights and bias into the order of the inner loop.
    pub fn pack(&self, weight: &[f32], bias: Option<&[f32]>) -> Packed {
        match &self.algorithm {
            Algorithm::Direct(a) => Packed::Direct(a.pack(weight, bias)),
            Algorithm::Blocked(a) => Packed::Blocked(a.pack(weight, bias)),
            Algorithm::Depthwise(a) => Packed::Depthwise(a.pack(weight, bias)),
            Algorithm::Panel(a) => Packed::Panel(a.pack(weight, bias)),
            Algorithm::Pixel(a) => Packed::Pixel(a.pack(weight, bias)),
            Algorithm::Upsample(a) => Packed::Upsample(a.pack(weight, bias)),
            Algorithm::Winograd(a) => Packed::Winograd(a.pack(weight, bias)),
            #[cfg(target_arch = "x86_64")]
            Algorithm::Narrow(a) => Packed::Narrow(a.pack(weight, bias)),
            #[cfg(target_arch = "x86_64")]
            Algorithm::NarrowUpsample(a) => Packed::Narrow(a.pack(weight, bias)),
        }
    }

    /// Lets [`run`](Self::run) leave the sums over the output's planes in the scratch memory, where there is no residual. Gives in
    /// how many parts each is left, or `None` where the algorithm leaves none.
    pub fn leave_sums(&mut self) -> Option<usize> {
        match &mut self.algorithm {
            Algorithm::Depthwise(a) => Some(a.leave_sums()),
            _ => None,
        }
    }

    /// Whether [`run`](Self::run) can scale, shift and activate what it reads.
    pub fn takes_affine(&self) -> bool {
        match &self.algorithm {
            Algorithm::Winograd(_) => true,
            Algorithm::Panel(a) => a.takes_affine(),
            _ => false,
        }
    }

    /// Whether the output may be written over the input, and it is worth it.
    pub fn overwrites(&self) -> bool {
        matches!(&self.algorithm, Algorithm::Winograd(a) if a.overwrites())
    }

    /// As [`run`](Self::run), with `out` holding the input; only where the algorithm [allows it](Self::overwrites).
    pub fn run_over(
        &self,
        context: &Context<'_>,
        affine: Option<ChannelAffine<'_>>,
        packed: &Packed,
        residual: Residual<'_>,
        out: &mut [f32],
    ) {
        let finish = Finish { residual, activation: self.activation };
        match (&self.algorithm, packed) {
            (Algorithm::Winograd(a), Packed::Winograd(packed)) => a.run_over(context, affine, packed, finish, out),
            _ => debug_assert!(false, "an algorithm that cannot write over its input"),
        }
    }

    /// Computes `out`. Asks for `x` without an affine function unless it [takes one](Self::takes_affine). `residual` is of `out`'s size when given; `packed` comes from [`pack`](Self::pack).
    pub fn run(
        &self,
        context: &Context<'_>,
        source: Source<'_>,
        packed: &Packed,
        residual: Residual<'_>,
        out: &mut [f32],
    ) {
        let finish = Finish { residual, activation: self.activation };
        let x = source.x;
        debug_assert!(source.affine.is_none() || self.takes_affine());
        match (&self.algorithm, packed) {
            (Algorithm::Direct(a), Packed::Direct(packed)) => a.run(context, x, packed, finish, out),
            (Algorithm::Blocked(a), Packed::Blocked(packed)) => a.run(context, x, packed, finish, out),
            (Algorithm::Depthwise(a), Packed::Depthwise(packed)) => a.run(context, x, packed, finish, out),
            (Algorithm::Panel(a), Packed::Panel(packed)) => a.run(context, source, packed, finish, out),
            (Algorithm::Pixel(a), Packed::Pixel(packed)) => a.run(context, x, packed, finish, out),
            (Algorithm::Upsample(a), Packed::Upsample(packed)) => a.run(context, x, packed, finish, out),
            (Algorithm::Winograd(a), Packed::Winograd(packed)) => a.run(context, source, packed, finish, out),
            #[cfg(target_arch = "x86_64")]
            (Algorithm::Narrow(a), Packed::Narrow(packed)) => a.run(context, x, packed, finish, out),
            #[cfg(target_arch = "x86_64")]
            (Algorithm::NarrowUpsample(a), Packed::Narrow(packed)) => a.run(context, x, packed, finish, out),
            _ => debug_assert!(false, "weights packed for another algorithm"),
        }
    }
}

/// The shape of a convolution that Winograd's algorithm can compute.
fn shape(p: &Conv, x: &[usize], weight: &[usize], out: &[usize]) -> Option<Shape> {
    let [taps, 3, 3] = three(&weight[2..], 1) else { return None };
    let groups = p.groups.max(1);
    let mut dilations = three(&p.dilations, 1);
    if taps == 1 {
        dilations[0] = 1;
    }
    (three(&p.strides, 1) == [1; 3]).then(|| Shape {
        batch: x[0],
        groups,
        channels: weight[1],
        filters: weight[0] / groups,
        input: three(&x[2..], 1),
        output: three(&out[2..], 1),
        depth_taps: taps,
        dilations,
        pads: three(&p.pads, (0, 0)).map(|p| p.0),
    })
}
