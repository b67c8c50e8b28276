//! Elements, items and files, byte by byte.

use std::io::Write;

/// Implicit VR Little Endian.
pub const IMPLICIT: &str = "1.2.840.10008.1.2";
/// Explicit VR Little Endian.
pub const EXPLICIT: &str = "1.2.840.10008.1.2.1";
/// Deflated Explicit VR Little Endian.
pub const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
/// Explicit VR Big Endian.
pub const EXPLICIT_BIG: &str = "1.2.840.10008.1.2.2";
/// RLE Lossless.
pub const RLE: &str = "1.2.840.10008.1.2.5";

/// VR style and byte order of a data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Implicit VR Little Endian.
    Implicit,
    /// Explicit VR Little Endian.
    #[default]
    Explicit,
    /// Explicit VR Big Endian.
    ExplicitBig,
}

impl Encoding {
    /// The transfer syntax of native data in this encoding.
    pub fn syntax(self) -> &'static str {
        match self {
            Self::Implicit => IMPLICIT,
            Self::Explicit => EXPLICIT,
            Self::ExplicitBig => EXPLICIT_BIG,
        }
    }
}

/// A data set under construction, in Explicit VR Little Endian unless [`Bytes::of`] says otherwise.
#[derive(Clone, Debug, Default)]
pub struct Bytes(pub Vec<u8>, Encoding);

impl Bytes {
    /// An empty data set in `encoding`.
    pub fn of(encoding: Encoding) -> Self {
        Self(Vec::new(), encoding)
    }

    /// An element with a value that is padded to an even length; the bytes of numbers are given in the order of the file.
    pub fn put(mut self, group: u16, element: u16, vr: &str, value: &[u8]) -> Self {
        let mut value = value.to_vec();
        if value.len() % 2 == 1 {
            value.push(if matches!(vr, "UI" | "OB" | "UN") { 0 } else { b' ' });
        }
        self = self.head(group, element, vr, value.len() as u32);
        self.0.extend(value);
        self
    }

    /// An element header alone.
    pub fn head(self, group: u16, element: u16, vr: &str, len: u32) -> Self {
        let with = self.u16(group).u16(element);
        if with.1 == Encoding::Implicit {
            return with.u32(len);
        }
        let with = with.raw(vr.as_bytes());
        if matches!(vr, "OB" | "OD" | "OF" | "OL" | "OV" | "OW" | "SQ" | "SV" | "UC" | "UN" | "UR" | "UT" | "UV") {
            with.raw(&[0, 0]).u32(len)
        } else {
            with.u16(len as u16)
        }
    }

    /// An element of text.
    pub fn text(self, group: u16, element: u16, vr: &str, value: &str) -> Self {
        self.put(group, element, vr, value.as_bytes())
    }

    /// An element of VR US with one value.
    pub fn short(self, group: u16, element: u16, value: u16) -> Self {
        self.words(group, element, "US", &[value])
    }

    /// An element of 16-bit words.
    pub fn words(self, group: u16, element: u16, vr: &str, values: &[u16]) -> Self {
        let order = if self.1 == Encoding::ExplicitBig { u16::to_be_bytes } else { u16::to_le_bytes };
        let bytes: Vec<u8> = values.iter().flat_map(|value| order(*value)).collect();
        self.put(group, element, vr, &bytes)
    }

    /// An item (E000), its delimiter (E00D) or that of a sequence (E0DD).
    pub fn item(self, element: u16, len: u32) -> Self {
        self.u16(0xFFFE).u16(element).u32(len)
    }

    /// A sequence of one item, both of defined length.
    pub fn sequence(self, group: u16, element: u16, item: &Bytes) -> Self {
        let len = item.0.len() as u32;
        self.head(group, element, "SQ", len + 8).item(0xE000, len).raw(&item.0)
    }

    /// A sequence of one item, both of undefined length.
    pub fn open_sequence(self, group: u16, element: u16, item: &Bytes) -> Self {
        let open = self.head(group, element, "SQ", u32::MAX).item(0xE000, u32::MAX).raw(&item.0);
        open.item(0xE00D, 0).item(0xE0DD, 0)
    }

    /// Any bytes.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// The data set behind preamble and the least file meta information: the transfer syntax.
    pub fn file(&self, syntax: &str) -> Vec<u8> {
        let meta = Bytes::default().text(2, 0x10, "UI", syntax);
        [&[0; 128], b"DICM".as_slice(), &meta.0, &self.0].concat()
    }

    fn u16(self, value: u16) -> Self {
        let bytes = if self.1 == Encoding::ExplicitBig { value.to_be_bytes() } else { value.to_le_bytes() };
        self.raw(&bytes)
    }

    fn u32(self, value: u32) -> Self {
        let bytes = if self.1 == Encoding::ExplicitBig { value.to_be_bytes() } else { value.to_le_bytes() };
        self.raw(&bytes)
    }
}

/// Raw deflate (RFC 1951), as PS3.5 A.5 wants it.
pub fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("in memory")
}
