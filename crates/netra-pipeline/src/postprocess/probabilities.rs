//! How probable each segment is at each pixel: the values that labels are decided from, on the source grid.

use ndarray::{Array4, ArrayView4, Axis, Slice, Zip};
use netra_core::{Error, Geometry, Probabilities, Result, Segment};
use netra_package::manifest::{Activation, AsDiscrete, Interpolation, Postprocess};

use super::Postprocessed;
use super::{activate, apply, invert_values, not_a_number};
use crate::Placement;
use crate::inferer::Outcome;

/// The probabilities of `segments`, by the steps that lead to labels; `values` are the network's output on the grid of `place`.
/// Steps that mend labels change no probability. Where neither the network nor a step makes probabilities, those of channels
/// among which the greatest decides are by softmax.
///
/// Errors: `Unsupported` when a threshold is on values that are no probabilities; `Backend` when a value is not a number.
pub fn probabilities(
    steps: &[Postprocess],
    values: ArrayView4<'_, f32>,
    place: &Placement,
    segments: &[Segment],
) -> Result<Probabilities> {
    let end = steps.iter().position(|step| matches!(step, Postprocess::AsDiscrete(_)));
    let (Some(end), Some(Postprocess::AsDiscrete(how))) = (end, end.and_then(|end| steps.get(end))) else {
        return Err(Error::invalid("no `AsDiscrete` among the steps"));
    };
    let mut state = Postprocessed { outcome: Outcome::Values(values.to_owned()), geometry: place.geometry.clone() };
    let mut back = None;
    for step in &steps[..end] {
        match step {
            // The way back is taken by one segment after the other.
            Postprocess::Invert { mode } => back = Some(*mode),
            step => state = apply(step, state, place)?,
        }
    }
    // Labels that go back do so by the nearest pixel, which would make stairs of probabilities.
    let back = back.unwrap_or(Interpolation::Bilinear);
    let Outcome::Values(mut values) = state.outcome else { return Err(Error::invalid("labels before `AsDiscrete`")) };
    normalise(&mut values, how)?;
    let first = match how {
        AsDiscrete::Argmax => 0,
        AsDiscrete::Threshold { .. } => 1,
    };
    on_source(&values, &state.geometry, place, back, segments.iter().map(|s| usize::from(s.number).checked_sub(first)))
}

/// Makes probabilities of what decides labels.
fn normalise(values: &mut Array4<f32>, how: &AsDiscrete) -> Result<()> {
    if values.iter().any(|v| v.is_nan()) {
        return Err(not_a_number());
    }
    let probable = values.iter().all(|v| (-1e-4..=1.0 + 1e-4).contains(v));
    match how {
        _ if probable => {}
        AsDiscrete::Argmax => activate(values, Activation::Softmax),
        AsDiscrete::Threshold { .. } => {
            return Err(Error::unsupported("the threshold is on values beyond 0 to 1, which are no probabilities"));
        }
    }
    Ok(())
}

/// One segment after the other, so that one channel alone is float32 on the source grid.
fn on_source(
    values: &Array4<f32>,
    from: &Geometry,
    place: &Placement,
    back: Interpolation,
    channels: impl ExactSizeIterator<Item = Option<usize>>,
) -> Result<Probabilities> {
    let [slices, rows, columns] = place.source.shape();
    let mut all = Array4::zeros((channels.len(), slices, rows, columns));
    for (mut target, channel) in all.outer_iter_mut().zip(channels) {
        // A segment that no channel stands for is nowhere.
        let Some(channel) = channel.filter(|&channel| channel < values.len_of(Axis(0))) else { continue };
        let one = values.slice_axis(Axis(0), Slice::from(channel..channel + 1)).to_owned();
        let one = invert_values(one, from, place, back)?;
        Zip::from(&mut target).and(&one.index_axis(Axis(0), 0)).par_for_each(|target, &v| {
            *target = (v.clamp(0.0, 1.0) * f32::from(Probabilities::MAXIMUM)).round() as u8;
        });
    }
    Ok(Probabilities { values: all })
}
