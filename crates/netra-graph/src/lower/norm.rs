//! Normalisation and softmax.

use super::Inputs;
use super::emit::{Lowerer, axis as resolve_axis, broadcast};
use super::spatial::planes;
use crate::{Binary, DType, Error, Kernel, Pool, Reduction, Result, Unary, ValueId};

/// Checks a per-channel parameter.
fn per_channel(lo: &Lowerer, id: ValueId, channels: usize, what: &str) -> Result<()> {
    if lo.shape(id) != [channels] {
        return Err(Error::malformed(format!("{what} of shape {:?} for {channels} channels", lo.shape(id))));
    }
    Ok(())
}

/// A multiplication and an addition by constants; the pass over convolutions usually takes both in. Parameters that only
/// the run knows take a few steps on vectors of channels more.
pub fn batch(lo: &mut Lowerer, inputs: &Inputs<'_>, epsilon: f32) -> Result<ValueId> {
    let x = inputs.need(0)?;
    let [scale, bias, mean, variance] = batch_parameters(lo, inputs)?;
    let dtype = lo.dtype(x);
    // Folded in float64: the factor is rounded once.
    let mut wide = [scale, bias, mean, variance];
    let constant = wide.iter().all(|&id| lo.constant_of(id).is_some());
    if constant {
        for id in &mut wide {
            *id = lo.cast(*id, DType::F64)?;
        }
    }
    let [scale, bias, mean, variance] = wide;
    let epsilon = lo.number(epsilon.into(), lo.dtype(variance))?;
    let variance = lo.binary(Binary::Add, variance, epsilon)?;
    let deviation = lo.unary(Unary::Sqrt, variance)?;
    let factor = lo.binary(Binary::Div, scale, deviation)?;
    let product = lo.binary(Binary::Mul, mean, factor)?;
    let shift = lo.binary(Binary::Sub, bias, product)?;
    let (factor, shift) = (lo.cast(factor, dtype)?, lo.cast(shift, dtype)?);
    let scaled = lo.binary(Binary::Mul, x, factor)?;
    lo.binary(Binary::Add, scaled, shift)
}

/// Scale, bias, mean and variance, one entry a channel, shaped to broadcast against x and of its element type.
fn batch_parameters(lo: &mut Lowerer, inputs: &Inputs<'_>) -> Result<[ValueId; 4]> {
    let x = inputs.need(0)?;
    let &[_, channels, ref rest @ ..] = lo.shape(x) else {
        return Err(Error::malformed(format!("shape {:?} has no channels", lo.shape(x))));
    };
    let mut broadcastable = vec![channels];
    broadcastable.resize(1 + rest.len(), 1);
    let mut parameter = |i: usize, what: &str| {
        let id = inputs.need(i)?;
        per_channel(lo, id, channels, what)?;
        let id = lo.cast(id, lo.dtype(x))?;
        lo.reshape(id, &broadcastable)
    };
    Ok([parameter(1, "scale")?, parameter(2, "bias")?, parameter(3, "mean")?, parameter(4, "variance")?])
}

/// By the mean and variance of the batch itself. Gives the result, and the running mean and variance.
pub fn batch_training(lo: &mut Lowerer, inputs: &Inputs<'_>, epsilon: f32, momentum: f32) -> Result<Vec<ValueId>> {
    let x = inputs.need(0)?;
    let [scale, bias, old_mean, old_variance] = batch_parameters(lo, inputs)?;
    let axes: Vec<usize> = (0..lo.shape(x).len()).filter(|&a| a != 1).collect();
    let (mean, centred, variance) = moments(lo, x, &axes)?;
    let deviation = deviation(lo, variance, epsilon)?;
    let normal = lo.binary(Binary::Div, centred, deviation)?;
    let scaled = lo.binary(Binary::Mul, normal, scale)?;
    let mut results = vec![lo.binary(Binary::Add, scaled, bias)?];
    for (i, old, new) in [(3, old_mean, mean), (4, old_variance, variance)] {
        let dtype = lo.dtype(x);
        let (keep, take) = (lo.number(momentum.into(), dtype)?, lo.number(1.0 - f64::from(momentum), dtype)?);
        let kept = lo.binary(Binary::Mul, old, keep)?;
        let taken = lo.binary(Binary::Mul, new, take)?;
        let running = lo.binary(Binary::Add, kept, taken)?;
        let given = inputs.need(i)?;
        let shape = lo.shape(given).to_vec();
        let running = lo.reshape(running, &shape)?;
        results.push(lo.cast(running, lo.dtype(given))?);
    }
    Ok(results)
}

/// Mean over `axes`, difference from it, and (biased) variance.
fn moments(lo: &mut Lowerer, x: ValueId, axes: &[usize]) -> Result<(ValueId, ValueId, ValueId)> {
    let mean = lo.reduce(Reduction::Mean, x, axes)?;
    let centred = lo.binary(Binary::Sub, x, mean)?;
    let square = lo.binary(Binary::Mul, centred, centred)?;
    Ok((mean, centred, lo.reduce(Reduction::Mean, square, axes)?))
}

fn deviation(lo: &mut Lowerer, variance: ValueId, epsilon: f32) -> Result<ValueId> {
    let epsilon = lo.number(epsilon.into(), lo.dtype(variance))?;
    let variance = lo.binary(Binary::Add, variance, epsilon)?;
    lo.unary(Unary::Sqrt, variance)
}

pub fn instance(lo: &mut Lowerer, inputs: &Inputs<'_>, epsilon: f32) -> Result<ValueId> {
    let (x, scale, bias) = (inputs.need(0)?, inputs.need(1)?, inputs.need(2)?);
    let (_, channels, _) = planes(lo.shape(x))?;
    per_channel(lo, scale, channels, "scale")?;
    per_channel(lo, bias, channels, "bias")?;
    let shape = lo.shape(x).to_vec();
    lo.emit(Kernel::InstanceNormalization { epsilon, activation: None }, &[x, scale, bias], lo.dtype(x), &shape)
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
            let spread = lo.emit(Kernel::Expand, &[column], lo.dtype(x), &[groups, channels / groups])?;
            *parameter = lo.reshape(spread, &[channels])?;
        }
    }
    per_channel(lo, scale, channels, "scale")?;
    per_channel(lo, bias, channels, "bias")?;
    let shape = lo.shape(x).to_vec();
    lo.emit(Kernel::GroupNormalization { groups, epsilon, activation: None }, &[x, scale, bias], lo.dtype(x), &shape)
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
    lo.emit_optional(Kernel::LayerNormalization { axis, epsilon }, &operands, lo.dtype(x), &shape)
}

/// Mean, and reciprocal of the standard deviation: the optional outputs of layer normalisation.
pub fn layer_moments(lo: &mut Lowerer, x: ValueId, axis: i64, epsilon: f32) -> Result<[ValueId; 2]> {
    let rank = lo.shape(x).len();
    let axes: Vec<usize> = (resolve_axis(axis, rank)?..rank).collect();
    let (mean, _, variance) = moments(lo, x, &axes)?;
    let deviation = deviation(lo, variance, epsilon)?;
    Ok([mean, lo.unary(Unary::Reciprocal, deviation)?])
}

pub fn rms(lo: &mut Lowerer, x: ValueId, scale: ValueId, axis: i64, epsilon: f32) -> Result<ValueId> {
    let shape = lo.shape(x).to_vec();
    let axes: Vec<usize> = (resolve_axis(axis, shape.len())?..shape.len()).collect();
    if broadcast(lo.shape(scale), &shape).ok().as_deref() != Some(&shape) {
        return Err(Error::malformed(format!("scale of shape {:?} for {shape:?}", lo.shape(scale))));
    }
    let square = lo.binary(Binary::Mul, x, x)?;
    let mean = lo.reduce(Reduction::Mean, square, &axes)?;
    let root = deviation(lo, mean, epsilon)?;
    let normal = lo.binary(Binary::Div, x, root)?;
    let normal = lo.cast(normal, lo.dtype(scale))?;
    lo.binary(Binary::Mul, normal, scale)
}

/// `x` over its norm along one axis; 0 where that is 0.
pub fn lp(lo: &mut Lowerer, x: ValueId, axis: i64, p: u32) -> Result<ValueId> {
    let axis = resolve_axis(axis, lo.shape(x).len())?;
    let norm = lo.reduce(if p == 1 { Reduction::L1 } else { Reduction::L2 }, x, &[axis])?;
    let (dtype, shape) = (lo.dtype(x), lo.shape(norm).to_vec());
    let (zero, one) = (lo.number(0.0, dtype)?, lo.number(1.0, dtype)?);
    let nothing = lo.binary(Binary::Equal, norm, zero)?;
    let norm = lo.emit(Kernel::Where, &[nothing, one, norm], dtype, &shape)?;
    lo.binary(Binary::Div, x, norm)
}

/// To mean 0 and deviation 1 over the axes.
pub fn mean_variance(lo: &mut Lowerer, x: ValueId, axes: &[i64]) -> Result<ValueId> {
    let axes = super::emit::axes(axes, lo.shape(x).len())?;
    let (_, centred, variance) = moments(lo, x, &axes)?;
    let deviation = lo.unary(Unary::Sqrt, variance)?;
    // Part of the operator's definition.
    let least = lo.number(1e-9, lo.dtype(x))?;
    let deviation = lo.binary(Binary::Add, deviation, least)?;
    lo.binary(Binary::Div, centred, deviation)
}

/// `x / (bias + alpha mean(x^2))^beta`, the mean over `size` neighbouring channels with zeros beyond the ends: an average
/// pool over the channels. `factors` are alpha, beta and bias.
pub fn local_response(lo: &mut Lowerer, x: ValueId, factors: (f32, f32, f32), size: usize) -> Result<ValueId> {
    let shape = lo.shape(x).to_vec();
    let &[n, channels, ref spatial @ ..] = shape.as_slice() else {
        return Err(Error::malformed(format!("shape {shape:?} has no channels")));
    };
    let (alpha, beta, bias) = factors;
    let dtype = lo.dtype(x);
    let plane = [n, 1, channels, spatial.iter().product()];
    let square = lo.binary(Binary::Mul, x, x)?;
    let square = lo.reshape(square, &plane)?;
    let pool = Pool {
        kernel: vec![size, 1],
        strides: vec![1, 1],
        pads: vec![((size - 1) / 2, size / 2), (0, 0)],
        dilations: vec![1, 1],
    };
    let mean = lo.emit(Kernel::AveragePool { pool, count_include_pad: true }, &[square], dtype, &plane)?;
    let mean = lo.reshape(mean, &shape)?;
    let (alpha, beta, bias) =
        (lo.number(alpha.into(), dtype)?, lo.number(beta.into(), dtype)?, lo.number(bias.into(), dtype)?);
    let scaled = lo.binary(Binary::Mul, mean, alpha)?;
    let base = lo.binary(Binary::Add, scaled, bias)?;
    let power = lo.binary(Binary::Pow, base, beta)?;
    lo.binary(Binary::Div, x, power)
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
