//! Back to the source grid.

use ndarray::{Array3, Array4, ArrayView3, Axis, CowArray, Ix3, Zip};
use netra_core::resample::{self, Padding};
use netra_core::{Error, Geometry, Result};
use netra_package::manifest::{AsDiscrete, Interpolation};
use rayon::iter::ParallelIterator;
use rayon::slice::ParallelSlice;

use super::discrete::{check_channels, discretise, not_a_number};
use super::greatest::{compare, keep_reaching};
use crate::Placement;

/// Labels on the source grid: that of the nearest voxel, 0 where preprocessing cropped, 0 outside a field of view.
pub fn invert_labels(labels: Array3<u16>, from: &Geometry, place: &Placement) -> Result<Array3<u16>> {
    let mut labels = if *from == place.source {
        labels
    } else {
        resample::nearest(labels.view(), from, &place.source, Padding::Extent)?
    };
    clear_outside(&mut labels, place)?;
    Ok(labels)
}

/// Values on the source grid, 0 where preprocessing cropped and outside a field of view.
pub fn invert_values(
    values: Array4<f32>,
    from: &Geometry,
    place: &Placement,
    mode: Interpolation,
) -> Result<Array4<f32>> {
    let inside = field_of_view(place)?;
    if *from == place.source && inside.is_none() {
        return Ok(values);
    }
    let [slices, rows, columns] = place.source.shape();
    let mut all = Array4::zeros((values.len_of(Axis(0)), slices, rows, columns));
    for (mut target, channel) in all.outer_iter_mut().zip(values.outer_iter()) {
        target.assign(&one_channel(channel, from, place, mode)?);
        if let Some(inside) = &inside {
            Zip::from(&mut target).and(inside).par_for_each(|v, &inside| *v *= f32::from(inside));
        }
    }
    Ok(all)
}

/// One channel on the source grid, each value through `store`, so that it is float32 there a row at a time; `store(0)` where
/// preprocessing cropped, 0 outside a field of view.
pub(super) fn invert_and_store(
    channel: ArrayView3<'_, f32>,
    from: &Geometry,
    place: &Placement,
    mode: Interpolation,
    store: impl Fn(f32) -> u8 + Sync,
) -> Result<Array3<u8>> {
    let mut stored = if *from == place.source {
        Zip::from(channel).par_map_collect(|&v| store(v))
    } else if mode == Interpolation::Bilinear {
        resample::linear_with(&[channel], from, &place.source, Padding::Extent, |row, out: &mut [u8]| {
            let mut values = vec![0.0; out.len()];
            row(0, &mut values);
            out.iter_mut().zip(values).for_each(|(out, v)| *out = store(v));
        })?
    } else {
        Zip::from(&one_channel(channel, from, place, mode)?).par_map_collect(|&v| store(v))
    };
    clear_outside(&mut stored, place)?;
    Ok(stored)
}

/// [`invert_values`] and `AsDiscrete` in one: only rows of channels are on the source grid at a time, so that the memory
/// is that of the labels.
pub fn invert_to_labels(
    values: Array4<f32>,
    from: &Geometry,
    place: &Placement,
    mode: Interpolation,
    how: &AsDiscrete,
) -> Result<Array3<u16>> {
    check_channels(values.len_of(Axis(0)))?;
    check_numbers(&values)?;
    let labels = match mode {
        Interpolation::Bilinear => linear_to_labels(values, from, place, how)?,
        Interpolation::NearestExact => nearest_to_labels(values, from, place, how)?,
        Interpolation::Nearest | Interpolation::Area => return Err(no_way_back(mode)),
    };
    // The labels are on the source grid: what is left to do is the field of view.
    invert_labels(labels, &place.source, place)
}

fn linear_to_labels(values: Array4<f32>, from: &Geometry, place: &Placement, how: &AsDiscrete) -> Result<Array3<u16>> {
    let channels: Vec<_> = values.outer_iter().collect();
    resample::linear_with(&channels, from, &place.source, Padding::Extent, |row, labels: &mut [u16]| {
        let (mut best, mut next) = (vec![0.0; labels.len()], vec![0.0; labels.len()]);
        row(0, &mut best);
        labels.fill(0);
        for channel in 1..channels.len() {
            row(channel, &mut next);
            // Values were checked before: what interpolates numbers is no number only between infinities.
            compare(channel as u16, &next, &mut best, labels);
        }
        if let AsDiscrete::Threshold { value, .. } = how {
            keep_reaching(*value, &best, labels);
        }
    })
}

/// Nearest voxels bring their labels with them, and what lies outside is 0 in every channel.
fn nearest_to_labels(values: Array4<f32>, from: &Geometry, place: &Placement, how: &AsDiscrete) -> Result<Array3<u16>> {
    let mut labels = discretise(values.view(), how)?;
    drop(values);
    match how {
        // A threshold that 0 reaches makes the first channel's label of what lies outside.
        AsDiscrete::Threshold { value, .. } if 0.0 >= *value => {
            let swap = |label: u16| if label < 2 { 1 - label } else { label };
            labels.par_mapv_inplace(swap);
            let mut labels = resample::nearest(labels.view(), from, &place.source, Padding::Extent)?;
            labels.par_mapv_inplace(swap);
            Ok(labels)
        }
        _ => resample::nearest(labels.view(), from, &place.source, Padding::Extent),
    }
}

fn check_numbers(values: &Array4<f32>) -> Result<()> {
    let missing = |block: &[f32]| block.iter().fold(0u32, |found, v| found | u32::from(v.is_nan())) != 0;
    let found = match values.as_slice_memory_order() {
        Some(block) => block.par_chunks(1 << 16).any(missing),
        None => values.iter().any(|v| v.is_nan()),
    };
    if found { Err(not_a_number()) } else { Ok(()) }
}

fn no_way_back(mode: Interpolation) -> Error {
    Error::unsupported(format!("interpolation {mode:?} on the way back"))
}

fn one_channel(
    channel: ArrayView3<'_, f32>,
    from: &Geometry,
    place: &Placement,
    mode: Interpolation,
) -> Result<Array3<f32>> {
    match mode {
        Interpolation::Bilinear => resample::linear(channel, from, &place.source, Padding::Extent),
        Interpolation::NearestExact => resample::nearest(channel, from, &place.source, Padding::Extent),
        Interpolation::Nearest | Interpolation::Area => Err(no_way_back(mode)),
    }
}

/// Sets to 0 what lies outside a field of view.
fn clear_outside<T: Copy + Default + Send + Sync>(values: &mut Array3<T>, place: &Placement) -> Result<()> {
    if let Some(inside) = field_of_view(place)? {
        Zip::from(values).and(&inside).par_for_each(|value, &inside| {
            if inside == 0 {
                *value = T::default();
            }
        });
    }
    Ok(())
}

/// The field of view on the source grid: 1 inside.
fn field_of_view(place: &Placement) -> Result<Option<CowArray<'_, u16, Ix3>>> {
    let Some((mask, grid)) = &place.field_of_view else { return Ok(None) };
    if *grid == place.source {
        return Ok(Some(mask.view().into()));
    }
    Ok(Some(resample::nearest(mask.view(), grid, &place.source, Padding::Extent)?.into()))
}
