//! Pixel data that is cut, and grey and colour that contradict each other.

use super::Case;
use crate::dicom::build::{Bytes, Encoding, IMPLICIT, RLE};
use crate::dicom::subject::{PIXELS, Subject};

fn subject() -> Subject {
    Subject::new(Encoding::Explicit)
}

/// The image, a thousand higher for each `number`.
fn frame(number: u16) -> Vec<u16> {
    PIXELS.iter().map(|value| value + 1000 * number).collect()
}

/// The subject with the first `count` of these as its frames.
fn frames(count: u16) -> Subject {
    let words: Vec<u16> = (0..count).flat_map(frame).collect();
    subject().set(0x28, 0x08, Bytes::default().text(0x28, 0x08, "IS", &count.to_string())).set(
        0x7FE0,
        0x10,
        Bytes::default().words(0x7FE0, 0x10, "OW", &words),
    )
}

/// The file without its last bytes.
fn cut(file: &[u8], bytes: usize) -> Vec<u8> {
    file[..file.len() - bytes].to_vec()
}

const TRUNCATED: &[&str] = &["pixel-data-truncated"];

pub(super) fn frame_cut() -> Case {
    let mut left = PIXELS;
    left[8..].fill(0);
    // Without a position it is a picture, not a slice.
    Case::new(cut(&subject().without(0x20, 0x32).file(), 8), TRUNCATED).frames(&[&left])
}

pub(super) fn frames_cut() -> Case {
    // A frame has 24 bytes: the fourth is missing, and 8 of the third.
    Case::new(cut(&frames(4).file(), 24 + 8), TRUNCATED).frames(&[&frame(0), &frame(1)])
}

/// One frame in RLE (PS3.5 G.4 and G.5): high bytes, then low bytes, both as literal runs.
fn rle(frame: &[u16]) -> Vec<u8> {
    let segment = |byte: fn(u16) -> u8| -> Vec<u8> {
        let values = frame.iter().map(|value| byte(*value));
        let run: Vec<u8> = std::iter::once(frame.len() as u8 - 1).chain(values).collect();
        if run.len().is_multiple_of(2) { run } else { [run.as_slice(), &[0x80]].concat() }
    };
    let (high, low) = (segment(|v| (v >> 8) as u8), segment(|v| v as u8));
    let mut header = [0u32; 16];
    header[..3].copy_from_slice(&[2, 64, 64 + high.len() as u32]);
    let header: Vec<u8> = header.iter().flat_map(|v| v.to_le_bytes()).collect();
    [header, high, low].concat()
}

/// RLE frames without the delimiter at the end.
fn encapsulated(count: u16) -> Bytes {
    let open = Bytes::default().head(0x7FE0, 0x10, "OB", u32::MAX).item(0xE000, 0);
    (0..count)
        .map(|number| rle(&frame(number)))
        .fold(open, |bytes, fragment| bytes.item(0xE000, fragment.len() as u32).raw(&fragment))
}

fn compressed(count: u16, pixels: Bytes) -> Vec<u8> {
    Subject::wrap(RLE, &frames(count).set(0x7FE0, 0x10, pixels).data_set())
}

pub(super) fn fragments_cut() -> Case {
    let case = Case::new(cut(&compressed(3, encapsulated(3)), 9), TRUNCATED);
    case.frames(&[&frame(0), &frame(1)])
}

pub(super) fn no_fragment_delimiter() -> Case {
    let case = Case::new(compressed(2, encapsulated(2)), &["delimiter-missing"]);
    case.frames(&[&frame(0), &frame(1)])
}

pub(super) fn odd_fragment() -> Case {
    let fragment = [rle(&PIXELS).as_slice(), &[0x80]].concat();
    let pixels = Bytes::default().head(0x7FE0, 0x10, "OB", u32::MAX).item(0xE000, 0);
    let pixels = pixels.item(0xE000, fragment.len() as u32).raw(&fragment).item(0xE0DD, 0);
    Case::new(Subject::wrap(RLE, &subject().set(0x7FE0, 0x10, pixels).data_set()), &["odd-length"])
}

pub(super) fn odd_fragment_padded() -> Case {
    let fragment = [rle(&PIXELS).as_slice(), &[0x80]].concat();
    let pixels = Bytes::default().head(0x7FE0, 0x10, "OB", u32::MAX).item(0xE000, 0);
    let pixels = pixels.item(0xE000, fragment.len() as u32).raw(&fragment).raw(&[0]).item(0xE0DD, 0);
    Case::new(Subject::wrap(RLE, &subject().set(0x7FE0, 0x10, pixels).data_set()), &["odd-length"])
}

pub(super) fn fragments_cut_with_table() -> Case {
    // Encapsulated Uncompressed (PS3.5 A.4.11), two fragments of 12 bytes a frame: 40 bytes with their item headers.
    let bytes: Vec<u8> = (0..3).flat_map(frame).flat_map(u16::to_le_bytes).collect();
    let table: Vec<u8> = [0u32, 40, 80].iter().flat_map(|offset| offset.to_le_bytes()).collect();
    let open = Bytes::default().head(0x7FE0, 0x10, "OB", u32::MAX).item(0xE000, 12).raw(&table);
    let pixels = bytes.chunks(12).fold(open, |bytes, fragment| bytes.item(0xE000, 12).raw(fragment));
    let file = Subject::wrap("1.2.840.10008.1.2.1.98", &frames(3).set(0x7FE0, 0x10, pixels).data_set());
    Case::new(cut(&file, 5), TRUNCATED).frames(&[&frame(0), &frame(1)])
}

pub(super) fn fragments_missing() -> Case {
    let case = Case::new(compressed(3, encapsulated(2)), &["delimiter-missing", "pixel-data-truncated"]);
    case.frames(&[&frame(0), &frame(1)])
}

pub(super) fn compressed_not_said() -> Case {
    // A JPEG-LS codestream (ITU-T T.87) of 3 x 4 samples of 16 bits that are all 0: runs to the end of each of three lines.
    let stream = [
        &[0xFF, 0xD8, 0xFF, 0xF7, 0, 11, 16, 0, 3, 0, 4, 1, 1, 0x11, 0],
        [0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0].as_slice(),
        &[0xFF, 0x7F, 0xFF, 0xD9, 0],
    ];
    let stream = stream.concat();
    let pixels = Bytes::default().head(0x7FE0, 0x10, "OB", u32::MAX).item(0xE000, 0);
    let pixels = pixels.item(0xE000, stream.len() as u32).raw(&stream).item(0xE0DD, 0);
    Case::new(subject().set(0x7FE0, 0x10, pixels).file(), &["pixel-data-compressed"]).frames(&[&[0; 12]])
}

pub(super) fn longer() -> Case {
    let more = [PIXELS.as_slice(), &[7; 4]].concat();
    let pixels = Bytes::default().words(0x7FE0, 0x10, "OW", &more);
    Case::new(subject().set(0x7FE0, 0x10, pixels).file(), &["pixel-data-longer"])
}

/// Red, green and blue of 3 x 4 pixels.
const COLOURS: [u16; 36] = {
    let mut values = [0; 36];
    let mut i = 0;
    while i < 36 {
        values[i] = (7 * i) as u16;
        i += 1;
    }
    values
};

/// A photograph of 8 bits with these attributes of colour, and one byte each of `values`.
fn photograph(photometric: &str, samples: Option<u16>, planar: Option<u16>, values: &[u16]) -> Subject {
    let e = Bytes::default;
    let bytes: Vec<u8> = values.iter().map(|value| *value as u8).collect();
    let plain = subject()
        .set(0x28, 0x04, e().text(0x28, 0x04, "CS", photometric))
        .set(0x28, 0x100, e().short(0x28, 0x100, 8))
        .set(0x28, 0x101, e().short(0x28, 0x101, 8))
        .set(0x28, 0x102, e().short(0x28, 0x102, 7))
        .without(0x28, 0x02)
        .set(0x7FE0, 0x10, e().put(0x7FE0, 0x10, "OB", &bytes));
    let with = samples.into_iter().fold(plain, |s, n| s.set(0x28, 0x02, e().short(0x28, 0x02, n)));
    planar.into_iter().fold(with, |s, n| s.set(0x28, 0x06, e().short(0x28, 0x06, n)))
}

pub(super) fn colour_one_sample() -> Case {
    let bytes = photograph("RGB", Some(1), Some(0), &COLOURS).file();
    Case::new(bytes, &["samples-per-pixel-repaired"]).frames(&[&COLOURS])
}

pub(super) fn colour_one_sample_stored() -> Case {
    Case::new(photograph("RGB", Some(1), Some(0), &PIXELS).file(), &["photometric-repaired"])
}

pub(super) fn grey_three_samples() -> Case {
    let bytes = photograph("MONOCHROME2", Some(3), Some(0), &COLOURS).file();
    Case::new(bytes, &["photometric-repaired"]).frames(&[&COLOURS])
}

pub(super) fn grey_three_samples_one_stored() -> Case {
    let bytes = photograph("MONOCHROME2", Some(3), Some(0), &PIXELS).file();
    Case::new(bytes, &["samples-per-pixel-repaired"])
}

pub(super) fn colour_no_planar() -> Case {
    let bytes = photograph("RGB", Some(3), None, &COLOURS).file();
    Case::new(bytes, &["planar-configuration-missing"]).frames(&[&COLOURS])
}

pub(super) fn colour_no_samples() -> Case {
    let bytes = photograph("RGB", None, Some(0), &COLOURS).file();
    Case::new(bytes, &["pixel-attribute-missing"]).frames(&[&COLOURS])
}

pub(super) fn midas_photograph() -> Case {
    let e = Bytes::default;
    let photograph = photograph("RGB", Some(3), None, &COLOURS)
        .set(0x08, 0x16, e().text(0x08, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.7"))
        .set(0x08, 0x18, e().text(0x08, 0x18, "UI", "1.2.826.0.1.3680043.8.498.1"))
        .set(0x08, 0x60, e().text(0x08, 0x60, "CS", "XC"))
        .set(0x18, 0x15, e().text(0x18, 0x15, "CS", "MOUTH"))
        .without(0x08, 0x05)
        .without(0x08, 0x1030)
        .without(0x20, 0x13)
        .without(0x20, 0x32)
        .without(0x20, 0x37);
    let codes = &["transfer-syntax-mismatch", "meta-uid-differs", "planar-configuration-missing"];
    Case::new(Subject::wrap(IMPLICIT, &photograph.data_set()), codes)
        .text(&[(0x08, 0x18)], "1.2.826.0.1.3680043.8.498.1")
        .text(&[(0x08, 0x60)], "XC")
        .text(&[(0x18, 0x15)], "MOUTH")
        .lacks(&[(0x08, 0x1030)])
        .lacks(&[(0x20, 0x13)])
        .frames(&[&COLOURS])
}
