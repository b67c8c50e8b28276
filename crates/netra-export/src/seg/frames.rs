//! Dimensions, functional groups and references (PS3.3 C.7.6.16, C.7.6.17, C.12.2, C.8.20.3).

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{Error, Result, SlicePart};
use netra_dicom::write::element::{at, code, copy, dcm, ds, empty, sequence, text, ul, us};

use super::SegKind;
use super::pixels::Frame;
use crate::planes::{Plane, SourcePlanes};

/// What the frames are ordered by. An image outside patient space has a single plane and nothing to tell planes apart by,
/// so a label map of it is indexed by its Frame Label.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dimension {
    Segment,
    Position,
    Label,
}

impl Dimension {
    fn of(kind: SegKind, planes: &SourcePlanes<'_>) -> Vec<Self> {
        match (kind, planes.orientation.is_some()) {
            (SegKind::Binary, true) => vec![Self::Segment, Self::Position],
            (SegKind::Binary, false) => vec![Self::Segment],
            (SegKind::LabelMap(_), true) => vec![Self::Position],
            (SegKind::LabelMap(_), false) => vec![Self::Label],
        }
    }

    /// Attribute, functional group that holds it, and a name.
    fn pointers(self) -> (Tag, Tag, &'static str) {
        match self {
            Self::Segment => (tags::REFERENCED_SEGMENT_NUMBER, tags::SEGMENT_IDENTIFICATION_SEQUENCE, "Segment Number"),
            Self::Position => (tags::IMAGE_POSITION_PATIENT, tags::PLANE_POSITION_SEQUENCE, "Image Position Patient"),
            Self::Label => (tags::FRAME_LABEL, tags::FRAME_CONTENT_SEQUENCE, "Frame Label"),
        }
    }
}

/// Puts the dimension and functional group modules and the references to the source. Fails when a count has no 32 bits.
pub(super) fn put(
    object: &mut InMemDicomObject,
    frames: &[Frame],
    planes: &SourcePlanes<'_>,
    kind: SegKind,
    dimension_uid: &str,
) -> Result<()> {
    let dimensions = Dimension::of(kind, planes);
    let mut organisation = InMemDicomObject::new_empty();
    text(&mut organisation, tags::DIMENSION_ORGANIZATION_UID, VR::UI, dimension_uid);
    sequence(object, tags::DIMENSION_ORGANIZATION_SEQUENCE, vec![organisation]);
    let index = dimensions.iter().map(|dimension| {
        let (pointer, group, name) = dimension.pointers();
        let mut item = InMemDicomObject::new_empty();
        text(&mut item, tags::DIMENSION_ORGANIZATION_UID, VR::UI, dimension_uid);
        at(&mut item, tags::DIMENSION_INDEX_POINTER, pointer);
        at(&mut item, tags::FUNCTIONAL_GROUP_POINTER, group);
        text(&mut item, tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, name);
        item
    });
    sequence(object, tags::DIMENSION_INDEX_SEQUENCE, index.collect());
    if kind != SegKind::Binary && planes.between_slices.is_some() {
        text(object, tags::DIMENSION_ORGANIZATION_TYPE, VR::CS, "3D");
    }

    sequence(object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared_groups(planes)]);
    let per_frame: Result<Vec<InMemDicomObject>> =
        frames.iter().map(|frame| frame_groups(*frame, planes, &dimensions)).collect();
    sequence(object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, per_frame?);
    if planes.orientation.is_none() {
        // Type 2C for an image without position: the source's own, or unknown.
        if !copy(object, planes.header, tags::PATIENT_ORIENTATION, VR::CS) {
            empty(object, tags::PATIENT_ORIENTATION, VR::CS);
        }
    }
    put_references(object, planes);
    Ok(())
}

/// Plane Orientation and Pixel Measures hold for every frame. A picture outside patient space gets neither: a radiograph's
/// spacing is the detector's, it stays with the source that each frame refers to, and there is no slice to be thick.
fn shared_groups(planes: &SourcePlanes<'_>) -> InMemDicomObject {
    let mut groups = InMemDicomObject::new_empty();
    if let Some(orientation) = planes.orientation {
        let mut item = InMemDicomObject::new_empty();
        ds(&mut item, tags::IMAGE_ORIENTATION_PATIENT, &orientation);
        sequence(&mut groups, tags::PLANE_ORIENTATION_SEQUENCE, vec![item]);
        if let Some(spacing) = planes.spacing {
            let mut measures = InMemDicomObject::new_empty();
            ds(&mut measures, tags::PIXEL_SPACING, &spacing);
            if let Some(thickness) = planes.thickness.or(planes.between_slices) {
                ds(&mut measures, tags::SLICE_THICKNESS, &[thickness]);
            }
            if let Some(between) = planes.between_slices {
                ds(&mut measures, tags::SPACING_BETWEEN_SLICES, &[between]);
            }
            sequence(&mut groups, tags::PIXEL_MEASURES_SEQUENCE, vec![measures]);
        }
    }
    groups
}

fn frame_groups(frame: Frame, planes: &SourcePlanes<'_>, dimensions: &[Dimension]) -> Result<InMemDicomObject> {
    let plane = planes
        .planes
        .get(frame.plane)
        .ok_or_else(|| Error::invalid(format!("no source frame for plane {}", frame.plane)))?;
    let count = |index: usize| {
        u32::try_from(index + 1).map_err(|_| Error::limit(format!("index {index} does not fit a dimension")))
    };
    let mut groups = InMemDicomObject::new_empty();
    sequence(&mut groups, tags::DERIVATION_IMAGE_SEQUENCE, vec![derivation(planes, plane)]);

    let mut content = InMemDicomObject::new_empty();
    let segment = frame.segment.unwrap_or(0);
    let values: Result<Vec<u32>> = dimensions
        .iter()
        .map(|dimension| match dimension {
            Dimension::Segment => count(segment),
            Dimension::Position | Dimension::Label => count(frame.plane),
        })
        .collect();
    ul(&mut content, tags::DIMENSION_INDEX_VALUES, &values?);
    if dimensions.contains(&Dimension::Label) {
        text(&mut content, tags::FRAME_LABEL, VR::LO, "1");
    }
    sequence(&mut groups, tags::FRAME_CONTENT_SEQUENCE, vec![content]);

    if let Some(position) = plane.position {
        let mut item = InMemDicomObject::new_empty();
        ds(&mut item, tags::IMAGE_POSITION_PATIENT, &position);
        sequence(&mut groups, tags::PLANE_POSITION_SEQUENCE, vec![item]);
    }
    if dimensions.contains(&Dimension::Segment) {
        let mut item = InMemDicomObject::new_empty();
        let number = u16::try_from(segment + 1).map_err(|_| Error::limit("more segments than 16 bits can count"))?;
        us(&mut item, tags::REFERENCED_SEGMENT_NUMBER, &[number]);
        sequence(&mut groups, tags::SEGMENT_IDENTIFICATION_SEQUENCE, vec![item]);
    }
    Ok(groups)
}

/// Which stored frames this one was computed from: several, and not pixel by pixel, where the source was put on a regular grid.
fn derivation(planes: &SourcePlanes<'_>, plane: &Plane) -> InMemDicomObject {
    let preserved = if plane.source.is_whole() { "YES" } else { "NO" };
    let purpose = dcm("121322", "Source image for image processing operation");
    let sources = plane.source.parts().map(|SlicePart { frame, .. }| {
        let mut source = InMemDicomObject::new_empty();
        planes.refer_to(frame, &mut source);
        text(&mut source, tags::SPATIAL_LOCATIONS_PRESERVED, VR::CS, preserved);
        code(&mut source, tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &purpose);
        source
    });
    let mut item = InMemDicomObject::new_empty();
    sequence(&mut item, tags::SOURCE_IMAGE_SEQUENCE, sources.collect());
    code(&mut item, tags::DERIVATION_CODE_SEQUENCE, &dcm("113076", "Segmentation"));
    item
}

/// Common Instance Reference (C.12.2): the source series with every instance of it that was read.
fn put_references(object: &mut InMemDicomObject, planes: &SourcePlanes<'_>) {
    let instances = planes.instances.iter().map(|instance| {
        let mut item = InMemDicomObject::new_empty();
        text(&mut item, tags::REFERENCED_SOP_CLASS_UID, VR::UI, &instance.class);
        text(&mut item, tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, &instance.uid);
        item
    });
    let mut series = InMemDicomObject::new_empty();
    sequence(&mut series, tags::REFERENCED_INSTANCE_SEQUENCE, instances.collect());
    text(&mut series, tags::SERIES_INSTANCE_UID, VR::UI, &planes.series);
    sequence(object, tags::REFERENCED_SERIES_SEQUENCE, vec![series]);
}
