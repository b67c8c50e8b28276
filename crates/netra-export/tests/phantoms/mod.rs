//! Simulated scans for pictures: a chest radiograph, a head CT with a bleeding, a fundus photograph. Nobody's.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use dicom_core::value::PrimitiveValue;
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use ndarray::Array3;
use netra_dicom::write::element::{ds, is, text, texts, us};
use netra_dicom::write::{Moment, Uids, dx::Radiograph, module, write_part10};

use super::common::Case;

/// Slices, rows and columns of the head, and millimetres between them.
const HEAD: [usize; 3] = [26, 160, 132];
const HEAD_MM: [f64; 3] = [6.0, 1.4, 1.4];
/// Centre of the bleeding, as shares of the grid.
pub const HAEMORRHAGE: [f64; 3] = [0.55, 0.45, 0.33];
/// Side of the photograph.
const FUNDUS: usize = 360;

/// Writes the three scans into folders under `root` and reads them back.
pub fn write(root: &Path) -> [Case; 3] {
    let make = |name: &'static str, write: fn(&Path)| {
        let folder = root.join(name);
        std::fs::create_dir(&folder).unwrap();
        write(&folder);
        Case::open(name, &folder)
    };
    [make("chest", write_chest), make("head", write_head), make("fundus", write_fundus)]
}

fn write_chest(folder: &Path) {
    let pixels = netra_core::phantom::chest_radiograph(512, 512, 1);
    let spacing = netra_core::phantom::chest_pixel_spacing(512, 512);
    let object =
        Radiograph::chest_phantom(pixels.view(), spacing).data_set(&Uids::derived("gallery chest"), &Moment::now());
    write_part10(object.unwrap(), uids::EXPLICIT_VR_LITTLE_ENDIAN, &folder.join("chest.dcm")).unwrap();
}

/// What is at a place of the head, told in shares of the grid: 0 air, 1 bone, 2 brain, 3 ventricle, 4 blood.
fn tissue(share: [f64; 3]) -> u8 {
    let within = |centre: [f64; 3], radii: [f64; 3]| {
        (0..3).map(|i| ((share[i] - centre[i]) / radii[i]).powi(2)).sum::<f64>() < 1.0
    };
    let middle = [0.46, 0.5, 0.5];
    if !within(middle, [0.52, 0.46, 0.45]) {
        0
    } else if !within(middle, [0.48, 0.425, 0.41]) {
        1
    } else if within(HAEMORRHAGE, [0.13, 0.085, 0.075]) {
        4
    } else if [0.435, 0.565].into_iter().any(|side| within([0.55, 0.46, side], [0.11, 0.17, 0.035])) {
        3
    } else {
        2
    }
}

fn shares(at: [usize; 3], shape: [usize; 3]) -> [f64; 3] {
    std::array::from_fn(|i| (at[i] as f64 + 0.5) / shape[i] as f64)
}

/// Noise between -1 and 1 that depends on the place alone.
fn noise(at: usize) -> f64 {
    let mut x = (at as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (x >> 40) as f64 / (1u64 << 23) as f64 - 1.0
}

/// The head's labels: brain, ventricles, bleeding.
pub fn head_labels(shape: [usize; 3]) -> Array3<u16> {
    Array3::from_shape_fn(shape, |(s, r, c)| u16::from(tissue(shares([s, r, c], shape)).saturating_sub(1)))
}

fn write_head(folder: &Path) {
    let uids = Uids::derived("gallery head");
    for slice in 0..HEAD[0] {
        let mut object = record(uids::CT_IMAGE_STORAGE, "CT", &uids, &format!("instance/{slice}"));
        texts(&mut object, tags::IMAGE_TYPE, VR::CS, &["ORIGINAL", "PRIMARY", "AXIAL"]);
        text(&mut object, tags::BODY_PART_EXAMINED, VR::CS, "HEAD");
        text(&mut object, tags::FRAME_OF_REFERENCE_UID, VR::UI, &uids.uid("space"));
        is(&mut object, tags::INSTANCE_NUMBER, slice as i32 + 1);
        ds(&mut object, tags::KVP, &[120.0]);
        ds(&mut object, tags::SLICE_THICKNESS, &[HEAD_MM[0]]);
        ds(&mut object, tags::PIXEL_SPACING, &HEAD_MM[1..]);
        ds(&mut object, tags::IMAGE_POSITION_PATIENT, &[-92.0, -112.0, HEAD_MM[0] * slice as f64]);
        ds(&mut object, tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        ds(&mut object, tags::RESCALE_INTERCEPT, &[-1024.0]);
        ds(&mut object, tags::RESCALE_SLOPE, &[1.0]);
        let plane = (0..HEAD[1] * HEAD[2]).map(|i| {
            let hounsfield = [-1000.0, 900.0, 34.0, 8.0, 68.0];
            let at = [slice, i / HEAD[2], i % HEAD[2]];
            let value = hounsfield[usize::from(tissue(shares(at, HEAD)))] + 7.0 * noise(slice * HEAD[1] * HEAD[2] + i);
            (value + 1024.0).max(0.0).round() as u16
        });
        pixels(&mut object, [HEAD[1], HEAD[2]], 1, 12);
        ds(&mut object, tags::WINDOW_CENTER, &[40.0]);
        ds(&mut object, tags::WINDOW_WIDTH, &[100.0]);
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(plane.collect())));
        write_part10(object, uids::EXPLICIT_VR_LITTLE_ENDIAN, &folder.join(format!("{slice}.dcm"))).unwrap();
    }
}

/// What is at a place of the fundus: 0 nothing, 1 vessel, 2 optic disc, 3 outside the field of view.
fn fundus(row: f64, column: f64) -> u8 {
    let (y, x) = (row - 0.5, column - 0.5);
    if y.hypot(x) > 0.47 {
        return 3;
    }
    // Four arcades that leave the disc, and a branch of each, thinner outwards.
    let (dy, dx) = (row - 0.48, column - 0.70);
    let vessel = [(1.0f64, 1.0f64), (-1.0, 1.0), (0.8, -0.35), (-0.8, -0.35)].into_iter().any(|(up, along)| {
        let t = -dx / along;
        let middle = up * (0.30 * t.max(0.0).sqrt() - 0.10 * t);
        let branch = up * (0.12 + 0.42 * (t - 0.14));
        let width = 0.011 - 0.012 * t;
        t > 0.0 && t < 0.72 && ((dy - middle).abs() < width || (t > 0.14 && (dy - branch).abs() < 0.6 * width))
    });
    if vessel {
        1
    } else if (dy / 0.062).hypot(dx / 0.055) < 1.0 {
        2
    } else {
        0
    }
}

/// The photograph's labels: vessels, optic disc.
pub fn fundus_labels(shape: [usize; 3]) -> Array3<u16> {
    Array3::from_shape_fn(shape, |(s, r, c)| {
        let [_, row, column] = shares([s, r, c], shape);
        u16::from(fundus(row, column)) % 3
    })
}

fn write_fundus(folder: &Path) {
    let mut object = record(uids::SECONDARY_CAPTURE_IMAGE_STORAGE, "XC", &Uids::derived("gallery fundus"), "instance");
    text(&mut object, tags::CONVERSION_TYPE, VR::CS, "DI");
    text(&mut object, tags::BODY_PART_EXAMINED, VR::CS, "EYE");
    is(&mut object, tags::INSTANCE_NUMBER, 1);
    text(&mut object, tags::PATIENT_ORIENTATION, VR::CS, "");
    let rgb = (0..FUNDUS * FUNDUS).flat_map(|i| {
        let [_, row, column] = shares([0, i / FUNDUS, i % FUNDUS], [1, FUNDUS, FUNDUS]);
        let light = 1.0 - 0.9 * ((row - 0.5).powi(2) + (column - 0.5).powi(2)) + 0.02 * noise(i);
        let colour: [f64; 3] = match fundus(row, column) {
            0 => [205.0, 98.0, 42.0],
            1 => [138.0, 44.0, 28.0],
            2 => [246.0, 206.0, 128.0],
            _ => [4.0, 3.0, 3.0],
        };
        colour.map(|v| (v * light).clamp(0.0, 255.0) as u8)
    });
    pixels(&mut object, [FUNDUS, FUNDUS], 3, 8);
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(rgb.collect())));
    write_part10(object, uids::EXPLICIT_VR_LITTLE_ENDIAN, &folder.join("fundus.dcm")).unwrap();
}

fn record(class: &str, modality: &str, uids: &Uids, instance: &str) -> InMemDicomObject {
    let mut object = InMemDicomObject::new_empty();
    let now = Moment::now();
    module::sop_common(&mut object, class, &uids.uid(instance), &now);
    text(&mut object, tags::PATIENT_NAME, VR::PN, "Phantom^Gallery");
    text(&mut object, tags::PATIENT_ID, VR::LO, "PHANTOM");
    text(&mut object, tags::STUDY_INSTANCE_UID, VR::UI, &uids.uid("study"));
    module::series(&mut object, modality, &uids.uid("series"), 1, "simulated", &now);
    object
}

fn pixels(object: &mut InMemDicomObject, [rows, columns]: [usize; 2], samples: u16, bits: u16) {
    us(object, tags::SAMPLES_PER_PIXEL, &[samples]);
    text(object, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, if samples == 3 { "RGB" } else { "MONOCHROME2" });
    if samples == 3 {
        us(object, tags::PLANAR_CONFIGURATION, &[0]);
    }
    us(object, tags::ROWS, &[rows as u16]);
    us(object, tags::COLUMNS, &[columns as u16]);
    us(object, tags::BITS_ALLOCATED, &[if bits > 8 { 16 } else { 8 }]);
    us(object, tags::BITS_STORED, &[bits]);
    us(object, tags::HIGH_BIT, &[bits - 1]);
    us(object, tags::PIXEL_REPRESENTATION, &[0]);
}
