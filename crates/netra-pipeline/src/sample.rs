//! What preprocessing works on: values with their place in the scan.

use ndarray::{Array3, Array4, Axis, CowArray, Ix4};
use netra_core::resample::copy_to_standard;
use netra_core::{Error, Geometry, Limits, Result};
use rayon::prelude::*;

use crate::Input;

/// Values `(channel, slice, row, column)` on a grid. Starts as a view of the caller's scan and becomes an own array
/// with the first step that changes values.
#[derive(Clone, Debug)]
pub struct Sample<'a> {
    /// The values.
    pub values: CowArray<'a, f32, Ix4>,
    /// Where they lie.
    pub place: Placement,
    /// What the darkest and brightest storable value of a picture are; `None` for a volume.
    pub value_range: Option<[f32; 2]>,
}

/// Where values lie in the scan: all that is needed to take a result back.
#[derive(Clone, Debug)]
pub struct Placement {
    /// The grid. Its world is that of [`InputSize::geometry`](crate::InputSize::geometry).
    pub geometry: Geometry,
    /// The scan's own grid.
    pub source: Geometry,
    /// The field of view of a fundus photograph: 1 inside, and the grid of this mask.
    pub field_of_view: Option<(Array3<u16>, Geometry)>,
}

impl<'a> Sample<'a> {
    /// A scan before any step. Fails (`InvalidInput`) when it holds values that are not finite.
    pub fn new(input: Input<'a>) -> Result<Self> {
        let (values, value_range) = match input {
            Input::Image(image) => (image.pixels().insert_axis(Axis(1)), Some(image.value_range)),
            Input::Volume(volume) => (volume.voxels().insert_axis(Axis(0)), None),
        };
        let wrong = values.as_slice().map_or_else(
            || values.iter().filter(|v| !v.is_finite()).count(),
            |block| block.par_chunks(1 << 16).map(|part| part.iter().filter(|v| !v.is_finite()).count()).sum(),
        );
        if wrong > 0 {
            return Err(Error::invalid(format!("{wrong} of the scan's {} values are not finite", values.len())));
        }
        let source = input.size().geometry()?;
        let place = Placement { geometry: source.clone(), source, field_of_view: None };
        Ok(Self { values: values.into(), place, value_range })
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.values.len_of(Axis(0))
    }

    /// Whether it is an image: one slice, as its source.
    pub fn is_image(&self) -> bool {
        self.value_range.is_some()
    }

    /// The values as one block of memory in row-major order, copied only when they are not one already.
    pub fn into_array(self) -> (Array4<f32>, Placement) {
        (standard(self.values), self.place)
    }
}

/// An own, row-major array; copies only a view or an array of another memory order.
pub(crate) fn standard(values: CowArray<'_, f32, Ix4>) -> Array4<f32> {
    if !values.is_view() && values.is_standard_layout() {
        return values.into_owned();
    }
    let mut own = Array4::zeros(values.dim());
    for (own, values) in own.outer_iter_mut().zip(values.outer_iter()) {
        copy_to_standard(values, own);
    }
    own
}

/// Checks a grid that a step asks for against `limits`, before anything of its size is allocated.
pub(crate) fn check_size(channels: usize, shape: [usize; 3], limits: &Limits) -> Result<()> {
    let bytes = shape.iter().try_fold(4 * channels as u64, |n, &d| n.checked_mul(d as u64));
    if bytes.is_none_or(|b| b > limits.volume_bytes) {
        let most = limits.volume_bytes;
        return Err(Error::limit(format!("{channels} channels of {shape:?} voxels are over the {most} bytes allowed")));
    }
    Ok(())
}
