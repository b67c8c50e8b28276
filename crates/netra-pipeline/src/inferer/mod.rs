//! How the network meets an input that may be larger than its window.
//!
//! Values are `(channel, slice, row, column)`; sizes have three axes, an image's first being 1.

mod placed;
mod sliding;
mod tiled;
mod whole;
mod window_sum;

use ndarray::{Array3, Array4, ArrayView4, Axis, Slice};
use netra_core::resample::copy_to_standard;
use netra_core::{Error, Result};
use netra_package::manifest::Inferer;

pub(crate) use placed::Placed;
pub use sliding::{SlidingWindow, importance_map, pad, sliding_window, window_starts};
pub use tiled::{Tiling, tiled};
pub use whole::whole;

/// The network, as inferers see it: one window in, its output out. The window is freed inside.
pub type Predict<'a> = &'a dyn Fn(Array4<f32>) -> Result<Array4<f32>>;

/// Told how many windows of how many are done.
pub type WindowProgress<'a> = &'a dyn Fn(usize, usize);

/// Turns the outputs of a window into labels, so that they need not be kept.
pub type Discretise<'a> = &'a dyn Fn(ArrayView4<'_, f32>) -> Result<Array3<u16>>;

/// What inference leaves: the network's outputs, or labels already.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// `(channel, slice, row, column)`.
    Values(Array4<f32>),
    /// `(slice, row, column)`.
    Labels(Array3<u16>),
}

/// Runs an inferer. With `discretise`, whole inputs and tiles become labels at once, a sliding window's slices when no
/// further window reaches them.
pub fn run(
    inferer: &Inferer,
    values: Array4<f32>,
    predict: Predict<'_>,
    discretise: Option<Discretise<'_>>,
    tiles_fit: tiled::Fits<'_>,
    progress: WindowProgress<'_>,
) -> Result<Outcome> {
    let finish = |values: Array4<f32>| match discretise {
        Some(discretise) => Ok(Outcome::Labels(discretise(values.view())?)),
        None => Ok(Outcome::Values(values)),
    };
    match inferer {
        Inferer::Whole { pad_to_multiple } => finish(whole(values, *pad_to_multiple, predict, progress)?),
        Inferer::SlidingWindow { .. } => {
            let window = SlidingWindow::from_manifest(inferer)?;
            sliding_window(values, &window, predict, discretise, progress)
        }
        Inferer::Tiled { roi_size, halo } => {
            let size = space(&values);
            let tiling = Tiling::fitting(size, three(roi_size)?, *halo, tiles_fit)?;
            tiled(values, &tiling, predict, discretise, progress)
        }
    }
}

/// Spatial size.
pub(crate) fn space(values: &Array4<f32>) -> [usize; 3] {
    let (_, slices, rows, columns) = values.dim();
    [slices, rows, columns]
}

/// A manifest's size of two or three axes as one of three.
pub(crate) fn three(size: &[usize]) -> Result<[usize; 3]> {
    match *size {
        [rows, columns] => Ok([1, rows, columns]),
        [slices, rows, columns] => Ok([slices, rows, columns]),
        _ => Err(Error::invalid(format!("a window of {} axes", size.len()))),
    }
}

/// A copy of the part of `values` that begins at `start` and has `size`.
fn cut(values: ArrayView4<'_, f32>, start: [usize; 3], size: [usize; 3]) -> Array4<f32> {
    let part = part(values, start, size);
    let mut copy = Array4::zeros(part.dim());
    for (part, copy) in part.into_outer_iter().zip(copy.outer_iter_mut()) {
        copy_to_standard(part, copy);
    }
    copy
}

fn part(mut values: ArrayView4<'_, f32>, start: [usize; 3], size: [usize; 3]) -> ArrayView4<'_, f32> {
    for axis in 0..3 {
        values.slice_axis_inplace(Axis(axis + 1), Slice::from(start[axis]..start[axis] + size[axis]));
    }
    values
}

/// Fails unless a window's output has the window's own size.
fn check_output(output: &Array4<f32>, window: [usize; 3]) -> Result<()> {
    if space(output) != window {
        return Err(Error::unsupported(format!(
            "a network that turns windows of size {window:?} into outputs of size {:?}",
            space(output)
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
