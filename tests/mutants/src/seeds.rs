//! Sound files to start from: some made here, the shared ones where they lie.

use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use image::{GrayImage, ImageFormat, Luma};

use crate::tree::{Content, Element, File, Item, Value};

/// A file under a name that never changes.
pub struct Seed {
    pub name: String,
    from: From,
}

enum From {
    Made(Vec<u8>),
    Path(PathBuf),
    /// The first file of an archive.
    Member(PathBuf),
}

impl Seed {
    pub fn load(&self) -> Result<Vec<u8>> {
        match &self.from {
            From::Made(bytes) => Ok(bytes.clone()),
            From::Path(path) => std::fs::read(path).with_context(|| path.display().to_string()),
            From::Member(path) => {
                let mut archive = zip::ZipArchive::new(std::fs::File::open(path)?)?;
                let first = (0..archive.len()).find(|&i| archive.by_index(i).is_ok_and(|member| member.is_file()));
                let mut bytes = Vec::new();
                archive.by_index(first.context("an empty archive")?)?.read_to_end(&mut bytes)?;
                Ok(bytes)
            }
        }
    }
}

/// Every seed there is.
pub fn all() -> Result<Vec<Seed>> {
    let mut seeds = made()?;
    if let Some(assets) = netra_testkit::assets() {
        let mut paths = Vec::new();
        for folder in ["dicom", "scans/ct_totalsegmentator", "scans/fundus_skimage"] {
            files(&assets.join(folder), &mut paths)?;
        }
        // All radiographs have one shape: a few will do.
        let mut radiographs = Vec::new();
        files(&assets.join("scans/cxr_nih_512"), &mut radiographs)?;
        radiographs.sort();
        paths.extend(radiographs.into_iter().filter(|path| path.extension().is_some_and(|e| e == "jpg")).take(3));
        let mut archives = Vec::new();
        files(&assets.join("scans"), &mut archives)?;
        archives.retain(|path| path.extension().is_some_and(|e| e == "zip"));
        let name = |path: &Path| path.strip_prefix(&assets).unwrap_or(path).display().to_string();
        seeds.extend(paths.into_iter().map(|path| Seed { name: name(&path), from: From::Path(path) }));
        seeds.extend(archives.into_iter().map(|path| Seed { name: name(&path), from: From::Member(path) }));
    }
    seeds.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(seeds)
}

/// Files below a folder, without notes and tables.
fn files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let kind = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if path.is_dir() {
            files(&path, found)?;
        } else if !matches!(kind, "md" | "csv" | "txt" | "LICENSE" | "json") {
            found.push(path);
        }
    }
    Ok(())
}

/// Codestreams of other encoders: syntax, rows, columns, samples, bits.
const STREAMS: [(&str, [u16; 4], &[u8]); 10] = [
    ("1.2.840.10008.1.2.4.55", [20, 24, 3, 8], include_bytes!("../seeds/progressive.jpg")),
    ("1.2.840.10008.1.2.4.51", [20, 24, 1, 12], include_bytes!("../seeds/extended12.jpg")),
    ("1.2.840.10008.1.2.4.57", [20, 24, 1, 12], include_bytes!("../seeds/lossless.jpg")),
    ("1.2.840.10008.1.2.4.80", [20, 24, 1, 16], include_bytes!("../seeds/lossless16.jls")),
    ("1.2.840.10008.1.2.4.81", [20, 24, 3, 8], include_bytes!("../seeds/near.jls")),
    ("1.2.840.10008.1.2.4.90", [20, 24, 1, 12], include_bytes!("../seeds/lossless.j2k")),
    ("1.2.840.10008.1.2.4.91", [20, 24, 3, 8], include_bytes!("../seeds/lossy.j2k")),
    ("1.2.840.10008.1.2.4.201", [20, 24, 1, 16], include_bytes!("../seeds/lossless.jph")),
    ("1.2.840.10008.1.2.4.110", [20, 24, 1, 8], include_bytes!("../seeds/lossless.jxl")),
    ("1.2.840.10008.1.2.4.112", [20, 24, 3, 8], include_bytes!("../seeds/lossy.jxl")),
];

fn made() -> Result<Vec<Seed>> {
    let raw: Vec<u8> = (0..480u32).flat_map(|i| ((i * 137 % 4096) as u16).to_le_bytes()).collect();
    let native = |body: Vec<Element>| [body, vec![Element::new((0x7FE0, 0x10), b"OW", raw.clone())]].concat();
    let grey = || image_module(20, 24, 1, 12);
    let mut seeds: Vec<(String, Vec<u8>)> = Vec::new();
    for syntax in ["", ".1", ".2", ".1.99"] {
        let uid = format!("1.2.840.10008.1.2{syntax}");
        seeds.push((format!("native{syntax}"), File::new(&uid, native(grey())).write()));
    }
    let mut enhanced = grey();
    enhanced.insert(8, groups());
    seeds.push(("enhanced".into(), File::new("1.2.840.10008.1.2.1", native(enhanced)).write()));
    for (syntax, size, stream) in STREAMS {
        let pixels = Element::encapsulated(&[], &[stream.to_vec()]);
        let [rows, columns, samples, bits] = size;
        let body = [image_module(rows, columns, samples, bits), vec![pixels]].concat();
        seeds.push((format!("codec{}", &syntax[17..]), File::new(syntax, body).write()));
    }
    let picture = GrayImage::from_fn(24, 20, |x, y| Luma([(x * 9 + y * 3) as u8]));
    for (name, format) in [("png", ImageFormat::Png), ("jpg", ImageFormat::Jpeg), ("tif", ImageFormat::Tiff)] {
        let mut out = Cursor::new(Vec::new());
        picture.write_to(&mut out, format)?;
        let bytes = out.into_inner();
        if name == "jpg" {
            // Two frames in three fragments, with an offset table.
            let padded = bytes.len().next_multiple_of(2);
            let table = [0, padded as u32 + 8].map(u32::to_le_bytes).concat();
            let (head, tail) = bytes.split_at(bytes.len() / 4 * 2);
            let pixels = Element::encapsulated(&table, &[bytes.clone(), head.to_vec(), tail.to_vec()]);
            let mut body = image_module(20, 24, 1, 8);
            body.insert(4, Element::text((0x28, 8), b"IS", "2"));
            body.push(pixels);
            seeds.push(("codec.4.50".into(), File::new("1.2.840.10008.1.2.4.50", body).write()));
        }
        seeds.push((format!("picture.{name}"), bytes));
    }
    let deflated = deflate(&raw)?;
    let body = [grey(), vec![Element::encapsulated(&[], &[deflated])]].concat();
    seeds.push(("codec.8.1".into(), File::new("1.2.840.10008.1.2.8.1", body).write()));
    seeds.push(("palette".into(), File::new("1.2.840.10008.1.2.5", palette()).write()));
    let nifti = nifti();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&nifti)?;
    seeds.push(("volume.nii".into(), nifti));
    seeds.push(("volume.nii.gz".into(), gzip.finish()?));
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in &seeds[..3] {
        archive.start_file(name.as_str(), zip::write::SimpleFileOptions::default())?;
        archive.write_all(bytes)?;
    }
    seeds.push(("archive.zip".into(), archive.finish()?.into_inner()));
    Ok(seeds.into_iter().map(|(name, bytes)| Seed { name: format!("made/{name}"), from: From::Made(bytes) }).collect())
}

fn deflate(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// An image that stands in space, up to its pixel data.
fn image_module(rows: u16, columns: u16, samples: u16, bits: u16) -> Vec<Element> {
    let colour = if samples == 1 { "MONOCHROME2" } else { "RGB" };
    let mut body = vec![
        Element::text((0x08, 0x05), b"CS", "ISO_IR 100"),
        Element::text((0x08, 0x16), b"UI", "1.2.840.10008.5.1.4.1.1.2"),
        Element::text((0x08, 0x18), b"UI", "1.2.3.4.5"),
        Element::text((0x08, 0x60), b"CS", "CT"),
        Element::text((0x20, 0x0E), b"UI", "1.2.3.4"),
        Element::text((0x20, 0x32), b"DS", "-10\\-20\\30.5"),
        Element::text((0x20, 0x37), b"DS", "1\\0\\0\\0\\1\\0"),
        Element::short((0x28, 0x02), samples),
        Element::text((0x28, 0x04), b"CS", colour),
        Element::short((0x28, 0x10), rows),
        Element::short((0x28, 0x11), columns),
        Element::text((0x28, 0x30), b"DS", "0.7\\0.5"),
        Element::short((0x28, 0x100), bits.next_multiple_of(8)),
        Element::short((0x28, 0x101), bits),
        Element::short((0x28, 0x102), bits - 1),
        Element::short((0x28, 0x103), 0),
        Element::text((0x28, 0x1052), b"DS", "-1024"),
        Element::text((0x28, 0x1053), b"DS", "2"),
    ];
    if samples == 3 {
        body.insert(9, Element::short((0x28, 0x06), 0));
    }
    body
}

/// Shared functional groups: pixel measures, and a window.
fn groups() -> Element {
    let sequence = |tag, elements| {
        let item = Item { lie: None, undefined: true, content: Content::Elements(elements) };
        Element { tag, vr: *b"SQ", lie: None, value: Value::Items(vec![item], false) }
    };
    let measures = sequence((0x28, 0x9110), vec![Element::text((0x28, 0x30), b"DS", "0.7\\0.5")]);
    let window = sequence((0x28, 0x9132), vec![Element::text((0x28, 0x1050), b"DS", "40")]);
    sequence((0x5200, 0x9229), vec![measures, window])
}

/// Four colours, RLE.
fn palette() -> Vec<Element> {
    let mut frame = vec![0u8; 64];
    (frame[0], frame[4]) = (1, 64);
    frame.extend([253, 7, 3, 1, 2, 3, 4, 249, 9, 0]);
    let mut body = image_module(4, 4, 1, 8);
    body.retain(|element| element.tag != (0x28, 0x04));
    body.insert(8, Element::text((0x28, 0x04), b"CS", "PALETTE COLOR"));
    for tag in [0x1101, 0x1102, 0x1103] {
        body.push(Element::new((0x28, tag), b"US", [4, 0, 0, 0, 16, 0]));
    }
    for tag in [0x1201, 0x1202, 0x1203] {
        body.push(Element::new((0x28, tag), b"OW", [0, 0, 1, 1, 2, 2, 3, 3]));
    }
    body.push(Element::encapsulated(&[0; 4], &[frame]));
    body
}

fn nifti() -> Vec<u8> {
    let mut bytes = vec![0u8; 352];
    bytes[..4].copy_from_slice(&348i32.to_le_bytes());
    bytes[40..48].copy_from_slice(&[3, 0, 5, 0, 4, 0, 3, 0]);
    bytes[70..74].copy_from_slice(&[4, 0, 16, 0]);
    for at in [76, 80, 84, 88] {
        bytes[at..at + 4].copy_from_slice(&1f32.to_le_bytes());
    }
    bytes[108..112].copy_from_slice(&352f32.to_le_bytes());
    bytes[344..348].copy_from_slice(b"n+1\0");
    bytes.extend((0..60i16).flat_map(i16::to_le_bytes));
    bytes
}
