//! Character repertoires (PS3.3 C.12.1.1.2, PS3.5 6.1.2): the terms of Specific Character Set, and text with the escape
//! sequences of ISO 2022, which dicom-encoding does not follow.

use dicom_core::{Tag, VR};
use dicom_encoding::text::{SpecificCharacterSet, TextCodec};

use crate::code::{Code, Notes};

/// One coded character set, by its ISO-IR number but for the last three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Set {
    /// 6, ASCII; what lies outside it was not declared.
    #[default]
    Ascii,
    /// 13, half-width katakana in G1.
    Katakana,
    /// One byte a character, decoded by dicom-encoding.
    Single(&'static str),
    /// 148, ISO 8859-9.
    Turkish,
    /// 203, ISO 8859-15.
    Latin9,
    /// 87 and 159, two bytes a character in G0: designated by escapes alone.
    Kanji,
    SupplementaryKanji,
    /// 149 and 58, two bytes a character in G1.
    Hangul,
    Hanzi,
    Utf8,
    Gb18030,
    Gbk,
}

/// The repertoires of one data set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CharacterSet {
    /// In force where a value starts.
    first: Set,
    /// The set that text outside `first` is tried with when it holds no escapes.
    other: Option<Set>,
}

impl CharacterSet {
    /// The value of Specific Character Set (0008,0005).
    pub fn read(bytes: &[u8], notes: &mut Notes) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut sets = text.split('\\').map(|term| {
            let term = term.trim_matches([' ', '\0']);
            let Some((set, exact)) = term_of(term) else {
                notes.add(Code::CharacterSetUnknown, || "a term of Specific Character Set is unknown".to_owned());
                return Set::Ascii;
            };
            if !exact {
                notes.add(Code::CharacterSetRepaired, || "a term of Specific Character Set is misspelt".to_owned());
            }
            set
        });
        let first = sets.next().unwrap_or_default();
        Self { first, other: sets.find(|set| *set != Set::Ascii) }
    }

    /// Decodes a value of VR `vr`. Backslashes of the result divide values.
    pub fn decode(&self, tag: Tag, vr: VR, bytes: &[u8], notes: &mut Notes) -> String {
        if bytes.is_ascii() && !bytes.contains(&0x1B) {
            return bytes.iter().map(|&b| char::from(b)).collect();
        }
        let switches = !matches!(self.first, Set::Utf8 | Set::Gb18030 | Set::Gbk) && bytes.contains(&0x1B);
        let mut note = || {
            notes.add(Code::CharacterSetUndeclared, || format!("{tag} holds text outside the repertoire in force"));
        };
        let text = if switches {
            self.extended(vr, bytes).map(|(text, exact)| {
                if !exact {
                    note();
                }
                text
            })
        } else {
            self.first.decode(bytes)
        };
        text.unwrap_or_else(|| {
            note();
            let other = self.other.filter(|_| !switches).and_then(|set| set.decode(bytes));
            other.unwrap_or_else(|| undeclared(bytes))
        })
    }

    /// Text with escapes (PS3.5 6.1.2.5): G0 for bytes below 0x80, G1 for those above. A delimiter brings back the sets
    /// in force where a value starts; bytes that these do not hold are taken in the set designated last, and the text is
    /// not exact.
    fn extended(&self, vr: VR, bytes: &[u8]) -> Option<(String, bool)> {
        let (mut out, mut exact) = (String::new(), true);
        let (mut g0, mut g1, mut last) = (Set::Ascii, self.first, self.first);
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let rest = bytes.get(at..)?;
            if byte == 0x1B {
                let (set, size) = escape(rest)?;
                match set {
                    Set::Ascii | Set::Kanji | Set::SupplementaryKanji => g0 = set,
                    set => (g1, last) = (set, set),
                }
                at += size;
            } else if byte >= 0x80 {
                let run = rest.iter().take_while(|b| **b >= 0x80).count();
                let run = rest.get(..run)?;
                match g1.decode(run) {
                    Some(text) => out.push_str(&text),
                    None => {
                        exact = false;
                        out.push_str(&last.decode(run)?);
                    }
                }
                at += run.len();
            } else if g0 != Set::Ascii && (0x21..=0x7E).contains(&byte) {
                let run = rest.iter().take_while(|b| (0x21..=0x7E).contains(*b)).count();
                out.push_str(&g0.decode(rest.get(..run)?)?);
                at += run;
            } else {
                let ends = match byte {
                    b'\t' | b'\n' | 0x0C | b'\r' => true,
                    b'\\' => !matches!(vr, VR::LT | VR::ST | VR::UT),
                    b'^' | b'=' => vr == VR::PN,
                    _ => false,
                };
                if ends {
                    (g0, g1) = (Set::Ascii, self.first);
                }
                out.push(char::from(byte));
                at += 1;
            }
        }
        Some((out, exact))
    }
}

impl Set {
    /// Decodes bytes that hold no escapes; `None` when some are outside the set.
    fn decode(self, bytes: &[u8]) -> Option<String> {
        let framed = |escape: &[u8]| by_name("ISO_IR 87", &[escape, bytes, b"\x1b(B"].concat());
        let single = |special: &[(u8, char)]| {
            let of = |b: u8| special.iter().find(|(from, _)| *from == b).map_or(char::from(b), |(_, to)| *to);
            Some(bytes.iter().map(|&b| of(b)).collect())
        };
        match self {
            Self::Ascii => bytes.is_ascii().then(|| bytes.iter().map(|&b| char::from(b)).collect()),
            // Two bytes a character. The decoder never ends where one is none of them (0x7F: encoding 0.2).
            Self::Kanji | Self::SupplementaryKanji
                if bytes.len() % 2 == 1 || !bytes.iter().all(|b| (0x21..=0x7E).contains(b)) =>
            {
                None
            }
            Self::Kanji => framed(b"\x1b$B"),
            Self::SupplementaryKanji => framed(b"\x1b$(D"),
            Self::Katakana => by_name("ISO_IR 13", bytes),
            Self::Single(name) => by_name(name, bytes),
            Self::Hangul => by_name("ISO_IR 149", bytes),
            Self::Hanzi | Self::Gbk => by_name("GBK", bytes),
            Self::Gb18030 => by_name("GB18030", bytes),
            Self::Utf8 => std::str::from_utf8(bytes).ok().map(str::to_owned),
            Self::Turkish => single(&[(0xD0, 'Ğ'), (0xDD, 'İ'), (0xDE, 'Ş'), (0xF0, 'ğ'), (0xFD, 'ı'), (0xFE, 'ş')]),
            Self::Latin9 => single(&[
                (0xA4, '€'),
                (0xA6, 'Š'),
                (0xA8, 'š'),
                (0xB4, 'Ž'),
                (0xB8, 'ž'),
                (0xBC, 'Œ'),
                (0xBD, 'œ'),
                (0xBE, 'Ÿ'),
            ]),
        }
    }
}

/// Decodes with dicom-encoding, which writes a backslash and octal digits for bytes outside a set: more backslashes than
/// before tell that there were some.
fn by_name(name: &str, bytes: &[u8]) -> Option<String> {
    let text = SpecificCharacterSet::from_code(name)?.decode(bytes).ok()?;
    let slashes = |n: usize, is: bool| n + usize::from(is);
    let before = bytes.iter().map(|b| *b == b'\\').fold(0, slashes);
    (text.chars().map(|c| c == '\\').fold(0, slashes) <= before).then_some(text)
}

/// Text that no declared set fits.
fn undeclared(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().map(|&b| char::from(b)).collect(), str::to_owned)
}

/// The set that an escape sequence designates, and the sequence's length (PS3.3 tables C.12-3 and C.12-4).
fn escape(bytes: &[u8]) -> Option<(Set, usize)> {
    let single = |n: u32| set_of(n).map(|set| (set, 3));
    match bytes.get(1..)? {
        [b'(', b'B' | b'J', ..] => Some((Set::Ascii, 3)),
        [b')', b'I', ..] => Some((Set::Katakana, 3)),
        [b'-', b'A', ..] => single(100),
        [b'-', b'B', ..] => single(101),
        [b'-', b'C', ..] => single(109),
        [b'-', b'D', ..] => single(110),
        [b'-', b'F', ..] => single(126),
        [b'-', b'G', ..] => single(127),
        [b'-', b'H', ..] => single(138),
        [b'-', b'L', ..] => single(144),
        [b'-', b'M', ..] => single(148),
        [b'-', b'T', ..] => single(166),
        [b'-', b'b', ..] => single(203),
        [b'$', b'@' | b'B', ..] => Some((Set::Kanji, 3)),
        [b'$', b'(', b'D', ..] => Some((Set::SupplementaryKanji, 4)),
        [b'$', b')', b'C', ..] => Some((Set::Hangul, 4)),
        [b'$', b')', b'A', ..] => Some((Set::Hanzi, 4)),
        _ => None,
    }
}

/// The set with an ISO-IR number of PS3.3 tables C.12-2 to C.12-5.
fn set_of(number: u32) -> Option<Set> {
    Some(match number {
        6 => Set::Ascii,
        13 => Set::Katakana,
        58 => Set::Hanzi,
        87 => Set::Kanji,
        100 => Set::Single("ISO_IR 100"),
        101 => Set::Single("ISO_IR 101"),
        109 => Set::Single("ISO_IR 109"),
        110 => Set::Single("ISO_IR 110"),
        126 => Set::Single("ISO_IR 126"),
        127 => Set::Single("ISO_IR 127"),
        138 => Set::Single("ISO_IR 138"),
        144 => Set::Single("ISO_IR 144"),
        148 => Set::Turkish,
        149 => Set::Hangul,
        159 => Set::SupplementaryKanji,
        166 => Set::Single("ISO_IR 166"),
        192 => Set::Utf8,
        203 => Set::Latin9,
        _ => return None,
    })
}

/// The set of a term, and whether the term is a defined one; `None` when it resembles none.
fn term_of(term: &str) -> Option<(Set, bool)> {
    let defined = term.strip_prefix("ISO_IR ").or_else(|| term.strip_prefix("ISO 2022 IR "));
    if let Some(set) = defined.and_then(|number| number.parse().ok()).and_then(set_of) {
        return Some((set, true));
    }
    match term {
        "" => return Some((Set::Ascii, true)),
        "GB18030" => return Some((Set::Gb18030, true)),
        "GBK" => return Some((Set::Gbk, true)),
        _ => {}
    }
    let term = term.to_ascii_uppercase();
    let digits = term.rsplit(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty());
    let number = digits.and_then(|digits| digits.parse::<u32>().ok());
    let set = if term.contains("UTF") || term.contains("UNICODE") {
        Set::Utf8
    } else if term.contains("GB18030") {
        Set::Gb18030
    } else if term.contains("GBK") || term.contains("GB2312") {
        Set::Gbk
    } else if term.contains("8859") || term.contains("LATIN1") {
        // The numbers of the parts of ISO 8859.
        set_of(match number? {
            1 => 100,
            2 => 101,
            3 => 109,
            4 => 110,
            5 => 144,
            6 => 127,
            7 => 126,
            8 => 138,
            9 => 148,
            11 => 166,
            15 => 203,
            _ => return None,
        })?
    } else if term.starts_with("ISO") || term.starts_with("IR") {
        set_of(number?)?
    } else if term == "ASCII" || term == "DEFAULT" {
        Set::Ascii
    } else {
        return None;
    };
    Some((set, false))
}
