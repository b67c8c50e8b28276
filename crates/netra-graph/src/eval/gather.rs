//! Elements at computed places: gathering by index tensors, and the places of what is not zero.

use super::elementwise::integers;
use super::index::{each, offset, strides};
use super::movement::remap;
use crate::{Data, Error, Result, Tensor};

/// The position that an index means on an axis of `size` elements; negative ones count from the end.
pub fn resolve(index: i128, size: usize) -> Result<usize> {
    let from_start = if index < 0 { index + size as i128 } else { index };
    usize::try_from(from_start)
        .ok()
        .filter(|&i| i < size)
        .ok_or_else(|| Error::invalid(format!("index {index} of {size} elements")))
}

/// The offset in an array of `shape` that each tuple along the last axis of `indices` points to, one for each leading
/// axis of `shape` from `first` on.
pub fn tuples(indices: &Tensor, shape: &[usize], first: usize) -> Result<Vec<usize>> {
    let steps = strides(shape);
    let depth = indices.shape().last().copied().unwrap_or(0);
    if depth == 0 {
        let count = indices.shape().split_last().map_or(1, |(_, outer)| outer.iter().product());
        return Ok(vec![0; count]);
    }
    let place = |tuple: &[i128]| {
        let axes = tuple.iter().zip(first..);
        axes.map(|(&i, axis)| Ok(resolve(i, shape[axis])? * steps[axis])).sum()
    };
    integers(indices)?.chunks_exact(depth).map(place).collect()
}

pub fn elements(x: &Tensor, indices: &Tensor, axis: usize, shape: &[usize]) -> Result<Tensor> {
    let at: Vec<usize> = integers(indices)?.into_iter().map(|i| resolve(i, x.shape()[axis])).collect::<Result<_>>()?;
    let steps = strides(x.shape());
    let mut places = at.iter();
    remap(x, shape, |o| {
        let i = places.next().copied().unwrap_or(0);
        offset(&o[..axis], &steps) + i * steps[axis] + offset(&o[axis + 1..], &steps[axis + 1..])
    })
}

pub fn tuples_of(x: &Tensor, indices: &Tensor, batch_dims: usize, shape: &[usize]) -> Result<Tensor> {
    let steps = strides(x.shape());
    let at = tuples(indices, x.shape(), batch_dims)?;
    let outer = indices.shape().len().saturating_sub(1);
    let depth = indices.shape().last().copied().unwrap_or(0);
    let index_steps = strides(&indices.shape()[..outer]);
    remap(x, shape, |o| {
        let tuple = at[offset(&o[..outer], &index_steps)];
        tuple + offset(&o[..batch_dims], &steps) + offset(&o[outer..], &steps[batch_dims + depth..])
    })
}

/// `[rank, elements]`: the index of each element that is not zero, in row-major order, then columns of -1.
pub fn non_zero(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    fn marks<T: PartialEq + Default>(values: &[T]) -> Vec<bool> {
        values.iter().map(|v| *v != T::default()).collect()
    }
    let marks = match x.data() {
        Data::F32(v) => marks(v),
        Data::F64(v) => marks(v),
        Data::I8(v) => marks(v),
        Data::U8(v) => marks(v),
        Data::I16(v) => marks(v),
        Data::U16(v) => marks(v),
        Data::I32(v) => marks(v),
        Data::U32(v) => marks(v),
        Data::I64(v) => marks(v),
        Data::U64(v) => marks(v),
        Data::Bool(v) => v.clone(),
    };
    let columns = marks.len();
    let mut out = vec![-1i64; shape.iter().product()];
    let (mut at, mut found) = (0, 0);
    each(x.shape(), |index| {
        if marks[at] {
            for (axis, &i) in index.iter().enumerate() {
                out[axis * columns + found] = i as i64;
            }
            found += 1;
        }
        at += 1;
    });
    Tensor::new(shape, Data::I64(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> Tensor {
        Tensor::from_f32([2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap()
    }

    fn ints(shape: &[usize], values: &[i64]) -> Tensor {
        Tensor::new(shape, Data::I64(values.to_vec())).unwrap()
    }

    #[test]
    fn elements_along_an_axis() {
        let rows = elements(&matrix(), &ints(&[1, 3], &[1, 0, -1]), 0, &[1, 3]).unwrap();
        assert_eq!(rows.as_f32().unwrap(), [3.0, 1.0, 5.0]);
        let columns = elements(&matrix(), &ints(&[2, 2], &[2, 2, -3, 1]), 1, &[2, 2]).unwrap();
        assert_eq!(columns.as_f32().unwrap(), [2.0, 2.0, 3.0, 4.0]);
        assert!(elements(&matrix(), &ints(&[1, 1], &[2]), 0, &[1, 1]).is_err());
    }

    #[test]
    fn index_tuples_point_at_elements_and_rows() {
        let whole = tuples_of(&matrix(), &ints(&[2, 2], &[0, 0, 1, -1]), 0, &[2]).unwrap();
        assert_eq!(whole.as_f32().unwrap(), [0.0, 5.0]);
        let rows = tuples_of(&matrix(), &ints(&[1, 1], &[1]), 0, &[1, 3]).unwrap();
        assert_eq!(rows.as_f32().unwrap(), [3.0, 4.0, 5.0]);
        let batched = tuples_of(&matrix(), &ints(&[2, 1], &[2, 0]), 1, &[2]).unwrap();
        assert_eq!(batched.as_f32().unwrap(), [2.0, 3.0]);
    }

    #[test]
    fn non_zero_elements_come_first() {
        let x = Tensor::new([2, 2], Data::Bool(vec![true, false, true, true])).unwrap();
        let found = non_zero(&x, &[2, 4]).unwrap();
        assert_eq!(found.data(), &Data::I64(vec![0, 1, 1, -1, 0, 0, 1, -1]));
    }
}
