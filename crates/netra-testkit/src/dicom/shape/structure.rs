//! Items, sequences, delimiters, order.

use super::Case;
use crate::dicom::build::{Bytes, Encoding};
use crate::dicom::subject::Subject;

const REFERENCE: &[(u16, u16)] = &[(0x08, 0x1140), (0x08, 0x1155)];

const SKIPPED: &[&str] = &["large-values-skipped"];

fn reference() -> Bytes {
    Bytes::default().text(0x08, 0x1155, "UI", "1.2.3.99")
}

/// The subject with another referenced image sequence.
fn with(sequence: Bytes, codes: &'static [&'static str]) -> Case {
    Case::new(Subject::new(Encoding::Explicit).set(0x08, 0x1140, sequence).file(), codes)
}

pub(super) fn open_sequence() -> Case {
    with(Bytes::default().open_sequence(0x08, 0x1140, &reference()), &[])
}

pub(super) fn nested_open() -> Case {
    let code = Bytes::default().text(0x08, 0x100, "SH", "CODE");
    let inner = Bytes::default().open_sequence(0x40, 0xA170, &code);
    let outer = reference().sequence(0x40, 0xA170, &Bytes::default().open_sequence(0x40, 0xA168, &code));
    let sequence = Bytes::default()
        .head(0x08, 0x1140, "SQ", u32::MAX)
        .item(0xE000, outer.0.len() as u32)
        .raw(&outer.0)
        .item(0xE000, u32::MAX)
        .raw(&inner.0)
        .item(0xE00D, 0)
        .item(0xE0DD, 0);
    with(sequence, &[]).text(&[(0x08, 0x1140), (0x40, 0xA170), (0x40, 0xA168), (0x08, 0x100)], "CODE")
}

pub(super) fn empty_items() -> Case {
    let item = reference();
    let sequence = Bytes::default()
        .head(0x08, 0x1140, "SQ", u32::MAX)
        .item(0xE000, item.0.len() as u32)
        .raw(&item.0)
        .item(0xE000, 0)
        .item(0xE000, u32::MAX)
        .item(0xE00D, 0)
        .item(0xE0DD, 0)
        .head(0x08, 0x2112, "SQ", 0)
        .head(0x08, 0x2218, "SQ", u32::MAX)
        .item(0xE0DD, 0);
    with(sequence, &[])
}

pub(super) fn private_sequence() -> Case {
    let item = Bytes::of(Encoding::Implicit).text(0x09, 0x10, "LO", "NETRA TEST").text(0x09, 0x1003, "UN", "inside");
    let sequence = Bytes::of(Encoding::Implicit).open_sequence(0x09, 0x1002, &item);
    Case::new(Subject::new(Encoding::Implicit).set(0x09, 0x1002, sequence).file(), &[])
}

pub(super) fn group_lengths() -> Case {
    let length = |group: u16| Bytes::default().put(group, 0, "UL", &[10, 0, 0, 0]);
    let subject = Subject::new(Encoding::Explicit);
    let all = [0x08, 0x10, 0x28, 0x7FE0].into_iter().fold(subject, |s, group| s.set(group, 0, length(group)));
    Case::new(all.file(), &[])
}

pub(super) fn no_item_delimiter() -> Case {
    let open = Bytes::default().head(0x08, 0x1140, "SQ", u32::MAX).item(0xE000, u32::MAX).raw(&reference().0);
    with(open.item(0xE0DD, 0), &["delimiter-missing"])
}

pub(super) fn no_item_delimiter_between() -> Case {
    let second = Bytes::default().text(0x08, 0x1155, "UI", "1.2.3.98");
    let open = Bytes::default().head(0x08, 0x1140, "SQ", u32::MAX).item(0xE000, u32::MAX).raw(&reference().0);
    let sequence = open.item(0xE000, u32::MAX).raw(&second.0).item(0xE00D, 0).item(0xE0DD, 0);
    with(sequence, &["delimiter-missing"])
}

pub(super) fn no_item_delimiter_inside() -> Case {
    let item = Bytes::default().item(0xE000, u32::MAX).raw(&reference().0);
    let sequence = Bytes::default().head(0x08, 0x1140, "SQ", item.0.len() as u32).raw(&item.0);
    with(sequence, &["delimiter-missing"])
}

pub(super) fn padded_item() -> Case {
    let item = Bytes::default().head(0x08, 0x1155, "UI", 7).raw(b"1.2.3.9");
    let open = Bytes::default().head(0x08, 0x1140, "SQ", u32::MAX).item(0xE000, item.0.len() as u32).raw(&item.0);
    with(open.raw(&[0]).item(0xE0DD, 0), &["odd-length"]).text(REFERENCE, "1.2.3.9")
}

pub(super) fn icon() -> Case {
    let fragments = Bytes::default().head(0x7FE0, 0x10, "OB", u32::MAX).item(0xE000, 0);
    let icon = fragments.item(0xE000, 4).raw(&[1, 2, 3, 4]).item(0xE0DD, 0);
    let sequence = Bytes::default().open_sequence(0x88, 0x200, &icon);
    let case = Case::new(Subject::new(Encoding::Explicit).set(0x88, 0x200, sequence).file(), SKIPPED);
    case.text(REFERENCE, "1.2.3.99")
}

pub(super) fn private_fragments() -> Case {
    let open = Bytes::default().head(0x09, 0x1002, "OB", u32::MAX).item(0xE000, 0);
    let fragments = open.item(0xE000, 4).raw(&[1, 2, 3, 4]).item(0xE0DD, 0);
    Case::new(Subject::new(Encoding::Explicit).set(0x09, 0x1002, fragments).file(), SKIPPED)
}

pub(super) fn no_sequence_delimiter() -> Case {
    let item = reference();
    let open = Bytes::default().head(0x08, 0x1140, "SQ", u32::MAX).item(0xE000, item.0.len() as u32).raw(&item.0);
    with(open, &["delimiter-missing"])
}

pub(super) fn no_delimiter_at_the_end() -> Case {
    let open = Bytes::default().head(0x88, 0x200, "SQ", u32::MAX).item(0xE000, u32::MAX);
    let subject = Subject::new(Encoding::Explicit).without(0x7FE0, 0x10);
    let last = open.text(0x08, 0x1155, "UI", "1.2.3.98");
    let case = Case::new(subject.set(0x88, 0x200, last).file(), &["delimiter-missing"]).frames(&[]);
    case.text(&[(0x88, 0x200), (0x08, 0x1155)], "1.2.3.98")
}

pub(super) fn stray_delimiter() -> Case {
    let sequence = Bytes::default().sequence(0x08, 0x1140, &reference());
    with(sequence.item(0xE0DD, 0), &["delimiter-stray"])
}

pub(super) fn delimiter_after_defined_item() -> Case {
    let item = reference();
    let open = Bytes::default().head(0x08, 0x1140, "SQ", u32::MAX).item(0xE000, item.0.len() as u32).raw(&item.0);
    with(open.item(0xE00D, 0).item(0xE0DD, 0), &["delimiter-stray"])
}

/// The subject with some elements behind the others.
fn reordered(last: &[(u16, u16)], codes: &'static [&'static str]) -> Case {
    let data_set = Subject::new(Encoding::Explicit).data_set_with_last(last);
    Case::new(Subject::wrap(Encoding::Explicit.syntax(), &data_set), codes)
}

const PIXELS_LAST: (u16, u16) = (0x7FE0, 0x10);

pub(super) fn out_of_order() -> Case {
    reordered(&[(0x08, 0x60), (0x20, 0x13), PIXELS_LAST], &["elements-out-of-order"])
}

pub(super) fn character_set_last() -> Case {
    reordered(&[(0x08, 0x05), PIXELS_LAST], &["elements-out-of-order"])
}

pub(super) fn rows_after_pixels() -> Case {
    reordered(&[(0x28, 0x10), (0x28, 0x11)], &["elements-out-of-order"])
}

pub(super) fn duplicate() -> Case {
    let twice = Bytes::default().text(0x20, 0x13, "IS", "7").text(0x20, 0x13, "IS", "1");
    Case::new(Subject::new(Encoding::Explicit).set(0x20, 0x13, twice).file(), &["element-duplicated"])
}

pub(super) fn trailing_zeros() -> Case {
    let mut bytes = Subject::new(Encoding::Explicit).without(0x7FE0, 0x10).file();
    bytes.extend([0; 40]);
    Case::new(bytes, &["trailing-padding"]).frames(&[])
}

pub(super) fn trailing_element() -> Case {
    let padding = Bytes::default().put(0xFFFC, 0xFFFC, "OB", &[0; 20]);
    Case::new(Subject::new(Encoding::Explicit).set(0xFFFC, 0xFFFC, padding).file(), &[])
        .lacks(&[])
        .text(REFERENCE, "1.2.3.99")
}
