//! Order along an axis: the best elements, running sums and products.

use std::cmp::Ordering;

use super::elementwise::{from_integers, integers};
use super::{floats, from_floats};
use crate::{Data, Result, Tensor};

/// Indices of the best elements of each line. Equal ones keep their order; NaN counts as larger than all numbers.
pub fn top_k(x: &Tensor, axis: usize, largest: bool, shape: &[usize]) -> Result<Tensor> {
    let indices = if x.dtype().is_float() {
        let order = |a: &f64, b: &f64| a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()));
        best(&floats(x)?, x.shape(), axis, shape[axis], largest, order)
    } else {
        best(&integers(x)?, x.shape(), axis, shape[axis], largest, i128::cmp)
    };
    Tensor::new(shape, Data::I64(indices))
}

fn best<T>(
    values: &[T],
    shape: &[usize],
    axis: usize,
    k: usize,
    largest: bool,
    order: impl Fn(&T, &T) -> Ordering,
) -> Vec<i64> {
    let (n, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    let outer: usize = shape[..axis].iter().product();
    let mut out = vec![0; outer * k * inner];
    let mut ranked: Vec<usize> = Vec::with_capacity(n);
    for o in 0..outer {
        for i in 0..inner {
            let at = |j: usize| &values[(o * n + j) * inner + i];
            ranked.clear();
            ranked.extend(0..n);
            ranked.sort_by(|&a, &b| if largest { order(at(b), at(a)) } else { order(at(a), at(b)) });
            for (j, &from) in ranked.iter().take(k).enumerate() {
                out[(o * k + j) * inner + i] = from as i64;
            }
        }
    }
    out
}

/// Floats are added and multiplied in float64, integers wrap.
pub fn cumulative(x: &Tensor, axis: usize, product: bool, exclusive: bool, reverse: bool) -> Result<Tensor> {
    let line = (axis, exclusive, reverse);
    if x.dtype().is_float() {
        let step = if product { |a: f64, b: f64| a * b } else { |a: f64, b: f64| a + b };
        return from_floats(x, x.shape(), run(&floats(x)?, x.shape(), line, f64::from(u8::from(product)), step));
    }
    let step = if product { i128::wrapping_mul } else { i128::wrapping_add };
    from_integers(x.dtype(), x.shape(), run(&integers(x)?, x.shape(), line, i128::from(product), step))
}

/// `line` is the axis, whether each element leaves itself out, and whether to go from the end.
fn run<T: Copy>(
    values: &[T],
    shape: &[usize],
    line: (usize, bool, bool),
    start: T,
    step: impl Fn(T, T) -> T,
) -> Vec<T> {
    let (axis, exclusive, reverse) = line;
    let (n, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    let mut out = values.to_vec();
    for first in (0..values.len()).filter(|at| at / inner % n == 0) {
        let mut sum = start;
        for j in 0..n {
            let at = first + if reverse { n - 1 - j } else { j } * inner;
            let next = step(sum, values[at]);
            out[at] = if exclusive { sum } else { next };
            sum = next;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_ties_keep_their_order() {
        let x = Tensor::from_f32([2, 4], vec![1.0, 3.0, 3.0, 0.0, 5.0, f32::NAN, 5.0, 9.0]).unwrap();
        let largest = top_k(&x, 1, true, &[2, 3]).unwrap();
        assert_eq!(largest.to_i64s().unwrap(), [1, 2, 0, 1, 3, 0]);
        let smallest = top_k(&x, 0, false, &[1, 4]).unwrap();
        assert_eq!(smallest.to_i64s().unwrap(), [0, 0, 0, 0]);
    }

    #[test]
    fn running_sums_and_products_in_both_directions() {
        let x = Tensor::new([3, 2], Data::I32(vec![1, 2, 3, 4, 5, 6])).unwrap();
        let cumulate =
            |axis, product, exclusive, reverse| cumulative(&x, axis, product, exclusive, reverse).unwrap().to_i64s();
        assert_eq!(cumulate(0, false, false, false).unwrap(), [1, 2, 4, 6, 9, 12]);
        assert_eq!(cumulate(0, false, true, true).unwrap(), [8, 10, 5, 6, 0, 0]);
        assert_eq!(cumulate(1, true, false, true).unwrap(), [2, 2, 12, 4, 30, 6]);
        assert_eq!(cumulate(1, true, true, false).unwrap(), [1, 1, 1, 3, 1, 5]);
        let bytes = Tensor::new([2], Data::U8(vec![200, 100])).unwrap();
        assert_eq!(cumulative(&bytes, 0, false, false, false).unwrap().data(), &Data::U8(vec![200, 44]));
    }
}
