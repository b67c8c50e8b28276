//! Direct convolution, register-tiled.

use cubecl::prelude::*;

use super::activation::{Act, activate};

/// What is fixed when the kernel is compiled.
///
/// A thread computes `pixels` pixels along the last axis, `spread` apart. With a dilation and no stride the spread is the
/// dilation: then the taps of one pixel are taps of the others, and each input pixel is read once, as without dilation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ConvSpec {
    /// Output channels a thread (a multiple of 4).
    pub channels: usize,
    /// Output pixels a thread.
    pub pixels: usize,
    /// Distance of these pixels.
    pub spread: usize,
    /// Kernel size, stride and dilation along the last axis; stride and dilation in units of `spread` when it is not 1.
    pub kernel_w: usize,
    pub stride_w: usize,
    pub dilation_w: usize,
    /// Adds to what the output holds instead of starting at the bias.
    pub accumulate: bool,
    /// The sum is made of short chains: twice the registers, less rounding.
    pub chained: bool,
    /// Applied last.
    pub act: Act,
    /// Applied to what is read, when it is scaled, and whether it is shifted as well.
    pub reads: Act,
    pub shifted: bool,
}

impl ConvSpec {
    /// Input pixels, `spread` apart, from the first to the last that a thread reads from one row.
    pub(crate) fn span(&self) -> usize {
        (self.pixels - 1) * self.stride_w + (self.kernel_w - 1) * self.dilation_w + 1
    }

    /// Whether any tap of any pixel falls on this input pixel.
    pub(crate) fn touches(&self, offset: usize) -> bool {
        (0..self.pixels).any(|p| {
            let start = p * self.stride_w;
            offset >= start
                && (offset - start).is_multiple_of(self.dilation_w)
                && (offset - start) / self.dilation_w < self.kernel_w
        })
    }

    /// Threads along a row of `width` output pixels.
    pub(crate) fn threads(&self, width: usize) -> usize {
        width.div_ceil(self.pixels * self.spread) * self.spread
    }
}

/// Sizes, all in elements.
#[derive(CubeLaunch, CubeType)]
pub(crate) struct ConvGeometry {
    /// Threads.
    pub total: usize,
    /// Threads along the last axis.
    pub tiles_w: usize,
    /// Tiles of output channels.
    pub tiles_c: usize,
    pub in_c: usize,
    /// Input channels of a chain.
    pub chain: usize,
    pub in_d: usize,
    pub in_h: usize,
    pub in_w: usize,
    /// Output channels here, and the number of the first in the bias.
    pub out_c: usize,
    pub first: usize,
    pub out_d: usize,
    pub out_h: usize,
    pub out_w: usize,
    pub kernel_d: usize,
    pub kernel_h: usize,
    pub stride_d: usize,
    pub stride_h: usize,
    pub stride_w: usize,
    pub dilation_d: usize,
    pub dilation_h: usize,
    pub pad_d: usize,
    pub pad_h: usize,
    pub pad_w: usize,
    /// Channels of the whole input, the first of those here, and where the shifts begin behind the factors.
    pub channels: usize,
    pub in_first: usize,
    pub shifts: usize,
}

/// `out [N, out_c, ...] (+)= conv(x [N, in_c, ...], w)`, then residual and activation. With `affine [1 or 2, N, channels]` what is
/// read is `reads(factor x + shift)`; the padding is zeros of that.
///
/// Weights are packed as `[tiles_c, in_c, kd, kh, kw, channels]`, zero where the last tile is ragged.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
pub(crate) fn conv_tiled<N: Size>(
    x: &[f32],
    w: &[Vector<f32, N>],
    bias: ComptimeOption<&[f32]>,
    residual: ComptimeOption<&[f32]>,
    affine: ComptimeOption<&[f32]>,
    out: &mut [f32],
    g: ConvGeometry,
    alpha: f32,
    beta: f32,
    read_alpha: f32,
    read_beta: f32,
    #[comptime] spec: ConvSpec,
) {
    if ABSOLUTE_POS >= g.total {
        terminate!();
    }
    let channels = comptime!(spec.channels);
    let pixels = comptime!(spec.pixels);
    let span = comptime!(spec.span());

    let tile_w = ABSOLUTE_POS % g.tiles_w;
    let rest = ABSOLUTE_POS / g.tiles_w;
    let oy = rest % g.out_h;
    let rest = rest / g.out_h;
    let oz = rest % g.out_d;
    let rest = rest / g.out_d;
    let tile_c = rest % g.tiles_c;
    let n = rest / g.tiles_c;

    let ox = if comptime!(spec.spread == 1) {
        tile_w * pixels
    } else {
        tile_w / spec.spread * comptime!(spec.pixels * spec.spread) + tile_w % spec.spread
    };
    let oc = tile_c * channels;
    let plane = g.out_d * g.out_h * g.out_w;
    let out_base = ((n * g.out_c + oc) * g.out_d + oz) * g.out_h * g.out_w + oy * g.out_w + ox;

    // With chains, `acc` is the chain and `sums` what the chains before it came to.
    let mut acc = Array::<f32>::new(comptime!(channels * pixels));
    let mut sums = Array::<f32>::new(comptime!(if spec.chained { channels * pixels } else { 1 }));
    #[unroll]
    for c in 0..channels {
        if comptime!(spec.accumulate) {
            #[unroll]
            for p in 0..pixels {
                // Outputs beyond the last are not there to be read, nor stored.
                let there = oc + c < g.out_c && ox + p * spec.spread < g.out_w;
                acc[c * pixels + p] = out[select(there, out_base + c * plane + p * spec.spread, 0usize)];
            }
        } else {
            #[comptime]
            let start = match &bias {
                ComptimeOption::Some(b) => b[g.first + min(oc + c, g.out_c - 1)],
                ComptimeOption::None => 0.0f32,
            };
            #[unroll]
            for p in 0..pixels {
                acc[c * pixels + p] = start;
            }
        }
    }

    if comptime!(spec.chained) {
        #[unroll]
        for i in 0..comptime!(channels * pixels) {
            sums[i] = acc[i];
        }
    }
    let ix = (ox * g.stride_w) as i32 - g.pad_w as i32;
    let taps = comptime!(spec.kernel_w * spec.channels / 4);
    let w_tile = tile_c * g.in_c * g.kernel_d * g.kernel_h * taps;
    let mut xs = Array::<f32>::new(span);

    for kz in 0..g.kernel_d {
        let iz = (oz * g.stride_d + kz * g.dilation_d) as i32 - g.pad_d as i32;
        for ky in 0..g.kernel_h {
            let iy = (oy * g.stride_h + ky * g.dilation_h) as i32 - g.pad_h as i32;
            if iz >= 0 && iz < g.in_d as i32 && iy >= 0 && iy < g.in_h as i32 {
                for link in 0..g.in_c.div_ceil(g.chain) {
                    let first = link * g.chain;
                    if comptime!(spec.chained) {
                        #[unroll]
                        for i in 0..comptime!(channels * pixels) {
                            acc[i] = 0.0f32;
                        }
                    }
                    for ic in first..min(first + g.chain, g.in_c) {
                        let row = (((n * g.in_c + ic) * g.in_d + iz as usize) * g.in_h + iy as usize) * g.in_w;
                        let w_row = w_tile + ((ic * g.kernel_d + kz) * g.kernel_h + ky) * taps;
                        let at = n * g.channels + g.in_first + ic;
                        #[comptime]
                        let factor = match &affine {
                            ComptimeOption::Some(a) => a[at],
                            ComptimeOption::None => 1.0f32,
                        };
                        let mut shift = 0.0f32;
                        if comptime!(spec.shifted) {
                            #[comptime]
                            let given = match &affine {
                                ComptimeOption::Some(a) => a[g.shifts + at],
                                ComptimeOption::None => 0.0f32,
                            };
                            shift = given;
                        }
                        #[unroll]
                        for o in 0..span {
                            if comptime!(spec.touches(o)) {
                                let column = ix + comptime!((o * spec.spread) as i32);
                                let inside = column >= 0 && column < g.in_w as i32;
                                let at = select(inside, row + column as usize, row);
                                #[comptime]
                                let value = match &affine {
                                    ComptimeOption::Some(_) => {
                                        activate(fma(factor, x[at], shift), read_alpha, read_beta, spec.reads)
                                    }
                                    ComptimeOption::None => x[at],
                                };
                                xs[o] = select(inside, value, 0.0f32);
                            }
                        }
                        #[unroll]
                        for kx in 0..spec.kernel_w {
                            #[unroll]
                            for c4 in 0..comptime!(channels / 4) {
                                let wv = w[w_row + comptime!(kx * channels / 4 + c4)];
                                #[unroll]
                                for j in 0..4 {
                                    let wj = wv.extract(j);
                                    #[unroll]
                                    for p in 0..pixels {
                                        let a = comptime!((c4 * 4 + j) * pixels + p);
                                        let i = comptime!(p * spec.stride_w + kx * spec.dilation_w);
                                        acc[a] = fma(wj, xs[i], acc[a]);
                                    }
                                }
                            }
                        }
                    }
                    if comptime!(spec.chained) {
                        #[unroll]
                        for i in 0..comptime!(channels * pixels) {
                            sums[i] += acc[i];
                        }
                    }
                }
            }
        }
    }

    if comptime!(spec.chained) {
        #[unroll]
        for i in 0..comptime!(channels * pixels) {
            acc[i] = sums[i];
        }
    }
    #[unroll]
    for c in 0..channels {
        if oc + c < g.out_c {
            #[unroll]
            for p in 0..pixels {
                if ox + p * spec.spread < g.out_w {
                    let at = out_base + c * plane + p * spec.spread;
                    let sum = acc[c * pixels + p];
                    #[comptime]
                    let sum = match &residual {
                        ComptimeOption::Some(r) => sum + r[at],
                        ComptimeOption::None => sum,
                    };
                    out[at] = activate(sum, alpha, beta, spec.act);
                }
            }
        }
    }
}
