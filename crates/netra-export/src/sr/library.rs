//! The image library of a report (PS3.16 TID 1600 to 1604): every stored object of the source with what its header says.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_dicom::write::element::{first_text, numbers};

use super::Report;
use crate::content::{Is, Item, Term};
use crate::planes::{Instance, refer_to_instance};

pub(super) const MILLIMETRE: Term = Term("mm", "UCUM", "millimeter");
/// Purpose of a reference to an image that a finding comes from.
pub(super) const SOURCE: Term = Term("260753009", "SCT", "Source");

/// Modality of the source, as its header says.
pub(super) fn modality(report: &Report<'_>) -> Option<String> {
    first_text(report.planes.header, tags::MODALITY)
}

/// The library with one group.
pub(super) fn items(report: &Report<'_>) -> Item {
    let images = report.planes.instances.iter().map(entry).collect();
    let group = Item::container(Is::Contained, Term("126200", "DCM", "Image Library Group")).with(images);
    Item::container(Is::Contained, Term("111028", "DCM", "Image Library")).with(vec![group])
}

fn entry(instance: &Instance<'_>) -> Item {
    let header = instance.header;
    let mut below = Vec::new();
    if let Some(modality) = first_text(header, tags::MODALITY).as_deref().and_then(modality_term) {
        below.push(Item::code(Is::AcquisitionContext, Term("121139", "DCM", "Modality"), modality));
    }
    if let Some(uid) = first_text(header, tags::FRAME_OF_REFERENCE_UID) {
        below.push(Item::uid(Is::AcquisitionContext, Term("112227", "DCM", "Frame of Reference UID"), &uid));
    }
    let pixels = Term("{pixels}", "UCUM", "Pixels");
    for (tag, name) in [
        (tags::ROWS, Term("110910", "DCM", "Pixel Data Rows")),
        (tags::COLUMNS, Term("110911", "DCM", "Pixel Data Columns")),
    ] {
        if let Some(count) = numbers(header, tag) {
            below.push(Item::number(Is::AcquisitionContext, name, count[0], pixels));
        }
    }
    below.extend(place(header));
    Item::image(Is::Contained, SOURCE, |reference| {
        refer_to_instance(reference, &instance.class, &instance.uid);
    })
    .with(below)
}

/// Spacing, position and orientation of an object that states them for all of its pixels (TID 1604); an enhanced one has a place
/// a frame, and none here.
fn place(header: &InMemDicomObject) -> Vec<Item> {
    let ratio = Term("{-1:1}", "UCUM", "{-1:1}");
    let place: [(Tag, usize, &[Term], Term); 4] = [
        (
            tags::PIXEL_SPACING,
            2,
            &[Term("111066", "DCM", "Vertical Pixel Spacing"), Term("111026", "DCM", "Horizontal Pixel Spacing")],
            MILLIMETRE,
        ),
        (tags::SLICE_THICKNESS, 1, &[Term("112225", "DCM", "Slice Thickness")], MILLIMETRE),
        (
            tags::IMAGE_POSITION_PATIENT,
            3,
            &[
                Term("110901", "DCM", "Image Position (Patient) X"),
                Term("110902", "DCM", "Image Position (Patient) Y"),
                Term("110903", "DCM", "Image Position (Patient) Z"),
            ],
            MILLIMETRE,
        ),
        (
            tags::IMAGE_ORIENTATION_PATIENT,
            6,
            &[
                Term("110904", "DCM", "Image Orientation (Patient) Row X"),
                Term("110905", "DCM", "Image Orientation (Patient) Row Y"),
                Term("110906", "DCM", "Image Orientation (Patient) Row Z"),
                Term("110907", "DCM", "Image Orientation (Patient) Column X"),
                Term("110908", "DCM", "Image Orientation (Patient) Column Y"),
                Term("110909", "DCM", "Image Orientation (Patient) Column Z"),
            ],
            ratio,
        ),
    ];
    let stated = place.into_iter().filter_map(|(tag, count, names, unit)| {
        let values = numbers(header, tag).filter(|values| values.len() == count)?;
        Some(
            names.iter().zip(values).map(move |(name, value)| Item::number(Is::AcquisitionContext, *name, value, unit)),
        )
    });
    stated.flatten().collect()
}

/// The modality as a concept of context group 29.
fn modality_term(modality: &str) -> Option<Term> {
    let known = [
        Term("CR", "DCM", "Computed Radiography"),
        Term("CT", "DCM", "Computed Tomography"),
        Term("DMS", "DCM", "Dermoscopy"),
        Term("DX", "DCM", "Digital Radiography"),
        Term("ES", "DCM", "Endoscopy"),
        Term("GM", "DCM", "General Microscopy"),
        Term("IO", "DCM", "Intra-oral Radiography"),
        Term("MG", "DCM", "Mammography"),
        Term("MR", "DCM", "Magnetic Resonance"),
        Term("NM", "DCM", "Nuclear Medicine"),
        Term("OP", "DCM", "Ophthalmic Photography"),
        Term("OPT", "DCM", "Ophthalmic Tomography"),
        Term("PT", "DCM", "Positron emission tomography"),
        Term("PX", "DCM", "Panoramic X-Ray"),
        Term("RF", "DCM", "Radiofluoroscopy"),
        Term("RG", "DCM", "Radiographic imaging"),
        Term("SM", "DCM", "Slide Microscopy"),
        Term("US", "DCM", "Ultrasound"),
        Term("XA", "DCM", "X-Ray Angiography"),
        Term("XC", "DCM", "External-camera Photography"),
    ];
    known.into_iter().find(|term| term.0 == modality)
}
