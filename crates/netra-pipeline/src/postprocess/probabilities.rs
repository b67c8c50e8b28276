//! How probable each segment is at each pixel: the values that labels are decided from, on the source grid.

use ndarray::{Array4, Axis};
use netra_core::{Error, Probabilities, Result, Segment};
use netra_package::manifest::{Activation, AsDiscrete, Interpolation, Postprocess};

use super::invert::invert_and_store;
use super::{Postprocessed, activate, apply, labels, not_a_number, pointwise};
use crate::Placement;
use crate::inferer::Outcome;

/// What the steps were run to for the sake of probabilities.
pub(crate) struct Decided {
    /// Of the segments.
    pub probabilities: Probabilities,
    /// Labels where pixels decide them alone, else values.
    pub state: Postprocessed,
    /// How many steps are done.
    pub steps: usize,
}

/// The probabilities of `segments`, by the steps that lead to labels, and how far these were run on the way; `values` are the
/// network's output on the grid of `place`. Labels are decided as in a run without probabilities. Steps that mend labels change
/// no probability. Where neither the network nor a step makes probabilities, those of channels among which the greatest decides
/// are by softmax.
///
/// Errors: `Unsupported` when a threshold is on values that are no probabilities; `Backend` when a value is not a number.
pub(crate) fn probabilities(
    steps: &[Postprocess],
    values: Array4<f32>,
    place: &Placement,
    segments: &[Segment],
) -> Result<Decided> {
    let end = steps.iter().position(|step| matches!(step, Postprocess::AsDiscrete(_)));
    let (Some(end), Some(Postprocess::AsDiscrete(how))) = (end, end.and_then(|end| steps.get(end))) else {
        return Err(Error::invalid("no `AsDiscrete` among the steps"));
    };
    let decided = pointwise(steps).map(|steps| Ok((labels(steps, values.view())?, steps.len()))).transpose()?;
    let mut state = Postprocessed { outcome: Outcome::Values(values), geometry: place.geometry.clone() };
    // Labels that go back do so by the nearest pixel, which would make stairs of probabilities.
    let (mut done, mut mode) = (end, Interpolation::Bilinear);
    for (i, step) in steps[..end].iter().enumerate() {
        if let Postprocess::Invert { mode: stated } = step {
            (done, mode) = (i, *stated);
            break;
        }
        state = apply(step, state, place)?;
    }
    let Outcome::Values(mut values) = state.outcome else { return Err(Error::invalid("labels before `AsDiscrete`")) };
    let softmax = needs_softmax(&values, how)?;
    // Labels that are decided later are decided by what the steps made.
    let made = (softmax && decided.is_none()).then(|| values.clone());
    if softmax {
        activate(&mut values, Activation::Softmax);
    }
    let first = match how {
        AsDiscrete::Argmax => 0,
        AsDiscrete::Threshold { .. } => 1,
    };
    let [slices, rows, columns] = place.source.shape();
    let mut all = Array4::zeros((segments.len(), slices, rows, columns));
    for (mut target, segment) in all.outer_iter_mut().zip(segments) {
        let channel = usize::from(segment.number).checked_sub(first);
        // A segment that no channel stands for is nowhere.
        let Some(channel) = channel.filter(|&channel| channel < values.len_of(Axis(0))) else { continue };
        let channel = values.index_axis(Axis(0), channel);
        // The conversion clamps; rounding by a half and truncation needs no call into a library.
        let share = |v: f32| (v * f32::from(Probabilities::MAXIMUM) + 0.5) as u8;
        target.assign(&invert_and_store(channel, &state.geometry, place, mode, share)?);
    }
    let probabilities = Probabilities { values: all };
    let (outcome, steps) = match decided {
        Some((labels, steps)) => (Outcome::Labels(labels), steps),
        None => (Outcome::Values(made.unwrap_or(values)), done),
    };
    Ok(Decided { probabilities, state: Postprocessed { outcome, geometry: state.geometry }, steps })
}

/// Whether what decides labels has to be made probable first.
fn needs_softmax(values: &Array4<f32>, how: &AsDiscrete) -> Result<bool> {
    let mut range = [f32::INFINITY, f32::NEG_INFINITY];
    for &v in values {
        if v.is_nan() {
            return Err(not_a_number());
        }
        range = [range[0].min(v), range[1].max(v)];
    }
    match how {
        _ if range[0] >= -1e-4 && range[1] <= 1.0 + 1e-4 => Ok(false),
        AsDiscrete::Argmax => Ok(true),
        AsDiscrete::Threshold { .. } => {
            Err(Error::unsupported("the threshold is on values beyond 0 to 1, which are no probabilities"))
        }
    }
}
