//! Resizing of pictures, one axis after the other, with PyTorch's `interpolate` as the reference.

use ndarray::parallel::prelude::*;
use ndarray::{Array2, ArrayView2, Axis, Zip};

use crate::{Error, Result};

/// How a picture is resized. Unless said otherwise, pixel centres lie at half-integers, so that the outer edges of both
/// pictures coincide (`align_corners=False`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filter {
    /// Linear interpolation between the two nearest pixels, also when shrinking (`bilinear`).
    Bilinear,
    /// Linear between the two nearest pixels, with the first and last pixel centres of both pictures coinciding
    /// (`bilinear`, `align_corners=True`).
    BilinearAlignCorners,
    /// Linear, with the triangle widened to the target's pixel when shrinking (`bilinear`, `antialias=True`).
    BilinearAntialias,
    /// The pixel at the floor of the scaled index (`nearest`).
    Nearest,
    /// The pixel that holds the target's centre (`nearest-exact`).
    NearestExact,
    /// The mean of all pixels that the target's pixel touches (`area`).
    Area,
}

/// The source pixels that make each target pixel along one axis.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisWeights {
    /// First source index and number of weights for each target index.
    spans: Vec<(usize, usize)>,
    weights: Vec<f32>,
}

impl AxisWeights {
    /// The weights to resize an axis from `size` to `target` pixels, both at least 1.
    pub fn new(size: usize, target: usize, filter: Filter) -> Self {
        let mut table = Self { spans: Vec::with_capacity(target), weights: Vec::new() };
        let scale = size as f64 / target as f64;
        for index in 0..target {
            match filter {
                Filter::Bilinear => table.push_bilinear((index as f64 + 0.5) * scale - 0.5, size),
                Filter::BilinearAlignCorners => {
                    let step = (size - 1) as f64 / (target.max(2) - 1) as f64;
                    table.push_bilinear(index as f64 * step, size);
                }
                Filter::BilinearAntialias => table.push_triangle((index as f64 + 0.5) * scale, scale.max(1.0), size),
                // Both are floors of exact fractions: no rounding can move them to the neighbour.
                Filter::Nearest => table.push(mul_div(index, size, target), &[1.0]),
                Filter::NearestExact => table.push(mul_div(2 * index + 1, size, 2 * target), &[1.0]),
                Filter::Area => {
                    let start = mul_div(index, size, target);
                    // The ceiling of the next edge is the size less the floor of the edge seen from the far end.
                    let end = size - mul_div(target - 1 - index, size, target);
                    table.push(start, &vec![1.0 / (end - start) as f32; end - start]);
                }
            }
        }
        table
    }

    fn push(&mut self, start: usize, weights: &[f32]) {
        self.spans.push((start, weights.len()));
        self.weights.extend_from_slice(weights);
    }

    fn push_bilinear(&mut self, position: f64, size: usize) {
        let position = position.clamp(0.0, (size - 1) as f64);
        let floor = position.floor();
        let t = (position - floor) as f32;
        if t == 0.0 {
            self.push(floor as usize, &[1.0]);
        } else {
            self.push(floor as usize, &[1.0 - t, t]);
        }
    }

    /// A triangle of half-width `support` around `centre`, both in source pixels.
    fn push_triangle(&mut self, centre: f64, support: f64, size: usize) {
        let start = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(size);
        let raw: Vec<f64> =
            (start..end).map(|i| (1.0 - ((i as f64 - centre + 0.5) / support).abs()).max(0.0)).collect();
        let sum: f64 = raw.iter().sum();
        let weights: Vec<f32> = raw.iter().map(|w| (w / sum) as f32).collect();
        self.push(start, &weights);
    }

    /// Target size.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether the target has no pixels.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// First source index and weights of each target index.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[f32])> {
        let mut rest = self.weights.as_slice();
        self.spans.iter().map(move |&(start, count)| {
            let (head, tail) = rest.split_at(count);
            rest = tail;
            (start, head)
        })
    }
}

/// `floor(a b / c)` without overflow for any axis that an array can have.
fn mul_div(a: usize, b: usize, c: usize) -> usize {
    (a as u128 * b as u128 / c as u128) as usize
}

/// Resizes `(row, column)` pixels to `size` (rows, columns). Fails when either picture has no pixels.
pub fn resize(pixels: ArrayView2<'_, f32>, size: [usize; 2], filter: Filter) -> Result<Array2<f32>> {
    let (rows, columns) = pixels.dim();
    if rows == 0 || columns == 0 || size.contains(&0) {
        return Err(Error::invalid(format!("cannot resize {rows} x {columns} pixels to {} x {}", size[0], size[1])));
    }
    let across = AxisWeights::new(columns, size[1], filter);
    let down = AxisWeights::new(rows, size[0], filter);
    let mut narrow = Array2::<f32>::zeros((rows, size[1]));
    narrow.axis_iter_mut(Axis(0)).into_par_iter().zip(pixels.axis_iter(Axis(0))).for_each(|(mut out, line)| {
        for (out, (start, weights)) in out.iter_mut().zip(across.iter()) {
            *out = weights.iter().enumerate().map(|(i, w)| w * line[start + i]).sum();
        }
    });
    let mut target = Array2::<f32>::zeros(size);
    let down: Vec<_> = down.iter().collect();
    target.axis_iter_mut(Axis(0)).into_par_iter().zip(down).for_each(|(mut out, (start, weights))| {
        for (i, &weight) in weights.iter().enumerate() {
            Zip::from(&mut out).and(narrow.index_axis(Axis(0), start + i)).for_each(|sum, &v| *sum += weight * v);
        }
    });
    Ok(target)
}
