//! Element headers as bytes (PS3.5 section 7.1): read, judged credible or not, and read otherwise where their VR is damaged.

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;

use crate::syntax::Encoding;

pub(crate) const UNDEFINED: u32 = 0xFFFF_FFFF;
pub(crate) const ITEM: Tag = Tag(0xFFFE, 0xE000);
pub(crate) const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
pub(crate) const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);

/// The longest header: tag, VR, two reserved bytes, 32-bit length.
pub(crate) const LONGEST: usize = 12;

/// One element header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub tag: Tag,
    /// The VR of the file; `None` in Implicit VR, for items and delimiters, and where it is damaged.
    pub vr: Option<VR>,
    pub len: u32,
    /// Bytes of the header itself.
    pub size: usize,
}

impl Header {
    /// Bytes of header and value; `None` for an undefined length.
    pub fn total(&self) -> Option<u64> {
        (self.len != UNDEFINED).then(|| self.size as u64 + u64::from(self.len))
    }
}

/// The tag at the start of `bytes`.
pub(crate) fn tag(bytes: &[u8], encoding: Encoding) -> Option<Tag> {
    Some(Tag(u16_at(bytes, 0, encoding)?, u16_at(bytes, 2, encoding)?))
}

/// The header at the start of `bytes`; `None` when bytes are missing, or the VR is none.
pub(crate) fn read(bytes: &[u8], encoding: Encoding) -> Option<Header> {
    let tag = tag(bytes, encoding)?;
    if tag.group() == 0xFFFE || encoding == Encoding::ImplicitLittle {
        return Some(Header { tag, vr: None, len: u32_at(bytes, 4, encoding)?, size: 8 });
    }
    let vr = VR::from_binary([*bytes.get(4)?, *bytes.get(5)?])?;
    if is_long(vr) {
        return Some(Header { tag, vr: Some(vr), len: u32_at(bytes, 8, encoding)?, size: 12 });
    }
    Some(Header { tag, vr: Some(vr), len: u16_at(bytes, 6, encoding)?.into(), size: 8 })
}

/// The ways to read a header whose VR is none, in the order of their likelihood: Implicit VR, a 32-bit length behind two
/// reserved bytes, a 16-bit length.
pub(crate) fn without_vr(bytes: &[u8], encoding: Encoding) -> Vec<Header> {
    let Some(tag) = tag(bytes, encoding) else { return Vec::new() };
    let header = |len: Option<u32>, size| len.map(|len| Header { tag, vr: None, len, size });
    let reserved = u16_at(bytes, 6, encoding) == Some(0);
    [
        header(u32_at(bytes, 4, encoding), 8),
        header(u32_at(bytes, 8, encoding), 12).filter(|_| reserved),
        header(u16_at(bytes, 6, encoding).map(u32::from), 8),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Whether `bytes` may start the element after `after`, or an item or delimiter: its tag is higher, its VR is one, its
/// length is not more than the `left` bytes. Bytes of either VR style count, whatever `encoding` says.
pub(crate) fn is_credible(bytes: &[u8], encoding: Encoding, after: Tag, left: Option<u64>) -> bool {
    let fits = |header: &Header| header.total().is_none_or(|n| left.is_none_or(|left| n <= left));
    let credible = |header: Header| match header.tag {
        ITEM => true,
        ITEM_END | SEQUENCE_END => header.len == 0,
        tag => tag > after && tag.group() < 0xFFFC && fits(&header),
    };
    let implicit = |header: &Header| header.tag.group() == 0xFFFE || is_known(header.tag);
    read(bytes, encoding)
        .filter(|header| encoding != Encoding::ImplicitLittle || implicit(header))
        .is_some_and(credible)
        || (encoding == Encoding::ImplicitLittle && read(bytes, Encoding::ExplicitLittle).is_some_and(credible))
        || (encoding == Encoding::ExplicitLittle
            && read(bytes, Encoding::ImplicitLittle).filter(implicit).is_some_and(credible))
}

/// How many elements stand one after the other at the start of `bytes` when they are read in `encoding`, at most 8. Data
/// sets start with a group below 0x0100.
pub(crate) fn run(bytes: &[u8], encoding: Encoding) -> usize {
    let (mut at, mut last) = (0usize, Tag(0, 0));
    for count in 0..8 {
        let header = bytes.get(at..).and_then(|rest| read(rest, encoding));
        let Some(header) = header.filter(|header| header.tag > last && header.tag.group() != 0xFFFE) else {
            return count;
        };
        if count == 0 && header.tag.group() >= 0x0100 {
            return 0;
        }
        let next = header.total().and_then(|n| usize::try_from(n).ok()).and_then(|n| at.checked_add(n));
        let inside = next.is_some_and(|next| next <= bytes.len());
        if !inside {
            // What reaches beyond the bytes at hand proves something only where its VR is one, or an item follows.
            let value = bytes.get(at + header.size..).and_then(|rest| tag(rest, encoding));
            let is_open = header.len == UNDEFINED && matches!(value, Some(ITEM | SEQUENCE_END));
            return count + usize::from(header.vr.is_some() || is_open);
        }
        (at, last) = (next.unwrap_or(at), header.tag);
        if at == bytes.len() {
            return count + 1;
        }
    }
    8
}

/// Whether the dictionary knows the tag, or it is a private creator, a private element or a group length.
fn is_known(tag: Tag) -> bool {
    tag.element() == 0 || tag.group() % 2 == 1 || StandardDataDictionary.by_tag(tag).is_some()
}

/// The VR of an attribute in the dictionary, where it has one; private elements have none.
pub(crate) fn dictionary(tag: Tag) -> Option<VirtualVr> {
    match (tag.group() % 2, tag.element()) {
        (_, 0) => Some(VirtualVr::Exact(VR::UL)),
        (1, 0x10..=0xFF) => Some(VirtualVr::Exact(VR::LO)),
        (1, _) => None,
        _ => StandardDataDictionary.by_tag(tag).map(|entry| entry.vr()),
    }
}

/// The VR to read an element of Implicit VR with.
pub(crate) fn implicit_vr(tag: Tag, signed: bool) -> VR {
    match dictionary(tag) {
        Some(VirtualVr::Xs) if signed => VR::SS,
        Some(VirtualVr::Xs) => VR::US,
        Some(vr) => vr.relaxed(),
        None => VR::UN,
    }
}

/// VRs with a 32-bit length in the explicit encodings (PS3.5 table 7.1-1).
pub(crate) fn is_long(vr: VR) -> bool {
    use VR::*;
    matches!(vr, OB | OD | OF | OL | OV | OW | SQ | SV | UC | UN | UR | UT | UV)
}

fn u16_at(bytes: &[u8], at: usize, encoding: Encoding) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(if encoding == Encoding::ExplicitBig { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
}

fn u32_at(bytes: &[u8], at: usize, encoding: Encoding) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(if encoding == Encoding::ExplicitBig { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
}
