//! Some 550 public DICOM files: each gives a result or a typed error, and decoded frames agree with pydicom, GDCM,
//! DCMTK and pylibjpeg as recorded in `PIXEL_GOLDEN.csv`.

mod common;

use std::path::{Path, PathBuf};

use netra_dicom::{ImageOptions, Limits, Scan, Voi, open};
use sha2::{Digest, Sha256};

fn corpus() -> Option<PathBuf> {
    netra_testkit::assets().map(|assets| assets.join("dicom")).filter(|dicom| dicom.is_dir())
}

fn rows(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).expect("a table");
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// A baseline codestream that is declared as JPEG Lossless: GDCM, libjpeg and ours differ by rounding.
const LOSSY_INSIDE: &str = "sample-op.dcm";

const LOSSY: &[&str] = &[".4.50", ".4.51", ".4.53", ".4.55", ".4.91", ".4.112"];

/// Values of one sample type, as numbers.
fn numbers(bytes: &[u8], dtype: &str) -> Vec<f64> {
    let signed = dtype.contains('i');
    match &dtype[2..] {
        "1" if signed => bytes.iter().map(|&b| f64::from(b as i8)).collect(),
        "1" => bytes.iter().map(|&b| f64::from(b)).collect(),
        "2" if signed => bytes.chunks_exact(2).map(|c| i16::from_le_bytes([c[0], c[1]]).into()).collect(),
        "2" => bytes.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]]).into()).collect(),
        "4" => bytes.chunks_exact(4).map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]]).into()).collect(),
        other => panic!("sample type {other}"),
    }
}

#[test]
fn decoded_frames_agree_with_the_golden_table() {
    let Some(corpus) = corpus() else { return };
    let limits = Limits::default();
    let (mut same, mut close, mut refused, mut wrong) = (0, 0, Vec::new(), Vec::new());
    for row in rows(&corpus.join("PIXEL_GOLDEN.csv")) {
        let (path, syntax, dtype, hash) = (&row[0], &row[1], &row[8], &row[12]);
        if hash.is_empty() {
            continue;
        }
        let collection = open(&corpus.join(path), &limits).expect("readable");
        let frames = match collection.scans.first() {
            Some(Scan::Dicom(series)) => series.instances[0].raw_frames(&limits),
            _ => Err(collection.refused.into_iter().next().expect("a scan or a refusal").1),
        };
        let frames = match frames {
            Ok(frames) => frames.concat(),
            Err(e) => {
                refused.push(format!("{path} [{syntax}]: {e}"));
                continue;
            }
        };
        if path.ends_with(LOSSY_INSIDE) || LOSSY.iter().any(|tail| syntax.ends_with(tail)) {
            let got = numbers(&frames, dtype);
            let stats = [
                got.iter().copied().fold(f64::INFINITY, f64::min),
                got.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                got.iter().sum::<f64>() / got.len() as f64,
            ];
            let want: Vec<f64> = row[9..12].iter().map(|v| v.parse().expect("a number")).collect();
            if stats.iter().zip(&want).all(|(a, b)| (a - b).abs() <= 2.0) {
                close += 1;
            } else {
                wrong.push(format!("{path} [{syntax}]: {stats:?}, {want:?} expected"));
            }
        } else if Sha256::digest(&frames).iter().map(|b| format!("{b:02x}")).collect::<String>() == *hash {
            same += 1;
        } else {
            wrong.push(format!("{path} [{syntax}] {} {dtype}: other bytes", row[7]));
        }
    }
    println!("{same} identical, {close} lossy and close, {} refused", refused.len());
    refused.iter().for_each(|line| println!("refused {line}"));
    let least = if cfg!(feature = "codecs") { (177, 31) } else { (166, 26) };
    assert!((same, close) >= least, "{same} identical, {close} close");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_file_gives_a_result_or_a_typed_error() {
    let Some(corpus) = corpus() else { return };
    let limits = Limits::default();
    let collection = open(&corpus, &limits).expect("a folder");
    let (mut volumes, mut images, mut errors) = (0, 0, Vec::new());
    for scan in &collection.scans {
        let summary = serde_json::to_string(&scan.summary()).expect("plain data");
        assert!(!summary.contains('^'), "a patient name in {summary}");
        if scan.is_volume() {
            match scan.volume(&limits) {
                Ok(_) => volumes += 1,
                Err(e) => errors.push(format!("volume {}: {e}", scan.id())),
            }
        }
        for voi in [Voi::Apply, Voi::Ignore] {
            match scan.images(&ImageOptions { voi }, &limits) {
                Ok(found) => images += found.len(),
                Err(e) => errors.push(format!("images {}: {e}", scan.id())),
            }
        }
    }
    println!("{} scans, {volumes} volumes, {images} images", collection.scans.len());
    println!("{} refused, warnings {:?}", collection.refused.len(), collection.warnings);
    collection.refused.iter().for_each(|(_, e)| println!("refused {e}"));
    errors.iter().for_each(|e| println!("{e}"));
    assert!(volumes >= 1 && images >= 100);
}
