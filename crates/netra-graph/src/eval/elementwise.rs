//! Functions of single elements, conversion, and the error function they need.

use super::index::{broadcast_strides, walk};
use super::{floats, from_floats};
use crate::{Activation, Binary, DType, Data, Error, Result, Tensor, Unary};

pub fn activate(activation: Option<Activation>, x: f64) -> f64 {
    let Some(activation) = activation else { return x };
    match activation {
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu(a) => {
            if x >= 0.0 {
                x
            } else {
                f64::from(a) * x
            }
        }
        Activation::Elu(a) => {
            if x >= 0.0 {
                x
            } else {
                f64::from(a) * x.exp_m1()
            }
        }
        Activation::Sigmoid => sigmoid(x),
        Activation::Silu => x * sigmoid(x),
        Activation::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
        Activation::Clip(lo, hi) => x.min(hi.into()).max(lo.into()),
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// The error function: Maclaurin series near 0, continued fraction of erfc beyond (Abramowitz and Stegun 7.1.5, 7.1.14).
pub fn erf(x: f64) -> f64 {
    let a = x.abs();
    if x.is_nan() {
        return x;
    }
    let value = if a < 2.5 {
        let (mut term, mut sum) = (a, a);
        for n in 1..80 {
            term *= -a * a / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else {
        let tail = (1..60).rev().fold(a, |t, n| a + f64::from(n) / 2.0 / t);
        1.0 - (-a * a).exp() / (tail * std::f64::consts::PI.sqrt())
    };
    value.copysign(x)
}

pub fn unary(op: Unary, x: &Tensor) -> Result<Tensor> {
    match (op, x.data()) {
        (Unary::Not, Data::Bool(v)) => return Tensor::new(x.shape(), Data::Bool(v.iter().map(|b| !b).collect())),
        (Unary::IsNaN, Data::F32(_) | Data::F64(_)) => return test(x, f64::is_nan),
        (Unary::IsInf { negative, positive }, Data::F32(_) | Data::F64(_)) => {
            return test(x, |v| (positive && v == f64::INFINITY) || (negative && v == f64::NEG_INFINITY));
        }
        (Unary::BitwiseNot, _) => {
            return from_integers(x.dtype(), x.shape(), integers(x)?.into_iter().map(|v| !v).collect());
        }
        (Unary::Abs | Unary::Neg | Unary::Sign, data) if !matches!(data, Data::F32(_) | Data::F64(_)) => {
            let values = integers(x)?.into_iter().map(|v| match op {
                Unary::Abs => v.wrapping_abs(),
                Unary::Neg => v.wrapping_neg(),
                _ => v.signum(),
            });
            return from_integers(x.dtype(), x.shape(), values.collect());
        }
        _ => {}
    }
    let f = |x: f64| match op {
        Unary::Activation(a) => activate(Some(a), x),
        Unary::Abs => x.abs(),
        Unary::Neg => -x,
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::Sqrt => x.sqrt(),
        Unary::Reciprocal => 1.0 / x,
        Unary::Floor => x.floor(),
        Unary::Ceil => x.ceil(),
        Unary::Round => x.round_ties_even(),
        Unary::Sign => {
            if x == 0.0 || x.is_nan() {
                x
            } else {
                x.signum()
            }
        }
        Unary::Erf => erf(x),
        Unary::Tanh => x.tanh(),
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Tan => x.tan(),
        Unary::Asin => x.asin(),
        Unary::Acos => x.acos(),
        Unary::Atan => x.atan(),
        Unary::Sinh => x.sinh(),
        Unary::Cosh => x.cosh(),
        Unary::Asinh => x.asinh(),
        Unary::Acosh => x.acosh(),
        Unary::Atanh => x.atanh(),
        Unary::Softplus => softplus(x),
        Unary::Softsign => x / (1.0 + x.abs()),
        Unary::HardSigmoid(a, b) => (f64::from(a) * x + f64::from(b)).clamp(0.0, 1.0),
        Unary::Selu(a, g) => f64::from(g) * if x > 0.0 { x } else { f64::from(a) * x.exp_m1() },
        Unary::Mish => x * softplus(x).tanh(),
        Unary::Gelu => 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
        Unary::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        }
        Unary::Narrow(to) => to.round(x),
        Unary::Not | Unary::IsNaN | Unary::IsInf { .. } | Unary::BitwiseNot => f64::NAN,
    };
    if matches!(op, Unary::Not | Unary::IsNaN | Unary::IsInf { .. }) {
        return Err(Error::unsupported(format!("{op:?} of {}", x.dtype())));
    }
    from_floats(x, x.shape(), floats(x)?.into_iter().map(f).collect())
}

/// What holds for each float.
fn test(x: &Tensor, holds: impl Fn(f64) -> bool) -> Result<Tensor> {
    Tensor::new(x.shape(), Data::Bool(floats(x)?.into_iter().map(holds).collect()))
}

/// `f` of the offsets in `a` and `b` of every element of their broadcast `shape`.
fn broadcast<T>(
    shape: &[usize],
    a: &Tensor,
    b: &Tensor,
    mut f: impl FnMut(usize, usize) -> Result<T>,
) -> Result<Vec<T>> {
    let steps = [broadcast_strides(a.shape(), shape.len()), broadcast_strides(b.shape(), shape.len())];
    let mut values = Vec::with_capacity(shape.iter().product());
    let mut failed = Ok(());
    walk(shape, steps, |[i, j]| match f(i, j) {
        Ok(value) => values.push(value),
        Err(e) => failed = Err(e),
    });
    failed.map(|()| values)
}

pub fn binary(op: Binary, a: &Tensor, b: &Tensor, dtype: DType, shape: &[usize]) -> Result<Tensor> {
    if let (Data::Bool(x), Data::Bool(y)) = (a.data(), b.data()) {
        let f = |p: bool, q: bool| match op {
            Binary::And => Ok(p && q),
            Binary::Or => Ok(p || q),
            Binary::Xor => Ok(p != q),
            Binary::Equal => Ok(p == q),
            _ => Err(Error::unsupported(format!("{op:?} of booleans"))),
        };
        let values = broadcast(shape, a, b, |i, j| f(x[i], y[j]))?;
        return Tensor::new(shape, Data::Bool(values));
    }
    if matches!(a.dtype(), DType::F32 | DType::F64) {
        let (x, y) = (floats(a)?, floats(b)?);
        if dtype == DType::Bool {
            let values = broadcast(shape, a, b, |i, j| compare(op, &x[i], &y[j]))?;
            return Tensor::new(shape, Data::Bool(values));
        }
        let values = broadcast(shape, a, b, |i, j| float_binary(op, x[i], y[j]))?;
        return from_floats(a, shape, values);
    }
    let (x, y) = (integers(a)?, integers(b)?);
    if dtype == DType::Bool {
        let values = broadcast(shape, a, b, |i, j| compare(op, &x[i], &y[j]))?;
        return Tensor::new(shape, Data::Bool(values));
    }
    let values = broadcast(shape, a, b, |i, j| integer_binary(op, x[i], y[j]))?;
    from_integers(a.dtype(), shape, values)
}

fn compare<T: PartialOrd>(op: Binary, a: &T, b: &T) -> Result<bool> {
    Ok(match op {
        Binary::Equal => a == b,
        Binary::Less => a < b,
        Binary::LessOrEqual => a <= b,
        Binary::Greater => a > b,
        Binary::GreaterOrEqual => a >= b,
        _ => return Err(Error::unsupported(format!("{op:?} as a comparison"))),
    })
}

pub fn float_binary(op: Binary, a: f64, b: f64) -> Result<f64> {
    Ok(match op {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Pow => a.powf(b),
        Binary::Min => {
            if a.is_nan() || a < b {
                a
            } else {
                b
            }
        }
        Binary::Max => {
            if a.is_nan() || a > b {
                a
            } else {
                b
            }
        }
        Binary::PRelu => {
            if a >= 0.0 {
                a
            } else {
                a * b
            }
        }
        Binary::Mod => python_mod(a, b),
        Binary::Fmod => a % b,
        _ => return Err(Error::unsupported(format!("{op:?} of floats"))),
    })
}

/// The remainder with the sign of the divisor, of a zero as well. An infinite divisor of the other sign is the result
/// itself, as in Python.
fn python_mod(a: f64, b: f64) -> f64 {
    let r = a % b;
    if r == 0.0 {
        r.copysign(b)
    } else if (r < 0.0) != (b < 0.0) {
        r + b
    } else {
        r
    }
}

pub fn integer_binary(op: Binary, a: i128, b: i128) -> Result<i128> {
    let nonzero = |b: i128| if b == 0 { Err(Error::malformed("division of an integer by zero")) } else { Ok(b) };
    Ok(match op {
        Binary::Add => a.wrapping_add(b),
        Binary::Sub => a.wrapping_sub(b),
        Binary::Mul => a.wrapping_mul(b),
        Binary::Div => a.wrapping_div(nonzero(b)?),
        Binary::Mod => {
            let r = a.wrapping_rem(nonzero(b)?);
            if r != 0 && (r < 0) != (b < 0) { r + b } else { r }
        }
        Binary::Fmod => a.wrapping_rem(nonzero(b)?),
        Binary::Min => a.min(b),
        Binary::Max => a.max(b),
        Binary::Pow => match u32::try_from(b) {
            Ok(e) => a.wrapping_pow(e),
            Err(_) => return Err(Error::unsupported("a negative integer power")),
        },
        Binary::BitwiseAnd => a & b,
        Binary::BitwiseOr => a | b,
        Binary::BitwiseXor => a ^ b,
        // Beyond the width of the element type the bits fall off when the result is narrowed.
        Binary::ShiftLeft => u32::try_from(b).ok().and_then(|by| a.checked_shl(by)).unwrap_or(0),
        Binary::ShiftRight => u32::try_from(b).ok().and_then(|by| a.checked_shr(by)).unwrap_or(a.signum().min(0)),
        _ => return Err(Error::unsupported(format!("{op:?} of integers"))),
    })
}

/// The elements of an integer tensor, wide enough for every type and for the product of any two.
pub fn integers(tensor: &Tensor) -> Result<Vec<i128>> {
    fn widen<T: Copy + Into<i128>>(values: &[T]) -> Vec<i128> {
        values.iter().map(|&v| v.into()).collect()
    }
    Ok(match tensor.data() {
        Data::I8(v) => widen(v),
        Data::U8(v) => widen(v),
        Data::I16(v) => widen(v),
        Data::U16(v) => widen(v),
        Data::I32(v) => widen(v),
        Data::U32(v) => widen(v),
        Data::I64(v) => widen(v),
        Data::U64(v) => widen(v),
        other => return Err(Error::unsupported(format!("{} where an integer is needed", other.dtype()))),
    })
}

/// A tensor of integers; values wrap to the element type.
pub fn from_integers(dtype: DType, shape: &[usize], values: Vec<i128>) -> Result<Tensor> {
    macro_rules! wrapped {
        ($variant:ident, $t:ty) => {
            Data::$variant(values.into_iter().map(|v| v as $t).collect())
        };
    }
    let data = match dtype {
        DType::I8 => wrapped!(I8, i8),
        DType::U8 => wrapped!(U8, u8),
        DType::I16 => wrapped!(I16, i16),
        DType::U16 => wrapped!(U16, u16),
        DType::I32 => wrapped!(I32, i32),
        DType::U32 => wrapped!(U32, u32),
        DType::I64 => wrapped!(I64, i64),
        DType::U64 => wrapped!(U64, u64),
        DType::F32 => wrapped!(F32, f32),
        DType::F64 => wrapped!(F64, f64),
        DType::Bool => Data::Bool(values.into_iter().map(|v| v != 0).collect()),
    };
    Tensor::new(shape, data)
}

pub fn cast(x: &Tensor, to: DType) -> Result<Tensor> {
    match x.data() {
        Data::F32(_) | Data::F64(_) => {
            let v = floats(x)?;
            match to {
                DType::F32 => Tensor::new(x.shape(), Data::F32(v.into_iter().map(|v| v as f32).collect())),
                DType::F64 => Tensor::new(x.shape(), Data::F64(v)),
                DType::Bool => Tensor::new(x.shape(), Data::Bool(v.into_iter().map(|v| v != 0.0).collect())),
                // Through 64 bits, as every peer converts: what does not fit is clamped there, then wraps.
                DType::U64 => from_integers(to, x.shape(), v.into_iter().map(|v| i128::from(v as u64)).collect()),
                _ => from_integers(to, x.shape(), v.into_iter().map(|v| i128::from(v as i64)).collect()),
            }
        }
        Data::Bool(v) => from_integers(to, x.shape(), v.iter().map(|&b| b.into()).collect()),
        _ => from_integers(to, x.shape(), integers(x)?),
    }
}
