//! Steps that change the number of channels.

use ndarray::{Array3, Axis, concatenate};
use netra_core::{Error, Result};

use crate::Sample;

/// Share of red, green and blue in grey (ITU-R BT.601-7, 2.5.1).
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// Three channels become one; one stays.
pub fn grayscale(mut sample: Sample<'_>) -> Result<Sample<'_>> {
    match sample.channels() {
        1 => Ok(sample),
        3 => {
            let (_, slices, rows, columns) = sample.values.dim();
            let mut grey = Array3::zeros((slices, rows, columns));
            for (share, channel) in LUMA.into_iter().zip(sample.values.outer_iter()) {
                grey.scaled_add(share, &channel);
            }
            sample.values = grey.insert_axis(Axis(0)).into();
            Ok(sample)
        }
        n => Err(channels(n)),
    }
}

/// One channel is repeated three times; three stay.
pub fn to_rgb(mut sample: Sample<'_>) -> Result<Sample<'_>> {
    match sample.channels() {
        1 => {
            let grey = sample.values.view();
            let colour = concatenate(Axis(0), &[grey.view(), grey.view(), grey])
                .map_err(|e| Error::invalid("channels of unequal shapes").with_source(e))?;
            sample.values = colour.into();
            Ok(sample)
        }
        3 => Ok(sample),
        n => Err(channels(n)),
    }
}

fn channels(n: usize) -> Error {
    Error::invalid(format!("{n} channels, not 1 or 3"))
}
