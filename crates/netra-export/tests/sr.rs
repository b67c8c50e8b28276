//! Structured reports: re-read with dicom-object, and with highdicom, dcmqi, DCMTK, PixelMed and dciodvfy where they are.
#![allow(clippy::print_stderr, clippy::unwrap_used)] // helpers of tests may panic and print

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use common::peers::{agrees, expected, python, validate};
use common::{Case, cases};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{InMemDicomObject, open_file};
use ndarray::Array3;
use netra_core::{Classification, CodedConcept, ErrorKind, Finding, Findings};
use netra_dicom::write::Uids;
use netra_dicom::write::element::{first_text, items};
use netra_export::{Exporter, Interpreter, ResultSet, Sr};

/// The set that a report is part of.
fn set(formats: &[&str]) -> ResultSet {
    ResultSet::with_uids(formats, Uids::derived("report"))
}

/// Findings with the true sizes of their segments.
fn segments(case: &Case) -> Findings {
    let mut findings = case.findings(3);
    case.measure(&mut findings);
    findings
}

fn reader(name: &str) -> Interpreter {
    Interpreter::Practitioner { name: name.parse().unwrap(), identifier: None }
}

fn export(case: &Case, findings: &Findings, formats: &[&str], out: &Path) -> InMemDicomObject {
    Sr.write(findings, &case.source(), &set(formats), out).expect("written");
    open_file(out).expect("read back").into_inner()
}

/// Every item of the tree: (value type, code of its name, item).
fn walk<'o>(object: &'o InMemDicomObject, found: &mut Vec<(String, String, &'o InMemDicomObject)>) {
    let name = items(object, tags::CONCEPT_NAME_CODE_SEQUENCE).first().and_then(|n| first_text(n, tags::CODE_VALUE));
    found.push((first_text(object, tags::VALUE_TYPE).unwrap(), name.unwrap_or_default(), object));
    for item in items(object, tags::CONTENT_SEQUENCE) {
        assert!(first_text(item, tags::RELATIONSHIP_TYPE).is_some());
        walk(item, found);
    }
}

fn tree(object: &InMemDicomObject) -> Vec<(String, String, &InMemDicomObject)> {
    let mut found = Vec::new();
    walk(object, &mut found);
    found
}

fn texts(object: &InMemDicomObject, name: &str) -> Vec<String> {
    let named = tree(object).into_iter().filter(|(kind, code, _)| kind == "TEXT" && code == name);
    named.map(|(_, _, item)| first_text(item, tags::TEXT_VALUE).unwrap()).collect()
}

fn count(object: &InMemDicomObject, kind: &str, name: &str) -> usize {
    tree(object).iter().filter(|(k, n, _)| k == kind && n == name).count()
}

fn referenced(reference: &InMemDicomObject) -> (String, String) {
    let uid = |tag| first_text(reference, tag).unwrap();
    (uid(tags::REFERENCED_SOP_CLASS_UID), uid(tags::REFERENCED_SOP_INSTANCE_UID))
}

/// Classes with and without code and threshold.
fn classes(case: &Case) -> Findings {
    let class = |label: &str, code: &str, probability: f32, threshold: Option<f32>| Classification {
        label: label.to_owned(),
        concept: CodedConcept { value: code.into(), scheme: "SCT".into(), meaning: label.into() },
        probability,
        threshold,
        positive: threshold.map(|threshold| probability >= threshold),
    };
    let mut findings = case.findings(3);
    findings.finding = Finding::Classes(vec![
        class("Pleural effusion", "60046008", 0.91, Some(0.5)),
        class("Pneumothorax", "36118008", 0.02, Some(0.35)),
        class("Cardiomegaly", "8186001", 0.4, None),
        class("A look that nobody named", "", 0.7, Some(0.6)),
    ]);
    findings
}

#[test]
fn what_the_tree_refers_to_is_in_evidence() {
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path()) {
        for formats in [&["seg", "seg-binary", "sr"][..], &["seg", "sr"], &["sr"]] {
            let set = set(formats);
            let object = export(&case, &segments(&case), formats, &folder.path().join("sr.dcm"));
            let evidence = |sequence| -> BTreeSet<(String, String)> {
                let studies = items(&object, sequence).iter();
                let series = studies.flat_map(|study| items(study, tags::REFERENCED_SERIES_SEQUENCE));
                series.flat_map(|series| items(series, tags::REFERENCED_SOP_SEQUENCE)).map(referenced).collect()
            };
            let tree = tree(&object);
            let images = tree.iter().flat_map(|(_, _, item)| items(item, tags::REFERENCED_SOP_SEQUENCE));
            let images: BTreeSet<_> = images.map(referenced).collect();
            assert_eq!(images, evidence(tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE), "{}", case.name);
            let sources: BTreeSet<String> = case.frames().into_iter().map(|frame| frame.sop_instance_uid).collect();
            let binary = (uids::SEGMENTATION_STORAGE.to_owned(), set.instance_uid("seg-binary"));
            assert_eq!(images.contains(&binary), formats.contains(&"seg-binary"));
            assert_eq!(images.len(), sources.len() + usize::from(formats.contains(&"seg-binary")));
            let map = (uids::LABEL_MAP_SEGMENTATION_STORAGE.to_owned(), set.instance_uid("seg"));
            let pertinent = if formats.contains(&"seg") { BTreeSet::from([map]) } else { BTreeSet::new() };
            assert_eq!(evidence(tags::PERTINENT_OTHER_EVIDENCE_SEQUENCE), pertinent);
        }
    }
}

#[test]
fn the_report_is_the_patients_and_says_that_nobody_has_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    let (case, out) = (&cases[0], folder.path().join("sr.dcm"));
    let object = export(case, &segments(case), &["sr"], &out);
    for (tag, value) in [
        (tags::PATIENT_NAME, common::PATIENT),
        (tags::PATIENT_ID, common::PATIENT_ID),
        (tags::COMPLETION_FLAG, "PARTIAL"),
        (tags::VERIFICATION_FLAG, "UNVERIFIED"),
        (tags::PRELIMINARY_FLAG, "PRELIMINARY"),
        (tags::COMPLETION_FLAG_DESCRIPTION, "AI result, not for diagnosis"),
    ] {
        assert_eq!(first_text(&object, tag).as_deref(), Some(value), "{tag}");
    }
    assert_eq!(texts(&object, "121106"), ["AI result, not for diagnosis", "Warning: Only a test"]);
    assert_eq!(texts(&object, "121016"), ["0123456789abcdef".repeat(4)]);
    // The same model is the same device in every report; the report is another.
    let other = Sr.write(&segments(case), &case.source(), &ResultSet::new(&["sr"]).unwrap(), &out);
    other.unwrap();
    let again = open_file(&out).unwrap().into_inner();
    let device = |object: &InMemDicomObject| {
        tree(object).into_iter().find(|(_, name, _)| name == "121012").and_then(|(_, _, i)| first_text(i, tags::UID))
    };
    assert_eq!(device(&object), device(&again));
    assert_ne!(first_text(&object, tags::SOP_INSTANCE_UID), first_text(&again, tags::SOP_INSTANCE_UID));
}

#[test]
fn a_reader_observes_beside_the_model_and_signs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    let out = folder.path().join("sr.dcm");
    let observers = |interpreter: Option<Interpreter>| {
        let set = interpreter.into_iter().fold(set(&["sr"]), ResultSet::with_interpreter);
        Sr.write(&segments(&cases[0]), &cases[0].source(), &set, &out).unwrap();
        let object = open_file(&out).unwrap().into_inner();
        assert_eq!(first_text(&object, tags::VERIFICATION_FLAG).as_deref(), Some("UNVERIFIED"));
        assert_eq!(first_text(&object, tags::PRELIMINARY_FLAG).as_deref(), Some("PRELIMINARY"));
        let names = tree(&object).into_iter().filter(|(kind, ..)| kind == "PNAME");
        let names: Vec<String> = names.map(|(_, _, item)| first_text(item, tags::PERSON_NAME).unwrap()).collect();
        (count(&object, "CODE", "121005"), names)
    };
    assert_eq!(observers(None), (1, vec![]));
    assert_eq!(observers(Some(reader("Rao^Anita"))), (2, vec!["Rao^Anita".to_owned()]));
    let hospital = Interpreter::Organization { name: "District Hospital".to_owned(), identifier: None };
    assert_eq!(observers(Some(hospital)), (1, vec![]), "an organisation is no person");
}

#[test]
fn an_absent_segment_is_no_finding() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    let (case, out) = (&cases[0], folder.path().join("sr.dcm"));
    let mut labels = Array3::zeros((5, 12, 17));
    labels[(2, 3, 4)] = 2;
    for (labels, groups, absent) in
        [(labels, 1, "Not found: Segment 1"), (Array3::zeros((5, 12, 17)), 0, "Not found: Segment 1, Segment 2")]
    {
        let mut findings = common::findings(labels, &[1, 2]);
        case.measure(&mut findings);
        let object = export(case, &findings, &["seg-binary", "sr"], &out);
        assert_eq!(count(&object, "CONTAINER", "125007"), groups);
        assert_eq!(count(&object, "CONTAINER", "126010"), groups, "an empty container is not allowed");
        assert!(texts(&object, "121106").contains(&absent.to_owned()));
    }
}

#[test]
fn classes_carry_certainty_answer_and_threshold() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    let case = cases.iter().find(|case| case.name == "dx").unwrap();
    let object = export(case, &classes(case), &["seg", "sr"], &folder.path().join("sr.dcm"));
    assert_eq!(count(&object, "CONTAINER", "125007"), 4);
    assert_eq!(count(&object, "NUM", "111012"), 4);
    // The class without a code stands as text; no class is a coded Finding of its group.
    assert_eq!(count(&object, "CODE", "60046008") + count(&object, "CODE", "36118008"), 2);
    assert_eq!(count(&object, "CODE", "8186001"), 0, "no answer without a threshold");
    assert_eq!(count(&object, "CODE", "121071"), 3);
    assert_eq!(
        texts(&object, "121071"),
        ["A look that nobody named", "A look that nobody named: present"],
        "of the number, then of the answer"
    );
    assert!(texts(&object, "111002").contains(&"threshold=0.35".to_owned()));
    assert!(object.get(tags::PERTINENT_OTHER_EVIDENCE_SEQUENCE).is_none(), "a classifier has no segmentation");
}

#[test]
fn a_report_without_a_patient_names_nobody_and_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path()) {
        let nobody = case.deidentified();
        let secrets = [common::PATIENT, common::PATIENT_ID, "19700131", "20240501"].map(str::to_owned);
        let uids = case.frames().into_iter().map(|frame| frame.sop_instance_uid);
        let secrets: Vec<String> = secrets.into_iter().chain(uids).collect();
        for (name, findings) in [("segments", segments(&nobody)), ("classes", classes(&nobody))] {
            let out = folder.path().join(format!("{}-{name}-nobody.dcm", case.name));
            export(&nobody, &findings, &["seg-binary", "sr"], &out);
            let bytes = std::fs::read(&out).unwrap();
            for secret in &secrets {
                let leaked = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!leaked, "{}: {secret} in the report on {name}", case.name);
            }
            if let Some(python) = python() {
                validate(&python, "dciodvfy.py", &[&out]);
            }
        }
    }
}

#[test]
fn what_has_no_measurement_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    let mut findings = segments(&cases[0]);
    findings.finding = Finding::Generated(Array3::zeros((1, 2, 2)));
    let out = folder.path().join("sr.dcm");
    let error = Sr.write(&findings, &cases[0].source(), &set(&["sr"]), &out).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(!out.exists());
}

/// The three reports of a source, each with what it must hold: next to a binary segmentation, next to none, and of a classifier.
fn reports(case: &Case, folder: &Path) -> Vec<(PathBuf, PathBuf)> {
    let findings = segments(case);
    let Finding::Segmentation { labels, .. } = &findings.finding else { panic!("labels") };
    let mut meant: serde_json::Value =
        serde_json::from_slice(&std::fs::read(expected(case, &findings, folder)).unwrap()).unwrap();
    let tracking: Vec<String> = labels.segments().iter().map(|segment| set(&[]).tracking_uid(segment)).collect();
    meant["tracking"] = tracking.into();
    let mut written = Vec::new();
    let mut report = |name: &str, findings: &Findings, formats: &[&str], meant: &serde_json::Value| {
        let (out, expected) =
            (folder.join(format!("{}-{name}.dcm", case.name)), folder.join(format!("{}-{name}.json", case.name)));
        let set = match meant["reader"].as_str() {
            Some(name) => set(formats).with_interpreter(reader(name)),
            None => set(formats),
        };
        Sr.write(findings, &case.source(), &set, &out).expect("written");
        std::fs::write(&expected, meant.to_string()).unwrap();
        written.push((out, expected));
    };
    for (name, formats) in [("binary", &["seg", "seg-binary", "sr"][..]), ("map", &["seg", "sr"])] {
        meant["binary"] = formats.contains(&"seg-binary").into();
        meant["reader"] = Some("Rao^Anita^^Dr").filter(|_| name == "binary").into();
        report(name, &findings, formats, &meant);
    }
    let findings = classes(case);
    let Finding::Classes(classes) = &findings.finding else { panic!("classes") };
    let meant = classes.iter().map(|class| {
        let code = Some(&class.concept.value).filter(|code| !code.is_empty());
        serde_json::json!([code, class.probability, class.threshold, class.positive])
    });
    let meant = serde_json::json!({ "classes": meant.collect::<Vec<_>>(), "affine": null });
    report("classes", &findings, &["sr"], &meant);
    written
}

/// Every report of a source: read alike by highdicom and dcmqi, rendered by DCMTK, no errors, no more warnings than highdicom's.
fn check_reports(python: &Path, case: &Case, folder: &Path) {
    let sources = case.files();
    for (report, meant) in reports(case, folder) {
        agrees(python, "sr.py", &report, &meant, &sources, &report.with_extension("highdicom.dcm"));
    }
}

#[test]
fn reports_of_made_up_sources() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path()) {
        check_reports(&python, &case, folder.path());
    }
    check_reports(&python, &common::corrected(folder.path()), folder.path());
}

#[test]
fn reports_of_real_scans() {
    let (Some(python), Some(assets)) = (python(), netra_testkit::assets()) else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, path) in [
        ("ct-head", "scans/ct_head_philips_5mm.zip"),
        ("mr-head", "scans/mr_t1_384.zip"),
        ("veterinary-dx", "dicom/highdicom_test_files/test_files/dx_image.dcm"),
        ("cr", "dicom/pydicom_test_files/test_files/dicomdirtests/77654033/CR1/6154"),
        ("lossy-photo", "dicom/pydicom_test_files/test_files/SC_rgb_jpeg_dcmtk.dcm"),
    ] {
        check_reports(&python, &Case::open(name, &assets.join(path)), folder.path());
    }
}

#[test]
fn templates_hold_as_well_as_in_highdicoms_reports() {
    let Some(python) = python() else { return };
    if !Path::new("/usr/share/java/pixelmed.jar").exists() {
        eprintln!("skipped: no PixelMed (apt install libpixelmed-java)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path()).iter().filter(|case| matches!(case.name, "ct" | "dx")) {
        // Each template once: the validator takes its time.
        let names = ["ct-binary.dcm", "ct-classes.dcm", "dx-binary.dcm", "dx-map.dcm"];
        let reports = reports(case, folder.path()).into_iter();
        for (report, meant) in reports.filter(|(report, _)| names.iter().any(|name| report.ends_with(name))) {
            let reference = report.with_extension("highdicom.dcm");
            let sources = case.files();
            let mut arguments: Vec<&Path> = vec![&report, &meant, Path::new("--reference"), &reference];
            arguments.extend(sources.iter().map(PathBuf::as_path));
            validate(&python, "sr.py", &arguments);
            validate(&python, "pixelmed.py", &[&reference, &report]);
        }
    }
}
