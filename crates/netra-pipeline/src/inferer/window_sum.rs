//! The weighted sum of overlapping windows, and its division by the sum of weights.

use ndarray::{Array3, Array4, ArrayView4};
use rayon::prelude::*;

/// Sums over slices of an input, kept in a ring: slice `z` lies at `z` modulo the number of slices kept. Windows come
/// slices outermost, so a ring as high as a window is enough where finished slices are taken away.
///
/// Sums are of each channel, slice, row and column in this order, and planes of them are worked on in parallel.
pub(super) struct WindowSum {
    sum: Vec<f32>,
    /// Weights summed over windows, of each slice, row and column.
    total: Vec<f32>,
    /// Weight of each pixel of a window.
    weights: Array3<f32>,
    channels: usize,
    /// Slices kept, rows, columns.
    size: [usize; 3],
}

impl WindowSum {
    /// For outputs of `channels` over `size`: slices kept at a time, at least a window's, rows and columns.
    pub fn new(channels: usize, size: [usize; 3], weights: Array3<f32>) -> Self {
        let pixels: usize = size.iter().product();
        let mut sum = vec![0.0; channels * pixels];
        // Fresh zeros have no memory behind them yet. What is first read and then written would be given it in two steps.
        sum.par_chunks_mut(1 << 16).for_each(|part| part.fill(0.0));
        Self { sum, total: vec![0.0; pixels], weights, channels, size }
    }

    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Adds the output of the window that begins at `start`; it has the weights' size and this blend's channels.
    pub fn add(&mut self, output: ArrayView4<'_, f32>, start: [usize; 3]) {
        let (slices, rows, columns) = self.weights.dim();
        let output = output.as_standard_layout();
        let (output, weights) = (output.as_slice().unwrap_or_default(), self.weights.as_slice().unwrap_or_default());
        let kept = self.size[0];
        let width = self.size[2];
        // Where a kept slice lies in the window, if it does.
        let within = |slot: usize| Some((slot + kept - start[0] % kept) % kept).filter(|&slice| slice < slices);
        // The part of a plane of sums that is under a row of the window.
        let under = |row: usize| (start[1] + row) * width + start[2]..(start[1] + row) * width + start[2] + columns;
        let plane = self.size[1] * width;
        self.sum.par_chunks_mut(plane).enumerate().for_each(|(i, sums)| {
            let Some(slice) = within(i % kept) else { return };
            let from = (i / kept * slices + slice) * rows * columns;
            let values = output[from..from + rows * columns].chunks_exact(columns);
            let weights = weights[slice * rows * columns..].chunks_exact(columns);
            for (row, (values, weights)) in values.zip(weights).enumerate() {
                let sums = &mut sums[under(row)];
                sums.iter_mut().zip(values.iter().zip(weights)).for_each(|(sum, (v, w))| *sum += v * w);
            }
        });
        self.total.par_chunks_mut(plane).enumerate().for_each(|(slot, totals)| {
            let Some(slice) = within(slot) else { return };
            let weights = weights[slice * rows * columns..].chunks_exact(columns).take(rows);
            for (row, weights) in weights.enumerate() {
                totals[under(row)].iter_mut().zip(weights).for_each(|(total, w)| *total += w);
            }
        });
    }

    /// The blend of one slice, `(channel, 1, row, column)`. Its place in the ring is free for another from then on.
    pub fn take(&mut self, slice: usize) -> Array4<f32> {
        let [kept, rows, columns] = self.size;
        let (slot, plane) = (slice % kept, rows * columns);
        let mut blended = Array4::zeros((self.channels, 1, rows, columns));
        let totals = &mut self.total[slot * plane..][..plane];
        if let Some(blended) = blended.as_slice_mut() {
            let sums = self.sum.par_chunks_mut(plane).skip(slot).step_by(kept);
            blended.par_chunks_mut(plane).zip(sums).for_each(|(blended, sums)| {
                for ((blended, sum), total) in blended.iter_mut().zip(sums).zip(&*totals) {
                    *blended = *sum / total;
                    *sum = 0.0;
                }
            });
        }
        totals.fill(0.0);
        blended
    }

    /// The blend of all slices, `(channel, slice, row, column)`; for a ring that holds them all.
    pub fn finish(self) -> Result<Array4<f32>, ndarray::ShapeError> {
        let Self { mut sum, total, channels, size: [slices, rows, columns], .. } = self;
        let plane = rows * columns;
        sum.par_chunks_mut(plane).enumerate().for_each(|(i, sums)| {
            let totals = &total[i % slices * plane..][..plane];
            sums.iter_mut().zip(totals).for_each(|(sum, total)| *sum /= total);
        });
        Array4::from_shape_vec((channels, slices, rows, columns), sum)
    }
}
