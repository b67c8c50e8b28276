//! Transposed convolution whose kernel is its stride: each input pixel becomes a box of output pixels of its own.

use cubecl::prelude::*;

use super::activation::{Act, activate};

/// What is fixed when the kernel is compiled. A thread spreads `pixels` neighbouring input pixels into the boxes of
/// `channels` output channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct UpsampleSpec {
    /// Output channels a thread.
    pub channels: usize,
    /// Input pixels a thread.
    pub pixels: usize,
    /// The box: depth, height, width.
    pub kernel_d: usize,
    pub kernel_h: usize,
    pub kernel_w: usize,
    /// Adds to what the output holds instead of starting at the bias.
    pub accumulate: bool,
    pub act: Act,
}

impl UpsampleSpec {
    /// Elements of a box.
    pub(crate) fn taps(&self) -> usize {
        self.kernel_d * self.kernel_h * self.kernel_w
    }

    /// Weights of a thread for one input channel: whole vectors of four.
    pub(crate) fn row(&self) -> usize {
        (self.channels * self.taps()).next_multiple_of(4)
    }
}

/// Sizes, all in elements.
#[derive(CubeLaunch, CubeType)]
pub(crate) struct UpsampleGeometry {
    /// Threads.
    pub total: usize,
    /// Threads along the last axis.
    pub tiles_w: usize,
    /// Tiles of output channels.
    pub tiles_c: usize,
    pub in_c: usize,
    pub in_d: usize,
    pub in_h: usize,
    pub in_w: usize,
    /// Output channels here, and the number of the first in the bias.
    pub out_c: usize,
    pub first: usize,
}

/// `out [N, out_c, in_d kd, in_h kh, in_w kw] (+)= boxes of x [N, in_c, in_d, in_h, in_w]`, then the activation.
///
/// Weights are packed as `[tiles_c, in_c, row]`, a row being the boxes of a tile's channels, filled up with 0.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
pub(crate) fn upsample_kernel<N: Size>(
    x: &[f32],
    w: &[Vector<f32, N>],
    bias: ComptimeOption<&[f32]>,
    out: &mut [f32],
    g: UpsampleGeometry,
    alpha: f32,
    beta: f32,
    #[comptime] spec: UpsampleSpec,
) {
    if ABSOLUTE_POS >= g.total {
        terminate!();
    }
    let pixels = comptime!(spec.pixels);
    let rows = comptime!(spec.channels * spec.taps());
    let vectors = comptime!(spec.row() / 4);

    let ix = ABSOLUTE_POS % g.tiles_w * pixels;
    let rest = ABSOLUTE_POS / g.tiles_w;
    let iy = rest % g.in_h;
    let rest = rest / g.in_h;
    let iz = rest % g.in_d;
    let rest = rest / g.in_d;
    let tile_c = rest % g.tiles_c;
    let n = rest / g.tiles_c;

    let oc = tile_c * spec.channels;
    let out_h = g.in_h * spec.kernel_h;
    let out_w = g.in_w * spec.kernel_w;
    let plane = g.in_d * spec.kernel_d * out_h * out_w;
    let corner =
        (n * g.out_c + oc) * plane + (iz * spec.kernel_d * out_h + iy * spec.kernel_h) * out_w + ix * spec.kernel_w;

    let mut acc = Array::<f32>::new(comptime!(rows * pixels));
    #[unroll]
    for r in 0..rows {
        let c = comptime!(r / spec.taps());
        if comptime!(spec.accumulate) {
            let at = corner + place(r, plane, out_h, out_w, spec);
            #[unroll]
            for p in 0..pixels {
                // Outputs beyond the last are not there to be read, nor stored.
                let there = oc + c < g.out_c && ix + p < g.in_w;
                acc[r * pixels + p] = out[select(there, at + p * spec.kernel_w, 0usize)];
            }
        } else {
            #[comptime]
            let start = match &bias {
                ComptimeOption::Some(b) => b[g.first + min(oc + c, g.out_c - 1)],
                ComptimeOption::None => 0.0f32,
            };
            #[unroll]
            for p in 0..pixels {
                acc[r * pixels + p] = start;
            }
        }
    }

    let mut xs = Array::<f32>::new(pixels);
    for ic in 0..g.in_c {
        let row = (((n * g.in_c + ic) * g.in_d + iz) * g.in_h + iy) * g.in_w;
        #[unroll]
        for p in 0..pixels {
            // What is beyond the row is never written.
            xs[p] = x[row + min(ix + p, g.in_w - 1)];
        }
        let weights = (tile_c * g.in_c + ic) * vectors;
        #[unroll]
        for v in 0..vectors {
            let wv = w[weights + v];
            #[unroll]
            for j in 0..4 {
                if comptime!(v * 4 + j < rows) {
                    let wj = wv.extract(j);
                    #[unroll]
                    for p in 0..pixels {
                        let a = comptime!((v * 4 + j) * pixels + p);
                        acc[a] = fma(wj, xs[p], acc[a]);
                    }
                }
            }
        }
    }

    #[unroll]
    for r in 0..rows {
        if oc + comptime!(r / spec.taps()) < g.out_c {
            let at = corner + place(r, plane, out_h, out_w, spec);
            #[unroll]
            for p in 0..pixels {
                if ix + p < g.in_w {
                    out[at + p * spec.kernel_w] = activate(acc[r * pixels + p], alpha, beta, spec.act);
                }
            }
        }
    }
}

/// Where element `r` of the boxes of a tile's channels lies from the corner of the first.
#[cube]
fn place(#[comptime] r: usize, plane: usize, out_h: usize, out_w: usize, #[comptime] spec: UpsampleSpec) -> usize {
    let (c, tap) = comptime!((r / spec.taps(), r % spec.taps()));
    let z = comptime!(tap / (spec.kernel_h * spec.kernel_w));
    let y = comptime!(tap / spec.kernel_w % spec.kernel_h);
    c * plane + (z * out_h + y) * out_w + comptime!(tap % spec.kernel_w)
}
