//! Reductions along axes.

use super::Inputs;
use super::emit::{self, Lowerer};
use crate::{Binary, DType, Error, Kernel, Reduction, Result, Unary, ValueId};

/// `kind` is the reduction, and whether a logarithm follows.
pub fn reduce(
    lo: &mut Lowerer,
    inputs: &Inputs<'_>,
    kind: (Reduction, bool),
    keepdims: bool,
    noop_with_empty_axes: bool,
) -> Result<ValueId> {
    let x = inputs.need(0)?;
    let (reduction, log) = kind;
    let rank = lo.shape(x).len();
    let listed = inputs.get(1).map(|id| lo.ints(id, "axes")).transpose()?.unwrap_or_default();
    let axes = match listed.as_slice() {
        [] if noop_with_empty_axes => {
            let y = match reduction {
                Reduction::L1 | Reduction::L2 => lo.unary(Unary::Abs, x)?,
                Reduction::SumSquare => lo.binary(Binary::Mul, x, x)?,
                _ => x,
            };
            return if log { logarithm(lo, y) } else { Ok(y) };
        }
        [] => (0..rank).collect(),
        listed => emit::axes(listed, rank)?,
    };
    let kept = |keep: bool| {
        let sizes = lo.shape(x).iter().enumerate();
        let sizes = sizes.filter(|(i, _)| keep || !axes.contains(i));
        sizes.map(|(i, &n)| if axes.contains(&i) { 1 } else { n }).collect::<Vec<_>>()
    };
    let shape = kept(keepdims);
    // A scalar has no axis to reduce over: it borrows one.
    let (x, axes) = if rank == 0 { (lo.reshape(x, &[1])?, vec![0]) } else { (x, axes) };
    let y = lo.emit(Kernel::Reduce { reduction, axes }, &[x], lo.dtype(x), &shape)?;
    if log { logarithm(lo, y) } else { Ok(y) }
}

/// Of integers, the integer part.
fn logarithm(lo: &mut Lowerer, x: ValueId) -> Result<ValueId> {
    let dtype = lo.dtype(x);
    let wide = if dtype.is_float() { x } else { lo.cast(x, DType::F64)? };
    let y = lo.unary(Unary::Log, wide)?;
    lo.cast(y, dtype)
}

pub fn arg_max(
    lo: &mut Lowerer,
    x: ValueId,
    axis: i64,
    keepdims: bool,
    select_last: bool,
    smallest: bool,
) -> Result<ValueId> {
    let axis = emit::axis(axis, lo.shape(x).len())?;
    let mut shape = lo.shape(x).to_vec();
    if shape[axis] == 0 {
        return Err(Error::malformed("the extremum of no elements"));
    }
    if keepdims {
        shape[axis] = 1;
    } else {
        shape.remove(axis);
    }
    lo.emit(Kernel::ArgMax { axis, smallest, select_last }, &[x], DType::I64, &shape)
}
