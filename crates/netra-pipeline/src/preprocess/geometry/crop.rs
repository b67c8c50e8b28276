//! Padding and cropping.

use ndarray::{Array3, Array4, Axis, Slice};
use netra_core::components::{Connectivity, fill_holes, keep_largest};
use netra_core::{Limits, Result};

use super::grid::{first_index, spatial, within};
use crate::Sample;
use crate::sample::check_size;

/// Pads with `value` or crops each axis to `size`, around the middle.
pub fn pad_or_crop<'a>(mut sample: Sample<'a>, size: &[usize], value: f32, limits: &Limits) -> Result<Sample<'a>> {
    let from = sample.place.geometry.clone();
    let shape = spatial(size, &from)?;
    check_size(sample.channels(), shape, limits)?;
    let first = first_index(&from, shape);
    let old = from.shape();
    // The part that both grids share, as it is numbered in each.
    let kept = |axis: usize| {
        let start = first[axis].max(0);
        start..(first[axis] + shape[axis] as isize).min(old[axis] as isize)
    };
    for axis in 0..3 {
        sample.values.slice_axis_inplace(Axis(axis + 1), Slice::from(kept(axis)));
    }
    if (0..3).any(|axis| first[axis] < 0) {
        let mut padded = Array4::from_elem((sample.channels(), shape[0], shape[1], shape[2]), value);
        let mut inner = padded.view_mut();
        for (axis, first) in first.into_iter().enumerate() {
            let range = kept(axis);
            let moved = range.start - first..range.end - first;
            inner.slice_axis_inplace(Axis(axis + 1), Slice::from(moved));
        }
        inner.assign(&sample.values);
        sample.values = padded.into();
    }
    sample.place.geometry = within(&from, shape, first.map(|i| i as f64), [1.0; 3])?;
    Ok(sample)
}

/// Crops to the bounding box of what is over `threshold` in any channel, `margin` wider on each side; keeps everything
/// when nothing is.
pub fn crop_foreground(sample: Sample<'_>, threshold: f32, margin: usize) -> Result<Sample<'_>> {
    let mut bounds = Bounds::default();
    for channel in sample.values.axis_iter(Axis(0)) {
        for (slice, plane) in channel.outer_iter().enumerate() {
            for (row, line) in plane.rows().into_iter().enumerate() {
                let over = |v: &f32| *v > threshold;
                if let Some(first) = line.iter().position(over) {
                    let last = line.iter().rposition(over).unwrap_or(first);
                    bounds.add([slice, row, first]);
                    bounds.add([slice, row, last]);
                }
            }
        }
    }
    crop(sample, &bounds, margin)
}

/// Crops a fundus photograph to its bright field of view and remembers the field, so that nothing outside it becomes
/// a result.
pub fn crop_field_of_view(mut sample: Sample<'_>, threshold: f32) -> Result<Sample<'_>> {
    let channels = sample.channels() as f32;
    let mean = sample.values.sum_axis(Axis(0)) / channels;
    let greatest = mean.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut field: Array3<u16> = mean.mapv(|v| u16::from(v > threshold * greatest));
    drop(mean);
    keep_largest(&mut field, Connectivity::Corners, 1, true, |_| true)?;
    let mut bounds = Bounds::default();
    for ((slice, row, column), _) in field.indexed_iter().filter(|(_, inside)| **inside != 0) {
        bounds.add([slice, row, column]);
    }
    fill_holes(&mut field, Connectivity::Faces, |_| true)?;
    sample.place.field_of_view = Some((field, sample.place.geometry.clone()));
    crop(sample, &bounds, 0)
}

fn crop<'a>(mut sample: Sample<'a>, bounds: &Bounds, margin: usize) -> Result<Sample<'a>> {
    let Some((low, high)) = bounds.0 else { return Ok(sample) };
    let from = sample.place.geometry.clone();
    let old = from.shape();
    // An image's single slice has nothing around it, so that a margin changes nothing there.
    let start: [usize; 3] = std::array::from_fn(|axis| low[axis].saturating_sub(margin));
    let end: [usize; 3] = std::array::from_fn(|axis| high[axis].saturating_add(margin + 1).min(old[axis]));
    for axis in 0..3 {
        // In place: the whole array stays in memory until the next step copies what is left of it.
        sample.values.slice_axis_inplace(Axis(axis + 1), Slice::from(start[axis]..end[axis]));
    }
    let shape = std::array::from_fn(|axis| end[axis] - start[axis]);
    sample.place.geometry = within(&from, shape, start.map(|i| i as f64), [1.0; 3])?;
    Ok(sample)
}

/// A growing box of indices, both ends inside.
#[derive(Default)]
struct Bounds(Option<([usize; 3], [usize; 3])>);

impl Bounds {
    fn add(&mut self, at: [usize; 3]) {
        let (low, high) = self.0.get_or_insert((at, at));
        for axis in 0..3 {
            low[axis] = low[axis].min(at[axis]);
            high[axis] = high[axis].max(at[axis]);
        }
    }
}
