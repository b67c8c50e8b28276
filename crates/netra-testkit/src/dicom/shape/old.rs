//! What came before DICOM.

use super::Case;
use crate::dicom::build::{Bytes, Encoding};
use crate::dicom::subject::PIXELS;

/// The groups of an ACR-NEMA 2.0 image whose pixels lie in `group`: no UID, no Samples per Pixel, no Photometric
/// Interpretation.
fn image(group: u16) -> Vec<u8> {
    let e = || Bytes::of(Encoding::Implicit);
    let long = |bytes: Bytes, group: u16, value: u32| bytes.put(group, 0, "UL", &value.to_le_bytes());
    let identifying =
        e().text(0x08, 0x10, "SH", "ACR-NEMA 2.0").text(0x08, 0x60, "CS", "CT").text(0x08, 0x1030, "LO", "HEAD");
    let relation = e().text(0x20, 0x13, "IS", "1");
    let presentation = e()
        .short(0x28, 0x05, 2)
        .short(0x28, 0x10, 3)
        .short(0x28, 0x11, 4)
        .text(0x28, 0x30, "DS", "0.7\\0.5")
        .text(0x28, 0x40, "SH", "RECT")
        .short(0x28, 0x100, 16)
        .short(0x28, 0x101, 16)
        .short(0x28, 0x102, 15)
        .short(0x28, 0x103, 0)
        .short(0x28, 0x200, group);
    let pixels = e().words(group, 0x10, "OW", &PIXELS);
    let groups = [(0x08, identifying), (0x20, relation), (0x28, presentation), (group, pixels)];
    groups.into_iter().flat_map(|(group, bytes)| long(e(), group, bytes.0.len() as u32).raw(&bytes.0).0).collect()
}

fn case(group: u16, codes: &'static [&'static str]) -> Case {
    Case::new(image(group), codes)
        .lacks(&[(0x08, 0x18)])
        .lacks(&[(0x08, 0x1140), (0x08, 0x1155)])
        .text(&[(0x08, 0x1030)], "HEAD")
        .text(&[(0x28, 0x40)], "RECT")
}

pub(super) fn acr_nema() -> Case {
    let codes = &[
        "preamble-missing",
        "meta-missing",
        "transfer-syntax-missing",
        "acr-nema",
        "sop-instance-uid-missing",
        "series-uid-missing",
        "pixel-attribute-missing",
    ];
    case(0x7FE0, codes)
}

pub(super) fn acr_nema_old_group() -> Case {
    let codes = &[
        "preamble-missing",
        "meta-missing",
        "transfer-syntax-missing",
        "acr-nema",
        "sop-instance-uid-missing",
        "series-uid-missing",
        "pixel-attribute-missing",
        "pixel-data-in-old-group",
    ];
    case(0x6000, codes)
}
