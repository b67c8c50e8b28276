//! Any bytes as the codestream of one frame, in each compressed transfer syntax: decoded or refused. Nothing may panic.
//!
//! The first four bytes choose the syntax, the pixel format, the rows and the columns; the rest is the codestream.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netra_core::Limits;
use netra_dicom::ImageOptions;

/// RLE, JPEG, JPEG-LS, JPEG 2000, HTJ2K, JPEG XL.
const SYNTAXES: [&str; 13] =
    ["5", "4.50", "4.51", "4.53", "4.55", "4.57", "4.70", "4.80", "4.81", "4.90", "4.91", "4.201", "4.110"];

fuzz_target!(|bytes: &[u8]| {
    let [syntax, format, rows, columns, codestream @ ..] = bytes else { return };
    let uid = format!("1.2.840.10008.1.2.{}", SYNTAXES[usize::from(*syntax) % SYNTAXES.len()]);
    let path = std::env::temp_dir().join(format!("netra-fuzz-frame-{}", std::process::id()));
    if std::fs::write(&path, file(&uid, *format, [*rows, *columns], codestream)).is_err() {
        return;
    }
    let limits = Limits::default();
    if let Ok(collection) = netra_dicom::open(&path, &limits) {
        for scan in &collection.scans {
            let _ = scan.images(&ImageOptions::default(), &limits);
        }
    }
    let _ = std::fs::remove_file(&path);
});

/// A file with one frame. Bits of `format`: 16 bits allocated, three samples, signed.
fn file(uid: &str, format: u8, [rows, columns]: [u8; 2], codestream: &[u8]) -> Vec<u8> {
    let (bits, samples) = (if format & 1 == 0 { 8u16 } else { 16 }, if format & 2 == 0 { 1u16 } else { 3 });
    let mut out = [vec![0; 128], b"DICM".to_vec()].concat();
    let mut uid = uid.as_bytes().to_vec();
    uid.resize(uid.len().next_multiple_of(2), 0);
    element(&mut out, (0x0002, 0x0010), b"UI", &uid);
    element(&mut out, (0x0008, 0x0016), b"UI", b"1.2.840.10008.5.1.4.1.1.7\0");
    let colour = if samples == 1 { &b"MONOCHROME2 "[..] } else { b"RGB " };
    let numbers = [
        (0x0002, samples),
        (0x0010, rows.max(1).into()),
        (0x0011, columns.max(1).into()),
        (0x0100, bits),
        (0x0101, bits),
        (0x0102, bits - 1),
        (0x0103, u16::from(format & 4 != 0)),
    ];
    for (tag, value) in numbers {
        element(&mut out, (0x0028, tag), b"US", &value.to_le_bytes());
        if tag == 0x0002 {
            element(&mut out, (0x0028, 0x0004), b"CS", colour);
        }
    }
    out.extend([0xE0, 0x7F, 0x10, 0x00, b'O', b'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    let mut frame = codestream.to_vec();
    frame.resize(frame.len().next_multiple_of(2), 0);
    for item in [&[][..], &frame] {
        out.extend([0xFE, 0xFF, 0x00, 0xE0]);
        out.extend((item.len() as u32).to_le_bytes());
        out.extend(item);
    }
    out.extend([0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
    out
}

/// A short element of explicit VR, little endian.
fn element(out: &mut Vec<u8>, (group, tag): (u16, u16), vr: &[u8; 2], value: &[u8]) {
    out.extend(group.to_le_bytes());
    out.extend(tag.to_le_bytes());
    out.extend(vr);
    out.extend((value.len() as u16).to_le_bytes());
    out.extend(value);
}
