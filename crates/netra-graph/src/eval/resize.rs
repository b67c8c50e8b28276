//! Resampling of any axes, one after the other.

use super::index::{each, strides};
use super::{floats, from_floats};
use crate::{Coordinates, Nearest, Resize, ResizeMode, Result, Tensor};

/// Source coordinate of output index `o` along one axis (ONNX `coordinate_transformation_mode`).
fn source(p: &Resize, o: usize, scale: f64, input: usize, output: usize) -> f64 {
    let o = o as f64;
    match p.coordinates {
        Coordinates::HalfPixel => (o + 0.5) / scale - 0.5,
        Coordinates::HalfPixelSymmetric => {
            let adjustment = output as f64 / (scale * input as f64);
            let centre = input as f64 / 2.0;
            centre * (1.0 - adjustment) + (o + 0.5) / scale - 0.5
        }
        Coordinates::PytorchHalfPixel => {
            if output > 1 {
                (o + 0.5) / scale - 0.5
            } else {
                0.0
            }
        }
        Coordinates::AlignCorners => {
            if output > 1 {
                o * (input as f64 - 1.0) / (output as f64 - 1.0)
            } else {
                0.0
            }
        }
        Coordinates::Asymmetric => o / scale,
    }
}

/// The input indices and weights that make output index `o`.
fn taps(p: &Resize, o: usize, scale: f64, input: usize, output: usize) -> Vec<(usize, f64)> {
    let x = source(p, o, scale, input, output);
    let clamp = |i: f64| i.clamp(0.0, input as f64 - 1.0) as usize;
    match p.mode {
        ResizeMode::Nearest(rule) => {
            let i = match rule {
                Nearest::RoundPreferFloor => (x - 0.5).ceil(),
                Nearest::RoundPreferCeil => (x + 0.5).floor(),
                Nearest::Floor => x.floor(),
                Nearest::Ceil => x.ceil(),
            };
            vec![(clamp(i), 1.0)]
        }
        ResizeMode::Linear => {
            let t = x - x.floor();
            vec![(clamp(x.floor()), 1.0 - t), (clamp(x.floor() + 1.0), t)]
        }
        ResizeMode::Cubic { a, exclude_outside } => {
            let (a, t) = (f64::from(a), x - x.floor());
            let near = |d: f64| ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
            let far = |d: f64| ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a;
            let weights = [far(1.0 + t), near(t), near(1.0 - t), far(2.0 - t)];
            let mut taps: Vec<(f64, f64)> = (0..4).map(|k| (x.floor() - 1.0 + k as f64, weights[k])).collect();
            if exclude_outside {
                taps.retain(|(i, _)| (0.0..input as f64).contains(i));
                let sum: f64 = taps.iter().map(|(_, w)| w).sum();
                taps.iter_mut().for_each(|(_, w)| *w /= sum);
            }
            taps.into_iter().map(|(i, w)| (clamp(i), w)).collect()
        }
    }
}

pub fn resize(p: &Resize, x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let mut values = floats(x)?;
    let mut sizes = x.shape().to_vec();
    for axis in 0..sizes.len() {
        let scale = f64::from(p.scales[axis]);
        if sizes[axis] == shape[axis] && scale == 1.0 {
            continue;
        }
        let steps = strides(&sizes);
        let mut next = sizes.clone();
        next[axis] = shape[axis];
        let table: Vec<_> = (0..shape[axis]).map(|o| taps(p, o, scale, sizes[axis], shape[axis])).collect();
        let mut out = Vec::with_capacity(next.iter().product());
        each(&next, |o| {
            let base: usize = (0..o.len()).filter(|&a| a != axis).map(|a| o[a] * steps[a]).sum();
            out.push(table[o[axis]].iter().map(|&(i, w)| values[base + i * steps[axis]] * w).sum());
        });
        (values, sizes) = (out, next);
    }
    from_floats(x, shape, values)
}
