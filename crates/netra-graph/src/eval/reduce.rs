//! Reductions over axes.

use super::elementwise::{from_integers, integers};
use super::index::{each, strides};
use super::{floats, from_floats};
use crate::{DType, Data, Error, Reduction, Result, Tensor};

/// The elements of `x` grouped by output element, in row-major order of both.
fn groups<T: Copy>(values: &[T], shape: &[usize], axes: &[usize]) -> Vec<Vec<T>> {
    let kept: Vec<usize> = (0..shape.len()).map(|a| if axes.contains(&a) { 1 } else { shape[a] }).collect();
    let steps = strides(&kept);
    let mut out = vec![Vec::new(); kept.iter().product()];
    let mut i = 0;
    each(shape, |index| {
        let to: usize = index.iter().enumerate().map(|(a, &x)| if axes.contains(&a) { 0 } else { x * steps[a] }).sum();
        out[to].push(values[i]);
        i += 1;
    });
    out
}

pub fn reduce(reduction: Reduction, axes: &[usize], x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    if !matches!(x.dtype(), DType::F32 | DType::F64) {
        let folded = groups(&integers(x)?, x.shape(), axes).into_iter().map(|g| match reduction {
            Reduction::Sum => Ok(g.iter().fold(0i64, |a, &b| a.wrapping_add(b))),
            Reduction::Prod => Ok(g.iter().fold(1i64, |a, &b| a.wrapping_mul(b))),
            Reduction::Max => g.iter().max().copied().ok_or_else(empty),
            Reduction::Min => g.iter().min().copied().ok_or_else(empty),
            Reduction::Mean if !g.is_empty() => Ok(g.iter().sum::<i64>() / g.len() as i64),
            _ => Err(Error::unsupported(format!("{reduction:?} of integers"))),
        });
        return from_integers(x.dtype(), shape, folded.collect::<Result<_>>()?);
    }
    let folded = groups(&floats(x)?, x.shape(), axes).into_iter().map(|g| match reduction {
        Reduction::Sum => g.iter().sum(),
        Reduction::Mean => g.iter().sum::<f64>() / g.len() as f64,
        Reduction::Max => g.iter().fold(f64::NEG_INFINITY, |m, &v| if v > m || v.is_nan() { v } else { m }),
        Reduction::Min => g.iter().fold(f64::INFINITY, |m, &v| if v < m || v.is_nan() { v } else { m }),
        Reduction::Prod => g.iter().product(),
        Reduction::SumSquare => g.iter().map(|v| v * v).sum(),
        Reduction::L1 => g.iter().map(|v| v.abs()).sum(),
        Reduction::L2 => g.iter().map(|v| v * v).sum::<f64>().sqrt(),
        Reduction::LogSumExp => {
            let max = g.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if max.is_finite() { max + g.iter().map(|v| (v - max).exp()).sum::<f64>().ln() } else { max }
        }
    });
    from_floats(x, shape, folded.collect())
}

fn empty() -> Error {
    Error::invalid("the extremum of no elements")
}

pub fn arg_max(x: &Tensor, axis: usize, smallest: bool, last: bool, shape: &[usize]) -> Result<Tensor> {
    let values = match x.data() {
        Data::F32(_) | Data::F64(_) => floats(x)?,
        _ => integers(x)?.into_iter().map(|v| v as f64).collect(),
    };
    let picked = groups(&values, x.shape(), &[axis]).into_iter().map(|g| {
        let mut best = 0;
        for (i, v) in g.iter().enumerate().skip(1) {
            let better = if smallest { *v < g[best] } else { *v > g[best] };
            if better || (last && *v == g[best]) {
                best = i;
            }
        }
        best as i64
    });
    Tensor::new(shape, Data::I64(picked.collect()))
}
