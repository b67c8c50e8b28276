//! Memory of preprocessing.

use netra_core::{Geometry, Result};
use netra_package::manifest::Preprocess;

use crate::sample::check_size;
use crate::{InputSize, RunOptions, preprocess};

pub(crate) fn elements(shape: [usize; 3]) -> u64 {
    shape.iter().map(|&n| n as u64).product()
}

/// Of float32 values.
pub(crate) fn bytes(channels: usize, shape: [usize; 3]) -> u64 {
    4 * channels as u64 * elements(shape)
}

/// What preprocessing leaves and what it takes on the way, beside the source.
pub(crate) struct Prepared {
    pub channels: usize,
    /// The grid, of its true size where content decided that.
    pub grid: Geometry,
    /// Most bytes alive.
    pub peak: u64,
    /// Bytes kept for the way back (a field of view).
    pub kept: u64,
}

impl Prepared {
    /// Follows `steps`; `cropped` is the size where content decides it.
    pub fn trace(
        steps: &[Preprocess],
        size: &InputSize,
        cropped: Option<[usize; 3]>,
        options: &RunOptions<'_>,
    ) -> Result<Self> {
        let mut grid: Geometry = size.geometry()?;
        let mut channels = size.channels();
        // Bytes of the own array; none while the source is only looked at.
        let (mut own, mut peak, mut kept) = (0u64, 0u64, 0u64);
        // Whether the array is not one row-major block any more, so that the tensor is a copy.
        let mut scattered = false;
        for step in steps {
            let to = preprocess::geometry::target(step, &grid)?;
            let now = bytes(channels, grid.shape());
            let (made, scratch) = match step {
                Preprocess::Orientation { .. } | Preprocess::CropForeground { .. } => {
                    scattered = true;
                    (None, 0)
                }
                Preprocess::CropFieldOfView { .. } => {
                    scattered = true;
                    kept = elements(grid.shape()) * 2;
                    (None, bytes(1, grid.shape()))
                }
                Preprocess::Resize { .. } | Preprocess::Spacing { .. } | Preprocess::Conform { .. } => {
                    check_size(channels, to.shape(), &options.limits)?;
                    let one = if channels > 1 { bytes(1, to.shape()) } else { 0 };
                    let narrow = bytes(1, [1, grid.shape()[1], to.shape()[2]]);
                    let image = matches!(size, InputSize::Image { .. });
                    (Some(bytes(channels, to.shape())), one + if image { narrow } else { 0 })
                }
                Preprocess::ResizeWithPadOrCrop { .. } => {
                    check_size(channels, to.shape(), &options.limits)?;
                    scattered = true;
                    let pads = (0..3).any(|axis| to.shape()[axis] > grid.shape()[axis]);
                    (pads.then(|| bytes(channels, to.shape())), 0)
                }
                Preprocess::Grayscale {} if channels > 1 => {
                    channels = 1;
                    (Some(bytes(1, grid.shape())), 0)
                }
                Preprocess::ToRgb {} if channels == 1 => {
                    channels = 3;
                    (Some(3 * now), 0)
                }
                Preprocess::Grayscale {} | Preprocess::ToRgb {} => (None, 0),
                // Values change in place, once they are not the caller's and one row-major block.
                _ => ((own == 0 || scattered).then_some(now), 0),
            };
            peak = peak.max(kept + own + made.unwrap_or(0) + scratch);
            if let Some(made) = made {
                own = made;
                scattered = false;
            }
            grid = to;
        }
        if let Some(shape) = cropped {
            grid = Geometry::new(shape, *grid.affine())?;
        }
        if own == 0 || scattered {
            peak = peak.max(kept + own + bytes(channels, grid.shape()));
        }
        Ok(Self { channels, grid, peak, kept })
    }

    /// Slices, rows, columns.
    pub fn shape(&self) -> [usize; 3] {
        self.grid.shape()
    }
}
