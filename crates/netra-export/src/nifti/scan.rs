//! A scan as it was read: the smallest type that holds every value exactly.

use std::path::Path;

use ndarray::{ArrayView2, Axis};
use netra_core::{Error, Image, Result, Volume};

use super::header::{DataType, Header, Place};
use super::{flat, write};
use crate::Progress;
use crate::picture::Window;

/// How values were stored.
pub(crate) struct Stored {
    /// `uint8`, `int16`, `uint16`, `int32`, `float32` or `rgb24`.
    pub data_type: &'static str,
    /// Least and greatest finite value.
    pub range: [f32; 2],
}

/// Writes a volume: voxel `(i, j, k)` is (column, row, slice), the affine is in RAS millimetres.
pub(crate) fn write_volume(volume: &Volume, out: &Path, progress: Progress<'_>) -> Result<Stored> {
    let voxels = volume.voxels();
    let slices: Vec<ArrayView2<'_, f32>> = voxels.outer_iter().collect();
    write_grey(&slices, Place::Patient(volume.geometry()), out, progress)
}

/// Writes images of one size and number of channels as slices: in no patient space (both codes 0), with their pixel spacing,
/// 1 mm apart. Colour becomes RGB24. Fails with `InvalidInput` for images that differ.
pub(crate) fn write_images(images: &[Image], out: &Path, progress: Progress<'_>) -> Result<Stored> {
    let Some(first) = images.first() else { return Err(Error::invalid("no images")) };
    if images.iter().any(|image| image.pixels().dim() != first.pixels().dim()) {
        return Err(Error::invalid("images of several sizes are no stack"));
    }
    let place = Place::Nowhere(flat(first.spacing));
    let grey: Vec<ArrayView2<'_, f32>> = match first.pixels().dim().0 {
        1 => images.iter().map(|image| image.pixels().index_axis_move(Axis(0), 0)).collect(),
        _ => return write_colour(images, place, out, progress),
    };
    write_grey(&grey, place, out, progress)
}

fn write_grey(slices: &[ArrayView2<'_, f32>], place: Place<'_>, out: &Path, progress: Progress<'_>) -> Result<Stored> {
    let (rows, columns) = slices.first().map_or((0, 0), |slice| slice.dim());
    let values = || slices.iter().flat_map(|slice| slice.iter().copied());
    let (data_type, range) = smallest(values());
    let header = Header {
        shape: [slices.len(), rows, columns],
        data_type,
        intent: (0, ""),
        place,
        display: Window::of(values(), slices.len() * rows * columns).range(),
        description: description(),
    };
    write(out, &header, |sink| {
        let mut bytes = Vec::with_capacity(rows * columns * data_type.bytes());
        for (done, slice) in slices.iter().enumerate() {
            bytes.clear();
            encode(slice.iter().copied(), data_type, &mut bytes);
            sink.write_all(&bytes)?;
            progress(done + 1, slices.len());
        }
        Ok(())
    })?;
    Ok(Stored { data_type: data_type.name(), range })
}

fn write_colour(images: &[Image], place: Place<'_>, out: &Path, progress: Progress<'_>) -> Result<Stored> {
    let [rows, columns] = images.first().map_or([0; 2], Image::size);
    let header = Header {
        shape: [images.len(), rows, columns],
        data_type: DataType::Rgb24,
        intent: (0, ""),
        place,
        display: [0.0, 255.0],
        description: description(),
    };
    write(out, &header, |sink| {
        for (done, image) in images.iter().enumerate() {
            sink.write_all(&crate::picture::rgb(image))?;
            progress(done + 1, images.len());
        }
        Ok(())
    })?;
    Ok(Stored { data_type: DataType::Rgb24.name(), range: [0.0, 255.0] })
}

fn description() -> String {
    format!("Netra {}", env!("CARGO_PKG_VERSION"))
}

/// The smallest type that holds every value exactly, and the range of the finite ones.
fn smallest(values: impl Iterator<Item = f32>) -> (DataType, [f32; 2]) {
    let (mut low, mut high, mut whole) = (f32::INFINITY, f32::NEG_INFINITY, true);
    for value in values {
        // Not for infinities and NaN.
        whole &= value.fract() == 0.0;
        if value.is_finite() {
            (low, high) = (low.min(value), high.max(value));
        }
    }
    if low > high {
        return (DataType::Float32, [0.0; 2]);
    }
    let within = |least: f32, most: f32| whole && low >= least && high <= most;
    let data_type = if within(0.0, 255.0) {
        DataType::Uint8
    } else if within(f32::from(i16::MIN), f32::from(i16::MAX)) {
        DataType::Int16
    } else if within(0.0, f32::from(u16::MAX)) {
        DataType::Uint16
    } else if within(i32::MIN as f32, 2_147_483_520.0) {
        // The last number before 2^31 that has a float32.
        DataType::Int32
    } else {
        DataType::Float32
    };
    (data_type, [low, high])
}

/// Values that `smallest` found to fit, so no conversion changes one.
fn encode(values: impl Iterator<Item = f32>, data_type: DataType, bytes: &mut Vec<u8>) {
    match data_type {
        DataType::Uint8 | DataType::Rgb24 => bytes.extend(values.map(|v| v as u8)),
        DataType::Int16 => values.for_each(|v| bytes.extend((v as i16).to_le_bytes())),
        DataType::Uint16 => values.for_each(|v| bytes.extend((v as u16).to_le_bytes())),
        DataType::Int32 => values.for_each(|v| bytes.extend((v as i32).to_le_bytes())),
        DataType::Float32 => values.for_each(|v| bytes.extend(v.to_le_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_type_holds_every_value() {
        let cases: [(&[f32], DataType); 9] = [
            (&[0.0, 255.0], DataType::Uint8),
            (&[-1.0, 32767.0], DataType::Int16),
            (&[0.0, 256.0], DataType::Int16),
            (&[0.0, 32768.0], DataType::Uint16),
            (&[-1.0, 32768.0], DataType::Int32),
            (&[2_147_483_520.0], DataType::Int32),
            (&[2_147_483_648.0], DataType::Float32),
            (&[0.5, 1.0], DataType::Float32),
            (&[1.0, f32::NAN], DataType::Float32),
        ];
        for (values, wanted) in cases {
            let (data_type, _) = smallest(values.iter().copied());
            assert_eq!(data_type, wanted, "{values:?}");
            let mut bytes = Vec::new();
            encode(values.iter().copied(), data_type, &mut bytes);
            assert_eq!(bytes.len(), values.len() * data_type.bytes());
        }
        assert_eq!(smallest([f32::NAN].into_iter()).1, [0.0; 2]);
    }
}
