//! Frames of a scan as PNG pictures, one pixel of the picture for one of the frame.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use netra_core::{Error, ErrorKind, Image, IntensityUnit, Result};
use netra_dicom::Voi;
use serde::Serialize;

use super::grey::Window;

/// How grey values become those of a picture; one mapping for all frames, so that they can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "grey", rename_all = "snake_case")]
pub(crate) enum Mapping {
    /// 8 bits: display values as they are; modality values, where the file states no VOI transformation, from black to white.
    Display {
        /// Modality values of black and white: the 0.5th and 99.5th percentile; `None` when all values are display values.
        window: Option<[f32; 2]>,
    },
    /// 16 bits: value = grey x slope + offset.
    Values {
        slope: f64,
        offset: f64,
        /// Whether every value comes back exactly.
        lossless: bool,
    },
}

impl Mapping {
    /// The mapping for `images` that were read with `voi`.
    pub fn of(images: &[Image], voi: Voi) -> Self {
        let grey = || images.iter().filter(|image| image.pixels().dim().0 == 1);
        match voi {
            Voi::Apply => {
                let raw = || grey().filter(|image| image.unit != IntensityUnit::Display);
                let count = raw().map(|image| image.pixels().len()).sum();
                let values = raw().flat_map(|image| image.pixels().into_iter().copied());
                Self::Display { window: (count > 0).then(|| Window::of(values, count).range()) }
            }
            Voi::Ignore => {
                let (mut low, mut high, mut whole) = (f32::INFINITY, f32::NEG_INFINITY, true);
                for &value in grey().flat_map(|image| image.pixels()) {
                    whole &= value.fract() == 0.0;
                    if value.is_finite() {
                        (low, high) = (low.min(value), high.max(value));
                    }
                }
                let most = f64::from(u16::MAX);
                let (low, high) = if low > high { (0.0, 0.0) } else { (f64::from(low), f64::from(high)) };
                if whole && high - low <= most {
                    // Stored values stay as they are where they can.
                    let offset = if low >= 0.0 && high <= most { 0.0 } else { low };
                    Self::Values { slope: 1.0, offset, lossless: true }
                } else {
                    let slope = if high > low { (high - low) / most } else { 1.0 };
                    Self::Values { slope, offset: low, lossless: high == low && whole }
                }
            }
        }
    }

    /// A value of `image` as grey from 0 to 1.
    pub fn shown(self, image: &Image) -> impl Fn(f32) -> f32 {
        let [low, high] = match self {
            Self::Display { window: Some(window) } if image.unit != IntensityUnit::Display => window,
            Self::Display { .. } => [0.0, 255.0],
            Self::Values { slope, offset, .. } => [offset as f32, (offset + slope * f64::from(u16::MAX)) as f32],
        };
        move |value| ((value - low) / (high - low)).clamp(0.0, 1.0)
    }
}

/// The frame as the bytes of a PNG file: 8-bit colour, or grey as `mapping` says.
pub(crate) fn png(image: &Image, mapping: Mapping) -> Result<Vec<u8>> {
    let [rows, columns] = image.size();
    let (bytes, colour) = match (image.pixels().dim().0, mapping) {
        (3, _) => (rgb(image), ExtendedColorType::Rgb8),
        (_, Mapping::Display { .. }) => {
            let shown = mapping.shown(image);
            let bytes = image.pixels().iter().map(|&v| (shown(v) * 255.0).round() as u8).collect();
            (bytes, ExtendedColorType::L8)
        }
        (_, Mapping::Values { slope, offset, .. }) => {
            let grey = |v: f32| ((f64::from(v) - offset) / slope).round() as u16;
            // The encoder takes native words and writes big-endian ones.
            let bytes = image.pixels().iter().flat_map(|&v| grey(v).to_ne_bytes()).collect();
            (bytes, ExtendedColorType::L16)
        }
    };
    let size = |n: usize| u32::try_from(n).map_err(|_| Error::limit(format!("{rows} x {columns} pixels make no PNG")));
    let mut out = Vec::new();
    PngEncoder::new_with_quality(&mut out, CompressionType::Default, FilterType::Adaptive)
        .write_image(&bytes, size(columns)?, size(rows)?, colour)
        .map_err(|e| Error::new(ErrorKind::Io, e.to_string()).with_source(e))?;
    Ok(out)
}

/// The pixels of an image of three channels, a byte a channel: red, green, blue.
pub(crate) fn rgb(image: &Image) -> Vec<u8> {
    let pixels = image.pixels();
    let [rows, columns] = image.size();
    let mut bytes = Vec::with_capacity(rows * columns * 3);
    for row in 0..rows {
        for column in 0..columns {
            bytes.extend((0..3).map(|channel| pixels[(channel, row, column)].round().clamp(0.0, 255.0) as u8));
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    fn grey(values: &[f32], unit: IntensityUnit) -> Image {
        let pixels = Array3::from_shape_vec((1, 1, values.len()), values.to_vec()).expect("a row");
        Image::new(pixels, unit, [0.0, 255.0]).expect("a picture")
    }

    /// The picture read back by another path of the image crate.
    fn read(image: &Image, mapping: Mapping) -> Vec<u16> {
        let bytes = png(image, mapping).expect("a PNG");
        let read = image::load_from_memory(&bytes).expect("readable");
        match read {
            image::DynamicImage::ImageLuma16(grey) => grey.into_raw(),
            other => other.into_luma8().into_raw().into_iter().map(u16::from).collect(),
        }
    }

    #[test]
    fn sixteen_bits_hold_whole_values_exactly() {
        for (values, offset) in [(&[0.0, 40_000.0, 7.0], 0.0), (&[-1024.0, 3071.0, 0.0], -1024.0)] {
            let image = grey(values, IntensityUnit::Hounsfield);
            let mapping = Mapping::of(std::slice::from_ref(&image), Voi::Ignore);
            assert_eq!(mapping, Mapping::Values { slope: 1.0, offset, lossless: true });
            let back: Vec<f32> = read(&image, mapping).into_iter().map(|v| (f64::from(v) + offset) as f32).collect();
            assert_eq!(back, values);
        }
    }

    #[test]
    fn what_sixteen_bits_cannot_hold_is_told() {
        let image = grey(&[0.25, 100_000.0], IntensityUnit::Arbitrary);
        let mapping = Mapping::of(std::slice::from_ref(&image), Voi::Ignore);
        let Mapping::Values { lossless: false, .. } = mapping else { panic!("{mapping:?}") };
        assert_eq!(read(&image, mapping), [0, 65_535]);
    }

    #[test]
    fn display_values_stay_and_modality_values_are_windowed() {
        let display = grey(&[0.0, 17.0, 255.0], IntensityUnit::Display);
        let raw = grey(&[-5.0, 0.0, 5.0], IntensityUnit::Arbitrary);
        let mapping = Mapping::of(&[display.clone(), raw.clone()], Voi::Apply);
        assert_eq!(mapping, Mapping::Display { window: Some([-5.0, 5.0]) });
        assert_eq!(read(&display, mapping), [0, 17, 255]);
        assert_eq!(read(&raw, mapping), [0, 128, 255]);
    }
}
