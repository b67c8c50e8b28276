//! Elements at computed places: gathering by index tensors, and updates scattered to them.

use cubecl::prelude::*;

use super::index::{Walk, offset, resolve};
use super::number::{BinaryOp, Number, Width};

/// What an update does to the element at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Merge {
    Replace,
    With(BinaryOp),
}

/// `out[i] = x[walk(i) + indices[i] stride]`: the walk leaves out the axis of `size` elements that `indices` index.
#[cube(launch)]
pub(crate) fn gather_elements_kernel(
    x: &[u32],
    indices: &[i32],
    out: &mut [u32],
    total: usize,
    shape: Sequence<usize>,
    walk: Walk,
    size: usize,
    stride: usize,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let index = resolve(indices[ABSOLUTE_POS], size);
    out[ABSOLUTE_POS] = x[offset(ABSOLUTE_POS, &shape, &walk) + index * stride];
}

/// The offset that tuple `number` of `indices [tuples, depth]` points to, with a stride for each indexed axis.
#[cube]
fn place_of(indices: &[i32], number: usize, sizes: &Sequence<usize>, strides: &Sequence<usize>) -> usize {
    let depth = comptime!(sizes.len());
    let mut at = 0usize;
    #[unroll]
    for d in 0..depth {
        at += resolve(indices[number * depth + d], *sizes.index(d)) * *strides.index(d);
    }
    at
}

/// `out [tuples, run]`: the runs of `x` that index tuples point to. `tuples` of them share a batch, `batch` elements of `x`.
#[cube(launch)]
pub(crate) fn gather_nd_kernel(
    x: &[u32],
    indices: &[i32],
    out: &mut [u32],
    total: usize,
    run: usize,
    tuples: usize,
    batch: usize,
    sizes: Sequence<usize>,
    strides: Sequence<usize>,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let tuple = ABSOLUTE_POS / run;
    let place = tuple / tuples * batch + place_of(indices, tuple, &sizes, &strides);
    out[ABSOLUTE_POS] = x[place + ABSOLUTE_POS % run];
}

#[cube]
fn merged<E: Number>(old: E, update: E, #[comptime] merge: Merge, #[comptime] width: Width) -> E {
    match merge {
        Merge::Replace => update,
        Merge::With(op) => E::narrow(E::pair(old, update, op), width),
    }
}

/// Combines `updates` in at their own places in `out`, the axis of `size` elements replaced. A thread takes a line of `count`
/// updates along that axis, in order: no two threads meet.
#[cube(launch)]
pub(crate) fn scatter_elements_kernel<E: Number>(
    indices: &[i32],
    updates: &[E],
    out: &mut [E],
    lines: usize,
    shape: Sequence<usize>,
    from: Walk,
    to: Walk,
    count: usize,
    from_stride: usize,
    size: usize,
    to_stride: usize,
    #[comptime] merge: Merge,
    #[comptime] width: Width,
) {
    if ABSOLUTE_POS >= lines {
        terminate!();
    }
    let base = offset(ABSOLUTE_POS, &shape, &to);
    let mut at = offset(ABSOLUTE_POS, &shape, &from);
    for _ in 0..count {
        let place = base + resolve(indices[at], size) * to_stride;
        out[place] = merged::<E>(out[place], updates[at], merge, width);
        at += from_stride;
    }
}

/// Combines `updates [tuples, run]` in at the runs of `out` that index tuples point to. `lanes` threads share the tuples of
/// one element of the run: 1 where tuples may meet, so that they combine in order.
#[cube(launch)]
pub(crate) fn scatter_nd_kernel<E: Number>(
    indices: &[i32],
    updates: &[E],
    out: &mut [E],
    run: usize,
    tuples: usize,
    lanes: usize,
    sizes: Sequence<usize>,
    strides: Sequence<usize>,
    #[comptime] merge: Merge,
    #[comptime] width: Width,
) {
    if ABSOLUTE_POS >= run * lanes {
        terminate!();
    }
    let column = ABSOLUTE_POS % run;
    let mut tuple = ABSOLUTE_POS / run;
    let steps = (tuples + lanes - 1 - tuple) / lanes;
    for _ in 0..steps {
        let place = place_of(indices, tuple, &sizes, &strides) + column;
        out[place] = merged::<E>(out[place], updates[tuple * run + column], merge, width);
        tuple += lanes;
    }
}
