//! Channels to labels, pixel by pixel. Values are `(channel, slice, row, column)`.

use ndarray::parallel::prelude::*;
use ndarray::{Array3, Array4, ArrayView4, Axis};
use netra_core::{Error, ErrorKind, Result};
use netra_package::manifest::{Activation, AsDiscrete, Postprocess};

use super::{blocks, greatest};
use crate::vector::wide;

/// Keeps these channels, in this order. Fails when one does not exist.
pub fn select_channels(values: Array4<f32>, channels: &[usize]) -> Result<Array4<f32>> {
    let all: Vec<usize> = (0..values.len_of(Axis(0))).collect();
    let chosen = select(&all, channels)?;
    if chosen == all {
        return Ok(values);
    }
    Ok(values.select(Axis(0), &chosen))
}

/// These of the channels `from`.
pub(crate) fn select(from: &[usize], channels: &[usize]) -> Result<Vec<usize>> {
    let of = |&channel: &usize| {
        let missing = || Error::invalid(format!("channel {channel} of a network output of {}", from.len()));
        from.get(channel).copied().ok_or_else(missing)
    };
    channels.iter().map(of).collect()
}

/// Turns logits into probabilities, in place.
pub fn activate(values: &mut Array4<f32>, activation: Activation) {
    match activation {
        Activation::Sigmoid => values.par_mapv_inplace(|v| 1.0 / (1.0 + (-v).exp())),
        Activation::Softmax => softmax(values),
    }
}

/// Exponentials over channels divided by their sum; the greatest logit is subtracted first, so that none overflows.
fn softmax(values: &mut Array4<f32>) {
    values.axis_iter_mut(Axis(1)).into_par_iter().for_each(|mut slice| {
        for mut row in slice.axis_iter_mut(Axis(1)) {
            let greatest = row.fold_axis(Axis(0), f32::NEG_INFINITY, |a, &b| a.max(b));
            row -= &greatest;
            row.mapv_inplace(f32::exp);
            let sum = row.sum_axis(Axis(0));
            row /= &sum;
        }
    });
}

/// The steps up to `AsDiscrete`, as [`pointwise`](super::pointwise) gives them, on any part of an output, in one pass and
/// without a copy; only where values are activated and then chosen among, or activated twice, is there one.
pub fn labels(steps: &[Postprocess], values: ArrayView4<'_, f32>) -> Result<Array3<u16>> {
    let mut chosen: Vec<usize> = (0..values.len_of(Axis(0))).collect();
    let mut activation = None;
    for (i, step) in steps.iter().enumerate() {
        match step {
            Postprocess::SelectChannels { .. } | Postprocess::Activations(_) if activation.is_some() => {
                let mut own = values.select(Axis(0), &chosen);
                activation.iter().for_each(|activation| activate(&mut own, *activation));
                return labels(&steps[i..], own.view());
            }
            Postprocess::SelectChannels { channels } => chosen = select(&chosen, channels)?,
            // Neither activation changes which channel is greatest.
            Postprocess::Activations(_)
                if matches!(steps.last(), Some(Postprocess::AsDiscrete(AsDiscrete::Argmax))) => {}
            Postprocess::Activations(wanted) => activation = Some(*wanted),
            Postprocess::AsDiscrete(how) => return decide(values, &chosen, activation, how),
            _ => return Err(Error::invalid("a step that needs more than the pixel itself")),
        }
    }
    Err(Error::invalid("no `AsDiscrete` among the steps"))
}

pub(super) fn discretise(values: ArrayView4<'_, f32>, how: &AsDiscrete) -> Result<Array3<u16>> {
    let all: Vec<usize> = (0..values.len_of(Axis(0))).collect();
    decide(values, &all, None, how)
}

/// The index of the greatest channel at every pixel, the first of equals. Fails (`Backend`) when a value is not a number.
pub fn argmax(values: ArrayView4<'_, f32>) -> Result<Array3<u16>> {
    discretise(values, &AsDiscrete::Argmax)
}

/// The number (from 1) of the greatest channel where it reaches `least`, else 0. Fails as [`argmax`].
pub fn threshold(values: ArrayView4<'_, f32>, least: f32) -> Result<Array3<u16>> {
    discretise(values, &AsDiscrete::Threshold { value: least, version: String::new() })
}

fn decide(
    values: ArrayView4<'_, f32>,
    chosen: &[usize],
    activation: Option<Activation>,
    how: &AsDiscrete,
) -> Result<Array3<u16>> {
    check_channels(chosen.len())?;
    blocks::label(values, chosen, |channels, labels| {
        wide(
            #[inline(always)]
            || match (how, activation) {
                (AsDiscrete::Argmax, _) => greatest::greatest(channels, labels).map(drop),
                (AsDiscrete::Threshold { value, .. }, None) => {
                    let best = greatest::greatest(channels, labels)?;
                    greatest::keep_reaching(*value, &best, labels);
                    Ok(())
                }
                (AsDiscrete::Threshold { value, .. }, Some(activation)) => {
                    greatest::activated(channels, activation, *value, labels)
                }
            },
        )
    })
}

/// Fails unless channels can be told apart by labels.
pub(super) fn check_channels(channels: usize) -> Result<()> {
    if channels == 0 || channels > usize::from(u16::MAX) {
        return Err(Error::unsupported(format!("{channels} channels as labels")));
    }
    Ok(())
}

pub(super) fn not_a_number() -> Error {
    Error::new(ErrorKind::Backend, "the network gave values that are not numbers")
}
