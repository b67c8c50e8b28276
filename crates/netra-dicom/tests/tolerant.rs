//! Every shape of `netra_testkit::dicom` is read to the right values with the right warnings; other readers are asked too.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use dicom_core::Tag;
use netra_dicom::{Code, Collection, ImageOptions, Instance, Limits, Scan, open};
use netra_testkit::dicom::{Bytes, Case, EXPLICIT, Encoding, Shape, Slice, Subject};

fn opened(folder: &Path, files: &[(&str, &[u8])]) -> Collection {
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes).expect("written");
    }
    open(folder, &Limits::default()).expect("a folder")
}

fn codes(scan: &Scan) -> Vec<String> {
    scan.warnings().into_iter().map(|warning| warning.code).collect()
}

/// The values at a path of tags, first items all the way, joined by backslashes.
fn text(instance: &Instance, path: &[(u16, u16)]) -> Option<String> {
    let (last, sequences) = path.split_last()?;
    let tag = |(group, element): &(u16, u16)| Tag(*group, *element);
    let item = sequences.iter().try_fold(instance.header(), |object, sequence| {
        object.get(tag(sequence)).and_then(|element| element.value().items()).and_then(<[_]>::first)
    })?;
    let values = item.get(tag(last))?.value().to_multi_str().ok()?;
    Some(values.iter().map(|value| value.trim_matches([' ', '\0'])).collect::<Vec<_>>().join("\\"))
}

/// What differs from the case.
fn differences(case: &Case, collection: &Collection) -> Vec<String> {
    let Some(Scan::Dicom(series)) = collection.scans.first() else {
        return vec![format!("refused: {:?}", collection.refused)];
    };
    let instance = &series.instances[0];
    let mut wrong = Vec::new();
    let got: BTreeSet<String> = instance.warnings().iter().map(|warning| warning.code.clone()).collect();
    let wanted: BTreeSet<String> = case.codes.iter().map(|code| (*code).to_owned()).collect();
    if got != wanted {
        wrong.push(format!("warnings {:?}", instance.warnings()));
    }
    for (path, wanted) in &case.texts {
        let got = text(instance, path);
        if got.as_deref() != Some(*wanted) {
            wrong.push(format!("{path:04X?} is {got:?}, {wanted:?} expected"));
        }
    }
    let width = instance.pixel_format().map_or(1, |format| format.bits_allocated / 8);
    let samples = |bytes: Vec<u8>| -> Vec<u16> {
        if width == 1 {
            return bytes.into_iter().map(u16::from).collect();
        }
        bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
    };
    match instance.raw_frames(&Limits::default()) {
        Ok(frames) => {
            let frames: Vec<Vec<u16>> = frames.into_iter().map(samples).collect();
            if frames != case.frames {
                wrong.push(format!("frames {frames:?}"));
            }
        }
        Err(_) if case.frames.is_empty() => {}
        Err(e) => wrong.push(format!("frames: {e}")),
    }
    wrong
}

#[test]
fn every_shape_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut wrong = Vec::new();
    for shape in Shape::ALL {
        let case = shape.case();
        let differs = differences(&case, &opened(folder.path(), &[("a.dcm", &case.bytes)]));
        wrong.extend(differs.into_iter().map(|difference| format!("{shape:?}: {difference}")));
    }
    assert!(wrong.is_empty(), "{} of {} shapes:\n{}", wrong.len(), Shape::ALL.len(), wrong.join("\n"));
}

/// A member of an archive is a stream in which nobody can go back.
#[test]
fn every_shape_is_read_from_an_archive() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut wrong = Vec::new();
    for shape in Shape::ALL {
        let case = shape.case();
        let path = folder.path().join(format!("{shape:?}.zip"));
        let mut writer = zip::ZipWriter::new(std::fs::File::create(&path).expect("created"));
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        writer.start_file("a.dcm", options).expect("started");
        writer.write_all(&case.bytes).expect("written");
        writer.finish().expect("finished");
        let differs = differences(&case, &open(&path, &Limits::default()).expect("an archive"));
        wrong.extend(differs.into_iter().map(|difference| format!("{shape:?}: {difference}")));
    }
    assert!(wrong.is_empty(), "{} of {} shapes:\n{}", wrong.len(), Shape::ALL.len(), wrong.join("\n"));
}

#[test]
fn every_repair_of_a_data_set_has_a_shape() {
    let made: BTreeSet<&str> = Shape::ALL.iter().flat_map(|shape| shape.case().codes.iter().copied()).collect();
    let elsewhere = [
        Code::RaggedEnd,
        Code::Ybr422NotSubsampled,
        Code::InstanceDuplicated,
        Code::InstanceUidReused,
        Code::FilesIgnored,
        Code::DicomdirIgnored,
        Code::CosinesOrthonormalised,
        Code::SliceThicknessMissing,
        Code::AlphaComposited,
        Code::OrientationApplied,
        Code::OrientationMissing,
        Code::UnitsConverted,
    ];
    let without: Vec<_> = Code::ALL.iter().filter(|code| !made.contains(code.as_str())).collect();
    assert_eq!(without, elsewhere.iter().collect::<Vec<_>>());
}

/// The interpreter that has pydicom.
fn python() -> Option<PathBuf> {
    netra_testkit::python("pydicom, numpy, PIL")
}

fn run(python: &Path, script: &str, folder: &Path) -> String {
    let script = netra_testkit::workspace().join("tests/validate").join(script);
    let output = Command::new(python).arg(script).arg(folder).output().expect("starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn other_readers_do_with_the_shapes_what_the_table_says() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    for shape in Shape::ALL {
        let case = shape.case();
        let path = |path: &[(u16, u16)]| {
            path.iter().map(|(group, element)| u32::from(*group) << 16 | u32::from(*element)).collect::<Vec<_>>()
        };
        let texts: Vec<_> = case.texts.iter().map(|(tags, text)| (path(tags), text)).collect();
        let wanted = serde_json::json!({ "texts": texts, "frames": case.frames });
        std::fs::write(folder.path().join(format!("{shape:?}.dcm")), &case.bytes).expect("written");
        std::fs::write(folder.path().join(format!("{shape:?}.json")), wanted.to_string()).expect("written");
    }
    let answers = run(&python, "shapes.py", folder.path());
    let mut wrong = Vec::new();
    for shape in Shape::ALL {
        let name = format!("{shape:?}");
        let answer = answers.lines().find(|line| line.split(',').next() == Some(&name)).expect("every file has a line");
        let [_, pydicom, dcmtk, why] = answer.splitn(4, ',').collect::<Vec<_>>()[..] else { panic!("{answer}") };
        let as_said = pydicom == shape.pydicom_reads().to_string()
            && (dcmtk == "absent" || dcmtk == shape.dcmtk_reads().to_string());
        if !as_said {
            let why: String = why.chars().take(120).collect();
            wrong.push(format!("{name}: pydicom {pydicom}, dcmtk {dcmtk} ({why})"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), Shape::ALL.len(), wrong.join("\n"));
}

#[test]
fn copies_of_an_instance_are_read_once_and_differing_ones_are_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let [a, b] = [Slice::at(1, 0.0).file(), Slice::at(2, 5.0).file()];
    // The same data set behind another preamble.
    let mut copy = a.clone();
    copy[..4].copy_from_slice(b"II*\0");
    let collection = opened(folder.path(), &[("a", &a), ("b", &b), ("c", &copy), ("d", &a)]);
    assert_eq!(collection.scans.len(), 1);
    let scan = &collection.scans[0];
    assert_eq!(codes(scan), ["instance-duplicated"]);
    assert_eq!(scan.volume(&Limits::default()).expect("regular").geometry().shape(), [2, 3, 4]);
    // One pixel differs: both stay, and the doubled position makes the stack no volume.
    let mut other = a.clone();
    *other.last_mut().expect("a pixel") = 1;
    let collection = opened(folder.path(), &[("e", &other)]);
    let scan = &collection.scans[0];
    assert_eq!(codes(scan), ["instance-duplicated", "instance-uid-reused"]);
    assert_eq!(scan.images(&ImageOptions::default(), &Limits::default()).expect("decodes").len(), 3);
    assert!(scan.volume(&Limits::default()).is_err());
}

#[test]
fn what_is_missing_of_a_cut_file_is_never_part_of_a_volume() {
    let folder = tempfile::tempdir().expect("a folder");
    let [a, b] = [Slice::at(1, 0.0).file(), Slice::at(2, 5.0).file()];
    // A slice of a stack: refused, and so is the volume without it.
    let collection = opened(folder.path(), &[("a", &a), ("b", &b[..b.len() - 4])]);
    assert!(collection.refused[0].0.ends_with("b"));
    let error = collection.scans[0].volume(&Limits::default()).expect_err("refused");
    assert!(error.to_string().contains('b'), "{error}");
    // A stack in one file: its whole frames are images.
    let words: Vec<u16> = (0..36).collect();
    let whole = Subject::new(Encoding::Explicit)
        .set(0x28, 0x08, Bytes::default().text(0x28, 0x08, "IS", "3"))
        .set(0x3004, 0x0C, Bytes::default().text(0x3004, 0x0C, "DS", "0\\5\\10"))
        .set(0x7FE0, 0x10, Bytes::default().words(0x7FE0, 0x10, "OW", &words))
        .file();
    let folder = tempfile::tempdir().expect("a folder");
    let collection = opened(folder.path(), &[("c", &whole)]);
    assert_eq!(collection.scans[0].volume(&Limits::default()).expect("regular").geometry().shape(), [3, 3, 4]);
    let collection = opened(folder.path(), &[("c", &whole[..whole.len() - 2])]);
    let scan = &collection.scans[0];
    assert_eq!(scan.images(&ImageOptions::default(), &Limits::default()).expect("decodes").len(), 2);
    let error = scan.volume(&Limits::default()).expect_err("refused");
    assert!(error.to_string().contains('c'), "{error}");
}

#[test]
fn half_a_frame_or_less_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = Subject::new(Encoding::Explicit).without(0x20, 0x32).file();
    let kept = |missing: usize| {
        let collection = opened(folder.path(), &[("a.dcm", &whole[..whole.len() - missing])]);
        (collection.scans.len(), collection.refused.len())
    };
    assert_eq!([kept(0), kept(11), kept(12), kept(24)], [(1, 0), (1, 0), (0, 1), (0, 1)]);
}

#[test]
fn a_ragged_end_is_noted() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = Bytes::default().text(0x08, 0x60, "CS", "SR").raw(&[1, 2, 3]).file(EXPLICIT);
    let collection = opened(folder.path(), &[("a", &bytes)]);
    assert!(codes(&collection.scans[0]).contains(&"ragged-end".to_owned()));
}

/// No repair may fail on anything but a typed error, wherever the file ends or a byte is another.
#[test]
fn damaged_shapes_are_read_or_refused() {
    let limits = Limits::default();
    let mut rng = netra_testkit::Rng::new(11);
    let (mut read, mut refused) = (0, 0);
    for (i, shape) in Shape::ALL.iter().enumerate() {
        let folder = tempfile::tempdir().expect("a folder");
        let bytes = shape.make();
        let mut files: Vec<Vec<u8>> = (i % 13..bytes.len()).step_by(13).map(|end| bytes[..end].to_vec()).collect();
        for _ in 0..60 {
            let mut changed = bytes.clone();
            changed[rng.below(bytes.len())] = rng.below(256) as u8;
            files.push(changed);
        }
        for (name, bytes) in files.iter().enumerate() {
            std::fs::write(folder.path().join(format!("{name}.dcm")), bytes).expect("written");
        }
        let collection = open(folder.path(), &limits).expect("a folder");
        refused += collection.refused.len();
        for scan in &collection.scans {
            let Scan::Dicom(series) = scan else { panic!("{shape:?} is no picture") };
            read += series.instances.len();
            series.instances.iter().for_each(|instance| drop(instance.raw_frames(&limits)));
        }
    }
    assert!(read > 5000 && refused > 3000, "{read} read, {refused} refused");
}
