//! From the network's output to findings: the manifest's steps, each a small function.

mod blocks;
mod discrete;
mod findings;
mod greatest;
mod invert;
mod probabilities;

use ndarray::Array4;
use netra_core::components::{Connectivity, fill_holes, keep_largest, remove_small};
use netra_core::{Error, Geometry, Result};
use netra_package::manifest::{AsDiscrete, Interpolation, Postprocess};

use crate::Placement;
use crate::inferer::Outcome;

pub use discrete::{activate, argmax, labels, select_channels, threshold};
pub use findings::{Spacing, classification, generated, segmentation};
pub use invert::{invert_labels, invert_to_labels, invert_values};
pub(crate) use probabilities::{Decided, probabilities};

use discrete::not_a_number;
pub(crate) use discrete::select;

/// A result on its way to the source grid.
#[derive(Clone, Debug)]
pub struct Postprocessed {
    /// Values or labels.
    pub outcome: Outcome,
    /// The grid they are on.
    pub geometry: Geometry,
}

/// The steps at the beginning of the list that turn each pixel's channels into its label, up to and including
/// `AsDiscrete`; `None` when labels need more than the pixel itself (a resampling before them). They can be run on any
/// part of the output by itself, with [`labels`].
pub fn pointwise(steps: &[Postprocess]) -> Option<&[Postprocess]> {
    let end = steps.iter().position(|step| matches!(step, Postprocess::AsDiscrete(_)))?;
    let steps = &steps[..=end];
    let own = |step: &Postprocess| !matches!(step, Postprocess::Invert { .. } | Postprocess::ScaleIntensity { .. });
    steps.iter().all(own).then_some(steps)
}

/// Runs steps on what the network made of `place`. Fails with the step's number.
pub fn run(steps: &[Postprocess], outcome: Outcome, place: &Placement) -> Result<Postprocessed> {
    resume(steps, 0, Postprocessed { outcome, geometry: place.geometry.clone() }, place)
}

/// Runs `steps[first..]` on what the steps before made.
pub(crate) fn resume(
    steps: &[Postprocess],
    first: usize,
    mut state: Postprocessed,
    place: &Placement,
) -> Result<Postprocessed> {
    let mut i = first;
    while let Some(step) = steps.get(i) {
        let here = |e: Error| e.at(format!("postprocess[{i}]"));
        if let (Postprocess::Invert { mode }, Some(Postprocess::AsDiscrete(how)), Outcome::Values(_)) =
            (step, steps.get(i + 1), &state.outcome)
        {
            state = invert_then_discretise(state, *mode, how, place).map_err(here)?;
            i += 2;
        } else {
            state = apply(step, state, place).map_err(here)?;
            i += 1;
        }
    }
    Ok(state)
}

/// Runs one step.
pub fn apply(step: &Postprocess, state: Postprocessed, place: &Placement) -> Result<Postprocessed> {
    let Postprocessed { outcome, mut geometry } = state;
    let outcome = match step {
        Postprocess::SelectChannels { channels } => Outcome::Values(select_channels(values(outcome)?, channels)?),
        Postprocess::Activations(activation) => {
            let mut values = values(outcome)?;
            activate(&mut values, *activation);
            Outcome::Values(values)
        }
        Postprocess::AsDiscrete(how) => Outcome::Labels(discrete::discretise(values(outcome)?.view(), how)?),
        Postprocess::Invert { mode } => {
            let from = std::mem::replace(&mut geometry, place.source.clone());
            match outcome {
                Outcome::Labels(labels) => Outcome::Labels(invert_labels(labels, &from, place)?),
                Outcome::Values(values) => Outcome::Values(invert_values(values, &from, place, *mode)?),
            }
        }
        Postprocess::ScaleIntensity { minv, maxv } => {
            let mut values = ndarray::CowArray::from(values(outcome)?);
            crate::preprocess::intensity::scale(&mut values, [*minv, *maxv]);
            Outcome::Values(values.into_owned())
        }
        Postprocess::KeepLargestConnectedComponent { applied_labels, independent, connectivity, num_components } => {
            let mut labels = label_map(outcome)?;
            let neighbours = connectivity_of(*connectivity);
            let applied = applies(applied_labels.as_deref());
            keep_largest(&mut labels, neighbours, *num_components, !independent, applied)?;
            Outcome::Labels(labels)
        }
        Postprocess::FillHoles { applied_labels } => {
            let mut labels = label_map(outcome)?;
            fill_holes(&mut labels, Connectivity::Faces, applies(applied_labels.as_deref()))?;
            Outcome::Labels(labels)
        }
        Postprocess::RemoveSmallObjects { min_size, connectivity } => {
            let mut labels = label_map(outcome)?;
            remove_small(&mut labels, connectivity_of(*connectivity), *min_size as u64)?;
            Outcome::Labels(labels)
        }
    };
    Ok(Postprocessed { outcome, geometry })
}

/// `Invert` and `AsDiscrete` in one go: the values of one channel at a time are on the source grid.
fn invert_then_discretise(
    state: Postprocessed,
    mode: Interpolation,
    how: &AsDiscrete,
    place: &Placement,
) -> Result<Postprocessed> {
    let values = values(state.outcome)?;
    let labels = invert_to_labels(values, &state.geometry, place, mode, how)?;
    Ok(Postprocessed { outcome: Outcome::Labels(labels), geometry: place.source.clone() })
}

pub(crate) fn values(outcome: Outcome) -> Result<Array4<f32>> {
    match outcome {
        Outcome::Values(values) => Ok(values),
        Outcome::Labels(_) => Err(Error::invalid("a step for values after `AsDiscrete`")),
    }
}

fn label_map(outcome: Outcome) -> Result<ndarray::Array3<u16>> {
    match outcome {
        Outcome::Labels(labels) => Ok(labels),
        Outcome::Values(_) => Err(Error::invalid("a step for labels before `AsDiscrete`")),
    }
}

/// Corners when left out: in an image they are the same as edges.
fn connectivity_of(stated: Option<u8>) -> Connectivity {
    match stated {
        Some(1) => Connectivity::Faces,
        Some(2) => Connectivity::Edges,
        _ => Connectivity::Corners,
    }
}

fn applies(labels: Option<&[u16]>) -> impl Fn(u16) -> bool {
    move |label| labels.is_none_or(|labels| labels.contains(&label))
}

#[cfg(test)]
mod tests;
