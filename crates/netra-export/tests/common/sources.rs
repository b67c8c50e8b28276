//! The files of made-up sources: a CT series, multi-frame objects, a radiograph, a photograph.

use std::path::Path;

use dicom_core::value::PrimitiveValue;
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use ndarray::Array2;
use netra_dicom::write::element::{ds, empty, is, sequence, text, texts, us};
use netra_dicom::write::{Moment, Uids, dx::Radiograph, module, write_part10};

use super::{PATIENT, PATIENT_ID};

fn record(object: &mut InMemDicomObject, class: &str, modality: &str, uids: &Uids, instance: &str) {
    let now = Moment::now();
    module::sop_common(object, class, &uids.uid(instance), &now);
    text(object, tags::PATIENT_NAME, VR::PN, PATIENT);
    text(object, tags::PATIENT_ID, VR::LO, PATIENT_ID);
    text(object, tags::PATIENT_BIRTH_DATE, VR::DA, "19700131");
    text(object, tags::PATIENT_SEX, VR::CS, "O");
    text(object, tags::STUDY_INSTANCE_UID, VR::UI, &uids.uid("study"));
    text(object, tags::STUDY_DATE, VR::DA, "20240501");
    text(object, tags::STUDY_TIME, VR::TM, "101500");
    empty(object, tags::REFERRING_PHYSICIAN_NAME, VR::PN);
    text(object, tags::STUDY_ID, VR::SH, "7");
    empty(object, tags::ACCESSION_NUMBER, VR::SH);
    module::series(object, modality, &uids.uid("series"), 4, "source", &now);
    text(object, tags::MANUFACTURER, VR::LO, "Maker");
    text(object, tags::CONTENT_DATE, VR::DA, &now.date);
    text(object, tags::CONTENT_TIME, VR::TM, &now.time);
    text(object, tags::FRAME_OF_REFERENCE_UID, VR::UI, &uids.uid("space"));
    empty(object, tags::POSITION_REFERENCE_INDICATOR, VR::LO);
}

fn grey(object: &mut InMemDicomObject, rows: u16, columns: u16, pixels: Vec<u16>) {
    us(object, tags::SAMPLES_PER_PIXEL, &[1]);
    text(object, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    us(object, tags::ROWS, &[rows]);
    us(object, tags::COLUMNS, &[columns]);
    us(object, tags::BITS_ALLOCATED, &[16]);
    us(object, tags::BITS_STORED, &[12]);
    us(object, tags::HIGH_BIT, &[11]);
    us(object, tags::PIXEL_REPRESENTATION, &[0]);
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into())));
}

/// Row and column directions of an oblique plane, and its normal.
pub fn oblique() -> [[f64; 3]; 3] {
    let (s, c) = 0.3f64.sin_cos();
    let (t, d) = (-0.2f64).sin_cos();
    // Turned about the head axis, then tilted about the row.
    let row = [c, s, 0.0];
    let column = [-s * d, c * d, t];
    let normal = [
        row[1] * column[2] - row[2] * column[1],
        row[2] * column[0] - row[0] * column[2],
        row[0] * column[1] - row[1] * column[0],
    ];
    [row, column, normal]
}

pub fn position(slice: usize) -> Vec<f64> {
    let normal = oblique()[2];
    (0..3).map(|i| [-40.25, -30.5, 12.125][i] + normal[i] * 2.5 * slice as f64).collect()
}

pub fn write_ct(folder: &Path) {
    write_series(folder, [5, 12, 17]);
}

/// A CT series of so many slices, rows and columns.
pub fn write_series(folder: &Path, [slices, rows, columns]: [u16; 3]) {
    let uids = Uids::derived("ct");
    let [row, column, _] = oblique();
    for slice in 0..slices {
        let mut object = InMemDicomObject::new_empty();
        record(&mut object, uids::CT_IMAGE_STORAGE, "CT", &uids, &format!("instance/{slice}"));
        texts(&mut object, tags::IMAGE_TYPE, VR::CS, &["ORIGINAL", "PRIMARY", "AXIAL"]);
        // Numbered against the geometry, so that only the positions give the order.
        is(&mut object, tags::INSTANCE_NUMBER, i32::from(slices - slice));
        is(&mut object, tags::ACQUISITION_NUMBER, 1);
        ds(&mut object, tags::KVP, &[120.0]);
        ds(&mut object, tags::SLICE_THICKNESS, &[2.0]);
        ds(&mut object, tags::PIXEL_SPACING, &[0.7, 0.9]);
        ds(&mut object, tags::IMAGE_POSITION_PATIENT, &position(slice.into()));
        ds(&mut object, tags::IMAGE_ORIENTATION_PATIENT, &[row, column].concat());
        ds(&mut object, tags::RESCALE_INTERCEPT, &[-1024.0]);
        ds(&mut object, tags::RESCALE_SLOPE, &[1.0]);
        text(&mut object, tags::RESCALE_TYPE, VR::LO, "HU");
        let count = u32::from(rows) * u32::from(columns);
        let pixels = (0..count).map(|i| ((i * 9 + u32::from(slice) * 50) % 4096) as u16).collect();
        grey(&mut object, rows, columns, pixels);
        write_part10(object, uids::EXPLICIT_VR_LITTLE_ENDIAN, &folder.join(format!("{slice}.dcm"))).unwrap();
    }
}

fn group(tag: dicom_core::Tag, fill: impl FnOnce(&mut InMemDicomObject)) -> impl FnOnce(&mut InMemDicomObject) {
    move |groups| {
        let mut item = InMemDicomObject::new_empty();
        fill(&mut item);
        sequence(groups, tag, vec![item]);
    }
}

pub fn write_multi_frame(folder: &Path, class: &str, modality: &str) {
    let uids = Uids::derived(format!("multi-frame {modality}"));
    let [row, column, _] = oblique();
    let mut object = InMemDicomObject::new_empty();
    record(&mut object, class, modality, &uids, "instance");
    texts(&mut object, tags::IMAGE_TYPE, VR::CS, &["ORIGINAL", "PRIMARY", "ANATOMY", "NONE"]);
    is(&mut object, tags::INSTANCE_NUMBER, 1);
    is(&mut object, tags::NUMBER_OF_FRAMES, 4);
    let mut shared = InMemDicomObject::new_empty();
    group(tags::PIXEL_MEASURES_SEQUENCE, |item| {
        ds(item, tags::PIXEL_SPACING, &[1.5, 1.25]);
        ds(item, tags::SLICE_THICKNESS, &[2.5]);
    })(&mut shared);
    group(tags::PLANE_ORIENTATION_SEQUENCE, |item| {
        ds(item, tags::IMAGE_ORIENTATION_PATIENT, &[row, column].concat());
    })(&mut shared);
    sequence(&mut object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]);
    // Stored from the last position to the first.
    let frames = (0..4usize).rev().map(|slice| {
        let mut groups = InMemDicomObject::new_empty();
        group(tags::PLANE_POSITION_SEQUENCE, |item| ds(item, tags::IMAGE_POSITION_PATIENT, &position(slice)))(
            &mut groups,
        );
        groups
    });
    sequence(&mut object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames.collect());
    text(&mut object, tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01");
    ds(&mut object, tags::LOSSY_IMAGE_COMPRESSION_RATIO, &[10.0]);
    text(&mut object, tags::LOSSY_IMAGE_COMPRESSION_METHOD, VR::CS, "ISO_10918_1");
    grey(&mut object, 10, 9, (0..4 * 90).map(|i| (i * 5) as u16).collect());
    write_part10(object, uids::EXPLICIT_VR_LITTLE_ENDIAN, &folder.join("frames.dcm")).unwrap();
}

pub fn write_dx(folder: &Path) {
    let pixels = Array2::from_shape_fn((40, 32), |(r, c)| ((r * 61 + c * 37) % 4096) as u16);
    let object = Radiograph::chest_phantom(pixels.view(), 0.4).data_set(&Uids::derived("dx"), &Moment::now()).unwrap();
    write_part10(object, uids::EXPLICIT_VR_LITTLE_ENDIAN, &folder.join("dx.dcm")).unwrap();
}

/// A colour photograph as Secondary Capture, without spacing or place.
pub fn write_photo(folder: &Path) {
    let mut object = InMemDicomObject::new_empty();
    record(&mut object, uids::SECONDARY_CAPTURE_IMAGE_STORAGE, "XC", &Uids::derived("photo"), "instance");
    object.remove_element(tags::FRAME_OF_REFERENCE_UID);
    object.remove_element(tags::POSITION_REFERENCE_INDICATOR);
    text(&mut object, tags::CONVERSION_TYPE, VR::CS, "DI");
    is(&mut object, tags::INSTANCE_NUMBER, 1);
    empty(&mut object, tags::PATIENT_ORIENTATION, VR::CS);
    us(&mut object, tags::SAMPLES_PER_PIXEL, &[3]);
    text(&mut object, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
    us(&mut object, tags::PLANAR_CONFIGURATION, &[0]);
    us(&mut object, tags::ROWS, &[20]);
    us(&mut object, tags::COLUMNS, &[31]);
    us(&mut object, tags::BITS_ALLOCATED, &[8]);
    us(&mut object, tags::BITS_STORED, &[8]);
    us(&mut object, tags::HIGH_BIT, &[7]);
    us(&mut object, tags::PIXEL_REPRESENTATION, &[0]);
    let pixels: Vec<u8> = (0..20 * 31 * 3).map(|i| (i % 251) as u8).collect();
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(pixels.into())));
    write_part10(object, uids::EXPLICIT_VR_LITTLE_ENDIAN, &folder.join("photo.dcm")).unwrap();
}
