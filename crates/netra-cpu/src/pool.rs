//! Pooling windows.

use netra_graph::Pool;

use crate::Context;
use crate::simd::{Simd, SimdOp};

/// What a window gives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The largest element.
    Max,
    /// The mean of the elements inside the input.
    Mean,
    /// The mean over the padded input, padding counting as zeros.
    MeanWithPadding,
}

/// One spatial axis of a window.
struct Axis {
    input: usize,
    stride: usize,
    dilation: usize,
    before: usize,
    after: usize,
    kernel: usize,
}

impl Axis {
    /// Input indices under the window of output `o`, as (first tap, last tap + 1) of those inside the input.
    fn taps(&self, o: usize) -> std::ops::Range<usize> {
        let at = o * self.stride;
        let first = self.before.saturating_sub(at).div_ceil(self.dilation).min(self.kernel);
        let last = (self.input + self.before).saturating_sub(at).div_ceil(self.dilation).min(self.kernel);
        first..last.max(first)
    }

    /// Window positions inside the padded input.
    fn padded(&self, o: usize) -> usize {
        let end = self.input + self.before + self.after;
        end.saturating_sub(o * self.stride).div_ceil(self.dilation).min(self.kernel)
    }

    /// Input index of tap `k` of output `o`; `k` is one of [`taps`](Self::taps).
    fn index(&self, o: usize, k: usize) -> usize {
        o * self.stride + k * self.dilation - self.before
    }

    /// Outputs that find tap `k` inside the input.
    fn outputs(&self, k: usize, outputs: usize) -> std::ops::Range<usize> {
        let shift = k * self.dilation;
        let first = self.before.saturating_sub(shift).div_ceil(self.stride).min(outputs);
        let last = (self.input + self.before).saturating_sub(shift).div_ceil(self.stride).min(outputs);
        first..last.max(first)
    }
}

/// Pools `x` of shape `N, C, spatial...` into `out`.
pub fn pool(
    context: &Context<'_>,
    p: &Pool,
    kind: Pooling,
    x: &[f32],
    shape: &[usize],
    out_shape: &[usize],
    out: &mut [f32],
) {
    let spatial = shape.len() - 2;
    let axes: [Axis; 3] = std::array::from_fn(|i| match (i + spatial).checked_sub(3) {
        Some(j) => Axis {
            input: shape[j + 2],
            stride: p.strides[j],
            dilation: p.dilations[j].max(1),
            before: p.pads[j].0,
            after: p.pads[j].1,
            kernel: p.kernel[j],
        },
        None => Axis { input: 1, stride: 1, dilation: 1, before: 0, after: 0, kernel: 1 },
    });
    let outputs = std::array::from_fn(|i| (i + spatial).checked_sub(3).map_or(1, |j| out_shape[j + 2]));
    let columns: Vec<f32> = (0..outputs[2])
        .map(|o| if kind == Pooling::MeanWithPadding { axes[2].padded(o) } else { axes[2].taps(o).len() } as f32)
        .collect();
    let rows = (8 * 1024 / outputs[2].max(1)).max(1);
    context.threads.for_chunks(out, rows * outputs[2], |chunk, out| {
        context.isa.dispatch(Rows { axes: &axes, outputs, kind, columns: &columns, x, first: chunk * rows, out });
    });
}

/// Neighbouring rows of the output.
struct Rows<'a> {
    axes: &'a [Axis; 3],
    outputs: [usize; 3],
    kind: Pooling,
    /// Positions of a mean along the width, for each output.
    columns: &'a [f32],
    x: &'a [f32],
    /// The first row's number.
    first: usize,
    out: &'a mut [f32],
}

impl SimdOp for Rows<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let [d, h, w] = self.axes;
        let [depth, height, width] = self.outputs;
        let plane = d.input * h.input * w.input;
        let max = self.kind == Pooling::Max;
        let start = if max { f32::NEG_INFINITY } else { 0.0 };
        // What the rows under a window give, and beyond its end what whole strides may read.
        let mut line = vec![start; w.input + w.stride];
        for (i, out) in self.out.chunks_mut(width).enumerate() {
            let row = self.first + i;
            let (y, z, channel) = (row % height, row / height % depth, row / height / depth);
            let x = &self.x[channel * plane..][..plane];
            line[..w.input].fill(start);
            for kd in d.taps(z) {
                for kh in h.taps(y) {
                    let at = (d.index(z, kd) * h.input + h.index(y, kh)) * w.input;
                    combine::<S, 1>(s, max, &mut line, &x[at..at + w.input]);
                }
            }
            out.fill(start);
            for k in 0..w.kernel {
                let range = w.outputs(k, width);
                if range.is_empty() {
                    continue;
                }
                let from = &line[w.index(range.start, k)..];
                match w.stride {
                    1 => combine::<S, 1>(s, max, &mut out[range], from),
                    2 => combine::<S, 2>(s, max, &mut out[range], from),
                    stride => {
                        for (to, from) in out[range].iter_mut().zip(from.iter().step_by(stride)) {
                            *to = if max { larger(*to, *from) } else { *to + from };
                        }
                    }
                }
            }
            let outer = match self.kind {
                Pooling::Max => continue,
                Pooling::Mean => d.taps(z).len() * h.taps(y).len(),
                Pooling::MeanWithPadding => d.padded(z) * h.padded(y),
            } as f32;
            for (v, columns) in out.iter_mut().zip(self.columns) {
                *v /= outer * columns;
            }
        }
    }
}

/// The larger; NaN when either is.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

/// Takes every `STRIDE`-th element of `from` into `to`, for a stride of 1 or 2.
#[inline(always)]
fn combine<S: Simd, const STRIDE: usize>(s: S, max: bool, to: &mut [f32], from: &[f32]) {
    let n = to.len().min(from.len() / STRIDE);
    let whole = n - n % S::LANES;
    for i in (0..whole).step_by(S::LANES) {
        // SAFETY: `i + LANES <= n`, and `from` has `STRIDE` times as many elements.
        unsafe {
            let p = from.as_ptr().add(i * STRIDE);
            let new = if STRIDE == 1 { s.load(p) } else { s.unzip(s.load(p), s.load(p.add(S::LANES))).0 };
            let old = s.load(to.as_ptr().add(i));
            let both = if max {
                // The new one when it is NaN, and the old one when that is.
                s.select_ge(old, old, s.select_ge(old, new, old, new), old)
            } else {
                s.add(old, new)
            };
            s.store(to.as_mut_ptr().add(i), both);
        }
    }
    for i in whole..n {
        let new = from[i * STRIDE];
        to[i] = if max { larger(to[i], new) } else { to[i] + new };
    }
}
