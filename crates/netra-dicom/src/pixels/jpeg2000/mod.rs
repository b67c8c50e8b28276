//! JPEG 2000 and HTJ2K (PS3.5 8.2.4 and 8.2.15): what is common through `hayro-jpeg2000`, which is a fifth faster, the rest
//! (HTJ2K, more than 16 bits, damage) through `openjp2`, OpenJPEG translated to Rust.

mod codestream;

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image as FastImage};
use jpeg2k::{DecodeParameters, Image};
use netra_core::{Error, Result};

use super::codec::{Decoded, check_geometry};
use super::format::PixelFormat;
use codestream::Codestream;

pub(super) fn decode(format: &PixelFormat, bytes: &[u8]) -> Result<Decoded> {
    let stream = Codestream::read(bytes)?;
    check_geometry(format, stream.rows, stream.columns, stream.components.len() as u64)?;
    let frame = match fast(format, &stream, bytes) {
        Some(frame) => frame,
        None => complete(format, bytes)?,
    };
    Ok(Decoded { bytes: frame, colour: None })
}

/// Codestreams of up to 16 bits, every component of full size, without a flaw; `None` for all others.
fn fast(format: &PixelFormat, stream: &Codestream, bytes: &[u8]) -> Option<Vec<u8>> {
    if stream.components.iter().any(|c| c.bits > 16 || !c.full) {
        return None;
    }
    let settings = DecodeSettings { resolve_palette_indices: false, strict: true, target_resolution: None };
    let image = FastImage::new(bytes.get(stream.start..)?, &settings).ok()?;
    let mut context = DecoderContext::default();
    let planes = image.decode(&mut context).ok()?;
    let mut frame = vec![0; format.decoded_bytes()];
    for (sample, (component, plane)) in stream.components.iter().zip(planes.components()).enumerate() {
        let values = plane.samples();
        if values.len() != format.pixels() {
            return None;
        }
        // This decoder takes all samples for unsigned ones, which lie around half the range.
        let half = if component.signed { 1 << (component.bits - 1) } else { 0 };
        let highest = ((1u32 << component.bits) - 1) as f32;
        let whole = |v: &f32| (v.clamp(0.0, highest) + 0.5) as i32 - half;
        store(format, &mut frame, sample, values.iter().map(whole));
    }
    Some(frame)
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
    let (at, low) = (sample * width, width.min(4));
    for (slot, value) in frame.chunks_exact_mut(format.samples * width).zip(values) {
        let value = if format.signed { sign_extend(value, format.bits_stored) } else { value }.to_le_bytes();
        slot[at..at + low].copy_from_slice(&value[..low]);
    }
}

fn sign_extend(value: i32, bits: u32) -> i32 {
    let unused = 32u32.saturating_sub(bits);
    (value << unused) >> unused
}
