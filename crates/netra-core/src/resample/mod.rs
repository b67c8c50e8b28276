//! Resampling of volumes and label maps onto another grid, and resizing of pictures.
//!
//! A voxel of the target grid takes its value from the place in the source grid where its centre lies. Grids whose
//! axes are parallel (after any permutation) take a separable path, all others a per-voxel one; both give the same
//! values up to rounding.

mod general;
mod plane;
mod separable;

use ndarray::{Array3, ArrayView3};

use crate::{Affine, Error, Geometry, Result};

pub use plane::{AxisWeights, Filter, resize};

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
    check(source.shape(), from, to)?;
    let map = index_map(from, to);
    Ok(match axis_pairs(&map, to.shape()) {
        Some(pairs) => separable::linear(source, &map, pairs, to.shape(), padding),
        None => general::linear(source, &map, to.shape(), padding),
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
    let map = index_map(from, to);
    Ok(match axis_pairs(&map, to.shape()) {
        Some(pairs) => separable::nearest(source, &map, pairs, to.shape(), padding),
        None => general::nearest(source, &map, to.shape(), padding),
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

/// Target index to source index.
fn index_map(from: &Geometry, to: &Geometry) -> Affine {
    from.world_to_index().compose(to.affine())
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
