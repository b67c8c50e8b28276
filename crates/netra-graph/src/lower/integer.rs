//! Products of 8-bit integers, exact to 32 bits, on float32 kernels.
//!
//! A sum of products is exact in float32 as long as it stays below 2^24. What is summed over is cut into parts for which
//! that holds whatever the input is; the parts are added as int32. Constant weights make the parts long. A single part
//! that is still too large (a window of hundreds of elements) goes through float64, which not every backend has.

use super::Inputs;
use super::emit::{Lowerer, check_size};
use super::index::slice_axis;
use super::{matrix, spatial};
use crate::{Binary, DType, Error, Result, Tensor, ValueId, Window};

/// Integers below this are exact in float32.
const EXACT: f64 = (1u32 << 24) as f64;
/// Largest difference of two integers of 8 bits.
const WIDEST: f64 = 255.0;
/// Most parts of one product.
const MAX_PARTS: usize = 256;

/// `values - zero`, exact, as float32.
fn shifted(lo: &mut Lowerer, values: ValueId, zero: Option<ValueId>) -> Result<ValueId> {
    if !matches!(lo.dtype(values), DType::I8 | DType::U8) {
        return Err(Error::unsupported(format!("an integer product of {}", lo.dtype(values))));
    }
    let values = lo.cast(values, DType::F32)?;
    let Some(zero) = zero else { return Ok(values) };
    let zero = lo.cast(zero, DType::F32)?;
    let zero = if lo.shape(zero) == [1] { lo.reshape(zero, &[])? } else { zero };
    if lo.scalar_f32(zero) == Some(0.0) {
        return Ok(values);
    }
    let shape = lo.shape(values).to_vec();
    let difference = lo.binary(Binary::Sub, values, zero)?;
    if lo.shape(difference) != shape {
        return Err(Error::malformed(format!("a zero point of shape {:?} for {shape:?}", lo.shape(zero))));
    }
    Ok(difference)
}

/// Runs of neighbouring indices, each as long as the bounds of its sums allow. `None` when one alone is too large.
fn parts(bounds: &[f64]) -> Option<Vec<(usize, usize)>> {
    let mut parts = vec![(0, 0)];
    let mut sum = 0.0;
    for (i, bound) in bounds.iter().map(|b| b * WIDEST).enumerate() {
        if bound >= EXACT {
            return None;
        }
        let last = parts.last_mut()?;
        if sum + bound < EXACT {
            sum += bound;
            last.1 += 1;
        } else {
            sum = bound;
            parts.push((i, 1));
        }
    }
    Some(parts).filter(|p| p.len() <= MAX_PARTS)
}

/// A vector of zero points or scales, one a row of the left operand of a product.
pub fn per_row(lo: &mut Lowerer, id: ValueId) -> Result<ValueId> {
    match *lo.shape(id) {
        [rows] if rows > 1 => lo.reshape(id, &[rows, 1]),
        _ => Ok(id),
    }
}

/// NumPy's product of matrices as int32; zero points one for all, one a row of `a`, one a column of `b`.
pub fn mat_mul(lo: &mut Lowerer, operands: [ValueId; 2], zeros: [Option<ValueId>; 2]) -> Result<ValueId> {
    let a_zero = zeros[0].map(|z| per_row(lo, z)).transpose()?;
    let a = shifted(lo, operands[0], a_zero)?;
    let b = shifted(lo, operands[1], zeros[1])?;
    let (inner_a, rank_b) = (lo.shape(a).len().saturating_sub(1), lo.shape(b).len());
    let Some(&depth) = lo.shape(a).last() else { return Err(Error::malformed("a product of a scalar")) };
    let inner_b = rank_b.saturating_sub(2);
    if lo.shape(b).get(inner_b) != Some(&depth) {
        return Err(Error::malformed(format!("operands of shapes {:?} and {:?}", lo.shape(a), lo.shape(b))));
    }
    // How large a column's element can be at each place of the sum.
    let columns = if rank_b > 1 { lo.shape(b)[rank_b - 1] } else { 1 };
    let bounds = bounds(lo, b, depth, |at| at / columns % depth);
    sum_of_parts(lo, a, b, bounds.as_deref(), |lo, a, b, part| {
        let (start, count) = part;
        let a = slice_axis(lo, a, inner_a, start, count)?;
        let b = slice_axis(lo, b, inner_b, start, count)?;
        matrix::mat_mul(lo, a, b)
    })
}

/// For each index that is summed over, the largest absolute value of a constant there; the widest when not constant.
fn bounds(lo: &Lowerer, values: ValueId, count: usize, index: impl Fn(usize) -> usize) -> Option<Vec<f64>> {
    check_size(&[count]).ok()?;
    let Some(values) = lo.constant_of(values).and_then(Tensor::as_f32) else { return Some(vec![WIDEST; count]) };
    let mut bounds = vec![0.0f64; count];
    for (at, &v) in values.iter().enumerate() {
        let bound = &mut bounds[index(at)];
        *bound = bound.max(f64::from(v).abs());
    }
    Some(bounds)
}

/// Adds up the products of the parts as int32; with no parts, one product in float64.
fn sum_of_parts(
    lo: &mut Lowerer,
    a: ValueId,
    b: ValueId,
    bounds: Option<&[f64]>,
    product: impl Fn(&mut Lowerer, ValueId, ValueId, (usize, usize)) -> Result<ValueId>,
) -> Result<ValueId> {
    let Some(parts) = bounds.and_then(parts) else {
        let (a, b) = (lo.cast(a, DType::F64)?, lo.cast(b, DType::F64)?);
        let whole = (0, bounds.map_or(0, <[f64]>::len));
        let y = product(lo, a, b, whole)?;
        return lo.cast(y, DType::I32);
    };
    let mut sum: Option<ValueId> = None;
    for part in parts {
        lo.spend(1)?;
        let y = product(lo, a, b, part)?;
        let y = lo.cast(y, DType::I32)?;
        sum = Some(match sum {
            Some(sum) => lo.binary(Binary::Add, sum, y)?,
            None => y,
        });
    }
    sum.ok_or_else(|| Error::malformed("a sum of nothing"))
}

/// A convolution as int32. The zero point of x is what lies beyond the input; those of the weights are one for all or one
/// an output channel.
pub fn conv(
    lo: &mut Lowerer,
    operands: [ValueId; 2],
    zeros: [Option<ValueId>; 2],
    window: &Window,
    groups: usize,
) -> Result<ValueId> {
    let x = shifted(lo, operands[0], zeros[0])?;
    let shape = lo.shape(operands[1]).to_vec();
    let &[outputs, inner, ref kernel @ ..] = shape.as_slice() else {
        return Err(Error::malformed(format!("weights of shape {shape:?}")));
    };
    let mut zero = zeros[1];
    if let Some(id) = zero.filter(|&id| lo.shape(id) == [outputs] && outputs > 1) {
        let mut column = vec![outputs];
        column.resize(shape.len(), 1);
        zero = Some(lo.reshape(id, &column)?);
    }
    let weight = shifted(lo, operands[1], zero)?;
    let taps: usize = kernel.iter().product();
    // The largest element at each input channel times the taps bounds a window's sum over that channel.
    let bounds = bounds(lo, weight, inner, |at| at / taps.max(1) % inner.max(1));
    let bounds: Option<Vec<f64>> = bounds.map(|b| b.into_iter().map(|b| b * taps as f64).collect());
    let full = lo.shape(x).to_vec();
    if full.get(1).copied() != inner.checked_mul(groups) {
        return Err(Error::malformed(format!("weights of shape {shape:?} in {groups} groups for {full:?}")));
    }
    let window = window.clone();
    sum_of_parts(lo, x, weight, bounds.as_deref(), move |lo, x, weight, (start, count)| {
        let weight = slice_axis(lo, weight, 1, start, count)?;
        let mut split = full.clone();
        split.splice(1..2, [groups, inner]);
        let x = lo.reshape(x, &split)?;
        let x = slice_axis(lo, x, 2, start, count)?;
        let mut joined = full.clone();
        joined[1] = groups * count;
        let x = lo.reshape(x, &joined)?;
        spatial::conv(lo, &Inputs(&[Some(x), Some(weight)]), &window, groups)
    })
}
