//! Channels to labels, pixel by pixel. Values are `(channel, slice, row, column)`.

use ndarray::parallel::prelude::*;
use ndarray::{Array3, Array4, ArrayView1, ArrayView4, Axis, Zip};
use netra_core::{Error, ErrorKind, Result};
use netra_package::manifest::{Activation, AsDiscrete, Postprocess};

/// Keeps these channels, in this order. Fails when one does not exist.
pub fn select_channels(values: Array4<f32>, channels: &[usize]) -> Result<Array4<f32>> {
    let found = values.len_of(Axis(0));
    if let Some(missing) = channels.iter().find(|&&channel| channel >= found) {
        return Err(Error::invalid(format!("channel {missing} of a network output of {found}")));
    }
    if channels.iter().copied().eq(0..found) {
        return Ok(values);
    }
    Ok(values.select(Axis(0), channels))
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

/// The steps up to `AsDiscrete`, as [`pointwise`](super::pointwise) gives them, on any part of an output. The output is
/// copied only when a step changes its values.
pub fn labels(steps: &[Postprocess], values: ArrayView4<'_, f32>) -> Result<Array3<u16>> {
    let mut own: Option<Array4<f32>> = None;
    for step in steps {
        match step {
            Postprocess::SelectChannels { channels } => {
                let values = own.take().unwrap_or_else(|| values.to_owned());
                own = Some(select_channels(values, channels)?);
            }
            // Neither activation changes which channel is greatest.
            Postprocess::Activations(_)
                if matches!(steps.last(), Some(Postprocess::AsDiscrete(AsDiscrete::Argmax))) => {}
            Postprocess::Activations(activation) => {
                let values = own.get_or_insert_with(|| values.to_owned());
                activate(values, *activation);
            }
            Postprocess::AsDiscrete(how) => {
                return discretise(own.as_ref().map_or(values, |own| own.view()), how);
            }
            _ => return Err(Error::invalid("a step that needs more than the pixel itself")),
        }
    }
    Err(Error::invalid("no `AsDiscrete` among the steps"))
}

pub(super) fn discretise(values: ArrayView4<'_, f32>, how: &AsDiscrete) -> Result<Array3<u16>> {
    match how {
        AsDiscrete::Argmax => argmax(values),
        AsDiscrete::Threshold { value, .. } => threshold(values, *value),
    }
}

/// The index of the greatest channel at every pixel, the first of equals. Fails (`Backend`) when a value is not a number.
pub fn argmax(values: ArrayView4<'_, f32>) -> Result<Array3<u16>> {
    greatest(values, |channel, _| channel)
}

/// The number (from 1) of the greatest channel where it reaches `least`, else 0. Fails as [`argmax`].
pub fn threshold(values: ArrayView4<'_, f32>, least: f32) -> Result<Array3<u16>> {
    greatest(values, |channel, value| if value >= least { channel + 1 } else { 0 })
}

/// `label(greatest channel, its value)` at every pixel. Rows are compared channel by channel, so that memory is read in
/// order and nothing larger than a row is kept.
fn greatest(values: ArrayView4<'_, f32>, label: impl Fn(u16, f32) -> u16 + Sync) -> Result<Array3<u16>> {
    let (channels, slices, rows, columns) = values.dim();
    if channels == 0 || channels > usize::from(u16::MAX) {
        return Err(Error::unsupported(format!("{channels} channels as labels")));
    }
    let mut labels = Array3::zeros((slices, rows, columns));
    labels.axis_iter_mut(Axis(0)).into_par_iter().enumerate().try_for_each(|(slice, mut plane)| {
        let mut best = vec![0.0f32; columns];
        for (row, mut out) in plane.rows_mut().into_iter().enumerate() {
            for channel in 0..channels {
                let line = values.index_axis(Axis(0), channel).index_axis_move(Axis(0), slice);
                let line: ArrayView1<'_, f32> = line.index_axis_move(Axis(0), row);
                if line.iter().any(|v| v.is_nan()) {
                    return Err(not_a_number());
                }
                Zip::from(&mut out).and(&mut best).and(line).for_each(|out, best, &value| {
                    if channel == 0 || value > *best {
                        (*out, *best) = (channel as u16, value);
                    }
                });
            }
            Zip::from(&mut out).and(&best).for_each(|out, &best| *out = label(*out, best));
        }
        Ok(())
    })?;
    Ok(labels)
}

pub(super) fn not_a_number() -> Error {
    Error::new(ErrorKind::Backend, "the network gave values that are not numbers")
}
