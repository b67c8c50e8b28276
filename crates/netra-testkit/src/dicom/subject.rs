//! The image that all shapes are made from: 3 rows and 4 columns of 16 bits, a sequence, a private element, Latin text.

use super::build::{Bytes, Encoding};

/// The stored values of the image, row by row.
pub const PIXELS: [u16; 12] = [100, 101, 102, 103, 110, 111, 112, 113, 120, 121, 122, 123];

/// The attributes of the image, each as the bytes of its element.
#[derive(Clone, Debug)]
pub struct Subject {
    encoding: Encoding,
    elements: Vec<((u16, u16), Vec<u8>)>,
}

impl Subject {
    /// The image in `encoding`, without fault.
    pub fn new(encoding: Encoding) -> Self {
        let e = || Bytes::of(encoding);
        let reference = e().text(0x08, 0x1150, "UI", "1.2.840.10008.5.1.4.1.1.2").text(0x08, 0x1155, "UI", "1.2.3.99");
        Self { encoding, elements: Vec::new() }
            .set(0x08, 0x05, e().text(0x08, 0x05, "CS", "ISO_IR 100"))
            .set(0x08, 0x08, e().text(0x08, 0x08, "CS", "ORIGINAL\\PRIMARY\\AXIAL"))
            .set(0x08, 0x16, e().text(0x08, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.2"))
            .set(0x08, 0x18, e().text(0x08, 0x18, "UI", "1.2.3.1"))
            .set(0x08, 0x60, e().text(0x08, 0x60, "CS", "CT"))
            .set(0x08, 0x1030, e().put(0x08, 0x1030, "LO", b"Sch\xE4del"))
            .set(0x08, 0x1140, e().sequence(0x08, 0x1140, &reference))
            .set(0x09, 0x10, e().text(0x09, 0x10, "LO", "NETRA TEST"))
            .set(0x09, 0x1001, e().put(0x09, 0x1001, "UN", b"private"))
            .set(0x10, 0x10, e().text(0x10, 0x10, "PN", "Test^Image"))
            .set(0x20, 0x0D, e().text(0x20, 0x0D, "UI", "1.2.3"))
            .set(0x20, 0x0E, e().text(0x20, 0x0E, "UI", "1.2.3.4"))
            .set(0x20, 0x13, e().text(0x20, 0x13, "IS", "1"))
            .set(0x20, 0x32, e().text(0x20, 0x32, "DS", "-10\\-20\\5"))
            .set(0x20, 0x37, e().text(0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0"))
            .set(0x28, 0x02, e().short(0x28, 0x02, 1))
            .set(0x28, 0x04, e().text(0x28, 0x04, "CS", "MONOCHROME2"))
            .set(0x28, 0x10, e().short(0x28, 0x10, 3))
            .set(0x28, 0x11, e().short(0x28, 0x11, 4))
            .set(0x28, 0x30, e().text(0x28, 0x30, "DS", "0.7\\0.5"))
            .set(0x28, 0x100, e().short(0x28, 0x100, 16))
            .set(0x28, 0x101, e().short(0x28, 0x101, 16))
            .set(0x28, 0x102, e().short(0x28, 0x102, 15))
            .set(0x28, 0x103, e().short(0x28, 0x103, 0))
            .set(0x7FE0, 0x10, e().words(0x7FE0, 0x10, "OW", &PIXELS))
    }

    /// Elements in the encoding of the image.
    pub fn e(&self) -> Bytes {
        Bytes::of(self.encoding)
    }

    /// Puts `bytes` where an element of this tag stands or has to stand.
    pub fn set(mut self, group: u16, element: u16, bytes: Bytes) -> Self {
        match self.elements.binary_search_by_key(&(group, element), |(tag, _)| *tag) {
            Ok(at) => self.elements[at].1 = bytes.0,
            Err(at) => self.elements.insert(at, ((group, element), bytes.0)),
        }
        self
    }

    /// Leaves an element out.
    pub fn without(self, group: u16, element: u16) -> Self {
        self.set(group, element, Bytes::default())
    }

    /// Changes the bytes of one element.
    pub fn patch(self, group: u16, element: u16, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let found = self.elements.iter().find(|(tag, _)| *tag == (group, element));
        let mut bytes = found.map(|(_, bytes)| bytes.clone()).expect("the element is there");
        change(&mut bytes);
        self.set(group, element, Bytes::default().raw(&bytes))
    }

    /// The data set alone.
    pub fn data_set(&self) -> Vec<u8> {
        self.elements.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect()
    }

    /// The data set with its elements in another order: `last` to the end.
    pub fn data_set_with_last(&self, last: &[(u16, u16)]) -> Vec<u8> {
        let part = |is_last: bool| {
            let own = move |(tag, _): &&((u16, u16), Vec<u8>)| last.contains(tag) == is_last;
            self.elements.iter().filter(own).flat_map(|(_, bytes)| bytes.iter().copied()).collect::<Vec<u8>>()
        };
        [part(false), part(true)].concat()
    }

    /// The file: preamble, whole file meta information, data set.
    pub fn file(&self) -> Vec<u8> {
        Self::wrap(self.encoding.syntax(), &self.data_set())
    }

    /// `data_set` behind preamble and whole file meta information.
    pub fn wrap(syntax: &str, data_set: &[u8]) -> Vec<u8> {
        [&[0; 128], b"DICM".as_slice(), &Self::meta(Encoding::Explicit, syntax), data_set].concat()
    }

    /// Whole file meta information.
    pub fn meta(encoding: Encoding, syntax: &str) -> Vec<u8> {
        let rest = Bytes::of(encoding)
            .put(2, 1, "OB", &[0, 1])
            .text(2, 2, "UI", "1.2.840.10008.5.1.4.1.1.2")
            .text(2, 3, "UI", "1.2.3.1")
            .text(2, 0x10, "UI", syntax)
            .text(2, 0x12, "UI", "1.2.3.0");
        Bytes::of(encoding).put(2, 0, "UL", &(rest.0.len() as u32).to_le_bytes()).raw(&rest.0).0
    }
}
