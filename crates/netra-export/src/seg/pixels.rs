//! Frames and their pixel data: packed bits, or run-length encoded labels and probabilities.

use dicom_core::value::{PixelFragmentSequence, PrimitiveValue, Value};
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use ndarray::{Array3, ArrayView2};
use netra_core::{Error, LabelMap, Result, Segment};
use netra_dicom::write::element::us;

use super::Encoding;
use super::fractional::Shares;
use super::segments::Numbered;

/// One frame of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Slice of the label map.
    pub plane: usize,
    /// Index into [`Numbered::segments`]; `None` in a label map, whose frames hold every segment.
    pub segment: Option<usize>,
}

/// What the frames of an object show.
pub(super) enum Shown<'a> {
    /// Every segment at once, a frame a plane.
    Labels(&'a LabelMap, Encoding),
    /// Where one segment lies.
    Masks(&'a LabelMap),
    /// How probable one segment is.
    Shares(Shares<'a>),
}

impl Shown<'_> {
    /// The frames to store. A label map stores every plane; the others every plane that a segment touches, segment by segment,
    /// and one empty frame when there is none, since an object needs a frame.
    pub fn frames(&self, numbered: &Numbered<'_>) -> Vec<Frame> {
        let touched = match self {
            Self::Labels(map, _) => {
                return (0..map.labels().dim().0).map(|plane| Frame { plane, segment: None }).collect();
            }
            Self::Masks(map) => touched(map, numbered),
            Self::Shares(shares) => shares.touched(),
        };
        let mut frames: Vec<Frame> = Vec::new();
        for (segment, planes) in touched.iter().enumerate() {
            let present = planes.iter().enumerate().filter(|(_, touched)| **touched);
            frames.extend(present.map(|(plane, _)| Frame { plane, segment: Some(segment) }));
        }
        if frames.is_empty() {
            frames.push(Frame { plane: 0, segment: Some(0) });
        }
        frames
    }

    /// Puts Pixel Data and the attributes that describe its bits; gives the transfer syntax that they need.
    pub fn put(
        &self,
        object: &mut InMemDicomObject,
        numbered: &Numbered<'_>,
        frames: &[Frame],
    ) -> Result<&'static str> {
        let bits: u16 = match self {
            Self::Masks(_) => 1,
            Self::Labels(..) if numbered.segments.iter().any(|(number, _)| *number > 255) => 16,
            Self::Labels(..) | Self::Shares(_) => 8,
        };
        us(object, tags::BITS_ALLOCATED, &[bits]);
        us(object, tags::BITS_STORED, &[bits]);
        us(object, tags::HIGH_BIT, &[bits - 1]);
        match self {
            Self::Masks(map) => {
                let planes: Vec<ArrayView2<'_, u16>> = map.labels().outer_iter().collect();
                let masks = frames.iter().filter_map(|frame| {
                    let label = numbered.segments.get(frame.segment?).map_or(0, |(_, segment)| segment.number);
                    planes.get(frame.plane).map(|plane| (*plane, label))
                });
                let packed = pack(masks, map.labels().dim().1 * map.labels().dim().2 * frames.len());
                object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(packed.into())));
                Ok(uids::EXPLICIT_VR_LITTLE_ENDIAN)
            }
            Self::Labels(map, Encoding::Native) => {
                us(object, tags::PIXEL_PADDING_VALUE, &[0]);
                object.put(native(map.labels(), bits)?);
                Ok(uids::EXPLICIT_VR_LITTLE_ENDIAN)
            }
            Self::Labels(map, Encoding::RunLengths) => {
                us(object, tags::PIXEL_PADDING_VALUE, &[0]);
                compressed(object, map.labels().outer_iter().map(|plane| run_lengths(plane, bits)))
            }
            Self::Shares(shares) => {
                compressed(object, frames.iter().map(|frame| run_lengths(shares.plane(*frame), bits)))
            }
        }
    }
}

/// Which planes hold each segment.
fn touched(map: &LabelMap, numbered: &Numbered<'_>) -> Vec<Vec<bool>> {
    let index_of = Segment::places(numbered.segments.iter().map(|(_, segment)| *segment));
    let mut touched = vec![vec![false; map.labels().dim().0]; numbered.segments.len()];
    for (plane, slice) in map.labels().outer_iter().enumerate() {
        for &label in slice {
            if let Some(index) = index_of[usize::from(label)] {
                touched[index][plane] = true;
            }
        }
    }
    touched
}

/// Puts frames in RLE Lossless, a fragment a frame, behind a table of their offsets.
fn compressed(object: &mut InMemDicomObject, frames: impl Iterator<Item = Vec<u8>>) -> Result<&'static str> {
    let fragments: Vec<Vec<u8>> = frames.collect();
    let offsets = offset_table(&fragments)?;
    let pixels: Value<InMemDicomObject, Vec<u8>> = PixelFragmentSequence::new(offsets, fragments).into();
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, pixels));
    Ok(uids::RLE_LOSSLESS)
}

/// All labels in one value, 8 or 16 bits each; a pad byte makes the length even. Fails when the value has no 32-bit length.
fn native(labels: &Array3<u16>, bits: u16) -> Result<DataElement<InMemDicomObject>> {
    if labels.len().saturating_mul(usize::from(bits / 8)) >= u32::MAX as usize {
        return Err(Error::limit("the label map is over 4 GiB; it can be written with run lengths"));
    }
    Ok(match bits {
        8 => {
            let bytes = labels.iter().map(|&label| label as u8).chain((labels.len() % 2 == 1).then_some(0));
            DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(bytes.collect::<Vec<u8>>().into()))
        }
        _ => {
            let words: Vec<u16> = labels.iter().copied().collect();
            DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(words.into()))
        }
    })
}

/// Bits of all frames in one run, the first pixel in the lowest bit; frames do not begin on byte borders (PS3.5 8.1.1).
/// A pad byte makes the length even. A label of 0 stands for an empty segment list and sets no bit.
fn pack<'a>(masks: impl Iterator<Item = (ArrayView2<'a, u16>, u16)>, bits: usize) -> Vec<u8> {
    let mut bytes = vec![0u8; bits.div_ceil(16) * 2];
    let mut at = 0usize;
    for (plane, label) in masks {
        for &value in plane {
            if label != 0 && value == label {
                bytes[at / 8] |= 1 << (at % 8);
            }
            at += 1;
        }
    }
    bytes
}

/// Byte offsets of the frames, counted from the first item after the table (PS3.5 A.4).
fn offset_table(fragments: &[Vec<u8>]) -> Result<Vec<u32>> {
    let mut at = 0u32;
    let mut offsets = Vec::with_capacity(fragments.len());
    for fragment in fragments {
        offsets.push(at);
        at = u32::try_from(fragment.len() + 8)
            .ok()
            .and_then(|length| at.checked_add(length))
            .ok_or_else(|| Error::limit("the frames are over 4 GiB even when compressed"))?;
    }
    Ok(offsets)
}

/// One frame in RLE Lossless (PS3.5 annex G): a header, then one segment of runs for each byte of a pixel,
/// the most significant first. Runs end with their row.
fn run_lengths<T: Copy + Into<u16>>(plane: ArrayView2<'_, T>, bits: u16) -> Vec<u8> {
    let shifts: &[u16] = if bits == 16 { &[8, 0] } else { &[0] };
    let mut out = vec![0u8; 64];
    out[..4].copy_from_slice(&(shifts.len() as u32).to_le_bytes());
    let mut row_bytes = Vec::with_capacity(plane.ncols());
    for (segment, shift) in shifts.iter().enumerate() {
        // An encoded frame is hardly longer than the frame, which fits Rows x Columns x 2 < 2^33; see `offset_table`.
        let offset = (out.len() as u32).to_le_bytes();
        out[4 + 4 * segment..8 + 4 * segment].copy_from_slice(&offset);
        for row in plane.outer_iter() {
            row_bytes.clear();
            row_bytes.extend(row.iter().map(|&value| (value.into() >> shift) as u8));
            pack_bits(&row_bytes, &mut out);
        }
        if out.len() % 2 == 1 {
            out.push(0);
        }
    }
    out
}

/// PackBits: a count 0..=127 before `count + 1` literal bytes, or 257 - n before one byte repeated n = 2..=128 times.
fn pack_bits(row: &[u8], out: &mut Vec<u8>) {
    let mut rest = row;
    while let Some(&first) = rest.first() {
        let run = rest.iter().take(128).take_while(|&&byte| byte == first).count();
        if run >= 2 {
            out.extend([(257 - run) as u8, first]);
            rest = &rest[run..];
            continue;
        }
        // Literals last until three equal bytes: a pair among literals costs more as a run of its own.
        let run = rest.windows(3).position(|three| three[0] == three[1] && three[1] == three[2]);
        let literals = run.unwrap_or(rest.len()).min(128);
        out.push((literals - 1) as u8);
        out.extend_from_slice(&rest[..literals]);
        rest = &rest[literals..];
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Array3};
    use netra_core::CodedConcept;

    use super::super::SegKind;
    use super::*;

    fn unpack_bits(mut bytes: &[u8], length: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while out.len() < length {
            let count = usize::from(bytes[0]);
            if count < 128 {
                out.extend_from_slice(&bytes[1..count + 2]);
                bytes = &bytes[count + 2..];
            } else {
                out.extend(std::iter::repeat_n(bytes[1], 257 - count));
                bytes = &bytes[2..];
            }
        }
        out
    }

    #[test]
    fn runs_decode_to_the_same_row() {
        let mut state = 1u32;
        for length in [1usize, 2, 3, 127, 128, 129, 300, 1000] {
            for spread in [1u32, 2, 5, 200] {
                let row: Vec<u8> = (0..length)
                    .map(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        ((state >> 16) % spread) as u8
                    })
                    .collect();
                let mut packed = Vec::new();
                pack_bits(&row, &mut packed);
                assert_eq!(unpack_bits(&packed, length), row);
                assert!(packed.len() <= length + length.div_ceil(128) + 1, "{length} became {}", packed.len());
            }
        }
    }

    #[test]
    fn wide_labels_are_two_segments_with_the_high_byte_first() {
        let plane = Array2::from_elem((1, 4), 0x0102u16);
        let coded = run_lengths(plane.view(), 16);
        assert_eq!(&coded[..12], &[2, 0, 0, 0, 64, 0, 0, 0, 66, 0, 0, 0]);
        assert_eq!(&coded[64..], &[253, 1, 253, 2]);
    }

    #[test]
    fn bits_run_on_across_frames() {
        let plane = Array2::from_shape_vec((1, 5), vec![1u16, 0, 1, 2, 1]).unwrap();
        let packed = pack([(plane.view(), 1), (plane.view(), 2)].into_iter(), 10);
        // Frame 1: 1 0 1 0 1, frame 2: 0 0 0 1 0, lowest bit first.
        assert_eq!(packed, vec![0b0001_0101, 0b0000_0001]);
    }

    fn segment(number: u16) -> Segment {
        let concept = |value: &str| CodedConcept { value: value.into(), scheme: "SCT".into(), meaning: "x".into() };
        Segment {
            number,
            label: format!("s{number}"),
            category: concept("1"),
            property_type: concept("2"),
            anatomic_region: None,
            colour: [1, 2, 3],
        }
    }

    #[test]
    fn empty_planes_are_left_out_but_one_frame_stays() {
        let mut labels = Array3::<u16>::zeros((3, 2, 2));
        labels[(2, 0, 0)] = 9;
        labels[(0, 1, 1)] = 4;
        let map = LabelMap::new(labels, vec![segment(9), segment(4), segment(7)]).unwrap();
        let numbered = Numbered::of(&map, SegKind::Binary);
        assert_eq!(numbered.segments.iter().map(|(n, s)| (*n, s.number)).collect::<Vec<_>>(), [(1, 4), (2, 7), (3, 9)]);
        let stored = Shown::Masks(&map).frames(&numbered);
        assert_eq!(stored, [Frame { plane: 0, segment: Some(0) }, Frame { plane: 2, segment: Some(2) }]);

        let map = LabelMap::new(Array3::zeros((3, 2, 2)), vec![segment(1)]).unwrap();
        let numbered = Numbered::of(&map, SegKind::Binary);
        assert_eq!(Shown::Masks(&map).frames(&numbered).len(), 1);
        assert_eq!(Shown::Labels(&map, Encoding::RunLengths).frames(&numbered).len(), 3);
    }
}
