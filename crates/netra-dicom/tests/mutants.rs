//! Thousands of damaged files: every one gives a result or a typed error.

mod common;

use std::path::Path;

use common::{Bytes, EXPLICIT, Slice};
use netra_dicom::{ImageOptions, Limits, open};

fn run(path: &Path) -> bool {
    let limits = Limits::default();
    let Ok(collection) = open(path, &limits) else { return false };
    let mut read = false;
    for scan in &collection.scans {
        let _ = (scan.summary(), scan.volume(&limits).is_ok());
        read |= scan.images(&ImageOptions::default(), &limits).is_ok();
    }
    read
}

/// Flips bytes of, and truncates, each seed; `rounds` mutants each.
fn mutate(seeds: &[(&str, Vec<u8>)], rounds: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for (name, seed) in seeds {
        let path = folder.path().join(name);
        std::fs::write(&path, seed).expect("written");
        assert!(run(&path), "the seed {name} is sound");
        for round in 0..rounds {
            let mut bytes = seed.clone();
            for _ in 0..=next() % 4 {
                let at = next() % bytes.len();
                bytes[at] = match next() % 3 {
                    0 => 0xFF,
                    1 => 0,
                    _ => next() as u8,
                };
            }
            if round % 5 == 0 {
                bytes.truncate(next() % seed.len());
            }
            // A new file: some file systems wait for the disk where an old one is overwritten.
            let _ = std::fs::remove_file(&path);
            std::fs::write(&path, &bytes).expect("written");
            run(&path);
        }
    }
}

fn nested() -> Vec<u8> {
    let item = Bytes::default().text(0x08, 0x100, "SH", "T-D1100").text(0x08, 0x104, "LO", "Head");
    let len = item.0.len() as u32;
    Bytes::default()
        .text(0x08, 0x05, "CS", "ISO_IR 100")
        .head(0x08, 0x2218, "SQ", u32::MAX)
        .item(0xE000, u32::MAX)
        .raw(&item.0)
        .item(0xE00D, 0)
        .item(0xE0DD, 0)
        .head(0x08, 0x2228, "SQ", len + 8)
        .item(0xE000, len)
        .raw(&item.0)
        .short(0x28, 0x02, 1)
        .text(0x28, 0x04, "CS", "MONOCHROME1")
        .text(0x28, 0x08, "IS", "2")
        .short(0x28, 0x10, 3)
        .short(0x28, 0x11, 5)
        .short(0x28, 0x100, 1)
        .short(0x28, 0x101, 1)
        .short(0x28, 0x102, 0)
        .short(0x28, 0x103, 0)
        .put(0x7FE0, 0x10, "OB", &[0xA5, 0x5A, 0x33, 0x0C])
        .file(EXPLICIT)
}

fn rle() -> Vec<u8> {
    let mut frame = vec![0u8; 64];
    frame[0] = 1;
    frame[4] = 64;
    frame.extend([253, 7, 3, 1, 2, 3, 4, 249, 9]);
    frame.push(0);
    Bytes::default()
        .short(0x28, 0x02, 1)
        .text(0x28, 0x04, "CS", "PALETTE COLOR")
        .short(0x28, 0x10, 4)
        .short(0x28, 0x11, 4)
        .short(0x28, 0x100, 8)
        .short(0x28, 0x101, 8)
        .short(0x28, 0x102, 7)
        .short(0x28, 0x103, 0)
        .put(0x28, 0x1101, "US", &[4, 0, 0, 0, 16, 0])
        .put(0x28, 0x1102, "US", &[4, 0, 0, 0, 16, 0])
        .put(0x28, 0x1103, "US", &[4, 0, 0, 0, 16, 0])
        .put(0x28, 0x1201, "OW", &[0, 0, 1, 1, 2, 2, 3, 3])
        .put(0x28, 0x1202, "OW", &[0, 0, 1, 1, 2, 2, 3, 3])
        .put(0x28, 0x1203, "OW", &[0, 0, 1, 1, 2, 2, 3, 3])
        .head(0x7FE0, 0x10, "OB", u32::MAX)
        .item(0xE000, 4)
        .raw(&[0; 4])
        .item(0xE000, frame.len() as u32)
        .raw(&frame)
        .item(0xE0DD, 0)
        .file("1.2.840.10008.1.2.5")
}

#[test]
fn damaged_data_sets() {
    let slice = Slice::at(1, 0.0).file();
    mutate(&[("slice", slice), ("nested", nested()), ("rle", rle())], 1500);
}

#[test]
fn damaged_pictures() {
    let mut png = std::io::Cursor::new(Vec::new());
    let picture = image::GrayImage::from_fn(9, 7, |x, y| image::Luma([(x * 20 + y) as u8]));
    picture.write_to(&mut png, image::ImageFormat::Png).expect("encoded");
    let mut jpeg = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut jpeg, image::ImageFormat::Jpeg).expect("encoded");
    let mut tiff = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut tiff, image::ImageFormat::Tiff).expect("encoded");
    mutate(&[("a.png", png.into_inner()), ("a.jpg", jpeg.into_inner()), ("a.tif", tiff.into_inner())], 300);
}

#[test]
#[cfg(feature = "codecs")]
fn damaged_codestreams() {
    let mut jpeg = std::io::Cursor::new(Vec::new());
    let picture = image::GrayImage::from_fn(16, 16, |x, y| image::Luma([(x * 9 + y) as u8]));
    picture.write_to(&mut jpeg, image::ImageFormat::Jpeg).expect("encoded");
    let file = |syntax: &str, stream: &[u8]| {
        let padded = stream.len() + stream.len() % 2;
        let mut stream = stream.to_vec();
        stream.resize(padded, 0);
        Bytes::default()
            .short(0x28, 0x10, 16)
            .short(0x28, 0x11, 16)
            .short(0x28, 0x100, 8)
            .short(0x28, 0x103, 0)
            .head(0x7FE0, 0x10, "OB", u32::MAX)
            .item(0xE000, 0)
            .item(0xE000, padded as u32)
            .raw(&stream)
            .item(0xE0DD, 0)
            .file(syntax)
    };
    mutate(&[("jpeg", file("1.2.840.10008.1.2.4.50", &jpeg.into_inner()))], 400);
    let Some(assets) = netra_testkit::assets() else { return };
    // Small real files for the codecs that no dependency encodes.
    let folder = assets.join("dicom/synthetic_reencoded");
    let mut seeds: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, std::fs::read(entry.path()).ok()?)))
        .filter(|(_, bytes)| bytes.len() < 20_000)
        .collect();
    seeds.sort();
    let wanted =
        ["1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.4.70"];
    for syntax in wanted {
        let is_it = |bytes: &[u8]| bytes.windows(syntax.len() + 1).any(|w| w == [syntax.as_bytes(), b"\0"].concat());
        if let Some((name, bytes)) = seeds.iter().find(|(_, bytes)| is_it(bytes)) {
            mutate(&[(name, bytes.clone())], 60);
        }
    }
}
