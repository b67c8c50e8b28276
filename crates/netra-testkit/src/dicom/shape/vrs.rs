//! Lengths that are odd, VRs that are wrong, damaged or of the other style.

use super::Case;
use crate::dicom::build::{Bytes, Encoding};
use crate::dicom::subject::{PIXELS, Subject};

const EXPLICIT: Encoding = Encoding::Explicit;
const IMPLICIT: Encoding = Encoding::Implicit;

/// The subject with another element.
fn with(encoding: Encoding, group: u16, element: u16, bytes: Bytes, codes: &'static [&'static str]) -> Case {
    Case::new(Subject::new(encoding).set(group, element, bytes).file(), codes)
}

pub(super) fn odd_value() -> Case {
    let odd = Bytes::default().head(0x08, 0x1030, "LO", 7).raw(b"Sch\xE4del");
    with(EXPLICIT, 0x08, 0x1030, odd, &["odd-length"])
}

pub(super) fn odd_value_padded() -> Case {
    let odd = Bytes::default().head(0x08, 0x1030, "LO", 7).raw(b"Sch\xE4del ");
    with(EXPLICIT, 0x08, 0x1030, odd, &["odd-length"])
}

pub(super) fn odd_value_in_item() -> Case {
    let item = Bytes::default().head(0x08, 0x1155, "UI", 7).raw(b"1.2.3.9");
    let case = with(EXPLICIT, 0x08, 0x1140, Bytes::default().sequence(0x08, 0x1140, &item), &["odd-length"]);
    case.text(&[(0x08, 0x1140), (0x08, 0x1155)], "1.2.3.9")
}

pub(super) fn rows_as_text() -> Case {
    with(EXPLICIT, 0x28, 0x10, Bytes::default().text(0x28, 0x10, "DS", "3"), &["vr-wrong"])
}

pub(super) fn rows_as_long() -> Case {
    with(EXPLICIT, 0x28, 0x10, Bytes::default().words(0x28, 0x10, "US", &[3, 0]), &["vr-wrong"])
}

pub(super) fn rows_as_long_big() -> Case {
    let rows = Bytes::of(Encoding::ExplicitBig).words(0x28, 0x10, "US", &[0, 3]);
    with(Encoding::ExplicitBig, 0x28, 0x10, rows, &["vr-wrong"])
}

pub(super) fn rows_unknown() -> Case {
    with(EXPLICIT, 0x28, 0x10, Bytes::default().put(0x28, 0x10, "UN", &[3, 0]), &["vr-un-resolved"])
}

pub(super) fn rows_as_bytes() -> Case {
    with(EXPLICIT, 0x28, 0x10, Bytes::default().put(0x28, 0x10, "OB", &[3, 0]), &["vr-wrong"])
}

pub(super) fn text_unknown() -> Case {
    with(EXPLICIT, 0x08, 0x1030, Bytes::default().put(0x08, 0x1030, "UN", b"Sch\xE4del "), &["vr-un-resolved"])
}

pub(super) fn text_as_bytes() -> Case {
    with(EXPLICIT, 0x08, 0x1030, Bytes::default().put(0x08, 0x1030, "OB", b"Sch\xE4del "), &["vr-wrong"])
}

pub(super) fn number_as_short() -> Case {
    with(EXPLICIT, 0x20, 0x13, Bytes::default().short(0x20, 0x13, 1), &["vr-wrong"])
}

fn reference(encoding: Encoding) -> Bytes {
    Bytes::of(encoding).text(0x08, 0x1155, "UI", "1.2.3.99")
}

pub(super) fn sequence_unknown() -> Case {
    let item = reference(IMPLICIT);
    let len = item.0.len() as u32;
    let unknown = Bytes::default().head(0x08, 0x1140, "UN", len + 8).item(0xE000, len).raw(&item.0);
    with(EXPLICIT, 0x08, 0x1140, unknown, &["vr-un-resolved"])
}

fn unknown_open(encoding: Encoding) -> Bytes {
    let open = Bytes::default().head(0x08, 0x1140, "UN", u32::MAX).item(0xE000, u32::MAX);
    open.raw(&reference(encoding).0).item(0xE00D, 0).item(0xE0DD, 0)
}

pub(super) fn sequence_unknown_open() -> Case {
    with(EXPLICIT, 0x08, 0x1140, unknown_open(IMPLICIT), &[])
}

pub(super) fn sequence_unknown_explicit() -> Case {
    with(EXPLICIT, 0x08, 0x1140, unknown_open(EXPLICIT), &["vr-style-switched"])
}

/// Modality with two other bytes for its VR.
fn damaged(vr: &[u8; 2]) -> Case {
    let damage = |bytes: &mut Vec<u8>| bytes[4..6].copy_from_slice(vr);
    Case::new(Subject::new(EXPLICIT).patch(0x08, 0x60, damage).file(), &["vr-invalid"])
}

pub(super) fn blank() -> Case {
    damaged(b"  ")
}

pub(super) fn question() -> Case {
    damaged(b"??")
}

pub(super) fn dashes() -> Case {
    damaged(b"--")
}

pub(super) fn zero() -> Case {
    damaged(&[0, 0])
}

pub(super) fn ox() -> Case {
    let damage = |bytes: &mut Vec<u8>| bytes[5] = b'X';
    Case::new(Subject::new(EXPLICIT).patch(0x7FE0, 0x10, damage).file(), &["vr-invalid"])
}

pub(super) fn pixels_as_bytes() -> Case {
    with(EXPLICIT, 0x7FE0, 0x10, Bytes::default().words(0x7FE0, 0x10, "OB", &PIXELS), &[])
}

pub(super) fn implicit_item() -> Case {
    let sequence = Bytes::default().sequence(0x08, 0x1140, &reference(IMPLICIT));
    with(EXPLICIT, 0x08, 0x1140, sequence, &["vr-style-switched"])
}

pub(super) fn explicit_item() -> Case {
    let sequence = Bytes::of(IMPLICIT).sequence(0x08, 0x1140, &reference(EXPLICIT));
    with(IMPLICIT, 0x08, 0x1140, sequence, &["vr-style-switched"])
}

pub(super) fn implicit_element() -> Case {
    let element = Bytes::of(IMPLICIT).text(0x20, 0x13, "IS", "1");
    with(EXPLICIT, 0x20, 0x13, element, &["vr-style-switched"])
}

pub(super) fn implicit_pixels() -> Case {
    let pixels = Bytes::of(IMPLICIT).words(0x7FE0, 0x10, "OW", &PIXELS);
    with(EXPLICIT, 0x7FE0, 0x10, pixels, &["vr-style-switched"])
}
