//! JSON, NIfTI and PNG of made-up sources: what is in them, and what must not be.

mod common;

use std::io::Read;

use common::details::{heat, probable};
use common::{cases, set};
use dicom_dictionary_std::tags;
use netra_core::{Classification, CodedConcept, ErrorKind, Finding, Limits, SaliencyMethod};
use netra_dicom::ImageOptions;
use netra_dicom::write::element::{first_text, items};
use netra_export::{NAMES, exporter};

#[test]
fn every_format_writes_every_source_under_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let out = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    for case in &cases {
        for name in NAMES {
            let exporter = exporter(name).unwrap();
            let path = out.path().join(exporter.file_name(case.name));
            let findings = match name {
                "pm" => heat(case, 1, SaliencyMethod::Occlusion),
                _ => probable(case, 3, false),
            };
            exporter.write(&findings, &case.source(), &set(), &path).unwrap();
            assert!(path.metadata().unwrap().len() > 0);
        }
    }
    // Nothing temporary is left, and no two formats share a name.
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), cases.len() * NAMES.len());
}

#[test]
fn json_carries_identities_in_a_fixed_order_and_no_patient() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.json");
    let cases = cases(folder.path());
    let ct = &cases[0];
    exporter("json").unwrap().write(&ct.findings(3), &ct.source(), &set(), &out).unwrap();
    let text = std::fs::read_to_string(&out).unwrap();
    for secret in [common::PATIENT, common::PATIENT_ID, "Prüfung", "19700131"] {
        assert!(!text.contains(secret), "{secret} leaked");
    }
    let keys = ["format", "netra_version", "model", "backend", "source", "finding", "timings", "warnings"];
    let places: Vec<usize> = keys.iter().map(|key| text.find(&format!("\n  \"{key}\"")).expect("key")).collect();
    assert!(places.is_sorted(), "{places:?}");

    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["model"]["digest"], "0123456789abcdef".repeat(4));
    let instances = document["source"]["instances"].as_array().unwrap();
    let uids: Vec<&str> = instances.iter().map(|i| i["sop_instance_uid"].as_str().unwrap()).collect();
    let wanted: Vec<String> = ct.frames().into_iter().map(|f| f.sop_instance_uid).collect();
    assert_eq!(uids, wanted);
    assert_eq!(document["finding"]["kind"], "segmentation");
    let segments = document["finding"]["segments"].as_array().unwrap();
    assert_eq!(segments.len(), 3);
    assert_eq!(segments[0]["property_type"]["meaning"], "Lung");
    assert_eq!(segments[1]["anatomic_region"]["meaning"], "Chest");
    assert!(segments[0].get("anatomic_region").is_none());
    assert!(segments[0]["voxels"].as_u64().unwrap() > 0);
    assert_eq!(document["timings"][0]["stage"], "network");
}

#[test]
fn nifti_stores_labels_column_first_in_ras() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.nii.gz");
    let cases = cases(folder.path());
    let (ct, findings) = (&cases[0], cases[0].findings(3));
    exporter("nii").unwrap().write(&findings, &ct.source(), &set(), &out).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(&out).unwrap()).read_to_end(&mut bytes).unwrap();
    let short = |at: usize| i16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let float = |at: usize| f32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!([short(40), short(42), short(44), short(46), short(70)], [3, 17, 12, 5, 2]);
    let Finding::Segmentation { labels, .. } = &findings.finding else { panic!("labels") };
    assert!(bytes[352..].iter().map(|&b| u16::from(b)).eq(labels.labels().iter().copied()));
    // The first column of the affine is one step along the row: LPS to RAS turns x and y round.
    let [row, _, _] = common::oblique();
    for (i, sign) in [-1.0, -1.0, 1.0].into_iter().enumerate() {
        assert!((f64::from(float(280 + 16 * i)) - sign * 0.9 * row[i]).abs() < 1e-6);
        assert!((f64::from(float(292 + 16 * i)) - sign * common::position(0)[i]).abs() < 1e-5);
    }
}

#[test]
fn pictures_show_every_segment_colour() {
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path()) {
        let out = folder.path().join(format!("{}.png", case.name));
        exporter("png").unwrap().write(&case.findings(3), &case.source(), &set(), &out).unwrap();
        let picture = image::open(&out).unwrap().to_rgb8();
        assert_eq!(picture.width(), 1400);
        for colour in [[66u8, 165, 245], [239, 108, 0], [102, 187, 106]] {
            let close = |pixel: &image::Rgb<u8>| pixel.0.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= 16);
            let count = picture.pixels().filter(|pixel| close(pixel)).count();
            // The swatch of the legend alone has 196 pixels.
            assert!(count > 400, "{}: {count} pixels of {colour:?}", case.name);
        }
    }
}

#[test]
fn classes_are_drawn_and_reported_but_are_no_label_map() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    let class = |label: &str, probability: f32| Classification {
        label: label.to_owned(),
        concept: CodedConcept { value: "1".into(), scheme: "SCT".into(), meaning: label.into() },
        probability,
        threshold: Some(0.5),
        positive: Some(probability >= 0.5),
    };
    for case in &cases {
        let mut findings = case.findings(3);
        findings.finding = Finding::Classes(vec![class("Effusion", 0.91), class("Nodule", 0.2)]);
        for name in NAMES {
            let path = folder.path().join(exporter(name).unwrap().file_name("classes"));
            let written = exporter(name).unwrap().write(&findings, &case.source(), &set(), &path);
            match name {
                "json" | "png" | "html" | "csv" | "sr" | "sc" | "fhir" | "fhir-midas" => written.unwrap(),
                // Whatever the class, no frame of a volume stands for it.
                "ko" if matches!(case.pixels, common::Owned::Image(_)) => written.unwrap(),
                _ => assert_eq!(written.unwrap_err().kind(), ErrorKind::Unsupported),
            }
        }
    }
}

#[test]
fn a_secondary_capture_is_a_colour_image_that_names_its_source() {
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path()) {
        let path = folder.path().join(format!("{}.sc.dcm", case.name));
        let set = set();
        exporter("sc").unwrap().write(&case.findings(3), &case.source(), &set, &path).unwrap();
        let object = dicom_object::open_file(&path).unwrap();
        let uid = first_text(&object, tags::SOP_INSTANCE_UID);
        assert_eq!(uid.as_deref(), Some(set.instance_uid("sc").as_str()));
        let mut wanted: Vec<String> = case.frames().into_iter().map(|frame| frame.sop_instance_uid).collect();
        wanted.dedup();
        let sources = items(&object, tags::SOURCE_IMAGE_SEQUENCE).iter();
        let named: Vec<String> = sources.filter_map(|i| first_text(i, tags::REFERENCED_SOP_INSTANCE_UID)).collect();
        assert_eq!(named, wanted);
        let scan = netra_dicom::open(&path, &Limits::default()).unwrap().scans.remove(0);
        let image = scan.images(&ImageOptions::default(), &Limits::default()).unwrap().remove(0);
        let [rows, columns] = image.size();
        assert_eq!((image.pixels().dim().0, columns), (3, 1400));
        assert!(rows > 400);
        // The banner is amber.
        assert_eq!([0, 1, 2].map(|c| image.pixels()[(c, 2, 2)]), [255.0, 191.0, 71.0]);
    }
}
