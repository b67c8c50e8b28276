//! The bounded walk over a data set (PS3.5 section 7) that decides what may be read.
//!
//! dicom-rs 0.10.1 takes memory for a declared length before the bytes are there, and parses nested sequences by
//! recursion. So its parser never sees a file: this walk reads element headers one after the other, keeps its own stack,
//! compares every length with the enclosing item and the stream, and hands out tokens from which
//! [`dataset`](crate::dataset) builds dicom-rs' object. Every step takes at least a byte or closes a level, so it ends.

use dicom_core::dictionary::VirtualVr;
use dicom_core::{Tag, VR};
use netra_core::{Error, Limits, Result};

use crate::code::{Code, Notes};
use crate::header::{self, Header, ITEM, ITEM_END, SEQUENCE_END, UNDEFINED};
use crate::source::Stream;
use crate::syntax::Encoding;
use crate::token::{Element, Token};

pub(crate) struct Level {
    pub is_sequence: bool,
    /// Where a level of defined length ends.
    pub end: Option<u64>,
    /// The end of the nearest level of defined length, this one included.
    pub bound: Option<u64>,
    pub encoding: Encoding,
    /// The tag of a sequence; the last tag of an item or data set.
    pub tag: Tag,
}

/// The walk itself.
pub(crate) struct Scanner<'a> {
    pub stream: Stream,
    pub(crate) levels: Vec<Level>,
    elements: usize,
    pub limits: &'a Limits,
    /// The last value has an odd length: a byte of padding may follow.
    pub(crate) odd: bool,
    /// The group of the pixel data: 7FE0, or what Image Location (0028,0200) of ACR-NEMA says.
    pub pixel_group: u16,
    pub notes: Notes,
}

impl<'a> Scanner<'a> {
    pub fn new(stream: Stream, encoding: Encoding, limits: &'a Limits) -> Self {
        let end = stream.remaining().map(|left| stream.position().saturating_add(left));
        let root = Level { is_sequence: false, end, bound: end, encoding, tag: Tag(0, 0) };
        let (levels, notes) = (vec![root], Notes::default());
        Self { stream, levels, elements: 0, limits, odd: false, pixel_group: 0x7FE0, notes }
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
            if level.bound == Some(position) {
                return Ok(self.pop_without_delimiter());
            }
            if std::mem::take(&mut self.odd) {
                self.skip_padding()?;
                continue;
            }
            let (is_sequence, is_defined) = (level.is_sequence, level.end.is_some());
            if self.is_over()? {
                if self.levels.len() == 1 {
                    self.levels.clear();
                    return Ok(None);
                }
                if is_defined {
                    return Err(self.malformed("the data ends inside an item or sequence"));
                }
                return Ok(self.pop_without_delimiter());
            }
            let token = if is_sequence { self.item()? } else { self.element()? };
            if token.is_some() || self.levels.is_empty() {
                return Ok(token);
            }
        }
    }

    /// Fails when `n` bytes reach beyond the current level or the stream.
    pub fn check(&self, n: u64) -> Result<()> {
        if self.left().is_some_and(|left| n > left) {
            return Err(self.malformed(format!("{n} bytes are declared, fewer are left")));
        }
        self.stream.expect(n)
    }

    /// Bytes up to the end of the nearest level of defined length.
    pub fn left(&self) -> Option<u64> {
        let bound = self.levels.last().and_then(|level| level.bound);
        bound.map(|bound| bound.saturating_sub(self.stream.position()))
    }

    /// An error at the current byte.
    pub fn malformed(&self, message: impl Into<String>) -> Error {
        Error::malformed(message).at(self.here())
    }

    pub fn here(&self) -> String {
        format!("byte {}", self.stream.position())
    }

    /// Whether the stream holds no further header.
    pub fn is_over(&mut self) -> Result<bool> {
        if self.stream.at_end()? {
            return Ok(true);
        }
        let over = self.stream.peek(8)?.len() < 8;
        if over && !self.notes.has(Code::RaggedEnd) {
            self.notes.add(Code::RaggedEnd, || "the data set does not end where its last element ends".to_owned());
        }
        Ok(over)
    }

    pub fn count(&mut self) -> Result<()> {
        self.elements += 1;
        if self.elements > self.limits.elements {
            return Err(Error::limit(format!("more than {} elements and items", self.limits.elements)));
        }
        Ok(())
    }

    pub(crate) fn pop(&mut self) -> Option<Token> {
        self.odd = false;
        let level = self.levels.pop()?;
        if self.levels.is_empty() {
            return None;
        }
        Some(if level.is_sequence { Token::SequenceEnd } else { Token::ItemEnd })
    }

    pub(crate) fn pop_without_delimiter(&mut self) -> Option<Token> {
        let place = self.here();
        self.notes.add(Code::DelimiterMissing, || format!("an item or sequence ends without delimiter at {place}"));
        self.pop()
    }

    fn push(&mut self, is_sequence: bool, tag: Tag, len: u32, encoding: Encoding) -> Result<()> {
        if is_sequence && self.depth() >= self.limits.nesting {
            let text = format!("sequences are nested more than {} deep", self.limits.nesting);
            return Err(Error::limit(text).at(self.here()));
        }
        let outer = self.levels.last().and_then(|level| level.bound);
        let end = if len == UNDEFINED {
            None
        } else {
            self.check(len.into())?;
            Some(self.stream.position().saturating_add(len.into()))
        };
        self.levels.push(Level { is_sequence, end, bound: end.or(outer), encoding, tag });
        Ok(())
    }

    fn item(&mut self) -> Result<Option<Token>> {
        self.check(8)?;
        let encoding = self.encoding();
        let next = self.stream.peek(16)?;
        let tag = header::tag(next, encoding).unwrap_or(Tag(0, 0));
        let len = header::read(next, encoding).map_or(0, |header| header.len);
        let second = header::tag(next.get(8..).unwrap_or_default(), encoding);
        let (undefined, sequence) =
            self.levels.last().map_or((false, Tag(0, 0)), |level| (level.end.is_none(), level.tag));
        match tag {
            ITEM => {
                self.count()?;
                self.stream.skip(8)?;
                self.push(false, Tag(0, 0), len, encoding)?;
                Ok(Some(Token::ItemStart))
            }
            SEQUENCE_END => {
                self.stream.skip(8)?;
                // A delimiter at the end of a sequence of defined length says nothing new.
                Ok(if undefined { self.pop() } else { None })
            }
            ITEM_END if matches!(second, Some(ITEM | SEQUENCE_END)) => self.stray(tag),
            ITEM_END if undefined && self.levels.len() > 2 => Ok(self.pop_without_delimiter()),
            _ if self.padded()? => Ok(None),
            _ if undefined && self.goes_on_after(sequence)? => Ok(self.pop_without_delimiter()),
            _ => Err(self.malformed(format!("{tag} stands where a sequence item must start"))),
        }
    }

    fn element(&mut self) -> Result<Option<Token>> {
        self.check(8)?;
        let root = self.levels.len() == 1;
        let after_some = self.levels.last().is_some_and(|level| level.tag > Tag(0, 0));
        if root && after_some && self.stream.peek(8)? == [0; 8] {
            self.notes.add(Code::TrailingPadding, || "zeros follow the last element".to_owned());
            self.levels.clear();
            return Ok(None);
        }
        let header = self.header()?;
        let Header { tag, len, .. } = header;
        if tag.group() == 0xFFFE {
            return self.delimiter(tag);
        }
        self.count()?;
        self.check(header.size as u64).map_err(|e| e.at(tag))?;
        self.stream.skip(header.size as u64)?;
        let encoding = self.encoding();
        if let Some(level) = self.levels.last_mut() {
            level.tag = tag;
        }
        let vr = header.vr.unwrap_or_else(|| header::implicit_vr(tag, false));
        if len == UNDEFINED {
            return self.undefined(tag, vr, encoding).map_err(|e| e.at(tag));
        }
        if root && self.is_pixels(tag) {
            return Ok(Some(Token::Pixels { tag, vr, len: Some(len) }));
        }
        self.check(len.into()).map_err(|e| e.at(tag))?;
        let inner = self.sequence_in(tag, vr, encoding)?;
        if let Some(inner) = inner {
            self.push(true, tag, len, inner).map_err(|e| e.at(tag))?;
            return Ok(Some(Token::SequenceStart { tag }));
        }
        if len % 2 == 1 {
            self.odd = true;
            self.notes.add(Code::OddLength, || format!("{tag} has {len} bytes"));
        }
        let big = encoding == Encoding::ExplicitBig;
        Ok(Some(Token::Value(Element { tag, vr, explicit: header.vr.is_some(), big, len })))
    }

    /// The encoding of the items of an element of defined length, when it is a sequence. A known sequence of VR UN holds
    /// Implicit VR Little Endian (PS3.5 6.2.2 note 2).
    fn sequence_in(&mut self, tag: Tag, vr: VR, encoding: Encoding) -> Result<Option<Encoding>> {
        if vr == VR::SQ {
            return Ok(Some(encoding));
        }
        let known = vr == VR::UN && header::dictionary(tag) == Some(VirtualVr::Exact(VR::SQ));
        if !known || header::tag(self.stream.peek(4)?, Encoding::ImplicitLittle) != Some(ITEM) {
            return Ok(None);
        }
        self.notes.add(Code::VrUnknown, || format!("{tag} has VR UN, not SQ"));
        Ok(Some(Encoding::ImplicitLittle))
    }

    fn undefined(&mut self, tag: Tag, vr: VR, encoding: Encoding) -> Result<Option<Token>> {
        if self.levels.len() == 1 && self.is_pixels(tag) {
            return Ok(Some(Token::Pixels { tag, vr, len: None }));
        }
        let inner = match (encoding, vr) {
            _ if tag == Tag(0x7FE0, 0x10) => return Ok(Some(Token::Fragments { tag, vr })),
            (Encoding::ImplicitLittle, _) => encoding,
            // PS3.5 6.2.2 note 4: UN of undefined length holds a sequence in Implicit VR Little Endian.
            (_, VR::UN) => Encoding::ImplicitLittle,
            (_, VR::SQ) => encoding,
            (_, VR::OB | VR::OW) => return Ok(Some(Token::Fragments { tag, vr })),
            _ => return Err(self.malformed(format!("undefined length with VR {}", vr.to_string()))),
        };
        self.push(true, tag, UNDEFINED, inner)?;
        Ok(Some(Token::SequenceStart { tag }))
    }

    /// Pixel Data, Float Pixel Data, Double Float Pixel Data.
    fn is_pixels(&self, tag: Tag) -> bool {
        (tag.group() == 0x7FE0 && matches!(tag.element(), 0x0008..=0x0010))
            || (tag.group() == self.pixel_group && tag.element() == 0x0010)
    }
}
