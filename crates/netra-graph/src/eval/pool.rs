//! Pooling windows.

use super::index::{each, strides};
use super::{floats, from_floats};
use crate::{Data, Pool, Result, Tensor};

/// Calls `f` with the offset (within one channel) of every input element under the window at `o`; gives the number of
/// window positions inside the padded input.
fn window(p: &Pool, spatial: &[usize], steps: &[usize], o: &[usize], mut f: impl FnMut(usize)) -> usize {
    let mut inside = 0;
    each(&p.kernel, |k| {
        let mut at = Some(0);
        for d in 0..k.len() {
            let i = o[d] * p.strides[d] + k[d] * p.dilations[d];
            if i >= p.pads[d].0 + spatial[d] + p.pads[d].1 {
                return;
            }
            let real = i.checked_sub(p.pads[d].0).filter(|&i| i < spatial[d]);
            at = at.zip(real).map(|(at, i)| at + i * steps[d]);
        }
        inside += 1;
        if let Some(at) = at {
            f(at);
        }
    });
    inside
}

fn pool(p: &Pool, x: &Tensor, shape: &[usize], mut f: impl FnMut(&[f64], usize) -> f64) -> Result<Tensor> {
    let steps = strides(x.shape());
    let values = floats(x)?;
    let mut out = Vec::with_capacity(shape.iter().product());
    let mut seen = Vec::new();
    each(shape, |o| {
        let base = o[0] * steps[0] + o[1] * steps[1];
        seen.clear();
        let inside = window(p, &x.shape()[2..], &steps[2..], &o[2..], |at| seen.push(values[base + at]));
        out.push(f(&seen, inside));
    });
    from_floats(x, shape, out)
}

pub fn max_pool(p: &Pool, x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    pool(p, x, shape, |seen, _| seen.iter().fold(f64::NEG_INFINITY, |m, &v| if v > m || v.is_nan() { v } else { m }))
}

pub fn average_pool(p: &Pool, count_include_pad: bool, x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    pool(p, x, shape, |seen, inside| {
        seen.iter().sum::<f64>() / if count_include_pad { inside } else { seen.len() } as f64
    })
}

/// The first of equal elements counts; a window that sees nothing gives the channel's first element.
pub fn max_indices(p: &Pool, column_major: bool, x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let steps = strides(x.shape());
    let spatial = &x.shape()[2..];
    let values = floats(x)?;
    let reordered = |mut at: usize| {
        if !column_major {
            return at;
        }
        let (mut to, mut step) = (0, 1);
        for (size, inner) in spatial.iter().zip(&steps[2..]) {
            to += at / inner * step;
            at %= inner;
            step *= size;
        }
        to
    };
    let mut out = Vec::with_capacity(shape.iter().product());
    each(shape, |o| {
        let base = o[0] * steps[0] + o[1] * steps[1];
        let mut best: Option<usize> = None;
        window(p, spatial, &steps[2..], &o[2..], |at| {
            if best.is_none_or(|b| values[base + at] > values[base + b]) {
                best = Some(at);
            }
        });
        out.push((base + reordered(best.unwrap_or(0))) as i64);
    });
    Tensor::new(shape, Data::I64(out))
}
