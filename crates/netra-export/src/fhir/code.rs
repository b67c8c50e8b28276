//! Small pieces of FHIR: concepts, identifiers, references, and an object without its empty members.

use netra_core::CodedConcept;
use serde_json::{Map, Value, json};

use crate::ResultSet;

pub(super) const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
pub(super) const LOINC: &str = "http://loinc.org";
pub(super) const SNOMED: &str = "http://snomed.info/sct";
const UCUM: &str = "http://unitsofmeasure.org";

/// Coding Scheme Designator of the recommendations of MIDAS' screening service, and its system.
const RECOMMENDATION_SCHEME: &str = "99MIDAS";
pub(super) const RECOMMENDATION: &str = "https://terminology.midas.iisc.ac.in/remote-screening-recommendation";

/// The FHIR system of a Coding Scheme Designator (PS3.16 section 8); `None` for one that has no known URI.
pub(super) fn system(scheme: &str) -> Option<&'static str> {
    Some(match scheme {
        "SCT" => SNOMED,
        "DCM" => DCM,
        "LN" => LOINC,
        "UCUM" => UCUM,
        "SRT" => "http://snomed.info/srt",
        "RADLEX" => "http://www.radlex.org",
        "FMA" => "http://purl.org/sig/ont/fma",
        "NCIt" => "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
        RECOMMENDATION_SCHEME => RECOMMENDATION,
        _ => return None,
    })
}

pub(super) fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({ "system": system, "code": code, "display": display })
}

/// A CodeableConcept with one coding.
pub(super) fn concept(system: &str, code: &str, display: &str) -> Value {
    json!({ "coding": [coding(system, code, display)] })
}

/// A concept of a package or a header, called `text`. One of an unknown scheme is text alone: a code without its system would
/// say nothing.
pub(super) fn codeable(concept: &CodedConcept, text: &str) -> Value {
    let coding = system(&concept.scheme).map(|system| coding(system, &concept.value, &concept.meaning));
    json!({ "coding": coding.into_iter().collect::<Vec<_>>(), "text": text })
}

/// A Quantity in UCUM.
pub(super) fn quantity(value: f64, unit: &str) -> Value {
    json!({ "value": value, "unit": unit, "system": UCUM, "code": unit })
}

/// Our UIDs are UUIDs under the root 2.25 (PS3.5 B.2); this is the UUID as a URN.
pub(super) fn urn_uuid(uid: &str) -> String {
    let number = uid.strip_prefix("2.25.").and_then(|digits| digits.parse::<u128>().ok()).unwrap_or_default();
    let hex = format!("{number:032x}");
    format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Full URL of the resource of a role in this set.
pub(super) fn url(set: &ResultSet, role: &str) -> String {
    urn_uuid(&set.uid(&format!("fhir/{role}")))
}

/// A literal reference within the bundle.
pub(super) fn reference(url: &str) -> Value {
    json!({ "reference": url })
}

/// A DICOM UID as an identifier.
pub(super) fn uid_identifier(uid: &str) -> Value {
    json!({ "system": "urn:dicom:uid", "value": format!("urn:oid:{uid}") })
}

/// A SHA-256 as an identifier (RFC 6920 section 7).
pub(super) fn digest_identifier(sha256: &str) -> Value {
    json!({ "system": "urn:ietf:rfc:3986", "value": format!("nih:sha-256;{sha256}") })
}

/// Without null, empty texts, lists and objects, none of which FHIR's JSON may hold.
pub(super) fn pruned(value: Value) -> Value {
    let kept = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    };
    match value {
        Value::Array(items) => items.into_iter().map(pruned).filter(kept).collect(),
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| (name, pruned(value)));
            Value::Object(members.filter(|(_, value)| kept(value)).collect::<Map<_, _>>())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_empty_is_left() {
        let value = json!({ "a": null, "b": [null, { "c": " " }], "d": { "e": [] }, "f": [0, false, "x"] });
        assert_eq!(pruned(value), json!({ "f": [0, false, "x"] }));
    }

    #[test]
    fn a_uid_under_the_uuid_root_is_that_uuid() {
        // The example of PS3.5 B.2.
        let urn = urn_uuid("2.25.329800735698586629295641978511506172918");
        assert_eq!(urn, "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
    }

    #[test]
    fn a_scheme_without_a_uri_is_text_alone() {
        let concept = CodedConcept { value: "7".into(), scheme: "99LOCAL".into(), meaning: "Seven".into() };
        assert_eq!(pruned(codeable(&concept, "Seven")), json!({ "text": "Seven" }));
    }
}
