//! Channels walked together, a stretch of pixels at a time, so that what is worked on stays in cache.

use std::borrow::Cow;

use ndarray::parallel::prelude::*;
use ndarray::{Array3, ArrayView4, Axis};
use netra_core::Result;
use rayon::slice::ParallelSliceMut;

/// Pixels of a stretch: a few pages a channel, which memory gives quickly; the stretch of all channels fits the L2 cache.
const STRETCH: usize = 8192;

/// Fills labels for `values` with `label(channels, labels)`: the same stretch of each of the `chosen` channels, and its
/// labels. Runs on all threads.
pub(super) fn label(
    values: ArrayView4<'_, f32>,
    chosen: &[usize],
    label: impl Fn(&[&[f32]], &mut [u16]) -> Result<()> + Sync,
) -> Result<Array3<u16>> {
    let (_, slices, rows, columns) = values.dim();
    let mut labels = Array3::zeros((slices, rows, columns));
    let channels: Vec<_> = chosen.iter().map(|&channel| values.index_axis_move(Axis(0), channel)).collect();
    let whole: Option<Vec<&[f32]>> = channels.iter().map(|channel| channel.to_slice()).collect();
    match (whole, labels.as_slice_mut()) {
        (Some(channels), Some(block)) => {
            block.par_chunks_mut(STRETCH).enumerate().try_for_each(|(i, labels)| {
                let at = i * STRETCH..i * STRETCH + labels.len();
                let stretch: Vec<&[f32]> = channels.iter().map(|channel| &channel[at.clone()]).collect();
                label(&stretch, labels)
            })?;
        }
        // A part of a larger output: its rows are what lies together.
        _ => labels.axis_iter_mut(Axis(0)).into_par_iter().enumerate().try_for_each(|(slice, mut plane)| {
            plane.rows_mut().into_iter().enumerate().try_for_each(|(row, mut labels)| {
                let lines: Vec<Cow<'_, [f32]>> = channels
                    .iter()
                    .map(|channel| {
                        let line = channel.index_axis_move(Axis(0), slice).index_axis_move(Axis(0), row);
                        line.to_slice().map_or_else(|| Cow::Owned(line.to_vec()), Cow::Borrowed)
                    })
                    .collect();
                let lines: Vec<&[f32]> = lines.iter().map(Cow::as_ref).collect();
                // Rows of an array in standard layout are slices.
                labels.as_slice_mut().map_or(Ok(()), |labels| label(&lines, labels))
            })
        })?,
    }
    Ok(labels)
}
