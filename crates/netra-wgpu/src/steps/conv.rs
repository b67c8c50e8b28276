//! Convolution. With weights that are known and ungrouped, they are packed for one of two kernels (`choice` says which): a
//! direct one (`direct`) and a matrix product (`gemm`). All others run one thread an output element. Tensors in parts are
//! convolved part by part: each output part sums over the input parts.

use std::ops::Range;

use netra_graph::{Activation, Conv, Error, Result, Tensor};

use super::choice::{Choice, Plan, Setting, plan};
use super::direct::Direct;
use super::gemm::Gemm;
use super::view::{contiguous, empty};
use super::window::{Geometry, three};
use crate::gpu::{Buffer, Gpu};
use crate::kernels::activation::Act;
use crate::kernels::window::{ChannelsLaunch, conv_grouped_kernel};
use crate::value::{Part, Value, count, split, with_channels};

fn geometry(p: &Conv, input: &[usize], kernel: &[usize], output: &[usize]) -> Geometry {
    let mut g = Geometry {
        input: three(&input[2..], 1),
        output: three(&output[2..], 1),
        kernel: three(&kernel[2..], 1),
        stride: three(&p.strides, 1),
        dilation: three(&p.dilations, 1),
        pad: three(&p.pads, (0, 0)).map(|p| p.0),
    };
    // A point-wise convolution sees one long row.
    if g.kernel == [1; 3] && g.stride == [1; 3] && g.input == g.output {
        let row = g.input.iter().product();
        (g.input, g.output) = ([1, 1, row], [1, 1, row]);
    }
    g
}

/// An ungrouped convolution with constant weights, before it is packed for a kernel.
pub(crate) struct Problem<'a> {
    pub(crate) geometry: Geometry,
    pub(crate) batch: usize,
    /// Channels of each input part, and of each output part.
    pub(crate) ins: Vec<Range<usize>>,
    pub(crate) outs: Vec<Range<usize>>,
    /// Weights `[out channels, channels, taps]`.
    pub(crate) data: &'a [f32],
    pub(crate) channels: usize,
}

impl<'a> Problem<'a> {
    /// Terms that a kernel adds up in one chain, and those of a sum from which it makes chains at all: they take registers.
    pub(crate) const CHAIN: usize = 128;
    const LONG_SUM: usize = 1024;

    /// The problem; `None` for a convolution of groups.
    pub(crate) fn new(gpu: &Gpu, p: &Conv, input: &[usize], weight: &'a Tensor, output: &[usize]) -> Option<Self> {
        if p.groups != 1 {
            return None;
        }
        let (ins, outs) = (split(input, gpu.limit())?, split(output, gpu.limit())?);
        let geometry = geometry(p, input, weight.shape(), output);
        Some(Self { geometry, batch: input[0], ins, outs, data: weight.as_f32()?, channels: input[1] })
    }

    /// Taps of the kernel.
    pub(crate) fn taps(&self) -> usize {
        self.geometry.kernel.iter().product()
    }

    /// Terms of a sum.
    pub(crate) fn terms(&self) -> usize {
        self.channels * self.taps()
    }

    /// Whether a sum is so long that it is made of chains.
    pub(crate) fn is_long(&self) -> bool {
        self.terms() > Self::LONG_SUM
    }

    /// Output channels of the widest part.
    pub(crate) fn widest(&self) -> usize {
        self.outs.iter().map(Range::len).max().unwrap_or(0)
    }

    /// Output pixels of the whole batch.
    pub(crate) fn pixels(&self) -> usize {
        self.batch * self.geometry.output.iter().product::<usize>()
    }

    /// A weight; 0 for an output channel beyond those of a part.
    pub(crate) fn weight(&self, m: usize, out: &Range<usize>, channel: usize, tap: usize) -> f32 {
        if m < out.end { self.data[(m * self.channels + channel) * self.taps() + tap] } else { 0.0 }
    }

    /// What `pack` makes of the weights of each output part, for each input part.
    pub(crate) fn pack(&self, pack: impl Fn(&Range<usize>, &Range<usize>) -> Buffer) -> Vec<Vec<Buffer>> {
        self.outs.iter().map(|out| self.ins.iter().map(|part| pack(out, part)).collect()).collect()
    }
}

/// A convolution whose weights were packed when it was compiled.
pub(crate) struct Packed {
    geometry: Geometry,
    kernel: PackedKernel,
}

enum PackedKernel {
    Direct(Direct),
    Gemm(Gemm),
}

/// Packs the weights for the algorithm that was told, or for the one that is estimated to be fastest. `None` when the
/// convolution suits none.
pub(crate) fn prepare(gpu: &Gpu, problem: &Problem<'_>, setting: &Setting<'_>, told: Option<Choice>) -> Option<Packed> {
    let kernel = match plan(problem, setting, told)? {
        Plan::Direct(spec) => PackedKernel::Direct(Direct::new(gpu, problem, spec)),
        Plan::Gemm(tile) => PackedKernel::Gemm(Gemm::new(gpu, problem, tile, setting.half())),
    };
    Some(Packed { geometry: problem.geometry, kernel })
}

impl Packed {
    /// Bytes of what was packed.
    pub(crate) fn bytes(&self) -> usize {
        match &self.kernel {
            PackedKernel::Direct(direct) => direct.weights.iter().flatten().map(Buffer::bytes).sum(),
            PackedKernel::Gemm(gemm) => gemm.weights.iter().flatten().chain(&gemm.terms).map(Buffer::bytes).sum(),
        }
    }
}

/// The operands of a convolution besides its weights.
pub(crate) struct Operands<'a> {
    pub(crate) x: &'a Value,
    pub(crate) bias: Option<&'a Value>,
    pub(crate) residual: Option<&'a Value>,
    /// Factors and shifts of what is read, and the activation after them.
    pub(crate) affine: Option<(&'a Value, Option<Activation>)>,
}

impl Operands<'_> {
    fn bias(&self) -> Result<Option<&Buffer>> {
        let whole = |v: &'_ Value| v.single().is_some();
        match self.bias {
            Some(bias) if !whole(bias) => Err(Error::unsupported("a bias larger than a buffer")),
            bias => Ok(bias.and_then(Value::single)),
        }
    }
}

/// Kind and parameters of an activation; fails on one that this backend does not know.
pub(crate) fn activation(activation: Option<Activation>) -> Result<(Act, f32, f32)> {
    Act::of_optional(activation).ok_or_else(|| Error::unsupported(format!("{activation:?}")))
}

/// One launch of a packed kernel: an input part into an output part.
pub(crate) struct Launch<'a> {
    pub(crate) geometry: &'a Geometry,
    pub(crate) batch: usize,
    /// Channels of the whole input.
    pub(crate) channels: usize,
    pub(crate) from: &'a Part,
    pub(crate) to: &'a Part,
    /// Adds to what the output part holds.
    pub(crate) accumulate: bool,
    pub(crate) bias: Option<&'a Buffer>,
    pub(crate) residual: Option<&'a Buffer>,
    /// Factors, and shifts behind them, of what is read.
    pub(crate) factors: Option<&'a Buffer>,
    pub(crate) shifted: bool,
    /// Activations of what is written and of what is read.
    pub(crate) act: (Act, f32, f32),
    pub(crate) reads: (Act, f32, f32),
}

/// Runs a packed kernel.
pub(crate) fn run_packed(gpu: &Gpu, p: &Conv, packed: &Packed, o: &Operands<'_>, shape: &[usize]) -> Result<Value> {
    let (act, bias) = (activation(p.activation)?, o.bias()?);
    let reads = activation(o.affine.and_then(|(_, activation)| activation))?;
    let affine = o.affine.map(|(affine, _)| affine);
    let whole = |v: &Value| v.single().cloned().ok_or_else(|| Error::unsupported("factors larger than a buffer"));
    let (factors, shifted) = (affine.map(whole).transpose()?, affine.is_some_and(|a| a.shape[0] == 2));
    let out = empty(gpu, shape);
    if count(shape) == 0 {
        return Ok(out);
    }
    for (j, to) in out.parts.iter().enumerate() {
        let residual = o.residual.map(|r| contiguous(gpu, r, to.start, to.channels));
        for (i, from) in o.x.parts.iter().enumerate() {
            let last = i + 1 == o.x.parts.len();
            let launch = Launch {
                geometry: &packed.geometry,
                batch: shape[0],
                channels: o.x.shape[1],
                from,
                to,
                accumulate: i > 0,
                bias,
                residual: residual.as_ref().filter(|_| last),
                factors: factors.as_ref(),
                shifted,
                act: if last { act } else { (Act::None, 0.0, 0.0) },
                reads,
            };
            match &packed.kernel {
                PackedKernel::Direct(direct) => direct.launch(gpu, &launch, (i, j)),
                PackedKernel::Gemm(gemm) => gemm.launch(gpu, &launch, (i, j)),
            }
        }
    }
    Ok(out)
}

/// Runs the kernel for grouped convolutions and for weights that a run computes.
pub(crate) fn run_grouped(gpu: &Gpu, p: &Conv, weight: &Value, o: &Operands<'_>, shape: &[usize]) -> Result<Value> {
    let (act, bias) = (activation(p.activation)?, o.bias()?);
    let filter = weight.single().ok_or_else(|| Error::unsupported("weights larger than a buffer"))?;
    let geometry = geometry(p, &o.x.shape, &weight.shape, shape);
    let (in_group, out_group) = (weight.shape[1], weight.shape[0] / p.groups.max(1));
    let out = empty(gpu, shape);
    for part in &out.parts {
        let total = count(&with_channels(shape, part.channels));
        if total == 0 {
            continue;
        }
        let residual = o.residual.map(|r| contiguous(gpu, r, part.start, part.channels));
        for (i, source) in o.x.parts.iter().enumerate() {
            let last = i + 1 == o.x.parts.len();
            let (kind, alpha, beta) = if last { act } else { (Act::None, 0.0, 0.0) };
            let residual = Buffer::optional(residual.as_ref().filter(|_| last)).into();
            let channels = ChannelsLaunch::new(
                source.start,
                source.channels,
                part.start,
                part.channels,
                in_group,
                out_group.max(1),
            );
            let (cubes, dim) = gpu.grid(total);
            let (c, x, w, y) = (&gpu.client, source.buffer.arg(), filter.arg(), part.buffer.arg());
            let (bias, g) = (Buffer::optional(bias).into(), geometry.arg(total));
            conv_grouped_kernel::launch(c, cubes, dim, x, w, bias, residual, y, g, channels, alpha, beta, i > 0, kind);
        }
    }
    Ok(out)
}
