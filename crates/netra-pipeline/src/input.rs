//! What a model is run on.

use netra_core::{Affine, Geometry, Image, Result, Volume};
use netra_package::manifest::InputKind;
use netra_package::scope::Subject;

/// A scan, borrowed from the caller, who keeps it.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// One picture.
    Image(&'a Image),
    /// One volume.
    Volume(&'a Volume),
}

impl<'a> Input<'a> {
    /// What the gate of the package looks at.
    pub fn subject(&self) -> Subject<'a> {
        match *self {
            Input::Image(image) => image.into(),
            Input::Volume(volume) => volume.into(),
        }
    }

    /// Its size, which is all that planning needs.
    pub fn size(&self) -> InputSize {
        match self {
            Input::Image(image) => InputSize::Image { channels: image.pixels().dim().0, size: image.size() },
            Input::Volume(volume) => InputSize::Volume(volume.geometry().clone()),
        }
    }
}

impl<'a> From<&'a Image> for Input<'a> {
    fn from(image: &'a Image) -> Self {
        Input::Image(image)
    }
}

impl<'a> From<&'a Volume> for Input<'a> {
    fn from(volume: &'a Volume) -> Self {
        Input::Volume(volume)
    }
}

/// The size of a scan.
#[derive(Clone, Debug, PartialEq)]
pub enum InputSize {
    /// Channels and (rows, columns) of a picture.
    Image {
        /// 1 or 3.
        channels: usize,
        /// Rows and columns.
        size: [usize; 2],
    },
    /// The grid of a volume; its spacing and directions decide what resampling makes of it.
    Volume(Geometry),
}

impl InputSize {
    /// Image or volume.
    pub fn kind(&self) -> InputKind {
        match self {
            InputSize::Image { .. } => InputKind::Image,
            InputSize::Volume(_) => InputKind::Volume,
        }
    }

    /// Channels; 1 for a volume.
    pub fn channels(&self) -> usize {
        match self {
            InputSize::Image { channels, .. } => *channels,
            InputSize::Volume(_) => 1,
        }
    }

    /// The source grid. That of an image has one slice, steps of one pixel, and its first pixel at the origin: its
    /// world is the image itself. Fails for an image without pixels.
    pub fn geometry(&self) -> Result<Geometry> {
        match self {
            InputSize::Image { size: [rows, columns], .. } => {
                let identity = Affine::from_steps([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0; 3]);
                Geometry::new([1, *rows, *columns], identity)
            }
            InputSize::Volume(geometry) => Ok(geometry.clone()),
        }
    }

    /// Bytes of the pixels or voxels as float32.
    pub fn bytes(&self) -> u64 {
        let elements: u64 = match self {
            InputSize::Image { channels, size } => [*channels, size[0], size[1]].iter().map(|&n| n as u64).product(),
            InputSize::Volume(geometry) => geometry.shape().iter().map(|&n| n as u64).product(),
        };
        4 * elements
    }
}
