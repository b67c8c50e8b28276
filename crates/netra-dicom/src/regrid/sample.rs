//! The voxels of a planned grid from the decoded frames of its stack.

use ndarray::{Array3, ArrayView2, ArrayView3, ArrayViewMut2, Axis};
use rayon::prelude::*;

use super::{Part, Regrid};

/// Fills the grid from `frames` (frame, row, column), in the order of the stack's slices. Voxels that no frame covers hold the
/// least value of all frames.
pub(crate) fn sample(regrid: &Regrid, frames: ArrayView3<'_, f32>) -> Array3<f32> {
    let fill = frames.iter().copied().fold(f32::INFINITY, f32::min);
    let mut voxels = Array3::from_elem(regrid.geometry.shape(), fill);
    voxels.axis_iter_mut(Axis(0)).into_par_iter().zip(&regrid.slices).for_each(|(mut out, plan)| {
        let main = Reader::new(frames, plan.main);
        let other = plan.other.map(|part| Reader::new(frames, part));
        write(&mut out, &main, other.as_ref());
    });
    voxels
}

fn write(out: &mut ArrayViewMut2<'_, f32>, main: &Reader<'_>, other: Option<&Reader<'_>>) {
    for ((row, column), voxel) in out.indexed_iter_mut() {
        let value = match other {
            None => main.at(row, column),
            Some(other) => main.at(row, column).zip(other.at(row, column)).map(|(a, b)| a + b),
        };
        if let Some(value) = value {
            *voxel = value as f32;
        }
    }
}

/// One frame as it lies under the grid.
struct Reader<'a> {
    frame: ArrayView2<'a, f32>,
    weight: f64,
    /// Whole pixels of the offset, and the fraction beyond.
    whole: [isize; 2],
    beyond: [f64; 2],
}

impl<'a> Reader<'a> {
    fn new(frames: ArrayView3<'a, f32>, part: Part) -> Self {
        // An offset that is a whole number up to rounding reads single pixels.
        let snapped = part.offset.map(|o| if (o - o.round()).abs() < 1e-6 { o.round() } else { o });
        Self {
            frame: frames.index_axis_move(Axis(0), part.source),
            weight: part.weight,
            whole: snapped.map(|o| o.floor() as isize),
            beyond: snapped.map(|o| o - o.floor()),
        }
    }

    /// The weighted value under a place of the grid; `None` outside the frame.
    fn at(&self, row: usize, column: usize) -> Option<f64> {
        let top = row.checked_add_signed(self.whole[0])?;
        let left = column.checked_add_signed(self.whole[1])?;
        let [down, across] = self.beyond;
        let pixel = |row, column| self.frame.get([row, column]).map(|v| f64::from(*v));
        let line = |row| {
            let value = pixel(row, left)?;
            if across == 0.0 { Some(value) } else { Some(value * (1.0 - across) + pixel(row, left + 1)? * across) }
        };
        let value = line(top)?;
        let value = if down == 0.0 { value } else { value * (1.0 - down) + line(top + 1)? * down };
        Some(self.weight * value)
    }
}
