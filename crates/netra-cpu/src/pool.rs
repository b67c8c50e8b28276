//! Pooling windows.

use netra_graph::Pool;

use crate::Context;

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
    let size = |i: usize| (i + spatial).checked_sub(3).map_or(1, |j| out_shape[j + 2]);
    let [od, oh, ow] = [size(0), size(1), size(2)];
    let [d, h, w] = &axes;
    let plane = d.input * h.input * w.input;
    let rows = (8 * 1024 / ow.max(1)).max(1);
    let start = if kind == Pooling::Max { f32::NEG_INFINITY } else { 0.0 };
    context.threads.for_chunks(out, rows * ow, |chunk, out| {
        for (i, out) in out.chunks_mut(ow).enumerate() {
            let row = chunk * rows + i;
            let (y, z, channel) = (row % oh, row / oh % od, row / oh / od);
            let x = &x[channel * plane..][..plane];
            out.fill(start);
            let (taps_d, taps_h) = (d.taps(z), h.taps(y));
            for kd in taps_d.clone() {
                for kh in taps_h.clone() {
                    let at = (d.index(z, kd) * h.input + h.index(y, kh)) * w.input;
                    let line = &x[at..at + w.input];
                    for kw in 0..w.kernel {
                        let range = w.outputs(kw, ow);
                        if range.is_empty() {
                            continue;
                        }
                        let line = line[w.index(range.start, kw)..].iter().step_by(w.stride);
                        let out = &mut out[range];
                        match kind {
                            Pooling::Max => {
                                out.iter_mut()
                                    .zip(line)
                                    .for_each(|(m, &v)| *m = if v > *m || v.is_nan() { v } else { *m });
                            }
                            _ => out.iter_mut().zip(line).for_each(|(m, &v)| *m += v),
                        }
                    }
                }
            }
            if kind == Pooling::Max {
                continue;
            }
            let with_padding = kind == Pooling::MeanWithPadding;
            let outer = if with_padding { d.padded(z) * h.padded(y) } else { taps_d.len() * taps_h.len() };
            for (o, v) in out.iter_mut().enumerate() {
                *v /= (outer * if with_padding { w.padded(o) } else { w.taps(o).len() }) as f32;
            }
        }
    });
}
