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
        // Entries of 8 bits may lie two in a word.
        let mut entries: Vec<u16> = if bits == 8 && words.len() < count {
            words.iter().flat_map(|w| w.to_le_bytes()).map(u16::from).collect()
        } else {
            words
        };
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

/// The three tables of PALETTE COLOR.
pub(crate) struct Palette([Lut; 3]);

impl Palette {
    pub fn read(header: &InMemDicomObject, signed: bool) -> Result<Self> {
        if header.get(tags::SEGMENTED_RED_PALETTE_COLOR_LOOKUP_TABLE_DATA).is_some() {
            return Err(Error::unsupported("segmented palette colour lookup tables"));
        }
        let lut = |descriptor, data| Lut::read(header, descriptor, data, signed);
        Ok(Self([
            lut(tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR, tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA)?,
            lut(tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR, tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA)?,
            lut(tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR, tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA)?,
        ]))
    }

    /// Red, green and blue of one stored value, 0 to 255.
    pub fn at(&self, value: f64) -> [f32; 3] {
        self.0.each_ref().map(|lut| (lut.at(value) / lut.highest() * 255.0) as f32)
    }
}
