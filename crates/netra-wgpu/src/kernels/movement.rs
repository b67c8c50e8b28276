//! Moving 4-byte elements, whatever they mean.

use cubecl::prelude::*;

use super::index::{Walk, offset};

/// Element `i` of `shape`: read from `x` by one walk, written to `out` by another.
#[cube(launch)]
pub(crate) fn copy_kernel(x: &[u32], out: &mut [u32], total: usize, shape: Sequence<usize>, from: Walk, to: Walk) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    out[offset(ABSOLUTE_POS, &shape, &to)] = x[offset(ABSOLUTE_POS, &shape, &from)];
}

/// The same bits everywhere.
#[cube(launch)]
pub(crate) fn fill_kernel(out: &mut [u32], total: usize, bits: u32) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    out[ABSOLUTE_POS] = bits;
}

/// `out [outer, taken, inner] = x [outer, size, inner]` at `indices [taken]`; negative indices count from the end,
/// and those out of range (which the program's maker must not produce) are clamped.
#[cube(launch)]
pub(crate) fn gather_kernel(
    x: &[u32],
    indices: &[i32],
    out: &mut [u32],
    total: usize,
    size: usize,
    taken: usize,
    inner: usize,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let column = ABSOLUTE_POS % inner;
    let rest = ABSOLUTE_POS / inner;
    let index = indices[rest % taken];
    let index = select(index < 0i32, index + size as i32, index);
    let index = min(max(index, 0i32), size as i32 - 1i32) as usize;
    out[ABSOLUTE_POS] = x[((rest / taken) * size + index) * inner + column];
}

/// One axis resampled by tables: `out[o, i, c] = sum_t weights[i, t] x[o, indices[i, t], c]`.
#[cube(launch)]
pub(crate) fn resample_kernel(
    x: &[f32],
    indices: &[u32],
    weights: &[f32],
    out: &mut [f32],
    total: usize,
    size_in: usize,
    size_out: usize,
    inner: usize,
    #[comptime] taps: usize,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let column = ABSOLUTE_POS % inner;
    let rest = ABSOLUTE_POS / inner;
    let i = rest % size_out;
    let base = (rest / size_out) * size_in;
    let mut sum = 0.0f32;
    #[unroll]
    for t in 0..taps {
        let at = (base + indices[i * taps + t] as usize) * inner + column;
        if comptime!(taps == 1) {
            sum = x[at];
        } else {
            sum += weights[i * taps + t] * x[at];
        }
    }
    out[ABSOLUTE_POS] = sum;
}

/// Integer width that a cast ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum IntTo {
    Bool,
    I8,
    U8,
    I32,
}

#[cube]
fn narrow(v: i32, #[comptime] to: IntTo) -> i32 {
    match to {
        IntTo::Bool => select(v != 0i32, 1i32, 0i32),
        IntTo::I8 => ((v + 128i32) & 255i32) - 128i32,
        IntTo::U8 => v & 255i32,
        IntTo::I32 => v,
    }
}

/// Floats to integers: truncation towards 0, then wrapping to the width.
#[cube(launch)]
pub(crate) fn float_to_int_kernel(x: &[f32], out: &mut [i32], total: usize, #[comptime] to: IntTo) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let v = x[ABSOLUTE_POS];
    let value = match to {
        IntTo::Bool => select(v != 0.0f32, 1i32, 0i32),
        _ => narrow(i32::cast_from(min(max(v, -2147483648.0f32), 2147483520.0f32)), to),
    };
    out[ABSOLUTE_POS] = value;
}

/// Integers to narrower integers (wrapping) or booleans.
#[cube(launch)]
pub(crate) fn int_to_int_kernel(x: &[i32], out: &mut [i32], total: usize, #[comptime] to: IntTo) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    out[ABSOLUTE_POS] = narrow(x[ABSOLUTE_POS], to);
}

/// Integers to floats.
#[cube(launch)]
pub(crate) fn int_to_float_kernel(x: &[i32], out: &mut [f32], total: usize) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    out[ABSOLUTE_POS] = f32::cast_from(x[ABSOLUTE_POS]);
}
