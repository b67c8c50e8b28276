//! ScatterND with constant indices: a gather from the data and the updates laid end to end.

use super::Inputs;
use super::emit::{Lowerer, check_size, not_constant};
use crate::{Error, Kernel, Result, Tensor, ValueId};

/// Most elements of the result, each of which costs an index.
const MAX_ELEMENTS: usize = 1 << 22;

pub fn scatter_nd(lo: &mut Lowerer, inputs: &Inputs<'_>) -> Result<ValueId> {
    let (data, indices, updates) = (inputs.need(0)?, inputs.need(1)?, inputs.need(2)?);
    let shape = lo.shape(data).to_vec();
    let index_shape = lo.shape(indices).to_vec();
    let wrong = || Error::malformed(format!("indices of shape {index_shape:?} into {shape:?}"));
    let Some((&depth, outer)) = index_shape.split_last() else { return Err(wrong()) };
    if depth == 0 || depth > shape.len() {
        return Err(wrong());
    }
    let (indexed, inner) = shape.split_at(depth);
    if lo.shape(updates) != [outer, inner].concat() || lo.dtype(updates) != lo.dtype(data) {
        return Err(Error::malformed(format!("updates of shape {:?} for {shape:?}", lo.shape(updates))));
    }
    let (all, run): (usize, usize) = (shape.iter().product(), inner.iter().product());
    let count: usize = outer.iter().product();
    if all.max(lo.shape(updates).iter().product()) > MAX_ELEMENTS {
        return Err(Error::limit(format!("ScatterND of shape {shape:?}")));
    }
    let list = lo.constant_of(indices).ok_or_else(|| not_constant("the index list"))?;
    let list = list.to_i64s().ok_or_else(|| Error::malformed(format!("indices of {}", list.dtype())))?;
    // Where each element of the result comes from; later updates win.
    let mut from: Vec<i64> = (0..all as i64).collect();
    for (i, tuple) in list.chunks_exact(depth).enumerate() {
        let mut at = 0;
        for (&index, &size) in tuple.iter().zip(indexed) {
            let index = if index < 0 { index.saturating_add(size as i64) } else { index };
            let index = usize::try_from(index).ok().filter(|&j| j < size).ok_or_else(wrong)?;
            at = at * size + index;
        }
        for (j, source) in from[at * run..(at + 1) * run].iter_mut().enumerate() {
            *source = (all + i * run + j) as i64;
        }
    }
    let total = all + count * run;
    check_size(&[total])?;
    let dtype = lo.dtype(data);
    let (data, updates) = (lo.reshape(data, &[all])?, lo.reshape(updates, &[count * run])?);
    let joined = lo.emit(Kernel::Concat { axis: 0 }, &[data, updates], dtype, &[total])?;
    let from = lo.constant(Tensor::from_i64s(&from));
    let picked = lo.emit(Kernel::Gather { axis: 0 }, &[joined, from], dtype, &[all])?;
    lo.reshape(picked, &shape)
}
