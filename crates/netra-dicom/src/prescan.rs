//! The bounded walk over a data set (PS3.5 section 7) that decides what may be read.
//!
//! dicom-rs 0.10.1 takes memory for a declared length before the bytes are there, and parses nested sequences by
//! recursion. So its parser never sees a file: this walk reads element headers one after the other, keeps its own stack,
//! compares every length with the enclosing item and the stream, and hands out tokens from which
//! [`dataset`](crate::dataset) builds dicom-rs' object.

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;
use netra_core::{Error, Limits, Result};

use crate::source::Stream;
use crate::syntax::Encoding;

const UNDEFINED: u32 = 0xFFFF_FFFF;
const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);
const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);

/// What the walk came upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// An element whose `len` value bytes come next: the caller reads or skips them.
    Value {
        tag: Tag,
        vr: VR,
        len: u32,
    },
    /// Pixel data outside any sequence; `None`: encapsulated, fragments come next.
    Pixels {
        tag: Tag,
        vr: VR,
        len: Option<u32>,
    },
    /// Encapsulated pixel data of an item (an icon): fragments come next.
    ItemPixels {
        tag: Tag,
        vr: VR,
    },
    SequenceStart {
        tag: Tag,
        vr: VR,
    },
    SequenceEnd,
    ItemStart,
    ItemEnd,
}

/// One fragment of encapsulated pixel data: where its value lies in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub offset: u64,
    pub len: u32,
}

struct Level {
    is_sequence: bool,
    /// Where a level of defined length ends.
    end: Option<u64>,
    /// The end of the nearest level of defined length, this one included.
    bound: Option<u64>,
    encoding: Encoding,
}

/// The walk itself.
pub(crate) struct Scanner<'a> {
    pub stream: Stream,
    levels: Vec<Level>,
    elements: usize,
    limits: &'a Limits,
    /// Pixel Representation is 1: elements of VR "US or SS" are SS.
    pub signed: bool,
    /// The data set ended inside an element header or a delimiter was missing.
    pub ragged: bool,
}

impl<'a> Scanner<'a> {
    pub fn new(stream: Stream, encoding: Encoding, limits: &'a Limits) -> Self {
        let end = stream.remaining().map(|left| stream.position().saturating_add(left));
        let root = Level { is_sequence: false, end, bound: end, encoding };
        Self { stream, levels: vec![root], elements: 0, limits, signed: false, ragged: false }
    }

    /// Sequences around the current position.
    pub fn depth(&self) -> usize {
        self.levels.len() / 2
    }

    /// Byte order and VR style at the current position.
    pub fn encoding(&self) -> Encoding {
        self.levels.last().map_or(Encoding::ExplicitLittle, |level| level.encoding)
    }

    /// The next token; `None` at the end of the data set.
    pub fn next(&mut self) -> Result<Option<Token>> {
        loop {
            let position = self.stream.position();
            let Some(level) = self.levels.last() else { return Ok(None) };
            if level.bound.is_some_and(|bound| position > bound) {
                return Err(self.malformed("an element reaches beyond the item or sequence around it"));
            }
            if level.end == Some(position) {
                return Ok(self.pop());
            }
            if self.levels.len() == 1 && self.root_is_over()? {
                self.levels.clear();
                return Ok(None);
            }
            let token = if level_is_sequence(&self.levels) { self.item()? } else { self.element()? };
            if token.is_some() {
                return Ok(token);
            }
        }
    }

    /// Fails when `n` bytes reach beyond the current level or the stream.
    pub fn check(&self, n: u64) -> Result<()> {
        let bound = self.levels.last().and_then(|level| level.bound);
        let end = self.stream.position().saturating_add(n);
        if bound.is_some_and(|bound| end > bound) {
            return Err(self.malformed(format!("{n} bytes are declared, fewer are left")));
        }
        self.stream.expect(n)
    }

    /// Walks encapsulated pixel data up to and with the sequence delimiter (PS3.5 A.4): the values of the basic offset
    /// table, which is the first item, and the places of the fragments.
    pub fn fragments(&mut self) -> Result<(Vec<u32>, Vec<Fragment>)> {
        let (tag, len) = self.item_header()?;
        if tag != ITEM || len == UNDEFINED || u64::from(len) / 4 > self.limits.elements as u64 {
            return Err(self.malformed("no basic offset table where encapsulated pixel data starts"));
        }
        self.check(len.into())?;
        let table = self.stream.bytes(len.into())?;
        let offsets = table.chunks_exact(4).filter_map(|c| c.try_into().ok()).map(u32::from_le_bytes).collect();
        let mut fragments = Vec::new();
        loop {
            if self.levels.len() == 1 && self.root_is_over()? {
                self.ragged = true;
                return Ok((offsets, fragments));
            }
            self.count()?;
            let (tag, len) = self.item_header()?;
            match tag {
                SEQUENCE_END => return Ok((offsets, fragments)),
                ITEM if len != UNDEFINED => {
                    self.check(len.into())?;
                    fragments.push(Fragment { offset: self.stream.position(), len });
                    self.stream.skip(len.into())?;
                }
                _ => return Err(self.malformed("no fragment where one must start")),
            }
        }
    }

    /// An error at the current byte.
    pub fn malformed(&self, message: impl Into<String>) -> Error {
        Error::malformed(message).at(format!("byte {}", self.stream.position()))
    }

    fn root_is_over(&mut self) -> Result<bool> {
        if self.stream.at_end()? {
            return Ok(true);
        }
        let over = self.stream.remaining().is_some_and(|left| left < 8);
        self.ragged |= over;
        Ok(over)
    }

    fn count(&mut self) -> Result<()> {
        self.elements += 1;
        if self.elements > self.limits.elements {
            return Err(Error::limit(format!("more than {} elements and items", self.limits.elements)));
        }
        Ok(())
    }

    fn pop(&mut self) -> Option<Token> {
        let level = self.levels.pop()?;
        if self.levels.is_empty() {
            return None;
        }
        Some(if level.is_sequence { Token::SequenceEnd } else { Token::ItemEnd })
    }

    fn push(&mut self, is_sequence: bool, len: u32, encoding: Encoding) -> Result<()> {
        if is_sequence && self.depth() >= self.limits.nesting {
            let text = format!("sequences are nested more than {} deep", self.limits.nesting);
            return Err(Error::limit(text).at(format!("byte {}", self.stream.position())));
        }
        let outer = self.levels.last().and_then(|level| level.bound);
        let end = if len == UNDEFINED {
            None
        } else {
            self.check(len.into())?;
            Some(self.stream.position().saturating_add(len.into()))
        };
        self.levels.push(Level { is_sequence, end, bound: end.or(outer), encoding });
        Ok(())
    }

    fn item(&mut self) -> Result<Option<Token>> {
        let undefined = self.levels.last().is_some_and(|level| level.end.is_none());
        let (tag, len) = self.item_header()?;
        self.count()?;
        match tag {
            ITEM => {
                self.push(false, len, self.encoding())?;
                Ok(Some(Token::ItemStart))
            }
            SEQUENCE_END if undefined => Ok(self.pop()),
            // A delimiter at the end of a sequence of defined length says nothing new.
            SEQUENCE_END => Ok(None),
            _ => Err(self.malformed(format!("{tag} stands where a sequence item must start"))),
        }
    }

    fn element(&mut self) -> Result<Option<Token>> {
        let encoding = self.encoding();
        self.check(8)?;
        let tag = self.tag(encoding)?;
        if tag == ITEM_END {
            let _length = self.u32(encoding)?;
            let undefined = self.levels.last().is_some_and(|level| level.end.is_none());
            return if undefined && self.levels.len() > 1 { Ok(self.pop()) } else { Ok(None) };
        }
        if tag.group() == 0xFFFE {
            return Err(self.malformed(format!("{tag} stands where an element must start")));
        }
        self.count()?;
        let (vr, len) = match encoding {
            Encoding::ImplicitLittle => (self.dictionary_vr(tag), self.u32(encoding)?),
            _ => self.explicit(tag, encoding)?,
        };
        let at = |e: Error| e.at(tag);
        if len == UNDEFINED {
            return self.undefined(tag, vr, encoding).map_err(at);
        }
        self.check(len.into()).map_err(at)?;
        if vr == VR::SQ {
            self.push(true, len, encoding).map_err(at)?;
            return Ok(Some(Token::SequenceStart { tag, vr }));
        }
        if self.levels.len() == 1 && is_pixels(tag) {
            return Ok(Some(Token::Pixels { tag, vr, len: Some(len) }));
        }
        Ok(Some(Token::Value { tag, vr, len }))
    }

    fn undefined(&mut self, tag: Tag, vr: VR, encoding: Encoding) -> Result<Option<Token>> {
        if tag == PIXEL_DATA {
            let outside = self.levels.len() == 1;
            return Ok(Some(if outside {
                Token::Pixels { tag, vr, len: None }
            } else {
                Token::ItemPixels { tag, vr }
            }));
        }
        let inner = match (encoding, vr) {
            (Encoding::ImplicitLittle, _) => encoding,
            // PS3.5 6.2.2 note 4: UN of undefined length holds a sequence in Implicit VR Little Endian.
            (_, VR::UN) => Encoding::ImplicitLittle,
            (_, VR::SQ) => encoding,
            _ => return Err(self.malformed(format!("undefined length with VR {}", vr.to_string()))),
        };
        self.push(true, UNDEFINED, inner)?;
        Ok(Some(Token::SequenceStart { tag, vr: VR::SQ }))
    }

    fn explicit(&mut self, tag: Tag, encoding: Encoding) -> Result<(VR, u32)> {
        let code = self.stream.array::<2>()?;
        let Some(vr) = VR::from_binary(code) else {
            let text = format!("bytes {:02x} {:02x} are no VR", code[0], code[1]);
            return Err(self.malformed(text).at(tag));
        };
        if is_long(vr) {
            self.check(6)?;
            self.stream.skip(2)?;
            return Ok((vr, self.u32(encoding)?));
        }
        let bytes = self.stream.array::<2>()?;
        let len = if encoding == Encoding::ExplicitBig { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) };
        Ok((vr, len.into()))
    }

    fn dictionary_vr(&self, tag: Tag) -> VR {
        if tag.element() == 0 {
            return VR::UL;
        }
        if tag.group() % 2 == 1 {
            return if (0x10..=0xFF).contains(&tag.element()) { VR::LO } else { VR::UN };
        }
        match StandardDataDictionary.by_tag(tag).map(|entry| entry.vr()) {
            Some(VirtualVr::Xs) => {
                if self.signed {
                    VR::SS
                } else {
                    VR::US
                }
            }
            Some(vr) => vr.relaxed(),
            None => VR::UN,
        }
    }

    fn item_header(&mut self) -> Result<(Tag, u32)> {
        self.check(8)?;
        let encoding = self.encoding();
        Ok((self.tag(encoding)?, self.u32(encoding)?))
    }

    fn tag(&mut self, encoding: Encoding) -> Result<Tag> {
        let [a, b, c, d] = self.stream.array::<4>()?;
        Ok(if encoding == Encoding::ExplicitBig {
            Tag(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
        } else {
            Tag(u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
        })
    }

    fn u32(&mut self, encoding: Encoding) -> Result<u32> {
        let bytes = self.stream.array::<4>()?;
        Ok(if encoding == Encoding::ExplicitBig { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }
}

fn level_is_sequence(levels: &[Level]) -> bool {
    levels.last().is_some_and(|level| level.is_sequence)
}

/// Pixel Data, Float Pixel Data, Double Float Pixel Data.
fn is_pixels(tag: Tag) -> bool {
    tag.group() == 0x7FE0 && matches!(tag.element(), 0x0008..=0x0010)
}

/// VRs with a 32-bit length in the explicit encodings (PS3.5 table 7.1-1).
pub(crate) fn is_long(vr: VR) -> bool {
    use VR::*;
    matches!(vr, OB | OD | OF | OL | OV | OW | SQ | SV | UC | UN | UR | UT | UV)
}
