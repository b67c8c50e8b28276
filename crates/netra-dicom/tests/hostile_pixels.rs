//! Pixels that lie: each case after a published vulnerability of another reader, refused or read in under a second and
//! within 256 MB and four times the file.

mod common;
#[path = "common/hostile.rs"]
mod judge;

use common::{Bytes, EXPLICIT};
use judge::{frames, image, image8, judged, refusal};
use netra_core::ErrorKind;

const RLE: &str = "1.2.840.10008.1.2.5";
const JPEG: &str = "1.2.840.10008.1.2.4.50";
const PROGRESSIVE: &str = "1.2.840.10008.1.2.4.55";
const JPEG_LS: &str = "1.2.840.10008.1.2.4.80";

#[test]
fn child() {
    judge::child();
}

/// CVE-2026-5440 and -5441 (Orthanc: Rows and Columns of VR UL overflow the size of the frame), and dicom-rs issue 828.
#[test]
fn rows_and_columns_of_other_kinds() {
    let file = |rows: Bytes| rows.put(0x7FE0, 0x10, "OW", &[0; 64]).file(EXPLICIT);
    let dimension = |vr: &str, value: &[u8]| {
        Bytes::default()
            .put(0x28, 0x10, vr, value)
            .put(0x28, 0x11, vr, value)
            .short(0x28, 0x100, 16)
            .short(0x28, 0x101, 16)
            .short(0x28, 0x102, 15)
    };
    // The product of these is 0 or 4 modulo 2^32.
    for value in [0x0001_0000u32, 0x8000_0000, 0x8000_0002, u32::MAX] {
        let error = refusal("unsigned-long", &file(dimension("UL", &value.to_le_bytes())));
        assert!(matches!(error.kind(), ErrorKind::Limit | ErrorKind::Malformed), "{error}");
    }
    let error = refusal("signed-long", &file(dimension("SL", &(-4i32).to_le_bytes())));
    assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    let error = refusal("text", &file(dimension("DS", b"1e30")));
    assert!(matches!(error.kind(), ErrorKind::Limit | ErrorKind::Malformed), "{error}");
    let error = refusal("very-long", &file(dimension("UV", &u64::MAX.to_le_bytes())));
    assert!(matches!(error.kind(), ErrorKind::Limit | ErrorKind::Malformed), "{error}");
    // Several values: the first counts, and there are bytes for it; or none.
    assert!(judged("several", &file(dimension("US", &[4, 0, 255, 255, 255, 255]))).is_none());
    assert_eq!(refusal("empty", &file(dimension("US", b""))).kind(), ErrorKind::Malformed);
}

fn palette(descriptor: [u16; 3], data: &[u8]) -> Bytes {
    let descriptor = descriptor.map(u16::to_le_bytes).concat();
    let head = image8(4, 4, "1", 1, "PALETTE COLOR");
    let head = [0x1101, 0x1102, 0x1103].into_iter().fold(head, |head, tag| head.put(0x28, tag, "US", &descriptor));
    [0x1201, 0x1202, 0x1203].into_iter().fold(head, |head, tag| head.put(0x28, tag, "OW", data))
}

/// CVE-2026-5443 and -5445 (Orthanc: an index behind the table, a table whose size overflows).
#[test]
fn palettes_that_lie() {
    let file = |palette: Bytes| palette.put(0x7FE0, 0x10, "OB", &[0xFF; 16]).file(EXPLICIT);
    // An index behind the last entry takes the last.
    assert!(judged("index", &file(palette([2, 0, 8], &[1, 2]))).is_none());
    assert!(judged("before", &file(palette([2, 65535, 8], &[1, 2]))).is_none());
    for (name, descriptor, data) in [
        ("short", [256, 0, 16], &[0u8; 4][..]),
        ("all", [0, 0, 16], &[0; 4]),
        ("bits", [2, 0, 0], &[0; 4]),
        ("wide", [2, 0, 65535], &[0; 4]),
        ("none", [0, 0, 8], &[]),
    ] {
        assert_eq!(refusal(name, &file(palette(descriptor, data))).kind(), ErrorKind::Malformed);
    }
    // Segments that repeat segments, and one that repeats itself.
    for segments in [[2u16, 1, 0, 0], [2, 65535, 0, 0], [0, 65535, 1, 2], [1, 9, 9, 9]] {
        let head = palette([0, 0, 16], &[]);
        let data = segments.map(u16::to_le_bytes).concat();
        let head = [0x1221, 0x1222, 0x1223].into_iter().fold(head, |head, tag| head.put(0x28, tag, "OW", &data));
        assert_eq!(refusal("segments", &file(head)).kind(), ErrorKind::Malformed);
    }
    let luts = image(4, 4, "1").head(0x28, 0x3010, "SQ", u32::MAX).item(0xE000, u32::MAX);
    let luts = luts.put(0x28, 0x3002, "US", &[0, 0, 0, 0, 16, 0]).put(0x28, 0x3006, "US", &[1, 0]);
    let luts = luts.item(0xE00D, 0).item(0xE0DD, 0).put(0x7FE0, 0x10, "OW", &[0; 32]);
    assert_eq!(refusal("voi", &luts.file(EXPLICIT)).kind(), ErrorKind::Malformed);
}

/// CVE-2024-22100, CVE-2024-25578 and CVE-2025-5943 (MicroDicom: frames decoded beyond their buffer), CVE-2026-5444.
#[test]
fn codestreams_of_another_size() {
    let start = |bits: u8| {
        [&[0xFF, 0xD8, 0xFF, 0xC3, 0, 11, bits], &[0xFF, 0xFF, 0xFF, 0xFF][..], &[1, 1, 0x11, 0, 0xFF, 0xD9]].concat()
    };
    let ls =
        [0xFF, 0xD8, 0xFF, 0xF7, 0, 11, 8, 0xFF, 0xFF, 0xFF, 0xFF, 1, 1, 0x11, 0, 0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0];
    let mut j2k = vec![0xFF, 0x4F, 0xFF, 0x51, 0, 41, 0, 0];
    for word in [0xFFFF_FFFFu32, 0xFFFF_FFFF, 0, 0, 0xFFFF_FFFF, 0xFFFF_FFFF, 0, 0] {
        j2k.extend(word.to_be_bytes());
    }
    j2k.extend([0, 1, 7, 1, 1]);
    for (syntax, stream) in [
        (JPEG, start(8)),
        ("1.2.840.10008.1.2.4.57", start(16)),
        (JPEG_LS, ls.to_vec()),
        ("1.2.840.10008.1.2.4.90", j2k),
    ] {
        if syntax.ends_with(".90") && cfg!(not(feature = "codecs")) {
            continue;
        }
        let file = frames(image8(4, 4, "1", 1, "MONOCHROME2"), syntax, &[stream]);
        let error = refusal(syntax, &file);
        assert!(matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Limit), "{error}");
    }
    // RLE: offsets behind the frame, segments that overlap, more segments than there are bytes.
    for offsets in [[1u32, 0xFFFF_FFFF], [1, 3], [15, 64], [0xFFFF_FFFF, 64]] {
        let mut frame = offsets.map(u32::to_le_bytes).concat();
        frame.resize(80, 0);
        let file = frames(image8(64, 64, "1", 1, "MONOCHROME2"), RLE, &[frame]);
        assert_eq!(refusal("rle", &file).kind(), ErrorKind::Malformed);
    }
}

/// Frames that hold far more than their bytes can: each is under the limit of a frame.
#[test]
fn bombs_of_many_frames() {
    let mut empty = vec![0u8; 64];
    (empty[0], empty[4]) = (1, 64);
    empty.extend([129, 0].repeat(8));
    let file = frames(image8(5000, 5000, "60", 1, "MONOCHROME2"), RLE, &vec![empty; 60]);
    assert_eq!(refusal("rle", &file).kind(), ErrorKind::Limit);
    // JPEG-LS of one grey: a bit stands for whole lines.
    let mut black = vec![0xFF, 0xD8, 0xFF, 0xF7, 0, 11, 8, 0x13, 0x88, 0x13, 0x88, 1, 1, 0x11, 0];
    black.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0]);
    // All ones, as 7 bits behind each byte 0xFF.
    black.extend([0xFF, 0x7F].repeat(1000));
    black.extend([0xFF, 0xD9]);
    let file = frames(image8(5000, 5000, "60", 1, "MONOCHROME2"), JPEG_LS, &vec![black; 60]);
    assert_eq!(refusal("jpeg-ls", &file).kind(), ErrorKind::Limit);
}

/// Segments of a JPEG frame: start, tables that code everything as zero, frame header of one component.
fn jpeg(frame: u8, rows: u16, columns: u16) -> Vec<u8> {
    let mut out = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
    out.extend([1; 64]);
    for class in [0x00, 0x10] {
        // One code of one bit, for the symbol 0; a second for an end-of-band run of 2^14.
        out.extend([0xFF, 0xC4, 0, 21, class, 1, 1]);
        out.extend([0; 14]);
        out.extend([0, if class == 0 { 1 } else { 0xE0 }]);
    }
    out.extend([0xFF, frame, 0, 11, 8]);
    out.extend(rows.to_be_bytes());
    out.extend(columns.to_be_bytes());
    out.extend([1, 1, 0x11, 0]);
    out
}

/// A million segments that may stand anywhere: a line count (DNL), restart markers, comments.
#[test]
fn a_million_markers() {
    let scan = [0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0];
    for marker in [&[0xFF, 0xDC, 0, 4, 0, 8][..], &[0xFF, 0xD0], &[0xFF, 0xFE, 0, 2], &[0xFF, 0xFF, 0xFF, 0xD8]] {
        let many = marker.repeat(1_000_000);
        for syntax in [JPEG, JPEG_LS] {
            let before = [&[0xFF, 0xD8], &many[..], &jpeg(0xC0, 8, 8)[2..], &scan, &[0, 0xFF, 0xD9]].concat();
            judged("before", &frames(image8(8, 8, "1", 1, "MONOCHROME2"), syntax, &[before]));
            let within = [&jpeg(0xC0, 64, 64)[..], &scan, &many, &[0xFF, 0xD9]].concat();
            refusal("within", &frames(image8(64, 64, "1", 1, "MONOCHROME2"), syntax, &[within]));
        }
        let between = [&jpeg(0xC2, 8, 8)[..], &[0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0, 0], &many, &[0xFF, 0xD9]].concat();
        judged("between", &frames(image8(8, 8, "1", 1, "MONOCHROME2"), PROGRESSIVE, &[between]));
    }
    // A restart after every block, and none of them there.
    let interval = [&jpeg(0xC0, 8, 8)[..2], &[0xFF, 0xDD, 0, 4, 0, 1], &jpeg(0xC0, 5000, 5000)[2..], &scan].concat();
    let bytes = [interval, [0x00, 0xFF, 0xD0].repeat(390_625)].concat();
    judged("restarts", &frames(image8(5000, 5000, "1", 1, "MONOCHROME2"), JPEG, &[bytes]));
}

/// A progressive frame whose every scan passes over all its blocks and holds next to nothing (the "JPEG bomb" of libjpeg).
#[test]
fn a_progressive_frame_of_very_many_scans() {
    // Of one band or of single coefficients, first bits or refined ones.
    for (name, width, approximation) in [("first", 63, 0), ("refined", 63, 0x10), ("single", 1, 0), ("bits", 1, 0x10)] {
        let mut bytes = jpeg(0xC2, 5000, 5000);
        bytes.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0]);
        bytes.extend(vec![0; 390_625 / 8 + 8]);
        for scan in 0..5000 {
            let first = if width == 63 { 1 } else { 1 + (scan % 63) as u8 };
            bytes.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, first, first + width - 1, approximation]);
            // Twenty-four runs of 16384 blocks: a bit for the code, fourteen for its length.
            bytes.extend([0; 48]);
        }
        bytes.extend([0xFF, 0xD9]);
        let error = refusal(name, &frames(image8(5000, 5000, "1", 1, "MONOCHROME2"), PROGRESSIVE, &[bytes]));
        assert!(matches!(error.kind(), ErrorKind::Limit | ErrorKind::Malformed), "{error}");
    }
}

/// A square JPEG 2000 image of empty packets.
#[cfg(feature = "codecs")]
fn jpeg_2000(size: u32, layers: u16, precinct: u8, levels: u8, order: u8) -> Vec<u8> {
    let mut out = vec![0xFF, 0x4F, 0xFF, 0x51, 0, 41, 0, 0];
    for word in [size, size, 0, 0, size, size, 0, 0] {
        out.extend(word.to_be_bytes());
    }
    out.extend([0, 1, 7, 1, 1]);
    out.extend([0xFF, 0x52, 0, 13 + levels, 1, order]);
    out.extend(layers.to_be_bytes());
    out.extend([0, levels, 4, 4, 0, 1]);
    out.extend(vec![precinct; usize::from(levels) + 1]);
    out.extend([0xFF, 0x5C, 0, 4 + 3 * levels, 0x40]);
    out.extend(vec![0x48; 1 + 3 * usize::from(levels)]);
    out.extend([0xFF, 0x90, 0, 10, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF, 0x93]);
    out.extend([0; 4000]);
    out.extend([0xFF, 0xD9]);
    out
}

/// CVE-2023-39327 (OpenJPEG: a few bytes that ask for billions of packets).
#[test]
#[cfg(feature = "codecs")]
fn a_jpeg_2000_codestream_without_end() {
    for syntax in ["1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.201"] {
        for (layers, precinct, levels) in [(65535, 0x11, 5), (65535, 0x22, 32), (65535, 0x33, 0), (65535, 0xFF, 32)] {
            for order in 0..5 {
                let file = frames(
                    image8(512, 512, "1", 1, "MONOCHROME2"),
                    syntax,
                    &[jpeg_2000(512, layers, precinct, levels, order)],
                );
                judged(&format!("layers-{precinct}-{levels}-{order}"), &file);
            }
        }
    }
}

/// Four kilobytes that stand for tens of millions of pixels: so many are read as the memory allows, no more.
#[test]
#[cfg(feature = "codecs")]
fn large_frames_of_nothing() {
    let file = |size: u16| {
        let stream = jpeg_2000(size.into(), 1, 0xFF, 5, 0);
        frames(image8(size, size, "1", 1, "MONOCHROME2"), "1.2.840.10008.1.2.4.90", &[stream])
    };
    assert!(judged("large", &file(4096)).is_none());
    assert_eq!(refusal("larger", &file(5792)).kind(), ErrorKind::Limit);
}

/// A bit a frame: each costs its caller far more than it holds.
#[test]
fn millions_of_frames_of_one_bit() {
    for (rows, frames) in [(1, 8_000_000usize), (1, 800_000), (8, 100_000)] {
        let head = Bytes::default()
            .text(0x08, 0x60, "CS", "OT")
            .text(0x28, 0x08, "IS", &frames.to_string())
            .short(0x28, 0x10, rows)
            .short(0x28, 0x11, 1)
            .short(0x28, 0x100, 1)
            .short(0x28, 0x101, 1)
            .short(0x28, 0x102, 0);
        let bytes = vec![0; (frames * usize::from(rows)).div_ceil(8)];
        let refused = judged(&frames.to_string(), &head.put(0x7FE0, 0x10, "OB", &bytes).file(EXPLICIT));
        assert_eq!(refused.map(|error| error.kind()), (frames > 100_000).then_some(ErrorKind::Limit));
    }
}
