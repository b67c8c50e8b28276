//! Order along an axis: the best elements, running sums and products.

use cubecl::prelude::*;

use super::number::{BinaryOp, Number, Width};

/// Indices of the `kept` best elements along the axis of `x [outer, size, inner]`, best first. Each thread counts what comes
/// before its own element; of equal ones that is the earlier.
#[cube(launch)]
pub(crate) fn top_k_kernel<E: Number>(
    x: &[E],
    out: &mut [i32],
    total: usize,
    size: usize,
    inner: usize,
    kept: usize,
    #[comptime] largest: bool,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let column = ABSOLUTE_POS % inner;
    let rest = ABSOLUTE_POS / inner;
    let own = rest % size;
    let outer = rest / size;
    let key = E::key(x[ABSOLUTE_POS]);
    let mut at = outer * size * inner + column;
    let mut before = 0usize;
    for i in 0..size {
        let other = E::key(x[at]);
        let better = if comptime!(largest) { other > key } else { other < key };
        before += select(better || (other == key && i < own), 1usize, 0usize);
        at += inner;
    }
    if before < kept {
        out[(outer * kept + before) * inner + column] = own as i32;
    }
}

/// Running sum or product along the axis of `x [outer, size, inner]`, one line a thread.
#[cube(launch)]
pub(crate) fn cumulative_kernel<E: Number>(
    x: &[E],
    out: &mut [E],
    lines: usize,
    size: usize,
    inner: usize,
    #[comptime] op: BinaryOp,
    #[comptime] exclusive: bool,
    #[comptime] reverse: bool,
    #[comptime] width: Width,
) {
    if ABSOLUTE_POS >= lines {
        terminate!();
    }
    let base = ABSOLUTE_POS / inner * size * inner + ABSOLUTE_POS % inner;
    let mut acc = E::from_int(comptime!(if op == BinaryOp::Mul { 1i64 } else { 0i64 }));
    for i in 0..size {
        let at = if comptime!(reverse) { base + (size - 1 - i) * inner } else { base + i * inner };
        let next = E::pair(acc, x[at], op);
        out[at] = E::narrow(if comptime!(exclusive) { acc } else { next }, width);
        acc = next;
    }
}
