//! Element-wise functions of one argument.

use cubecl::prelude::*;

use super::activation::{Act, activate};
use super::function as f;
use super::number::{Number, Width};

/// A function of one float.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum UnaryOp {
    Activation(Act),
    Abs,
    Neg,
    Exp,
    Log,
    Sqrt,
    Reciprocal,
    Floor,
    Ceil,
    Round,
    Sign,
    Erf,
    Tanh,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Asinh,
    Acosh,
    Atanh,
    Softplus,
    Softsign,
    HardSigmoid,
    Selu,
    Mish,
    Gelu,
    GeluTanh,
    /// `alpha x + beta`.
    Affine,
}

/// `op(x)`.
#[cube]
pub(crate) fn unary(x: f32, alpha: f32, beta: f32, #[comptime] op: UnaryOp) -> f32 {
    match op {
        UnaryOp::Activation(act) => activate(x, alpha, beta, act),
        UnaryOp::Abs => x.abs(),
        UnaryOp::Neg => -x,
        UnaryOp::Exp => x.exp(),
        UnaryOp::Log => x.ln(),
        UnaryOp::Sqrt => x.sqrt(),
        UnaryOp::Reciprocal => 1.0f32 / x,
        UnaryOp::Floor => x.floor(),
        UnaryOp::Ceil => x.ceil(),
        UnaryOp::Round => x.round(),
        UnaryOp::Sign => select(x > 0.0f32, 1.0f32, select(x < 0.0f32, -1.0f32, x)),
        UnaryOp::Erf => f::error_function(x),
        UnaryOp::Tanh => f::tangent_hyperbolic(x),
        UnaryOp::Sin => f::sine(x),
        UnaryOp::Cos => f::cosine(x),
        UnaryOp::Tan => f::sine(x) / f::cosine(x),
        UnaryOp::Asin => f::arc_sine(x),
        UnaryOp::Acos => f::arc_cosine(x),
        UnaryOp::Atan => f::arc_tangent(x),
        UnaryOp::Sinh => f::sine_hyperbolic(x),
        UnaryOp::Cosh => f::cosine_hyperbolic(x),
        UnaryOp::Asinh => f::area_sine(x),
        UnaryOp::Acosh => f::area_cosine(x),
        UnaryOp::Atanh => f::area_tangent(x),
        UnaryOp::Softplus => f::softplus(x),
        UnaryOp::Softsign => x / (1.0f32 + x.abs()),
        UnaryOp::HardSigmoid => max(min(alpha * x + beta, 1.0f32), 0.0f32),
        UnaryOp::Selu => select(x > 0.0f32, beta * x, beta * (alpha * x.exp() - alpha)),
        UnaryOp::Mish => x * f::tangent_hyperbolic(f::softplus(x)),
        UnaryOp::Gelu => 0.5f32 * x * (1.0f32 + f::error_function(x * 0.70710677f32)),
        UnaryOp::GeluTanh => {
            let inner = 0.7978846f32 * (x + 0.044715f32 * x * x * x);
            0.5f32 * x * (1.0f32 + f::tangent_hyperbolic(inner))
        }
        UnaryOp::Affine => alpha * x + beta,
    }
}

/// `out[i] = op(x[i])`.
#[cube(launch)]
pub(crate) fn unary_kernel(x: &[f32], out: &mut [f32], total: usize, alpha: f32, beta: f32, #[comptime] op: UnaryOp) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    out[ABSOLUTE_POS] = unary(x[ABSOLUTE_POS], alpha, beta, op);
}

/// A question about the bits of an element: compilers of shaders may take floats for finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Predicate {
    /// Whether a boolean is false.
    Not,
    IsNan,
    IsInf {
        negative: bool,
        positive: bool,
    },
}

/// 1 where it holds, else 0.
#[cube(launch)]
pub(crate) fn predicate_kernel(x: &[u32], out: &mut [i32], total: usize, #[comptime] predicate: Predicate) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let bits = x[ABSOLUTE_POS];
    let holds = match predicate {
        Predicate::Not => bits == 0u32,
        Predicate::IsNan => (bits & 0x7fff_ffffu32) > 0x7f80_0000u32,
        Predicate::IsInf { negative: true, positive: true } => (bits & 0x7fff_ffffu32) == 0x7f80_0000u32,
        Predicate::IsInf { negative: true, positive: false } => bits == 0xff80_0000u32,
        Predicate::IsInf { negative: false, positive: true } => bits == 0x7f80_0000u32,
        Predicate::IsInf { negative: false, positive: false } => false.runtime(),
    };
    out[ABSOLUTE_POS] = select(holds, 1i32, 0i32);
}

/// A function of one integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum IntUnaryOp {
    Abs,
    Neg,
    Sign,
    /// Every bit inverted.
    Not,
    /// Only wrapped.
    Narrow,
    /// Divided by `operand`, not 0, towards 0.
    Divide,
    /// The largest integer whose square is no larger.
    Root,
}

/// `out[i] = op(x[i])` on integers, wrapped to `width`.
#[cube(launch)]
pub(crate) fn int_unary_kernel(
    x: &[i32],
    out: &mut [i32],
    total: usize,
    operand: i32,
    #[comptime] op: IntUnaryOp,
    #[comptime] width: Width,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let v = x[ABSOLUTE_POS];
    let result = match op {
        IntUnaryOp::Abs => max(v, -v),
        IntUnaryOp::Neg => -v,
        IntUnaryOp::Sign => min(max(v, -1i32), 1i32),
        IntUnaryOp::Not => -1i32 - v,
        IntUnaryOp::Narrow => v,
        IntUnaryOp::Divide => v / operand,
        IntUnaryOp::Root => {
            // 46340 squared is the largest square in 32 bits.
            let root = min(i32::cast_from(f32::cast_from(max(v, 0i32)).sqrt()), 46340i32);
            let root = select(root * root > v, root - 1i32, root);
            select(root < 46340i32 && (root + 1i32) * (root + 1i32) <= v, root + 1i32, root)
        }
    };
    out[ABSOLUTE_POS] = i32::narrow(result, width);
}

/// Floats to integers: truncation towards 0. Integers of up to 32 bits take the low bits of the 64-bit integer, as every
/// peer converts; 64-bit ones, of which 32 bits are kept, are clamped to `[low, high]`.
#[cube(launch)]
pub(crate) fn float_to_int_kernel(
    x: &[f32],
    out: &mut [i32],
    total: usize,
    low: f32,
    high: f32,
    #[comptime] clamped: bool,
    #[comptime] width: Width,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let v = select(
        x[ABSOLUTE_POS].is_nan(),
        comptime!(if width == Width::Bool { 1.0f32 } else { 0.0f32 }),
        x[ABSOLUTE_POS],
    );
    let value = if comptime!(width == Width::Bool) {
        select(v != 0.0f32, 1i32, 0i32)
    } else if comptime!(clamped) {
        i32::cast_from(min(max(v, low), high))
    } else {
        // Powers of two scale exactly: what is left is below 2^32.
        let a = v.abs().trunc();
        let low_bits = u32::cast_from(a - (a / 4294967296.0f32).floor() * 4294967296.0f32);
        let bits = i32::reinterpret(low_bits);
        let bits = select(v < 0.0f32, -bits, bits);
        // Beyond 63 bits the 64-bit integer is the largest, whose bits are all ones, or the smallest.
        let edge = select(v < 0.0f32, 0i32, -1i32);
        select(a >= 9223372036854775808.0f32, edge, bits)
    };
    out[ABSOLUTE_POS] = i32::narrow(value, width);
}

/// Integers to floats.
#[cube(launch)]
pub(crate) fn int_to_float_kernel(x: &[i32], out: &mut [f32], total: usize) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    out[ABSOLUTE_POS] = f32::cast_from(x[ABSOLUTE_POS]);
}
