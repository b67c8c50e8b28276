//! Updates combined in at computed places.

use super::elementwise::{float_binary, from_integers, integer_binary, integers};
use super::gather::{resolve, tuples};
use super::index::{each, offset, strides};
use super::movement::{concat, pick};
use super::{floats, from_floats};
use crate::{Binary, Combine, Result, Tensor};

pub fn elements(x: &Tensor, indices: &Tensor, updates: &Tensor, axis: usize, combine: Combine) -> Result<Tensor> {
    let at: Vec<usize> = integers(indices)?.into_iter().map(|i| resolve(i, x.shape()[axis])).collect::<Result<_>>()?;
    let steps = strides(x.shape());
    let mut places = Vec::with_capacity(at.len());
    each(indices.shape(), |o| {
        let i = at[places.len()];
        places.push(offset(&o[..axis], &steps) + i * steps[axis] + offset(&o[axis + 1..], &steps[axis + 1..]));
    });
    put(x, updates, &places, combine)
}

pub fn tuples_into(x: &Tensor, indices: &Tensor, updates: &Tensor, combine: Combine) -> Result<Tensor> {
    let depth = indices.shape().last().copied().unwrap_or(0);
    let run: usize = x.shape()[depth..].iter().product();
    let starts = tuples(indices, x.shape(), 0)?;
    let places: Vec<usize> = starts.into_iter().flat_map(|start| start..start + run).collect();
    put(x, updates, &places, combine)
}

/// `x` with update `i` combined in at offset `places[i]`, in order.
fn put(x: &Tensor, updates: &Tensor, places: &[usize], combine: Combine) -> Result<Tensor> {
    let n = x.data().len();
    let op = match combine {
        Combine::None => {
            let mut from: Vec<usize> = (0..n).collect();
            places.iter().enumerate().for_each(|(i, &place)| from[place] = n + i);
            let m = updates.data().len();
            let joined = concat(&[&x.clone().reshaped([n])?, &updates.clone().reshaped([m])?], 0, &[n + m])?;
            return Tensor::new(x.shape(), pick(&joined, &from));
        }
        Combine::Add => Binary::Add,
        Combine::Mul => Binary::Mul,
        Combine::Max => Binary::Max,
        Combine::Min => Binary::Min,
    };
    if x.dtype().is_float() {
        let (mut values, updates) = (floats(x)?, floats(updates)?);
        for (&place, update) in places.iter().zip(updates) {
            values[place] = float_binary(op, values[place], update)?;
        }
        return from_floats(x, x.shape(), values);
    }
    let (mut values, updates) = (integers(x)?, integers(updates)?);
    for (&place, update) in places.iter().zip(updates) {
        values[place] = integer_binary(op, values[place], update)?;
    }
    from_integers(x.dtype(), x.shape(), values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Data;

    fn ints(shape: &[usize], values: &[i64]) -> Tensor {
        Tensor::new(shape, Data::I64(values.to_vec())).unwrap()
    }

    #[test]
    fn the_last_of_equal_places_wins_and_reductions_meet_there() {
        let x = ints(&[4], &[10, 20, 30, 40]);
        let (at, updates) = (ints(&[3], &[1, -3, 0]), ints(&[3], &[2, 3, 5]));
        let put = |combine| elements(&x, &at, &updates, 0, combine).unwrap().to_i64s().unwrap();
        assert_eq!(put(Combine::None), [5, 3, 30, 40]);
        assert_eq!(put(Combine::Add), [15, 25, 30, 40]);
        assert_eq!(put(Combine::Mul), [50, 120, 30, 40]);
        assert_eq!(put(Combine::Max), [10, 20, 30, 40]);
        assert_eq!(put(Combine::Min), [5, 2, 30, 40]);
    }

    #[test]
    fn tuples_place_whole_rows() {
        let x = Tensor::from_f32([2, 2], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let updates = Tensor::from_f32([1, 2], vec![0.5, 0.25]).unwrap();
        let out = tuples_into(&x, &ints(&[1, 1], &[1]), &updates, Combine::Add).unwrap();
        assert_eq!(out.as_f32().unwrap(), [1.0, 2.0, 3.5, 4.25]);
        assert!(tuples_into(&x, &ints(&[1, 1], &[2]), &updates, Combine::Add).is_err());
    }
}
