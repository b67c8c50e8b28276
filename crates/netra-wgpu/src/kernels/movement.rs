//! Moving 4-byte elements, whatever they mean.

use cubecl::prelude::*;

use super::index::{Walk, offset, resolve};

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

/// `out [outer, taken, inner] = x [outer, size, inner]` at `indices [taken]`, see [`resolve`].
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
    let index = resolve(indices[rest % taken], size);
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
