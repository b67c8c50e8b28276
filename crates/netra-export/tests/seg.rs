//! Segmentation objects re-read with dicom-object: every bit, reference and position is where the standard puts it.
#![allow(clippy::unwrap_used)] // helpers of tests may panic

mod common;

use std::path::Path;

use common::{Case, cases, findings};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, InMemDicomObject, open_file};
use ndarray::Array3;
use netra_core::{ErrorKind, Finding, Findings};
use netra_dicom::write::Uids;
use netra_dicom::write::element::{first_text, items, numbers};
use netra_export::{Encoding, Exporter, Pixels, ResultSet, Seg, SegKind, Source};

const LABEL_MAP: SegKind = SegKind::LabelMap(Encoding::RunLengths);

fn export(case: &Case, findings: &Findings, kind: SegKind, folder: &Path) -> DefaultDicomObject {
    let out = folder.join(format!("{}-{kind:?}.dcm", case.name));
    let set = ResultSet::with_uids(&["seg"], Uids::derived(format!("result of {}", case.name)));
    Seg::new(kind).write(findings, &case.source(), &set, &out).expect("written");
    open_file(&out).expect("read back")
}

fn group(item: &InMemDicomObject, sequence: Tag) -> &InMemDicomObject {
    items(item, sequence).first().expect("one item")
}

fn labels(findings: &Findings) -> &Array3<u16> {
    match &findings.finding {
        Finding::Segmentation { labels, .. } => labels.labels(),
        _ => panic!("no labels"),
    }
}

/// The source frame of a stored frame as (SOP Instance UID, frame number or 1).
fn source_of(frame: &InMemDicomObject) -> (String, u32) {
    let image = group(group(frame, tags::DERIVATION_IMAGE_SEQUENCE), tags::SOURCE_IMAGE_SEQUENCE);
    let number = numbers(image, tags::REFERENCED_FRAME_NUMBER).map_or(1, |n| n[0] as u32);
    (first_text(image, tags::REFERENCED_SOP_INSTANCE_UID).unwrap(), number)
}

#[test]
fn binary_frames_hold_exactly_the_labels_of_their_source_frame() {
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path()) {
        let findings = case.findings(300);
        let object = export(&case, &findings, SegKind::Binary, folder.path());
        let labels = labels(&findings);
        let (_, rows, columns) = labels.dim();
        let bytes = object.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap();
        let frames = items(&object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
        assert_eq!(numbers(&object, tags::NUMBER_OF_FRAMES), Some(vec![frames.len() as f64]));
        let sources = case.frames();
        let mut rebuilt = Array3::<u16>::zeros(labels.dim());
        for (f, frame) in frames.iter().enumerate() {
            let segment = group(frame, tags::SEGMENT_IDENTIFICATION_SEQUENCE);
            let number = numbers(segment, tags::REFERENCED_SEGMENT_NUMBER).unwrap()[0] as usize;
            let (uid, number_in_source) = source_of(frame);
            let slice = sources
                .iter()
                .position(|s| s.sop_instance_uid == uid && s.frame == number_in_source)
                .unwrap_or_else(|| panic!("{}: frame {f} refers to no source frame", case.name));
            for pixel in 0..rows * columns {
                let bit = f * rows * columns + pixel;
                if bytes[bit / 8] >> (bit % 8) & 1 == 1 {
                    rebuilt[(slice, pixel / columns, pixel % columns)] = [1, 2, 300][number - 1];
                }
            }
        }
        assert_eq!(&rebuilt, labels, "{}", case.name);
        // Neither the empty first slice nor the segment that the last slice lacks has a frame.
        if sources.len() > 1 {
            assert_eq!(frames.len(), 3 * (sources.len() - 1) - 1, "{}", case.name);
        }
    }
}

#[test]
fn label_maps_decode_to_the_labels() {
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path()) {
        for (last, bits, encoding) in [
            (3u16, 8.0, Encoding::RunLengths),
            (300, 16.0, Encoding::RunLengths),
            (3, 8.0, Encoding::Native),
            (300, 16.0, Encoding::Native),
        ] {
            let findings = case.findings(last);
            let kind = SegKind::LabelMap(encoding);
            let object = export(&case, &findings, kind, folder.path());
            assert_eq!(numbers(&object, tags::BITS_ALLOCATED), Some(vec![bits]));
            let segments: Vec<f64> = items(&object, tags::SEGMENT_SEQUENCE)
                .iter()
                .flat_map(|item| numbers(item, tags::SEGMENT_NUMBER).unwrap())
                .collect();
            assert_eq!(segments, [0.0, 1.0, 2.0, f64::from(last)]);
            // Our own reader decodes the run lengths.
            let path = folder.path().join(format!("{}-{kind:?}.dcm", case.name));
            let collection = netra_dicom::open(&path, &netra_core::Limits::default()).unwrap();
            let netra_dicom::Scan::Dicom(series) = &collection.scans[0] else { panic!("DICOM") };
            let frames = series.instances[0].raw_frames(&netra_core::Limits::default()).unwrap();
            let labels = labels(&findings);
            assert_eq!(frames.len(), labels.dim().0);
            for (frame, slice) in frames.iter().zip(labels.outer_iter()) {
                let read: Vec<u16> = match bits as u16 {
                    8 => frame.iter().map(|&byte| u16::from(byte)).collect(),
                    _ => frame.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect(),
                };
                assert!(read.iter().eq(slice.iter()), "{} with {bits} bits", case.name);
            }
        }
    }
}

#[test]
fn planes_lie_where_the_source_lies() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    for case in &cases {
        let object = export(case, &case.findings(3), LABEL_MAP, folder.path());
        let frames = items(&object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
        let shared = group(&object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
        if matches!(case.source().pixels, Pixels::Image(_)) {
            assert!(first_text(&object, tags::FRAME_OF_REFERENCE_UID).is_none(), "{}", case.name);
            assert!(items(&frames[0], tags::PLANE_POSITION_SEQUENCE).is_empty());
            assert!(object.get(tags::PATIENT_ORIENTATION).is_some());
            assert!(items(shared, tags::PIXEL_MEASURES_SEQUENCE).is_empty());
            continue;
        }
        for (slice, frame) in frames.iter().enumerate() {
            let position = numbers(group(frame, tags::PLANE_POSITION_SEQUENCE), tags::IMAGE_POSITION_PATIENT).unwrap();
            for (got, want) in position.iter().zip(common::position(slice)) {
                assert!((got - want).abs() < 1e-6, "{} slice {slice}: {position:?}", case.name);
            }
        }
        let [row, column, _] = common::oblique();
        let orientation =
            numbers(group(shared, tags::PLANE_ORIENTATION_SEQUENCE), tags::IMAGE_ORIENTATION_PATIENT).unwrap();
        for (got, want) in orientation.iter().zip([row, column].concat()) {
            assert!((got - want).abs() < 1e-9, "{orientation:?}");
        }
        let measures = group(shared, tags::PIXEL_MEASURES_SEQUENCE);
        let spacing = numbers(measures, tags::PIXEL_SPACING).unwrap();
        let want = if case.name == "ct" { [0.7, 0.9] } else { [1.5, 1.25] };
        assert!(spacing.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-9), "{spacing:?}");
        assert!((numbers(measures, tags::SPACING_BETWEEN_SLICES).unwrap()[0] - 2.5).abs() < 1e-6);
    }
}

#[test]
fn a_slice_between_two_frames_refers_to_both() {
    let folder = tempfile::tempdir().unwrap();
    let case = common::corrected(folder.path());
    let object = export(&case, &case.findings(3), LABEL_MAP, folder.path());
    let frames = items(&object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    let preserved = frames.iter().map(|frame| {
        let images = items(group(frame, tags::DERIVATION_IMAGE_SEQUENCE), tags::SOURCE_IMAGE_SEQUENCE);
        let texts = images.iter().map(|image| first_text(image, tags::SPATIAL_LOCATIONS_PRESERVED).unwrap());
        texts.collect::<Vec<_>>()
    });
    let preserved: Vec<Vec<String>> = preserved.collect();
    assert_eq!(preserved, [vec!["YES"], vec!["YES"], vec!["NO", "NO"], vec!["YES"], vec!["YES"]]);
    let series = group(&object, tags::REFERENCED_SERIES_SEQUENCE);
    assert_eq!(items(series, tags::REFERENCED_INSTANCE_SEQUENCE).len(), 4, "each instance once");
    for (slice, frame) in frames.iter().enumerate() {
        let position = numbers(group(frame, tags::PLANE_POSITION_SEQUENCE), tags::IMAGE_POSITION_PATIENT).unwrap();
        assert!(position.iter().zip(common::position(slice)).all(|(a, b)| (a - b).abs() < 1e-6), "slice {slice}");
    }
}

#[test]
fn a_segment_without_voxels_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    for kind in [LABEL_MAP, SegKind::LabelMap(Encoding::Native), SegKind::Binary] {
        let object = export(&cases[0], &findings(Array3::zeros((5, 12, 17)), &[1, 2]), kind, folder.path());
        let described = items(&object, tags::SEGMENT_SEQUENCE).len();
        let frames = items(&object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).len();
        assert_eq!((described, frames), if kind == SegKind::Binary { (2, 1) } else { (3, 5) });
    }
}

#[test]
fn the_object_belongs_to_the_patient_and_names_its_model() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    let case = cases.iter().find(|case| case.name == "enhanced").unwrap();
    let object = export(case, &case.findings(3), SegKind::Binary, folder.path());
    let source = open_file(case.folder.join("frames.dcm")).unwrap();
    for tag in [tags::PATIENT_NAME, tags::PATIENT_ID, tags::STUDY_INSTANCE_UID, tags::FRAME_OF_REFERENCE_UID] {
        assert_eq!(first_text(&object, tag), first_text(&source, tag), "{tag}");
    }
    assert_eq!(first_text(&object, tags::PATIENT_NAME).as_deref(), Some(common::PATIENT));
    assert_ne!(first_text(&object, tags::SERIES_INSTANCE_UID), first_text(&source, tags::SERIES_INSTANCE_UID));
    assert_eq!(first_text(&object, tags::LOSSY_IMAGE_COMPRESSION).as_deref(), Some("01"));
    assert_eq!(first_text(&object, tags::LOSSY_IMAGE_COMPRESSION_METHOD).as_deref(), Some("ISO_10918_1"));
    let series = group(&object, tags::REFERENCED_SERIES_SEQUENCE);
    assert_eq!(first_text(series, tags::SERIES_INSTANCE_UID), first_text(&source, tags::SERIES_INSTANCE_UID));
    assert_eq!(items(series, tags::REFERENCED_INSTANCE_SEQUENCE).len(), 1);
    for segment in items(&object, tags::SEGMENT_SEQUENCE) {
        let algorithm = group(segment, tags::SEGMENTATION_ALGORITHM_IDENTIFICATION_SEQUENCE);
        assert_eq!(first_text(algorithm, tags::ALGORITHM_VERSION).as_deref(), Some("1.2.3"));
        let parameters = first_text(algorithm, tags::ALGORITHM_PARAMETERS).unwrap();
        assert!(parameters.contains(&"0123456789abcdef".repeat(4)), "{parameters}");
    }
}

#[test]
fn what_is_no_segmentation_of_dicom_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    let ct = &cases[0];
    let out = folder.path().join("no.dcm");
    let seg = Seg::new(LABEL_MAP);
    let set = ResultSet::new(&["seg"]).unwrap();
    let mut classes = ct.findings(3);
    classes.finding = Finding::Classes(Vec::new());
    assert_eq!(seg.write(&classes, &ct.source(), &set, &out).unwrap_err().kind(), ErrorKind::Unsupported);
    let small = findings(Array3::zeros((1, 2, 2)), &[1]);
    assert_eq!(seg.write(&small, &ct.source(), &set, &out).unwrap_err().kind(), ErrorKind::InvalidInput);
    // Pixels of one scan with the headers of another.
    let foreign = Source { scan: &cases[1].scan, pixels: ct.source().pixels };
    assert_eq!(seg.write(&ct.findings(3), &foreign, &set, &out).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(!out.exists());
}
