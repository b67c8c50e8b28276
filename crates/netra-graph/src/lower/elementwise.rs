//! Element-wise operators.

use super::Inputs;
use super::emit::{Lowerer, broadcast, not_constant};
use crate::{Activation, Binary, DType, Data, Error, Kernel, Result, Tensor, Unary, ValueId, Variadic};

pub fn unary(lo: &mut Lowerer, x: ValueId, op: Unary) -> Result<ValueId> {
    if op == Unary::Activation(Activation::Relu) && lo.dtype(x).is_integer() {
        let zero = lo.number(0.0, lo.dtype(x))?;
        return lo.binary(Binary::Max, x, zero);
    }
    let integer = matches!(lo.dtype(x), DType::I32 | DType::I64);
    if integer && lo.constant_of(x).is_none() && matches!(op, Unary::Neg | Unary::Abs) {
        // The unary kernels are float32's; those of two arguments work on integers too.
        let zero = lo.constant(Tensor::new([], Data::I64(vec![0]))?);
        let zero = lo.cast(zero, lo.dtype(x))?;
        let negative = lo.binary(Binary::Sub, zero, x)?;
        return if op == Unary::Neg { Ok(negative) } else { lo.binary(Binary::Max, x, negative) };
    }
    if matches!(op, Unary::IsNaN | Unary::IsInf { .. }) {
        let shape = lo.shape(x).to_vec();
        return lo.emit(Kernel::Unary(op), &[x], DType::Bool, &shape);
    }
    lo.unary(op, x)
}

pub fn binary(lo: &mut Lowerer, op: Binary, a: ValueId, b: ValueId) -> Result<ValueId> {
    match op {
        Binary::Pow => return power(lo, a, b),
        Binary::PRelu => {
            if broadcast(lo.shape(a), lo.shape(b))? != lo.shape(a) {
                return Err(Error::malformed(format!("a slope of shape {:?} for {:?}", lo.shape(b), lo.shape(a))));
            }
            if lo.dtype(a).is_integer() {
                let zero = lo.number(0.0, lo.dtype(a))?;
                let (negative, scaled) = (lo.binary(Binary::Less, a, zero)?, lo.binary(Binary::Mul, a, b)?);
                let shape = lo.shape(a).to_vec();
                return lo.emit(Kernel::Where, &[negative, scaled, a], lo.dtype(a), &shape);
            }
            if let Some(slope) = lo.scalar_f32(b) {
                return lo.unary(Unary::Activation(Activation::LeakyRelu(slope)), a);
            }
        }
        _ => {}
    }
    lo.binary(op, a, b)
}

/// The result has the base's type; the exponent may have another.
fn power(lo: &mut Lowerer, a: ValueId, b: ValueId) -> Result<ValueId> {
    let (base, exponent) = (lo.dtype(a), lo.dtype(b));
    let fraction = |t: &Tensor| match t.data() {
        Data::F32(v) => v.iter().any(|x| x.fract() != 0.0 || *x < 0.0),
        Data::F64(v) => v.iter().any(|x| x.fract() != 0.0 || *x < 0.0),
        _ => false,
    };
    if base.is_integer() && exponent.is_float() && lo.constant_of(b).is_none_or(fraction) {
        // In float64, which is exact where float32 would miss the integer that truncation then keeps.
        let (a, b) = (lo.cast(a, DType::F64)?, lo.cast(b, DType::F64)?);
        let power = lo.binary(Binary::Pow, a, b)?;
        return lo.cast(power, base);
    }
    let b = lo.cast(b, base)?;
    lo.binary(Binary::Pow, a, b)
}

pub fn variadic(lo: &mut Lowerer, inputs: &[ValueId], op: Variadic) -> Result<ValueId> {
    let [first, rest @ ..] = inputs else { return Err(Error::malformed("no inputs")) };
    let step = match op {
        Variadic::Sum | Variadic::Mean => Binary::Add,
        Variadic::Max => Binary::Max,
        Variadic::Min => Binary::Min,
    };
    let all = rest.iter().try_fold(*first, |sum, &x| lo.binary(step, sum, x))?;
    if op == Variadic::Mean && !rest.is_empty() {
        let dtype = lo.dtype(all);
        if dtype == DType::F32 {
            let share = lo.scalar(1.0 / inputs.len() as f32)?;
            return lo.binary(Binary::Mul, all, share);
        }
        let count = lo.number(inputs.len() as f64, dtype)?;
        return lo.binary(Binary::Div, all, count);
    }
    Ok(all)
}

/// `alpha elu(x / alpha)`.
pub fn celu(lo: &mut Lowerer, x: ValueId, alpha: f32) -> Result<ValueId> {
    let elu = Unary::Activation(Activation::Elu(1.0));
    if alpha == 1.0 {
        return lo.unary(elu, x);
    }
    let alpha = lo.number(alpha.into(), lo.dtype(x))?;
    let inner = lo.binary(Binary::Div, x, alpha)?;
    let inner = lo.unary(elu, inner)?;
    lo.binary(Binary::Mul, inner, alpha)
}

/// `x > alpha ? x : 0`.
pub fn thresholded_relu(lo: &mut Lowerer, x: ValueId, alpha: f32) -> Result<ValueId> {
    let dtype = lo.dtype(x);
    let (alpha, zero) = (lo.number(alpha.into(), dtype)?, lo.number(0.0, dtype)?);
    let above = lo.binary(Binary::Greater, x, alpha)?;
    let shape = lo.shape(x).to_vec();
    lo.emit(Kernel::Where, &[above, x, zero], dtype, &shape)
}

/// `x < -lambd ? x + bias : x > lambd ? x - bias : 0`.
pub fn shrink(lo: &mut Lowerer, x: ValueId, bias: f32, lambd: f32) -> Result<ValueId> {
    let (dtype, shape) = (lo.dtype(x), lo.shape(x).to_vec());
    // Integers are compared with the bounds as they are, then shifted by what is left of the bias.
    let compared = if dtype.is_integer() { lo.cast(x, DType::F32)? } else { x };
    let (low, high) = (lo.number((-lambd).into(), lo.dtype(compared))?, lo.number(lambd.into(), lo.dtype(compared))?);
    let (bias, zero) = (lo.number(bias.into(), dtype)?, lo.number(0.0, dtype)?);
    let (below, above) = (lo.binary(Binary::Less, compared, low)?, lo.binary(Binary::Greater, compared, high)?);
    let (raised, lowered) = (lo.binary(Binary::Add, x, bias)?, lo.binary(Binary::Sub, x, bias)?);
    let right = lo.emit(Kernel::Where, &[above, lowered, zero], dtype, &shape)?;
    lo.emit(Kernel::Where, &[below, raised, right], dtype, &shape)
}

/// `x sigmoid(alpha x)`.
pub fn swish(lo: &mut Lowerer, x: ValueId, alpha: f32) -> Result<ValueId> {
    if alpha == 1.0 {
        return lo.unary(Unary::Activation(Activation::Silu), x);
    }
    let alpha = lo.number(alpha.into(), lo.dtype(x))?;
    let scaled = lo.binary(Binary::Mul, x, alpha)?;
    let gate = lo.unary(Unary::Activation(Activation::Sigmoid), scaled)?;
    lo.binary(Binary::Mul, x, gate)
}

pub fn clip(lo: &mut Lowerer, inputs: &Inputs<'_>) -> Result<ValueId> {
    let x = inputs.need(0)?;
    let (min, max) = (inputs.get(1), inputs.get(2));
    if let Some(bound) = [min, max].into_iter().flatten().find(|&b| lo.shape(b).iter().product::<usize>() != 1) {
        return Err(Error::malformed(format!("a bound of shape {:?}", lo.shape(bound))));
    }
    let known = |bound: Option<ValueId>| bound.and_then(|b| lo.scalar_f32(b));
    match (known(min), known(max)) {
        (Some(lo_bound), Some(hi)) if lo_bound <= hi && lo_bound.is_finite() && hi.is_finite() => {
            return lo.unary(Unary::Activation(Activation::Clip(lo_bound, hi)), x);
        }
        (Some(0.0), None) if max.is_none() => return lo.unary(Unary::Activation(Activation::Relu), x),
        _ => {}
    }
    // The maximum last: it wins when the bounds cross.
    let mut y = x;
    for (bound, op) in [(min, Binary::Max), (max, Binary::Min)] {
        if let Some(bound) = bound {
            // Attributes of operator sets before 11 are float32 whatever the input is.
            let bound = if lo.dtype(x).is_float() { lo.cast(bound, lo.dtype(x))? } else { bound };
            let scalar = lo.reshape(bound, &[])?;
            y = lo.binary(op, y, scalar)?;
        }
    }
    Ok(y)
}

pub fn select(lo: &mut Lowerer, inputs: &Inputs<'_>) -> Result<ValueId> {
    let (condition, a, b) = (inputs.need(0)?, inputs.need(1)?, inputs.need(2)?);
    if lo.dtype(condition) != DType::Bool || lo.dtype(a) != lo.dtype(b) {
        return Err(Error::malformed(format!(
            "operands are {}, {} and {}",
            lo.dtype(condition),
            lo.dtype(a),
            lo.dtype(b)
        )));
    }
    let shape = broadcast(lo.shape(condition), &broadcast(lo.shape(a), lo.shape(b))?)?;
    lo.emit(Kernel::Where, &[condition, a, b], lo.dtype(a), &shape)
}

/// The input itself, unless the node says that it trains; then that all of it was kept.
pub fn dropout(lo: &mut Lowerer, inputs: &Inputs<'_>, outputs: usize, bool_mask: bool) -> Result<Vec<ValueId>> {
    let x = inputs.need(0)?;
    if let Some(training) = inputs.get(2) {
        let tensor = lo.constant_of(training).ok_or_else(|| not_constant("training_mode"))?;
        let trains = !matches!(tensor.data(), Data::Bool(v) if v.iter().all(|t| !t));
        let drops = inputs.get(1).is_none_or(|ratio| lo.scalar_f32(ratio) != Some(0.0));
        if trains && drops {
            return Err(Error::unsupported("training_mode"));
        }
    }
    if outputs < 2 {
        return Ok(vec![x]);
    }
    let shape = lo.shape(x).to_vec();
    let kept = lo.number(1.0, if bool_mask { DType::Bool } else { lo.dtype(x) })?;
    Ok(vec![x, lo.expand(kept, &shape)?])
}
