//! Crafted files: each gives a typed error in under a second and within 256 MB.

mod common;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{Bytes, EXPLICIT};
use netra_core::ErrorKind;
use netra_dicom::{ImageOptions, Limits, open};

const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
const IMPLICIT: &str = "1.2.840.10008.1.2";

/// Opens the bytes and does all that can be done with them. Returns the first error.
fn refusal(name: &str, bytes: &[u8]) -> netra_core::Error {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    let start = Instant::now();
    let error = all(&path).err().unwrap_or_else(|| panic!("{name} was read"));
    // The bound is a second; a loaded machine and a build without optimisation get some slack.
    assert!(start.elapsed() < Duration::from_secs(3), "{name} took {:?}", start.elapsed());
    error
}

fn all(path: &Path) -> netra_core::Result<()> {
    let limits = Limits::default();
    let mut collection = open(path, &limits)?;
    if let Some((_, error)) = collection.refused.pop() {
        return Err(error);
    }
    for scan in &collection.scans {
        let _ = scan.summary();
        if scan.is_volume() {
            scan.volume(&limits)?;
        }
        scan.images(&ImageOptions::default(), &limits)?;
    }
    Ok(())
}

fn image(rows: u16, columns: u16, frames: &str) -> Bytes {
    Bytes::default()
        .text(0x08, 0x60, "CS", "OT")
        .short(0x28, 0x02, 1)
        .text(0x28, 0x04, "CS", "MONOCHROME2")
        .text(0x28, 0x08, "IS", frames)
        .short(0x28, 0x10, rows)
        .short(0x28, 0x11, columns)
        .short(0x28, 0x100, 16)
        .short(0x28, 0x101, 16)
        .short(0x28, 0x102, 15)
        .short(0x28, 0x103, 0)
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
    let mut implicit = Vec::new();
    for _ in 0..100_000 {
        implicit.extend([0x40, 0, 0x75, 2, 255, 255, 255, 255, 0xFE, 0xFF, 0, 0xE0, 255, 255, 255, 255]);
    }
    assert_eq!(refusal("implicit", &Bytes::default().raw(&implicit).file(IMPLICIT)).kind(), ErrorKind::Limit);
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
    assert_eq!(refusal("frames-2", &file(image(4, 4, "2000000000"))).kind(), ErrorKind::Malformed);
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
            image(16, 16, "2000000000").head(0x7FE0, 0x10, "OB", u32::MAX).item(0xE000, 0).item(0xE000, 2).raw(&[0; 2]);
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

#[test]
fn zip_bombs_and_tricks() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = |name: &str, member: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        let mut writer = zip::ZipWriter::new(std::fs::File::create(&path).expect("created"));
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        writer.start_file(member, options).expect("started");
        writer.write_all(bytes).expect("written");
        writer.finish().expect("finished");
        path
    };
    let start = Instant::now();
    // A member of 200 MB of zeros behind a DICOM head: nothing of it is kept.
    let mut bomb = Bytes::default().head(0x08, 0x08, "UT", 200 << 20).file(EXPLICIT);
    bomb.resize(200 << 20, b' ');
    let path = archive("bomb.zip", "a.dcm", &bomb);
    let start_of_reading = Instant::now();
    let collection = open(&path, &Limits::default()).expect("listed");
    assert_eq!(collection.refused[0].1.kind(), ErrorKind::Malformed);
    assert!(start_of_reading.elapsed() < Duration::from_secs(3));
    let mut tight = Limits::default();
    tight.archive_bytes = 1 << 20;
    assert_eq!(open(&path, &tight).expect_err("over the limit").kind(), ErrorKind::Limit);
    let inner = std::fs::read(&path).expect("read");
    let nested = open(&archive("outer.zip", "inner.zip", &inner), &Limits::default()).expect("listed");
    assert_eq!(nested.refused[0].1.kind(), ErrorKind::Unsupported);
    let escape = open(&archive("slip.zip", "../../a.dcm", b"x"), &Limits::default()).expect("listed");
    assert!(escape.scans.is_empty() && escape.refused.len() == 1);
    // A central directory that promises more members than its bytes can hold.
    let mut lying = inner.clone();
    let end = lying.len() - 22;
    lying[end + 8..end + 12].fill(0xFF);
    std::fs::write(folder.path().join("lying.zip"), &lying).expect("written");
    let _ = open(&folder.path().join("lying.zip"), &Limits::default());
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn nifti_and_pictures() {
    let mut nifti = vec![0u8; 400];
    nifti[..4].copy_from_slice(&348i32.to_le_bytes());
    nifti[40..48].copy_from_slice(&[3, 0, 0xFF, 0x7F, 0xFF, 0x7F, 0xFF, 0x7F]);
    nifti[70..72].copy_from_slice(&16i16.to_le_bytes());
    for at in [80, 84, 88] {
        nifti[at..at + 4].copy_from_slice(&1f32.to_le_bytes());
    }
    nifti[108..112].copy_from_slice(&352f32.to_le_bytes());
    nifti[344..348].copy_from_slice(b"n+1\0");
    assert_eq!(refusal("huge.nii", &nifti).kind(), ErrorKind::Limit);
    nifti[42..48].copy_from_slice(&[0, 1, 0, 1, 0, 1]);
    assert_eq!(refusal("short.nii", &nifti).kind(), ErrorKind::Malformed);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&nifti).expect("in memory");
    assert_eq!(refusal("short.nii.gz", &gz.finish().expect("in memory")).kind(), ErrorKind::Malformed);
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    png.extend(30000u32.to_be_bytes());
    png.extend(30000u32.to_be_bytes());
    png.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
    let error = refusal("huge.png", &png);
    assert!(matches!(error.kind(), ErrorKind::Limit | ErrorKind::Malformed), "{error}");
}

/// All of the above in one process stays below 256 MB over what the test itself made.
#[test]
#[cfg(target_os = "linux")]
fn memory_stays_bounded() {
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
        let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("a peak").to_owned();
        line.split_whitespace().nth(1).expect("a number").parse::<u64>().expect("a number") / 1024
    };
    if std::env::var_os("NETRA_HOSTILE_FILES").is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, bytes: Vec<u8>| std::fs::write(folder.path().join(name), bytes).expect("written");
        write("length.dcm", Bytes::default().head(0x08, 0x08, "UT", 0xFFFF_FFF0).raw(&[0; 16]).file(EXPLICIT));
        let text = Bytes::default().head(0x08, 0x08, "UT", 300 << 20).raw(&vec![b' '; 300 << 20]);
        write("deflate.dcm", Bytes::default().raw(&deflate(&text.0)).file(DEFLATED));
        write("frames.dcm", image(65535, 65535, "2000000000").put(0x7FE0, 0x10, "OW", &[0; 16]).file(EXPLICIT));
        let items = Bytes::default().head(0x40, 0x275, "SQ", u32::MAX);
        write("items.dcm", items.raw(&[0xFE, 0xFF, 0, 0xE0, 0, 0, 0, 0].repeat(1_000_001)).file(EXPLICIT));
        write(
            "many.dcm",
            Bytes::default().raw(&Bytes::default().text(0x09, 0x10, "LO", "x").0.repeat(1_000_100)).file(EXPLICIT),
        );
        let this = std::env::current_exe().expect("this test");
        let child = std::process::Command::new(this)
            .args(["--exact", "memory_stays_bounded", "--nocapture"])
            .env("NETRA_HOSTILE_FILES", folder.path())
            .status();
        assert!(child.expect("runs").success());
        return;
    }
    let folder = std::env::var_os("NETRA_HOSTILE_FILES").expect("set");
    let collection = open(Path::new(&folder), &Limits::default()).expect("a folder");
    assert_eq!(collection.refused.len(), 5, "{:?}", collection.refused);
    println!("peak {} MB", peak());
    assert!(peak() < 256, "{} MB", peak());
}
