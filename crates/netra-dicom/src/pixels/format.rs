//! The image pixel module (PS3.3 C.7.6.3), checked before any byte of the pixels is read.

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{Error, Limits, Result};

use crate::attributes::{integer, text};
use crate::dataset::{PixelElement, Place};
use crate::syntax::{Codec, Encoding, TransferSyntax};

/// Whether samples are integers or IEEE 754 numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleKind {
    /// Pixel Data (7FE0,0010).
    Integer,
    /// Float Pixel Data (7FE0,0008), 32 bits, or Double Float Pixel Data (7FE0,0009), 64 bits.
    Float,
}

/// Size and layout of the frames of one instance. Every product of its fields was checked to fit the limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PixelFormat {
    /// Rows of a frame, at least 1.
    pub rows: usize,
    /// Columns of a frame, at least 1.
    pub columns: usize,
    /// Samples per Pixel, 1 or 3.
    pub samples: usize,
    /// Number of Frames, at least 1.
    pub frames: usize,
    /// Bits Allocated: 1, 8, 16, 32 or 64.
    pub bits_allocated: u32,
    /// Bits Stored, at most Bits Allocated.
    pub bits_stored: u32,
    /// High Bit, below Bits Allocated.
    pub high_bit: u32,
    /// Pixel Representation is 1: two's complement.
    pub signed: bool,
    /// Planar Configuration is 1: colour by plane.
    pub planar: bool,
    /// Photometric Interpretation.
    pub photometric: String,
    /// Integers or floating-point numbers.
    pub kind: SampleKind,
    /// Native YBR_FULL_422: two pixels share their chrominance.
    pub(crate) subsampled: bool,
    /// Samples of 8 bits and less that a big-endian data set stores in 16-bit words (VR OW): bytes are swapped in pairs.
    pub(crate) swapped: bool,
}

/// Notes for warnings: `(code, message)`.
type Notes = Vec<(&'static str, String)>;

impl PixelFormat {
    pub(crate) fn read(
        header: &InMemDicomObject,
        element: &PixelElement,
        syntax: &TransferSyntax,
        limits: &Limits,
    ) -> Result<(Self, Notes)> {
        let mut format = Self::attributes(header, element)?;
        // A frame costs as much as a file of its own, however little it holds.
        if format.frames > limits.files {
            let text = format!("{} frames, the limit is {}", format.frames, limits.files);
            return Err(Error::limit(text).at(tags::NUMBER_OF_FRAMES));
        }
        let big = syntax.encoding() == Encoding::ExplicitBig;
        format.swapped = big && element.vr == VR::OW && format.bits_allocated <= 8;
        let mut notes = Notes::new();
        let frame = format.frame_bytes().filter(|&bytes| bytes <= limits.frame_bytes).ok_or_else(|| {
            let Self { rows, columns, samples, bits_allocated, .. } = format;
            let text = format!("a frame of {rows} x {columns} x {samples} samples of {bits_allocated} bits");
            Error::limit(format!("{text} is over the limit of {} bytes", limits.frame_bytes))
        })?;
        match &element.place {
            Place::Native { len, .. } => {
                format.subsampled = format.photometric == "YBR_FULL_422" && format.samples == 3;
                let whole = format.bytes_of(format.frames, format.subsampled);
                // Some writers say 4:2:2 and store every sample.
                if format.subsampled && format.bytes_of(format.frames, false).is_some_and(|bytes| bytes <= *len) {
                    format.subsampled = false;
                    notes.push(("ybr-422-not-subsampled", "YBR_FULL_422 with every chrominance sample stored".into()));
                } else if whole.is_none_or(|whole| whole > *len) {
                    let needed = whole.map_or_else(|| "more than 2^64".to_owned(), |whole| whole.to_string());
                    let text = format!("the pixel data has {len} bytes, its {} frames need {needed}", format.frames);
                    return Err(Error::malformed(text).at(element.tag));
                } else if whole.is_some_and(|whole| len - whole > 1) {
                    notes.push((
                        "pixel-data-longer",
                        format!("the pixel data has {len} bytes, more than its frames need"),
                    ));
                }
            }
            Place::Encapsulated { fragments, .. } => {
                if fragments.is_empty() || (format.frames > 1 && fragments.len() < format.frames) {
                    let text = format!("{} fragments hold {} frames", fragments.len(), format.frames);
                    return Err(Error::malformed(text).at(element.tag));
                }
                let uncompressed = syntax.codec() == Some(Codec::Native);
                format.subsampled = uncompressed && format.photometric == "YBR_FULL_422" && frame > 0;
            }
        }
        Ok((format, notes))
    }

    fn attributes(header: &InMemDicomObject, element: &PixelElement) -> Result<Self> {
        let need = |tag| integer(header, tag).ok_or_else(|| Error::malformed("missing or not a number").at(tag));
        let (rows, columns) = (need(tags::ROWS)?, need(tags::COLUMNS)?);
        if rows == 0 || columns == 0 {
            return Err(Error::malformed(format!("an image of {rows} x {columns} pixels")));
        }
        let kind = if element.tag == tags::PIXEL_DATA { SampleKind::Integer } else { SampleKind::Float };
        let bits_allocated = match kind {
            SampleKind::Integer => need(tags::BITS_ALLOCATED)?,
            SampleKind::Float if element.tag == tags::FLOAT_PIXEL_DATA => 32,
            SampleKind::Float => 64,
        };
        if !matches!(bits_allocated, 1 | 8 | 16 | 32 | 64) {
            return Err(Error::unsupported(format!("{bits_allocated} bits allocated")).at(tags::BITS_ALLOCATED));
        }
        let bits_stored = integer(header, tags::BITS_STORED).unwrap_or(bits_allocated);
        let high_bit = integer(header, tags::HIGH_BIT).unwrap_or(bits_stored.saturating_sub(1));
        let fits = kind == SampleKind::Float
            || ((1..=bits_allocated).contains(&bits_stored)
                && high_bit < bits_allocated
                && high_bit + 1 >= bits_stored);
        if !fits {
            let text = format!("{bits_stored} bits stored up to bit {high_bit} of {bits_allocated} allocated");
            return Err(Error::malformed(text).at(tags::BITS_STORED));
        }
        let samples = integer(header, tags::SAMPLES_PER_PIXEL).unwrap_or(1);
        if !matches!(samples, 1 | 3) {
            return Err(Error::unsupported(format!("{samples} samples per pixel")).at(tags::SAMPLES_PER_PIXEL));
        }
        let frames = match text(header, tags::NUMBER_OF_FRAMES) {
            None => 1,
            Some(text) => {
                let wrong = || Error::malformed("the number of frames is not a number").at(tags::NUMBER_OF_FRAMES);
                text.parse::<u32>().map_err(|_| wrong())?.max(1)
            }
        };
        let grey = if samples == 1 { "MONOCHROME2" } else { "RGB" };
        Ok(Self {
            rows: rows as usize,
            columns: columns as usize,
            samples: samples as usize,
            frames: frames as usize,
            bits_allocated,
            bits_stored,
            high_bit,
            signed: integer(header, tags::PIXEL_REPRESENTATION) == Some(1),
            planar: integer(header, tags::PLANAR_CONFIGURATION) == Some(1),
            photometric: text(header, tags::PHOTOMETRIC_INTERPRETATION).unwrap_or_else(|| grey.to_owned()),
            kind,
            subsampled: false,
            swapped: false,
        })
    }

    /// Pixels of a frame.
    pub fn pixels(&self) -> usize {
        self.rows * self.columns
    }

    /// Bytes of a decoded frame; a bit takes one byte.
    pub(crate) fn decoded_bytes(&self) -> usize {
        self.pixels() * self.samples * self.bytes_per_sample()
    }

    pub(crate) fn bytes_per_sample(&self) -> usize {
        (self.bits_allocated as usize).div_ceil(8)
    }

    /// Bytes of a decoded frame, or `None` when the product overflows.
    fn frame_bytes(&self) -> Option<u64> {
        let bytes = self.bytes_per_sample() as u64;
        (self.rows as u64).checked_mul(self.columns as u64)?.checked_mul(self.samples as u64)?.checked_mul(bytes)
    }

    /// Bytes of `frames` native frames.
    fn bytes_of(&self, frames: usize, subsampled: bool) -> Option<u64> {
        let samples = if subsampled { 2 } else { self.samples as u64 };
        let pixels = (self.rows as u64).checked_mul(self.columns as u64)?.checked_mul(samples)?;
        let bits = pixels.checked_mul(self.bits_allocated.into())?.checked_mul(frames as u64)?;
        Some(bits.div_ceil(8))
    }

    /// The range of byte positions that hold native frame `frame`, and the bit in the first byte where it starts. Pairs of
    /// bytes that are stored as words stay together.
    pub(crate) fn native_span(&self, frame: usize) -> Option<(u64, u64, u32)> {
        let samples = if self.subsampled { 2 } else { self.samples as u64 };
        let bits = (self.pixels() as u64).checked_mul(samples)?.checked_mul(self.bits_allocated.into())?;
        let first = bits.checked_mul(frame as u64)?;
        let end = first.checked_add(bits)?.div_ceil(8);
        if self.swapped {
            // Whole words, so that they can be swapped.
            let start = first / 16 * 2;
            return Some((start, end.next_multiple_of(2) - start, (first - start * 8) as u32));
        }
        Some((first / 8, end - first / 8, (first % 8) as u32))
    }
}
