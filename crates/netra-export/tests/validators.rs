//! Other people's software on our files: dciodvfy, highdicom, pydicom and nibabel, through the scripts of
//! `tests/validate`. Skipped, with a note, where neither NETRA_PYTHON nor the workspace's `.venv` has them.
#![allow(clippy::print_stderr, clippy::unwrap_used)] // helpers of tests may panic and print

mod common;

use std::path::{Path, PathBuf};

use common::details::{heat, probable};
use common::peers::{agrees, expected, expected_maps, python, validate};
use common::{Case, Owned, cases, set};
use ndarray::Array3;
use netra_core::{Findings, Limits, SaliencyMethod};
use netra_export::{Encoding, Exporter, NAMES, Nifti, ParametricMap, SecondaryCapture, Seg, SegKind, exporter};

/// Real scans among the assets.
const REAL: [(&str, &str); 6] = [
    ("ct-head", "scans/ct_head_philips_5mm.zip"),
    ("veterinary-dx", "dicom/highdicom_test_files/test_files/dx_image.dcm"),
    ("cr", "dicom/pydicom_test_files/test_files/dicomdirtests/77654033/CR1/6154"),
    ("test-pattern", "dicom/cornerstone_testimages/TestPattern_RGB.dcm"),
    ("lossy-photo", "dicom/pydicom_test_files/test_files/SC_rgb_jpeg_dcmtk.dcm"),
    (
        "single-ct",
        "dicom/cornerstone_testimages/CTImage.dcm_LittleEndianExplicitTransferSyntax_1.2.840.10008.1.2.1.dcm",
    ),
];
const KINDS: [SegKind; 3] =
    [SegKind::LabelMap(Encoding::RunLengths), SegKind::LabelMap(Encoding::Native), SegKind::Binary];

/// Every kind of segmentation of one source: read back alike, 0 errors, no more warnings than highdicom's own.
fn check_segmentations(python: &Path, case: &Case, findings: &Findings, folder: &Path) {
    let expected = expected(case, findings, folder);
    for kind in KINDS {
        check(python, "seg.py", &Seg::new(kind), case, findings, &expected);
    }
}

/// One object of one source: what `script` reads of it is `expected`; 0 errors, no more warnings than highdicom's own.
fn check(python: &Path, script: &str, exporter: &dyn Exporter, case: &Case, findings: &Findings, expected: &Path) {
    let folder = expected.parent().unwrap();
    let out = folder.join(exporter.file_name(case.name));
    exporter.write(findings, &case.source(), &set(), &out).unwrap();
    // highdicom (0.28) makes no result of slices that no frame has, and no parametric map outside patient space.
    let no_peer = case.is_corrected() || (exporter.name() == "pm" && matches!(case.pixels, Owned::Image(_)));
    let sources = if no_peer { Vec::new() } else { case.files() };
    let reference = folder.join(format!("{}-{}-highdicom.dcm", case.name, exporter.name()));
    agrees(python, script, &out, expected, &sources, &reference);
}

/// The made-up sources, one of them corrected, and some real ones where there are assets.
fn all_cases(folder: &Path) -> Vec<Case> {
    let mut cases = cases(folder);
    cases.push(common::corrected(folder));
    if let Some(assets) = netra_testkit::assets() {
        cases.extend(REAL.map(|(name, path)| Case::open(name, &assets.join(path))));
    }
    cases
}

#[test]
fn fractional_segmentations() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    for case in all_cases(folder.path()) {
        for empty in [false, true] {
            let findings = probable(&case, 300, empty);
            let expected = expected(&case, &findings, folder.path());
            check(&python, "fractional.py", &Seg::new(SegKind::Fractional), &case, &findings, &expected);
        }
    }
}

#[test]
fn parametric_maps() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    for case in all_cases(folder.path()) {
        for (count, method) in [(1, SaliencyMethod::Occlusion), (4, SaliencyMethod::ClassActivation)] {
            let findings = heat(&case, count, method);
            let expected = expected_maps(&case, &findings, folder.path());
            check(&python, "pm.py", &ParametricMap, &case, &findings, &expected);
        }
    }
}

#[test]
fn segmentations_of_made_up_sources() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path()) {
        check_segmentations(&python, &case, &case.findings(300), folder.path());
    }
    let case = common::corrected(folder.path());
    check_segmentations(&python, &case, &case.findings(300), folder.path());
}

#[test]
fn segments_that_no_voxel_has() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path()).iter().filter(|case| matches!(case.name, "ct" | "enhanced" | "dx")) {
        let [slices, rows, columns] = case.source().pixels.shape();
        let mut labels = Array3::zeros((slices, rows, columns));
        let nothing = common::findings(labels.clone(), &[1, 2, 3]);
        check_segmentations(&python, case, &nothing, folder.path());
        labels[(slices / 2, 3, 4)] = 2;
        check_segmentations(&python, case, &common::findings(labels, &[1, 2, 3]), folder.path());
    }
}

#[test]
fn segmentations_of_real_scans() {
    let (Some(python), Some(assets)) = (python(), netra_testkit::assets()) else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, path) in REAL {
        let case = Case::open(name, &assets.join(path));
        check_segmentations(&python, &case, &case.findings(3), folder.path());
    }
    let tilted = Case::open_corrected("ct-tilted", &assets.join("scans/ct_head_ge_tilt.zip"));
    check_segmentations(&python, &tilted, &tilted.findings(3), folder.path());
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
                let findings = match name {
                    "pm" => heat(&case, 2, SaliencyMethod::Occlusion),
                    _ => probable(&case, 3, false),
                };
                exporter.write(&findings, &case.source(), &set, &out).unwrap();
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
