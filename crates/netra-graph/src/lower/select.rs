//! Elements selected or placed by index tensors, which may be computed by the network.

use super::Inputs;
use super::emit::{self, Lowerer, axis, not_constant};
use super::scatter;
use super::shape::transpose;
use crate::{Binary, Combine, DType, Data, Error, Kernel, Result, Tensor, ValueId};

/// Indices as the kernels take them.
fn indices(lo: &mut Lowerer, id: ValueId) -> Result<ValueId> {
    match lo.dtype(id) {
        DType::I64 | DType::I32 => lo.cast(id, DType::I64),
        other => Err(Error::malformed(format!("indices of {other}"))),
    }
}

/// Whether `part` has the axes of `whole` and is no larger along any axis but one.
fn within(part: &[usize], whole: &[usize], axis: usize) -> Result<()> {
    let fits = part.len() == whole.len() && (0..whole.len()).all(|i| i == axis || part[i] <= whole[i]);
    if fits {
        Ok(())
    } else {
        Err(Error::malformed(format!("indices of shape {part:?} along axis {axis} of {whole:?}")))
    }
}

pub fn gather_elements(lo: &mut Lowerer, inputs: &Inputs<'_>, along: i64) -> Result<ValueId> {
    let x = inputs.need(0)?;
    let at = indices(lo, inputs.need(1)?)?;
    let axis = axis(along, lo.shape(x).len())?;
    let shape = lo.shape(at).to_vec();
    within(&shape, lo.shape(x), axis)?;
    lo.emit(Kernel::GatherElements { axis }, &[x, at], lo.dtype(x), &shape)
}

pub fn gather_nd(lo: &mut Lowerer, inputs: &Inputs<'_>, batch_dims: usize) -> Result<ValueId> {
    let x = inputs.need(0)?;
    let at = indices(lo, inputs.need(1)?)?;
    let (data, index) = (lo.shape(x).to_vec(), lo.shape(at).to_vec());
    let wrong = || Error::malformed(format!("indices of shape {index:?} into {data:?} with {batch_dims} batch axes"));
    let (&depth, outer) = index.split_last().ok_or_else(wrong)?;
    let together = data.get(..batch_dims).filter(|b| outer.get(..batch_dims) == Some(b)).is_some();
    if !together || depth == 0 || depth > data.len() - batch_dims {
        return Err(wrong());
    }
    let shape = [outer, &data[batch_dims + depth..]].concat();
    lo.emit(Kernel::GatherNd { batch_dims }, &[x, at], lo.dtype(x), &shape)
}

pub fn scatter_elements(lo: &mut Lowerer, inputs: &Inputs<'_>, along: i64, combine: Combine) -> Result<ValueId> {
    let (x, updates) = (inputs.need(0)?, inputs.need(2)?);
    let at = indices(lo, inputs.need(1)?)?;
    let shape = lo.shape(x).to_vec();
    let axis = axis(along, shape.len())?;
    within(lo.shape(at), &shape, axis)?;
    if lo.shape(updates) != lo.shape(at) || lo.dtype(updates) != lo.dtype(x) {
        let (kind, given) = (lo.dtype(updates), lo.shape(updates));
        return Err(Error::malformed(format!("{kind} updates of shape {given:?} for indices of {:?}", lo.shape(at))));
    }
    combines(combine, lo.dtype(x))?;
    if lo.shape(at).contains(&0) {
        return Ok(x);
    }
    lo.emit(Kernel::ScatterElements { axis, combine }, &[x, at, updates], lo.dtype(x), &shape)
}

/// With constant indices a gather, which every backend does well, else the kernel.
pub fn scatter_nd(lo: &mut Lowerer, inputs: &Inputs<'_>, combine: Combine) -> Result<ValueId> {
    let (x, updates) = (inputs.need(0)?, inputs.need(2)?);
    let at = indices(lo, inputs.need(1)?)?;
    let (shape, index) = (lo.shape(x).to_vec(), lo.shape(at).to_vec());
    let wrong = || Error::malformed(format!("indices of shape {index:?} into {shape:?}"));
    let (&depth, outer) = index.split_last().ok_or_else(wrong)?;
    if depth == 0 || depth > shape.len() {
        return Err(wrong());
    }
    if lo.shape(updates) != [outer, &shape[depth..]].concat() || lo.dtype(updates) != lo.dtype(x) {
        return Err(Error::malformed(format!("updates of shape {:?} for {shape:?}", lo.shape(updates))));
    }
    combines(combine, lo.dtype(x))?;
    if lo.shape(updates).contains(&0) {
        return Ok(x);
    }
    if combine == Combine::None
        && let Some(gathered) = scatter::constant_nd(lo, x, at, updates)?
    {
        return Ok(gathered);
    }
    lo.emit(Kernel::ScatterNd { combine }, &[x, at, updates], lo.dtype(x), &shape)
}

fn combines(combine: Combine, dtype: DType) -> Result<()> {
    if combine != Combine::None && dtype == DType::Bool {
        return Err(Error::unsupported("scattered booleans that combine"));
    }
    Ok(())
}

/// `update` written into `cache` along one axis, from a position of its own in each batch: a scatter over index pairs.
pub fn tensor_scatter(lo: &mut Lowerer, inputs: &Inputs<'_>, along: i64, circular: bool) -> Result<ValueId> {
    let (cache, update) = (inputs.need(0)?, inputs.need(1)?);
    let (shape, part) = (lo.shape(cache).to_vec(), lo.shape(update).to_vec());
    let axis = axis(along, shape.len())?;
    let fits = part.len() == shape.len()
        && (0..shape.len()).all(|i| if i == axis { part[i] <= shape[i] } else { part[i] == shape[i] });
    if axis == 0 || !fits || lo.dtype(update) != lo.dtype(cache) {
        return Err(Error::malformed(format!("an update of {part:?} along axis {axis} of {shape:?}")));
    }
    if part.contains(&0) {
        return Ok(cache);
    }
    let (batches, steps) = (part[0], part[axis]);
    let mut perm: Vec<usize> = (0..shape.len()).filter(|&a| a != axis).collect();
    perm.insert(1, axis);
    let mut time = lo.positions(2, 1, steps)?;
    if let Some(start) = inputs.get(2) {
        let start = indices(lo, start)?;
        let start = lo.reshape(start, &[batches, 1])?;
        time = lo.binary(Binary::Add, time, start)?;
    }
    if circular {
        let size = lo.number(shape[axis] as f64, DType::I64)?;
        time = lo.binary(Binary::Mod, time, size)?;
    }
    let batch = lo.positions(2, 0, batches)?;
    let mut pair = Vec::with_capacity(2);
    for id in [batch, time] {
        let all = lo.expand(id, &[batches, steps])?;
        pair.push(lo.reshape(all, &[batches, steps, 1])?);
    }
    let at = lo.emit(Kernel::Concat { axis: 2 }, &pair, DType::I64, &[batches, steps, 2])?;
    let moved = transpose(lo, cache, Some(&perm))?;
    let update = transpose(lo, update, Some(&perm))?;
    let (kind, moved_shape) = (lo.dtype(cache), lo.shape(moved).to_vec());
    let written = lo.emit(Kernel::ScatterNd { combine: Combine::None }, &[moved, at, update], kind, &moved_shape)?;
    let mut back = vec![0; perm.len()];
    perm.iter().enumerate().for_each(|(to, &from)| back[from] = to);
    transpose(lo, written, Some(&back))
}

/// The elements (of the flattened tensor, without an axis) where a constant condition holds.
pub fn compress(lo: &mut Lowerer, inputs: &Inputs<'_>, along: Option<i64>) -> Result<ValueId> {
    let (x, condition) = (inputs.need(0)?, inputs.need(1)?);
    let (x, along) = match along {
        Some(along) => (x, along),
        None => {
            let n = lo.shape(x).iter().product();
            (lo.reshape(x, &[n])?, 0)
        }
    };
    let axis = axis(along, lo.shape(x).len())?;
    let size = lo.shape(x)[axis];
    let chosen: Vec<i64> = match lo.constant_of(condition).map(Tensor::data) {
        Some(Data::Bool(v)) if v.len() <= size => (0..).zip(v).filter(|(_, keep)| **keep).map(|(i, _)| i).collect(),
        Some(_) => return Err(Error::malformed(format!("a condition of {:?} for {size}", lo.shape(condition)))),
        None => return Err(not_constant("the condition, on which the size of the result depends,")),
    };
    let chosen = lo.constant(Tensor::from_i64s(&chosen));
    super::index::gather(lo, x, chosen, axis as i64)
}

pub fn non_zero(lo: &mut Lowerer, x: ValueId) -> Result<ValueId> {
    let shape = [lo.shape(x).len(), lo.shape(x).iter().product()];
    if shape[0] == 0 && lo.constant_of(x).is_none() {
        return Err(Error::unsupported("NonZero of a scalar"));
    }
    // An axis of size 0 makes the padded result complete; a scalar's has no rows, but as many columns as it has elements
    // that are not zero.
    if shape[0] == 0 {
        let one = lo.reshape(x, &[1])?;
        let found = lo.emit(Kernel::NonZero, &[one], DType::I64, &[1, 1])?;
        let columns = usize::from(lo.constant_of(found).is_some_and(|t| t.data() == &Data::I64(vec![0])));
        return Ok(lo.constant(emit::empty(DType::I64, &[0, columns])?));
    }
    let found = lo.emit(Kernel::NonZero, &[x], DType::I64, &shape)?;
    lo.trimmed(found, 1)
}
