//! Decimal and integer strings, and UIDs (PS3.5 6.2).

use super::Case;
use crate::dicom::build::{Bytes, Encoding};
use crate::dicom::subject::Subject;

const SPACING: &[(u16, u16)] = &[(0x28, 0x30)];

/// The subject with another Pixel Spacing.
fn spacing(value: &[u8], text: &'static str, codes: &'static [&'static str]) -> Case {
    let element = Bytes::default().put(0x28, 0x30, "DS", value);
    Case::new(Subject::new(Encoding::Explicit).set(0x28, 0x30, element).file(), codes).text(SPACING, text)
}

pub(super) fn decimal_comma() -> Case {
    spacing(b"0,7\\0,5", "0.7\\0.5", &["number-repaired"])
}

pub(super) fn exponent() -> Case {
    spacing(b" +7e-1 \\ 5E-01", "+7e-1\\5E-01", &[])
}

pub(super) fn fortran_exponent() -> Case {
    spacing(b"7.0D-1\\0.5", "7.0E-1\\0.5", &["number-repaired"])
}

pub(super) fn blank_after_sign() -> Case {
    spacing(b"+ 0.7\\0.5", "+0.7\\0.5", &["number-repaired"])
}

pub(super) fn trailing_nul() -> Case {
    spacing(b"0.7\\0.5\0", "0.7\\0.5", &[])
}

pub(super) fn too_long() -> Case {
    spacing(b"0.700000000000000000001\\0.5", "0.700000000000000000001\\0.5", &[])
}

pub(super) fn whole_as_decimal() -> Case {
    let subject = Subject::new(Encoding::Explicit).set(0x20, 0x13, Bytes::default().text(0x20, 0x13, "IS", "1.0")).set(
        0x28,
        0x08,
        Bytes::default().text(0x28, 0x08, "IS", "1.0"),
    );
    Case::new(subject.file(), &[]).text(&[(0x20, 0x13)], "1.0")
}

pub(super) fn uid_blanks() -> Case {
    let element = Bytes::default().put(0x08, 0x18, "UI", b" 1.2.3.1");
    Case::new(Subject::new(Encoding::Explicit).set(0x08, 0x18, element).file(), &["uid-repaired"])
}
