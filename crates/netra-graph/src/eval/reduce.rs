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
    if let Data::Bool(values) = x.data() {
        let folded = groups(values, x.shape(), axes).into_iter().map(|g| match reduction {
            Reduction::Max => Ok(g.contains(&true)),
            Reduction::Min => Ok(!g.contains(&false)),
            _ => Err(Error::unsupported(format!("{reduction:?} of booleans"))),
        });
        return Tensor::new(shape, Data::Bool(folded.collect::<Result<_>>()?));
    }
    if x.dtype().is_integer() {
        let folded = groups(&integers(x)?, x.shape(), axes).into_iter().map(|g| match reduction {
            Reduction::Sum => Ok(g.iter().fold(0i128, |a, &b| a.wrapping_add(b))),
            Reduction::Prod => Ok(g.iter().fold(1i128, |a, &b| a.wrapping_mul(b))),
            Reduction::L1 => Ok(g.iter().fold(0i128, |a, &b| a.wrapping_add(b.abs()))),
            Reduction::SumSquare => Ok(g.iter().fold(0i128, |a, &b| a.wrapping_add(b.wrapping_mul(b)))),
            Reduction::Max => Ok(g.iter().max().copied().unwrap_or(lowest(x.dtype()))),
            Reduction::Min => Ok(g.iter().min().copied().unwrap_or(highest(x.dtype()))),
            Reduction::Mean if !g.is_empty() => Ok(g.iter().sum::<i128>() / g.len() as i128),
            Reduction::L2 => Ok((g.iter().map(|&v| (v as f64).powi(2)).sum::<f64>()).sqrt() as i128),
            Reduction::LogSumExp => Ok(log_sum_exp(&g.iter().map(|&v| v as f64).collect::<Vec<_>>()) as i128),
            _ => Err(Error::invalid("the mean of no elements")),
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
        Reduction::LogSumExp => log_sum_exp(&g),
    });
    from_floats(x, shape, folded.collect())
}

fn log_sum_exp(values: &[f64]) -> f64 {
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if max.is_finite() { max + values.iter().map(|v| (v - max).exp()).sum::<f64>().ln() } else { max }
}

/// The largest integer of a type: the minimum of no elements.
fn highest(dtype: DType) -> i128 {
    let bits = 8 * dtype.size() as u32;
    let unsigned = matches!(dtype, DType::U8 | DType::U16 | DType::U32 | DType::U64);
    (1i128 << if unsigned { bits } else { bits - 1 }) - 1
}

/// The smallest integer of a type: the maximum of no elements.
fn lowest(dtype: DType) -> i128 {
    let unsigned = matches!(dtype, DType::U8 | DType::U16 | DType::U32 | DType::U64);
    if unsigned { 0 } else { -1 - highest(dtype) }
}

pub fn arg_max(x: &Tensor, axis: usize, smallest: bool, last: bool, shape: &[usize]) -> Result<Tensor> {
    fn pick<T: PartialOrd + Copy>(groups: Vec<Vec<T>>, smallest: bool, last: bool) -> Vec<i64> {
        let best = |g: Vec<T>| {
            let better = |v: &T, best: &T| if smallest { v < best } else { v > best };
            (1..g.len()).fold(0, |b, i| if better(&g[i], &g[b]) || (last && g[i] == g[b]) { i } else { b }) as i64
        };
        groups.into_iter().map(best).collect()
    }
    let picked = if x.dtype().is_float() {
        pick(groups(&floats(x)?, x.shape(), &[axis]), smallest, last)
    } else {
        pick(groups(&integers(x)?, x.shape(), &[axis]), smallest, last)
    };
    Tensor::new(shape, Data::I64(picked))
}
