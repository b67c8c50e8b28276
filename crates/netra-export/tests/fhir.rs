//! FHIR bundles of made-up sources: what they must say, what they must not, and what others' validators say of them.
#![allow(clippy::print_stderr, clippy::unwrap_used)] // helpers of tests may panic and print

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Case, cases, set};
use netra_core::{Classification, CodedConcept, ErrorKind, ExtentMeasure, Finding, Findings, Limits, ModelStatement};
use netra_dicom::write::Uids;
use netra_dicom::{Deidentifier, FileDigest, ImageOptions};
use netra_export::fhir::Profile;
use netra_export::{Exporter, Fhir, Identifier, Interpreter, Pixels, ResultSet, Source, exporter};
use serde_json::Value;

const ABDM: &str = "https://nrces.in/ndhm/fhir/r4/StructureDefinition/DiagnosticReportImaging";

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The bundle of `findings` on `case`.
fn bundle(fhir: &Fhir, findings: &Findings, case: &Case, set: &ResultSet) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.json");
    fhir.write(findings, &case.source(), set, &out).unwrap();
    read(&out)
}

fn of_type<'a>(bundle: &'a Value, kind: &str) -> Vec<&'a Value> {
    let resources = bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
    resources.filter(|resource| resource["resourceType"] == kind).collect()
}

fn only<'a>(bundle: &'a Value, kind: &str) -> &'a Value {
    let found = of_type(bundle, kind);
    assert_eq!(found.len(), 1, "{kind}");
    found[0]
}

fn class(label: &str, scheme: &str, code: &str, probability: f32, threshold: Option<f32>) -> Classification {
    Classification {
        label: label.to_owned(),
        concept: CodedConcept { value: code.to_owned(), scheme: scheme.to_owned(), meaning: label.to_owned() },
        probability,
        threshold,
        positive: threshold.map(|t| probability >= t),
    }
}

/// A screening model's classes: one found, one not, one without threshold, one in no known scheme, two recommendations.
fn classes(case: &Case) -> Findings {
    let mut findings = case.findings(3);
    findings.finding = Finding::Classes(vec![
        class("Leukoplakia", "SCT", "235027002", 0.91, Some(0.5)),
        class("Erythroplakia", "SCT", "71379006", 0.2, Some(0.5)),
        class("Keratosis", "SCT", "95269005", 0.4, None),
        class("Grade", "99LOCAL", "3", 0.3, Some(0.25)),
        class("Urgent referral", "99MIDAS", "urgent-refer-to-hospital", 0.8, Some(0.5)),
        class("Retake", "99MIDAS", "retake-image", 0.1, Some(0.5)),
    ]);
    findings.statement = Some(ModelStatement {
        purpose: "Screening".to_owned(),
        not_for: vec!["Children".to_owned()],
        ..ModelStatement::default()
    });
    findings
}

/// A picture that is not DICOM.
fn picture(root: &Path) -> Case {
    let folder = root.join("picture");
    std::fs::create_dir(&folder).unwrap();
    image::RgbImage::from_fn(31, 20, |x, y| image::Rgb([x as u8 * 8, y as u8 * 12, 90]))
        .save(folder.join("a.png"))
        .unwrap();
    Case::open("picture", &folder)
}

fn interpreter() -> Interpreter {
    Interpreter::Organization {
        name: "District Hospital".to_owned(),
        identifier: Some("https://facility.abdm.gov.in|IN0010000001".parse().unwrap()),
    }
}

fn reader(identifier: Option<Identifier>) -> Interpreter {
    Interpreter::Practitioner { name: "Rao^Anita^^Dr".parse().unwrap(), identifier }
}

#[test]
fn segments_are_observations_with_their_size_in_ucum() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    let (ct, findings) = (&cases[0], cases[0].findings(3));
    let set = ResultSet::with_uids(&["fhir"], Uids::derived("set"));
    let bundle = bundle(&Fhir::new(Profile::R4), &findings, ct, &set);
    let Finding::Segmentation { labels, extents } = &findings.finding else { panic!("labels") };
    let observations = of_type(&bundle, "Observation");
    assert_eq!(observations.len(), 3);
    for ((observation, segment), (voxels, _)) in observations.iter().zip(labels.segments()).zip(extents) {
        assert_eq!(observation["valueQuantity"]["value"].as_f64().unwrap(), *voxels as f64);
        assert_eq!(observation["valueQuantity"]["code"], "mm3");
        assert_eq!(observation["code"]["coding"][0]["code"], "118565006");
        let site = segment.anatomic_region.as_ref().unwrap_or(&segment.property_type);
        assert_eq!(observation["bodySite"]["coding"][0]["code"], site.value.as_str());
        let tracking = format!("urn:oid:{}", set.tracking_uid(segment));
        assert_eq!(observation["identifier"][0]["value"], tracking.as_str());
        assert_eq!(observation["status"], "preliminary");
    }
    // Parts of a healthy body are no conclusion.
    assert!(only(&bundle, "DiagnosticReport").get("conclusionCode").is_none());

    let study = only(&bundle, "ImagingStudy");
    assert_eq!(study["series"][0]["instance"].as_array().unwrap().len(), 5);
    assert_eq!(study["series"][0]["instance"][0]["uid"], ct.frames()[0].sop_instance_uid.as_str());
    assert_eq!(study["started"], "2024-05-01");
}

#[test]
fn a_segment_has_its_long_axis_where_pixels_have_a_size() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    let axes = |case: &Case, place: (usize, usize, usize)| -> Vec<Option<f64>> {
        let mut labels = ndarray::Array3::zeros(case.source().pixels.shape());
        labels[place] = 2;
        let bundle = bundle(&Fhir::new(Profile::R4), &common::findings(labels, &[1, 2]), case, &set());
        let axis = |observation: &&Value| {
            let components = observation["component"].as_array().unwrap().iter();
            let mut axes = components.filter(|c| c["code"]["coding"][0]["code"] == "103339001");
            axes.next().map(|axis| {
                assert_eq!(axis["valueQuantity"]["code"], "mm");
                axis["valueQuantity"]["value"].as_f64().unwrap()
            })
        };
        of_type(&bundle, "Observation").iter().map(axis).collect()
    };
    // One voxel of 2.5 by 0.7 by 0.9 mm from corner to corner; the first segment has no voxel.
    let ct = axes(&cases[0], (2, 3, 4));
    assert_eq!(ct[0], None);
    assert!((ct[1].unwrap() - (2.5f64.powi(2) + 0.7f64.powi(2) + 0.9f64.powi(2)).sqrt()).abs() < 1e-6, "{ct:?}");
    assert_eq!(axes(&cases[3], (0, 3, 4)), [None, None], "a photograph without spacing");
}

#[test]
fn classes_are_observations_interpreted_against_their_threshold() {
    let folder = tempfile::tempdir().unwrap();
    let photo = &cases(folder.path())[3];
    let bundle = bundle(&Fhir::new(Profile::R4), &classes(photo), photo, &set());
    let observations = of_type(&bundle, "Observation");
    let interpreted: Vec<_> =
        observations.iter().map(|o| o["interpretation"][0]["coding"][0]["code"].as_str()).collect();
    assert_eq!(interpreted, [Some("POS"), Some("NEG"), None, Some("POS"), Some("POS"), Some("NEG")]);
    assert_eq!(observations[0]["valueQuantity"]["value"].to_string(), "0.91");
    assert_eq!(observations[0]["component"][0]["valueQuantity"]["value"].to_string(), "0.5");
    assert!(observations[2].get("component").is_none());
    // A scheme without a URI is text, and no conclusion.
    assert_eq!(observations[3]["code"]["text"], "Probability of Grade");
    assert!(observations[3]["code"].get("coding").is_none());

    let report = only(&bundle, "DiagnosticReport");
    let codes: Vec<_> = report["conclusionCode"].as_array().unwrap().iter().map(|c| &c["coding"][0]["code"]).collect();
    assert_eq!(codes, ["235027002"]);
    let conclusion = report["conclusion"].as_str().unwrap();
    assert!(conclusion.contains("not reviewed") && conclusion.contains("Leukoplakia: positive, probability 0.91"));
    assert!(of_type(&bundle, "RiskAssessment").is_empty());
    let notes = only(&bundle, "Device")["note"].to_string();
    assert!(notes.contains("Not for: Children"), "{notes}");
}

#[test]
fn abnormal_segments_are_a_conclusion_where_they_were_found() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    let abnormal = |number: u16| {
        let mut labels = ndarray::Array3::zeros((5, 12, 17));
        labels[(2, 3, 4)] = number;
        let mut findings = common::findings(labels, &[1, 2]);
        if let Finding::Segmentation { labels, .. } = &mut findings.finding {
            let mut segments = labels.segments().to_vec();
            segments[1].category.value = "49755003".to_owned();
            segments[1].property_type.value = "52988006".to_owned();
            *labels = netra_core::LabelMap::new(labels.labels().clone(), segments).unwrap();
        }
        let bundle = bundle(&Fhir::new(Profile::R4), &findings, &cases[0], &set());
        only(&bundle, "DiagnosticReport")["conclusionCode"][0]["coding"][0]["code"].clone()
    };
    assert_eq!(abnormal(2), "52988006");
    assert_eq!(abnormal(1), Value::Null);
}

#[test]
fn only_a_package_recommends_and_only_to_midas() {
    let folder = tempfile::tempdir().unwrap();
    let photo = &cases(folder.path())[3];
    let set = ResultSet::new(&["fhir-midas"]).unwrap();
    let midas = bundle(&Fhir::new(Profile::Midas), &classes(photo), photo, &set);
    let risk = only(&midas, "RiskAssessment");
    let outcomes = risk["prediction"].as_array().unwrap();
    assert_eq!(outcomes.len(), 1);
    let coding = &outcomes[0]["outcome"]["coding"][0];
    assert_eq!(coding["code"], "urgent-refer-to-hospital");
    assert_eq!(coding["system"], "https://terminology.midas.iisc.ac.in/remote-screening-recommendation");
    // The picture is linked whether or not the set holds it as a file.
    assert!(only(&midas, "Media").get("identifier").is_none());
    let link = &only(&midas, "DiagnosticReport")["media"][0]["link"]["reference"];
    let entry = midas["entry"].as_array().unwrap().iter().find(|entry| &entry["fullUrl"] == link).unwrap();
    assert_eq!(entry["resource"]["content"]["contentType"], "image/png");

    let segments = bundle(&Fhir::new(Profile::Midas), &photo.findings(3), photo, &set);
    assert!(of_type(&segments, "RiskAssessment").is_empty());
}

#[test]
fn the_profile_of_abdm_is_claimed_with_an_interpreter_and_a_picture_only() {
    let folder = tempfile::tempdir().unwrap();
    let ct = &cases(folder.path())[0];
    let report = |interpreter: Option<Interpreter>, formats: &[&str]| {
        let set = interpreter.into_iter().fold(ResultSet::new(formats).unwrap(), ResultSet::with_interpreter);
        only(&bundle(&Fhir::new(Profile::R4), &ct.findings(3), ct, &set), "DiagnosticReport").clone()
    };
    for (interpreter, formats, claimed, status, media) in [
        (None, &["png", "sc"][..], false, "preliminary", 1),
        (Some(interpreter()), &["fhir"], false, "final", 0),
        (Some(interpreter()), &["png"], true, "final", 1),
        (Some(reader(None)), &["sc"], true, "final", 1),
    ] {
        let report = report(interpreter, formats);
        assert_eq!(report["meta"]["profile"][0] == ABDM, claimed, "{formats:?}");
        assert_eq!(report["status"], status);
        assert_eq!(report["media"].as_array().map_or(0, Vec::len), media);
        assert_eq!(report.get("resultsInterpreter").is_some(), status == "final");
        assert!(!report["conclusion"].as_str().unwrap().is_empty());
        assert_eq!(report["code"]["coding"][0]["system"], "http://loinc.org");
        assert_eq!(report["category"][0]["coding"][0]["system"], "http://snomed.info/sct");
    }
}

#[test]
fn a_reader_is_named_with_and_without_an_identifier() {
    let folder = tempfile::tempdir().unwrap();
    let ct = &cases(folder.path())[0];
    let identifier: Identifier = "https://doctor.ndhm.gov.in|21-1521".parse().unwrap();
    for (identifier, wanted) in [
        (None, serde_json::json!({ "type": "Practitioner", "display": "Dr Anita Rao" })),
        (
            Some(identifier),
            serde_json::json!({
                "type": "Practitioner", "display": "Dr Anita Rao",
                "identifier": { "system": "https://doctor.ndhm.gov.in", "value": "21-1521" },
            }),
        ),
    ] {
        let set = set().with_interpreter(reader(identifier));
        let bundle = bundle(&Fhir::new(Profile::R4), &ct.findings(3), ct, &set);
        let report = only(&bundle, "DiagnosticReport");
        assert_eq!((&report["resultsInterpreter"][0], &report["performer"][0]), (&wanted, &wanted));
        assert!(report["conclusion"].as_str().unwrap().starts_with("AI result, read by Dr Anita Rao."));
        assert_eq!(only(&bundle, "Provenance")["agent"][2]["who"], wanted);
        assert!(of_type(&bundle, "Observation").iter().all(|observation| observation["status"] == "final"));
    }
}

#[test]
fn a_picture_is_embedded_and_bears_the_uid_of_its_secondary_capture() {
    let folder = tempfile::tempdir().unwrap();
    let ct = &cases(folder.path())[0];
    let set = set();
    let bundle = bundle(&Fhir::new(Profile::R4), &ct.findings(3), ct, &set);
    let media = only(&bundle, "Media");
    assert_eq!(media["identifier"][0]["value"], format!("urn:oid:{}", set.instance_uid("sc")).as_str());
    let out = folder.path().join("same.png");
    exporter("png").unwrap().write(&ct.findings(3), &ct.source(), &set, &out).unwrap();
    // Base64 writes three bytes as four characters.
    let size = out.metadata().unwrap().len().div_ceil(3) * 4;
    assert_eq!(media["content"]["data"].as_str().unwrap().len() as u64, size);
}

#[test]
fn provenance_names_the_package_and_the_files_that_were_read() {
    let folder = tempfile::tempdir().unwrap();
    let ct = &cases(folder.path())[0];
    let file = FileDigest { sop_instance_uid: None, bytes: 4711, sha256: "ab".repeat(32) };
    let set = set().with_inputs(vec![file]).with_interpreter(interpreter());
    let bundle = bundle(&Fhir::new(Profile::R4), &ct.findings(3), ct, &set);
    let provenance = only(&bundle, "Provenance");
    let entities = provenance["entity"].to_string();
    for digest in ["ab".repeat(32), "0123456789abcdef".repeat(4)] {
        assert!(entities.contains(&format!("nih:sha-256;{digest}")), "{entities}");
    }
    let agents = provenance["agent"].as_array().unwrap().iter();
    let roles: Vec<_> = agents.map(|agent| agent["type"]["coding"][0]["code"].as_str().unwrap()).collect();
    assert_eq!(roles, ["author", "assembler", "verifier"]);
    assert!(provenance["recorded"].as_str().unwrap().len() > 25);
}

#[test]
fn the_patient_is_a_pseudonym_of_the_study() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    let ct = &cases[0];
    let subject = |set: &ResultSet| {
        let bundle = bundle(&Fhir::new(Profile::R4), &ct.findings(3), ct, set);
        let text = bundle.to_string();
        for secret in [common::PATIENT, common::PATIENT_ID, "Prüfung", "19700131", "1970-01-31"] {
            assert!(!text.contains(secret), "{secret} leaked");
        }
        only(&bundle, "ImagingStudy")["subject"].clone()
    };
    // The same in every result of the study.
    assert_eq!(subject(&set()), subject(&set()));

    let nameless = Deidentifier::new(Uids::random().unwrap()).scan(&ct.scan);
    let pixels = nameless.volume(&Limits::default()).unwrap();
    let source = Source { scan: &nameless, pixels: Pixels::Volume(&pixels) };
    let out = folder.path().join("nameless.json");
    Fhir::new(Profile::R4).write(&ct.findings(3), &source, &set(), &out).unwrap();
    let text = read(&out).to_string();
    for uid in ct.frames().iter().map(|f| f.sop_instance_uid.clone()).chain(["2024-05-01".to_owned()]) {
        assert!(!text.contains(&uid), "{uid} survived");
    }
}

#[test]
fn one_frame_of_several_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let enhanced = &cases(folder.path())[1];
    let images = enhanced.scan.images(&ImageOptions::default(), &Limits::default()).unwrap();
    let source = Source { scan: &enhanced.scan, pixels: Pixels::Image(&images[1]) };
    let out = folder.path().join("frame.json");
    Fhir::new(Profile::R4).write(&classes(enhanced), &source, &set(), &out).unwrap();
    let bundle = read(&out);
    let named = format!("frame 2 of {}", enhanced.frames()[0].sop_instance_uid);
    for observation in of_type(&bundle, "Observation") {
        assert_eq!(observation["derivedFrom"][0]["display"], named.as_str());
    }
    assert_eq!(only(&bundle, "ImagingStudy")["numberOfInstances"], 1);
}

#[test]
fn a_picture_from_nowhere_has_no_study() {
    let folder = tempfile::tempdir().unwrap();
    let picture = picture(folder.path());
    let mut findings = picture.findings(3);
    if let Finding::Segmentation { extents, .. } = &mut findings.finding {
        extents.iter_mut().for_each(|(_, extent)| *extent = ExtentMeasure::PixelShare(0.25));
    }
    let bundle = bundle(&Fhir::new(Profile::R4), &findings, &picture, &set());
    assert!(of_type(&bundle, "ImagingStudy").is_empty());
    for observation in of_type(&bundle, "Observation") {
        assert_eq!(observation["valueQuantity"]["code"], "%");
        assert_eq!(observation["valueQuantity"]["value"], 25.0);
        assert!(observation.get("derivedFrom").is_none());
    }
}

#[test]
fn a_generated_picture_is_no_finding() {
    let folder = tempfile::tempdir().unwrap();
    let photo = &cases(folder.path())[3];
    let mut findings = photo.findings(3);
    findings.finding = Finding::Generated(ndarray::Array3::zeros((1, 4, 4)));
    let out = folder.path().join("none.json");
    let error = Fhir::new(Profile::R4).write(&findings, &photo.source(), &set(), &out).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(!out.exists());
}

/// Every source, kind of finding and profile, through `tests/validate/fhir.py`, which checks its own rules alone where the npm
/// packages are missing.
#[test]
fn bundles_pass_the_validators() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = std::env::var_os("NETRA_PYTHON").map_or(workspace.join(".venv/bin/python"), PathBuf::from);
    let usable = Command::new(&python).args(["-c", "import jsonschema"]).output().is_ok_and(|o| o.status.success());
    if !usable {
        eprintln!("skipped: no jsonschema in {} (run tests/setup or set NETRA_PYTHON)", python.display());
        return;
    }
    let modules = common::node_modules();
    if modules.is_none() {
        eprintln!("without R4's schema and npm fhir (run tests/setup or set NETRA_NODE_MODULES)");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut bundles = Vec::new();
    for case in cases(folder.path()).into_iter().chain([picture(folder.path())]) {
        for (kind, findings) in [("segments", case.findings(300)), ("classes", classes(&case))] {
            for profile in [Profile::R4, Profile::Midas] {
                for (i, interpreter) in [None, Some(interpreter()), Some(reader(None))].into_iter().enumerate() {
                    let name = format!("{}-{kind}-{profile:?}-{i}.json", case.name);
                    let set = ResultSet::new(&["png", "sc", "fhir"]).unwrap();
                    let set = interpreter.into_iter().fold(set, ResultSet::with_interpreter);
                    let out = folder.path().join(name);
                    Fhir::new(profile).write(&findings, &case.source(), &set, &out).unwrap();
                    bundles.push(out);
                }
            }
        }
    }
    let output = Command::new(&python)
        .arg(workspace.join("tests/validate/fhir.py"))
        .arg(modules.unwrap_or_else(|| "-".into()))
        .args(&bundles)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    eprint!("{text}");
}
