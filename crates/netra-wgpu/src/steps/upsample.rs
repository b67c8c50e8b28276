//! Transposed convolution whose kernel is its stride, with known weights: one product, spread where it belongs.

use netra_graph::{ConvTranspose, Error, Result, Tensor};

use super::conv::activation;
use super::view::empty;
use super::window::three;
use crate::gpu::{Buffer, Gpu};
use crate::kernels::activation::Act;
use crate::kernels::upsample::{UpsampleGeometryLaunch, UpsampleSpec, upsample_kernel};
use crate::value::{Value, split};

/// Sums of a thread at most: more take registers that other threads need.
const SUMS: usize = 64;

/// A transposed convolution whose weights were packed when it was compiled.
pub(crate) struct Upsample {
    spec: UpsampleSpec,
    /// Weights of each output part, for each input part.
    weights: Vec<Vec<Buffer>>,
    /// Bytes of all of them.
    pub(crate) bytes: usize,
}

/// Packs constant weights `[C, M, kd, kh, kw]`. `None` when boxes overlap, leave gaps or are too large for a thread.
pub(crate) fn prepare(
    gpu: &Gpu,
    p: &ConvTranspose,
    input: &[usize],
    weight: &Tensor,
    output: &[usize],
) -> Option<Upsample> {
    let kernel = three(&weight.shape()[2..], 1);
    let boxes = three(&p.strides, 1) == kernel
        && p.pads.iter().all(|pad| pad.0 == 0)
        && p.dilations.iter().zip(&weight.shape()[2..]).all(|(&d, &k)| d == 1 || k == 1)
        && input[2..].iter().zip(&output[2..]).zip(&weight.shape()[2..]).all(|((i, o), k)| i * k == *o);
    let taps: usize = kernel.iter().product();
    if p.groups != 1 || !boxes || taps > SUMS {
        return None;
    }
    let width = three(&input[2..], 1)[2];
    let pixels = [8, 4, 2, 1].into_iter().find(|px| px * taps <= SUMS && *px < 2 * width)?;
    let channels = (SUMS / (pixels * taps)).clamp(1, weight.shape()[1].max(1));
    let [kernel_d, kernel_h, kernel_w] = kernel;
    let spec = UpsampleSpec { channels, pixels, kernel_d, kernel_h, kernel_w, accumulate: false, act: Act::None };
    let data = weight.as_f32()?;
    let (ins, outs) = (split(input, gpu.limit())?, split(output, gpu.limit())?);
    let mut bytes = 0;
    let pack = |out: &std::ops::Range<usize>, part: &std::ops::Range<usize>| {
        let mut packed = Vec::with_capacity(out.len().div_ceil(channels) * part.len() * spec.row());
        for first in out.clone().step_by(channels) {
            for c in part.clone() {
                let end = packed.len() + spec.row();
                for m in first..out.end.min(first + channels) {
                    packed.extend_from_slice(&data[(c * weight.shape()[1] + m) * taps..][..taps]);
                }
                packed.resize(end, 0.0);
            }
        }
        packed
    };
    let weights = outs.iter().map(|out| {
        let part = |part| {
            let packed = pack(out, part);
            bytes += packed.len() * size_of::<f32>();
            gpu.upload(&packed)
        };
        ins.iter().map(part).collect()
    });
    let weights = weights.collect();
    Some(Upsample { spec, weights, bytes })
}

/// Runs it. Input parts are added up in order; the last one applies the activation.
pub(crate) fn run(
    gpu: &Gpu,
    p: &ConvTranspose,
    up: &Upsample,
    x: &Value,
    bias: Option<&Value>,
    shape: &[usize],
) -> Result<Value> {
    let act = activation(p.activation)?;
    let whole = |v: &Value| v.single().cloned().ok_or_else(|| Error::unsupported("a bias larger than a buffer"));
    let bias = bias.map(whole).transpose()?;
    let [depth, height, width] = three(&x.shape[2..], 1);
    let out = empty(gpu, shape);
    for (part, weights) in out.parts.iter().zip(&up.weights) {
        let (tiles_w, tiles_c) = (width.div_ceil(up.spec.pixels), part.channels.div_ceil(up.spec.channels));
        let total = shape[0] * tiles_c * depth * height * tiles_w;
        if total == 0 {
            continue;
        }
        for (i, (source, weight)) in x.parts.iter().zip(weights).enumerate() {
            let last = i + 1 == x.parts.len();
            let (act, alpha, beta) = if last { act } else { (Act::None, 0.0, 0.0) };
            let spec = UpsampleSpec { accumulate: i > 0, act, ..up.spec };
            let sizes = UpsampleGeometryLaunch::new(
                total,
                tiles_w,
                tiles_c,
                source.channels,
                depth,
                height,
                width,
                part.channels,
                part.start,
            );
            let (cubes, dim) = gpu.grid(total);
            let (c, x, w, y) = (&gpu.client, source.buffer.arg(), weight.arg(), part.buffer.arg());
            let bias = Buffer::optional(bias.as_ref()).into();
            upsample_kernel::launch(c, cubes, dim, 4, x, w, bias, y, sizes, alpha, beta, spec);
        }
    }
    Ok(out)
}
