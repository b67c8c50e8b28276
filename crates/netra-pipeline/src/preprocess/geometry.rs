//! Steps that change the grid.

mod crop;
mod grid;
mod resize;

use ndarray::{Array3, Array4, ArrayView3, Axis};
use netra_core::orient::{Orientation, axis_moves, reorient_geometry};
use netra_core::resample::{self, Padding};
use netra_core::{Error, Geometry, Limits, Result};
use netra_package::manifest::{Interpolation, Preprocess};

use crate::Sample;
use crate::sample::check_size;

pub use crop::{crop_field_of_view, crop_foreground, pad_or_crop};
pub use grid::target;
pub use resize::{ResizeMode, resize};

/// Flips and permutes the axes to run as `axcodes` says; nothing is copied.
pub fn orientation<'a>(mut sample: Sample<'a>, axcodes: &str) -> Result<Sample<'a>> {
    let to: Orientation = axcodes.parse()?;
    let moves = axis_moves(&sample.place.geometry, to);
    let mut values = sample.values.permuted_axes([0, moves[0].from + 1, moves[1].from + 1, moves[2].from + 1]);
    for (axis, m) in moves.iter().enumerate() {
        if m.flip {
            values.invert_axis(Axis(axis + 1));
        }
    }
    sample.values = values;
    sample.place.geometry = reorient_geometry(&sample.place.geometry, to);
    Ok(sample)
}

/// Resamples to a spacing; what lies beyond the outermost voxels is their value. `step` is a `Spacing`.
pub fn spacing<'a>(sample: Sample<'a>, step: &Preprocess, mode: Interpolation, limits: &Limits) -> Result<Sample<'a>> {
    let to = target(step, &sample.place.geometry)?;
    onto(sample, to, mode, Padding::Border, limits)
}

/// Resamples onto a grid of stated orientation, spacing and size around the scan's middle; what lies outside the scan is
/// 0. `step` is a `Conform`.
pub fn conform<'a>(sample: Sample<'a>, step: &Preprocess, mode: Interpolation, limits: &Limits) -> Result<Sample<'a>> {
    let to = target(step, &sample.place.geometry)?;
    onto(sample, to, mode, Padding::Zeros, limits)
}

fn onto<'a>(
    mut sample: Sample<'a>,
    to: Geometry,
    mode: Interpolation,
    padding: Padding,
    limits: &Limits,
) -> Result<Sample<'a>> {
    check_size(sample.channels(), to.shape(), limits)?;
    let from = sample.place.geometry.clone();
    sample = each_channel(sample, |plane| match mode {
        Interpolation::Bilinear => resample::linear(plane, &from, &to, padding),
        Interpolation::NearestExact => resample::nearest(plane, &from, &to, padding),
        Interpolation::Nearest | Interpolation::Area => {
            Err(Error::unsupported(format!("interpolation {mode:?} between grids in the patient")))
        }
    })?;
    sample.place.geometry = to;
    Ok(sample)
}

/// Replaces each channel by what `change` makes of it; all results have one shape.
fn each_channel<'a>(
    mut sample: Sample<'a>,
    change: impl Fn(ArrayView3<'_, f32>) -> Result<Array3<f32>>,
) -> Result<Sample<'a>> {
    let channels = sample.channels();
    let first = change(sample.values.index_axis(Axis(0), 0))?;
    if channels == 1 {
        // The common case: no second copy.
        sample.values = first.insert_axis(Axis(0)).into();
        return Ok(sample);
    }
    let (slices, rows, columns) = first.dim();
    let mut all = Array4::zeros((channels, slices, rows, columns));
    all.index_axis_mut(Axis(0), 0).assign(&first);
    drop(first);
    for channel in 1..channels {
        all.index_axis_mut(Axis(0), channel).assign(&change(sample.values.index_axis(Axis(0), channel))?);
    }
    sample.values = all.into();
    Ok(sample)
}
