//! JPEG-LS, lossless and near-lossless (PS3.5 8.2.3), decoded after ITU-T T.87 (ISO/IEC 14495-1).

mod bits;
mod context;
mod header;
mod scan;

use netra_core::{Error, Result};

use super::codec::{Decoded, check_geometry, plain};
use super::format::PixelFormat;
use context::Parameters;
use header::{Header, Next};
use scan::{Decoder, Rows};

/// Decodes one frame.
pub(super) fn decode(format: &PixelFormat, bytes: &[u8]) -> Result<Decoded> {
    let mut header = Header::default();
    let (mut at, mut missing) = (0, usize::MAX);
    let mut out = Vec::new();
    while let Next::Scan(scan, start) = header.read(bytes, at)? {
        let frame = header.frame.as_ref().ok_or_else(|| Error::malformed("a JPEG-LS scan without a frame"))?;
        let samples = frame.components.len();
        check_geometry(format, frame.rows as u64, frame.columns as u64, samples as u64)?;
        let width = format.bytes_per_sample();
        if frame.precision.div_ceil(8) as usize > width {
            let text = format!("JPEG-LS samples of {} bits where {} are allocated", frame.precision, 8 * width);
            return Err(Error::malformed(text));
        }
        if missing == usize::MAX {
            missing = samples;
            out = vec![0; format.decoded_bytes()];
        }
        let parameters = Parameters::new(frame.precision, scan.near, header.preset)?;
        let mut rows: Vec<Rows> = scan.components.iter().map(|_| Rows::new(frame.columns)).collect();
        let stride = frame.columns * samples * width;
        let done = |y: usize, component: usize, line: &[u16]| {
            let row = &mut out[y * stride..(y + 1) * stride];
            let place = scan.components[component] * width;
            store(row, place, samples * width, width, line, scan.shift);
        };
        let lines = (frame.rows, header.restart);
        at = Decoder::new(bytes, start, parameters).run(bytes, &mut rows, scan.interleave, lines, done)?;
        missing = missing.saturating_sub(scan.components.len());
        if missing == 0 {
            // What may follow (an end marker, padding) changes nothing.
            return Ok(plain(out));
        }
    }
    Err(Error::malformed("a JPEG-LS codestream without all its scans"))
}

/// Writes a line of one component into a row of pixels, little endian: samples of `width` bytes every `stride` from `place` on.
fn store(row: &mut [u8], place: usize, stride: usize, width: usize, line: &[u16], shift: u32) {
    let pixels = row.chunks_exact_mut(stride).zip(line);
    match width {
        1 => pixels.for_each(|(pixel, &value)| pixel[place] = (value << shift) as u8),
        _ => pixels.for_each(|(pixel, &value)| {
            pixel[place..place + 2].copy_from_slice(&(value << shift).to_le_bytes());
        }),
    }
}
