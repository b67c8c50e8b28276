//! Resampling between grids at any angle: every target voxel is mapped by itself.

use ndarray::{Array3, ArrayView3, Axis};

use super::separable::{nearest_index, place};
use super::walk::by_planes;
use super::{Padding, Row};
use crate::Affine;

/// Fills a target row with what `value` gives for the source position of each voxel.
fn fill<T>(map: &Affine, at: [usize; 2], row: &mut [T], value: impl Fn([f64; 3]) -> T) {
    let (start, step) = (map.apply([at[0] as f64, at[1] as f64, 0.0]), map.step(2));
    for (column, out) in row.iter_mut().enumerate() {
        *out = value(std::array::from_fn(|i| start[i] + step[i] * column as f64));
    }
}

/// As [`linear_with`](super::linear_with).
pub(super) fn linear_with<T: Copy + Default + Send + Sync>(
    channels: &[ArrayView3<'_, f32>],
    map: &Affine,
    shape: [usize; 3],
    padding: Padding,
    combine: impl Fn(Row<'_>, &mut [T]) + Sync,
) -> Array3<T> {
    let inner: Vec<Option<Inner<'_>>> =
        channels.iter().map(|c| c.to_slice().map(|block| Inner::new(block, c.dim()))).collect();
    by_planes(shape, [0, 1, 2], |slice, values: &mut [T]| {
        for (row, values) in values.chunks_exact_mut(shape[2]).enumerate() {
            let mut of = |channel: usize, out: &mut [f32]| {
                let inner = inner[channel].as_ref();
                fill(map, [slice, row], out, |position| match inner.and_then(|inner| inner.linear(position)) {
                    Some(value) => value,
                    None => linear_at_border(channels[channel], position, padding),
                });
            };
            combine(&mut of, values);
        }
    })
}

/// A row-major source away from its border, where most voxels of most scans lie.
struct Inner<'a> {
    block: &'a [f32],
    /// Positions under this have a voxel after them along each axis.
    last: [f64; 3],
    /// Elements from one slice, and one row, to the next.
    slice: usize,
    row: usize,
}

impl<'a> Inner<'a> {
    fn new(block: &'a [f32], (slices, rows, columns): (usize, usize, usize)) -> Self {
        let last = [slices, rows, columns].map(|n| (n - 1) as f64);
        Self { block, last, slice: rows * columns, row: columns }
    }

    /// The interpolated value, when all eight voxels around `position` exist.
    fn linear(&self, position: [f64; 3]) -> Option<f32> {
        if (0..3).any(|i| !(position[i] >= 0.0 && position[i] < self.last[i])) {
            return None;
        }
        // Truncation is the floor of what is not negative, and needs no call into a library.
        let at = position.map(|p| p as usize);
        let t: [f32; 3] = std::array::from_fn(|i| (position[i] - at[i] as f64) as f32);
        let start = at[0] * self.slice + at[1] * self.row + at[2];
        let pair = |offset: usize| {
            let two = self.block.get(offset..offset + 2)?;
            Some(two[0] + (two[1] - two[0]) * t[2])
        };
        let plane = |offset: usize| {
            let (a, b) = (pair(offset)?, pair(offset + self.row)?);
            Some(a + (b - a) * t[1])
        };
        let (a, b) = (plane(start)?, plane(start + self.slice)?);
        Some(a + (b - a) * t[0])
    }
}

fn linear_at_border(source: ArrayView3<'_, f32>, position: [f64; 3], padding: Padding) -> f32 {
    let size: [usize; 3] = std::array::from_fn(|axis| source.len_of(Axis(axis)));
    let at = |i: usize| place(position[i], size[i], padding);
    let (Some(slice), Some(row), Some(column)) = (at(0), at(1), at(2)) else { return 0.0 };
    let position = [slice, row, column];
    let floor = position.map(f64::floor);
    let t: [f32; 3] = std::array::from_fn(|i| (position[i] - floor[i]) as f32);
    let mut sum = 0.0;
    for corner in 0..8usize {
        let mut weight = 1.0;
        let mut at = [0; 3];
        for i in 0..3 {
            let up = corner >> i & 1;
            let index = floor[i] + up as f64;
            weight *= if up == 1 { t[i] } else { 1.0 - t[i] };
            if !(0.0..=(size[i] - 1) as f64).contains(&index) {
                weight = 0.0;
            }
            at[i] = index.clamp(0.0, (size[i] - 1) as f64) as usize;
        }
        if weight != 0.0 {
            sum += weight * source[at];
        }
    }
    sum
}

pub(super) fn nearest<T: Copy + Default + Send + Sync>(
    source: ArrayView3<'_, T>,
    map: &Affine,
    shape: [usize; 3],
    padding: Padding,
) -> Array3<T> {
    by_planes(shape, [0, 1, 2], |slice, values: &mut [T]| {
        for (row, values) in values.chunks_exact_mut(shape[2]).enumerate() {
            fill(map, [slice, row], values, |position| {
                let at = |i: usize| nearest_index(position[i], source.len_of(Axis(i)), padding);
                match (at(0), at(1), at(2)) {
                    (Some(slice), Some(row), Some(column)) => source[[slice, row, column]],
                    _ => T::default(),
                }
            });
        }
    })
}
