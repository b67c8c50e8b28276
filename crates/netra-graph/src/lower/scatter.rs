//! ScatterND with constant indices: a gather from the data and the updates laid end to end.

use super::emit::{Lowerer, check_size};
use crate::{Error, Kernel, Result, Tensor, ValueId};

/// Most elements of the result, each of which costs an index.
const MAX_ELEMENTS: usize = 1 << 22;

/// `None` when the indices are not constant, or so many that the list costs more than the kernel.
/// The caller has checked all shapes.
pub fn constant_nd(lo: &mut Lowerer, data: ValueId, indices: ValueId, updates: ValueId) -> Result<Option<ValueId>> {
    let shape = lo.shape(data).to_vec();
    let depth = lo.shape(indices).last().copied().unwrap_or(0);
    let (indexed, inner) = shape.split_at(depth);
    let (all, run): (usize, usize) = (shape.iter().product(), inner.iter().product());
    let added: usize = lo.shape(updates).iter().product();
    let Some(list) = lo.constant_of(indices).filter(|_| all.max(added) <= MAX_ELEMENTS) else { return Ok(None) };
    let wrong = || Error::malformed(format!("an index outside {shape:?}"));
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
    let total = all + added;
    check_size(&[total])?;
    let dtype = lo.dtype(data);
    let (data, updates) = (lo.reshape(data, &[all])?, lo.reshape(updates, &[added])?);
    let joined = lo.emit(Kernel::Concat { axis: 0 }, &[data, updates], dtype, &[total])?;
    let from = lo.constant(Tensor::from_i64s(&from));
    let picked = lo.emit(Kernel::Gather { axis: 0 }, &[joined, from], dtype, &[all])?;
    lo.reshape(picked, &shape).map(Some)
}
