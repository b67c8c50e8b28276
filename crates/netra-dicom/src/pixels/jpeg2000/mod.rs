//! JPEG 2000 and HTJ2K (PS3.5 8.2.4 and 8.2.15). Codestreams of Part 1 are decoded after ITU-T T.800 (ISO/IEC 15444-1), the rest
//! (HTJ2K, Part 2, damage) by `openjp2`, OpenJPEG translated to Rust.

mod block;
mod codestream;
mod coding;
mod contexts;
mod image;
mod mq;
mod packet;
mod passes;
mod progression;
mod tile;
mod wavelet;

use jpeg2k::{DecodeParameters, Image};
use netra_core::{Error, Result};

use super::codec::Decoded;
use super::format::PixelFormat;
use codestream::{Codestream, PARTS};

pub(super) fn decode(format: &PixelFormat, bytes: &[u8]) -> Result<Decoded> {
    let stream = Codestream::read(format, bytes)?;
    let ours = image::known(&stream).then(|| own(format, &stream, bytes));
    let frame = match ours {
        Some(Ok(frame)) => frame,
        // OpenJPEG may make something of it.
        Some(Err(_)) | None => complete(format, bytes)?,
    };
    Ok(Decoded { bytes: frame, colour: None })
}

/// Codestreams that are known to be ours, tile by tile.
fn own(format: &PixelFormat, stream: &Codestream, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut frame = vec![0; format.decoded_bytes()];
    let stride = format.samples * format.bytes_per_sample();
    for tile in &stream.tiles {
        let planes = image::decode(stream, tile, PARTS.max(8 * bytes.len() as u64))?;
        let (width, height) = (tile.area.width(), tile.area.height());
        let (x, y) = ((tile.area.x0 - stream.area.x0) as usize, (tile.area.y0 - stream.area.y0) as usize);
        let mut row = vec![0; width];
        for (sample, (plane, &component)) in planes.iter().zip(&stream.components).enumerate() {
            for line in 0..height {
                plane.row(line, width, component, &mut row);
                let start = ((y + line) * format.columns + x) * stride;
                store(format, &mut frame[start..start + width * stride], sample, row.iter().copied());
            }
        }
    }
    Ok(frame)
}

/// All codestreams.
fn complete(format: &PixelFormat, bytes: &[u8]) -> Result<Vec<u8>> {
    let params = DecodeParameters::new().strict(true).ignore_pclr_cmap_cdef();
    let failed = |e| Error::malformed("the JPEG 2000 codestream is damaged").with_source(e);
    let image = Image::from_bytes_with(bytes, params).map_err(failed)?;
    let mut frame = vec![0; format.decoded_bytes()];
    for (sample, component) in image.components().iter().take(format.samples).enumerate() {
        if component.data().len() != format.pixels() {
            return Err(Error::malformed(format!("component {sample} is subsampled or incomplete")));
        }
        store(format, &mut frame, sample, component.data().iter().copied());
    }
    Ok(frame)
}

/// Writes the values of one component to their places. Codestream and header may disagree about the sign: the header's
/// stored bits decide.
fn store(format: &PixelFormat, frame: &mut [u8], sample: usize, values: impl Iterator<Item = i32>) {
    let width = format.bytes_per_sample();
    let unused = if format.signed { 32u32.saturating_sub(format.bits_stored) } else { 0 };
    let extended = |value: i32| ((value << unused) >> unused).to_le_bytes();
    if (format.samples, width) == (1, 2) {
        let slots = frame.as_chunks_mut::<2>().0;
        return slots.iter_mut().zip(values).for_each(|(slot, value)| *slot = [extended(value)[0], extended(value)[1]]);
    }
    let (at, low) = (sample * width, width.min(4));
    for (slot, value) in frame.chunks_exact_mut(format.samples * width).zip(values) {
        slot[at..at + low].copy_from_slice(&extended(value)[..low]);
    }
}
