//! Every kind of picture, of simulated scans: drawn here to see that it can be, and kept for `docs/gallery.md` where
//! NETRA_GALLERY names a folder. The scans show nobody, and no model was run: the findings are made up.
#![allow(clippy::unwrap_used)]

mod common;
mod phantoms;

use std::path::Path;

use common::Case;
use ndarray::{Array3, Axis};
use netra_core::{
    BackendIdentity, Classification, CodedConcept, Finding, Findings, HeatMap, LabelMap, Limits, ModelIdentity,
    ModelStatement, Saliency, SaliencyMethod, Segment, StageTiming,
};
use netra_dicom::{GeometryPolicy, Voi};
use netra_export::convert::{Options, convert, thumbnail};
use netra_export::{Exporter, Html, Png, ResultSet, SecondaryCapture, Thumbnail, write_thumbnails};

fn coded(value: &str, meaning: &str) -> CodedConcept {
    CodedConcept { value: value.into(), scheme: "SCT".into(), meaning: meaning.into() }
}

fn findings(name: &str, finding: Finding) -> Findings {
    let id = name.to_lowercase().replace(' ', "-");
    let model = ModelIdentity { id, name: name.into(), version: "0.0.0".into(), digest: "0".repeat(64) };
    let backend = BackendIdentity {
        name: "none".into(),
        device: "made up for the gallery".into(),
        precision: "exact".into(),
        tuning: None,
        resident: false,
    };
    let mut findings = Findings::new(model, backend, finding);
    findings.timings.push(StageTiming { stage: "network".into(), seconds: 0.125 });
    findings.statement = Some(ModelStatement {
        purpose: "Show what results look like".into(),
        not_for: vec!["Anything else: no model was run".into()],
        population: "Simulated scans".into(),
        user: "Readers of the gallery".into(),
        licence: "MIT OR Apache-2.0".into(),
        source: "crates/netra-export/tests/gallery.rs".into(),
        approval: "None needed".into(),
        consent: "None needed".into(),
    });
    findings
}

/// Findings of a label map whose segments are told as (label, category, type, colour).
fn segmentation(case: &Case, labels: Array3<u16>, told: &[(&str, CodedConcept, CodedConcept, [u8; 3])]) -> Findings {
    let mut findings = findings("Gallery outlines", {
        let segments = told.iter().zip(1..).map(|((label, category, property_type, colour), number)| Segment {
            number,
            label: (*label).to_owned(),
            category: category.clone(),
            property_type: property_type.clone(),
            anatomic_region: None,
            colour: *colour,
        });
        let map = LabelMap::new(labels, segments.collect()).unwrap();
        Finding::Segmentation { extents: Vec::new(), labels: map }
    });
    case.measure(&mut findings);
    findings
}

fn classification(told: &[(&str, CodedConcept, f32, f32)]) -> Findings {
    let classes = told.iter().map(|(label, concept, probability, threshold)| Classification {
        label: (*label).to_owned(),
        concept: concept.clone(),
        probability: *probability,
        threshold: Some(*threshold),
        positive: Some(probability >= threshold),
    });
    findings("Gallery classes", Finding::Classes(classes.collect()))
}

/// A bump around a place, with a weaker opposite one beside it.
fn heat(case: &Case, class: usize, centre: [f64; 3], widths: [f64; 3], height: f32) -> HeatMap {
    let [slices, rows, columns] = case.source().pixels.shape();
    let values = Array3::from_shape_fn((slices, rows, columns), |(s, r, c)| {
        let share = [(s, slices), (r, rows), (c, columns)].map(|(i, n)| (i as f64 + 0.5) / n as f64);
        let far = |centre: [f64; 3]| -> f64 { (0..3).map(|i| ((share[i] - centre[i]) / widths[i]).powi(2)).sum() };
        let opposite = [centre[0], 1.0 - centre[1], 1.0 - centre[2]];
        height * ((-far(centre)).exp() - 0.3 * (-far(opposite)).exp()) as f32
    });
    HeatMap { class, values }
}

fn anatomy() -> CodedConcept {
    coded("91723000", "Anatomical Structure")
}

fn abnormal() -> CodedConcept {
    coded("49755003", "Morphologically Abnormal Structure")
}

fn lungs(case: &Case) -> Findings {
    let [_, rows, columns] = case.source().pixels.shape();
    let truth = netra_core::phantom::chest_lung_truth(rows, columns);
    let labels = Array3::from_shape_fn((1, rows, columns), |(_, r, c)| u16::from(truth[[r, c]]));
    segmentation(case, labels, &[("Lung fields", anatomy(), coded("39607008", "Lung"), [66, 165, 245])])
}

fn chest_classes() -> Findings {
    classification(&[
        ("Consolidation", coded("95436008", "Pulmonary consolidation"), 0.83, 0.5),
        ("Pleural effusion", coded("60046008", "Pleural effusion"), 0.58, 0.5),
        ("Cardiomegaly", coded("8186001", "Cardiomegaly"), 0.12, 0.4),
        ("Pneumothorax", coded("36118008", "Pneumothorax"), 0.03, 0.5),
    ])
}

fn head(case: &Case) -> Findings {
    let labels = phantoms::head_labels(case.source().pixels.shape());
    segmentation(
        case,
        labels,
        &[
            ("Brain", anatomy(), coded("12738006", "Brain"), [239, 154, 154]),
            ("Ventricles", anatomy(), coded("35764002", "Brain ventricle"), [79, 195, 247]),
            ("Haemorrhage", abnormal(), coded("50960005", "Hemorrhage"), [255, 202, 40]),
        ],
    )
}

fn head_classes() -> Findings {
    classification(&[("Haemorrhage", coded("50960005", "Hemorrhage"), 0.91, 0.5)])
}

fn eye(case: &Case) -> Findings {
    let labels = phantoms::fundus_labels(case.source().pixels.shape());
    segmentation(
        case,
        labels,
        &[
            ("Vessels", anatomy(), coded("59820001", "Blood Vessel"), [38, 198, 218]),
            ("Optic disc", anatomy(), coded("24184005", "Optic disc"), [255, 238, 88]),
        ],
    )
}

fn eye_classes() -> Findings {
    classification(&[
        ("Diabetic retinopathy", coded("4855003", "Retinopathy due to diabetes mellitus"), 0.71, 0.5),
        ("Glaucoma", coded("23986001", "Glaucoma"), 0.2, 0.6),
    ])
}

fn explained(mut findings: Findings, method: SaliencyMethod, maps: Vec<HeatMap>) -> Findings {
    findings.saliency = Some(Saliency { method, maps });
    findings
}

#[test]
fn every_kind_of_picture_can_be_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let drawn = folder.path().join("drawn");
    std::fs::create_dir(&drawn).unwrap();
    let [chest, head_ct, fundus] = phantoms::write(folder.path());
    let generated = netra_core::phantom::chest_radiograph(256, 256, 5).mapv(|v| f32::from(v) / 4095.0);
    let (activation, occlusion) = (SaliencyMethod::ClassActivation, SaliencyMethod::Occlusion);
    let two = vec![
        heat(&chest, 0, [0.5, 0.62, 0.3], [1.0, 0.12, 0.09], 4.2),
        heat(&chest, 1, [0.5, 0.8, 0.72], [1.0, 0.07, 0.12], 2.6),
    ];
    let in_head = vec![heat(&head_ct, 0, phantoms::HAEMORRHAGE, [0.16, 0.12, 0.12], 0.4)];
    let in_eye = vec![heat(&fundus, 0, [0.5, 0.35, 0.42], [1.0, 0.11, 0.11], 0.22)];
    let made = findings("Gallery generator", Finding::Generated(generated.insert_axis(Axis(0))));
    let pictures: [(&str, &Case, Findings); 9] = [
        ("radiograph-segmentation", &chest, lungs(&chest)),
        ("radiograph-classes", &chest, chest_classes()),
        ("radiograph-heat-maps", &chest, explained(chest_classes(), activation, two)),
        ("volume-segmentation", &head_ct, head(&head_ct)),
        ("volume-classes", &head_ct, head_classes()),
        ("volume-heat-map", &head_ct, explained(head_classes(), occlusion, in_head)),
        ("photograph-segmentation", &fundus, eye(&fundus)),
        ("photograph-heat-map", &fundus, explained(eye_classes(), occlusion, in_eye)),
        ("generated", &chest, made),
    ];
    let set = ResultSet::new(&["png", "html", "sc"]).unwrap();
    for (name, case, findings) in &pictures {
        let png = drawn.join(format!("{name}.png"));
        Png.write(findings, &case.source(), &set, &png).unwrap();
        let [width, height] = size(&png);
        assert!((1000..2000).contains(&width) && (300..2500).contains(&height), "{name}: {width} x {height}");
    }

    let (_, case, findings) = &pictures[3];
    Html.write(findings, &case.source(), &set, &drawn.join("report.html")).unwrap();
    // A Secondary Capture as Netra itself reads it, and the frames of a scan.
    let (_, case, findings) = &pictures[0];
    let capture = folder.path().join("capture.dcm");
    SecondaryCapture.write(findings, &case.source(), &set, &capture).unwrap();
    let capture = Case::open("capture", &capture);
    for (name, scan) in [("secondary-capture", &capture.scan), ("frames", &head_ct.scan)] {
        let options = Options {
            policy: GeometryPolicy::Refuse,
            voi: Voi::Apply,
            force: false,
            limits: Limits::default(),
            progress: &|_, _, _| {},
        };
        convert(scan, &drawn.join(format!("{name}.png")), &options).unwrap();
        assert!(size(&drawn.join(format!("{name}.png")))[0] > 1000, "{name}");
    }
    let overview: Vec<Thumbnail> =
        [&chest, &head_ct, &fundus].map(|case| thumbnail(case.scan.clone(), &Limits::default())).into();
    write_thumbnails(&overview, &drawn.join("thumbnails.png")).unwrap();
    assert!(size(&drawn.join("thumbnails.png"))[0] > 300);
    if let Some(gallery) = std::env::var_os("NETRA_GALLERY") {
        keep(&drawn, Path::new(&gallery));
    }
}

fn size(png: &Path) -> [u32; 2] {
    let bytes = std::fs::read(png).unwrap();
    assert!(bytes.starts_with(b"\x89PNG"), "{}", png.display());
    [16, 20].map(|at| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()))
}

/// Every picture at half its width as JPEG, which a repository can hold; what is drawn itself lies in `full/`.
fn keep(drawn: &Path, gallery: &Path) {
    let full = gallery.join("full");
    std::fs::create_dir_all(&full).unwrap();
    for entry in std::fs::read_dir(drawn).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, full.join(path.file_name().unwrap())).unwrap();
        if path.extension().is_some_and(|end| end == "png") {
            let picture = image::open(&path).unwrap().to_rgb8();
            let (width, height) = (picture.width() / 2, picture.height() / 2);
            let half = image::imageops::resize(&picture, width, height, image::imageops::FilterType::Lanczos3);
            half.save(gallery.join(path.with_extension("jpg").file_name().unwrap())).unwrap();
        }
    }
}
