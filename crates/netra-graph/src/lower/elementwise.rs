//! Element-wise operators.

use super::Inputs;
use super::emit::{Lowerer, broadcast, not_constant};
use crate::{Activation, Binary, DType, Data, Error, Kernel, Result, Tensor, Unary, ValueId, Variadic};

pub fn unary(lo: &mut Lowerer, x: ValueId, op: Unary) -> Result<ValueId> {
    let integer = matches!(lo.dtype(x), DType::I32 | DType::I64);
    if integer && lo.constant_of(x).is_none() && matches!(op, Unary::Neg | Unary::Abs) {
        // The unary kernels are float32's; those of two arguments work on integers too.
        let zero = lo.constant(Tensor::new([], Data::I64(vec![0]))?);
        let zero = lo.cast(zero, lo.dtype(x))?;
        let negative = lo.binary(Binary::Sub, zero, x)?;
        return if op == Unary::Neg { Ok(negative) } else { lo.binary(Binary::Max, x, negative) };
    }
    if op == Unary::IsNaN {
        let shape = lo.shape(x).to_vec();
        return lo.emit(Kernel::Unary(op), &[x], DType::Bool, &shape);
    }
    lo.unary(op, x)
}

pub fn binary(lo: &mut Lowerer, op: Binary, a: ValueId, mut b: ValueId) -> Result<ValueId> {
    match op {
        // ONNX lets the exponent have a type of its own.
        Binary::Pow => b = lo.cast(b, lo.dtype(a))?,
        Binary::PRelu => {
            if broadcast(lo.shape(a), lo.shape(b))? != lo.shape(a) {
                return Err(Error::malformed(format!("a slope of shape {:?} for {:?}", lo.shape(b), lo.shape(a))));
            }
            if let Some(slope) = lo.scalar_f32(b) {
                return lo.unary(Unary::Activation(Activation::LeakyRelu(slope)), a);
            }
        }
        _ => {}
    }
    lo.binary(op, a, b)
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
        let share = lo.scalar_of(1.0 / inputs.len() as f64, lo.dtype(all))?;
        return lo.binary(Binary::Mul, all, share);
    }
    Ok(all)
}

/// `alpha elu(x / alpha)`.
pub fn celu(lo: &mut Lowerer, x: ValueId, alpha: f32) -> Result<ValueId> {
    let elu = Unary::Activation(Activation::Elu(1.0));
    if alpha == 1.0 {
        return lo.unary(elu, x);
    }
    let alpha = lo.scalar_of(alpha.into(), lo.dtype(x))?;
    let inner = lo.binary(Binary::Div, x, alpha)?;
    let inner = lo.unary(elu, inner)?;
    lo.binary(Binary::Mul, inner, alpha)
}

/// `x > alpha ? x : 0`.
pub fn thresholded_relu(lo: &mut Lowerer, x: ValueId, alpha: f32) -> Result<ValueId> {
    let dtype = lo.dtype(x);
    let (alpha, zero) = (lo.scalar_of(alpha.into(), dtype)?, lo.scalar_of(0.0, dtype)?);
    let above = lo.binary(Binary::Greater, x, alpha)?;
    let shape = lo.shape(x).to_vec();
    lo.emit(Kernel::Where, &[above, x, zero], dtype, &shape)
}

/// `x sigmoid(alpha x)`.
pub fn swish(lo: &mut Lowerer, x: ValueId, alpha: f32) -> Result<ValueId> {
    if alpha == 1.0 {
        return lo.unary(Unary::Activation(Activation::Silu), x);
    }
    let alpha = lo.scalar_of(alpha.into(), lo.dtype(x))?;
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

/// The input itself, unless the node says that it trains.
pub fn dropout(lo: &mut Lowerer, inputs: &Inputs<'_>) -> Result<ValueId> {
    if let Some(training) = inputs.get(2) {
        let tensor = lo.constant_of(training).ok_or_else(|| not_constant("training_mode"))?;
        if !matches!(tensor.data(), Data::Bool(v) if v.iter().all(|t| !t)) {
            return Err(Error::unsupported("training_mode"));
        }
    }
    inputs.need(0)
}
