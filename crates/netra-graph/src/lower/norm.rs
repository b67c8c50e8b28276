//! Normalisation and softmax.

use super::Inputs;
use super::emit::{Lowerer, axis as resolve_axis, broadcast, not_constant};
use super::spatial::planes;
use crate::{Binary, DType, Error, Kernel, Result, Tensor, ValueId};

/// Checks a per-channel parameter.
fn per_channel(lo: &Lowerer, id: ValueId, channels: usize, what: &str) -> Result<()> {
    if lo.shape(id) != [channels] {
        return Err(Error::malformed(format!("{what} of shape {:?} for {channels} channels", lo.shape(id))));
    }
    Ok(())
}

/// A multiplication and an addition by constants; the pass over convolutions usually takes both in.
pub fn batch(lo: &mut Lowerer, inputs: &Inputs<'_>, epsilon: f32) -> Result<ValueId> {
    let x = inputs.need(0)?;
    let &[_, channels, ref rest @ ..] = lo.shape(x) else {
        return Err(Error::malformed(format!("shape {:?} has no channels", lo.shape(x))));
    };
    let mut broadcastable = vec![channels];
    broadcastable.resize(1 + rest.len(), 1);
    let mut parameters = Vec::with_capacity(4);
    for (i, what) in ["scale", "bias", "mean", "variance"].into_iter().enumerate() {
        let id = inputs.need(i + 1)?;
        per_channel(lo, id, channels, what)?;
        let tensor = lo.constant_of(id).ok_or_else(|| not_constant(what))?;
        parameters.push(tensor.as_f32().ok_or_else(|| Error::unsupported(format!("{what} of {}", tensor.dtype())))?);
    }
    let [scale, bias, mean, variance] = parameters[..] else { return Err(Error::malformed("five inputs")) };
    let mut factors = Vec::with_capacity(channels);
    let mut shifts = Vec::with_capacity(channels);
    for c in 0..channels {
        let factor = f64::from(scale[c]) / (f64::from(variance[c]) + f64::from(epsilon)).sqrt();
        factors.push(factor as f32);
        shifts.push((f64::from(bias[c]) - f64::from(mean[c]) * factor) as f32);
    }
    let factors = lo.constant(Tensor::from_f32(broadcastable.clone(), factors)?);
    let shifts = lo.constant(Tensor::from_f32(broadcastable, shifts)?);
    let scaled = lo.binary(Binary::Mul, x, factors)?;
    lo.binary(Binary::Add, scaled, shifts)
}

pub fn instance(lo: &mut Lowerer, inputs: &Inputs<'_>, epsilon: f32) -> Result<ValueId> {
    let (x, scale, bias) = (inputs.need(0)?, inputs.need(1)?, inputs.need(2)?);
    let (_, channels, _) = planes(lo.shape(x))?;
    per_channel(lo, scale, channels, "scale")?;
    per_channel(lo, bias, channels, "bias")?;
    let shape = lo.shape(x).to_vec();
    lo.emit(Kernel::InstanceNormalization { epsilon, activation: None }, &[x, scale, bias], DType::F32, &shape)
}

pub fn group(lo: &mut Lowerer, inputs: &Inputs<'_>, groups: usize, epsilon: f32, per_group: bool) -> Result<ValueId> {
    let (x, mut scale, mut bias) = (inputs.need(0)?, inputs.need(1)?, inputs.need(2)?);
    let &[_, channels, ..] = lo.shape(x) else {
        return Err(Error::malformed(format!("shape {:?} has no channels", lo.shape(x))));
    };
    if channels % groups != 0 {
        return Err(Error::malformed(format!("{groups} groups of {channels} channels")));
    }
    if per_group {
        for parameter in [&mut scale, &mut bias] {
            per_channel(lo, *parameter, groups, "scale or bias (one a group)")?;
            let column = lo.reshape(*parameter, &[groups, 1])?;
            let spread = lo.emit(Kernel::Expand, &[column], DType::F32, &[groups, channels / groups])?;
            *parameter = lo.reshape(spread, &[channels])?;
        }
    }
    per_channel(lo, scale, channels, "scale")?;
    per_channel(lo, bias, channels, "bias")?;
    let shape = lo.shape(x).to_vec();
    lo.emit(Kernel::GroupNormalization { groups, epsilon }, &[x, scale, bias], DType::F32, &shape)
}

pub fn layer(lo: &mut Lowerer, inputs: &Inputs<'_>, axis: i64, epsilon: f32) -> Result<ValueId> {
    let (x, scale, bias) = (inputs.need(0)?, inputs.need(1)?, inputs.get(2));
    let shape = lo.shape(x).to_vec();
    let axis = resolve_axis(axis, shape.len())?;
    let inner = &shape[axis..];
    for id in [Some(scale), bias].into_iter().flatten() {
        if broadcast(lo.shape(id), inner).ok().as_deref() != Some(inner) {
            return Err(Error::malformed(format!("scale or bias of shape {:?} for {inner:?}", lo.shape(id))));
        }
    }
    let operands: Vec<_> = [Some(x), Some(scale), bias].into_iter().take(2 + usize::from(bias.is_some())).collect();
    lo.emit_optional(Kernel::LayerNormalization { axis, epsilon }, &operands, DType::F32, &shape)
}

/// With `flatten` the axes from `axis` on count as one.
pub fn softmax(lo: &mut Lowerer, x: ValueId, axis: i64, log: bool, flatten: bool) -> Result<ValueId> {
    let shape = lo.shape(x).to_vec();
    let axis = resolve_axis(axis, shape.len())?;
    if flatten && axis + 1 < shape.len() {
        let flat = [shape[..axis].iter().product(), shape[axis..].iter().product()];
        let x = lo.reshape(x, &flat)?;
        let y = lo.emit(Kernel::Softmax { axis: 1, log }, &[x], lo.dtype(x), &flat)?;
        return lo.reshape(y, &shape);
    }
    lo.emit(Kernel::Softmax { axis, log }, &[x], lo.dtype(x), &shape)
}
