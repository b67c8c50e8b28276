//! Native pixel data (PS3.5 section 8.1, PS3.3 C.7.6.3.1.2 and .3): byte order, single bits, planes, shared chrominance.

use netra_core::{Error, Result};

use super::format::PixelFormat;

/// Brings one native frame into the common form: little endian, colour by pixel, one byte a sample of one bit.
/// `bit` is the bit of the first byte where a frame of single bits starts.
pub(super) fn decode(format: &PixelFormat, mut bytes: Vec<u8>, bit: u32, big: bool) -> Result<Vec<u8>> {
    if format.swapped {
        bytes.chunks_exact_mut(2).for_each(<[u8]>::reverse);
        return samples(format, bytes, bit, false);
    }
    samples(format, bytes, bit, big)
}

fn samples(format: &PixelFormat, bytes: Vec<u8>, bit: u32, big: bool) -> Result<Vec<u8>> {
    let size = format.decoded_bytes();
    let short = || Error::malformed(format!("a native frame of {} bytes, {size} are needed", bytes.len()));
    if format.bits_allocated == 1 {
        let first = bit as usize;
        if bytes.len().saturating_mul(8) < first.saturating_add(size) {
            return Err(short());
        }
        // The first pixel is the lowest bit (PS3.5 8.1.1).
        return Ok((first..first + size).map(|i| (bytes[i / 8] >> (i % 8)) & 1).collect());
    }
    let width = format.bytes_per_sample();
    if format.subsampled {
        return expand(format, &bytes).ok_or_else(short);
    }
    let skipped = bit as usize / 8;
    if bytes.len() < skipped.saturating_add(size) {
        return Err(short());
    }
    let mut frame = bytes;
    frame.truncate(skipped + size);
    frame.drain(..skipped);
    if big && width > 1 {
        frame.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    }
    Ok(if format.planar && format.samples > 1 { interleave(&frame, format.samples, width) } else { frame })
}

/// Colour by plane to colour by pixel.
fn interleave(planes: &[u8], samples: usize, width: usize) -> Vec<u8> {
    let pixels = planes.len() / (samples * width);
    let mut frame = vec![0; planes.len()];
    for (sample, plane) in planes.chunks_exact(pixels * width).enumerate() {
        for (pixel, value) in plane.chunks_exact(width).enumerate() {
            let at = (pixel * samples + sample) * width;
            frame[at..at + width].copy_from_slice(value);
        }
    }
    frame
}

/// YBR_FULL_422 (C.7.6.3.1.2): Y1 Y2 Cb Cr for two neighbours, 8 bits; both take the same chrominance.
fn expand(format: &PixelFormat, bytes: &[u8]) -> Option<Vec<u8>> {
    if format.bits_allocated != 8 {
        return None;
    }
    let pairs = bytes.get(..format.pixels() * 2)?.chunks_exact(4);
    Some(pairs.flat_map(|p| [p[0], p[2], p[3], p[1], p[2], p[3]]).collect())
}
