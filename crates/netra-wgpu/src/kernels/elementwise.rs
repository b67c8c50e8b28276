//! Element-wise functions of two and three arguments, with broadcasting.

use cubecl::prelude::*;

use super::index::{Walk, offset};
use super::number::{BinaryOp, Number, Width};

/// A comparison, or a logical function of two booleans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Xor,
}

/// `out = op(a, b)`, wrapped to `width`.
#[cube(launch)]
pub(crate) fn binary_kernel<E: Number>(
    a: &[E],
    b: &[E],
    out: &mut [E],
    total: usize,
    shape: Sequence<usize>,
    walk_a: Walk,
    walk_b: Walk,
    #[comptime] op: BinaryOp,
    #[comptime] width: Width,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let va = a[offset(ABSOLUTE_POS, &shape, &walk_a)];
    let vb = b[offset(ABSOLUTE_POS, &shape, &walk_b)];
    out[ABSOLUTE_POS] = E::narrow(E::pair(va, vb, op), width);
}

/// Comparisons and logic: 1 or 0.
#[cube(launch)]
pub(crate) fn test_kernel<E: Numeric>(
    a: &[E],
    b: &[E],
    out: &mut [i32],
    total: usize,
    shape: Sequence<usize>,
    walk_a: Walk,
    walk_b: Walk,
    #[comptime] test: Test,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let va = a[offset(ABSOLUTE_POS, &shape, &walk_a)];
    let vb = b[offset(ABSOLUTE_POS, &shape, &walk_b)];
    let zero = E::from_int(0);
    let holds = match test {
        Test::Equal => va == vb,
        Test::Less => va < vb,
        Test::LessOrEqual => va <= vb,
        Test::Greater => va > vb,
        Test::GreaterOrEqual => va >= vb,
        Test::And => va != zero && vb != zero,
        Test::Or => va != zero || vb != zero,
        Test::Xor => (va != zero) != (vb != zero),
    };
    out[ABSOLUTE_POS] = select(holds, 1i32, 0i32);
}

/// `out = c ? a : b` on raw bits.
#[cube(launch)]
pub(crate) fn where_kernel(
    c: &[i32],
    a: &[u32],
    b: &[u32],
    out: &mut [u32],
    total: usize,
    shape: Sequence<usize>,
    walk_c: Walk,
    walk_a: Walk,
    walk_b: Walk,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let va = a[offset(ABSOLUTE_POS, &shape, &walk_a)];
    let vb = b[offset(ABSOLUTE_POS, &shape, &walk_b)];
    out[ABSOLUTE_POS] = select(c[offset(ABSOLUTE_POS, &shape, &walk_c)] != 0i32, va, vb);
}
