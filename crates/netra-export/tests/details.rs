//! Fractional segmentations and parametric maps re-read with dicom-object; JSON and pages that tell of heat maps.
#![allow(clippy::unwrap_used)] // helpers of tests may panic

mod common;

use std::path::Path;

use common::details::{heat, probable};
use common::{Case, cases, set};
use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, open_file};
use netra_core::{Detail, ErrorKind, Finding, Findings, Limits, SaliencyMethod};
use netra_dicom::write::element::{first_text, items, numbers};
use netra_export::{NAMES, exporter};

fn export(name: &str, case: &Case, findings: &Findings, folder: &Path) -> DefaultDicomObject {
    let out = folder.join(format!("{}-{name}.dcm", case.name));
    exporter(name).unwrap().write(findings, &case.source(), &set(), &out).unwrap();
    open_file(&out).unwrap()
}

#[test]
fn only_what_shows_details_asks_for_them() {
    for name in NAMES {
        let needs = exporter(name).unwrap().needs();
        assert_eq!(needs, Detail { saliency: name == "pm", probabilities: name == "seg-fractional" }, "{name}");
    }
}

#[test]
fn fractional_frames_hold_the_probabilities_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path()) {
        let findings = probable(&case, 300, true);
        let object = export("seg-fractional", &case, &findings, folder.path());
        let text = |tag| first_text(&object, tag).unwrap();
        assert_eq!(text(tags::SEGMENTATION_TYPE), "FRACTIONAL");
        assert_eq!(text(tags::SEGMENTATION_FRACTIONAL_TYPE), "PROBABILITY");
        assert_eq!(text(tags::SEGMENTS_OVERLAP), "YES");
        assert_eq!(numbers(&object, tags::MAXIMUM_FRACTIONAL_VALUE), Some(vec![255.0]));
        assert_eq!(items(&object, tags::SEGMENT_SEQUENCE).len(), 3, "the empty one is described");

        // Neither the empty first slice of a volume nor the empty segment has a frame.
        let values = &findings.probabilities.as_ref().unwrap().values;
        let (_, slices, _, _) = values.dim();
        let planes: Vec<usize> = if slices > 1 { (1..slices).collect() } else { vec![0] };
        let path = folder.path().join(format!("{}-seg-fractional.dcm", case.name));
        let scan = netra_dicom::open(&path, &Limits::default()).unwrap().scans.remove(0);
        let netra_dicom::Scan::Dicom(series) = scan else { panic!("DICOM") };
        let frames = series.instances[0].raw_frames(&Limits::default()).unwrap();
        let groups = items(&object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
        assert_eq!((frames.len(), groups.len()), (2 * planes.len(), 2 * planes.len()), "{}", case.name);
        for (i, (frame, group)) in frames.iter().zip(groups).enumerate() {
            let (segment, plane) = (i / planes.len(), planes[i % planes.len()]);
            let named = items(group, tags::SEGMENT_IDENTIFICATION_SEQUENCE);
            assert_eq!(numbers(&named[0], tags::REFERENCED_SEGMENT_NUMBER), Some(vec![segment as f64 + 1.0]));
            let meant = values.slice(ndarray::s![segment, plane, .., ..]);
            assert!(frame.iter().eq(meant.iter()), "{} frame {i}", case.name);
        }
    }
}

#[test]
fn parametric_frames_hold_the_heat_maps_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path()) {
        for (method, code) in [(SaliencyMethod::ClassActivation, "130402"), (SaliencyMethod::Occlusion, "130404")] {
            let findings = heat(&case, 3, method);
            let object = export("pm", &case, &findings, folder.path());
            let maps = &findings.saliency.as_ref().unwrap().maps;
            let meant: Vec<f32> = maps.iter().flat_map(|map| map.values.iter().copied()).collect();
            assert_eq!(object.element(tags::FLOAT_PIXEL_DATA).unwrap().to_multi_float32().unwrap(), meant);

            let slices = case.source().pixels.shape()[0];
            let frames = items(&object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
            assert_eq!(frames.len(), 3 * slices);
            for (i, frame) in frames.iter().enumerate() {
                let mapping = &items(frame, tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE)[0];
                let class = ["Effusion", "Enlarged cardiomediastinum", "Consolidation"][i / slices];
                // A label too long for 16 characters gets a number, and with it all others.
                let label = ["1 Effusion", "2 Enlarged cardi", "3 Consolidation"][i / slices];
                assert_eq!(first_text(mapping, tags::LUT_EXPLANATION).as_deref(), Some(class));
                assert_eq!(first_text(mapping, tags::LUT_LABEL).as_deref(), Some(label));
                let quantity = &items(mapping, tags::QUANTITY_DEFINITION_SEQUENCE)[0];
                let value = &items(quantity, tags::CONCEPT_CODE_SEQUENCE)[0];
                assert_eq!(first_text(value, tags::CODE_VALUE).as_deref(), Some(code));

                let derivation = &items(frame, tags::DERIVATION_IMAGE_SEQUENCE)[0];
                let source = &items(derivation, tags::SOURCE_IMAGE_SEQUENCE)[0];
                let wanted = &case.frames()[i % slices];
                let uid = first_text(source, tags::REFERENCED_SOP_INSTANCE_UID);
                assert_eq!(uid.as_deref(), Some(wanted.sop_instance_uid.as_str()));

                // The window shows what speaks for the class, from black at 0 to white.
                let window = &items(frame, tags::FRAME_VOILUT_SEQUENCE)[0];
                let number = |tag| numbers(window, tag).unwrap()[0];
                let (centre, width) = (number(tags::WINDOW_CENTER), number(tags::WINDOW_WIDTH));
                let most = maps[i / slices].values.iter().copied().fold(0.0, f32::max);
                assert!((centre - width / 2.0).abs() < 1e-6 && (centre + width / 2.0 - f64::from(most)).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn a_picture_outside_the_patient_lies_in_a_space_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path()) {
        let object = export("pm", &case, &heat(&case, 2, SaliencyMethod::Occlusion), folder.path());
        let source = case.scan.acquisition().frame_of_reference_uid;
        let space = first_text(&object, tags::FRAME_OF_REFERENCE_UID);
        assert!(space.is_some(), "{}", case.name);
        let shared = &items(&object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE)[0];
        let plane = &items(shared, tags::PLANE_ORIENTATION_SEQUENCE)[0];
        let orientation = numbers(plane, tags::IMAGE_ORIENTATION_PATIENT).unwrap();
        let stated = object.get(tags::PATIENT_ORIENTATION).map(|element| element.to_str().unwrap().into_owned());
        match case.name {
            // The radiograph says that its rows run to the left and its columns to the feet.
            "dx" => {
                assert_eq!(orientation, [1.0, 0.0, 0.0, 0.0, 0.0, -1.0]);
                assert_eq!(stated.as_deref(), Some("L\\F"));
                let anatomy = &items(shared, tags::FRAME_ANATOMY_SEQUENCE)[0];
                assert_eq!(first_text(anatomy, tags::FRAME_LATERALITY).as_deref(), Some("U"));
                let region = &items(anatomy, tags::ANATOMIC_REGION_SEQUENCE)[0];
                assert_eq!(first_text(region, tags::CODE_MEANING).as_deref(), Some("Chest"));
            }
            "photo" => {
                assert_eq!(orientation, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
                assert_eq!(stated.as_deref(), Some(""));
                let measures = &items(shared, tags::PIXEL_MEASURES_SEQUENCE)[0];
                assert!(measures.get(tags::PIXEL_SPACING).is_none(), "nobody knows it");
            }
            _ => {
                assert_eq!(stated, None);
                assert!(items(shared, tags::FRAME_ANATOMY_SEQUENCE).is_empty(), "the source does not say");
            }
        }
        assert_eq!(space == source, !matches!(case.name, "dx" | "photo"), "{}", case.name);
    }
}

#[test]
fn short_labels_of_classes_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let case = &cases(folder.path())[0];
    let object = export("pm", case, &heat(case, 1, SaliencyMethod::Occlusion), folder.path());
    let frame = &items(&object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)[0];
    let mapping = &items(frame, tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE)[0];
    assert_eq!(first_text(mapping, tags::LUT_LABEL).as_deref(), Some("Effusion"));
}

#[test]
fn details_that_are_missing_or_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    let (ct, dx) = (&cases[0], &cases[2]);
    let out = folder.path().join("no.dcm");
    let refused = |name: &str, findings: &Findings| {
        let error = exporter(name).unwrap().write(findings, &ct.source(), &set(), &out).unwrap_err();
        assert!(!out.exists());
        error.kind()
    };
    let occlusion = SaliencyMethod::Occlusion;
    assert_eq!(refused("seg-fractional", &ct.findings(3)), ErrorKind::Unsupported);
    assert_eq!(refused("seg-fractional", &heat(ct, 1, occlusion)), ErrorKind::Unsupported);
    let mut other = ct.findings(3);
    other.probabilities = probable(dx, 3, false).probabilities;
    for name in ["seg-fractional", "json"] {
        assert_eq!(refused(name, &other), ErrorKind::InvalidInput, "{name}");
    }

    assert_eq!(refused("pm", &ct.findings(3)), ErrorKind::Unsupported);
    let shows = ["pm", "json", "png", "html", "sc"];
    let mut of_other_shape = heat(ct, 1, occlusion);
    of_other_shape.saliency = heat(dx, 1, occlusion).saliency;
    let mut of_no_class = heat(ct, 1, occlusion);
    of_no_class.saliency.as_mut().unwrap().maps[0].class = 6;
    let mut not_a_number = heat(ct, 1, occlusion);
    not_a_number.saliency.as_mut().unwrap().maps[0].values[(1, 2, 3)] = f32::NAN;
    let mut without_classes = heat(ct, 1, occlusion);
    without_classes.finding = ct.findings(3).finding;
    let mut without_maps = heat(ct, 1, occlusion);
    without_maps.saliency.as_mut().unwrap().maps.clear();
    for wrong in [of_other_shape, of_no_class, not_a_number, without_maps] {
        for name in shows {
            assert_eq!(refused(name, &wrong), ErrorKind::InvalidInput, "{name}");
        }
    }
    for name in ["pm", "json"] {
        assert_eq!(refused(name, &without_classes), ErrorKind::InvalidInput, "{name}");
    }
}

#[test]
fn json_tells_where_a_classifier_looked_and_how_sure_a_segmentation_is() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.json");
    let written = |case: &Case, findings: &Findings| -> serde_json::Value {
        exporter("json").unwrap().write(findings, &case.source(), &set(), &out).unwrap();
        serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap()
    };
    for case in cases(folder.path()) {
        let mut findings = heat(&case, 2, SaliencyMethod::ClassActivation);
        let peak = case.source().pixels.shape().map(|length| length - 1);
        findings.saliency.as_mut().unwrap().maps[1].values[peak] = 9.5;
        let document = written(&case, &findings);
        assert_eq!(document["saliency"]["method"], "class_activation");
        assert_eq!(document["saliency"]["meaning"], SaliencyMethod::ClassActivation.meaning());
        let map = &document["saliency"]["maps"][1];
        assert_eq!((&map["class"], &map["maximum"]), (&"Enlarged cardiomediastinum".into(), &9.5.into()));
        assert_eq!(map["maximum_at"], serde_json::json!(peak));
        assert!((-0.15..0.0).contains(&map["minimum"].as_f64().unwrap()), "{map}");

        let plain = written(&case, &case.findings(3));
        assert!(plain.get("saliency").is_none());
        assert!(plain["finding"]["segments"][0].get("mean_probability").is_none());
        let findings = probable(&case, 3, true);
        let Finding::Segmentation { labels, .. } = &findings.finding else { panic!("labels") };
        let values = &findings.probabilities.as_ref().unwrap().values;
        let document = written(&case, &findings);
        for (i, segment) in labels.segments().iter().enumerate() {
            let shares = values.index_axis(ndarray::Axis(0), i);
            let own = labels.labels().iter().zip(shares).filter(|(label, _)| **label == segment.number);
            let own: Vec<f64> = own.map(|(_, share)| f64::from(*share) / 255.0).collect();
            let mean = own.iter().sum::<f64>() / own.len() as f64;
            let told = document["finding"]["segments"][i]["mean_probability"].as_f64().unwrap();
            assert!((told - mean).abs() < 1e-12, "{told} is not {mean}");
        }
    }
}

#[test]
fn pictures_paint_what_speaks_for_a_class_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    // Warm colours that are not those of a bar.
    let painted = |case: &Case, findings: &Findings| {
        let out = folder.path().join(format!("{}.png", case.name));
        exporter("png").unwrap().write(findings, &case.source(), &set(), &out).unwrap();
        let picture = image::open(&out).unwrap().to_rgb8();
        assert_eq!(picture.width(), 1400);
        let warm = |pixel: &&image::Rgb<u8>| pixel.0[0] > pixel.0[2].saturating_add(60) && pixel.0 != [240, 160, 80];
        (picture.pixels().filter(warm).count(), picture.height())
    };
    // The photograph has warm colours of its own.
    for case in cases(folder.path()).iter().filter(|case| case.name != "photo") {
        let mut height = 0;
        for count in [1, 4, 6] {
            let mut findings = heat(case, count, SaliencyMethod::ClassActivation);
            let (warm, new_height) = painted(case, &findings);
            assert!(warm > 3000 * count.min(4), "{}: {warm} pixels of {count} maps", case.name);
            assert!(new_height > height || count == 6, "{}: {new_height} with {count} maps", case.name);
            height = new_height;
            let maps = &mut findings.saliency.as_mut().unwrap().maps;
            maps.iter_mut().for_each(|map| map.values.mapv_inplace(|value| -value.abs()));
            assert_eq!(painted(case, &findings), (0, height), "{}: what speaks against a class", case.name);
        }
    }
}

#[test]
fn a_page_says_what_a_heat_map_is_and_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    for (case, shown) in [(&cases[0], "Planes of the source with"), (&cases[2], "The source,")] {
        let out = folder.path().join("page.html");
        let page = |findings: &Findings| {
            exporter("html").unwrap().write(findings, &case.source(), &set(), &out).unwrap();
            std::fs::read_to_string(&out).unwrap()
        };
        let told = page(&heat(case, 2, SaliencyMethod::Occlusion));
        let maps = format!("{shown} the occlusion maps of Effusion, Enlarged cardiomediastinum drawn over");
        for text in [maps.as_str(), SaliencyMethod::Occlusion.meaning(), "It does not show where disease is"] {
            assert!(told.contains(text), "{text:?} is missing");
        }
        let mut without = heat(case, 2, SaliencyMethod::Occlusion);
        without.saliency = None;
        assert!(!page(&without).contains("where disease is"));
    }
}
