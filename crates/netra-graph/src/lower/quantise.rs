//! Quantised tensors: to integers and back, and what computes on them.
//!
//! The arithmetic is float32's. Differences of integers of up to 16 bits are exact in it; sums of products are made exact by
//! [`integer`](super::integer).

use super::Inputs;
use super::emit::{Lowerer, axis as resolve_axis};
use super::integer;
use crate::{
    Activation, Binary, DType, Data, Error, Kernel, Narrow, NarrowFloat, Reduction, Result, Rounding, Tensor, Unary,
    ValueId, Window,
};

/// What a tensor is quantised to.
#[derive(Clone, Copy)]
pub struct Target {
    /// As the attribute says.
    pub dtype: Option<DType>,
    /// The type itself, when it is narrower than the one that holds it.
    pub narrow: Option<Narrow>,
    /// Of 8-bit floats: what is beyond the range becomes its end.
    pub saturate: bool,
}

/// Smallest and largest value of an integer type that tensors are quantised to.
fn range(dtype: DType, narrow: Option<Narrow>) -> Result<(f32, f32)> {
    let (bits, signed) = match (dtype, narrow) {
        (_, Some(Narrow::Integer { bits, signed })) => (bits, signed),
        (DType::U8, _) => (8, false),
        (DType::I8, _) => (8, true),
        (DType::U16, _) => (16, false),
        (DType::I16, _) => (16, true),
        (other, _) => return Err(Error::unsupported(format!("quantisation to {other}"))),
    };
    let count = (bits as f32).exp2();
    Ok(if signed { (-count / 2.0, count / 2.0 - 1.0) } else { (0.0, count - 1.0) })
}

/// `saturate(round(x / scale) + zero point)`.
pub fn quantize(lo: &mut Lowerer, inputs: &Inputs<'_>, axis: i64, block: Option<usize>, to: Target) -> Result<ValueId> {
    let (x, zero) = (inputs.need(0)?, inputs.get(2));
    let dtype = match (to.dtype, zero.map(|z| lo.dtype(z))) {
        (Some(named), Some(given)) if named != given => {
            return Err(Error::malformed(format!("output_dtype {named} with a zero point of {given}")));
        }
        (named, given) => given.or(named).unwrap_or(DType::U8),
    };
    let x = lo.cast(x, DType::F32)?;
    let shape = lo.shape(x).to_vec();
    let scale = spread(lo, inputs.need(1)?, &shape, axis, block)?;
    let zero = zero.map(|z| spread(lo, z, &shape, axis, block)).transpose()?;
    let scaled = lo.binary(Binary::Div, x, scale)?;
    let Some(Narrow::Float(format)) = to.narrow else {
        return saturated(lo, scaled, zero, dtype, range(dtype, to.narrow)?);
    };
    let shifted = match zero.filter(|&z| !is_zero(lo, z)) {
        Some(zero) => lo.binary(Binary::Add, scaled, zero)?,
        None => scaled,
    };
    let narrow = NarrowFloat { format, saturate: to.saturate, rounding: Rounding::Nearest };
    lo.unary(Unary::Narrow(narrow), shifted)
}

/// Rounds (half to even), adds the zero point and saturates.
fn saturated(lo: &mut Lowerer, x: ValueId, zero: Option<ValueId>, to: DType, range: (f32, f32)) -> Result<ValueId> {
    let mut y = lo.unary(Unary::Round, x)?;
    if let Some(zero) = zero {
        y = lo.binary(Binary::Add, y, zero)?;
    }
    let y = lo.unary(Unary::Activation(Activation::Clip(range.0, range.1)), y)?;
    lo.cast(y, to)
}

/// A scale or zero point as float32, shaped to broadcast against a tensor of `shape`: one for all, one for each index of an
/// axis, or one for each block along it.
fn spread(lo: &mut Lowerer, p: ValueId, shape: &[usize], axis: i64, block: Option<usize>) -> Result<ValueId> {
    let p = lo.cast(p, DType::F32)?;
    let given = lo.shape(p).to_vec();
    let wrong = || Error::malformed(format!("a scale or zero point of shape {given:?} for {shape:?}"));
    if given.iter().product::<usize>() == 1 && given.len() <= 1 {
        return lo.reshape(p, &[]);
    }
    let axis = resolve_axis(axis, shape.len())?;
    let Some(block) = block else {
        if given != [shape[axis]] {
            return Err(wrong());
        }
        let mut along = vec![1; shape.len()];
        along[axis] = shape[axis];
        return lo.reshape(p, &along);
    };
    let mut blocks = shape.to_vec();
    blocks[axis] = shape[axis].div_ceil(block);
    if given != blocks {
        return Err(wrong());
    }
    let mut column = given.clone();
    column.insert(axis + 1, 1);
    let p = lo.reshape(p, &column)?;
    column[axis + 1] = block;
    let p = lo.emit(Kernel::Expand, &[p], DType::F32, &column)?;
    column.remove(axis + 1);
    column[axis] = column[axis].checked_mul(block).ok_or_else(|| Error::limit("a block size"))?;
    let p = lo.reshape(p, &column)?;
    super::index::slice_axis(lo, p, axis, 0, shape[axis])
}

/// `(x - zero point) scale`. A constant is computed here, so that quantised weights run as the floats that they stand for.
pub fn dequantize(lo: &mut Lowerer, inputs: &Inputs<'_>, axis: i64, block: Option<usize>) -> Result<ValueId> {
    let x = inputs.need(0)?;
    let shape = lo.shape(x).to_vec();
    let scale = spread(lo, inputs.need(1)?, &shape, axis, block)?;
    let zero = inputs.get(2).map(|z| spread(lo, z, &shape, axis, block)).transpose()?;
    if let Some(folded) = folded(lo, x, scale, zero)? {
        return Ok(folded);
    }
    let float = lo.cast(x, DType::F32)?;
    let shifted = match zero.filter(|&z| !is_zero(lo, z)) {
        Some(zero) => lo.binary(Binary::Sub, float, zero)?,
        None => float,
    };
    lo.binary(Binary::Mul, shifted, scale)
}

/// Constants whose scale is one for all or one for each index of an axis, in one step: intermediate tensors would be as
/// large as the weights.
fn folded(lo: &mut Lowerer, x: ValueId, scale: ValueId, zero: Option<ValueId>) -> Result<Option<ValueId>> {
    let shape = lo.shape(x).to_vec();
    let elements = shape.iter().product::<usize>();
    let constant = |id: ValueId| lo.constant_of(id).is_some();
    if !constant(x)
        || !constant(scale)
        || !zero.is_none_or(constant)
        || !lo.fits_budget(elements.saturating_mul(4), elements)
    {
        return Ok(None);
    }
    let constants = (lo.constant_of(x), lo.constant_of(scale), zero.map(|z| lo.constant_of(z)));
    let (Some(values), Some(scales), None | Some(Some(_))) = constants else { return Ok(None) };
    let Some(scales) = scales.as_f32() else { return Ok(None) };
    let zeros = constants.2.flatten().and_then(Tensor::as_f32).unwrap_or(&[0.0]);
    // Scales shaped [.., n, 1, 1]: the elements of one index of the axis lie next to each other.
    let along = lo.shape(scale).iter().rposition(|&n| n != 1).unwrap_or(0);
    let inner: usize = shape.get(along + 1..).unwrap_or_default().iter().product::<usize>().max(1);
    if lo.shape(scale).iter().filter(|&&n| n != 1).count() > 1 {
        return Ok(None);
    }
    let at = |list: &[f32], i: usize| list[if list.len() == 1 { 0 } else { i / inner % list.len() }];
    let float = |i: usize, v: f32| (v - at(zeros, i)) * at(scales, i);
    let floats = match values.data() {
        Data::I8(v) => v.iter().enumerate().map(|(i, &v)| float(i, v.into())).collect(),
        Data::U8(v) => v.iter().enumerate().map(|(i, &v)| float(i, v.into())).collect(),
        Data::I32(v) => v.iter().enumerate().map(|(i, &v)| float(i, v as f32)).collect(),
        _ => return Ok(None),
    };
    let tensor = Tensor::from_f32(shape, floats)?;
    Ok(Some(lo.constant(tensor)))
}

fn is_zero(lo: &Lowerer, id: ValueId) -> bool {
    lo.constant_of(id).and_then(Tensor::as_f32).is_some_and(|v| v.iter().all(|&v| v == 0.0))
}

/// To uint8 by the tensor's own range. Gives the result, its scale and its zero point.
pub fn dynamic_quantize(lo: &mut Lowerer, x: ValueId) -> Result<Vec<ValueId>> {
    let x = lo.cast(x, DType::F32)?;
    let zero = lo.scalar(0.0)?;
    let axes: Vec<usize> = (0..lo.shape(x).len()).collect();
    let mut bound = |reduction: Reduction, op: Binary| {
        let extreme = if axes.is_empty() { x } else { lo.reduce(reduction, x, &axes)? };
        let extreme = lo.reshape(extreme, &[])?;
        lo.binary(op, extreme, zero)
    };
    let (low, high) = (bound(Reduction::Min, Binary::Min)?, bound(Reduction::Max, Binary::Max)?);
    let width = lo.binary(Binary::Sub, high, low)?;
    let steps = lo.scalar(255.0)?;
    let scale = lo.binary(Binary::Div, width, steps)?;
    // A tensor of zeros has no range; any scale will do.
    let (nothing, one) = (lo.binary(Binary::Equal, width, zero)?, lo.scalar(1.0)?);
    let scale = lo.emit(Kernel::Where, &[nothing, one, scale], DType::F32, &[])?;
    let start = lo.binary(Binary::Div, low, scale)?;
    let start = lo.unary(Unary::Neg, start)?;
    let point = saturated(lo, start, None, DType::U8, (0.0, 255.0))?;
    let shift = lo.cast(point, DType::F32)?;
    let scaled = lo.binary(Binary::Div, x, scale)?;
    let y = saturated(lo, scaled, Some(shift), DType::U8, (0.0, 255.0))?;
    Ok(vec![y, scale, point])
}

/// Inputs: x, its scale and zero point, the same of the weights, the same of the result, optional bias (int32).
pub fn conv(lo: &mut Lowerer, inputs: &Inputs<'_>, window: &Window, groups: usize) -> Result<ValueId> {
    let operands = [inputs.need(0)?, inputs.need(3)?];
    let zeros = [inputs.get(2), inputs.get(5)];
    let mut sums = integer::conv(lo, operands, zeros, window, groups)?;
    let rank = lo.shape(sums).len();
    let per_channel = |lo: &mut Lowerer, id: ValueId| {
        let count = lo.shape(id).iter().product();
        if count == 1 {
            return lo.reshape(id, &[]);
        }
        let mut column = vec![count];
        column.resize(rank - 1, 1);
        lo.reshape(id, &column)
    };
    if let Some(bias) = inputs.get(8) {
        let bias = per_channel(lo, bias)?;
        sums = lo.binary(Binary::Add, sums, bias)?;
    }
    let weight_scale = inputs.need(4)?;
    let weight_scale = per_channel(lo, weight_scale)?;
    requantised(lo, sums, [inputs.need(1)?, weight_scale, inputs.need(6)?], inputs.need(7)?)
}

/// Inputs: a, its scale and zero point, the same of b, the same of the result.
pub fn mat_mul(lo: &mut Lowerer, inputs: &Inputs<'_>) -> Result<ValueId> {
    let operands = [inputs.need(0)?, inputs.need(3)?];
    let sums = integer::mat_mul(lo, operands, [inputs.get(2), inputs.get(5)])?;
    let a_scale = integer::per_row(lo, inputs.need(1)?)?;
    requantised(lo, sums, [a_scale, inputs.need(4)?, inputs.need(6)?], inputs.need(7)?)
}

/// Sums of products, times the scales of both operands over that of the result.
fn requantised(lo: &mut Lowerer, sums: ValueId, scales: [ValueId; 3], zero: ValueId) -> Result<ValueId> {
    let float = |lo: &mut Lowerer, id: ValueId| {
        let id = lo.cast(id, DType::F32)?;
        if lo.shape(id) == [1] { lo.reshape(id, &[]) } else { Ok(id) }
    };
    let [a, b, y] = scales;
    let (a, b, y) = (float(lo, a)?, float(lo, b)?, float(lo, y)?);
    let product = lo.binary(Binary::Mul, a, b)?;
    let factor = lo.binary(Binary::Div, product, y)?;
    let to = lo.dtype(zero);
    let zero = float(lo, zero)?;
    let sums = lo.cast(sums, DType::F32)?;
    let scaled = lo.binary(Binary::Mul, sums, factor)?;
    saturated(lo, scaled, Some(zero), to, range(to, None)?)
}
