//! Colour models to RGB, 0 to 255 (PS3.3 C.7.6.3.1.2).

use ndarray::Array3;
use netra_core::{Error, Result};

use super::codec::{ColourModel, Decoded};
use super::format::PixelFormat;
use super::palette::Palette;
use super::stored::Stored;

/// The frame as `(channel, row, column)`: red, green, blue.
pub(crate) fn to_rgb(format: &PixelFormat, frame: &Decoded, palette: Option<&Palette>) -> Result<Array3<f32>> {
    let stored = Stored { format, bytes: &frame.bytes };
    let pixels = format.pixels();
    let mut planes = vec![0f32; 3 * pixels];
    if let Some(palette) = palette {
        stored.for_each(|i, value| {
            for (channel, v) in palette.at(value).into_iter().enumerate() {
                planes[channel * pixels + i] = v;
            }
        });
    } else {
        let scale = 255.0 / stored.range()[1];
        stored.for_each(|i, value| planes[(i % 3) * pixels + i / 3] = (value * scale) as f32);
        let model = match (frame.colour, format.photometric.as_str()) {
            (Some(model), _) => model,
            (None, "YBR_FULL" | "YBR_FULL_422" | "YBR_PARTIAL_422" | "YBR_PARTIAL_420") => ColourModel::Ybr,
            // The decoders of JPEG 2000 undo the transform that YBR_ICT and YBR_RCT name.
            (None, "RGB" | "YBR_ICT" | "YBR_RCT") => ColourModel::Rgb,
            (None, other) => return Err(Error::unsupported(format!("photometric interpretation {other}"))),
        };
        if model == ColourModel::Ybr {
            full_range_ybr(&mut planes, pixels);
        }
    }
    let shape = (3, format.rows, format.columns);
    Array3::from_shape_vec(shape, planes).map_err(|e| Error::malformed("planes of the wrong size").with_source(e))
}

/// ITU-T T.871's inverse: full range, chrominance around 128.
fn full_range_ybr(planes: &mut [f32], pixels: usize) {
    let (luma, chroma) = planes.split_at_mut(pixels);
    let (blue, red) = chroma.split_at_mut(pixels);
    for ((y, cb), cr) in luma.iter_mut().zip(blue).zip(red) {
        let (v, b, r) = (*y, *cb - 128.0, *cr - 128.0);
        let rgb = [v + 1.402 * r, v - 0.344_136 * b - 0.714_136 * r, v + 1.772 * b];
        [*y, *cb, *cr] = rgb.map(|c| c.clamp(0.0, 255.0));
    }
}
