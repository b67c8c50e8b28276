//! The EXIF orientation of a JPEG: obeyed in a plain file, without meaning inside DICOM.

use std::path::{Path, PathBuf};
use std::process::Command;

use netra_core::Image;
use netra_dicom::{ImageOptions, Limits, Scan, Voi, open};
use netra_testkit::dicom::Bytes;

/// A JPEG of 16 x 24 pixels, a third and a quarter of it in steps of grey, with an EXIF orientation.
fn jpeg(orientation: u8) -> Vec<u8> {
    let picture = image::GrayImage::from_fn(24, 16, |x, y| image::Luma([(80 * (x / 8) + 20 * (y / 8)) as u8]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::DynamicImage::from(picture).write_to(&mut bytes, image::ImageFormat::Jpeg).expect("encoded");
    let bytes = bytes.into_inner();
    // APP1: one directory of one entry, Orientation, a SHORT.
    let exif = [b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", [orientation].as_slice(), &[0; 7]].concat();
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&bytes[..2], &[0xFF, 0xE1], &length, &exif, &bytes[2..]].concat()
}

fn image(path: &Path) -> (Image, Scan) {
    let scan = open(path, &Limits::default()).expect("opens").scans.remove(0);
    let options = ImageOptions { voi: Voi::Ignore };
    (scan.images(&options, &Limits::default()).expect("decodes").remove(0), scan)
}

/// Where the pixel at `(row, column)` of the turned picture lies in the stored one of `rows` x `columns` pixels: orientation
/// 6, for example, has the 0th row of the picture at the right, and its 0th column at the top (EXIF 2.3, 4.6.4.A).
fn stored(orientation: u8, [row, column]: [usize; 2], [rows, columns]: [usize; 2]) -> [usize; 2] {
    let (last_row, last_column) = (rows - 1, columns - 1);
    match orientation {
        2 => [row, last_column - column],
        3 => [last_row - row, last_column - column],
        4 => [last_row - row, column],
        5 => [column, row],
        6 => [last_row - column, row],
        7 => [last_row - column, last_column - row],
        8 => [column, last_column - row],
        _ => [row, column],
    }
}

#[test]
fn all_eight_orientations_of_a_plain_file_are_obeyed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.jpg");
    std::fs::write(&path, jpeg(1)).expect("written");
    let (plain, scan) = image(&path);
    assert!(scan.warnings().is_empty());
    for orientation in 1..=8 {
        std::fs::write(&path, jpeg(orientation)).expect("written");
        let (turned, scan) = image(&path);
        assert_eq!(turned.size(), if orientation < 5 { [16, 24] } else { [24, 16] }, "{orientation}");
        assert_eq!(scan.warnings().len(), usize::from(orientation > 1));
        for ((channel, row, column), value) in turned.pixels().indexed_iter() {
            let [r, c] = stored(orientation, [row, column], [16, 24]);
            assert_eq!(*value, plain.pixels()[(channel, r, c)], "{orientation}: ({row}, {column})");
        }
    }
}

#[test]
fn the_orientation_of_a_jpeg_inside_dicom_says_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.dcm");
    let frames = [1, 6].map(|orientation| {
        let mut stream = jpeg(orientation);
        stream.extend(vec![0; stream.len() % 2]);
        let file = Bytes::default()
            .short(0x28, 0x02, 1)
            .text(0x28, 0x04, "CS", "MONOCHROME2")
            .short(0x28, 0x10, 16)
            .short(0x28, 0x11, 24)
            .short(0x28, 0x100, 8)
            .short(0x28, 0x101, 8)
            .short(0x28, 0x102, 7)
            .short(0x28, 0x103, 0)
            .head(0x7FE0, 0x10, "OB", u32::MAX)
            .item(0xE000, 0)
            .item(0xE000, stream.len() as u32)
            .raw(&stream)
            .item(0xE0DD, 0)
            .file("1.2.840.10008.1.2.4.50");
        std::fs::write(&path, file).expect("written");
        image(&path).0
    });
    assert_eq!(frames[0].size(), [16, 24]);
    assert_eq!(frames[0].pixels(), frames[1].pixels());
}

/// The interpreter that has Pillow.
fn python() -> Option<PathBuf> {
    netra_testkit::python("numpy, PIL")
}

#[test]
fn pillow_turns_pictures_the_same_way() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let script = netra_testkit::workspace().join("tests/validate/exif.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output().expect("starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for orientation in 1..=8 {
        let (image, _) = image(&folder.path().join(format!("{orientation}.jpg")));
        let raw = std::fs::read(folder.path().join(format!("{orientation}.raw"))).expect("written");
        let word = |at: usize| usize::from(u16::from_le_bytes([raw[at], raw[at + 1]]));
        assert_eq!(image.size(), [word(0), word(2)], "{orientation}");
        let columns = word(2);
        for ((channel, row, column), value) in image.pixels().indexed_iter() {
            let wanted = f32::from(raw[4 + 3 * (row * columns + column) + channel]);
            // Two decoders of a lossy stream.
            assert!((value - wanted).abs() <= 3.0, "{orientation}: ({row}, {column}) is {value}, not {wanted}");
        }
    }
}
