//! Convolution: the tiled kernel where weights are known and ungrouped, else one thread an output element. Tensors in
//! parts are convolved part by part: each output part sums over the input parts.

use std::ops::Range;

use netra_graph::{Activation, Conv, Error, Result, Tensor};

use super::view::{contiguous, empty};
use super::window::{Geometry, three};
use crate::gpu::{Buffer, Gpu};
use crate::kernels::activation::Act;
use crate::kernels::conv::{ConvGeometryLaunch, ConvSpec, conv_tiled};
use crate::kernels::window::{ChannelsLaunch, conv_grouped_kernel};
use crate::value::{Value, count, split, with_channels};

/// Tiles to choose from: output channels and pixels of a thread.
const TILES: [(usize, usize); 9] = [(8, 16), (8, 8), (8, 4), (4, 16), (4, 8), (4, 4), (4, 2), (4, 1), (8, 2)];
/// Largest tile on hardware, where a thread that needs more registers leaves others no room.
const HARDWARE_TILE: usize = 64;
/// Multiply-adds that a thread of the tiled kernel unrolls at most: more bloats the shader.
const UNROLLED: usize = 640;
/// Input pixels that a thread of the tiled kernel keeps at most.
const SPAN: usize = 72;
/// Terms that the tiled kernel adds up in one chain, and those of a sum from which it makes chains at all: they take
/// registers.
const CHAIN: usize = 128;
const LONG_SUM: usize = 1024;
/// Threads below which hardware adapters are given smaller tiles, to fill the processor.
const FEW_THREADS: usize = 16_384;

/// A convolution whose weights were packed for the tiled kernel when it was compiled.
pub(crate) struct Tiled {
    geometry: Geometry,
    spec: ConvSpec,
    /// Weights of each output part, for each input part.
    weights: Vec<Vec<Buffer>>,
    /// Bytes of all of them.
    pub(crate) bytes: usize,
}

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

/// Tile of the tiled kernel, or `None` when the convolution does not suit it.
fn tile(p: &Conv, g: &Geometry, (inputs, channels): (usize, usize), batch: usize, software: bool) -> Option<ConvSpec> {
    let ([_, _, kernel_w], [_, _, stride_w], [_, _, dilation_w]) = (g.kernel, g.stride, g.dilation);
    if p.groups != 1 {
        return None;
    }
    let (spread, dilation_w) = if stride_w == 1 { (dilation_w, 1) } else { (1, dilation_w) };
    let spec = |(channels, pixels)| ConvSpec {
        channels,
        pixels,
        spread,
        kernel_w,
        stride_w,
        dilation_w,
        accumulate: false,
        chained: inputs * g.kernel.iter().product::<usize>() > LONG_SUM,
        act: Act::None,
        reads: Act::None,
        shifted: false,
    };
    let rows = g.output[0] * g.output[1] * batch;
    let cost = |s: &ConvSpec| {
        let threads = rows * s.threads(g.output[2]) * channels.div_ceil(s.channels);
        let loads = (0..s.span()).filter(|&o| s.touches(o)).count() + s.kernel_w * s.channels;
        // Measured on llvmpipe: a load costs what many multiply-adds cost, and a row has a cost of its own.
        let work = 1100 + 64 * loads + s.kernel_w * s.channels * s.pixels;
        let idle = if software { 1.0 } else { (FEW_THREADS as f64 / threads.max(1) as f64).max(1.0) };
        threads as f64 * work as f64 * idle
    };
    TILES
        .into_iter()
        .filter(|&(c, px)| software || c * px <= HARDWARE_TILE)
        .map(spec)
        .filter(|s| s.span() <= SPAN && s.channels * s.pixels * s.kernel_w <= UNROLLED)
        .min_by(|a, b| cost(a).total_cmp(&cost(b)))
}

/// How a convolution with constant weights runs on the tiled kernel.
struct Plan {
    geometry: Geometry,
    spec: ConvSpec,
    /// Channels of each input part, and of each output part.
    ins: Vec<Range<usize>>,
    outs: Vec<Range<usize>>,
}

/// The plan of a convolution; `None` when it does not suit the tiled kernel.
fn plan(gpu: &Gpu, p: &Conv, input: &[usize], weight: &Tensor, output: &[usize], software: bool) -> Option<Plan> {
    weight.as_f32()?;
    let geometry = geometry(p, input, weight.shape(), output);
    let (ins, outs) = (split(input, gpu.limit())?, split(output, gpu.limit())?);
    let widest = outs.iter().map(Range::len).max()?;
    let spec = tile(p, &geometry, (input[1], widest), input[0], software)?;
    Some(Plan { geometry, spec, ins, outs })
}

/// Whether a convolution with constant weights runs on the tiled kernel.
pub(crate) fn is_tiled(
    gpu: &Gpu,
    p: &Conv,
    input: &[usize],
    weight: &Tensor,
    output: &[usize],
    software: bool,
) -> bool {
    plan(gpu, p, input, weight, output, software).is_some()
}

/// Packs constant weights `[M, C, kd, kh, kw]` for the tiled kernel. `None` when the convolution does not suit it.
pub(crate) fn prepare(
    gpu: &Gpu,
    p: &Conv,
    input: &[usize],
    weight: &Tensor,
    output: &[usize],
    software: bool,
) -> Option<Tiled> {
    let Plan { geometry, spec, ins, outs } = plan(gpu, p, input, weight, output, software)?;
    let data = weight.as_f32()?;
    let mut bytes = 0;
    let weights = outs
        .iter()
        .map(|out| {
            let pack = |part: &Range<usize>| {
                let packed = pack(data, weight.shape(), out, part, spec.channels);
                bytes += packed.len() * 4;
                gpu.upload(&packed)
            };
            ins.iter().map(pack).collect()
        })
        .collect();
    Some(Tiled { geometry, spec, weights, bytes })
}

/// Weights of some output and input channels as `[tiles, C, taps, tile]`, the last tile filled up with 0.
fn pack(data: &[f32], shape: &[usize], out: &Range<usize>, part: &Range<usize>, tile: usize) -> Vec<f32> {
    let (channels, taps) = (shape[1], count(&shape[2..]));
    let mut packed = Vec::with_capacity(out.len().div_ceil(tile) * tile * part.len() * taps);
    for first in out.clone().step_by(tile) {
        for c in part.clone() {
            for t in 0..taps {
                for m in first..first + tile {
                    packed.push(if m < out.end { data[(m * channels + c) * taps + t] } else { 0.0 });
                }
            }
        }
    }
    packed
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

/// Runs the tiled kernel.
pub(crate) fn run_tiled(gpu: &Gpu, p: &Conv, tiled: &Tiled, o: &Operands<'_>, shape: &[usize]) -> Result<Value> {
    let (act, bias) = (activation(p.activation)?, o.bias()?);
    let (reads, read_alpha, read_beta) = activation(o.affine.and_then(|(_, activation)| activation))?;
    let affine = o.affine.map(|(affine, _)| affine);
    let whole = |v: &Value| v.single().cloned().ok_or_else(|| Error::unsupported("factors larger than a buffer"));
    let (factors, shifted) = (affine.map(whole).transpose()?, affine.is_some_and(|a| a.shape[0] == 2));
    let (channels, shifts) = (o.x.shape[1], o.x.shape[0] * o.x.shape[1]);
    let out = empty(gpu, shape);
    let g = &tiled.geometry;
    let ([id, ih, iw], [od, oh, ow]) = (g.input, g.output);
    for (part, weights) in out.parts.iter().zip(&tiled.weights) {
        let (tiles_w, tiles_c) = (tiled.spec.threads(ow), part.channels.div_ceil(tiled.spec.channels));
        let total = shape[0] * tiles_c * od * oh * tiles_w;
        if total == 0 {
            continue;
        }
        let residual = o.residual.map(|r| contiguous(gpu, r, part.start, part.channels));
        for (i, (source, weight)) in o.x.parts.iter().zip(weights).enumerate() {
            let last = i + 1 == o.x.parts.len();
            let (kind, alpha, beta) = if last { act } else { (Act::None, 0.0, 0.0) };
            let residual = Buffer::optional(residual.as_ref().filter(|_| last)).into();
            let spec = ConvSpec { accumulate: i > 0, act: kind, reads, shifted, ..tiled.spec };
            let sizes = ConvGeometryLaunch::new(
                total,
                tiles_w,
                tiles_c,
                source.channels,
                if tiled.spec.chained { (CHAIN / tiled.spec.kernel_w).max(1) } else { source.channels.max(1) },
                id,
                ih,
                iw,
                part.channels,
                part.start,
                od,
                oh,
                ow,
                g.kernel[0],
                g.kernel[1],
                g.stride[0],
                g.stride[1],
                g.stride[2],
                g.dilation[0],
                g.dilation[1],
                g.pad[0],
                g.pad[1],
                g.pad[2],
                channels,
                source.start,
                shifts,
            );
            let (cubes, dim) = gpu.grid(total);
            let (c, x, w, y) = (&gpu.client, source.buffer.arg(), weight.arg(), part.buffer.arg());
            let (bias, affine) = (Buffer::optional(bias).into(), Buffer::optional(factors.as_ref()).into());
            conv_tiled::launch(
                c, cubes, dim, 4, x, w, bias, residual, affine, y, sizes, alpha, beta, read_alpha, read_beta, spec,
            );
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_packed_in_tiles() {
        // Three output channels, two input channels, one tap, tiles of two: the second tile is half empty.
        let data = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let packed = pack(&data, &[3, 2, 1], &(0..3), &(0..2), 2);
        assert_eq!(packed, [1.0, 3.0, 2.0, 4.0, 5.0, 0.0, 6.0, 0.0]);
        assert_eq!(pack(&data, &[3, 2, 1], &(1..3), &(1..2), 2), [4.0, 6.0]);
    }
}
