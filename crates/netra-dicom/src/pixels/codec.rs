//! Decoding of one frame: native layout, RLE, JPEG and JPEG-LS of our own, and third-party codecs behind a guard.

use std::panic::{AssertUnwindSafe, catch_unwind};

use netra_core::{Error, Limits, Result};

use super::format::PixelFormat;
use super::layout::EncodedFrame;
use super::{jpeg, jpegls, native, rle};
use crate::source::Stream;
use crate::syntax::{Codec, TransferSyntax};

/// Frames up to this size and this many samples may be all but empty once compressed. Some decoders hold 16 bytes a sample.
const SMALL_FRAME: u64 = 32 << 20;
const SMALL_SAMPLES: u64 = 1 << 24;

/// A decoded frame: [`PixelFormat::decoded_bytes`] bytes, little endian, colour by pixel.
pub(crate) struct Decoded {
    pub bytes: Vec<u8>,
    /// The colour model of the samples where the codestream knows it better than the header.
    pub colour: Option<ColourModel>,
}

/// Colour models that a codestream can state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColourModel {
    Rgb,
    Ybr,
}

pub(crate) fn decode(
    format: &PixelFormat,
    syntax: &TransferSyntax,
    native_place: bool,
    big: bool,
    frame: EncodedFrame,
    limits: &Limits,
) -> Result<Decoded> {
    let size = format.decoded_bytes() as u64;
    let samples = format.pixels() as u64 * format.samples as u64;
    let most = (frame.bytes.len() as u64).saturating_mul(limits.inflation);
    if !native_place && (size > SMALL_FRAME.max(most) || samples > SMALL_SAMPLES.max(most)) {
        return Err(Error::limit(format!("{} bytes are said to decode to {size}", frame.bytes.len())));
    }
    let codec = if native_place { Some(Codec::Native) } else { syntax.codec() };
    let decoded = match codec {
        Some(Codec::Native) => plain(native::decode(format, frame.bytes, frame.bit, big)?),
        Some(Codec::Deflate) => {
            let raw = Box::new(std::io::Cursor::new(frame.bytes));
            let bytes = Stream::of(raw).inflate(limits).bytes(size)?;
            plain(native::decode(format, bytes, 0, false)?)
        }
        Some(Codec::Rle) => plain(rle::decode(format, &frame.bytes)?),
        Some(Codec::Jpeg) => jpeg::decode(format, &frame.bytes)?,
        Some(Codec::JpegLs) => jpegls::decode(format, &frame.bytes)?,
        Some(codec) => guarded(syntax, || third_party(codec, format, &frame.bytes))?,
        None => return Err(Error::unsupported(format!("transfer syntax {syntax}"))),
    };
    if decoded.bytes.len() as u64 != size {
        let text = format!("the frame decodes to {} bytes, its header needs {size}", decoded.bytes.len());
        return Err(Error::malformed(text));
    }
    Ok(decoded)
}

pub(super) fn plain(bytes: Vec<u8>) -> Decoded {
    Decoded { bytes, colour: None }
}

/// Runs a codec that is not ours: a panic inside it is a malformed frame, not the end of the program.
fn guarded(syntax: &TransferSyntax, decode: impl FnOnce() -> Result<Decoded>) -> Result<Decoded> {
    let failed = || Err(Error::malformed(format!("the {} decoder failed on this frame", syntax.name())));
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| failed())
}

#[cfg(feature = "codecs")]
fn third_party(codec: Codec, format: &PixelFormat, bytes: &[u8]) -> Result<Decoded> {
    match codec {
        Codec::Jpeg2000 => super::jpeg2000::decode(format, bytes),
        Codec::JpegXl => super::jpegxl::decode(format, bytes),
        Codec::Native | Codec::Deflate | Codec::Rle | Codec::Jpeg | Codec::JpegLs => {
            Err(Error::unsupported("not a third-party codec"))
        }
    }
}

#[cfg(not(feature = "codecs"))]
fn third_party(_: Codec, _: &PixelFormat, _: &[u8]) -> Result<Decoded> {
    Err(Error::unsupported("this build has no compressed transfer syntaxes (feature `codecs`)"))
}

/// Fails unless a codestream's own geometry is the header's: it decides how much memory the decoder takes.
pub(super) fn check_geometry(format: &PixelFormat, rows: u64, columns: u64, samples: u64) -> Result<()> {
    if (rows, columns, samples) == (format.rows as u64, format.columns as u64, format.samples as u64) {
        return Ok(());
    }
    let header = format!("{} x {} x {}", format.rows, format.columns, format.samples);
    Err(Error::malformed(format!(
        "the codestream holds {rows} x {columns} x {samples} samples, the header says {header}"
    )))
}
