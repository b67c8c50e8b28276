//! What the walk does where bytes are not as they should be: it looks ahead, a bounded way, and takes the reading after
//! which the data set goes on.

use dicom_core::Tag;
use netra_core::Result;

use crate::code::Code;
use crate::header::{self, Header, ITEM, ITEM_END, LONGEST, SEQUENCE_END};
use crate::prescan::Scanner;
use crate::stream::LOOK_AHEAD;
use crate::syntax::Encoding;
use crate::token::Token;

impl Scanner<'_> {
    /// A delimiter or an item where an element could start.
    pub(crate) fn delimiter(&mut self, tag: Tag) -> Result<Option<Token>> {
        let nested = self.levels.len() > 1;
        let undefined = self.levels.last().is_some_and(|level| level.end.is_none());
        match tag {
            ITEM_END if nested && undefined => {
                self.stream.skip(8)?;
                Ok(self.pop())
            }
            ITEM_END => self.stray(tag),
            SEQUENCE_END if !nested => self.stray(tag),
            ITEM | SEQUENCE_END if nested && undefined => Ok(self.pop_without_delimiter()),
            _ => Err(self.malformed(format!("{tag} stands where an element must start"))),
        }
    }

    pub(crate) fn stray(&mut self, tag: Tag) -> Result<Option<Token>> {
        let place = self.here();
        self.notes.add(Code::DelimiterStray, || format!("{tag} at {place} closes nothing"));
        self.stream.skip(8)?;
        Ok(None)
    }

    /// The next header, not yet taken. Its VR style is that of the level unless the bytes say otherwise.
    pub(crate) fn header(&mut self) -> Result<Header> {
        let encoding = self.encoding();
        let read = header::read(self.stream.peek(LONGEST)?, encoding);
        match (encoding, read) {
            (Encoding::ImplicitLittle, Some(implicit)) => {
                let explicit = header::read(self.stream.peek(LONGEST)?, Encoding::ExplicitLittle);
                match explicit.filter(|header| header.vr.is_some()) {
                    Some(explicit) if self.is_explicit(&implicit, &explicit)? => {
                        self.switch(explicit.tag, Encoding::ExplicitLittle);
                        Ok(explicit)
                    }
                    _ => Ok(implicit),
                }
            }
            (_, Some(header)) => Ok(header),
            (_, None) => self.without_vr(encoding),
        }
    }

    /// Whether bytes that are a VR, where a length of Implicit VR must stand, are meant as one.
    fn is_explicit(&mut self, implicit: &Header, explicit: &Header) -> Result<bool> {
        if self.leads_on(implicit)? {
            return Ok(false);
        }
        if self.leads_on(explicit)? {
            return Ok(true);
        }
        let left = self.left();
        let fits = |header: &Header| header.total().is_none_or(|n| left.is_none_or(|left| n <= left));
        let same = explicit.vr.is_some_and(|vr| header::dictionary(explicit.tag).is_some_and(|d| d.relaxed() == vr));
        Ok(fits(explicit) && (same || !fits(implicit)))
    }

    /// A header of an explicit encoding whose VR is none.
    fn without_vr(&mut self, encoding: Encoding) -> Result<Header> {
        let readings = header::without_vr(self.stream.peek(LONGEST)?, encoding);
        let Some(Header { tag, .. }) = readings.first().copied() else {
            return Err(self.malformed("an element header is cut short"));
        };
        let code = self.stream.peek(6)?.get(4..6).map_or([0; 2], |code| [code[0], code[1]]);
        for (i, reading) in readings.iter().enumerate() {
            if self.leads_on(reading)? {
                if i == 0 && encoding == Encoding::ExplicitLittle {
                    self.switch(tag, Encoding::ImplicitLittle);
                } else {
                    self.note_invalid(tag, code);
                }
                return Ok(*reading);
            }
        }
        // Too long to look beyond: pixel data with two letters that are no VR, behind them two zeros and a length.
        let left = self.left();
        let is_long = header::dictionary(tag).is_some_and(|vr| header::is_long(vr.relaxed()));
        let long = |header: &&Header| {
            header.size == 12 && is_long && header.total().is_none_or(|n| left.is_none_or(|left| n <= left))
        };
        if let Some(reading) = readings.iter().find(long) {
            self.note_invalid(tag, code);
            return Ok(*reading);
        }
        Err(self.malformed(format!("bytes {:02x} {:02x} are no VR", code[0], code[1])).at(tag))
    }

    fn note_invalid(&mut self, tag: Tag, code: [u8; 2]) {
        let text = || format!("{tag} has bytes {:02x} {:02x} where its VR must stand", code[0], code[1]);
        self.notes.add(Code::VrInvalid, text);
    }

    /// From here on the level is in another VR style.
    fn switch(&mut self, tag: Tag, encoding: Encoding) {
        if let Some(level) = self.levels.last_mut() {
            level.encoding = encoding;
        }
        let style = if encoding == Encoding::ImplicitLittle { "Implicit" } else { "Explicit" };
        self.notes.add(Code::VrStyleSwitched, || format!("{tag} is in {style} VR, unlike what comes before it"));
    }

    /// Whether something credible follows the element that `header` starts: the end of the level, or another header.
    fn leads_on(&mut self, header: &Header) -> Result<bool> {
        let encoding = self.encoding();
        let Some(total) = header.total() else {
            let next = self.stream.peek(header.size + 4)?.get(header.size..).unwrap_or_default();
            return Ok(matches!(header::tag(next, encoding), Some(ITEM | SEQUENCE_END)));
        };
        let left = self.left();
        if left.is_some_and(|left| total >= left) {
            return Ok(left == Some(total));
        }
        let Some(total) = usize::try_from(total).ok().filter(|total| total + LONGEST <= LOOK_AHEAD) else {
            return Ok(false);
        };
        let bytes = self.stream.peek(total + LONGEST)?;
        let Some(next) = bytes.get(total..) else { return Ok(false) };
        let after = left.map(|left| left - total as u64);
        Ok(next.is_empty() || header::is_credible(next, encoding, header.tag, after))
    }

    /// After a value of odd length: passes over a byte of padding that its length does not count.
    pub(crate) fn skip_padding(&mut self) -> Result<()> {
        let (encoding, left) = (self.encoding(), self.left());
        let after = self.levels.last().map_or(Tag(0, 0), |level| level.tag);
        let bytes = self.stream.peek(LONGEST + 1)?;
        let credible = |bytes: &[u8]| header::is_credible(bytes, encoding, after, left);
        let shifted = bytes.get(1..).unwrap_or_default();
        if left == Some(1) || bytes.len() == 1 || (!credible(bytes) && credible(shifted)) {
            self.stream.skip(1)?;
        }
        Ok(())
    }

    /// Passes over one byte of padding in front of an item or a delimiter.
    pub(crate) fn padded(&mut self) -> Result<bool> {
        let encoding = self.encoding();
        let shifted = self.stream.peek(5)?.get(1..).unwrap_or_default();
        let padded = header::tag(shifted, encoding).is_some_and(|tag| tag.group() == 0xFFFE);
        if padded {
            let place = self.here();
            self.notes.add(Code::OddLength, || format!("a byte of padding at {place}"));
            self.stream.skip(1)?;
        }
        Ok(padded)
    }

    /// Whether the element after `sequence` starts here, as it does where the sequence has no delimiter.
    pub(crate) fn goes_on_after(&mut self, sequence: Tag) -> Result<bool> {
        let outer = self.levels.len().checked_sub(2).and_then(|i| self.levels.get(i));
        let encoding = outer.map_or(Encoding::ExplicitLittle, |level| level.encoding);
        let left = self.left();
        let bytes = self.stream.peek(LONGEST)?;
        let is_element = header::tag(bytes, encoding).is_some_and(|tag| tag.group() != 0xFFFE);
        Ok(is_element && header::is_credible(bytes, encoding, sequence, left))
    }
}
