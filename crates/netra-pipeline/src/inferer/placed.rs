//! All windows of an input, before any of them runs: for inference that stays on a device.

use std::ops::Range;

use ndarray::Array3;
use netra_core::{Error, Result};
use netra_graph::volumes::{Window, WindowPadding};
use netra_package::manifest::{Inferer, Padding};

use super::sliding::check_padding;
use super::tiled::Fits;
use super::{SlidingWindow, Tiling, importance_map, three};

/// Windows by their slices, as the inferer places them. Starts and own parts are indices of the input.
pub(crate) struct Placed {
    /// Each with its size.
    pub windows: Vec<([usize; 3], Window)>,
    /// Weight of each voxel of a window, where windows are blended.
    pub weights: Option<Array3<f32>>,
}

/// One window before the next is known.
struct Place {
    size: [usize; 3],
    start: [isize; 3],
    own: [Range<usize>; 3],
}

impl Placed {
    /// The windows over an input of `size`. Fails as running the inferer does.
    pub fn of(inferer: &Inferer, size: [usize; 3], tiles_fit: Fits<'_>) -> Result<Self> {
        match inferer {
            Inferer::Whole { pad_to_multiple } => {
                let padded = size.map(|n| if n == 1 { 1 } else { n.next_multiple_of((*pad_to_multiple).max(1)) });
                let start = std::array::from_fn(|axis| -(((padded[axis] - size[axis]) / 2) as isize));
                let place = Place { size: padded, start, own: size.map(|n| 0..n) };
                Ok(Self::new(vec![place], WindowPadding::Constant(0.0), size[0]))
            }
            Inferer::SlidingWindow { .. } => {
                let window = SlidingWindow::from_manifest(inferer)?;
                let (roi, padded) = (window.roi_size, window.padded(size));
                let missing: [usize; 3] = std::array::from_fn(|axis| padded[axis] - size[axis]);
                check_padding(size, missing, window.padding)?;
                let place = |start: [usize; 3]| {
                    let start: [isize; 3] =
                        std::array::from_fn(|axis| start[axis] as isize - (missing[axis] / 2) as isize);
                    let own = std::array::from_fn(|axis| {
                        start[axis].max(0) as usize..size[axis].min((start[axis] + roi[axis] as isize) as usize)
                    });
                    Place { size: roi, start, own }
                };
                let padding = match window.padding {
                    Padding::Constant => WindowPadding::Constant(window.cval),
                    Padding::Replicate => WindowPadding::Replicate,
                    Padding::Reflect => WindowPadding::Reflect,
                    Padding::Circular => WindowPadding::Circular,
                };
                let windows = window.starts(padded).into_iter().map(place).collect();
                let weights = Some(importance_map(roi, window.blend, window.sigma_scale));
                Ok(Self { weights, ..Self::new(windows, padding, size[0]) })
            }
            Inferer::Tiled { roi_size, halo } => {
                let tiling = Tiling::fitting(size, three(roi_size)?, *halo, tiles_fit)?;
                let place = |tile: &super::tiled::Tile| {
                    let own = std::array::from_fn(|axis| tile.start[axis]..tile.start[axis] + tile.size[axis]);
                    Place { size: tile.window, start: tile.window_start.map(|i| i as isize), own }
                };
                let windows = tiling.tiles().iter().map(place).collect();
                Ok(Self::new(windows, WindowPadding::Constant(0.0), size[0]))
            }
        }
    }

    fn new(places: Vec<Place>, padding: WindowPadding, slices: usize) -> Self {
        let next: Vec<usize> = places.iter().skip(1).map(|place| place.own[0].start).chain([slices]).collect();
        let window = |(Place { size, start, own }, finished)| (size, Window { start, padding, own, finished });
        Self { windows: places.into_iter().zip(next).map(window).collect(), weights: None }
    }

    /// The first window's size. Fails for an input without windows.
    pub fn first_size(&self) -> Result<[usize; 3]> {
        self.windows.first().map(|(size, _)| *size).ok_or_else(|| Error::invalid("an input without windows"))
    }

    /// The greatest size of a window along each axis.
    pub fn largest(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.windows.iter().map(|(size, _)| size[axis]).max().unwrap_or(0))
    }

    /// Most slices of a window's own part.
    pub fn slices(&self) -> usize {
        self.windows.iter().map(|(_, window)| window.own[0].len()).max().unwrap_or(0)
    }
}
