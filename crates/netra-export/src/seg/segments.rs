//! The Segment Sequence (PS3.3 C.8.20.4).

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{LabelMap, ModelIdentity, Rgb, Segment};
use netra_dicom::write::element::{code, dcm, sequence, text, us};

use super::SegKind;
use crate::ResultSet;

/// The segments of a map with the numbers they carry in the object.
pub(super) struct Numbered<'a> {
    /// Segments with their Segment Number, in ascending order.
    pub segments: Vec<(u16, &'a Segment)>,
}

impl<'a> Numbered<'a> {
    /// A label map keeps the labels; every other segmentation counts its segments 1, 2, 3 ... (C.8.20.2.4).
    pub fn of(map: &'a LabelMap, kind: SegKind) -> Self {
        let mut segments: Vec<&Segment> = map.segments().iter().collect();
        segments.sort_by_key(|segment| segment.number);
        let numbered = segments.into_iter().zip(1u16..).map(|(segment, count)| match kind {
            SegKind::LabelMap(_) => (segment.number, segment),
            SegKind::Binary | SegKind::Fractional => (count, segment),
        });
        Self { segments: numbered.collect() }
    }
}

/// One item a segment, and for a label map the background that the value 0 stands for.
pub(super) fn items(
    numbered: &Numbered<'_>,
    kind: SegKind,
    model: &ModelIdentity,
    set: &ResultSet,
) -> Vec<InMemDicomObject> {
    let mut items = Vec::with_capacity(numbered.segments.len() + 1);
    if matches!(kind, SegKind::LabelMap(_)) {
        items.push(background(model));
    }
    for (number, segment) in &numbered.segments {
        let mut item = InMemDicomObject::new_empty();
        us(&mut item, tags::SEGMENT_NUMBER, &[*number]);
        text(&mut item, tags::SEGMENT_LABEL, VR::LO, &segment.label);
        code(&mut item, tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, &segment.category);
        code(&mut item, tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, &segment.property_type);
        algorithm(&mut item, model);
        sequence(&mut item, tags::SEGMENTATION_ALGORITHM_IDENTIFICATION_SEQUENCE, vec![identification(model)]);
        text(&mut item, tags::TRACKING_ID, VR::UT, &format!("{}/{}", model.id, segment.label));
        text(&mut item, tags::TRACKING_UID, VR::UI, &set.tracking_uid(segment));
        us(&mut item, tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE, &cie_lab(segment.colour));
        items.push(item);
    }
    items
}

fn background(model: &ModelIdentity) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    let concept = dcm("125040", "Background");
    us(&mut item, tags::SEGMENT_NUMBER, &[0]);
    text(&mut item, tags::SEGMENT_LABEL, VR::LO, "Background");
    code(&mut item, tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, &concept);
    code(&mut item, tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, &concept);
    algorithm(&mut item, model);
    item
}

fn algorithm(item: &mut InMemDicomObject, model: &ModelIdentity) {
    text(item, tags::SEGMENT_ALGORITHM_TYPE, VR::CS, "AUTOMATIC");
    text(item, tags::SEGMENT_ALGORITHM_NAME, VR::LO, &model.name);
}

/// Algorithm Identification (PS3.3 table 10-19): which model, which version, and the digest of its package.
fn identification(model: &ModelIdentity) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    let family = dcm("123110", "Artificial Intelligence");
    code(&mut item, tags::ALGORITHM_FAMILY_CODE_SEQUENCE, &family);
    text(&mut item, tags::ALGORITHM_NAME, VR::LO, &model.name);
    text(&mut item, tags::ALGORITHM_VERSION, VR::LO, &model.version);
    text(&mut item, tags::ALGORITHM_PARAMETERS, VR::LT, &format!("package={} sha256={}", model.id, model.digest));
    text(&mut item, tags::ALGORITHM_SOURCE, VR::LO, &model.id);
    item
}

/// An sRGB colour as PCS-values of CIELab under D50, scaled to 16 bits (PS3.3 C.10.7.1.1).
fn cie_lab(colour: Rgb) -> [u16; 3] {
    let linear = colour.map(|channel| {
        let v = f64::from(channel) / 255.0;
        if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    });
    // sRGB primaries to XYZ, adapted from D65 to D50 (Bradford), then relative to the D50 white.
    const TO_XYZ: [[f64; 3]; 3] = [
        [0.436_074_7, 0.385_064_9, 0.143_080_4],
        [0.222_504_5, 0.716_878_6, 0.060_616_9],
        [0.013_932_2, 0.097_104_5, 0.714_173_3],
    ];
    const WHITE: [f64; 3] = [0.964_22, 1.0, 0.825_21];
    let f: [f64; 3] = std::array::from_fn(|i| {
        let t = TO_XYZ[i].iter().zip(linear).map(|(m, v)| m * v).sum::<f64>() / WHITE[i];
        let delta: f64 = 6.0 / 29.0;
        if t > delta.powi(3) { t.cbrt() } else { t / (3.0 * delta * delta) + 4.0 / 29.0 }
    });
    let scaled = |value: f64, low: f64, span: f64| ((value - low) / span * 65535.0).round().clamp(0.0, 65535.0) as u16;
    [
        scaled(116.0 * f[1] - 16.0, 0.0, 100.0),
        scaled(500.0 * (f[0] - f[1]), -128.0, 255.0),
        scaled(200.0 * (f[1] - f[2]), -128.0, 255.0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_reach_their_cie_lab_values() {
        // L*, a*, b* under D50 as published for the sRGB primaries (Lindbloom).
        let cases = [
            ([255, 255, 255], [100.0, 0.0, 0.0]),
            ([0, 0, 0], [0.0, 0.0, 0.0]),
            ([255, 0, 0], [54.29, 80.81, 69.89]),
            ([0, 255, 0], [87.82, -79.29, 80.99]),
            ([0, 0, 255], [29.57, 68.30, -112.03]),
        ];
        for (colour, [l, a, b]) in cases {
            let got = cie_lab(colour).map(f64::from);
            let read = [got[0] / 655.35, got[1] / 257.0 - 128.0, got[2] / 257.0 - 128.0];
            for (value, want) in read.iter().zip([l, a, b]) {
                assert!((value - want).abs() < 0.1, "{colour:?}: {read:?}");
            }
        }
    }
}
