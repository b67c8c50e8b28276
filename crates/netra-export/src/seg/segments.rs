//! The Segment Sequence (PS3.3 C.8.20.4).

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{LabelMap, ModelIdentity, Segment};
use netra_dicom::write::element::{code, dcm, sequence, text, us};

use super::SegKind;
use crate::ResultSet;
use crate::colour::cie_lab;

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
        if let Some(region) = &segment.anatomic_region {
            code(&mut item, tags::ANATOMIC_REGION_SEQUENCE, region);
        }
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
