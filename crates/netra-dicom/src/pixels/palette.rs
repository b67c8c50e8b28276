//! Lookup tables (PS3.3 C.11.1.1, C.11.2.1.1 and C.7.6.3.1.5).

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{Error, Result};

use crate::attributes::{numbers, table};

/// A table from a stored or modality value to an unsigned number of `bits` bits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lut {
    first: f64,
    entries: Vec<u16>,
    bits: u32,
}

impl Lut {
    /// Reads a descriptor (entries, first value mapped, bits of an entry) and its data. `signed`: the values mapped can
    /// be negative, so a first value in the upper half of 16 bits is.
    pub fn read(object: &InMemDicomObject, descriptor: Tag, data: Tag, signed: bool) -> Result<Self> {
        Self::expanded(object, descriptor, data, signed, |words, bits, count| {
            // Entries of 8 bits may lie two in a word.
            Some(if bits == 8 && words.len() < count { bytes(&words) } else { words })
        })
    }

    /// Reads a descriptor and segmented data (PS3.3 C.7.9.2).
    fn segmented(object: &InMemDicomObject, descriptor: Tag, data: Tag, signed: bool) -> Result<Self> {
        Self::expanded(object, descriptor, data, signed, |words, bits, count| {
            segments(if bits == 8 { bytes(&words) } else { words }, bits, count)
        })
    }

    fn expanded(
        object: &InMemDicomObject,
        descriptor: Tag,
        data: Tag,
        signed: bool,
        expand: impl FnOnce(Vec<u16>, u32, usize) -> Option<Vec<u16>>,
    ) -> Result<Self> {
        let wrong = |text: &str| Error::malformed(text).at(descriptor);
        let Some(&[count, first, bits]) = numbers(object, descriptor).as_deref() else {
            return Err(wrong("a table descriptor needs three numbers"));
        };
        // 0 stands for 65536; a writer with VR SS writes counts above 32767 as negative numbers.
        let count = if count <= 0.0 { count + 65536.0 } else { count } as usize;
        let bits = bits as u32;
        if !(1..=16).contains(&bits) {
            return Err(wrong("the entries of a table have 8 to 16 bits"));
        }
        let words = table(object, data).ok_or_else(|| Error::malformed("the table has no data").at(data))?;
        let mut entries = expand(words, bits, count)
            .ok_or_else(|| Error::malformed("the segments of the table are wrong").at(data))?;
        if entries.len() < count || count == 0 {
            return Err(Error::malformed(format!("{} table entries, {count} are declared", entries.len())).at(data));
        }
        entries.truncate(count);
        let first = if signed && first > 32767.0 { first - 65536.0 } else { first };
        Ok(Self { first, entries, bits })
    }

    /// The entry of `value`: values before the first and after the last take the first and the last.
    pub fn at(&self, value: f64) -> f64 {
        let index = (value - self.first).clamp(0.0, (self.entries.len() - 1) as f64) as usize;
        self.entries[index].into()
    }

    /// The highest number that an entry can hold.
    pub fn highest(&self) -> f64 {
        2f64.powi(self.bits as i32) - 1.0
    }
}

/// Two entries of 8 bits in a word, the lower first.
fn bytes(words: &[u16]) -> Vec<u16> {
    words.iter().flat_map(|w| w.to_le_bytes()).map(u16::from).collect()
}

/// The entries, at most `count`, that segments stand for: values as they are (0), a line from the last value (1), or segments
/// that came before (2). `None` where they contradict themselves.
fn segments(data: Vec<u16>, bits: u32, count: usize) -> Option<Vec<u16>> {
    let mut entries = Vec::new();
    // The segment to come, and where to go on after that many segments that are repeated.
    let (mut at, mut repeated) = (0, None);
    while entries.len() < count {
        let (&[kind, length], mut rest) = data.get(at..)?.split_first_chunk()?;
        let length = usize::from(length);
        if entries.len() + length > count {
            return None;
        }
        match kind {
            0 => {
                entries.extend(rest.get(..length)?);
                rest = &rest[length..];
            }
            1 => {
                let (from, to) = (f64::from(*entries.last()?), f64::from(*rest.first()?));
                let value = |i: usize| (from + (to - from) * i as f64 / length as f64).round() as u16;
                entries.extend((1..=length).map(value));
                rest = &rest[1..];
            }
            // What is repeated does not repeat.
            2 if repeated.is_none() && length > 0 => {
                // A byte offset, its low part first: of four bytes, or of two words.
                let width = if bits == 8 { 4 } else { 2 };
                let parts = rest.get(..width)?.iter().rev();
                let offset = parts.fold(0, |n, &part| (n << (32 / width)) | part as usize);
                repeated = Some((length, data.len() - rest.len() + width));
                at = if bits == 8 { offset } else { offset / 2 };
                continue;
            }
            _ => return None,
        }
        at = data.len() - rest.len();
        if let Some((left, back)) = &mut repeated {
            *left -= 1;
            if *left == 0 {
                at = *back;
                repeated = None;
            }
        }
    }
    Some(entries)
}

/// The three tables of PALETTE COLOR.
pub(crate) struct Palette([Lut; 3]);

impl Palette {
    pub fn read(header: &InMemDicomObject, signed: bool) -> Result<Self> {
        let lut = |descriptor, plain, segmented| match header.get(segmented) {
            Some(_) => Lut::segmented(header, descriptor, segmented, signed),
            None => Lut::read(header, descriptor, plain, signed),
        };
        Ok(Self([
            lut(
                tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
                tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
                tags::SEGMENTED_RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
            )?,
            lut(
                tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
                tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
                tags::SEGMENTED_GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
            )?,
            lut(
                tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
                tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
                tags::SEGMENTED_BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
            )?,
        ]))
    }

    /// Red, green and blue of one stored value, 0 to 255.
    pub fn at(&self, value: f64) -> [f32; 3] {
        self.0.each_ref().map(|lut| (lut.at(value) / lut.highest() * 255.0) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_values_lines_and_repetitions() {
        // 5 7; a line of four to 15; both again (the line from 15); 1.
        let bytes = vec![0, 2, 5, 7, 1, 4, 15, 2, 2, 0, 0, 0, 0, 0, 1, 1];
        let want = vec![5, 7, 9, 11, 13, 15, 5, 7, 9, 11, 13, 15, 1];
        assert_eq!(segments(bytes, 8, 13), Some(want));
        // An offset of 4 bytes is the third word.
        let words = vec![0, 1, 600, 1, 2, 1000, 2, 1, 6, 0];
        assert_eq!(segments(words, 16, 5), Some(vec![600, 800, 1000, 1000, 1000]));
    }

    #[test]
    fn wrong_segments_are_refused() {
        for wrong in [vec![1, 2, 3], vec![0, 3, 1], vec![3, 1, 1], vec![0, 1, 5, 2, 1, 3, 0], vec![0, 9], vec![]] {
            assert_eq!(segments(wrong.clone(), 16, 4), None, "{wrong:?}");
        }
    }
}
