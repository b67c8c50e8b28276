//! Several element-wise functions, one after the other, without going through memory in between.

use cubecl::prelude::*;

use super::index::{Walk, offset};
use super::number::{BinaryOp, Number};
use super::unary::{UnaryOp, unary};

/// Most functions of a chain, and most tensors that it reads.
pub(crate) const LINKS: usize = 6;
pub(crate) const OPERANDS: usize = 4;

/// One function of a chain. It is applied to what the one before it made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Link {
    /// With parameters `2 i` and `2 i + 1`, `i` being its place in the chain.
    Map(UnaryOp),
    /// Of that and an operand, which comes first when `swapped`.
    Join { op: BinaryOp, operand: usize, swapped: bool },
    /// Nothing: the chain is over.
    End,
}

/// A tensor that a chain reads.
#[cube]
fn read(at: usize, x: ComptimeOption<&[f32]>, shape: &Sequence<usize>, walk: &Walk) -> f32 {
    #[comptime]
    match x {
        ComptimeOption::Some(x) => x[offset(at, shape, walk)],
        ComptimeOption::None => 0.0f32,
    }
}

/// `out[i]`: the links applied to `a[i]`.
#[cube(launch)]
// The loop is unrolled over a constant, which an iterator is not.
#[allow(clippy::too_many_arguments, clippy::needless_range_loop)]
pub(crate) fn chain_kernel(
    a: &[f32],
    b: ComptimeOption<&[f32]>,
    c: ComptimeOption<&[f32]>,
    d: ComptimeOption<&[f32]>,
    out: &mut [f32],
    total: usize,
    shape: Sequence<usize>,
    walk_a: Walk,
    walk_b: Walk,
    walk_c: Walk,
    walk_d: Walk,
    parameters: Sequence<f32>,
    #[comptime] links: [Link; LINKS],
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let at = ABSOLUTE_POS;
    let first = a[offset(at, &shape, &walk_a)];
    let mut operands = Array::<f32>::new(OPERANDS);
    operands[0] = first;
    operands[1] = read(at, b, &shape, &walk_b);
    operands[2] = read(at, c, &shape, &walk_c);
    operands[3] = read(at, d, &shape, &walk_d);
    let mut value = first;
    #[unroll]
    for i in 0..LINKS {
        match comptime!(links[i]) {
            Link::Map(op) => {
                let alpha = *parameters.index(comptime!(2 * i));
                let beta = *parameters.index(comptime!(2 * i + 1));
                value = unary(value, alpha, beta, op);
            }
            Link::Join { op, operand, swapped } => {
                let other = operands[operand];
                value = if comptime!(swapped) { f32::pair(other, value, op) } else { f32::pair(value, other, op) };
            }
            Link::End => {}
        }
    }
    out[at] = value;
}
