//! Crafted files: each gives a typed error in under a second and within 256 MB.

mod common;
#[path = "common/hostile.rs"]
mod judge;

use std::io::Write;

use common::{Bytes, EXPLICIT};
use judge::{image, judged, refusal};
use netra_core::ErrorKind;

const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
const IMPLICIT: &str = "1.2.840.10008.1.2";

#[test]
fn child() {
    judge::child();
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

#[test]
fn huge_lengths() {
    for vr in ["UT", "OB", "OW", "UN", "SQ"] {
        let file = Bytes::default().head(0x08, 0x08, vr, 0xFFFF_FFF0).raw(&[0; 16]).file(EXPLICIT);
        assert_eq!(refusal(vr, &file).kind(), ErrorKind::Malformed);
    }
    let file = image(4, 4, "1").head(0x7FE0, 0x10, "OW", 0xFFFF_FFF0).raw(&[0; 16]).file(EXPLICIT);
    assert_eq!(refusal("pixels", &file).kind(), ErrorKind::Malformed);
    let fragment = image(4, 4, "1").head(0x7FE0, 0x10, "OB", u32::MAX).item(0xE000, 0).item(0xE000, 0xFFFF_FFF0);
    assert_eq!(refusal("fragment", &fragment.file("1.2.840.10008.1.2.5")).kind(), ErrorKind::Malformed);
    let table = image(4, 4, "1").head(0x7FE0, 0x10, "OB", u32::MAX).item(0xE000, 0xFFFF_FFF0);
    assert_eq!(refusal("table", &table.file("1.2.840.10008.1.2.5")).kind(), ErrorKind::Malformed);
}

#[test]
fn deep_nesting() {
    let mut open_ended = Bytes::default();
    for _ in 0..100_000 {
        open_ended = open_ended.head(0x40, 0x275, "SQ", u32::MAX).item(0xE000, u32::MAX);
    }
    assert_eq!(refusal("undefined", &open_ended.file(EXPLICIT)).kind(), ErrorKind::Limit);
    let mut defined = Bytes::default();
    for depth in (0..100_000u32).rev() {
        defined = defined.head(0x40, 0x275, "SQ", 20 * depth + 8).item(0xE000, 20 * depth);
    }
    assert_eq!(refusal("defined", &defined.file(EXPLICIT)).kind(), ErrorKind::Limit);
    // Private elements of unknown VR; what they hold is implicit.
    let mut private = Bytes::default();
    for _ in 0..100_000 {
        private = private.head(0x29, 0x1010, "UN", u32::MAX).item(0xE000, u32::MAX);
    }
    assert!(matches!(refusal("private", &private.file(EXPLICIT)).kind(), ErrorKind::Limit | ErrorKind::Malformed));
    let mut implicit = Vec::new();
    for _ in 0..100_000 {
        implicit.extend([0x40, 0, 0x75, 2, 255, 255, 255, 255, 0xFE, 0xFF, 0, 0xE0, 255, 255, 255, 255]);
    }
    assert_eq!(refusal("implicit", &Bytes::default().raw(&implicit).file(IMPLICIT)).kind(), ErrorKind::Limit);
}

/// CVE-2026-5437 (Orthanc: lengths of the file meta information point behind it).
#[test]
fn meta_information_that_lies() {
    let file = |meta: Bytes| {
        let sound = image(4, 4, "1").put(0x7FE0, 0x10, "OW", &[0; 32]);
        [&[0; 128], &b"DICM"[..], &meta.0, &sound.0].concat()
    };
    let syntax = |meta: Bytes| meta.text(2, 0x10, "UI", EXPLICIT);
    for len in [u32::MAX, 0xFFFF_FFF0, 0x7FFF_FFFF, 100_000] {
        refusal("long", &file(syntax(Bytes::default().head(2, 1, "OB", len))));
        refusal("last", &file(syntax(Bytes::default()).head(2, 0x102, "OB", len)));
    }
    refusal("short", &file(syntax(Bytes::default().head(2, 2, "UI", 0xFFFF))));
    // A group length that lies says nothing that is not known.
    for len in [0u32, 1, u32::MAX] {
        assert!(judged("group", &file(syntax(Bytes::default().put(2, 0, "UL", &len.to_le_bytes())))).is_none());
    }
    for end in 0..200 {
        judged("cut", &file(syntax(Bytes::default()))[..end]);
    }
    judged("magic", &b"DICM".repeat(50_000));
    judged("endless", &file(Bytes::default().raw(&Bytes::default().text(2, 0x16, "AE", "X").0.repeat(200_000))));
}

/// CVE-2021-41687 (DCMTK) and GDCM 3.2.2: memory of files that are refused is given back.
#[test]
fn refused_files_leave_nothing_behind() {
    let many = Bytes::default().raw(&Bytes::default().text(0x09, 0x10, "LO", "a private text").0.repeat(3000));
    let item = many.head(0x40, 0x275, "SQ", u32::MAX).item(0xE000, u32::MAX).raw(&[1; 12]);
    let pixels = image(64, 64, "2").put(0x7FE0, 0x10, "OW", &vec![0; 64 * 64 * 3]);
    for (name, file) in [("sequence", item), ("pixels", pixels)] {
        let grown = judge::growth(name, &file.file(EXPLICIT));
        assert!(grown < 4096, "{name} left {grown} kB behind");
    }
}

#[test]
fn inconsistent_nesting() {
    let beyond = Bytes::default().head(0x40, 0x275, "SQ", 16).item(0xE000, 200).raw(&[0; 300]);
    assert_eq!(refusal("beyond", &beyond.file(EXPLICIT)).kind(), ErrorKind::Malformed);
    let no_item = Bytes::default().head(0x40, 0x275, "SQ", u32::MAX).text(0x08, 0x60, "CS", "OT");
    assert_eq!(refusal("no-item", &no_item.file(EXPLICIT)).kind(), ErrorKind::Malformed);
    let unclosed =
        Bytes::default().head(0x40, 0x275, "SQ", u32::MAX).item(0xE000, u32::MAX).text(0x08, 0x60, "CS", "OT");
    // The end of the file closes it, with a warning; there is just no image.
    assert_eq!(refusal("unclosed", &unclosed.file(EXPLICIT)).kind(), ErrorKind::Unsupported);
}

#[test]
fn too_many_elements() {
    let mut items = Bytes::default().head(0x40, 0x275, "SQ", u32::MAX);
    for _ in 0..1_000_001 {
        items.0.extend([0xFE, 0xFF, 0, 0xE0, 0, 0, 0, 0]);
    }
    assert_eq!(refusal("items", &items.file(EXPLICIT)).kind(), ErrorKind::Limit);
}

#[test]
fn sizes_without_bytes() {
    let file = |i: Bytes| i.put(0x7FE0, 0x10, "OW", &[0; 16]).file(EXPLICIT);
    assert_eq!(refusal("frames", &file(image(65535, 65535, "2000000000"))).kind(), ErrorKind::Limit);
    assert_eq!(refusal("frames-2", &file(image(4, 4, "2000000000"))).kind(), ErrorKind::Limit);
    assert_eq!(refusal("frames-3", &file(image(4, 4, "50000"))).kind(), ErrorKind::Malformed);
    assert_eq!(refusal("rows", &file(image(0, 4, "1"))).kind(), ErrorKind::Malformed);
    let wide = Bytes::default()
        .put(0x28, 0x10, "UL", &u32::MAX.to_le_bytes())
        .put(0x28, 0x11, "UL", &u32::MAX.to_le_bytes())
        .short(0x28, 0x100, 64);
    assert_eq!(refusal("wide", &file(wide)).kind(), ErrorKind::Limit);
    for syntax in ["1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.110"]
    {
        let tiny = image(20000, 20000, "1")
            .head(0x7FE0, 0x10, "OB", u32::MAX)
            .item(0xE000, 0)
            .item(0xE000, 16)
            .raw(&[0; 16])
            .item(0xE0DD, 0);
        let error = refusal(syntax, &tiny.file(syntax));
        assert!(matches!(error.kind(), ErrorKind::Limit | ErrorKind::Unsupported), "{error}");
        let many =
            image(16, 16, "50000").head(0x7FE0, 0x10, "OB", u32::MAX).item(0xE000, 0).item(0xE000, 2).raw(&[0; 2]);
        assert_eq!(refusal(syntax, &many.item(0xE0DD, 0).file(syntax)).kind(), ErrorKind::Malformed);
    }
}

#[test]
fn odd_bits_and_vrs() {
    let bits = image(4, 4, "1").short(0x28, 0x100, 12).put(0x7FE0, 0x10, "OW", &[0; 32]);
    assert_eq!(refusal("bits", &bits.file(EXPLICIT)).kind(), ErrorKind::Unsupported);
    let high = image(4, 4, "1").short(0x28, 0x102, 40).put(0x7FE0, 0x10, "OW", &[0; 32]);
    assert_eq!(refusal("high", &high.file(EXPLICIT)).kind(), ErrorKind::Malformed);
    let vr = image(4, 4, "1").head(0x29, 0x10, "??", 4).raw(&[0; 64]);
    assert_eq!(refusal("vr", &vr.file(EXPLICIT)).kind(), ErrorKind::Malformed);
}

#[test]
fn deflate_bombs() {
    // 300 MB of one long text, and of small elements.
    let text = Bytes::default().head(0x08, 0x08, "UT", 300 << 20).raw(&vec![b' '; 300 << 20]);
    let file = Bytes::default().raw(&deflate(&text.0)).file(DEFLATED);
    assert!(file.len() < 16 << 20);
    assert_eq!(refusal("text", &file).kind(), ErrorKind::Limit);
    let element = Bytes::default().text(0x09, 0x10, "LO", "x").0;
    let many = element.repeat(1_000_100);
    let file = Bytes::default().raw(&deflate(&many)).file(DEFLATED);
    assert_eq!(refusal("many", &file).kind(), ErrorKind::Limit);
}

/// The decoder of ISO 2022 JP that dicom-encoding brings never ends at a byte outside the set.
#[test]
fn kanji_that_are_none() {
    for bytes in [
        &b"\x1b$B\x7fm$&\x1b(B"[..],
        b"\x1b$B$?\x7fm\x1b(B",
        b"\x1b$B$",
        b"\x1b$B \n\x1b(B",
        b"\x1b$(D$\x7f$",
        b"\x1b$B\x00\x00",
    ] {
        let name = Bytes::default()
            .text(0x08, 0x05, "CS", "\\ISO 2022 IR 87\\ISO 2022 IR 159")
            .put(0x08, 0x80, "LO", bytes)
            .put(0x10, 0x10, "PN", bytes);
        judged("kanji", &name.file(EXPLICIT));
    }
}
