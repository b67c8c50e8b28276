//! Which bytes belong to which frame (PS3.5 section 8 and A.4), read from the source in order.

use std::ops::Range;

use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{Error, Limits, Result};

use super::codec::{self, Decoded};
use super::format::PixelFormat;
use crate::file::DicomFile;
use crate::fragments::{Fragment, Place};
use crate::source::Stream;
use crate::syntax::Encoding;

/// Encapsulated frames may decode to this much in all, however little they hold: most frames of a segmentation are empty.
const SMALL: u64 = 512 << 20;

/// The undecoded bytes of one frame.
pub(crate) struct EncodedFrame {
    pub bytes: Vec<u8>,
    /// Bit of the first byte where a native frame of single bits starts.
    pub bit: u32,
}

/// Reads the frames of one instance, first to last, from a stream that is opened once.
pub(crate) struct FrameReader<'a> {
    stream: Stream,
    format: &'a PixelFormat,
    place: &'a Place,
    /// Fragments of each frame; empty for native pixel data.
    fragments: Vec<Range<usize>>,
    /// Position and value of the last bytes read: native frames of single bits may share a byte or a word.
    tail: (u64, Vec<u8>),
}

impl<'a> FrameReader<'a> {
    pub fn new(file: &'a DicomFile, limits: &Limits) -> Result<Self> {
        let Some((format, place)) = &file.pixels else {
            return Err(Error::unsupported("the instance has no pixel data"));
        };
        if !file.syntax.is_decoded() {
            let text = format!("pixel data in transfer syntax {} is not decoded by this build", file.syntax);
            return Err(Error::unsupported(text));
        }
        let fragments = match place {
            Place::Native { .. } => Vec::new(),
            Place::Encapsulated { offsets, fragments } => {
                let encoded: u64 = fragments.iter().map(|fragment| u64::from(fragment.len)).sum();
                let decoded = (format.decoded_bytes() as u64).saturating_mul(format.frames as u64);
                if decoded > SMALL.max(encoded.saturating_mul(limits.inflation)) {
                    return Err(Error::limit(format!("{encoded} bytes are said to decode to {decoded}")));
                }
                let starts = || codestream_starts(file, fragments, limits);
                assign(&file.header, format.frames, offsets, fragments, starts)?
            }
        };
        let stream = file.body.open(&file.source, limits)?;
        Ok(Self { stream, format, place, fragments, tail: (0, Vec::new()) })
    }

    /// The undecoded bytes of `frame` (from 0). Frames must be asked for in rising order.
    pub fn read(&mut self, frame: usize) -> Result<EncodedFrame> {
        let missing = || Error::invalid(format!("frame {} of {}", frame + 1, self.format.frames));
        if frame >= self.format.frames {
            return Err(missing());
        }
        match self.place {
            Place::Native { offset, len } => {
                let (start, whole, bit) = self.format.native_span(frame).ok_or_else(missing)?;
                // Shorter for the last frame of a file that was cut, see `PixelFormat::read`.
                let count = whole.min(len.saturating_sub(start));
                let start = offset.saturating_add(start);
                let shared = start.checked_sub(self.tail.0).and_then(|skip| self.tail.1.get(skip as usize..));
                let mut bytes = shared.unwrap_or_default().to_vec();
                if bytes.is_empty() {
                    self.stream.skip_to(start)?;
                }
                let left = count.saturating_sub(bytes.len() as u64);
                append(&mut bytes, self.stream.bytes(left)?);
                let kept = bytes.len().saturating_sub(2);
                self.tail = (start.saturating_add(kept as u64), bytes[kept..].to_vec());
                bytes.resize(whole as usize, 0);
                Ok(EncodedFrame { bytes, bit })
            }
            Place::Encapsulated { fragments, .. } => {
                let range = self.fragments.get(frame).cloned().ok_or_else(missing)?;
                let mut bytes = Vec::new();
                for fragment in fragments.get(range).unwrap_or_default() {
                    self.stream.skip_to(fragment.offset)?;
                    append(&mut bytes, self.stream.bytes(fragment.len.into())?);
                }
                Ok(EncodedFrame { bytes, bit: 0 })
            }
        }
    }
}

/// Adds `more` to `bytes`; the first piece, mostly the only one, is not copied.
fn append(bytes: &mut Vec<u8>, mut more: Vec<u8>) {
    if bytes.is_empty() { *bytes = more } else { bytes.append(&mut more) }
}

/// Decodes what [`FrameReader::read`] returned: little endian, colour by pixel, one byte a sample of one bit.
pub(crate) fn decode_frame(file: &DicomFile, frame: EncodedFrame, limits: &Limits) -> Result<Decoded> {
    let Some((format, place)) = &file.pixels else {
        return Err(Error::unsupported("the instance has no pixel data"));
    };
    let native = matches!(place, Place::Native { .. });
    let big = file.body.encoding == Encoding::ExplicitBig;
    codec::decode(format, &file.syntax, native, big, frame, limits)
}

/// Fragments of each frame: one each, all for a single frame, as an offset table says, or from one start of a
/// codestream to the next.
fn assign(
    header: &InMemDicomObject,
    frames: usize,
    offsets: &[u32],
    fragments: &[Fragment],
    codestreams: impl FnOnce() -> Result<Vec<usize>>,
) -> Result<Vec<Range<usize>>> {
    let count = fragments.len();
    if frames == 1 {
        return Ok(std::iter::once(0..count).collect());
    }
    if frames == count {
        return Ok((0..count).map(|i| i..i + 1).collect());
    }
    let extended = extended_offsets(header);
    let table = if extended.len() == frames { extended } else { offsets.iter().map(|&o| o.into()).collect() };
    let mut starts = if table.len() == frames {
        // Offsets count from the first byte of the first fragment's item tag, 8 bytes before its value.
        let base = fragments.first().map_or(0, |fragment| fragment.offset);
        let index = |offset: &u64| {
            let wrong = || Error::malformed("an entry of the offset table points at no fragment").at(tags::PIXEL_DATA);
            let position = base.checked_add(*offset).ok_or_else(wrong)?;
            fragments.binary_search_by_key(&position, |fragment| fragment.offset).map_err(|_| wrong())
        };
        table.iter().map(index).collect::<Result<Vec<_>>>()?
    } else {
        codestreams()?
    };
    if starts.len() != frames || starts.first() != Some(&0) {
        let text = format!("{count} fragments hold {frames} frames, and nothing says how");
        return Err(Error::unsupported(text).at(tags::PIXEL_DATA));
    }
    starts.push(count);
    if starts.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(Error::malformed("the offset table is not in rising order").at(tags::PIXEL_DATA));
    }
    Ok(starts.windows(2).map(|pair| pair[0]..pair[1]).collect())
}

/// Fragments that start a JPEG or JPEG 2000 codestream.
fn codestream_starts(file: &DicomFile, fragments: &[Fragment], limits: &Limits) -> Result<Vec<usize>> {
    let mut stream = file.body.open(&file.source, limits)?;
    let mut starts = Vec::new();
    for (i, fragment) in fragments.iter().enumerate().filter(|(_, fragment)| fragment.len >= 4) {
        stream.skip_to(fragment.offset)?;
        if matches!(stream.array::<4>()?, [0xFF, 0xD8, 0xFF, _] | [0xFF, 0x4F, 0xFF, 0x51]) {
            starts.push(i);
        }
    }
    Ok(starts)
}

fn extended_offsets(header: &InMemDicomObject) -> Vec<u64> {
    use dicom_core::PrimitiveValue as P;
    match header.get(tags::EXTENDED_OFFSET_TABLE).and_then(|e| e.value().primitive()) {
        Some(P::U64(values)) => values.to_vec(),
        _ => Vec::new(),
    }
}
