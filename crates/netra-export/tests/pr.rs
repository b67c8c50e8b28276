//! Presentation states: outlines that fill to the labels, the source's own look, with highdicom, DCMTK and dciodvfy where they are.
#![allow(clippy::unwrap_used)] // helpers of tests may panic

mod common;

use std::path::{Path, PathBuf};

use common::peers::{agrees, expected, python, validate};
use common::{Case, Owned, cases, set};
use dicom_core::value::PrimitiveValue;
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{InMemDicomObject, open_file};
use ndarray::{Array2, Array3};
use netra_core::{ErrorKind, Finding, Findings, Limits};
use netra_dicom::ImageOptions;
use netra_dicom::write::element::{ds, first_text, items, numbers, sequence, text, texts, us};
use netra_dicom::write::{Moment, Uids, dx::Radiograph, write_part10};
use netra_export::{Exporter, Pr};

/// Changes the files of a folder, each by its number.
fn edit(folder: &Path, change: impl Fn(usize, &mut InMemDicomObject)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut object = open_file(&path).unwrap().into_inner();
        change(path.file_stem().unwrap().to_str().unwrap().parse().unwrap_or(0), &mut object);
        write_part10(object, uids::EXPLICIT_VR_LITTLE_ENDIAN, &path).unwrap();
    }
}

fn made(root: &Path, name: &'static str, write: impl Fn(&Path), change: impl Fn(usize, &mut InMemDicomObject)) -> Case {
    let folder = root.join(name);
    std::fs::create_dir(&folder).unwrap();
    write(&folder);
    edit(&folder, change);
    Case::open(name, &folder)
}

fn ct(root: &Path, name: &'static str, change: impl Fn(usize, &mut InMemDicomObject)) -> Case {
    made(root, name, |folder| common::write_series(folder, [5, 12, 17]), change)
}

/// An empty radiograph of so many rows and columns.
fn film(root: &Path, name: &'static str, [rows, columns]: [usize; 2]) -> Case {
    let write = |folder: &Path| {
        let pixels = Array2::zeros((rows, columns));
        let film = Radiograph::chest_phantom(pixels.view(), 0.4);
        let object = film.data_set(&Uids::derived(name), &Moment::now()).unwrap();
        write_part10(object, uids::EXPLICIT_VR_LITTLE_ENDIAN, &folder.join("0.dcm")).unwrap();
    };
    made(root, name, write, |_, _| {})
}

fn window(object: &mut InMemDicomObject, centres: &[f64], widths: &[f64]) {
    ds(object, tags::WINDOW_CENTER, centres);
    ds(object, tags::WINDOW_WIDTH, widths);
}

/// A table of all 12-bit values, with numbers of `bits`.
fn table(object: &mut InMemDicomObject, tag: Tag, vr: VR, bits: u16) {
    let mut item = InMemDicomObject::new_empty();
    us(&mut item, tags::LUT_DESCRIPTOR, &[4096, 0, bits]);
    if tag == tags::MODALITY_LUT_SEQUENCE {
        text(&mut item, tags::MODALITY_LUT_TYPE, VR::LO, "OD");
    }
    let values: Vec<u16> = (0..4096u16).map(|v| v << (bits - 12)).collect();
    item.put(DataElement::new(tags::LUT_DATA, vr, PrimitiveValue::U16(values.into())));
    sequence(object, tag, vec![item]);
}

/// Sources with looks of their own: windows, tables, low values bright.
fn looks(root: &Path) -> Vec<Case> {
    vec![
        ct(root, "one-window", |_, object| window(object, &[40.0, 300.0], &[400.0, 1500.0])),
        ct(root, "windows", |slice, object| match slice {
            0 => {}
            n => window(object, &[f64::from(n as u8 % 2)], &[80.0]),
        }),
        ct(root, "sigmoid", |_, object| {
            window(object, &[40.0], &[80.5]);
            text(object, tags::VOILUT_FUNCTION, VR::CS, "SIGMOID");
        }),
        made(root, "bright", common::write_dx, |_, object| {
            text(object, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1");
            text(object, tags::PRESENTATION_LUT_SHAPE, VR::CS, "INVERSE");
        }),
        made(root, "voi-table", common::write_dx, |_, object| {
            object.remove_element(tags::WINDOW_CENTER);
            object.remove_element(tags::WINDOW_WIDTH);
            table(object, tags::VOILUT_SEQUENCE, VR::OW, 12);
        }),
        made(root, "modality-table", common::write_dx, |_, object| {
            for tag in [tags::RESCALE_SLOPE, tags::RESCALE_INTERCEPT, tags::RESCALE_TYPE] {
                object.remove_element(tag);
            }
            table(object, tags::MODALITY_LUT_SEQUENCE, VR::OW, 16);
        }),
    ]
}

/// What pr.py must find.
fn meant(case: &Case, findings: &Findings, folder: &Path) -> PathBuf {
    let path = expected(case, findings, folder);
    let mut document: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let Finding::Segmentation { labels, .. } = &findings.finding else { panic!("labels") };
    let segment = |s: &netra_core::Segment| {
        (s.number.to_string(), serde_json::json!([s.label, s.colour, fixed().tracking_uid(s)]))
    };
    document["segments"] = labels.segments().iter().map(segment).collect::<serde_json::Map<_, _>>().into();
    if let Owned::Volume(volume) = &case.pixels {
        let frame = |s: &netra_core::SliceSource| {
            s.is_whole().then(|| serde_json::json!([s.main.frame.sop_instance_uid, s.main.frame.frame]))
        };
        document["frames"] = volume.slices.iter().map(frame).collect();
    }
    std::fs::write(&path, document.to_string()).unwrap();
    path
}

fn fixed() -> netra_export::ResultSet {
    netra_export::ResultSet::with_uids(&["pr"], Uids::derived("state"))
}

fn check(python: &Path, case: &Case, folder: &Path) {
    let findings = case.findings(300);
    let (out, meant) = (folder.join(format!("{}.pr.dcm", case.name)), meant(case, &findings, folder));
    Pr.write(&findings, &case.source(), &fixed(), &out).unwrap();
    agrees(python, "pr.py", &out, &meant, &case.files(), &folder.join(format!("{}-highdicom.dcm", case.name)));
}

#[test]
fn states_of_made_up_sources() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path()).iter().chain(&looks(folder.path())) {
        check(&python, case, folder.path());
    }
    check(&python, &common::corrected(folder.path()), folder.path());
}

#[test]
fn states_of_real_scans() {
    let (Some(python), Some(assets)) = (python(), netra_testkit::assets()) else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, path) in [
        ("ct-head", "scans/ct_head_philips_5mm.zip"),
        ("veterinary-dx", "dicom/highdicom_test_files/test_files/dx_image.dcm"),
        ("cr", "dicom/pydicom_test_files/test_files/dicomdirtests/77654033/CR1/6154"),
        ("test-pattern", "dicom/cornerstone_testimages/TestPattern_RGB.dcm"),
        ("lossy-photo", "dicom/pydicom_test_files/test_files/SC_rgb_jpeg_dcmtk.dcm"),
    ] {
        check(&python, &Case::open(name, &assets.join(path)), folder.path());
    }
}

/// Windows by the frames that they are for, without the help of other software.
#[test]
fn a_window_names_its_frames_unless_it_is_for_all() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("pr.dcm");
    let windows = |case: &Case| {
        Pr.write(&case.findings(3), &case.source(), &set(), &out).unwrap();
        let object = open_file(&out).unwrap();
        let read = |window: &InMemDicomObject| {
            let named = items(window, tags::REFERENCED_IMAGE_SEQUENCE).len();
            (numbers(window, tags::WINDOW_CENTER).unwrap(), numbers(window, tags::WINDOW_WIDTH).unwrap(), named)
        };
        items(&object, tags::SOFTCOPY_VOILUT_SEQUENCE).iter().map(read).collect::<Vec<_>>()
    };
    let looks = looks(folder.path());
    assert_eq!(windows(&looks[0]), [(vec![40.0], vec![400.0], 0)], "the first of two");
    assert_eq!(windows(&looks[1]), [(vec![1.0], vec![80.0], 2), (vec![0.0], vec![80.0], 2)]);
    let tables = ct(folder.path(), "voi-tables", |_, object| table(object, tags::VOILUT_SEQUENCE, VR::US, 14));
    Pr.write(&tables.findings(3), &tables.source(), &set(), &out).unwrap();
    let object = open_file(&out).unwrap();
    let [table] = items(&object, tags::SOFTCOPY_VOILUT_SEQUENCE) else { panic!("one table for all") };
    assert!(table.get(tags::REFERENCED_IMAGE_SEQUENCE).is_none());
    let table = &items(table, tags::VOILUT_SEQUENCE)[0];
    assert_eq!(numbers(table, tags::LUT_DESCRIPTOR), Some(vec![4096.0, 0.0, 16.0]));
    let spread = numbers(table, tags::LUT_DATA).unwrap();
    assert_eq!([0, 1, 2048].map(|v| spread[v]), [0.0, 16.0, (8192.0f64 * 65535.0 / 16383.0).round()]);
    // A linear window narrower than 1 is none.
    assert_eq!(windows(&ct(folder.path(), "narrow", |_, object| window(object, &[40.0], &[0.5]))), []);
}

#[test]
fn one_picture_of_a_multi_frame_object_is_named_by_its_frame() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("pr.dcm");
    let mut case = cases(folder.path()).into_iter().find(|case| case.name == "enhanced").unwrap();
    let pictures = case.scan.images(&ImageOptions::default(), &Limits::default()).unwrap();
    case.pixels = Owned::Image(Box::new(pictures.into_iter().nth(2).unwrap()));
    Pr.write(&case.findings(3), &case.source(), &set(), &out).unwrap();
    let object = open_file(&out).unwrap();
    let series = &items(&object, tags::REFERENCED_SERIES_SEQUENCE)[0];
    let drawn = items(&object, tags::GRAPHIC_ANNOTATION_SEQUENCE).iter().skip(1);
    for refers in drawn.chain([series]) {
        let [reference] = items(refers, tags::REFERENCED_IMAGE_SEQUENCE) else { panic!("one image") };
        assert_eq!(numbers(reference, tags::REFERENCED_FRAME_NUMBER), Some(vec![3.0]));
    }
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("pr.dcm");
    let refused = |findings: &Findings, case: &Case, why: &str| {
        let error = Pr.write(findings, &case.source(), &set(), &out).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(why), "{error}");
        assert!(!out.exists());
    };
    let mut case = ct(folder.path(), "plain", |_, _| {});
    refused(&common::findings(Array3::zeros((5, 12, 17)), &[1]), &case, "no segment was found");
    let Owned::Volume(volume) = &mut case.pixels else { panic!("a volume") };
    volume.slices[3].main.offset = [0.5, 0.0];
    refused(&case.findings(3), &case, "resampled");
    let case = ct(folder.path(), "pet-like", |slice, object| ds(object, tags::RESCALE_SLOPE, &[1.0 + slice as f64]));
    refused(&case.findings(3), &case, "rescaled");
    let case = ct(folder.path(), "table", |_, object| table(object, tags::MODALITY_LUT_SEQUENCE, VR::US, 12));
    refused(&case.findings(3), &case, "12 bits");
}

#[test]
fn a_state_without_a_patient_names_nobody_and_looks_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path()).iter().chain(&looks(folder.path())) {
        let nobody = case.deidentified();
        let out = folder.path().join(format!("{}-nobody.dcm", case.name));
        let look = |case: &Case| {
            Pr.write(&case.findings(3), &case.source(), &set(), &out).unwrap();
            let object = open_file(&out).unwrap();
            let mut windows = items(&object, tags::SOFTCOPY_VOILUT_SEQUENCE).to_vec();
            for window in &mut windows {
                window.remove_element(tags::REFERENCED_IMAGE_SEQUENCE);
            }
            let shown = [tags::RESCALE_SLOPE, tags::RESCALE_INTERCEPT, tags::PRESENTATION_LUT_SHAPE];
            let tables = items(&object, tags::MODALITY_LUT_SEQUENCE);
            // Sequences of undefined length are not equal to themselves.
            format!("{:?} {windows:?} {tables:?}", shown.map(|tag| first_text(&object, tag)))
        };
        let stated = look(case);
        assert_eq!(stated, look(&nobody), "{}", case.name);
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

#[test]
fn an_outline_of_more_points_than_a_value_holds_is_drawn_in_lines_that_meet() {
    let folder = tempfile::tempdir().unwrap();
    let case = film(folder.path(), "comb", [4200, 4]);
    // A back with 2100 teeth: one outline of 4 points a tooth, two on the back, and the first again.
    let labels = Array3::from_shape_fn((1, 4200, 4), |(_, row, column)| u16::from(column == 0 || row % 2 == 0));
    let out = folder.path().join("pr.dcm");
    Pr.write(&common::findings(labels, &[1]), &case.source(), &set(), &out).unwrap();
    let object = open_file(&out).unwrap();
    let lines: Vec<Vec<f64>> =
        items(&items(&object, tags::GRAPHIC_ANNOTATION_SEQUENCE)[1], tags::GRAPHIC_OBJECT_SEQUENCE)
            .iter()
            .map(|line| {
                assert!(line.get(tags::GRAPHIC_FILLED).is_none(), "an open line has no inside");
                numbers(line, tags::GRAPHIC_DATA).unwrap()
            })
            .collect();
    let [first, second] = &lines[..] else { panic!("{} lines", lines.len()) };
    assert_eq!([first.len(), first.len() + second.len() - 2], [2 * 8191, 2 * (4 * 2100 + 3)]);
    assert_eq!(first[first.len() - 2..], second[..2]);
    assert_eq!(first[..2], second[second.len() - 2..]);
}

#[test]
fn a_million_specks_are_no_outlines() {
    let folder = tempfile::tempdir().unwrap();
    let case = film(folder.path(), "specks", [1001, 2000]);
    let specks = Array3::from_shape_fn((1, 1001, 2000), |(_, row, column)| 1 + ((row + column) % 2) as u16);
    let out = folder.path().join("pr.dcm");
    let error = Pr.write(&common::findings(specks, &[1, 2]), &case.source(), &set(), &out).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(!out.exists());
}

#[test]
fn pixels_that_are_not_square_keep_their_shape() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("pr.dcm");
    let shape = |case: &Case| {
        Pr.write(&case.findings(3), &case.source(), &set(), &out).unwrap();
        let object = open_file(&out).unwrap();
        let area = &items(&object, tags::DISPLAYED_AREA_SELECTION_SEQUENCE)[0];
        (numbers(area, tags::PRESENTATION_PIXEL_SPACING), numbers(area, tags::PRESENTATION_PIXEL_ASPECT_RATIO))
    };
    assert_eq!(shape(&ct(folder.path(), "plain", |_, _| {})), (Some(vec![0.7, 0.9]), None));
    let detector = made(folder.path(), "detector", common::write_dx, |_, object| {
        object.remove_element(tags::PIXEL_SPACING);
        ds(object, tags::IMAGER_PIXEL_SPACING, &[0.2, 0.4]);
    });
    assert_eq!(shape(&detector), (None, Some(vec![200_000.0, 400_000.0])));
    let photo = |name, change: fn(usize, &mut InMemDicomObject)| made(folder.path(), name, common::write_photo, change);
    assert_eq!(shape(&photo("square", |_, _| {})), (None, Some(vec![1.0, 1.0])));
    let narrow = photo("narrow", |_, object| texts(object, tags::PIXEL_ASPECT_RATIO, VR::IS, &["4", "3"]));
    assert_eq!(shape(&narrow), (None, Some(vec![4.0, 3.0])));
}
