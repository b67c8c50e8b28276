//! Pooling windows, over three spatial axes.

use cubecl::prelude::*;

use super::window::{Window, pixel};

/// How a pooling window combines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PoolKind {
    Max,
    /// Over the elements inside the input.
    Mean,
    /// Over those inside the padded input.
    MeanPadded,
}

/// Pools `x [planes, D, H, W]`. `end_*` is the size of the input with its padding after; `lowest` is minus infinity.
#[cube(launch)]
pub(crate) fn pool_kernel(
    x: &[f32],
    out: &mut [f32],
    g: Window,
    end_d: i32,
    end_h: i32,
    end_w: i32,
    lowest: f32,
    #[comptime] kind: PoolKind,
) {
    if ABSOLUTE_POS >= g.total {
        terminate!();
    }
    let o = pixel(ABSOLUTE_POS, &g);
    let z0 = (o.z * g.stride_d) as i32 - g.pad_d;
    let y0 = (o.y * g.stride_h) as i32 - g.pad_h;
    let x0 = (o.x * g.stride_w) as i32 - g.pad_w;
    let mut acc = 0.0f32;
    if comptime!(kind == PoolKind::Max) {
        acc = lowest;
    }
    let mut seen = 0.0f32;
    for kz in 0..g.kernel_d {
        let iz = z0 + (kz * g.dilation_d) as i32;
        for ky in 0..g.kernel_h {
            let iy = y0 + (ky * g.dilation_h) as i32;
            for kx in 0..g.kernel_w {
                let ix = x0 + (kx * g.dilation_w) as i32;
                let inside =
                    iz >= 0 && iz < g.in_d as i32 && iy >= 0 && iy < g.in_h as i32 && ix >= 0 && ix < g.in_w as i32;
                if inside {
                    let v = x[((o.plane * g.in_d + iz as usize) * g.in_h + iy as usize) * g.in_w + ix as usize];
                    if comptime!(kind == PoolKind::Max) {
                        acc = max(acc, v);
                    } else {
                        acc += v;
                    }
                }
                if comptime!(kind == PoolKind::Mean) {
                    seen += select(inside, 1.0f32, 0.0f32);
                }
                if comptime!(kind == PoolKind::MeanPadded) {
                    seen += select(iz < end_d && iy < end_h && ix < end_w, 1.0f32, 0.0f32);
                }
            }
        }
    }
    if comptime!(kind == PoolKind::Max) {
        out[ABSOLUTE_POS] = acc;
    } else {
        out[ABSOLUTE_POS] = select(seen > 0.0f32, acc / max(seen, 1.0f32), 0.0f32);
    }
}

/// Where a largest element lies in `x [planes, D, H, W]`: its offset, or the offset that it would have with the spatial axes
/// in column-major order. The first of equal elements counts; a window that sees nothing gives the plane's first.
#[cube(launch)]
pub(crate) fn max_indices_kernel(x: &[f32], out: &mut [i32], g: Window, #[comptime] column_major: bool) {
    if ABSOLUTE_POS >= g.total {
        terminate!();
    }
    let o = pixel(ABSOLUTE_POS, &g);
    let base = o.plane * g.in_d * g.in_h * g.in_w;
    let mut found = false;
    let mut top = 0.0f32;
    let mut at = 0usize;
    for kz in 0..g.kernel_d {
        let iz = (o.z * g.stride_d + kz * g.dilation_d) as i32 - g.pad_d;
        for ky in 0..g.kernel_h {
            let iy = (o.y * g.stride_h + ky * g.dilation_h) as i32 - g.pad_h;
            for kx in 0..g.kernel_w {
                let ix = (o.x * g.stride_w + kx * g.dilation_w) as i32 - g.pad_w;
                if iz >= 0 && iz < g.in_d as i32 && iy >= 0 && iy < g.in_h as i32 && ix >= 0 && ix < g.in_w as i32 {
                    let (z, y, x_at) = (iz as usize, iy as usize, ix as usize);
                    let v = x[base + (z * g.in_h + y) * g.in_w + x_at];
                    if !found || v > top {
                        found = true;
                        top = v;
                        at = if comptime!(column_major) {
                            z + g.in_d * (y + g.in_h * x_at)
                        } else {
                            (z * g.in_h + y) * g.in_w + x_at
                        };
                    }
                }
            }
        }
    }
    out[ABSOLUTE_POS] = (base + at) as i32;
}
