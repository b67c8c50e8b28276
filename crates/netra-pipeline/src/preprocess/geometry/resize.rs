//! Stretching to a size.

use ndarray::Axis;
use netra_core::resample::{self, Filter, Padding};
use netra_core::{Error, Geometry, Limits, Result};
use netra_package::manifest::{Interpolation, Preprocess};

use super::each_channel;
use super::grid::{spatial, target, within};
use crate::Sample;
use crate::sample::check_size;

/// The ways to stretch that exist, as PyTorch's `interpolate` defines them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResizeMode {
    /// Linear by half-pixel centres.
    Linear,
    /// Linear with the outermost centres coinciding.
    LinearAlignCorners,
    /// Linear with a filter widened on axes that shrink; images only.
    LinearAntialias,
    /// Floor of the scaled index.
    Nearest,
    /// The grid point nearest to the half-pixel position.
    NearestExact,
    /// Mean of the pixels covered; images only.
    Area,
}

impl ResizeMode {
    /// The mode that a manifest's three fields name. Fails when they contradict one another.
    pub fn new(mode: Interpolation, anti_aliasing: bool, align_corners: bool) -> Result<Self> {
        match (mode, anti_aliasing, align_corners) {
            (Interpolation::Bilinear, false, false) => Ok(Self::Linear),
            (Interpolation::Bilinear, false, true) => Ok(Self::LinearAlignCorners),
            (Interpolation::Bilinear, true, false) => Ok(Self::LinearAntialias),
            (Interpolation::Nearest, false, false) => Ok(Self::Nearest),
            (Interpolation::NearestExact, false, false) => Ok(Self::NearestExact),
            (Interpolation::Area, false, false) => Ok(Self::Area),
            _ => Err(Error::invalid("`anti_aliasing` and `align_corners` each go with `bilinear`, and not together")),
        }
    }

    fn filter(self) -> Filter {
        match self {
            Self::Linear => Filter::Bilinear,
            Self::LinearAlignCorners => Filter::BilinearAlignCorners,
            Self::LinearAntialias => Filter::BilinearAntialias,
            Self::Nearest => Filter::Nearest,
            Self::NearestExact => Filter::NearestExact,
            Self::Area => Filter::Area,
        }
    }

    fn interpolation(self) -> Interpolation {
        match self {
            Self::Linear | Self::LinearAlignCorners | Self::LinearAntialias => Interpolation::Bilinear,
            Self::Nearest => Interpolation::Nearest,
            Self::NearestExact => Interpolation::NearestExact,
            Self::Area => Interpolation::Area,
        }
    }
}

/// Stretches to `size` (rows and columns, or three axes).
pub fn resize<'a>(sample: Sample<'a>, size: &[usize], mode: ResizeMode, limits: &Limits) -> Result<Sample<'a>> {
    let from = sample.place.geometry.clone();
    let shape = spatial(size, &from)?;
    check_size(sample.channels(), shape, limits)?;
    let step = Preprocess::Resize {
        spatial_size: size.to_vec(),
        mode: mode.interpolation(),
        anti_aliasing: mode == ResizeMode::LinearAntialias,
        align_corners: mode == ResizeMode::LinearAlignCorners,
    };
    let to = target(&step, &from)?;
    let mut sample = if sample.is_image() {
        each_channel(sample, |plane| {
            let picture = resample::resize(plane.index_axis(Axis(0), 0), [shape[1], shape[2]], mode.filter())?;
            Ok(picture.insert_axis(Axis(0)))
        })?
    } else {
        let read = read_grid(mode, &from, &to)?;
        each_channel(sample, |plane| match mode {
            ResizeMode::Linear | ResizeMode::LinearAlignCorners => {
                resample::linear(plane, &from, &read, Padding::Border)
            }
            ResizeMode::Nearest | ResizeMode::NearestExact => resample::nearest(plane, &from, &read, Padding::Border),
            ResizeMode::LinearAntialias | ResizeMode::Area => {
                Err(Error::unsupported(format!("{mode:?} resizing of a volume")))
            }
        })?
    };
    sample.place.geometry = to;
    Ok(sample)
}

/// The grid at whose points a volume is read: where the result lies, save for PyTorch's `nearest`, which reads index
/// `floor(scale i)`: the voxel nearest to `scale i - 1/2`.
fn read_grid(mode: ResizeMode, from: &Geometry, to: &Geometry) -> Result<Geometry> {
    if mode != ResizeMode::Nearest {
        return Ok(to.clone());
    }
    let scale = std::array::from_fn(|axis| from.shape()[axis] as f64 / to.shape()[axis] as f64);
    within(from, to.shape(), [-0.5; 3], scale)
}
