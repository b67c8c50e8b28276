//! A DICOM file as a tree of elements that can be changed and written again, lies included.

use std::io::Read;

use flate2::read::DeflateDecoder;

pub const IMPLICIT_LITTLE: &str = "1.2.840.10008.1.2";
pub const EXPLICIT_BIG: &str = "1.2.840.10008.1.2.2";
pub const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
pub(crate) const UNDEFINED: u32 = u32::MAX;
const DEEPEST: usize = 40;

/// A file: preamble, file meta information, data set.
#[derive(Clone, Debug)]
pub struct File {
    /// Preamble and magic, as they are.
    pub head: Vec<u8>,
    pub meta: Vec<Element>,
    pub body: Vec<Element>,
    pub encoding: Encoding,
    pub deflated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    pub explicit: bool,
    pub big: bool,
}

pub(crate) const LITTLE: Encoding = Encoding { explicit: true, big: false };

#[derive(Clone, Debug)]
pub struct Element {
    pub tag: (u16, u16),
    pub vr: [u8; 2],
    /// A length to write in place of the real one.
    pub lie: Option<u32>,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub enum Value {
    Bytes(Vec<u8>),
    /// Items of a sequence or of encapsulated pixel data; `true`: of undefined length.
    Items(Vec<Item>, bool),
    /// Bytes without any header of their own: what could not be parsed, and junk.
    Raw(Vec<u8>),
}

#[derive(Clone, Debug)]
pub struct Item {
    pub lie: Option<u32>,
    pub undefined: bool,
    pub content: Content,
}

#[derive(Clone, Debug)]
pub enum Content {
    Elements(Vec<Element>),
    Fragment(Vec<u8>),
}

impl Element {
    pub fn new(tag: (u16, u16), vr: &[u8; 2], value: impl Into<Vec<u8>>) -> Self {
        Self { tag, vr: *vr, lie: None, value: Value::Bytes(value.into()) }
    }

    /// A text that is padded to an even length.
    pub fn text(tag: (u16, u16), vr: &[u8; 2], text: &str) -> Self {
        let mut value = text.as_bytes().to_vec();
        if value.len() % 2 == 1 {
            value.push(if vr == b"UI" { 0 } else { b' ' });
        }
        Self::new(tag, vr, value)
    }

    pub fn short(tag: (u16, u16), value: u16) -> Self {
        Self::new(tag, b"US", value.to_le_bytes())
    }

    /// Encapsulated pixel data: an offset table, then fragments.
    pub fn encapsulated(table: &[u8], fragments: &[Vec<u8>]) -> Self {
        let item = |bytes: &[u8]| {
            let mut fragment = bytes.to_vec();
            fragment.resize(fragment.len().next_multiple_of(2), 0);
            Item { lie: None, undefined: false, content: Content::Fragment(fragment) }
        };
        let items = std::iter::once(table).chain(fragments.iter().map(Vec::as_slice)).map(item).collect();
        Self { tag: (0x7FE0, 0x10), vr: *b"OB", lie: None, value: Value::Items(items, true) }
    }

    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { tag: (0, 0), vr: *b"UN", lie: None, value: Value::Raw(bytes.into()) }
    }
}

impl File {
    /// A new file of a data set.
    pub fn new(syntax: &str, body: Vec<Element>) -> Self {
        let meta = vec![Element::text((2, 0x10), b"UI", syntax)];
        let encoding = Encoding { explicit: syntax != IMPLICIT_LITTLE, big: syntax == EXPLICIT_BIG };
        Self { head: [&[0; 128], &b"DICM"[..]].concat(), meta, body, encoding, deflated: syntax == DEFLATED }
    }

    /// `None` for what is no DICOM file with file meta information.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.get(128..132)? != b"DICM" {
            return None;
        }
        let mut at = 132;
        let mut meta = Vec::new();
        while bytes.get(at..at + 2) == Some(&[2, 0]) {
            meta.push(element(bytes, &mut at, LITTLE, 0)?);
        }
        let mut file = Self { head: bytes[..132].to_vec(), meta, body: Vec::new(), encoding: LITTLE, deflated: false };
        let syntax = file.syntax();
        file.deflated = syntax == DEFLATED;
        file.encoding = Encoding { explicit: syntax != IMPLICIT_LITTLE, big: syntax == EXPLICIT_BIG };
        let mut inflated = Vec::new();
        let rest = if file.deflated {
            // What a damaged seed inflates to is enough.
            let _ = DeflateDecoder::new(&bytes[at..]).take(64 << 20).read_to_end(&mut inflated);
            &inflated
        } else {
            &bytes[at..]
        };
        file.body = elements(rest, &mut 0, file.encoding, None, 0);
        Some(file)
    }

    /// Transfer Syntax UID, or nothing.
    pub fn syntax(&self) -> String {
        let found = self.meta.iter().find(|element| element.tag == (2, 0x10));
        match found.map(|element| &element.value) {
            Some(Value::Bytes(bytes)) => String::from_utf8_lossy(bytes).trim_matches([' ', '\0']).to_owned(),
            _ => String::new(),
        }
    }
}

pub(crate) fn is_long(vr: [u8; 2]) -> bool {
    [b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"].contains(&&vr)
}

fn u16_of(bytes: &[u8], big: bool) -> Option<u16> {
    let bytes = *bytes.first_chunk()?;
    Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
}

fn u32_of(bytes: &[u8], big: bool) -> Option<u32> {
    let bytes = *bytes.first_chunk()?;
    Some(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
}

/// Elements up to `end`, or up to an item delimiter; what cannot be parsed is kept raw.
fn elements(bytes: &[u8], at: &mut usize, encoding: Encoding, end: Option<usize>, depth: usize) -> Vec<Element> {
    let mut found = Vec::new();
    let last = end.unwrap_or(bytes.len()).min(bytes.len());
    while *at < last {
        let start = *at;
        let tag = bytes.get(start..start + 4).and_then(|b| u16_of(b, encoding.big).zip(u16_of(&b[2..], encoding.big)));
        if end.is_none() && depth > 0 && tag == Some((0xFFFE, 0xE00D)) {
            *at = (start + 8).min(bytes.len());
            return found;
        }
        match element(&bytes[..last], at, encoding, depth) {
            Some(element) => found.push(element),
            None => {
                found.push(Element::raw(&bytes[start..last]));
                *at = last;
            }
        }
    }
    found
}

fn element(bytes: &[u8], at: &mut usize, encoding: Encoding, depth: usize) -> Option<Element> {
    let big = encoding.big;
    let tag = (u16_of(bytes.get(*at..)?, big)?, u16_of(bytes.get(*at + 2..)?, big)?);
    if tag.0 == 0xFFFE || depth > DEEPEST {
        return None;
    }
    let (vr, len, start) = if !encoding.explicit {
        // Which elements are sequences is told by what they hold.
        (*b"UN", u32_of(bytes.get(*at + 4..)?, big)?, *at + 8)
    } else {
        let vr = *bytes.get(*at + 4..)?.first_chunk::<2>()?;
        if !vr.iter().all(u8::is_ascii_uppercase) {
            return None;
        }
        if is_long(vr) {
            (vr, u32_of(bytes.get(*at + 8..)?, big)?, *at + 12)
        } else {
            (vr, u16_of(bytes.get(*at + 6..)?, big)?.into(), *at + 8)
        }
    };
    let undefined = len == UNDEFINED;
    let end =
        if undefined { bytes.len() } else { start.checked_add(len as usize).filter(|&end| end <= bytes.len())? };
    let is_item = u32_of(bytes.get(start..)?, false) == Some(0xE000_FFFE)
        || (big && u32_of(bytes.get(start..)?, true) == Some(0xFFFE_E000));
    let inner = if vr == *b"UN" { Encoding { explicit: false, big } } else { encoding };
    if undefined || vr == *b"SQ" || (!encoding.explicit && is_item && tag != (0x7FE0, 0x10)) {
        let raw = tag == (0x7FE0, 0x10);
        let mut here = start;
        let items = items(&bytes[..end], &mut here, inner, undefined, raw, depth)?;
        *at = if undefined { here } else { end };
        return Some(Element { tag, vr, lie: None, value: Value::Items(items, undefined) });
    }
    *at = end;
    Some(Element { tag, vr, lie: None, value: Value::Bytes(bytes[start..end].to_vec()) })
}

fn items(bytes: &[u8], at: &mut usize, encoding: Encoding, open: bool, raw: bool, depth: usize) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    while *at < bytes.len() {
        let (group, tag) = (u16_of(bytes.get(*at..)?, encoding.big)?, u16_of(bytes.get(*at + 2..)?, encoding.big)?);
        let len = u32_of(bytes.get(*at + 4..)?, encoding.big)?;
        *at += 8;
        match (group, tag) {
            (0xFFFE, 0xE000) => {}
            (0xFFFE, 0xE0DD) if open => return Some(items),
            _ => return None,
        }
        let undefined = len == UNDEFINED;
        let end = if undefined { None } else { Some(at.checked_add(len as usize).filter(|&e| e <= bytes.len())?) };
        let content = match end {
            Some(end) if raw => {
                let fragment = bytes[*at..end].to_vec();
                *at = end;
                Content::Fragment(fragment)
            }
            _ => Content::Elements(elements(bytes, at, encoding, end, depth + 1)),
        };
        items.push(Item { lie: None, undefined, content });
    }
    Some(items)
}
