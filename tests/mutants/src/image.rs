//! Damage to what an image hangs on: its attributes, its fragments, its offset table.

use crate::damage;
use crate::random::Random;
use crate::structure::{NUMBERS, length, one, set, text};
use crate::tree::{Content, Element, Item, Value};

const PHOTOMETRICS: [&str; 11] = [
    "MONOCHROME1",
    "MONOCHROME2",
    "PALETTE COLOR",
    "RGB",
    "YBR_FULL",
    "YBR_FULL_422",
    "YBR_ICT",
    "YBR_RCT",
    "YBR_PARTIAL_420",
    "HSV",
    "",
];

/// What the size and meaning of pixels hang on.
pub(crate) fn image_attribute(list: &mut Vec<Element>, random: &mut Random) {
    let word = random.word();
    let mut put = |tag: u16, value: u16| set(list, Element::short((0x0028, tag), value));
    match random.below(16) {
        0 => put(0x10, word),
        1 => put(0x11, word),
        2 => {
            put(0x10, word);
            put(0x11, random.word());
        }
        3 => put(0x02, random.of(&[0, 1, 2, 3, 4, 65535])),
        4 => put(0x06, random.of(&[0, 1, 2])),
        5 => put(0x100, random.of(&[0, 1, 2, 7, 8, 12, 16, 24, 32, 64, 65535])),
        6 => put(0x101, random.below(70) as u16),
        7 => put(0x102, random.below(70) as u16),
        8 => put(0x103, random.of(&[0, 1, 2, 65535])),
        9 => text(list, (0x0028, 0x0008), b"IS", &NUMBERS, random),
        10 => text(list, (0x0028, 0x0004), b"CS", &PHOTOMETRICS, random),
        // Several values, or of another kind.
        11 => {
            let (tag, vr) = (random.of(&[0x10, 0x11, 0x100]), random.of(&[b"UL", b"SL", b"US", b"UV", b"DS"]));
            let size = random.of(&[0, 2, 4, 8, 16]);
            set(list, Element::new((0x0028, tag), vr, random.bytes(size)));
        }
        // Rescale, window, spacing.
        12 => {
            let tag = random.of(&[(0x28, 0x1050), (0x28, 0x1051), (0x28, 0x1052), (0x28, 0x1053), (0x28, 0x0030)]);
            text(list, tag, b"DS", &NUMBERS, random);
        }
        13 => {
            let tag = random.of(&[(0x20, 0x32), (0x20, 0x37), (0x18, 0x50), (0x18, 0x88), (0x3004, 0x0C)]);
            text(list, tag, b"DS", &NUMBERS, random);
        }
        // Palettes and their descriptors.
        14 => {
            let descriptor = [random.word(), random.word(), random.of(&[8, 16, 0, 1, 17])];
            let bytes: Vec<u8> = descriptor.iter().flat_map(|v| v.to_le_bytes()).collect();
            set(list, Element::new((0x0028, random.of(&[0x1101, 0x1102, 0x1103, 0x3002])), b"US", bytes));
        }
        _ => {
            let size = random.of(&[0, 1, 2, 512, 65_536]);
            let tag = random.of(&[0x1201, 0x1202, 0x1203, 0x1221, 0x1222, 0x1223]);
            set(list, Element::new((0x0028, tag), b"OW", random.bytes(size)));
        }
    }
}

/// The offset table, the fragments, or the native pixels.
pub(crate) fn pixels(list: &mut Vec<Element>, random: &mut Random) {
    let Some(element) = list.iter_mut().find(|element| element.tag.0 == 0x7FE0) else {
        return list.push(Element::new((0x7FE0, 0x10), b"OW", vec![0; 64]));
    };
    let items = match &mut element.value {
        Value::Items(items, _) if !items.is_empty() => items,
        value @ Value::Bytes(_) if random.one_in(8) => {
            let Value::Bytes(bytes) = value else { return };
            return *element = Element::encapsulated(&[], &[std::mem::take(bytes)]);
        }
        _ => return one(element, random),
    };
    let at = random.below(items.len());
    match random.below(8) {
        0 => {
            let entries = random.below(items.len() + 3);
            let table: Vec<u8> =
                (0..entries).flat_map(|_| (random.draw() as u32 >> random.below(32)).to_le_bytes()).collect();
            items[0].content = Content::Fragment(table);
        }
        1 => items[0].content = Content::Fragment(Vec::new()),
        2 => items[at].lie = Some(length(8, random)),
        3 => drop(items.remove(at)),
        4 => items.insert(at, items[at].clone()),
        5 => items.reverse(),
        6 => {
            if let Content::Fragment(bytes) = &mut items[at].content {
                let rest = bytes.split_off(bytes.len() / 4 * 2);
                items.insert(at + 1, Item { lie: None, undefined: false, content: Content::Fragment(rest) });
            }
        }
        _ => {
            if let Content::Fragment(bytes) = &mut items[at].content {
                damage::codestream(bytes, random);
            }
        }
    }
}
