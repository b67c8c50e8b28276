//! Key object selections: what they point at, with highdicom, DCMTK and dciodvfy where they are.
#![allow(clippy::print_stderr, clippy::unwrap_used)] // helpers of tests may panic and print

mod common;

use std::path::{Path, PathBuf};

use common::peers::{agrees, python, validate};
use common::{Case, Owned, cases};
use dicom_dictionary_std::{tags, uids};
use dicom_object::open_file;
use ndarray::Array3;
use netra_core::{Classification, CodedConcept, ErrorKind, Finding, Findings};
use netra_dicom::write::Uids;
use netra_dicom::write::element::{first_text, items};
use netra_export::{Exporter, Ko, Pr, ResultSet};

/// The set that a selection is part of.
fn set(formats: &[&str]) -> ResultSet {
    ResultSet::with_uids(formats, Uids::derived("selection"))
}

/// The images that a written selection refers to: instance, and frame where one is named.
fn images(out: &Path) -> Vec<(String, Option<String>)> {
    let object = open_file(out).unwrap();
    let content = items(&object, tags::CONTENT_SEQUENCE).iter();
    let references = content.filter_map(|item| items(item, tags::REFERENCED_SOP_SEQUENCE).first());
    let read =
        |r| (first_text(r, tags::REFERENCED_SOP_INSTANCE_UID).unwrap(), first_text(r, tags::REFERENCED_FRAME_NUMBER));
    references.map(read).collect()
}

fn classes(case: &Case, positive: [Option<bool>; 2]) -> Findings {
    let mut findings = case.findings(3);
    let class = |positive| Classification {
        label: "Effusion".to_owned(),
        concept: CodedConcept { value: "60046008".into(), scheme: "SCT".into(), meaning: "Pleural effusion".into() },
        probability: 0.5,
        threshold: None,
        positive,
    };
    findings.finding = Finding::Classes(positive.map(class).to_vec());
    findings
}

#[test]
fn each_segment_is_shown_by_the_frame_with_most_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("ko.dcm");
    for case in cases(folder.path()).iter().filter(|case| matches!(case.name, "ct" | "enhanced")) {
        let [slices, rows, columns] = case.source().pixels.shape();
        let mut labels = Array3::zeros((slices, rows, columns));
        // Two voxels of 1 in the last slice, three of 3 in the second, 4 as often here as there, and none of 2.
        for (at, label) in [
            ((0, 0, 0), 1),
            ((slices - 1, 0, 0), 1),
            ((slices - 1, 0, 1), 1),
            ((1, 5, 1), 3),
            ((1, 5, 2), 3),
            ((1, 5, 3), 3),
            ((2, 5, 1), 3),
            ((1, 2, 2), 4),
            ((2, 2, 2), 4),
        ] {
            labels[at] = label;
        }
        Ko.write(&common::findings(labels, &[1, 2, 3, 4]), &case.source(), &set(&["ko"]), &out).unwrap();
        let frames = case.frames();
        let wanted = [1, slices - 1].map(|slice| {
            let frame = &frames[slice];
            (frame.sop_instance_uid.clone(), (case.name == "enhanced").then(|| frame.frame.to_string()))
        });
        assert_eq!(images(&out), wanted, "{}", case.name);
    }
}

#[test]
fn nothing_to_point_at_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("ko.dcm");
    let refused = |findings: &Findings, case: &Case, why: &str| {
        let error = Ko.write(findings, &case.source(), &set(&["ko"]), &out).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(why), "{error}");
        assert!(!out.exists());
    };
    for case in &cases(folder.path()) {
        let [slices, rows, columns] = case.source().pixels.shape();
        refused(&common::findings(Array3::zeros((slices, rows, columns)), &[1]), case, "nothing was found");
        let mut findings = case.findings(3);
        findings.finding = Finding::Generated(Array3::zeros((1, rows, columns)));
        refused(&findings, case, "generated");
        if matches!(case.name, "dx" | "photo") {
            refused(&classes(case, [Some(false); 2]), case, "nothing was found");
            for positive in [[None, None], [Some(false), None], [Some(false), Some(true)]] {
                Ko.write(&classes(case, positive), &case.source(), &set(&["ko", "pr", "seg-binary"]), &out).unwrap();
                assert_eq!(images(&out).len(), 1, "the picture, and no segmentation or outlines of a classifier");
                std::fs::remove_file(&out).unwrap();
            }
        } else {
            refused(&classes(case, [Some(true); 2]), case, "whole volume");
        }
    }
}

#[test]
fn outlines_that_cannot_be_drawn_are_not_referred_to() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("ko.dcm");
    let mut case = cases(folder.path()).remove(0);
    let set = set(&["pr", "ko"]);
    let refers = |case: &Case, findings: &Findings| {
        Ko.write(findings, &case.source(), &set, &out).unwrap();
        let shown = Pr.write(findings, &case.source(), &set, &folder.path().join("pr.dcm")).is_ok();
        assert_eq!(images(&out).iter().any(|(uid, _)| *uid == set.instance_uid("pr")), shown);
        shown
    };
    assert!(refers(&case, &case.findings(3)));
    let Owned::Volume(volume) = &mut case.pixels else { panic!("a volume") };
    volume.slices[1].main.offset = [0.5, 0.0];
    assert!(!refers(&case, &case.findings(3)));
    // Found in the one slice that was put in between two frames.
    let between = common::corrected(folder.path());
    let labels = Array3::from_shape_fn((5, 12, 17), |(slice, ..)| u16::from(slice == 2));
    assert!(!refers(&between, &common::findings(labels, &[1])));
}

#[test]
fn a_selection_without_a_patient_names_nobody() {
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path()) {
        let nobody = case.deidentified();
        let out = folder.path().join(format!("{}-nobody.dcm", case.name));
        Ko.write(&nobody.findings(3), &nobody.source(), &set(&["seg", "ko"]), &out).unwrap();
        let bytes = std::fs::read(&out).unwrap();
        let secrets = [common::PATIENT, common::PATIENT_ID, "19700131", "20240501"].map(str::to_owned);
        let uids = case.frames().into_iter().map(|frame| frame.sop_instance_uid);
        for secret in secrets.into_iter().chain(uids) {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{}: {secret}", case.name);
        }
        if let Some(python) = python() {
            validate(&python, "dciodvfy.py", &[&out]);
        }
    }
}

/// What highdicom and DCMTK must find in the selection `out`.
fn expected(case: &Case, set: &ResultSet, out: &Path) -> PathBuf {
    let state = match case.is_colour() {
        true => uids::COLOR_SOFTCOPY_PRESENTATION_STATE_STORAGE,
        false => uids::GRAYSCALE_SOFTCOPY_PRESENTATION_STATE_STORAGE,
    };
    let results = [
        ("sc", "IMAGE", uids::SECONDARY_CAPTURE_IMAGE_STORAGE),
        ("sr", "COMPOSITE", uids::COMPREHENSIVE3_DSR_STORAGE),
        ("seg-binary", "IMAGE", uids::SEGMENTATION_STORAGE),
        ("pr", "COMPOSITE", state),
    ];
    let held = results.into_iter().filter(|(format, ..)| set.holds(format));
    let results: Vec<_> = held.map(|(format, kind, class)| (kind, class, set.instance_uid(format))).collect();
    let sources = images(out).len() - results.len();
    let shown: Vec<_> = images(out).into_iter().take(sources).collect();
    assert!(shown.iter().all(|(uid, _)| case.frames().iter().any(|frame| frame.sop_instance_uid == *uid)));
    let shown: Vec<_> = shown.into_iter().map(|(uid, frame)| (uid, frame.map(|f| f.parse::<u32>().unwrap()))).collect();
    let path = out.with_extension("json");
    std::fs::write(&path, serde_json::json!({ "images": shown, "results": results }).to_string()).unwrap();
    path
}

fn check(python: &Path, case: &Case, folder: &Path) {
    for (name, formats) in [
        ("all", &["seg", "seg-native", "seg-binary", "sr", "sc", "json", "pr", "ko"][..]),
        ("binary", &["seg-binary", "ko"]),
        ("alone", &["ko"]),
    ] {
        let set = set(formats);
        let out = folder.join(format!("{}-{name}.ko.dcm", case.name));
        Ko.write(&case.findings(3), &case.source(), &set, &out).unwrap();
        let expected = expected(case, &set, &out);
        agrees(python, "ko.py", &out, &expected, &case.files(), &out.with_extension("highdicom.dcm"));
    }
}

#[test]
fn selections_of_made_up_sources() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path()) {
        check(&python, &case, folder.path());
    }
    check(&python, &common::corrected(folder.path()), folder.path());
}

#[test]
fn the_template_holds() {
    let Some(python) = python() else { return };
    if !Path::new("/usr/share/java/pixelmed.jar").exists() {
        eprintln!("skipped: no PixelMed (apt install libpixelmed-java)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let case = cases(folder.path()).into_iter().find(|case| case.name == "dx").unwrap();
    check(&python, &case, folder.path());
    let selection = |suffix: &str| folder.path().join(format!("dx-all.ko.{suffix}"));
    validate(&python, "pixelmed.py", &[&selection("highdicom.dcm"), &selection("dcm")]);
}

#[test]
fn selections_of_real_scans() {
    let (Some(python), Some(assets)) = (python(), netra_testkit::assets()) else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, path) in [
        ("ct-head", "scans/ct_head_philips_5mm.zip"),
        ("veterinary-dx", "dicom/highdicom_test_files/test_files/dx_image.dcm"),
        ("cr", "dicom/pydicom_test_files/test_files/dicomdirtests/77654033/CR1/6154"),
        ("lossy-photo", "dicom/pydicom_test_files/test_files/SC_rgb_jpeg_dcmtk.dcm"),
    ] {
        check(&python, &Case::open(name, &assets.join(path)), folder.path());
    }
}
