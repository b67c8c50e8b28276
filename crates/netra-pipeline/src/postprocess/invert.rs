//! Back to the source grid.

use ndarray::{Array3, Array4, ArrayView3, Axis, CowArray, Ix3, Zip};
use netra_core::resample::{self, Padding};
use netra_core::{Error, Geometry, Result};
use netra_package::manifest::{AsDiscrete, Interpolation};

use super::discrete::not_a_number;
use crate::Placement;

/// Labels on the source grid: that of the nearest voxel, 0 where preprocessing cropped, 0 outside a field of view.
pub fn invert_labels(labels: Array3<u16>, from: &Geometry, place: &Placement) -> Result<Array3<u16>> {
    let mut labels = if *from == place.source {
        labels
    } else {
        resample::nearest(labels.view(), from, &place.source, Padding::Extent)?
    };
    if let Some(inside) = field_of_view(place)? {
        Zip::from(&mut labels).and(&inside).for_each(|label, &inside| {
            if inside == 0 {
                *label = 0;
            }
        });
    }
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
            Zip::from(&mut target).and(inside).for_each(|v, &inside| *v *= f32::from(inside));
        }
    }
    Ok(all)
}

/// [`invert_values`] and `AsDiscrete` in one: only one channel is on the source grid at a time, so that the memory does
/// not grow with the number of channels.
pub fn invert_to_labels(
    values: Array4<f32>,
    from: &Geometry,
    place: &Placement,
    mode: Interpolation,
    how: &AsDiscrete,
) -> Result<Array3<u16>> {
    let channels = values.len_of(Axis(0));
    if channels > usize::from(u16::MAX) {
        return Err(Error::unsupported(format!("{channels} channels as labels")));
    }
    if values.iter().any(|v| v.is_nan()) {
        return Err(not_a_number());
    }
    let mut labels = Array3::<u16>::zeros(place.source.shape());
    let mut best: Option<Array3<f32>> = None;
    for (index, channel) in values.outer_iter().enumerate() {
        let channel = one_channel(channel, from, place, mode)?;
        match &mut best {
            None => best = Some(channel),
            Some(best) => Zip::from(&mut labels).and(best).and(&channel).for_each(|label, best, &value| {
                if value > *best {
                    (*label, *best) = (index as u16, value);
                }
            }),
        }
    }
    drop(values);
    if let (AsDiscrete::Threshold { value: least, .. }, Some(best)) = (how, &best) {
        Zip::from(&mut labels).and(best).for_each(|label, best| {
            *label = if best >= least { *label + 1 } else { 0 };
        });
    }
    drop(best);
    // The labels are on the source grid: what is left to do is the field of view.
    invert_labels(labels, &place.source, place)
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
        Interpolation::Nearest | Interpolation::Area => {
            Err(Error::unsupported(format!("interpolation {mode:?} on the way back")))
        }
    }
}

/// The field of view on the source grid: 1 inside.
fn field_of_view(place: &Placement) -> Result<Option<CowArray<'_, u16, Ix3>>> {
    let Some((mask, grid)) = &place.field_of_view else { return Ok(None) };
    if *grid == place.source {
        return Ok(Some(mask.view().into()));
    }
    Ok(Some(resample::nearest(mask.view(), grid, &place.source, Padding::Extent)?.into()))
}
