//! Dimensions and functional groups of a segmentation (PS3.3 C.7.6.16, C.7.6.17, C.8.20.3).

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{Error, Result};
use netra_dicom::write::element::{dcm, sequence, text, ul, us};

use super::SegKind;
use super::pixels::Frame;
use crate::functional::{self, POSITION, Pointer, counted};
use crate::planes::SourcePlanes;

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
            (SegKind::Binary | SegKind::Fractional, true) => vec![Self::Segment, Self::Position],
            (SegKind::Binary | SegKind::Fractional, false) => vec![Self::Segment],
            (SegKind::LabelMap(_), true) => vec![Self::Position],
            (SegKind::LabelMap(_), false) => vec![Self::Label],
        }
    }

    fn pointer(self) -> Pointer {
        match self {
            Self::Segment => (tags::REFERENCED_SEGMENT_NUMBER, tags::SEGMENT_IDENTIFICATION_SEQUENCE, "Segment Number"),
            Self::Position => POSITION,
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
    functional::dimensions(object, dimension_uid, dimensions.iter().map(|dimension| dimension.pointer()));
    if matches!(kind, SegKind::LabelMap(_)) && planes.between_slices.is_some() {
        text(object, tags::DIMENSION_ORGANIZATION_TYPE, VR::CS, "3D");
    }
    sequence(object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![functional::shared(planes)]);
    let per_frame: Result<Vec<InMemDicomObject>> =
        frames.iter().map(|frame| frame_groups(*frame, planes, &dimensions)).collect();
    sequence(object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, per_frame?);
    functional::references(object, planes);
    Ok(())
}

fn frame_groups(frame: Frame, planes: &SourcePlanes<'_>, dimensions: &[Dimension]) -> Result<InMemDicomObject> {
    let mut groups = functional::of_frame(planes, frame.plane, &dcm("113076", "Segmentation"))?;
    let mut content = InMemDicomObject::new_empty();
    let segment = frame.segment.unwrap_or(0);
    let values: Result<Vec<u32>> = dimensions
        .iter()
        .map(|dimension| match dimension {
            Dimension::Segment => counted(segment),
            Dimension::Position | Dimension::Label => counted(frame.plane),
        })
        .collect();
    ul(&mut content, tags::DIMENSION_INDEX_VALUES, &values?);
    if dimensions.contains(&Dimension::Label) {
        text(&mut content, tags::FRAME_LABEL, VR::LO, "1");
    }
    sequence(&mut groups, tags::FRAME_CONTENT_SEQUENCE, vec![content]);
    if dimensions.contains(&Dimension::Segment) {
        let mut item = InMemDicomObject::new_empty();
        let number = u16::try_from(segment + 1).map_err(|_| Error::limit("more segments than 16 bits can count"))?;
        us(&mut item, tags::REFERENCED_SEGMENT_NUMBER, &[number]);
        sequence(&mut groups, tags::SEGMENT_IDENTIFICATION_SEQUENCE, vec![item]);
    }
    Ok(groups)
}
