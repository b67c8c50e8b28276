//! Modules (PS3.3 annex C) that every object of ours shares. Each function fills one module of `object`.

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{Error, Result};

use super::element::{self, copy, copy_or_empty, copy_sequence, empty, text, texts};
use super::{MANUFACTURER, Moment, SOFTWARE_VERSION};

/// SOP Common (C.12.1): class, instance, UTF-8 text, and when the instance was made.
pub fn sop_common(object: &mut InMemDicomObject, sop_class: &str, sop_instance: &str, now: &Moment) {
    text(object, tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
    text(object, tags::SOP_CLASS_UID, VR::UI, sop_class);
    text(object, tags::SOP_INSTANCE_UID, VR::UI, sop_instance);
    text(object, tags::INSTANCE_CREATION_DATE, VR::DA, &now.date);
    text(object, tags::INSTANCE_CREATION_TIME, VR::TM, &now.time);
}

/// Patient, General Study and Patient Study (C.7.1.1, C.7.2.1, C.7.2.2), copied from the header of a source
/// instance: a result belongs to the record of its patient and to the study of its source. Type 2 attributes that the source
/// lacks are empty. Fails when the source has no Study Instance UID, since the result could then belong anywhere.
pub fn patient_and_study_from(object: &mut InMemDicomObject, source: &InMemDicomObject) -> Result<()> {
    copy_or_empty(object, source, tags::PATIENT_NAME, VR::PN);
    copy_or_empty(object, source, tags::PATIENT_ID, VR::LO);
    copy_or_empty(object, source, tags::PATIENT_BIRTH_DATE, VR::DA);
    match element::first_text(source, tags::PATIENT_SEX).as_deref() {
        Some(sex @ ("M" | "F" | "O")) => text(object, tags::PATIENT_SEX, VR::CS, sex),
        _ => empty(object, tags::PATIENT_SEX, VR::CS),
    }
    copy(object, source, tags::ISSUER_OF_PATIENT_ID, VR::LO);
    if element::first_text(source, tags::PATIENT_IDENTITY_REMOVED).as_deref() == Some("YES") {
        // Whoever says YES must say how (type 1C); a source that does not is copied without the claim.
        let text_method = copy(object, source, tags::DEIDENTIFICATION_METHOD, VR::LO);
        let coded_method = copy_sequence(object, source, tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE);
        if text_method || coded_method {
            text(object, tags::PATIENT_IDENTITY_REMOVED, VR::CS, "YES");
        }
    }

    if !copy(object, source, tags::STUDY_INSTANCE_UID, VR::UI) {
        return Err(Error::malformed("the source has no valid Study Instance UID (0020,000D)"));
    }
    copy_or_empty(object, source, tags::STUDY_DATE, VR::DA);
    copy_or_empty(object, source, tags::STUDY_TIME, VR::TM);
    copy_or_empty(object, source, tags::REFERRING_PHYSICIAN_NAME, VR::PN);
    copy_or_empty(object, source, tags::STUDY_ID, VR::SH);
    copy_or_empty(object, source, tags::ACCESSION_NUMBER, VR::SH);
    copy(object, source, tags::STUDY_DESCRIPTION, VR::LO);
    copy(object, source, tags::PATIENT_AGE, VR::AS);
    copy(object, source, tags::PATIENT_SIZE, VR::DS);
    copy(object, source, tags::PATIENT_WEIGHT, VR::DS);
    Ok(())
}

/// Frame of Reference (C.7.4.1) with an empty position reference indicator, as allowed when it is not annotated.
pub fn frame_of_reference(object: &mut InMemDicomObject, uid: &str) {
    text(object, tags::FRAME_OF_REFERENCE_UID, VR::UI, uid);
    empty(object, tags::POSITION_REFERENCE_INDICATOR, VR::LO);
}

/// General Series (C.7.3.1): a series of our own.
pub fn series(
    object: &mut InMemDicomObject,
    modality: &str,
    series_uid: &str,
    number: i32,
    description: &str,
    now: &Moment,
) {
    text(object, tags::MODALITY, VR::CS, modality);
    text(object, tags::SERIES_INSTANCE_UID, VR::UI, series_uid);
    element::is(object, tags::SERIES_NUMBER, number);
    text(object, tags::SERIES_DESCRIPTION, VR::LO, description);
    text(object, tags::SERIES_DATE, VR::DA, &now.date);
    text(object, tags::SERIES_TIME, VR::TM, &now.time);
}

/// A number after the source's, so that a list of series shows the result below its source's thousand.
pub fn result_series_number(header: &InMemDicomObject) -> i32 {
    let source = element::first_text(header, tags::SERIES_NUMBER).and_then(|text| text.parse::<i32>().ok());
    1000 + source.filter(|number| (0..1_000_000).contains(number)).unwrap_or(0)
}

/// What made an object, as General and Enhanced General Equipment (C.7.5.1, C.7.5.2) put it; the manufacturer is Netra.
#[derive(Clone, Debug)]
pub struct Equipment<'a> {
    /// Manufacturer's Model Name: which model or program.
    pub model_name: &'a str,
    /// Device Serial Number: what tells this exact build apart, for example a digest.
    pub serial_number: &'a str,
    /// Software Versions after Netra's own.
    pub versions: &'a [&'a str],
}

/// Enhanced General Equipment (C.7.5.2).
pub fn equipment(object: &mut InMemDicomObject, equipment: &Equipment<'_>) {
    text(object, tags::MANUFACTURER, VR::LO, MANUFACTURER);
    text(object, tags::MANUFACTURER_MODEL_NAME, VR::LO, equipment.model_name);
    text(object, tags::DEVICE_SERIAL_NUMBER, VR::LO, equipment.serial_number);
    let versions: Vec<&str> = std::iter::once(SOFTWARE_VERSION).chain(equipment.versions.iter().copied()).collect();
    texts(object, tags::SOFTWARE_VERSIONS, VR::LO, &versions);
}

/// Contributing Equipment (C.12.1.1.5): what acquired the source, when the source says so, and Netra as the processor.
pub fn contributing_equipment(object: &mut InMemDicomObject, source: &InMemDicomObject, now: &Moment) {
    let mut contributors = Vec::new();
    let mut acquirer = InMemDicomObject::new_empty();
    if copy(&mut acquirer, source, tags::MANUFACTURER, VR::LO) {
        for (tag, vr) in [
            (tags::MANUFACTURER_MODEL_NAME, VR::LO),
            (tags::STATION_NAME, VR::SH),
            (tags::DEVICE_SERIAL_NUMBER, VR::LO),
            (tags::SOFTWARE_VERSIONS, VR::LO),
        ] {
            copy(&mut acquirer, source, tag, vr);
        }
        purpose(&mut acquirer, "109101", "Acquisition Equipment");
        contributors.push(acquirer);
    }
    let mut processor = InMemDicomObject::new_empty();
    text(&mut processor, tags::MANUFACTURER, VR::LO, MANUFACTURER);
    text(&mut processor, tags::MANUFACTURER_MODEL_NAME, VR::LO, "Netra inference engine");
    text(&mut processor, tags::SOFTWARE_VERSIONS, VR::LO, SOFTWARE_VERSION);
    text(&mut processor, tags::CONTRIBUTION_DATE_TIME, VR::DT, &now.date_time());
    text(&mut processor, tags::CONTRIBUTION_DESCRIPTION, VR::ST, "Ran the model and wrote this object");
    purpose(&mut processor, "109102", "Processing Equipment");
    contributors.push(processor);
    element::sequence(object, tags::CONTRIBUTING_EQUIPMENT_SEQUENCE, contributors);
}

fn purpose(item: &mut InMemDicomObject, value: &str, meaning: &str) {
    element::code(item, tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &element::dcm(value, meaning));
}

/// Lossy compression of the source, carried over (C.7.6.1.1.5): pixels that were once compressed with loss stay so.
/// `01` asks for ratio and method (type 1C); a ratio that the source never stated cannot be made up here.
pub fn lossy_compression_from(object: &mut InMemDicomObject, source: &InMemDicomObject) {
    let lossy = element::first_text(source, tags::LOSSY_IMAGE_COMPRESSION).as_deref() == Some("01");
    text(object, tags::LOSSY_IMAGE_COMPRESSION, VR::CS, if lossy { "01" } else { "00" });
    if lossy {
        copy(object, source, tags::LOSSY_IMAGE_COMPRESSION_RATIO, VR::DS);
        copy(object, source, tags::LOSSY_IMAGE_COMPRESSION_METHOD, VR::CS);
    }
}
