//! Operators that compare positions with values: triangles, one-hot vectors, identities.

use std::f64::consts::TAU;

use super::Inputs;
use super::emit::{self, Lowerer, axis};
use crate::{Binary, DType, Error, Kernel, Result, Taper, Unary, ValueId};

/// The upper (or lower) triangle of each matrix, the rest 0. The diagonal may be computed by the network.
pub fn trilu(lo: &mut Lowerer, inputs: &Inputs<'_>, upper: bool) -> Result<ValueId> {
    let x = inputs.need(0)?;
    let shape = lo.shape(x).to_vec();
    let &[.., rows, columns] = shape.as_slice() else {
        return Err(Error::malformed(format!("a tensor of shape {shape:?}, not matrices")));
    };
    if shape.contains(&0) {
        return Ok(x);
    }
    let (mut row, column) = (lo.positions(2, 0, rows)?, lo.positions(2, 1, columns)?);
    if let Some(k) = inputs.get(1) {
        let k = lo.cast(k, DType::I64)?;
        let k = lo.reshape(k, &[])?;
        row = lo.binary(Binary::Add, row, k)?;
    }
    let kept = lo.binary(if upper { Binary::GreaterOrEqual } else { Binary::LessOrEqual }, column, row)?;
    let zero = lo.number(0.0, lo.dtype(x))?;
    lo.emit(Kernel::Where, &[kept, x, zero], lo.dtype(x), &shape)
}

/// A new axis of size `depth`, with the second value where the index is and the first elsewhere. Indices outside are
/// nowhere.
pub fn one_hot(lo: &mut Lowerer, inputs: &Inputs<'_>, along: i64) -> Result<ValueId> {
    let (indices, values) = (inputs.need(0)?, inputs.need(2)?);
    let depth = {
        let depth = inputs.need(1)?;
        let depth = lo.cast(depth, DType::I64)?;
        lo.ints(depth, "depth")?
    };
    let &[depth] = depth.as_slice() else { return Err(Error::malformed("one depth")) };
    let depth = usize::try_from(depth).map_err(|_| Error::malformed(format!("a depth of {depth}")))?;
    if lo.shape(values) != [2] {
        return Err(Error::malformed(format!("values of shape {:?}, not off and on", lo.shape(values))));
    }
    let mut shape = lo.shape(indices).to_vec();
    let axis = axis(along, shape.len() + 1)?;
    shape.insert(axis, 1);
    let at = lo.cast(indices, DType::I64)?;
    let at = lo.reshape(at, &shape)?;
    let mut wide = shape.clone();
    wide[axis] = depth;
    emit::check_size(&wide)?;
    if wide.contains(&0) {
        return Ok(lo.constant(emit::empty(lo.dtype(values), &wide)?));
    }
    let (zero, size) = (lo.number(0.0, DType::I64)?, lo.number(depth as f64, DType::I64)?);
    let from_end = lo.binary(Binary::Add, at, size)?;
    let negative = lo.binary(Binary::Less, at, zero)?;
    let at = lo.emit(Kernel::Where, &[negative, from_end, at], DType::I64, &shape)?;
    let places = lo.positions(wide.len(), axis, depth)?;
    let hot = lo.binary(Binary::Equal, at, places)?;
    let mut value = |i: usize| {
        let kernel = Kernel::Slice { starts: vec![i], steps: vec![1] };
        let one = lo.emit(kernel, &[values], lo.dtype(values), &[1])?;
        lo.reshape(one, &[])
    };
    let (off, on) = (value(0)?, value(1)?);
    lo.emit(Kernel::Where, &[hot, on, off], lo.dtype(on), &wide)
}

/// Ones on the diagonal `k` above the main one.
pub fn eye_like(lo: &mut Lowerer, x: ValueId, dtype: Option<DType>, k: i64) -> Result<ValueId> {
    let &[rows, columns] = lo.shape(x) else {
        return Err(Error::malformed(format!("a tensor of shape {:?}, not a matrix", lo.shape(x))));
    };
    let dtype = dtype.unwrap_or(lo.dtype(x));
    if rows == 0 || columns == 0 {
        return Ok(lo.constant(emit::empty(dtype, &[rows, columns])?));
    }
    let (row, column) = (lo.positions(2, 0, rows)?, lo.positions(2, 1, columns)?);
    let k = lo.number(k as f64, DType::I64)?;
    let diagonal = lo.binary(Binary::Add, row, k)?;
    let ones = lo.binary(Binary::Equal, column, diagonal)?;
    lo.cast(ones, dtype)
}

/// 1 at the first largest element along the axis (before operator set 13: over it and all axes after it together), 0
/// elsewhere.
pub fn hardmax(lo: &mut Lowerer, x: ValueId, along: i64, flatten: bool) -> Result<ValueId> {
    let shape = lo.shape(x).to_vec();
    let mut axis = axis(along, shape.len())?;
    if shape.contains(&0) {
        return Ok(x);
    }
    let x = if flatten {
        let (outer, inner) = shape.split_at(axis);
        let flat = [outer.iter().product(), inner.iter().product()];
        axis = 1;
        lo.reshape(x, &flat)?
    } else {
        x
    };
    let mut best = lo.shape(x).to_vec();
    let size = std::mem::replace(&mut best[axis], 1);
    let kernel = Kernel::ArgMax { axis, smallest: false, select_last: false };
    let (rank, best) = (best.len(), lo.emit(kernel, &[x], DType::I64, &best)?);
    let places = lo.positions(rank, axis, size)?;
    let hot = lo.binary(Binary::Equal, best, places)?;
    let hot = lo.cast(hot, lo.dtype(x))?;
    lo.reshape(hot, &shape)
}

/// `a0 - a1 cos(2 pi i / n) + a2 cos(4 pi i / n)` at the positions `i` of a window (Harris 1978).
pub fn cosine_window(lo: &mut Lowerer, size: ValueId, taper: Taper, periodic: bool, to: DType) -> Result<ValueId> {
    let size = match lo.ints(size, "the size of a window")?.as_slice() {
        &[size] => usize::try_from(size).map_err(|_| Error::malformed(format!("a window of {size}")))?,
        sizes => return Err(Error::malformed(format!("a window of {sizes:?}"))),
    };
    emit::check_size(&[size])?;
    let (constant, terms) = match taper {
        Taper::Blackman => (0.42, &[-0.5, 0.08][..]),
        Taper::Hamming => (25.0 / 46.0, &[-21.0 / 46.0][..]),
        Taper::Hann => (0.5, &[-0.5][..]),
    };
    let period = if periodic { size } else { size.saturating_sub(1) }.max(1);
    let places = lo.positions(1, 0, size)?;
    let places = lo.cast(places, DType::F64)?;
    let mut sum = lo.number(constant, DType::F64)?;
    for (k, &weight) in (1..).zip(terms) {
        let step = lo.number(f64::from(k) * TAU / period as f64, DType::F64)?;
        let angle = lo.binary(Binary::Mul, places, step)?;
        let wave = lo.unary(Unary::Cos, angle)?;
        let weight = lo.number(weight, DType::F64)?;
        let wave = lo.binary(Binary::Mul, wave, weight)?;
        sum = lo.binary(Binary::Add, sum, wave)?;
    }
    lo.cast(sum, to)
}
