//! Gathering and scattering by index tensors. Everything is in one piece (checked on compile).

use std::collections::HashSet;

use cubecl::prelude::*;
use netra_graph::{Combine, DType, Result, Tensor};

use super::view::{View, copy, walks, whole};
use crate::gpu::{Buffer, Gpu};
use crate::kernels::indexing::{
    Merge, gather_elements_kernel, gather_nd_kernel, scatter_elements_kernel, scatter_nd_kernel,
};
use crate::kernels::number::BinaryOp;
use crate::value::{Repr, Value, count, strides, width};

/// Most updates that one thread combines in, one after the other.
const MAX_SERIAL: usize = 1 << 16;

fn merge(combine: Combine) -> Merge {
    match combine {
        Combine::None => Merge::Replace,
        Combine::Add => Merge::With(BinaryOp::Add),
        Combine::Mul => Merge::With(BinaryOp::Mul),
        Combine::Max => Merge::With(BinaryOp::Max),
        Combine::Min => Merge::With(BinaryOp::Min),
    }
}

/// Why updates cannot be combined in, `serial` of them by one thread.
pub(crate) fn check_scatter(combine: Combine, dtype: DType, serial: usize) -> std::result::Result<(), String> {
    if dtype == DType::Bool && combine != Combine::None {
        return Err(format!("{combine:?} of booleans"));
    }
    if serial > MAX_SERIAL {
        return Err(format!("{serial} updates that may meet, more than {MAX_SERIAL}"));
    }
    Ok(())
}

/// Whether constant index tuples `[..., depth]` point to different places of `shape`: then all may be written at once.
pub(crate) fn distinct(indices: Option<&Tensor>, shape: &[usize]) -> bool {
    let Some(values) = indices.and_then(Tensor::to_i64s) else { return false };
    let depth = indices.and_then(|t| t.shape().last()).copied().unwrap_or(0);
    let mut seen = HashSet::new();
    values.chunks_exact(depth.max(1)).all(|tuple| {
        let from_start = |(&i, &size): (&i64, &usize)| if i < 0 { i + size as i64 } else { i };
        seen.insert(tuple.iter().zip(shape).map(from_start).collect::<Vec<_>>())
    })
}

/// A view of a contiguous array that stands still along `axis`.
fn across(buffer: &Buffer, shape: &[usize], axis: usize) -> View {
    let mut view = View::contiguous(buffer, shape);
    if let Some(stride) = view.strides.get_mut(axis) {
        *stride = 0;
    }
    view
}

/// Each element of `x` at its own index, `axis` replaced.
pub(crate) fn run_gather_elements(
    gpu: &Gpu,
    x: &Value,
    indices: &Value,
    axis: usize,
    shape: &[usize],
) -> Result<Value> {
    let (source, at, total) = (whole(x)?, whole(indices)?, count(shape));
    let out = gpu.empty(total);
    let view = across(source, &x.shape, axis);
    let (sizes, walks) = walks(shape, &[&view]);
    if let (Some(walk), true) = (walks.into_iter().next(), total > 0) {
        let (cubes, dim) = gpu.grid(total);
        let sizes = sizes.into_iter().collect::<SequenceArg<usize>>();
        let (c, size, stride) = (&gpu.client, x.shape[axis], strides(&x.shape)[axis]);
        let (source, at, to) = (source.arg(), at.arg(), out.arg());
        gather_elements_kernel::launch(c, cubes, dim, source, at, to, total, sizes, walk, size, stride);
    }
    Ok(Value::whole(shape, out))
}

/// The sub-arrays of `x` at index tuples; the first `batch` axes go together.
pub(crate) fn run_gather_nd(gpu: &Gpu, x: &Value, indices: &Value, batch: usize, shape: &[usize]) -> Result<Value> {
    let (source, at, total) = (whole(x)?, whole(indices)?, count(shape));
    let out = gpu.empty(total);
    let depth = indices.shape.last().copied().unwrap_or(0);
    if total > 0 {
        let (cubes, dim) = gpu.grid(total);
        let run = count(&x.shape[batch + depth..]);
        let tuples = count(&indices.shape[batch..indices.shape.len() - 1]);
        let (sizes, steps) = indexed(&x.shape, batch..batch + depth);
        let (c, source, at, to) = (&gpu.client, source.arg(), at.arg(), out.arg());
        let stride = count(&x.shape[batch..]);
        gather_nd_kernel::launch(c, cubes, dim, source, at, to, total, run, tuples, stride, sizes, steps);
    }
    Ok(Value::whole(shape, out))
}

/// Sizes and strides of the axes that tuples index.
fn indexed(shape: &[usize], axes: std::ops::Range<usize>) -> (SequenceArg<usize>, SequenceArg<usize>) {
    let steps = strides(shape);
    (shape[axes.clone()].iter().copied().collect(), steps[axes].iter().copied().collect())
}

/// A copy of a value in one piece.
fn copied(gpu: &Gpu, x: &Value) -> Result<Buffer> {
    let out = View::contiguous(&gpu.empty(count(&x.shape)), &x.shape);
    copy(gpu, &x.shape, &View::contiguous(whole(x)?, &x.shape), &out);
    Ok(out.buffer)
}

/// Indices and updates of a scatter, and how they combine.
pub(crate) struct Updates<'a> {
    pub(crate) indices: &'a Value,
    pub(crate) updates: &'a Value,
    pub(crate) combine: Combine,
    pub(crate) dtype: DType,
}

/// `x` with each update combined in at its own index, `axis` replaced.
pub(crate) fn run_scatter_elements(gpu: &Gpu, x: &Value, u: &Updates<'_>, axis: usize) -> Result<Value> {
    let (at, updates, out) = (whole(u.indices)?, whole(u.updates)?, copied(gpu, x)?);
    let mut lines = u.indices.shape.clone();
    let length = std::mem::replace(&mut lines[axis], 1);
    let total = count(&lines);
    if total > 0 && length > 0 {
        let (cubes, dim) = gpu.grid(total);
        let from = across(at, &u.indices.shape, axis);
        let to = across(&out, &x.shape, axis);
        let (sizes, walks) = walks(&lines, &[&from, &to]);
        let mut walks = walks.into_iter();
        let (Some(from), Some(to)) = (walks.next(), walks.next()) else { return Ok(Value::whole(&x.shape, out)) };
        let sizes = sizes.into_iter().collect::<SequenceArg<usize>>();
        let (c, at, updates, target) = (&gpu.client, at.arg(), updates.arg(), out.arg());
        let (step, size, stride) = (strides(&u.indices.shape)[axis], x.shape[axis], strides(&x.shape)[axis]);
        let (merge, width) = (merge(u.combine), width(u.dtype));
        if Repr::of(u.dtype) == Some(Repr::Float) {
            scatter_elements_kernel::launch::<f32>(
                c, cubes, dim, at, updates, target, total, sizes, from, to, length, step, size, stride, merge, width,
            );
        } else {
            scatter_elements_kernel::launch::<i32>(
                c, cubes, dim, at, updates, target, total, sizes, from, to, length, step, size, stride, merge, width,
            );
        }
    }
    Ok(Value::whole(&x.shape, out))
}

/// `x` with sub-arrays combined in at index tuples, all at once when they are `distinct`.
pub(crate) fn run_scatter_nd(gpu: &Gpu, x: &Value, u: &Updates<'_>, distinct: bool) -> Result<Value> {
    let (at, updates, out) = (whole(u.indices)?, whole(u.updates)?, copied(gpu, x)?);
    let depth = u.indices.shape.last().copied().unwrap_or(0);
    let (run, tuples) = (count(&x.shape[depth..]), count(&u.indices.shape[..u.indices.shape.len() - 1]));
    let lanes = if distinct { tuples } else { 1 };
    if run > 0 && tuples > 0 {
        let (cubes, dim) = gpu.grid(run * lanes);
        let (sizes, steps) = indexed(&x.shape, 0..depth);
        let (c, at, updates, target) = (&gpu.client, at.arg(), updates.arg(), out.arg());
        let (merge, width) = (merge(u.combine), width(u.dtype));
        if Repr::of(u.dtype) == Some(Repr::Float) {
            scatter_nd_kernel::launch::<f32>(
                c, cubes, dim, at, updates, target, run, tuples, lanes, sizes, steps, merge, width,
            );
        } else {
            scatter_nd_kernel::launch::<i32>(
                c, cubes, dim, at, updates, target, run, tuples, lanes, sizes, steps, merge, width,
            );
        }
    }
    Ok(Value::whole(&x.shape, out))
}
