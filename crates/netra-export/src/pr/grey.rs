//! How grey values are shown: Modality LUT, Softcopy VOI LUT and Softcopy Presentation LUT (PS3.3 C.11.1, C.11.8, C.11.6), as the
//! source has them. A presentation state replaces all three.

use dicom_core::value::PrimitiveValue;
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{Error, Result, SourceFrame};
use netra_dicom::write::element::{copy, ds, first_text, items, numbers, sequence, text};

use super::Frame;
use crate::planes::{SourcePlanes, group_or_root};

/// Fails as [`modality`] does.
pub(super) fn put(object: &mut InMemDicomObject, planes: &SourcePlanes<'_>, frames: &[Frame<'_>]) -> Result<()> {
    for element in modality(frames)? {
        object.put(element);
    }

    let mut windows: Vec<(InMemDicomObject, Vec<&SourceFrame>)> = Vec::new();
    for frame in frames {
        let Some(own) = voi(frame)? else { continue };
        match windows.iter_mut().find(|(window, _)| *window == own) {
            Some((_, shown)) => shown.push(frame.source),
            None => windows.push((own, vec![frame.source])),
        }
    }
    let of_all = windows.first().is_some_and(|(_, shown)| shown.len() == frames.len());
    let windows = windows.into_iter().map(|(mut window, shown)| {
        if !of_all {
            sequence(&mut window, tags::REFERENCED_IMAGE_SEQUENCE, planes.references(shown));
        }
        window
    });
    let windows: Vec<InMemDicomObject> = windows.collect();
    if !windows.is_empty() {
        sequence(object, tags::SOFTCOPY_VOILUT_SEQUENCE, windows);
    }

    let inverse = first_text(planes.header, tags::PHOTOMETRIC_INTERPRETATION).as_deref() == Some("MONOCHROME1");
    text(object, tags::PRESENTATION_LUT_SHAPE, VR::CS, if inverse { "INVERSE" } else { "IDENTITY" });
    Ok(())
}

/// The Modality LUT that all frames share. Fails with `Unsupported` when they do not: a state has one for all of its images.
pub(super) fn modality(frames: &[Frame<'_>]) -> Result<InMemDicomObject> {
    let mut shared: Option<InMemDicomObject> = None;
    for frame in frames {
        let own = modality_of(frame)?;
        if shared.get_or_insert_with(|| own.clone()) != &own {
            let text = "the frames are rescaled each by its own factor, and a presentation state has one for all";
            return Err(Error::unsupported(text).at(&frame.source.sop_instance_uid));
        }
    }
    shared.ok_or_else(|| Error::invalid("a source without frames"))
}

/// The attributes of the Modality LUT Module for one frame; none where stored values are the modality's.
fn modality_of(frame: &Frame<'_>) -> Result<InMemDicomObject> {
    let mut object = InMemDicomObject::new_empty();
    if let Some(table) = items(frame.header, tags::MODALITY_LUT_SEQUENCE).first() {
        let mut table = lut(table)?;
        let kind = first_text(&table, tags::MODALITY_LUT_TYPE).unwrap_or_else(|| "US".to_owned());
        text(&mut table, tags::MODALITY_LUT_TYPE, VR::LO, &kind);
        sequence(&mut object, tags::MODALITY_LUT_SEQUENCE, vec![table]);
        return Ok(object);
    }
    let group = |tag| {
        let sequence = tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE;
        group_or_root(frame.header, frame.source.frame, sequence, |group| first_text(group, tag).is_some())
    };
    let number = |tag| group(tag).and_then(|group| numbers(group, tag)).map(|values| values[0]);
    let (slope, intercept) = (number(tags::RESCALE_SLOPE), number(tags::RESCALE_INTERCEPT));
    if slope.is_some() || intercept.is_some() {
        ds(&mut object, tags::RESCALE_SLOPE, &[slope.unwrap_or(1.0)]);
        ds(&mut object, tags::RESCALE_INTERCEPT, &[intercept.unwrap_or(0.0)]);
        let stated = group(tags::RESCALE_TYPE).and_then(|group| first_text(group, tags::RESCALE_TYPE));
        // Hounsfield units are the default of CT, nothing specified that of all else (C.11.1.1.2).
        let is_ct = first_text(frame.header, tags::MODALITY).as_deref() == Some("CT");
        let kind = stated.unwrap_or_else(|| if is_ct { "HU" } else { "US" }.to_owned());
        text(&mut object, tags::RESCALE_TYPE, VR::LO, &kind);
    }
    Ok(object)
}

/// The VOI LUT of a frame, else its first window, as an item of Softcopy VOI LUT Sequence.
fn voi(frame: &Frame<'_>) -> Result<Option<InMemDicomObject>> {
    let holds = |group: &InMemDicomObject| {
        !items(group, tags::VOILUT_SEQUENCE).is_empty() || numbers(group, tags::WINDOW_CENTER).is_some()
    };
    let Some(group) = group_or_root(frame.header, frame.source.frame, tags::FRAME_VOILUT_SEQUENCE, holds) else {
        return Ok(None);
    };
    let mut item = InMemDicomObject::new_empty();
    if let Some(table) = items(group, tags::VOILUT_SEQUENCE).first() {
        sequence(&mut item, tags::VOILUT_SEQUENCE, vec![lut(table)?]);
        return Ok(Some(item));
    }
    let first = |tag| numbers(group, tag).map(|values| values[0]);
    let (Some(centre), Some(width)) = (first(tags::WINDOW_CENTER), first(tags::WINDOW_WIDTH)) else { return Ok(None) };
    copy(&mut item, group, tags::VOILUT_FUNCTION, VR::CS);
    let is_linear = first_text(&item, tags::VOILUT_FUNCTION).is_none_or(|function| function == "LINEAR");
    if width < if is_linear { 1.0 } else { f64::MIN_POSITIVE } {
        return Ok(None);
    }
    ds(&mut item, tags::WINDOW_CENTER, &[centre]);
    ds(&mut item, tags::WINDOW_WIDTH, &[width]);
    Ok(Some(item))
}

/// A table without what its maker says of it. The numbers are written as OW: a US value of 65,536 of them has no 16-bit length.
fn lut(source: &InMemDicomObject) -> Result<InMemDicomObject> {
    let mut table = InMemDicomObject::new_empty();
    for tag in [tags::LUT_DESCRIPTOR, tags::MODALITY_LUT_TYPE] {
        if let Some(element) = source.get(tag) {
            table.put(element.clone());
        }
    }
    let data = source.get(tags::LUT_DATA).and_then(|element| element.value().primitive());
    let data = match data {
        Some(PrimitiveValue::I16(words)) => PrimitiveValue::U16(words.iter().map(|&word| word as u16).collect()),
        Some(numbers @ (PrimitiveValue::U16(_) | PrimitiveValue::U8(_))) => numbers.clone(),
        _ => return Err(Error::malformed("a look-up table without numbers").at(tags::LUT_DATA)),
    };
    table.put(DataElement::new(tags::LUT_DATA, VR::OW, data));
    Ok(table)
}
