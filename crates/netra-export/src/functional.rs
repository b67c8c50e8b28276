//! What segmentations and parametric maps share as multi-frame objects: dimensions, where planes lie, and what each frame was
//! computed from (PS3.3 C.7.6.16, C.7.6.17, C.12.2).

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{CodedConcept, Error, Result, SlicePart};
use netra_dicom::write::element::{at, code, copy, dcm, ds, empty, sequence, text};
use netra_dicom::write::module;

use crate::ResultSet;
use crate::planes::{Plane, SourcePlanes, refer_to_instance};

/// What frames are ordered by: an attribute, the functional group that holds it, and a name.
pub(crate) type Pointer = (Tag, Tag, &'static str);

/// The place of a plane as a dimension.
pub(crate) const POSITION: Pointer =
    (tags::IMAGE_POSITION_PATIENT, tags::PLANE_POSITION_SEQUENCE, "Image Position Patient");

/// Puts Multi-frame Dimension (C.7.6.17).
pub(crate) fn dimensions(object: &mut InMemDicomObject, uid: &str, pointers: impl Iterator<Item = Pointer>) {
    let mut organisation = InMemDicomObject::new_empty();
    text(&mut organisation, tags::DIMENSION_ORGANIZATION_UID, VR::UI, uid);
    sequence(object, tags::DIMENSION_ORGANIZATION_SEQUENCE, vec![organisation]);
    let index = pointers.map(|(pointer, group, name)| {
        let mut item = InMemDicomObject::new_empty();
        text(&mut item, tags::DIMENSION_ORGANIZATION_UID, VR::UI, uid);
        at(&mut item, tags::DIMENSION_INDEX_POINTER, pointer);
        at(&mut item, tags::FUNCTIONAL_GROUP_POINTER, group);
        text(&mut item, tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, name);
        item
    });
    sequence(object, tags::DIMENSION_INDEX_SEQUENCE, index.collect());
}

/// A place in a list as the value of a dimension, which counts from 1 in 32 bits.
pub(crate) fn counted(index: usize) -> Result<u32> {
    u32::try_from(index + 1).map_err(|_| Error::limit(format!("index {index} does not fit a dimension")))
}

/// Puts Frame of Reference (C.7.4.1) of a source that lies in the patient, and of every other one its Patient Orientation.
pub(crate) fn space(object: &mut InMemDicomObject, planes: &SourcePlanes<'_>, set: &ResultSet) {
    if planes.orientation.is_some() {
        // A source with positions but without a frame of reference gets one of its own.
        let uid = planes.frame_of_reference.clone().unwrap_or_else(|| set.uid("frame-of-reference"));
        module::frame_of_reference(object, &uid);
    } else if !copy(object, planes.header, tags::PATIENT_ORIENTATION, VR::CS) {
        // Type 2C for an image without position: the source's own, or unknown.
        empty(object, tags::PATIENT_ORIENTATION, VR::CS);
    }
}

/// Plane Orientation and Pixel Measures, which hold for every frame. A picture outside patient space gets neither: a radiograph's
/// spacing is the detector's, it stays with the source that each frame refers to, and there is no slice to be thick.
pub(crate) fn shared(planes: &SourcePlanes<'_>) -> InMemDicomObject {
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

/// The groups of one frame that every kind of object has: what it was computed from, by which method, and where it lies.
pub(crate) fn of_frame(planes: &SourcePlanes<'_>, index: usize, method: &CodedConcept) -> Result<InMemDicomObject> {
    let plane = planes.planes.get(index).ok_or_else(|| Error::invalid(format!("no source frame for plane {index}")))?;
    let mut groups = InMemDicomObject::new_empty();
    sequence(&mut groups, tags::DERIVATION_IMAGE_SEQUENCE, vec![derivation(planes, plane, method)]);
    if let Some(position) = plane.position {
        let mut item = InMemDicomObject::new_empty();
        ds(&mut item, tags::IMAGE_POSITION_PATIENT, &position);
        sequence(&mut groups, tags::PLANE_POSITION_SEQUENCE, vec![item]);
    }
    Ok(groups)
}

/// Which stored frames this one was computed from: several, and not pixel by pixel, where the source was put on a regular grid.
fn derivation(planes: &SourcePlanes<'_>, plane: &Plane, method: &CodedConcept) -> InMemDicomObject {
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
    code(&mut item, tags::DERIVATION_CODE_SEQUENCE, method);
    item
}

/// Puts Common Instance Reference (C.12.2): the source series with every instance of it that was read.
pub(crate) fn references(object: &mut InMemDicomObject, planes: &SourcePlanes<'_>) {
    let instances = planes.instances.iter().map(|instance| {
        let mut item = InMemDicomObject::new_empty();
        refer_to_instance(&mut item, &instance.class, &instance.uid);
        item
    });
    let mut series = InMemDicomObject::new_empty();
    sequence(&mut series, tags::REFERENCED_INSTANCE_SEQUENCE, instances.collect());
    text(&mut series, tags::SERIES_INSTANCE_UID, VR::UI, &planes.series);
    sequence(object, tags::REFERENCED_SERIES_SEQUENCE, vec![series]);
}
