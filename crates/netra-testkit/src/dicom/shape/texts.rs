//! Specific Character Set (PS3.3 C.12.1.1.2), declared and not.

use super::Case;
use crate::dicom::build::{Bytes, Encoding};
use crate::dicom::subject::Subject;

const NAME: &[(u16, u16)] = &[(0x10, 0x10)];
const STUDY: &[(u16, u16)] = &[(0x08, 0x1030)];

fn with_set(set: &str) -> Subject {
    Subject::new(Encoding::Explicit).set(0x08, 0x05, Bytes::default().text(0x08, 0x05, "CS", set))
}

/// The subject whose Study Description is `bytes` in the character set `set`.
fn study(set: &str, bytes: &[u8], text: &'static str, codes: &'static [&'static str]) -> Case {
    let element = Bytes::default().put(0x08, 0x1030, "LO", bytes);
    Case::new(with_set(set).set(0x08, 0x1030, element).file(), codes).text(STUDY, text)
}

/// The subject whose Patient's Name is `bytes`; it has no Study Description.
fn name(set: &str, bytes: &[u8], text: &'static str, codes: &'static [&'static str]) -> Case {
    let element = Bytes::default().put(0x10, 0x10, "PN", bytes);
    let subject = with_set(set).set(0x10, 0x10, element).without(0x08, 0x1030);
    Case::new(subject.file(), codes).lacks(STUDY).text(NAME, text)
}

pub(super) fn utf8_undeclared() -> Case {
    let element = Bytes::default().text(0x08, 0x1030, "LO", "Schädel");
    let subject = Subject::new(Encoding::Explicit).without(0x08, 0x05).set(0x08, 0x1030, element);
    Case::new(subject.file(), &["character-set-undeclared"])
}

pub(super) fn latin_undeclared() -> Case {
    Case::new(Subject::new(Encoding::Explicit).without(0x08, 0x05).file(), &["character-set-undeclared"])
}

pub(super) fn term_misspelt() -> Case {
    Case::new(with_set("ISO-IR 100").file(), &["character-set-repaired"])
}

pub(super) fn term_unknown() -> Case {
    Case::new(with_set("KLINGON").file(), &["character-set-unknown", "character-set-undeclared"])
}

pub(super) fn utf8() -> Case {
    study("ISO_IR 192", "頭部 tête".as_bytes(), "頭部 tête", &[])
}

pub(super) fn japanese() -> Case {
    let bytes = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B";
    name("\\ISO 2022 IR 87", bytes, "Yamada^Tarou=山田^太郎=やまだ^たろう", &[])
}

pub(super) fn japanese_katakana() -> Case {
    let bytes =
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J";
    name("ISO 2022 IR 13\\ISO 2022 IR 87", bytes, "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう", &[])
}

pub(super) fn korean() -> Case {
    let bytes = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf";
    name("\\ISO 2022 IR 149", bytes, "Hong^Gildong=洪^吉洞=홍^길동", &[])
}

pub(super) fn korean_one_escape() -> Case {
    let bytes = b"Hong^Gildong=\x1b$)C\xfb\xf3^\xd1\xce\xd4\xd7=\xc8\xab^\xb1\xe6\xb5\xbf";
    name("\\ISO 2022 IR 149", bytes, "Hong^Gildong=洪^吉洞=홍^길동", &["character-set-undeclared"])
}

pub(super) fn korean_no_escape() -> Case {
    name("\\ISO 2022 IR 149", b"\xc8\xab^\xb1\xe6\xb5\xbf", "홍^길동", &["character-set-undeclared"])
}

pub(super) fn chinese_iso_2022() -> Case {
    let bytes = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab";
    name("\\ISO 2022 IR 58", bytes, "Zhang^XiaoDong=张^小东", &[])
}

pub(super) fn chinese_gb18030() -> Case {
    name("GB18030", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab", "Wang^XiaoDong=王^小东", &[])
}

pub(super) fn chinese_gbk() -> Case {
    // The second byte of the second character is 0x5C.
    study("GBK", b"\xcd\xf5\x89\x5c", "王塡", &[])
}

pub(super) fn thai() -> Case {
    study("ISO_IR 166", b"\xcd\xa1", "อก", &[])
}

pub(super) fn cyrillic() -> Case {
    name("ISO_IR 144", b"\xbb\xee\xda\x63\x65\xdc\xd1\xe3\xe0\xd3", "Люкceмбург", &[])
}

pub(super) fn greek() -> Case {
    name("ISO_IR 126", b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος", &[])
}

pub(super) fn greek_switched() -> Case {
    let bytes = b"Dionysios=\x1b-F\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2";
    name("ISO 2022 IR 100\\ISO 2022 IR 126", bytes, "Dionysios=Διονυσιος", &[])
}

pub(super) fn arabic() -> Case {
    name("ISO_IR 127", b"\xe2\xc8\xc7\xe6\xea^\xe4\xe6\xd2\xc7\xd1", "قباني^لنزار", &[])
}

pub(super) fn hebrew() -> Case {
    name("ISO_IR 138", b"\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4", "שרון^דבורה", &[])
}

pub(super) fn turkish() -> Case {
    name("ISO_IR 148", b"\xc7avu\xfeo\xf0lu^\xddbrahim", "Çavuşoğlu^İbrahim", &[])
}
