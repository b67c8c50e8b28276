//! Sliding windows, and transposed convolution.

use netra_graph::{ConvTranspose, Error, Pool, Result};

use super::conv::activation;
use super::view::empty;
use crate::gpu::{Buffer, Gpu};
use crate::kernels::activation::Act;
use crate::kernels::window::{ChannelsLaunch, WindowLaunch, conv_transpose_kernel};
use crate::value::{Value, count, with_channels};

/// The last three axes, with size 1 in front where there are fewer.
pub(crate) fn three<T: Copy>(values: &[T], fill: T) -> [T; 3] {
    let mut out = [fill; 3];
    for (slot, value) in out.iter_mut().rev().zip(values.iter().rev()) {
        *slot = *value;
    }
    out
}

/// Sizes of a sliding window along three axes.
#[derive(Clone, Copy)]
pub(crate) struct Geometry {
    pub(crate) input: [usize; 3],
    pub(crate) output: [usize; 3],
    pub(crate) kernel: [usize; 3],
    pub(crate) stride: [usize; 3],
    pub(crate) dilation: [usize; 3],
    pub(crate) pad: [usize; 3],
}

impl Geometry {
    /// The window of a pooling.
    pub(crate) fn of_pool(pool: &Pool, input: &[usize], output: &[usize]) -> Self {
        Self {
            input: three(&input[2..], 1),
            output: three(&output[2..], 1),
            kernel: three(&pool.kernel, 1),
            stride: three(&pool.strides, 1),
            dilation: three(&pool.dilations, 1),
            pad: three(&pool.pads, (0, 0)).map(|p| p.0),
        }
    }

    /// The kernel argument, for `total` threads.
    pub(crate) fn arg(&self, total: usize) -> WindowLaunch {
        let ([id, ih, iw], [od, oh, ow]) = (self.input, self.output);
        let ([kd, kh, kw], [sd, sh, sw]) = (self.kernel, self.stride);
        let ([dd, dh, dw], [pd, ph, pw]) = (self.dilation, self.pad.map(|p| p as i32));
        WindowLaunch::new(total, id, ih, iw, od, oh, ow, kd, kh, kw, sd, sh, sw, dd, dh, dw, pd, ph, pw)
    }
}

/// Transposed convolution. Input parts are added up in order; the last one applies the activation.
pub(crate) fn run_conv_transpose(
    gpu: &Gpu,
    p: &ConvTranspose,
    x: &Value,
    weight: &Value,
    bias: Option<&Value>,
    shape: &[usize],
) -> Result<Value> {
    let whole = |v: &Value| v.single().cloned().ok_or_else(|| Error::unsupported("weights larger than a buffer"));
    let (filter, bias) = (whole(weight)?, bias.map(whole).transpose()?);
    let act = activation(p.activation)?;
    let geometry = Geometry {
        input: three(&x.shape[2..], 1),
        output: three(&shape[2..], 1),
        kernel: three(&weight.shape[2..], 1),
        stride: three(&p.strides, 1),
        dilation: three(&p.dilations, 1),
        pad: three(&p.pads, (0, 0)).map(|p| p.0),
    };
    let (in_group, out_group) = (x.shape[1] / p.groups.max(1), weight.shape[1]);
    let out = empty(gpu, shape);
    for part in &out.parts {
        let tile = [8, 4, 2].into_iter().find(|t| p.groups == 1 && part.channels.is_multiple_of(*t)).unwrap_or(1);
        let total = count(&with_channels(shape, part.channels)) / tile;
        if total == 0 {
            continue;
        }
        for (i, source) in x.parts.iter().enumerate() {
            let last = i + 1 == x.parts.len();
            let (kind, alpha, beta) = if last { act } else { (Act::None, 0.0, 0.0) };
            let (cubes, dim) = gpu.grid(total);
            let channels =
                ChannelsLaunch::new(source.start, source.channels, part.start, part.channels, in_group, out_group);
            let (c, a, w, out) = (&gpu.client, source.buffer.arg(), filter.arg(), part.buffer.arg());
            let (b, g) = (Buffer::optional(bias.as_ref()).into(), geometry.arg(total));
            conv_transpose_kernel::launch(c, cubes, dim, a, w, b, out, g, channels, alpha, beta, tile, i > 0, kind);
        }
    }
    Ok(out)
}
