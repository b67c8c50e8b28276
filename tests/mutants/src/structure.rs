//! Damage that knows the structure of a DICOM file.

use crate::damage;
use crate::image::{image_attribute, pixels};
use crate::random::Random;
use crate::tree::{Content, EXPLICIT_BIG, Element, Encoding, File, IMPLICIT_LITTLE, Item, Value};

const VRS: [&[u8; 2]; 34] = [
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"OB", b"OD", b"OF", b"OL",
    b"OV", b"OW", b"PN", b"SH", b"SL", b"SQ", b"SS", b"ST", b"SV", b"TM", b"UC", b"UI", b"UL", b"UN", b"UR", b"US",
    b"UT", b"UV",
];
const SYNTAXES: [&str; 22] = [
    "", ".1", ".2", ".1.98", ".1.99", ".5", ".8.1", ".4.50", ".4.51", ".4.53", ".4.55", ".4.57", ".4.70", ".4.80",
    ".4.81", ".4.90", ".4.91", ".4.110", ".4.112", ".4.201", ".4.100", ".9.9",
];
const CHARSETS: [&str; 12] = [
    "ISO_IR 6",
    "ISO_IR 100",
    "ISO_IR 192",
    "GB18030",
    "GBK",
    "ISO_IR 13",
    "ISO 2022 IR 87\\ISO 2022 IR 159",
    "\\ISO 2022 IR 149",
    "ISO 2022 IR 58",
    "UTF-8",
    "",
    "\u{1b}$B\\\\\\\\",
];
pub(crate) const NUMBERS: [&str; 20] = [
    "",
    "0",
    "1",
    "-1",
    "2000000000",
    "4294967295",
    "4294967296",
    "-2147483649",
    "99999999999999999999",
    "1e400",
    "1e-400",
    "NaN",
    "inf",
    "0x10",
    "1\\2\\3",
    "\\\\\\",
    "1.5",
    "-0.0",
    "1e38\\1e38\\1e38\\1e38\\1e38\\1e38",
    "abc",
];

/// One mutant of `file`.
pub fn mutant(file: &File, random: &mut Random) -> Vec<u8> {
    let mut file = file.clone();
    for _ in 0..=random.below(3) {
        change(&mut file, random);
    }
    let mut bytes = file.write();
    if random.one_in(12) {
        bytes.truncate(random.below(bytes.len()));
    }
    if random.one_in(12) {
        damage::bytes(&mut bytes, random);
    }
    bytes
}

fn change(file: &mut File, random: &mut Random) {
    match random.below(24) {
        0..=3 => image_attribute(&mut file.body, random),
        4 => syntax(file, random),
        5 => {
            if random.one_in(2) {
                file.meta.clear();
            }
            file.head = random.of(&[&b""[..], b"DICM", b"DICM\0\0", &[7; 132]]).to_vec();
        }
        6 => text(&mut file.body, (0x0008, 0x0005), b"CS", &CHARSETS, random),
        7 => list(if random.one_in(2) { &mut file.meta } else { &mut file.body }, random),
        8..=10 => pixels(&mut file.body, random),
        11..=14 => list(place(&mut file.body, random), random),
        _ => {
            let list = if random.one_in(12) { &mut file.meta } else { place(&mut file.body, random) };
            let at = random.below(list.len());
            if let Some(element) = list.get_mut(at) {
                one(element, random);
            }
        }
    }
}

/// The elements of the root or, half the time where there is one, of an item further down.
fn place<'a>(list: &'a mut Vec<Element>, random: &mut Random) -> &'a mut Vec<Element> {
    let nested = |element: &Element| matches!(&element.value, Value::Items(items, _) if items.iter().any(is_elements));
    let sequences: Vec<usize> = (0..list.len()).filter(|&i| nested(&list[i])).collect();
    if sequences.is_empty() || random.one_in(2) {
        return list;
    }
    let at = random.of(&sequences);
    // Only a sequence can have been chosen.
    let Value::Items(items, _) = &mut list[at].value else { unreachable!("a sequence") };
    let mut inner: Vec<&mut Item> = items.iter_mut().filter(|item| is_elements(item)).collect();
    let item = inner.swap_remove(random.below(inner.len()));
    let Content::Elements(elements) = &mut item.content else { unreachable!("elements") };
    place(elements, random)
}

fn is_elements(item: &Item) -> bool {
    matches!(item.content, Content::Elements(_))
}

/// Swaps, copies, deletes, moves, wraps or adds elements of one data set.
fn list(list: &mut Vec<Element>, random: &mut Random) {
    let (a, b) = (random.below(list.len()), random.below(list.len()));
    if list.is_empty() {
        return list.push(Element::raw(random.bytes(8)));
    }
    match random.below(9) {
        0 => list.swap(a, b),
        1 => list.insert(b, list[a].clone()),
        2 => drop(list.remove(a)),
        3 => {
            let moved = list.remove(a);
            place(list, random).push(moved);
        }
        4 => list.reverse(),
        5 => {
            let inner = list.remove(a);
            let depth = random.of(&[1, 2, 10, 63, 64, 65, 200]);
            list.insert(a, wrap(inner, depth, random));
        }
        6 => {
            let junk = random.below(40);
            list.insert(a, Element::raw(random.bytes(junk)));
        }
        7 => {
            // A private block with its creator, and a blob in it.
            let group = random.of(&[0x0009, 0x0011, 0x0029, 0x7FE1]);
            let size = random.of(&[0, 1, 7, 300, 70_000]);
            let blob = random.bytes(size);
            let vr = random.of(&VRS);
            list.insert(a, Element::new((group, 0x1001), vr, blob));
            list.insert(a, Element::text((group, 0x0010), b"LO", "NETRA MUTANTS"));
        }
        _ => {
            let delimiter = random.of(&[0xE000u16, 0xE00D, 0xE0DD]).to_le_bytes();
            let length = random.of(&[0, 8, u32::MAX]).to_le_bytes();
            list.insert(a, Element::raw([&[0xFE, 0xFF], &delimiter[..], &length].concat()));
        }
    }
}

fn wrap(inner: Element, depth: usize, random: &mut Random) -> Element {
    let (undefined, vr) = (random.one_in(2), random.of(&[b"SQ", b"SQ", b"UN"]));
    (0..depth).fold(inner, |inner, _| {
        let item = Item { lie: None, undefined, content: Content::Elements(vec![inner]) };
        Element { tag: (0x0040, 0xA730), vr: *vr, lie: None, value: Value::Items(vec![item], undefined) }
    })
}

/// Changes the header or the value of one element.
pub(crate) fn one(element: &mut Element, random: &mut Random) {
    let len = match &element.value {
        Value::Bytes(bytes) | Value::Raw(bytes) => bytes.len(),
        Value::Items(items, _) => items.len(),
    } as u32;
    match random.below(10) {
        0 | 1 => element.lie = Some(length(len, random)),
        2 => element.vr = *random.of(&VRS),
        3 => element.vr = [random.draw() as u8, random.draw() as u8],
        4 => {
            let tags =
                [(0x0028, 0x0010), (0x0028, 0x0100), (0x7FE0, 0x0010), (0x0002, 0x0010), (0xFFFE, 0xE000), (0x5400, 1)];
            element.tag = random.of(&tags);
        }
        5 => element.tag.1 ^= 1 << random.below(16),
        _ => value(&mut element.value, random),
    }
}

/// A length that is not the real one.
pub(crate) fn length(real: u32, random: &mut Random) -> u32 {
    match random.below(6) {
        0 => 0,
        1 => real.wrapping_add(1),
        2 => real.wrapping_sub(2),
        3 => random.of(&[0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFF0, 0xFFFF_FFFE]),
        4 => u32::MAX,
        _ => random.below(real as usize * 2 + 9) as u32,
    }
}

fn value(value: &mut Value, random: &mut Random) {
    match value {
        Value::Bytes(bytes) | Value::Raw(bytes) => match random.below(6) {
            0 => *bytes = random.of(&NUMBERS).as_bytes().to_vec(),
            1 => bytes.truncate(random.below(bytes.len())),
            2 => *bytes = bytes.repeat(random.of(&[2, 3, 10])),
            _ => damage::bytes(bytes, random),
        },
        Value::Items(items, undefined) => {
            let at = random.below(items.len());
            match (random.below(7), items.get_mut(at)) {
                (0, _) => *undefined = !*undefined,
                (1, Some(item)) => item.undefined = !item.undefined,
                (2, Some(item)) => item.lie = Some(length(8, random)),
                (3, Some(_)) => drop(items.remove(at)),
                (4, Some(item)) => {
                    let copy = item.clone();
                    items.extend(std::iter::repeat_n(copy, random.of(&[1, 2, 50])));
                }
                (5, Some(_)) => items.reverse(),
                _ => items.push(Item { lie: None, undefined: false, content: Content::Elements(Vec::new()) }),
            }
        }
    }
}

fn syntax(file: &mut File, random: &mut Random) {
    if random.one_in(2) {
        let uid = format!("{IMPLICIT_LITTLE}{}", random.of(&SYNTAXES));
        file.deflated ^= random.one_in(10);
        return set(&mut file.meta, Element::text((2, 0x10), b"UI", &uid));
    }
    // Encoded otherwise than declared, or declared too.
    file.encoding = Encoding { explicit: random.one_in(2), big: random.one_in(4) };
    if file.encoding.big && random.one_in(2) {
        set(&mut file.meta, Element::text((2, 0x10), b"UI", EXPLICIT_BIG));
    }
}

/// Puts an element in the place of the one with its tag, or at the end.
pub(crate) fn set(list: &mut Vec<Element>, element: Element) {
    match list.iter_mut().find(|other| other.tag == element.tag) {
        Some(other) => *other = element,
        None => list.push(element),
    }
}

pub(crate) fn text(list: &mut Vec<Element>, tag: (u16, u16), vr: &[u8; 2], choices: &[&str], random: &mut Random) {
    set(list, Element::text(tag, vr, random.of(choices)));
}
