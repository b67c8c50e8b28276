//! The source: ImagingStudy, the patient without a name, and what every resource says of both.

use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::CodedConcept;
use netra_dicom::write::Uids;
use netra_dicom::write::element::{first_text, items};
use serde_json::{Value, json};

use super::code::{DCM, codeable, coding, uid_identifier, urn_uuid};
use crate::origin::Origin;
use crate::{ResultSet, Source};

/// A source as FHIR speaks of it.
pub(super) struct Study {
    /// A logical reference to the patient, by a pseudonym of the study: whoever holds the study knows whom it stands for, and
    /// nobody learns it from the pseudonym, which is made of nothing but the Study Instance UID.
    pub subject: Value,
    /// Resource and the query that finds it where a server has it already; `None` for a source that is not DICOM.
    pub resource: Option<(Value, String)>,
    /// When the pictures were taken: the Study Date.
    pub date: Option<String>,
    /// The imaged region as a CodeableConcept.
    pub region: Option<Value>,
    /// Which frame, where one image of several is the source.
    pub frame: Option<String>,
}

impl Study {
    pub fn of(source: &Source<'_>, set: &ResultSet) -> Self {
        let origin = Origin::of(source);
        let study_uid = origin.acquisition.study_instance_uid.as_deref().filter(|uid| is_id(uid));
        let pseudonym = match study_uid {
            Some(uid) => Uids::derived(uid).uid("patient"),
            None => set.uid("fhir/patient"),
        };
        let identifier = json!({ "system": "urn:ietf:rfc:3986", "value": urn_uuid(&pseudonym) });
        let subject = json!({ "type": "Patient", "identifier": identifier });
        let date = origin.header.and_then(|header| first_text(header, tags::STUDY_DATE)).and_then(|text| date(&text));
        let resource = study_uid.and_then(|uid| {
            let resource = imaging_study(&origin, uid, &subject, date.as_deref())?;
            Some((resource, format!("identifier=urn:dicom:uid|urn:oid:{uid}")))
        });
        let frame = match origin.frames.as_slice() {
            [frame] if frame.frame > 1 => Some(format!("frame {} of {}", frame.frame, frame.sop_instance_uid)),
            _ => None,
        };
        Self { subject, resource, date, region: region(&origin), frame }
    }
}

/// ImagingStudy with the one series that was read. `None` when an identifier is missing or is none.
fn imaging_study(origin: &Origin<'_>, study: &str, subject: &Value, date: Option<&str>) -> Option<Value> {
    let series = origin.acquisition.series_instance_uid.as_deref().filter(|uid| is_id(uid))?;
    let modality = coding(DCM, origin.acquisition.modality.as_deref()?, "");
    let instances = origin.instances();
    if instances.is_empty() || !instances.iter().all(|i| is_id(&i.sop_instance_uid) && is_id(&i.sop_class_uid)) {
        return None;
    }
    let sop_class = |uid: &str| json!({ "system": "urn:ietf:rfc:3986", "code": format!("urn:oid:{uid}") });
    let described: Vec<Value> = instances
        .iter()
        .map(|instance| json!({ "uid": instance.sop_instance_uid, "sopClass": sop_class(&instance.sop_class_uid) }))
        .collect();
    Some(json!({
        "resourceType": "ImagingStudy",
        "identifier": [uid_identifier(study)],
        "status": "available",
        "modality": [modality],
        "subject": subject,
        "started": date,
        "numberOfSeries": 1,
        "numberOfInstances": described.len(),
        "series": [{
            "uid": series,
            "modality": modality,
            "numberOfInstances": described.len(),
            "instance": described,
        }],
    }))
}

/// Anatomic Region Sequence, else Body Part Examined as text.
fn region(origin: &Origin<'_>) -> Option<Value> {
    let coded =
        origin.header.and_then(|header| items(header, tags::ANATOMIC_REGION_SEQUENCE).first()).and_then(code_of);
    let body_part = origin.acquisition.body_part.as_deref();
    coded.map(|concept| codeable(&concept, &concept.meaning)).or_else(|| body_part.map(|text| json!({ "text": text })))
}

fn code_of(item: &InMemDicomObject) -> Option<CodedConcept> {
    Some(CodedConcept {
        value: first_text(item, tags::CODE_VALUE)?,
        scheme: first_text(item, tags::CODING_SCHEME_DESIGNATOR)?,
        meaning: first_text(item, tags::CODE_MEANING)?,
    })
}

/// `YYYYMMDD` as FHIR writes it.
fn date(text: &str) -> Option<String> {
    let digits = text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]))
}

/// Whether a UID is also a FHIR id, which is what ImagingStudy takes.
fn is_id(uid: &str) -> bool {
    (1..=64).contains(&uid.len()) && uid.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}
