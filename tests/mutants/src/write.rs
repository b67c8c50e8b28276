//! A tree back to bytes.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

use crate::tree::{Content, Element, Encoding, File, Item, LITTLE, UNDEFINED, Value, is_long};

impl File {
    /// The bytes of the file, lies included.
    pub fn write(&self) -> Vec<u8> {
        let mut out = self.head.clone();
        self.meta.iter().for_each(|element| element.write(LITTLE, &mut out));
        if !self.deflated {
            self.body.iter().for_each(|element| element.write(self.encoding, &mut out));
            return out;
        }
        let mut body = Vec::new();
        self.body.iter().for_each(|element| element.write(self.encoding, &mut body));
        let mut encoder = DeflateEncoder::new(out, Compression::fast());
        // Writing into memory does not fail.
        let _ = encoder.write_all(&body);
        encoder.finish().unwrap_or_default()
    }
}

impl Element {
    fn write(&self, encoding: Encoding, out: &mut Vec<u8>) {
        let (bytes, undefined) = match &self.value {
            Value::Raw(bytes) => return out.extend(bytes),
            Value::Bytes(bytes) => (bytes.clone(), false),
            Value::Items(items, undefined) => {
                let inner = if self.vr == *b"UN" { Encoding { explicit: false, ..encoding } } else { encoding };
                let mut bytes = Vec::new();
                items.iter().for_each(|item| item.write(inner, &mut bytes));
                if *undefined {
                    length(out_tag(&mut bytes, (0xFFFE, 0xE0DD), encoding.big), 0, encoding.big);
                }
                (bytes, *undefined)
            }
        };
        let len = self.lie.unwrap_or(if undefined { UNDEFINED } else { bytes.len() as u32 });
        out_tag(out, self.tag, encoding.big);
        if encoding.explicit {
            out.extend(self.vr);
            if !is_long(self.vr) {
                out.extend(if encoding.big { (len as u16).to_be_bytes() } else { (len as u16).to_le_bytes() });
                return out.extend(bytes);
            }
            out.extend([0, 0]);
        }
        length(out, len, encoding.big);
        out.extend(bytes);
    }
}

impl Item {
    fn write(&self, encoding: Encoding, out: &mut Vec<u8>) {
        let mut bytes = Vec::new();
        match &self.content {
            Content::Fragment(fragment) => bytes.extend(fragment),
            Content::Elements(elements) => elements.iter().for_each(|element| element.write(encoding, &mut bytes)),
        }
        if self.undefined {
            length(out_tag(&mut bytes, (0xFFFE, 0xE00D), encoding.big), 0, encoding.big);
        }
        let len = self.lie.unwrap_or(if self.undefined { UNDEFINED } else { bytes.len() as u32 });
        length(out_tag(out, (0xFFFE, 0xE000), encoding.big), len, encoding.big);
        out.extend(bytes);
    }
}

fn out_tag(out: &mut Vec<u8>, tag: (u16, u16), big: bool) -> &mut Vec<u8> {
    for half in [tag.0, tag.1] {
        out.extend(if big { half.to_be_bytes() } else { half.to_le_bytes() });
    }
    out
}

fn length(out: &mut Vec<u8>, len: u32, big: bool) {
    out.extend(if big { len.to_be_bytes() } else { len.to_le_bytes() });
}
