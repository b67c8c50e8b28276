//! The grids that steps lead to, without any data: what both running and planning go by.

use netra_core::orient::{Orientation, reorient_geometry};
use netra_core::{Affine, Error, Geometry, Result};
use netra_package::manifest::Preprocess;

/// The grid after a step. Steps that crop by content give the grid as it was: the most that they can leave.
pub fn target(step: &Preprocess, from: &Geometry) -> Result<Geometry> {
    match step {
        Preprocess::Orientation { axcodes } => Ok(reorient_geometry(from, axcodes.parse()?)),
        Preprocess::Spacing { pixdim, .. } => spaced(from, three(pixdim)?),
        Preprocess::Conform { axcodes, pixdim, spatial_size, .. } => {
            conformed(from, axcodes.parse()?, three(pixdim)?, three(spatial_size)?)
        }
        Preprocess::Resize { spatial_size, align_corners, .. } => {
            resized(from, spatial(spatial_size, from)?, *align_corners)
        }
        Preprocess::ResizeWithPadOrCrop { spatial_size, .. } => padded_or_cropped(from, spatial(spatial_size, from)?),
        _ => Ok(from.clone()),
    }
}

/// Three numbers of a manifest.
fn three<T: Copy>(numbers: &[T]) -> Result<[T; 3]> {
    <[T; 3]>::try_from(numbers).map_err(|_| Error::invalid(format!("{} numbers for three axes", numbers.len())))
}

/// A size of two (image) or three axes as one of three.
pub(super) fn spatial(size: &[usize], from: &Geometry) -> Result<[usize; 3]> {
    match *size {
        [rows, columns] if from.shape()[0] == 1 => Ok([1, rows, columns]),
        [slices, rows, columns] => Ok([slices, rows, columns]),
        _ => Err(Error::invalid(format!("a size of {} axes for a grid of shape {:?}", size.len(), from.shape()))),
    }
}

/// A grid of `shape` whose index `i` lies at index `start + scale i` of `from`.
pub(super) fn within(from: &Geometry, shape: [usize; 3], start: [f64; 3], scale: [f64; 3]) -> Result<Geometry> {
    let affine = from.affine();
    let step = |axis: usize| affine.step(axis).map(|v| v * scale[axis]);
    Geometry::new(shape, Affine::from_steps(step(0), step(1), step(2), affine.apply(start)))
}

/// As MONAI's `Spacing`: the first voxel stays, sizes round half to even (`compute_shape_offset`).
fn spaced(from: &Geometry, pixdim: [f64; 3]) -> Result<Geometry> {
    let (shape, spacing) = (from.shape(), from.spacing());
    let scale: [f64; 3] = std::array::from_fn(|axis| pixdim[axis] / spacing[axis]);
    // A float too large for an integer saturates, and is refused by the check of the size.
    let size = |axis: usize| ((shape[axis] - 1) as f64 / scale[axis] + 1.0).round_ties_even() as usize;
    within(from, std::array::from_fn(size), [0.0; 3], scale)
}

/// As FreeSurfer's conforming: the index at half the size lies where the source has its index at half its size.
fn conformed(from: &Geometry, axes: Orientation, pixdim: [f64; 3], shape: [usize; 3]) -> Result<Geometry> {
    let middle = from.affine().apply(from.shape().map(|n| n as f64 / 2.0));
    let unit = axes.directions();
    let step: [[f64; 3]; 3] = std::array::from_fn(|axis| unit[axis].map(|v| v * pixdim[axis]));
    let back = |i: usize| (0..3).map(|axis| step[axis][i] * shape[axis] as f64 / 2.0).sum::<f64>();
    let origin = std::array::from_fn(|i| middle[i] - back(i));
    Geometry::new(shape, Affine::from_steps(step[0], step[1], step[2], origin))
}

/// The same extent (or, with `align_corners`, the same outermost centres) under another size.
fn resized(from: &Geometry, shape: [usize; 3], align_corners: bool) -> Result<Geometry> {
    let old = from.shape();
    let aligned = |axis: usize| align_corners && shape[axis] > 1 && old[axis] > 1;
    let scale: [f64; 3] = std::array::from_fn(|axis| {
        if aligned(axis) {
            (old[axis] - 1) as f64 / (shape[axis] - 1) as f64
        } else {
            old[axis] as f64 / shape[axis] as f64
        }
    });
    // The single centre of an aligned axis of size 1 lies on the first.
    let start = |axis: usize| if align_corners { 0.0 } else { 0.5 * scale[axis] - 0.5 };
    within(from, shape, std::array::from_fn(start), scale)
}

/// For each axis the index of `from` at which a padded or cropped grid begins; negative where it is padded. MONAI's
/// `ResizeWithPadOrCrop`: padding puts the smaller half first, cropping keeps what lies around `size / 2`.
pub(super) fn first_index(from: &Geometry, shape: [usize; 3]) -> [isize; 3] {
    std::array::from_fn(|axis| {
        let (old, new) = (from.shape()[axis] as isize, shape[axis] as isize);
        if new > old { -((new - old) / 2) } else { old / 2 - new / 2 }
    })
}

fn padded_or_cropped(from: &Geometry, shape: [usize; 3]) -> Result<Geometry> {
    within(from, shape, first_index(from, shape).map(|i| i as f64), [1.0; 3])
}
