//! A series to single images: window or not, one inversion, colour to RGB.

use ndarray::Array3;
use netra_core::{Error, Image, IntensityUnit, Limits, Result};
use rayon::prelude::*;

use crate::pixels::{EncodedFrame, FrameReader, Grey, Palette, Stored, decode_frame, to_rgb};
use crate::series::{FrameRef, Instance, Series};
use crate::volume::{BATCH, at};

/// Whether grey values are brought to the display range by the file's VOI LUT or window (PS3.3 C.11.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Voi {
    /// VOI LUT Sequence, else the first window, else unchanged.
    #[default]
    Apply,
    /// Modality values.
    Ignore,
}

/// How frames become images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageOptions {
    /// VOI LUT or window.
    pub voi: Voi,
}

impl Series {
    /// Every frame as an image, in the order of instances and frames. Grey: modality values, or 0 to 255 after a VOI
    /// transformation; MONOCHROME1 is inverted within `value_range`. Colour: red, green, blue, 0 to 255.
    pub fn images(&self, options: &ImageOptions, limits: &Limits) -> Result<Vec<Image>> {
        let floats =
            |i: &Instance| i.pixel_format().map_or(0, |f| 12 * (f.pixels() as u64).saturating_mul(f.frames as u64));
        let bytes = self.instances.iter().map(floats).fold(0u64, u64::saturating_add);
        if bytes > limits.volume_bytes.saturating_mul(3) {
            return Err(Error::limit(format!("{} frames are more than {} bytes", self.frames(), limits.volume_bytes)));
        }
        let of_instance =
            |(i, instance): (usize, &Instance)| self.instance_images(i, options, limits).map_err(|e| instance.at(e));
        let nested: Vec<Vec<Image>> = self.instances.par_iter().enumerate().map(of_instance).collect::<Result<_>>()?;
        Ok(nested.into_iter().flatten().collect())
    }

    fn instance_images(&self, index: usize, options: &ImageOptions, limits: &Limits) -> Result<Vec<Image>> {
        let instance = &self.instances[index];
        let mut reader = FrameReader::new(&instance.file, limits)?;
        let mut images = Vec::new();
        for start in (0..instance.frames()).step_by(BATCH) {
            let frames = start..instance.frames().min(start + BATCH);
            let encoded = frames.clone().map(|f| reader.read(f).map_err(|e| at(e, f))).collect::<Result<Vec<_>>>()?;
            let decode = |(frame, encoded)| {
                self.image(FrameRef { instance: index, frame }, encoded, options, limits).map_err(|e| at(e, frame))
            };
            images.extend(frames.into_par_iter().zip(encoded).map(decode).collect::<Result<Vec<_>>>()?);
        }
        Ok(images)
    }

    fn image(&self, r: FrameRef, encoded: EncodedFrame, options: &ImageOptions, limits: &Limits) -> Result<Image> {
        let instance = &self.instances[r.instance];
        let format = instance.pixel_format().ok_or_else(|| Error::unsupported("the instance has no pixel data"))?;
        let decoded = decode_frame(&instance.file, encoded, limits)?;
        let header = instance.frame_header(r.frame);
        let mut image = if format.samples == 3 || format.photometric == "PALETTE COLOR" {
            let palette = (format.samples == 1).then(|| Palette::read(instance.header(), format.signed)).transpose()?;
            Image::new(to_rgb(format, &decoded, palette.as_ref())?, IntensityUnit::Display, [0.0, 255.0])?
        } else {
            let modality = header.modality(format.signed)?;
            let stored = Stored { format, bytes: &decoded.bytes };
            let signed = modality.range(stored.range())[0] < 0.0;
            let voi = match options.voi {
                Voi::Apply => header.voi(signed)?,
                Voi::Ignore => None,
            };
            let unit = if voi.is_some() { IntensityUnit::Display } else { self.unit(Some(r)) };
            let inverted = format.photometric == "MONOCHROME1";
            let mut pixels = vec![0f32; format.pixels()];
            let range = Grey { modality: &modality, voi: voi.as_ref(), inverted }.write(&stored, &mut pixels);
            let pixels = Array3::from_shape_vec((1, format.rows, format.columns), pixels)
                .map_err(|e| Error::malformed("pixels of the wrong number").with_source(e))?;
            Image::new(pixels, unit, range)?
        };
        image.spacing = header.pixel_spacing();
        image.acquisition = self.acquisition();
        image.frame = Some(instance.source_frame(r.frame));
        Ok(image)
    }
}
