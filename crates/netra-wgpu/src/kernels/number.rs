//! What kernels do with numbers of either representation, float or 32-bit integer.

use cubecl::prelude::*;

use super::function::{power, remainder};

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
    /// The bitwise ones and the shifts occur on integers only.
    BitAnd,
    BitOr,
    BitXor,
    ShiftLeft,
    ShiftRight,
}

/// What is summed (or compared) along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fold {
    Sum,
    Max,
    Min,
    Prod,
    SumSquare,
    SumAbs,
    /// `sum exp(x - shift)`; floats only.
    SumExp,
}

impl Fold {
    /// What combines partial results.
    pub(crate) fn combine(self) -> Fold {
        match self {
            Fold::Max | Fold::Min | Fold::Prod => self,
            _ => Fold::Sum,
        }
    }

    /// The value of an empty fold, in float and integer.
    pub(crate) fn identity(self) -> (f32, i32) {
        match self {
            Fold::Max => (f32::NEG_INFINITY, i32::MIN),
            Fold::Min => (f32::INFINITY, i32::MAX),
            Fold::Prod => (1.0, 1),
            _ => (0.0, 0),
        }
    }
}

/// The element type that 32 bits stand for: results of arithmetic on narrower integers wrap to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Width {
    Bool,
    I8,
    U8,
    I16,
    U16,
    /// All 32 bits, or a float.
    Full,
}

/// Numbers that kernels compute with: `f32` and `i32`.
#[cube]
pub(crate) trait Number: Numeric {
    /// `op(a, b)`. Integer division and remainder by 0 give 0, so that no adapter traps.
    fn pair(a: Self, b: Self, #[comptime] op: BinaryOp) -> Self;

    /// One more element of a fold.
    fn fold(acc: Self, v: Self, shift: Self, #[comptime] fold: Fold) -> Self;

    /// An integer in the order of the values: zeros are one, not-a-numbers the largest.
    fn key(v: Self) -> i32;

    /// `v` wrapped to its element type.
    fn narrow(v: Self, #[comptime] width: Width) -> Self;
}

#[cube]
impl Number for f32 {
    fn pair(a: f32, b: f32, #[comptime] op: BinaryOp) -> f32 {
        match op {
            BinaryOp::Add => a + b,
            BinaryOp::Sub => a - b,
            BinaryOp::Mul => a * b,
            BinaryOp::Div => a / b,
            BinaryOp::Pow => power(a, b),
            BinaryOp::Min => min_nan(a, b),
            BinaryOp::Max => max_nan(a, b),
            BinaryOp::PRelu => select(a >= 0.0f32, a, a * b),
            BinaryOp::Mod => remainder(a, b, true),
            BinaryOp::Fmod => remainder(a, b, false),
            _ => a,
        }
    }

    fn fold(acc: f32, v: f32, shift: f32, #[comptime] fold: Fold) -> f32 {
        match fold {
            Fold::Sum => acc + v,
            Fold::Max => max_nan(acc, v),
            Fold::Min => min_nan(acc, v),
            Fold::Prod => acc * v,
            Fold::SumSquare => acc + v * v,
            Fold::SumAbs => acc + v.abs(),
            Fold::SumExp => acc + (v - shift).exp(),
        }
    }

    fn key(v: f32) -> i32 {
        let bits = i32::reinterpret(select(v == 0.0f32, 0.0f32, v));
        let ordered = select(bits < 0i32, bits ^ 0x7fff_ffffi32, bits);
        select(v.is_nan(), 0x7fff_ffffi32, ordered)
    }

    fn narrow(v: f32, #[comptime] _width: Width) -> f32 {
        v
    }
}

#[cube]
impl Number for i32 {
    fn pair(a: i32, b: i32, #[comptime] op: BinaryOp) -> i32 {
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
            BinaryOp::Pow => power_of_integer(a, b),
            BinaryOp::BitAnd => a & b,
            BinaryOp::BitOr => a | b,
            BinaryOp::BitXor => a ^ b,
            // By the width or more, or by less than nothing, nothing is left but copies of the sign.
            BinaryOp::ShiftLeft => select((b & 31i32) == b, a << (b & 31i32), 0i32),
            BinaryOp::ShiftRight => a >> select((b & 31i32) == b, b, 31i32),
        }
    }

    fn fold(acc: i32, v: i32, _shift: i32, #[comptime] fold: Fold) -> i32 {
        match fold {
            Fold::Max => max(acc, v),
            Fold::Min => min(acc, v),
            Fold::Prod => acc * v,
            Fold::SumSquare => acc + v * v,
            Fold::SumAbs => acc + max(v, -v),
            _ => acc + v,
        }
    }

    fn key(v: i32) -> i32 {
        v
    }

    fn narrow(v: i32, #[comptime] width: Width) -> i32 {
        match width {
            Width::Bool => select(v != 0i32, 1i32, 0i32),
            Width::I8 => ((v + 128i32) & 255i32) - 128i32,
            Width::U8 => v & 255i32,
            Width::I16 => ((v + 32768i32) & 65535i32) - 32768i32,
            Width::U16 => v & 65535i32,
            Width::Full => v,
        }
    }
}

/// `a` to the power `b` by squaring; a negative power gives 0.
#[cube]
fn power_of_integer(a: i32, b: i32) -> i32 {
    let mut result = select(b < 0i32, 0i32, 1i32);
    let mut square = a;
    let mut rest = max(b, 0i32);
    for _ in 0..31u32 {
        result *= select(rest & 1i32 == 1i32, square, 1i32);
        square *= square;
        rest /= 2i32;
    }
    result
}
