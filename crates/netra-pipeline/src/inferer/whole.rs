//! The whole input at once.

use ndarray::Array4;
use netra_core::Result;

use super::{Predict, WindowProgress, check_output, cut, pad, space};
use netra_package::manifest::Padding;

/// Runs the network once. With `multiple` over 1, each spatial axis of size over 1 is padded with zeros to a multiple of
/// it, the larger half at the end, and the output is cropped back; the output must then have the input's size.
pub fn whole(
    values: Array4<f32>,
    multiple: usize,
    predict: Predict<'_>,
    progress: WindowProgress<'_>,
) -> Result<Array4<f32>> {
    let size = space(&values);
    // An image's only slice is no axis of the network.
    let padded = size.map(|n| if n == 1 { 1 } else { n.next_multiple_of(multiple.max(1)) });
    let output = if padded == size {
        predict(values)?
    } else {
        let (input, start) = pad(values, padded, Padding::Constant, 0.0)?;
        let output = predict(input)?;
        check_output(&output, padded)?;
        cut(output.view(), start, size)
    };
    progress(1, 1);
    Ok(output)
}
