//! Kernels that slide a window: grouped and transposed convolution (pooling is beside). Always three spatial axes; fewer are
//! padded in front with size 1.

use cubecl::prelude::*;

use super::activation::{Act, activate};

/// Sizes of a sliding window and of what it slides over.
#[derive(CubeLaunch, CubeType)]
pub(crate) struct Window {
    pub total: usize,
    pub in_d: usize,
    pub in_h: usize,
    pub in_w: usize,
    pub out_d: usize,
    pub out_h: usize,
    pub out_w: usize,
    pub kernel_d: usize,
    pub kernel_h: usize,
    pub kernel_w: usize,
    pub stride_d: usize,
    pub stride_h: usize,
    pub stride_w: usize,
    pub dilation_d: usize,
    pub dilation_h: usize,
    pub dilation_w: usize,
    pub pad_d: i32,
    pub pad_h: i32,
    pub pad_w: i32,
}

/// An output pixel: its place along the spatial axes, and the number of its plane.
#[derive(CubeType)]
pub(crate) struct Pixel {
    pub plane: usize,
    pub z: usize,
    pub y: usize,
    pub x: usize,
}

/// Pixel `position` of planes in a row.
#[cube]
pub(crate) fn pixel(position: usize, g: &Window) -> Pixel {
    let row = position / g.out_w;
    let slice = row / g.out_h;
    Pixel { plane: slice / g.out_d, z: slice % g.out_d, y: row % g.out_h, x: position % g.out_w }
}

/// Which channels a call sees: a tensor cut in parts is convolved part by part.
#[derive(CubeLaunch, CubeType)]
pub(crate) struct Channels {
    /// First input channel in `x`, and how many.
    pub in_first: usize,
    pub in_count: usize,
    /// First output channel in `out`, and how many.
    pub out_first: usize,
    pub out_count: usize,
    /// Channels of one group.
    pub in_group: usize,
    pub out_group: usize,
}

/// Grouped convolution, one output element a thread. Weights `[M, C / groups, kd, kh, kw]`. Adds to `out` when
/// `accumulate`, else starts at the bias.
#[cube(launch)]
pub(crate) fn conv_grouped_kernel(
    x: &[f32],
    w: &[f32],
    bias: ComptimeOption<&[f32]>,
    residual: ComptimeOption<&[f32]>,
    out: &mut [f32],
    g: Window,
    c: Channels,
    alpha: f32,
    beta: f32,
    #[comptime] accumulate: bool,
    #[comptime] act: Act,
) {
    if ABSOLUTE_POS >= g.total {
        terminate!();
    }
    let o = pixel(ABSOLUTE_POS, &g);
    let oc = o.plane % c.out_count + c.out_first;
    let n = o.plane / c.out_count;
    let z0 = (o.z * g.stride_d) as i32 - g.pad_d;
    let y0 = (o.y * g.stride_h) as i32 - g.pad_h;
    let x0 = (o.x * g.stride_w) as i32 - g.pad_w;

    #[comptime]
    let start = match &bias {
        ComptimeOption::Some(b) => b[oc],
        ComptimeOption::None => 0.0f32,
    };
    let mut acc = start;
    if comptime!(accumulate) {
        acc = out[ABSOLUTE_POS];
    }
    // The group's input channels, as far as this part holds them.
    let group = oc / c.out_group * c.in_group;
    let from = max(group, c.in_first);
    let to = min(group + c.in_group, c.in_first + c.in_count);
    if from < to {
        for ic in from..to {
            let plane = (n * c.in_count + ic - c.in_first) * g.in_d;
            let filter = (oc * c.in_group + ic - group) * g.kernel_d;
            for kz in 0..g.kernel_d {
                let iz = z0 + (kz * g.dilation_d) as i32;
                for ky in 0..g.kernel_h {
                    let iy = y0 + (ky * g.dilation_h) as i32;
                    if iz >= 0 && iz < g.in_d as i32 && iy >= 0 && iy < g.in_h as i32 {
                        let row = ((plane + iz as usize) * g.in_h + iy as usize) * g.in_w;
                        let taps = ((filter + kz) * g.kernel_h + ky) * g.kernel_w;
                        for kx in 0..g.kernel_w {
                            let ix = x0 + (kx * g.dilation_w) as i32;
                            if ix >= 0 && ix < g.in_w as i32 {
                                acc += x[row + ix as usize] * w[taps + kx];
                            }
                        }
                    }
                }
            }
        }
    }
    #[comptime]
    let sum = match &residual {
        ComptimeOption::Some(r) => acc + r[ABSOLUTE_POS],
        ComptimeOption::None => acc,
    };
    out[ABSOLUTE_POS] = activate(sum, alpha, beta, act);
}

/// Transposed convolution: a thread gathers `tile` output channels of one pixel. Weights `[C, M / groups, kd, kh,
/// kw]`. With more than one group `tile` is 1; else it divides `out_count`.
#[cube(launch)]
pub(crate) fn conv_transpose_kernel(
    x: &[f32],
    w: &[f32],
    bias: ComptimeOption<&[f32]>,
    out: &mut [f32],
    g: Window,
    c: Channels,
    alpha: f32,
    beta: f32,
    #[comptime] tile: usize,
    #[comptime] accumulate: bool,
    #[comptime] act: Act,
) {
    if ABSOLUTE_POS >= g.total {
        terminate!();
    }
    let o = pixel(ABSOLUTE_POS, &g);
    let tiles = c.out_count / tile;
    let local = o.plane % tiles * tile;
    let oc = local + c.out_first;
    let n = o.plane / tiles;
    let plane = g.out_d * g.out_h * g.out_w;
    let at = (((n * c.out_count + local) * g.out_d + o.z) * g.out_h + o.y) * g.out_w + o.x;

    let mut acc = Array::<f32>::new(tile);
    #[unroll]
    for t in 0..tile {
        if comptime!(accumulate) {
            acc[t] = out[at + t * plane];
        } else {
            #[comptime]
            let start = match &bias {
                ComptimeOption::Some(b) => b[oc + t],
                ComptimeOption::None => 0.0f32,
            };
            acc[t] = start;
        }
    }
    let group = oc / c.out_group;
    let from = max(group * c.in_group, c.in_first);
    let to = min((group + 1) * c.in_group, c.in_first + c.in_count);
    let filter = g.kernel_d * g.kernel_h * g.kernel_w;
    let z0 = o.z as i32 + g.pad_d;
    let y0 = o.y as i32 + g.pad_h;
    let x0 = o.x as i32 + g.pad_w;
    for kz in 0..g.kernel_d {
        let tz = z0 - (kz * g.dilation_d) as i32;
        let iz = tz / g.stride_d as i32;
        let hit_z = tz >= 0 && iz * g.stride_d as i32 == tz && iz < g.in_d as i32;
        for ky in 0..g.kernel_h {
            let ty = y0 - (ky * g.dilation_h) as i32;
            let iy = ty / g.stride_h as i32;
            let hit_y = ty >= 0 && iy * g.stride_h as i32 == ty && iy < g.in_h as i32;
            for kx in 0..g.kernel_w {
                let tx = x0 - (kx * g.dilation_w) as i32;
                let ix = tx / g.stride_w as i32;
                let hit = hit_z && hit_y && tx >= 0 && ix * g.stride_w as i32 == tx && ix < g.in_w as i32;
                if hit && from < to {
                    let pixel = (iz as usize * g.in_h + iy as usize) * g.in_w + ix as usize;
                    let tap = (kz * g.kernel_h + ky) * g.kernel_w + kx;
                    for ic in from..to {
                        let v = x[(n * c.in_count + ic - c.in_first) * g.in_d * g.in_h * g.in_w + pixel];
                        let first = (ic * c.out_group + oc - group * c.out_group) * filter + tap;
                        #[unroll]
                        for t in 0..tile {
                            acc[t] = fma(v, w[first + t * filter], acc[t]);
                        }
                    }
                }
            }
        }
    }
    #[unroll]
    for t in 0..tile {
        out[at + t * plane] = activate(acc[t], alpha, beta, act);
    }
}
