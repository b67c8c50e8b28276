//! Reductions along axes.

use super::Inputs;
use super::emit::{self, Lowerer};
use crate::{DType, Data, Error, Kernel, Reduction, Result, Tensor, Unary, ValueId};

/// Longest axis of a running sum, which becomes a product with a triangular matrix.
const MAX_CUM_SUM: usize = 2048;

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
            let plain = matches!(reduction, Reduction::Sum | Reduction::Mean | Reduction::Max | Reduction::Min);
            return if plain && !log { Ok(x) } else { Err(Error::unsupported("noop_with_empty_axes")) };
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
    if log { lo.unary(Unary::Log, y) } else { Ok(y) }
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

/// A running sum: computed here when constant, else a product with a triangular matrix of ones.
pub fn cum_sum(lo: &mut Lowerer, inputs: &Inputs<'_>, exclusive: bool, reverse: bool) -> Result<ValueId> {
    let x = inputs.need(0)?;
    let &[axis] = lo.ints(inputs.need(1)?, "axis")?.as_slice() else { return Err(Error::malformed("one axis")) };
    let shape = lo.shape(x).to_vec();
    let axis = emit::axis(axis, shape.len())?;
    let n = shape[axis];
    if n > MAX_CUM_SUM {
        return Err(Error::unsupported(format!("a running sum over {n} elements")));
    }
    // Element (i, j) says whether input i counts in output j.
    let counts = |i: usize, j: usize| {
        let (i, j) = if reverse { (j, i) } else { (i, j) };
        if exclusive { i < j } else { i <= j }
    };
    if let Some(values) = lo.constant_of(x).filter(|t| t.dtype() != DType::F32) {
        let values = values.to_i64s().ok_or_else(|| Error::unsupported(format!("CumSum of {}", values.dtype())))?;
        let inner: usize = shape[axis + 1..].iter().product();
        let mut sums = vec![0i64; values.len()];
        for (at, sum) in sums.iter_mut().enumerate() {
            let (base, j) = (at - at / inner % n * inner, at / inner % n);
            let terms = (0..n).filter(|&i| counts(i, j)).map(|i| values[base + i * inner]);
            *sum = terms.fold(0, i64::wrapping_add);
        }
        let sums = Tensor::new(shape, Data::I64(sums))?;
        let to = lo.dtype(x);
        let sums = lo.constant(sums);
        return lo.cast(sums, to);
    }
    let triangle = (0..n * n).map(|at| if counts(at / n, at % n) { 1.0 } else { 0.0 }).collect();
    let triangle = lo.constant(Tensor::from_f32([n, n], triangle)?);
    let last = shape.len() - 1;
    let mut perm: Vec<usize> = (0..shape.len()).collect();
    perm.swap(axis, last);
    let x = super::shape::transpose(lo, x, Some(&perm))?;
    let x = if last == 0 { lo.reshape(x, &[1, n])? } else { x };
    let sums = super::matrix::mat_mul(lo, x, triangle)?;
    let sums = if last == 0 { lo.reshape(sums, &[n])? } else { sums };
    super::shape::transpose(lo, sums, Some(&perm))
}
