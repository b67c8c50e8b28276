//! Resampling of volumes and label maps onto another grid, and resizing of pictures.
//!
//! A voxel of the target grid takes its value from the place in the source grid where its centre lies. Grids whose
//! axes are parallel (after any permutation) take a separable path, all others a per-voxel one; both give the same
//! values up to rounding.

mod general;
mod plane;
mod separable;
mod walk;

use ndarray::{Array3, ArrayView3};

use crate::{Affine, Error, Geometry, Result};

pub use plane::{AxisWeights, Filter, resize};
pub use walk::copy_to_standard;

use separable::Parallel;

/// What lies beyond the centres of the source grid's outermost voxels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// The nearest voxel of the grid.
    Border,
    /// Zero (background); linear interpolation fades to it within one voxel.
    Zeros,
    /// The nearest voxel within the grid's extent, which ends half a voxel beyond the outermost centres, and zero from
    /// there on. For taking a result back to the grid it was made from.
    Extent,
}

/// Resamples with trilinear interpolation. Fails when `source` is not of the shape of `from`, or `to` has more
/// voxels than an array can hold.
pub fn linear(source: ArrayView3<'_, f32>, from: &Geometry, to: &Geometry, padding: Padding) -> Result<Array3<f32>> {
    linear_with(&[source], from, to, padding, |row, values| row(0, values))
}

/// Writes a resampled row of a channel: `row(channel, values)`.
pub type Row<'a> = &'a mut dyn FnMut(usize, &mut [f32]);

/// Resamples several channels and makes one array of them, row by row, so that no channel is ever whole on the target
/// grid: `combine` asks for the channels' rows, and fills the same row of the result. In which direction rows run, and
/// in which order they are made, depends on the grids; `combine` runs on all threads. Fails as [`linear`], for any
/// channel.
pub fn linear_with<T: Copy + Default + Send + Sync>(
    channels: &[ArrayView3<'_, f32>],
    from: &Geometry,
    to: &Geometry,
    padding: Padding,
    combine: impl Fn(Row<'_>, &mut [T]) + Sync,
) -> Result<Array3<T>> {
    channels.iter().try_for_each(|channel| check(channel.shape(), from, to))?;
    let (map, shape) = (index_map(from, to), to.shape());
    Ok(match axis_pairs(&map, shape) {
        Some(pairs) => Parallel { map: &map, pairs, shape, padding }.linear_with(channels, combine),
        None => general::linear_with(channels, &map, shape, padding, combine),
    })
}

/// Resamples by taking the nearest voxel, of two equally near the later one, so that halving a spacing gives every voxel
/// two copies. Zeros are `T::default()`. Fails as [`linear`].
pub fn nearest<T: Copy + Default + Send + Sync>(
    source: ArrayView3<'_, T>,
    from: &Geometry,
    to: &Geometry,
    padding: Padding,
) -> Result<Array3<T>> {
    check(source.shape(), from, to)?;
    let (map, shape) = (index_map(from, to), to.shape());
    Ok(match axis_pairs(&map, shape) {
        Some(pairs) => Parallel { map: &map, pairs, shape, padding }.nearest(source),
        None => general::nearest(source, &map, shape, padding),
    })
}

fn check(shape: &[usize], from: &Geometry, to: &Geometry) -> Result<()> {
    if shape != from.shape() {
        return Err(Error::invalid(format!("voxels of shape {shape:?} on a grid of shape {:?}", from.shape())));
    }
    let bytes = to.shape().iter().try_fold(4usize, |n, &d| n.checked_mul(d));
    if bytes.is_none_or(|b| b > isize::MAX as usize) {
        return Err(Error::limit(format!("a grid of shape {:?} has too many voxels", to.shape())));
    }
    Ok(())
}

/// Target index to source index. Of grids whose axes are parallel, by the same rule as resampling goes, each source index
/// depends on one target index alone.
pub fn index_map(from: &Geometry, to: &Geometry) -> Affine {
    let mut map = from.world_to_index().compose(to.affine());
    if let Some(pairs) = axis_pairs(&map, to.shape()) {
        for (axis, main) in pairs.into_iter().enumerate() {
            (0..3).filter(|&source| source != main).for_each(|source| map.0[source][axis] = 0.0);
        }
    }
    map
}

/// For each target axis the source axis it runs along, when no target axis strays from its source axis by more than
/// a thousandth of a voxel over its whole length.
fn axis_pairs(map: &Affine, shape: [usize; 3]) -> Option<[usize; 3]> {
    let mut pairs = [0; 3];
    let mut used = [false; 3];
    for (axis, pair) in pairs.iter_mut().enumerate() {
        let step = map.step(axis);
        let main = (0..3).max_by(|&a, &b| step[a].abs().total_cmp(&step[b].abs()))?;
        let strays = (0..3).any(|a| a != main && step[a].abs() * shape[axis] as f64 > 1e-3);
        if strays || std::mem::replace(&mut used[main], true) {
            return None;
        }
        *pair = main;
    }
    Some(pairs)
}

#[cfg(test)]
mod tests;
