//! Sequences of different lengths in one tensor.

use super::Inputs;
use super::emit::Lowerer;
use super::shape::transpose;
use crate::{Binary, DType, Error, Kernel, Result, ValueId};

/// The first elements of each sequence, as many as its length says, in reverse: a gather of rows, one a batch and time.
pub fn reverse(lo: &mut Lowerer, inputs: &Inputs<'_>, batch_axis: usize, time_axis: usize) -> Result<ValueId> {
    let (x, lengths) = (inputs.need(0)?, inputs.need(1)?);
    let shape = lo.shape(x).to_vec();
    let (Some(&batches), Some(&steps)) = (shape.get(batch_axis), shape.get(time_axis)) else {
        return Err(Error::malformed(format!("axes {batch_axis} and {time_axis} of {shape:?}")));
    };
    if batch_axis == time_axis || lo.shape(lengths) != [batches] || lo.dtype(lengths) != DType::I64 {
        return Err(Error::malformed(format!("lengths of shape {:?} for {shape:?}", lo.shape(lengths))));
    }
    if shape.contains(&0) {
        return Ok(x);
    }
    if let Some(list) = lo.constant_of(lengths).and_then(|t| t.to_i64s())
        && let Some(wrong) = list.iter().find(|&&n| n < 0 || n > steps as i64)
    {
        return Err(Error::malformed(format!("a length of {wrong} of {steps} elements")));
    }
    let mut perm = vec![batch_axis, time_axis];
    perm.extend((0..shape.len()).filter(|a| ![batch_axis, time_axis].contains(a)));
    let moved = transpose(lo, x, Some(&perm))?;
    let moved_shape = lo.shape(moved).to_vec();
    let inner: usize = moved_shape[2..].iter().product();
    let rows = lo.reshape(moved, &[batches * steps, inner])?;
    let (time, length) = (lo.positions(2, 1, steps)?, lo.reshape(lengths, &[batches, 1])?);
    let one = lo.number(1.0, DType::I64)?;
    let last = lo.binary(Binary::Sub, length, one)?;
    let mirrored = lo.binary(Binary::Sub, last, time)?;
    let inside = lo.binary(Binary::Less, time, length)?;
    let from = lo.emit(Kernel::Where, &[inside, mirrored, time], DType::I64, &[batches, steps])?;
    let (batch, size) = (lo.positions(2, 0, batches)?, lo.number(steps as f64, DType::I64)?);
    let first = lo.binary(Binary::Mul, batch, size)?;
    let from = lo.binary(Binary::Add, from, first)?;
    let from = lo.reshape(from, &[batches * steps])?;
    let rows = lo.emit(Kernel::Gather { axis: 0 }, &[rows, from], lo.dtype(x), &[batches * steps, inner])?;
    let moved = lo.reshape(rows, &moved_shape)?;
    let mut back = vec![0; perm.len()];
    perm.iter().enumerate().for_each(|(to, &axis)| back[axis] = to);
    transpose(lo, moved, Some(&back))
}
