//! Normalisation and softmax.

use super::elementwise::activate;
use super::index::{broadcast_offset, each, strides};
use super::{floats, from_floats};
use crate::{Activation, Result, Tensor};

fn moments(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (mean, values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64)
}

pub fn group(
    x: &Tensor,
    scale: &Tensor,
    bias: &Tensor,
    groups: usize,
    epsilon: f32,
    activation: Option<Activation>,
) -> Result<Tensor> {
    let (mut values, scale, bias) = (floats(x)?, floats(scale)?, floats(bias)?);
    let channels = x.shape()[1];
    let plane: usize = x.shape()[2..].iter().product();
    let run = channels / groups.max(1) * plane;
    if run > 0 {
        for (i, chunk) in values.chunks_mut(run).enumerate() {
            let (mean, variance) = moments(chunk);
            let inverse = 1.0 / (variance + f64::from(epsilon)).sqrt();
            for (j, v) in chunk.iter_mut().enumerate() {
                let c = (i * run + j) / plane % channels;
                *v = activate(activation, (*v - mean) * inverse * scale[c] + bias[c]);
            }
        }
    }
    from_floats(x, x.shape(), values)
}

/// Factors and shifts `[2, N, C]` of group normalisation.
pub fn group_affine(
    x: &Tensor,
    scale: &Tensor,
    bias: &Tensor,
    groups: usize,
    epsilon: f32,
    shape: &[usize],
) -> Result<Tensor> {
    let (values, scale, bias) = (floats(x)?, floats(scale)?, floats(bias)?);
    let (channels, per_group) = (x.shape()[1], x.shape()[1] / groups.max(1));
    let plane: usize = x.shape()[2..].iter().product();
    let (mut factors, mut shifts) = (Vec::new(), Vec::new());
    for (i, chunk) in values.chunks((per_group * plane).max(1)).enumerate() {
        let (mean, variance) = moments(chunk);
        let inverse = 1.0 / (variance + f64::from(epsilon)).sqrt();
        for c in (0..per_group).map(|c| (i * per_group + c) % channels) {
            factors.push(inverse * scale[c]);
            shifts.push(bias[c] - mean * inverse * scale[c]);
        }
    }
    from_floats(x, shape, [factors, shifts].concat())
}

/// `activation(factor x + shift)` for factors and shifts `[2, N, C]`, or factors `[1, N, C]`.
pub fn affine(x: &Tensor, affine: &Tensor, activation: Option<Activation>) -> Result<Tensor> {
    let (mut values, affine) = (floats(x)?, floats(affine)?);
    let (factors, shifts) = affine.split_at(x.shape()[0] * x.shape()[1]);
    let plane = x.shape()[2..].iter().product::<usize>().max(1);
    for (i, plane) in values.chunks_mut(plane).enumerate() {
        for v in plane {
            *v = activate(activation, *v * factors[i] + shifts.get(i).unwrap_or(&0.0));
        }
    }
    from_floats(x, x.shape(), values)
}

pub fn layer(x: &Tensor, scale: &Tensor, bias: Option<&Tensor>, axis: usize, epsilon: f32) -> Result<Tensor> {
    let mut values = floats(x)?;
    let inner = &x.shape()[axis..];
    let run: usize = inner.iter().product();
    let spread = |t: &Tensor| -> Result<Vec<f64>> {
        let (v, s) = (floats(t)?, strides(t.shape()));
        let mut out = Vec::with_capacity(run);
        each(inner, |i| out.push(v[broadcast_offset(i, t.shape(), &s)]));
        Ok(out)
    };
    let scale = spread(scale)?;
    let bias = bias.map(spread).transpose()?;
    if run > 0 {
        for chunk in values.chunks_mut(run) {
            let (mean, variance) = moments(chunk);
            let inverse = 1.0 / (variance + f64::from(epsilon)).sqrt();
            for (j, v) in chunk.iter_mut().enumerate() {
                *v = (*v - mean) * inverse * scale[j] + bias.as_ref().map_or(0.0, |b| b[j]);
            }
        }
    }
    from_floats(x, x.shape(), values)
}

pub fn softmax(x: &Tensor, axis: usize, log: bool) -> Result<Tensor> {
    let mut values = floats(x)?;
    let steps = strides(x.shape());
    let (size, step) = (x.shape()[axis], steps[axis]);
    let mut outer = x.shape().to_vec();
    outer[axis] = 1;
    each(&outer, |index| {
        let base: usize = index.iter().zip(&steps).map(|(i, s)| i * s).sum();
        let at = |k: usize| base + k * step;
        let max = (0..size).map(|k| values[at(k)]).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = (0..size).map(|k| (values[at(k)] - max).exp()).sum();
        for k in 0..size {
            let shifted = values[at(k)] - max;
            values[at(k)] = if log { shifted - sum.ln() } else { shifted.exp() / sum };
        }
    });
    from_floats(x, x.shape(), values)
}
