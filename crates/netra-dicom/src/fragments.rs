//! Where pixel data lies: native, or encapsulated (PS3.5 A.4) with a basic offset table and fragments.

use dicom_core::{Tag, VR};
use netra_core::{Error, Result};

use crate::code::Code;
use crate::header::{self, ITEM, LONGEST, SEQUENCE_END, UNDEFINED};
use crate::prescan::Scanner;

/// The pixel data element: where its bytes lie in the data set's stream.
#[derive(Clone, Debug)]
pub(crate) struct PixelElement {
    pub tag: Tag,
    pub vr: VR,
    pub place: Place,
    pub ending: Ending,
}

/// Where pixel bytes lie.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Native { offset: u64, len: u64 },
    Encapsulated { offsets: Vec<u32>, fragments: Vec<Fragment> },
}

/// One fragment: where its value lies in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub offset: u64,
    pub len: u32,
}

/// All fragments of an element.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fragments {
    /// The values of the basic offset table.
    pub offsets: Vec<u32>,
    pub fragments: Vec<Fragment>,
    pub ending: Ending,
}

/// How pixel data ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As it should.
    #[default]
    Whole,
    /// Fragments without sequence delimiter: nothing tells whether some are missing.
    Open,
    /// The file ends inside the value or the last fragment.
    Cut,
}

impl Scanner<'_> {
    /// Where the pixel bytes lie that come next, `len` of them or fragments, and how they end.
    pub fn place(&mut self, len: Option<u32>) -> Result<(Place, Ending)> {
        let Some(len) = len else {
            let Fragments { offsets, fragments, ending } = self.fragments()?;
            return Ok((Place::Encapsulated { offsets, fragments }, ending));
        };
        let (offset, declared) = (self.stream.position(), u64::from(len));
        let len = self.left().map_or(declared, |left| left.min(declared));
        if len > self.limits.file_bytes {
            let limit = self.limits.file_bytes;
            return Err(Error::limit(format!("{len} bytes of pixel data, the limit is {limit}")));
        }
        Ok((Place::Native { offset, len }, if len < declared { Ending::Cut } else { Ending::Whole }))
    }

    /// Walks the items up to and with the sequence delimiter. Where it is missing, the end of the file or the next element
    /// of the data set stands for it.
    pub fn fragments(&mut self) -> Result<Fragments> {
        let mut found = Fragments::default();
        let table = self.fragment_header()?.filter(|(tag, len)| *tag == ITEM && *len != UNDEFINED);
        let Some((_, len)) = table.filter(|(_, len)| u64::from(*len) / 4 <= self.limits.elements as u64) else {
            return Err(self.malformed("no basic offset table where encapsulated pixel data starts"));
        };
        self.stream.skip(8)?;
        self.check(len.into())?;
        let table = self.stream.bytes(len.into())?;
        found.offsets = table.chunks_exact(4).filter_map(|c| c.try_into().ok()).map(u32::from_le_bytes).collect();
        let root = self.levels.len() == 1;
        loop {
            let Some((tag, len)) = self.fragment_header()? else {
                if !root {
                    return Err(self.malformed("no fragment where one must start"));
                }
                self.note_open();
                found.ending = Ending::Open;
                return Ok(found);
            };
            self.count()?;
            match tag {
                SEQUENCE_END => {
                    self.stream.skip(8)?;
                    return Ok(found);
                }
                ITEM if len != UNDEFINED => {
                    self.stream.skip(8)?;
                    if root && self.left().is_some_and(|left| left < len.into()) {
                        let left = self.left().and_then(|left| u32::try_from(left).ok()).unwrap_or(0);
                        if left > 0 {
                            found.fragments.push(Fragment { offset: self.stream.position(), len: left });
                            self.stream.skip(left.into())?;
                        }
                        found.ending = Ending::Cut;
                        return Ok(found);
                    }
                    self.check(len.into())?;
                    found.fragments.push(Fragment { offset: self.stream.position(), len });
                    self.stream.skip(len.into())?;
                    if len % 2 == 1 {
                        self.notes.add(Code::OddLength, || format!("a fragment has {len} bytes"));
                    }
                }
                _ if self.padded()? => {}
                tag if root && tag.group() > 0x7FE0 => {
                    self.note_open();
                    return Ok(found);
                }
                _ => return Err(self.malformed("no fragment where one must start")),
            }
        }
    }

    /// The item header that comes next, not taken; `None` at the end of the stream.
    fn fragment_header(&mut self) -> Result<Option<(Tag, u32)>> {
        if self.is_over()? {
            return Ok(None);
        }
        self.check(8)?;
        let encoding = self.encoding();
        let bytes = self.stream.peek(LONGEST)?;
        let len = header::read(bytes, encoding).map_or(0, |header| header.len);
        Ok(header::tag(bytes, encoding).map(|tag| (tag, len)))
    }

    fn note_open(&mut self) {
        self.notes.add(Code::DelimiterMissing, || "the encapsulated pixel data has no sequence delimiter".to_owned());
    }
}
