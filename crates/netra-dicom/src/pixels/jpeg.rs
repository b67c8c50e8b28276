//! JPEG baseline, extended and lossless (PS3.5 8.2.1) through `jpeg-decoder`.

use jpeg_decoder::{ColorTransform, Decoder, PixelFormat as JpegFormat};
use netra_core::{Error, Result};

use super::codec::{ColourModel, Decoded, check_geometry};
use super::format::PixelFormat;

pub(super) fn decode(format: &PixelFormat, bytes: &[u8]) -> Result<Decoded> {
    let failed = |e: jpeg_decoder::Error| match e {
        jpeg_decoder::Error::Unsupported(feature) => Error::unsupported(format!("JPEG feature {feature:?}")),
        e => Error::malformed("the JPEG codestream is damaged").with_source(e),
    };
    let mut decoder = Decoder::new(bytes);
    decoder.set_max_decoding_buffer_size(format.decoded_bytes().saturating_mul(2));
    decoder.read_info().map_err(failed)?;
    let info = decoder.info().ok_or_else(|| Error::malformed("a JPEG codestream without a frame header"))?;
    let (samples, width) = match info.pixel_format {
        JpegFormat::L8 => (1, 1),
        JpegFormat::L16 => (1, 2),
        JpegFormat::RGB24 => (3, 1),
        JpegFormat::CMYK32 => (4, 1),
    };
    check_geometry(format, info.height.into(), info.width.into(), samples)?;
    // Colour is converted by us, from the model that header and markers name together. In this decoder `RGB` passes
    // three components through; `None` does not interleave them.
    if samples == 3 {
        decoder.set_color_transform(ColorTransform::RGB);
    }
    let mut samples = decoder.decode().map_err(failed)?;
    if width == 2 {
        // The decoder writes 16-bit samples in the byte order of the machine.
        samples.chunks_exact_mut(2).for_each(|c| {
            let value = u16::from_ne_bytes([c[0], c[1]]).to_le_bytes();
            c.copy_from_slice(&value);
        });
    }
    let bytes_out = match (width, format.bytes_per_sample()) {
        (a, b) if a == b => samples,
        (1, 2) => samples.iter().flat_map(|&v| [v, 0]).collect(),
        (2, 1) if format.bits_stored <= 8 => samples.chunks_exact(2).map(|c| c[0]).collect(),
        (a, b) => return Err(Error::malformed(format!("JPEG samples of {a} bytes where {b} are allocated"))),
    };
    Ok(Decoded { bytes: bytes_out, colour: stated_model(bytes) })
}

/// The colour model in the Adobe APP14 segment (transform 0: RGB, 1: YCbCr), or RGB when the components are named so.
fn stated_model(bytes: &[u8]) -> Option<ColourModel> {
    let mut at = 2;
    loop {
        let &[0xFF, marker, high, low] = bytes.get(at..at + 4)? else { return None };
        let body = bytes.get(at + 4..at + 2 + usize::from(u16::from_be_bytes([high, low])))?;
        match marker {
            0xEE if body.starts_with(b"Adobe") => {
                return match body.get(11)? {
                    0 => Some(ColourModel::Rgb),
                    1 => Some(ColourModel::Ybr),
                    _ => None,
                };
            }
            0xC0..=0xC3 => {
                let names = [body.get(6)?, body.get(9)?, body.get(12)?];
                return (names == [&b'R', &b'G', &b'B']).then_some(ColourModel::Rgb);
            }
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
}
