//! Other people's software on our files: dciodvfy, highdicom, pydicom and nibabel, through the scripts of
//! `tests/validate`. Skipped, with a note, where neither NETRA_PYTHON nor the workspace's `.venv` has them.
#![allow(clippy::print_stderr, clippy::unwrap_used)] // helpers of tests may panic and print

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Case, Owned, cases, set};
use netra_core::{Finding, Findings, Limits};
use netra_export::{Exporter, NAMES, Nifti, SecondaryCapture, Seg, SegKind, exporter};

/// The exit code of a script whose tool is not installed.
const NOT_THERE: i32 = 77;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The interpreter that has the validators.
fn python() -> Option<PathBuf> {
    let beside = workspace().join(".venv/bin/python");
    let python = std::env::var_os("NETRA_PYTHON").map_or(beside, PathBuf::from);
    let usable =
        Command::new(&python).args(["-c", "import highdicom, nibabel"]).output().is_ok_and(|o| o.status.success());
    if !usable {
        eprintln!("skipped: no validators in {} (run tests/setup or set NETRA_PYTHON)", python.display());
    }
    usable.then_some(python)
}

/// Runs a script of `tests/validate`; its output is shown when it fails.
fn validate(python: &Path, script: &str, arguments: &[&Path]) {
    let script = workspace().join("tests/validate").join(script);
    let output = Command::new(python).arg(&script).args(arguments).output().expect("starts");
    if output.status.code() == Some(NOT_THERE) {
        eprintln!("skipped: {}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}:\n{text}", script.display());
    eprint!("{text}");
}

/// Writes what the file must hold, for the scripts.
fn expected(case: &Case, findings: &Findings, folder: &Path) -> PathBuf {
    let Finding::Segmentation { labels, .. } = &findings.finding else { panic!("labels") };
    let bytes: Vec<u8> = labels.labels().iter().flat_map(|label| label.to_le_bytes()).collect();
    let name = format!("{}.u16", case.name);
    std::fs::write(folder.join(&name), bytes).unwrap();
    let mut numbers: Vec<u16> = labels.segments().iter().map(|segment| segment.number).collect();
    numbers.sort_unstable();
    let frames: Vec<(String, u32)> = case.frames().into_iter().map(|f| (f.sop_instance_uid, f.frame)).collect();
    let (affine, position) = match &case.pixels {
        Owned::Volume(volume) => {
            let affine = volume.geometry().affine();
            let slices = volume.geometry().shape()[0];
            let positions: Vec<_> = (0..slices).map(|s| affine.apply([s as f64, 0.0, 0.0])).collect();
            (Some(affine.0), Some(positions))
        }
        Owned::Image(_) => (None, None),
    };
    let wide = numbers.iter().any(|&number| number > 255);
    let document = serde_json::json!({
        "shape": labels.labels().shape(), "labels": name, "numbers": numbers, "frames": frames,
        "affine": affine, "position": position, "dtype": if wide { "uint16" } else { "uint8" },
    });
    let path = folder.join(format!("{}.expected.json", case.name));
    std::fs::write(&path, document.to_string()).unwrap();
    path
}

/// Both kinds of segmentation of one source: read back alike, 0 errors, no more warnings than highdicom's own.
fn check_segmentations(python: &Path, case: &Case, findings: &Findings, folder: &Path) {
    let expected = expected(case, findings, folder);
    let mut sources: Vec<PathBuf> = Vec::new();
    if case.folder.is_dir() {
        sources.extend(std::fs::read_dir(&case.folder).unwrap().map(|entry| entry.unwrap().path()));
    } else if case.folder.extension().is_none_or(|suffix| suffix != "zip") {
        sources.push(case.folder.clone());
    }
    for kind in [SegKind::LabelMap, SegKind::Binary] {
        let out = folder.join(format!("{}-{kind:?}.dcm", case.name));
        Seg::new(kind).write(findings, &case.source(), &set(), &out).unwrap();
        if sources.is_empty() {
            validate(python, "seg.py", &[&out, &expected]);
            validate(python, "dciodvfy.py", &[&out]);
            continue;
        }
        let reference = folder.join(format!("{}-{kind:?}-highdicom.dcm", case.name));
        let mut arguments: Vec<&Path> = vec![&out, &expected, Path::new("--reference"), &reference];
        arguments.extend(sources.iter().map(PathBuf::as_path));
        validate(python, "seg.py", &arguments);
        validate(python, "dciodvfy.py", &[Path::new("--like"), &reference, &out]);
    }
}

#[test]
fn segmentations_of_made_up_sources() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path()) {
        check_segmentations(&python, &case, &case.findings(300), folder.path());
    }
}

#[test]
fn segmentations_of_real_scans() {
    let (Some(python), Some(assets)) = (python(), netra_testkit::assets()) else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, path) in [
        ("ct-head", "scans/ct_head_philips_5mm.zip"),
        ("veterinary-dx", "dicom/highdicom_test_files/test_files/dx_image.dcm"),
        ("cr", "dicom/pydicom_test_files/test_files/dicomdirtests/77654033/CR1/6154"),
        ("test-pattern", "dicom/cornerstone_testimages/TestPattern_RGB.dcm"),
        ("lossy-photo", "dicom/pydicom_test_files/test_files/SC_rgb_jpeg_dcmtk.dcm"),
        (
            "single-ct",
            "dicom/cornerstone_testimages/CTImage.dcm_LittleEndianExplicitTransferSyntax_1.2.840.10008.1.2.1.dcm",
        ),
    ] {
        let case = Case::open(name, &assets.join(path));
        check_segmentations(&python, &case, &case.findings(3), folder.path());
    }
}

#[test]
fn secondary_captures() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path()) {
        let out = folder.path().join(format!("{}.sc.dcm", case.name));
        SecondaryCapture.write(&case.findings(3), &case.source(), &set(), &out).unwrap();
        validate(&python, "dciodvfy.py", &[&out]);
    }
}

/// Every DICOM object of every source, by STOW-RS and by C-STORE, and back.
#[test]
fn an_archive_takes_and_returns_every_object() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for case in cases(folder.path()) {
        let set = set();
        for name in NAMES {
            let exporter = exporter(name).unwrap();
            let out = folder.path().join(exporter.file_name(case.name));
            if out.extension().is_some_and(|suffix| suffix == "dcm") {
                exporter.write(&case.findings(3), &case.source(), &set, &out).unwrap();
                files.push(out);
            }
        }
    }
    assert!(files.len() >= 15, "{files:?}");
    validate(&python, "orthanc.py", &files.iter().map(PathBuf::as_path).collect::<Vec<_>>());
}

#[test]
fn nifti_label_maps() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path()) {
        for last in [3, 300] {
            let findings = case.findings(last);
            let expected = expected(&case, &findings, folder.path());
            let out = folder.path().join(format!("{}-{last}.nii.gz", case.name));
            Nifti.write(&findings, &case.source(), &set(), &out).unwrap();
            validate(&python, "nifti.py", &[&out, &expected]);
        }
    }
}

#[test]
fn the_phantom_radiograph_is_a_valid_dx() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    common::write_dx(folder.path());
    validate(&python, "dciodvfy.py", &[&folder.path().join("dx.dcm")]);
    let scans = netra_dicom::open(folder.path(), &Limits::default()).unwrap().scans;
    assert_eq!(scans.len(), 1);
}
