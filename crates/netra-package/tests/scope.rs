//! Scans that a model was not made for are refused with every reason.

use ndarray::Array3;
use netra_core::{Affine, ErrorKind, Geometry, Image, IntensityUnit, Volume};
use netra_package::manifest::{InputContract, InputKind, Range, Unit, Voi};
use netra_package::scope::{Subject, Unstated, check};

fn chest() -> InputContract {
    InputContract {
        kind: InputKind::Image,
        modality: vec!["DX".into(), "CR".into()],
        sop_classes: Vec::new(),
        body_part: vec!["CHEST".into()],
        view: vec!["PA".into(), "AP".into()],
        photometric: vec!["MONOCHROME1".into(), "MONOCHROME2".into()],
        channels: vec![1],
        slices: None,
        rows: Range::new(128, 8192),
        columns: Range::new(128, 8192),
        spacing: Range::new(0.05, 1.0),
        slice_spacing: None,
        unit: Unit::Any,
        voi: Voi::Apply,
    }
}

fn film() -> Image {
    let mut image =
        Image::new(Array3::zeros((1, 256, 300)), IntensityUnit::Arbitrary, [0.0, 4095.0]).expect("a picture");
    image.spacing = Some([0.14, 0.14]);
    image.acquisition.sop_class_uid = Some("1.2.840.10008.5.1.4.1.1.1.1".into());
    image.acquisition.modality = Some("DX".into());
    image.acquisition.body_part = Some("Chest ".into());
    image.acquisition.view_position = Some("PA".into());
    image.acquisition.photometric_interpretation = Some("MONOCHROME1".into());
    image
}

fn refused(contract: &InputContract, subject: Subject<'_>) -> String {
    let error = check(contract, &subject, Unstated::Warn).expect_err("out of scope");
    assert_eq!(error.kind(), ErrorKind::OutOfScope);
    error.to_string()
}

#[test]
fn a_fitting_scan_passes_without_a_word() {
    assert!(check(&chest(), &Subject::from(&film()), Unstated::Refuse).unwrap().is_empty());
}

#[test]
fn each_attribute_is_refused_by_name() {
    type Spoil = fn(&mut Image);
    let cases: [(&str, Spoil); 7] = [
        ("modality is MG", |i| i.acquisition.modality = Some("MG".into())),
        ("body part is HAND", |i| i.acquisition.body_part = Some("HAND".into())),
        ("view position is LL", |i| i.acquisition.view_position = Some("LL".into())),
        ("photometric interpretation is RGB", |i| i.acquisition.photometric_interpretation = Some("RGB".into())),
        ("row spacing is 2.000 mm", |i| i.spacing = Some([2.0, 0.14])),
        ("column spacing is NaN", |i| i.spacing = Some([0.14, f64::NAN])),
        ("modality is M", |i| i.acquisition.modality = Some("M\u{1b}[31m".into())),
    ];
    for (reason, spoil) in cases {
        let mut image = film();
        spoil(&mut image);
        let message = refused(&chest(), Subject::from(&image));
        assert!(message.contains(reason), "{message}");
        assert!(!message.contains('\u{1b}'), "control characters of the file reach the terminal");
    }
    let small = Image::new(Array3::zeros((3, 100, 9000)), IntensityUnit::Display, [0.0, 255.0]).unwrap();
    let message = refused(&chest(), Subject::from(&small));
    assert!(message.contains("100 rows, not 128 to 8192") && message.contains("9000 columns"), "{message}");
    assert!(message.contains("3 channels, not 1"), "{message}");
}

#[test]
fn every_reason_is_given() {
    let mut image = film();
    image.acquisition.modality = Some("CT".into());
    image.acquisition.view_position = Some("LATERAL".into());
    image.acquisition.body_part = Some("KNEE".into());
    let message = refused(&chest(), Subject::from(&image));
    assert_eq!(message.matches(" is ").count(), 3, "{message}");
}

#[test]
fn unknown_attributes_warn_or_refuse_as_asked() {
    let picture = Image::new(Array3::zeros((1, 512, 512)), IntensityUnit::Display, [0.0, 255.0]).unwrap();
    let warnings = check(&chest(), &Subject::from(&picture), Unstated::Warn).unwrap();
    // Modality, body part, view, photometric interpretation, spacing.
    assert_eq!(warnings.len(), 5, "{warnings:?}");
    assert!(warnings.iter().all(|w| w.code == "unchecked"));
    assert!(warnings[0].message.contains("modality unknown"));
    let error = check(&chest(), &Subject::from(&picture), Unstated::Refuse).unwrap_err();
    assert!(error.to_string().contains("modality unknown"), "{error}");
    // What is known and wrong is refused, whatever else is unknown.
    let mut lateral = picture.clone();
    lateral.acquisition.view_position = Some("LL".into());
    assert!(refused(&chest(), Subject::from(&lateral)).contains("view position"));
}

#[test]
fn volumes_are_checked_along_all_axes() {
    let contract = InputContract {
        kind: InputKind::Volume,
        modality: vec!["CT".into()],
        body_part: Vec::new(),
        view: Vec::new(),
        photometric: Vec::new(),
        channels: Vec::new(),
        slices: Range::new(16, 2000),
        rows: Range::new(8, 512),
        columns: Range::new(8, 512),
        spacing: Range::new(0.3, 2.0),
        slice_spacing: Range::new(0.3, 3.0),
        unit: Unit::Hounsfield,
        ..chest()
    };
    let volume = |slices, step, unit| {
        let affine = Affine::from_steps([0.0, 0.0, step], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0; 3]);
        let geometry = Geometry::new([slices, 16, 16], affine).unwrap();
        let mut volume = Volume::new(Array3::zeros((slices, 16, 16)), geometry, unit).unwrap();
        volume.acquisition.modality = Some("CT".into());
        volume.acquisition.sop_class_uid = Some("1.2.840.10008.5.1.4.1.1.2".into());
        volume
    };
    let good = volume(20, 1.5, IntensityUnit::Hounsfield);
    assert!(check(&contract, &Subject::from(&good), Unstated::Refuse).unwrap().is_empty());
    let few = volume(4, 5.0, IntensityUnit::Hounsfield);
    let message = refused(&contract, Subject::from(&few));
    assert!(message.contains("4 slices") && message.contains("slice spacing is 5.000 mm"), "{message}");
    let raw = volume(20, 1.5, IntensityUnit::Arbitrary);
    assert!(refused(&contract, Subject::from(&raw)).contains("not Hounsfield units"));
    // A NIfTI file states no unit: the check is left out, and said to be.
    let mut nifti = raw;
    nifti.acquisition = Default::default();
    let warnings = check(&contract, &Subject::from(&nifti), Unstated::Warn).unwrap();
    assert!(warnings.iter().any(|w| w.message.contains("intensity unit unknown")), "{warnings:?}");
    assert!(refused(&contract, Subject::from(&film())).contains("the scan is an image, the model takes a volume"));
    assert!(refused(&chest(), Subject::from(&good)).contains("the scan is a volume, the model takes an image"));
}
