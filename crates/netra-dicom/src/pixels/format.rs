//! The image pixel module (PS3.3 C.7.6.3), checked before any byte of the pixels is read.

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{Error, Limits, Result};

use super::{cut, samples};
use crate::attributes::{integer, text};
use crate::code::{Code, Notes};
use crate::fragments::{Ending, PixelElement, Place};
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

/// How many frames of so many bytes fill native pixel data to the last byte.
fn whole_frames(place: &Place, frame: u64) -> Option<u32> {
    let Place::Native { len, .. } = place else { return None };
    let frames = len.checked_div(frame)?;
    (frames > 0 && len.is_multiple_of(frame)).then_some(u32::try_from(frames).ok()?)
}

impl PixelFormat {
    /// Reads and checks the attributes against the bytes that are there, which decide in case of doubt.
    pub(crate) fn read(
        header: &InMemDicomObject,
        element: PixelElement,
        syntax: &TransferSyntax,
        limits: &Limits,
        notes: &mut Notes,
    ) -> Result<(Self, Place)> {
        let mut format = Self::attributes(header, &element, notes)?;
        // A frame costs as much as a file of its own, however little it holds.
        if format.frames > limits.files {
            let text = format!("{} frames, the limit is {}", format.frames, limits.files);
            return Err(Error::limit(text).at(tags::NUMBER_OF_FRAMES));
        }
        let big = syntax.encoding() == Encoding::ExplicitBig;
        format.swapped = big && element.vr == VR::OW && format.bits_allocated <= 8;
        let frame = format.frame_bytes().filter(|&bytes| bytes <= limits.frame_bytes).ok_or_else(|| {
            let Self { rows, columns, samples, bits_allocated, .. } = format;
            let text = format!("a frame of {rows} x {columns} x {samples} samples of {bits_allocated} bits");
            Error::limit(format!("{text} is over the limit of {} bytes", limits.frame_bytes))
        })?;
        let PixelElement { tag, ending, mut place, .. } = element;
        let is_cut = ending == Ending::Cut;
        match &mut place {
            Place::Native { len, .. } => format.fit_native(*len, is_cut, notes).map_err(|e| e.at(tag))?,
            Place::Encapsulated { offsets, fragments } => {
                // Without delimiter, what lies there may have been cut between two fragments.
                if is_cut || (ending == Ending::Open && fragments.len() < format.frames && !fragments.is_empty()) {
                    format.frames = cut::whole_frames(format.frames, is_cut, offsets, fragments, notes);
                }
                if fragments.is_empty() || (format.frames > 1 && fragments.len() < format.frames) {
                    let text = format!("{} fragments hold {} frames", fragments.len(), format.frames);
                    return Err(Error::malformed(text).at(tag));
                }
                let uncompressed = syntax.codec() == Some(Codec::Native);
                format.subsampled = uncompressed && format.photometric == "YBR_FULL_422" && frame > 0;
            }
        }
        Ok((format, place))
    }

    /// Compares the frames with the `len` bytes of native pixel data.
    fn fit_native(&mut self, len: u64, is_cut: bool, notes: &mut Notes) -> Result<()> {
        self.subsampled = self.photometric == "YBR_FULL_422" && self.samples == 3;
        let whole = self.bytes_of(self.frames, self.subsampled);
        // Some writers say 4:2:2 and store every sample.
        if self.subsampled && self.bytes_of(self.frames, false).is_some_and(|bytes| bytes <= len) {
            self.subsampled = false;
            notes.add(Code::Ybr422NotSubsampled, || "YBR_FULL_422 with every chrominance sample stored".to_owned());
        } else if whole.is_none_or(|whole| whole > len) {
            let frames = if is_cut { self.frames_in(len) } else { 0 };
            if frames == 0 {
                let needed = whole.map_or_else(|| "more than 2^64".to_owned(), |whole| whole.to_string());
                let text = format!("the pixel data has {len} bytes, its {} frames need {needed}", self.frames);
                return Err(Error::malformed(text));
            }
            cut::note(frames, self.frames, notes);
            self.frames = frames;
        } else if whole.is_some_and(|whole| len - whole > 1) {
            notes.add(Code::PixelDataLonger, || format!("the pixel data has {len} bytes, more than its frames need"));
        }
        Ok(())
    }

    /// Frames that `len` bytes of a cut file hold: the whole ones, or the single one when more than half of it is there. Half
    /// a frame or less is no picture, and colour by plane without its last plane is another picture.
    fn frames_in(&self, len: u64) -> usize {
        let pixels = self.bytes_of(1, self.subsampled).unwrap_or(u64::MAX);
        if self.frames == 1 {
            let by_plane = self.planar && self.samples > 1;
            return usize::from(len > pixels / 2 && !by_plane);
        }
        // Frames of single bits need not start at a byte.
        let bits = if self.bits_allocated == 1 { self.pixels() as u64 } else { pixels.saturating_mul(8) };
        usize::try_from(len.saturating_mul(8) / bits.max(1)).unwrap_or(0).min(self.frames)
    }

    fn attributes(header: &InMemDicomObject, element: &PixelElement, notes: &mut Notes) -> Result<Self> {
        let need = |tag| integer(header, tag).ok_or_else(|| Error::malformed("missing or not a number").at(tag));
        let (rows, columns) = (need(tags::ROWS)?, need(tags::COLUMNS)?);
        if rows == 0 || columns == 0 {
            return Err(Error::malformed(format!("an image of {rows} x {columns} pixels")));
        }
        let kind = if matches!(element.tag, tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA) {
            SampleKind::Float
        } else {
            SampleKind::Integer
        };
        let bits_allocated = match kind {
            SampleKind::Integer => need(tags::BITS_ALLOCATED)?,
            SampleKind::Float if element.tag == tags::FLOAT_PIXEL_DATA => 32,
            SampleKind::Float => 64,
        };
        if !matches!(bits_allocated, 1 | 8 | 16 | 32 | 64) {
            return Err(Error::unsupported(format!("{bits_allocated} bits allocated")).at(tags::BITS_ALLOCATED));
        }
        let mut usual = |tag, value: u32| {
            integer(header, tag).unwrap_or_else(|| {
                if kind == SampleKind::Integer {
                    notes.add(Code::PixelAttributeMissing, || format!("{tag} is missing, {value} was taken"));
                }
                value
            })
        };
        let bits_stored = usual(tags::BITS_STORED, bits_allocated);
        let high_bit = usual(tags::HIGH_BIT, bits_stored.saturating_sub(1));
        let signed = usual(tags::PIXEL_REPRESENTATION, 0) == 1;
        let fits = kind == SampleKind::Float
            || ((1..=bits_allocated).contains(&bits_stored)
                && high_bit < bits_allocated
                && high_bit + 1 >= bits_stored);
        if !fits {
            let text = format!("{bits_stored} bits stored up to bit {high_bit} of {bits_allocated} allocated");
            return Err(Error::malformed(text).at(tags::BITS_STORED));
        }
        let frames = match text(header, tags::NUMBER_OF_FRAMES) {
            None => 1,
            Some(text) => match integer(header, tags::NUMBER_OF_FRAMES) {
                Some(frames) => frames.max(1),
                None => {
                    let samples = integer(header, tags::SAMPLES_PER_PIXEL).unwrap_or(1);
                    let bits = [columns, samples, bits_allocated].into_iter().map(u64::from);
                    let frame = bits.fold(u64::from(rows), u64::saturating_mul).div_ceil(8);
                    let wrong = || Error::malformed("the number of frames is not a number").at(tags::NUMBER_OF_FRAMES);
                    let frames = whole_frames(&element.place, frame).ok_or_else(wrong)?;
                    notes.add(Code::NumberRepaired, || {
                        format!("a number of frames of {text:?}: {frames} fill the data")
                    });
                    frames
                }
            },
        };
        let image = [rows, columns, frames, bits_allocated];
        let (samples, photometric) = samples::settle(header, element, image, notes)?;
        let planar = integer(header, tags::PLANAR_CONFIGURATION);
        if samples == 3 && planar.is_none() && matches!(element.place, Place::Native { .. }) {
            notes.add(Code::PlanarConfigurationMissing, || "colour by pixel is assumed".to_owned());
        }
        Ok(Self {
            rows: rows as usize,
            columns: columns as usize,
            samples: samples as usize,
            frames: frames as usize,
            bits_allocated,
            bits_stored,
            high_bit,
            signed,
            planar: planar == Some(1),
            photometric,
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
