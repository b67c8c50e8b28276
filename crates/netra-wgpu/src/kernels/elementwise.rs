//! Element-wise functions of one, two and three arguments.

use std::f32::consts::FRAC_2_SQRT_PI;

use cubecl::prelude::*;

use super::activation::{Act, activate};
use super::index::{Walk, offset};

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

/// A function of two numbers that gives a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Min,
    Max,
    PRelu,
    Mod,
    Fmod,
}

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

#[cube]
fn softplus(x: f32) -> f32 {
    max(x, 0.0f32) + (-x.abs()).exp().log1p()
}

/// Drivers may overflow in `tanh` of large arguments, where it is 1 to float precision.
#[cube]
fn tanh_safe(x: f32) -> f32 {
    min(max(x, -15.0f32), 15.0f32).tanh()
}

/// Maclaurin series below 1; beyond, Abramowitz and Stegun 7.1.26, whose error of 1.5e-7 is then relative too.
#[cube]
fn error_function(x: f32) -> f32 {
    let a = min(x.abs(), 6.0f32);
    let s = a * a;
    // The coefficients are (-1)^n / (n! (2n + 1)), the factor 2 / sqrt(pi).
    let p = 1.4589169e-6f32 * s - 1.3227513e-5f32;
    let p = ((p * s + 1.0683761e-4f32) * s - 7.5757576e-4f32) * s + 4.6296296e-3f32;
    let p = ((p * s - 2.3809524e-2f32) * s + 0.1f32) * s - 0.33333334f32;
    let series = FRAC_2_SQRT_PI * a * (p * s + 1.0f32);
    let t = 1.0f32 / (1.0f32 + 0.3275911f32 * a);
    let poly = ((((1.0614054f32 * t - 1.4531521f32) * t) + 1.4214138f32) * t - 0.28449672f32) * t + 0.2548296f32;
    let tail = 1.0f32 - poly * t * (-s).exp();
    let value = select(a < 1.0f32, series, tail);
    select(x < 0.0f32, -value, value)
}

#[cube]
fn unary(x: f32, alpha: f32, beta: f32, #[comptime] op: UnaryOp) -> f32 {
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
        UnaryOp::Erf => error_function(x),
        UnaryOp::Tanh => tanh_safe(x),
        UnaryOp::Sin => x.sin(),
        UnaryOp::Cos => x.cos(),
        UnaryOp::Softplus => softplus(x),
        UnaryOp::Softsign => x / (1.0f32 + x.abs()),
        UnaryOp::HardSigmoid => max(min(alpha * x + beta, 1.0f32), 0.0f32),
        UnaryOp::Selu => select(x > 0.0f32, beta * x, beta * (alpha * x.exp() - alpha)),
        UnaryOp::Mish => x * tanh_safe(softplus(x)),
        UnaryOp::Gelu => 0.5f32 * x * (1.0f32 + error_function(x * 0.70710677f32)),
        UnaryOp::GeluTanh => {
            let inner = 0.7978846f32 * (x + 0.044715f32 * x * x * x);
            0.5f32 * x * (1.0f32 + tanh_safe(inner))
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

/// Boolean `not`, or `isnan` of the bits of floats.
#[cube(launch)]
pub(crate) fn predicate_kernel(x: &[u32], out: &mut [i32], total: usize, #[comptime] is_nan: bool) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let bits = x[ABSOLUTE_POS];
    if comptime!(is_nan) {
        out[ABSOLUTE_POS] = select((bits & 0x7fff_ffffu32) > 0x7f80_0000u32, 1i32, 0i32);
    } else {
        out[ABSOLUTE_POS] = select(bits == 0u32, 1i32, 0i32);
    }
}

/// `|x|`, `-x` or the sign of integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum IntUnaryOp {
    Abs,
    Neg,
    Sign,
}

/// `out[i] = op(x[i])` on integers.
#[cube(launch)]
pub(crate) fn int_unary_kernel(x: &[i32], out: &mut [i32], total: usize, #[comptime] op: IntUnaryOp) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let v = x[ABSOLUTE_POS];
    out[ABSOLUTE_POS] = match op {
        IntUnaryOp::Abs => max(v, -v),
        IntUnaryOp::Neg => -v,
        IntUnaryOp::Sign => min(max(v, -1i32), 1i32),
    };
}

/// `a` to the power `b` for all signs: drivers define `pow` for positive `a` only.
#[cube]
fn power(a: f32, b: f32) -> f32 {
    let whole = b.floor() == b;
    let half = b * 0.5f32;
    let odd = whole && half.floor() != half;
    let size = a.abs().powf(b);
    let signed = select(odd && a < 0.0f32, -size, size);
    // A negative base to a broken power has no value. (WGSL has no literal for NaN, and cubecl folds 0 / 0 to one.)
    let none = (-1.0f32 - a.abs()).sqrt();
    let result = select(a < 0.0f32 && !whole, none, signed);
    let result = select(b == 2.0f32, a * a, result);
    let result = select(b == 1.0f32, a, result);
    select(b == 0.0f32, 1.0f32, result)
}

#[cube]
fn binary_float(a: f32, b: f32, #[comptime] op: BinaryOp) -> f32 {
    match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div => a / b,
        BinaryOp::Pow => power(a, b),
        BinaryOp::Min => min(a, b),
        BinaryOp::Max => max(a, b),
        BinaryOp::PRelu => select(a >= 0.0f32, a, a * b),
        BinaryOp::Mod => a - b * (a / b).floor(),
        BinaryOp::Fmod => a - b * (a / b).trunc(),
    }
}

/// Integer division and remainder by 0 give 0, so that no adapter traps.
#[cube]
fn binary_int(a: i32, b: i32, #[comptime] op: BinaryOp) -> i32 {
    let divisor = select(b == 0i32, 1i32, b);
    match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div => select(b == 0i32, 0i32, a / divisor),
        BinaryOp::Min => min(a, b),
        BinaryOp::Max => max(a, b),
        BinaryOp::PRelu => select(a >= 0i32, a, a * b),
        BinaryOp::Mod => {
            let r = a - a / divisor * divisor;
            let r = select(r != 0i32 && (r < 0i32) != (divisor < 0i32), r + divisor, r);
            select(b == 0i32, 0i32, r)
        }
        BinaryOp::Fmod => select(b == 0i32, 0i32, a - a / divisor * divisor),
        BinaryOp::Pow => {
            let mut result = 1i32;
            for _ in 0..max(b, 0i32) {
                result *= a;
            }
            result
        }
    }
}

/// `out = op(a, b)` with broadcasting.
#[cube(launch)]
pub(crate) fn binary_float_kernel(
    a: &[f32],
    b: &[f32],
    out: &mut [f32],
    total: usize,
    shape: Sequence<usize>,
    walk_a: Walk,
    walk_b: Walk,
    #[comptime] op: BinaryOp,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let va = a[offset(ABSOLUTE_POS, &shape, &walk_a)];
    let vb = b[offset(ABSOLUTE_POS, &shape, &walk_b)];
    out[ABSOLUTE_POS] = binary_float(va, vb, op);
}

/// `out = op(a, b)` on integers, with broadcasting.
#[cube(launch)]
pub(crate) fn binary_int_kernel(
    a: &[i32],
    b: &[i32],
    out: &mut [i32],
    total: usize,
    shape: Sequence<usize>,
    walk_a: Walk,
    walk_b: Walk,
    #[comptime] op: BinaryOp,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let va = a[offset(ABSOLUTE_POS, &shape, &walk_a)];
    let vb = b[offset(ABSOLUTE_POS, &shape, &walk_b)];
    out[ABSOLUTE_POS] = binary_int(va, vb, op);
}

/// Comparisons and logic: 1 or 0, with broadcasting.
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

/// `out = c ? a : b` on raw bits, with broadcasting.
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
