//! Graphic Layer and Graphic Annotation (PS3.3 C.10.7, C.10.5).

use std::collections::BTreeSet;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{Error, LabelMap, ModelIdentity, Result, Rgb, Segment};
use netra_dicom::write::element::{fl, is, sequence, text, us};

use super::Drawn;
use super::outline::{Outline, lines};
use crate::ResultSet;
use crate::colour::{AMBER, cie_lab};
use crate::identity::NOT_FOR_DIAGNOSIS;
use crate::planes::SourcePlanes;

/// The layer of the text.
const TEXT_LAYER: &str = "AI_RESULT";

/// A layer for each segment that was found and one for the text above them; the text for all images, then frame by frame the
/// outlines of each segment.
pub(super) fn put(
    object: &mut InMemDicomObject,
    planes: &SourcePlanes<'_>,
    drawn: &[Drawn<'_>],
    map: &LabelMap,
    model: &ModelIdentity,
    set: &ResultSet,
) -> Result<()> {
    let found: BTreeSet<u16> = drawn.iter().flat_map(|(_, outlines)| outlines.keys().copied()).collect();
    let mut segments: Vec<&Segment> = map.segments().iter().filter(|segment| found.contains(&segment.number)).collect();
    segments.sort_by_key(|segment| segment.number);
    let names: Vec<String> = segments.iter().map(|segment| format!("SEGMENT_{}", segment.number)).collect();

    let mut layers = Vec::with_capacity(segments.len() + 1);
    for (name, segment) in names.iter().zip(&segments) {
        layers.push(layer(name, layers.len(), &segment.label, segment.colour)?);
    }
    layers.push(layer(TEXT_LAYER, layers.len(), NOT_FOR_DIAGNOSIS, AMBER)?);
    sequence(object, tags::GRAPHIC_LAYER_SEQUENCE, layers);

    let mut annotations = vec![words(&format!("{NOT_FOR_DIAGNOSIS}: {} {}", model.name, model.version))];
    for (frame, outlines) in drawn {
        for (name, segment) in names.iter().zip(&segments) {
            let Some(outlines) = outlines.get(&segment.number) else { continue };
            let mut item = InMemDicomObject::new_empty();
            sequence(&mut item, tags::REFERENCED_IMAGE_SEQUENCE, planes.references([*frame]));
            text(&mut item, tags::GRAPHIC_LAYER, VR::CS, name);
            let tracking = [format!("{}/{}", model.id, segment.label), set.tracking_uid(segment)];
            let objects = outlines.iter().flat_map(|outline| objects(outline, &tracking));
            sequence(&mut item, tags::GRAPHIC_OBJECT_SEQUENCE, objects.collect());
            annotations.push(item);
        }
    }
    sequence(object, tags::GRAPHIC_ANNOTATION_SEQUENCE, annotations);
    Ok(())
}

fn layer(name: &str, below: usize, description: &str, colour: Rgb) -> Result<InMemDicomObject> {
    let order = i32::try_from(below + 1).map_err(|_| Error::limit(format!("{below} layers have no order")))?;
    let mut item = InMemDicomObject::new_empty();
    text(&mut item, tags::GRAPHIC_LAYER, VR::CS, name);
    is(&mut item, tags::GRAPHIC_LAYER_ORDER, order);
    text(&mut item, tags::GRAPHIC_LAYER_DESCRIPTION, VR::LO, description);
    us(&mut item, tags::GRAPHIC_LAYER_RECOMMENDED_DISPLAY_CIE_LAB_VALUE, &cie_lab(colour));
    Ok(item)
}

/// A line of text at the foot of every image, in shares of the displayed area.
fn words(words: &str) -> InMemDicomObject {
    let mut object = InMemDicomObject::new_empty();
    text(&mut object, tags::BOUNDING_BOX_ANNOTATION_UNITS, VR::CS, "DISPLAY");
    text(&mut object, tags::UNFORMATTED_TEXT_VALUE, VR::ST, words);
    fl(&mut object, tags::BOUNDING_BOX_TOP_LEFT_HAND_CORNER, &[0.02, 0.93]);
    fl(&mut object, tags::BOUNDING_BOX_BOTTOM_RIGHT_HAND_CORNER, &[0.98, 0.98]);
    text(&mut object, tags::BOUNDING_BOX_TEXT_HORIZONTAL_JUSTIFICATION, VR::CS, "LEFT");
    let mut item = InMemDicomObject::new_empty();
    text(&mut item, tags::GRAPHIC_LAYER, VR::CS, TEXT_LAYER);
    sequence(&mut item, tags::TEXT_OBJECT_SEQUENCE, vec![object]);
    item
}

/// The graphic objects of an outline: points of image pixels, where 0\0 is the upper left corner of the first. Each names its
/// segment, as the other files of the set do.
fn objects<'o>(outline: &'o Outline, [id, uid]: &'o [String; 2]) -> impl Iterator<Item = InMemDicomObject> + 'o {
    lines(outline).map(move |line| {
        let mut object = InMemDicomObject::new_empty();
        text(&mut object, tags::GRAPHIC_ANNOTATION_UNITS, VR::CS, "PIXEL");
        us(&mut object, tags::GRAPHIC_DIMENSIONS, &[2]);
        us(&mut object, tags::NUMBER_OF_GRAPHIC_POINTS, &[line.len() as u16]);
        fl(&mut object, tags::GRAPHIC_DATA, line.as_flattened());
        text(&mut object, tags::GRAPHIC_TYPE, VR::CS, "POLYLINE");
        if line.first() == line.last() {
            text(&mut object, tags::GRAPHIC_FILLED, VR::CS, "N");
        }
        text(&mut object, tags::TRACKING_ID, VR::UT, id);
        text(&mut object, tags::TRACKING_UID, VR::UI, uid);
        object
    })
}
