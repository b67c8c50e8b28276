//! DiagnosticReport with its conclusion, Media, and the recommendation of a MIDAS screening model.

use netra_core::{Classification, CodedConcept, Finding};
use serde_json::{Value, json};

use super::code::{LOINC, RECOMMENDATION, SNOMED, codeable, coding, concept, reference, system, uid_identifier, url};
use super::observation::is_abnormal;
use super::{Case, Profile, agents};
use crate::base64;
use crate::quantity::readable;

/// Profile of a report of imaging in the guide of the Ayushman Bharat Digital Mission (NRCeS).
const ABDM: &str = "https://nrces.in/ndhm/fhir/r4/StructureDefinition/DiagnosticReportImaging";

/// The report on `observations`, illustrated by `media`.
///
/// It claims ABDM's profile when it can keep it: someone interprets the results and a picture is embedded. A model's maker or a
/// device is nobody who interprets results, so without a named interpreter the report is a preliminary one of plain R4.
pub(super) fn diagnostic_report(case: &Case<'_>, observations: &[String], media: &[String]) -> Value {
    let interpreter = case.set.interpreter().map(agents::interpreter);
    let claimed = (interpreter.is_some() && !media.is_empty()).then_some(ABDM);
    let links = |urls: &[String]| urls.iter().map(|url| reference(url)).collect::<Vec<_>>();
    let name = format!("{} {}", case.findings.model.name, case.findings.model.version);
    json!({
        "resourceType": "DiagnosticReport",
        "meta": { "profile": [claimed], "security": [case.asserted()] },
        "identifier": [{ "system": "urn:ietf:rfc:3986", "value": url(case.set, "report") }],
        "status": case.status(),
        "category": [concept(SNOMED, "363679005", "Imaging")],
        "code": { "coding": [coding(LOINC, "18748-4", "Diagnostic imaging study")], "text": name },
        "subject": case.study.subject,
        "effectiveDateTime": case.study.date,
        "issued": case.set.now().rfc3339(),
        "performer": interpreter.iter().collect::<Vec<_>>(),
        "resultsInterpreter": interpreter.iter().collect::<Vec<_>>(),
        "result": links(observations),
        "imagingStudy": case.study_reference().into_iter().collect::<Vec<_>>(),
        "media": media.iter().map(|url| json!({ "comment": "Result", "link": reference(url) })).collect::<Vec<_>>(),
        "conclusion": conclusion(case),
        "conclusionCode": conclusion_codes(&case.findings.finding),
    })
}

/// The picture of the result, embedded as PNG; its identifier is the Secondary Capture of the same picture, where the set holds one.
pub(super) fn picture(case: &Case<'_>, png: &[u8]) -> Value {
    let now = case.set.now().rfc3339();
    // Only pictures of DICOM sources become Secondary Captures.
    let captured = case.set.holds("sc") && case.study.resource.is_some();
    json!({
        "resourceType": "Media",
        "meta": { "security": [case.asserted()] },
        "identifier": [captured.then(|| uid_identifier(&case.set.instance_uid("sc")))],
        "status": "completed",
        "type": concept("http://terminology.hl7.org/CodeSystem/media-type", "image", "Image"),
        "subject": case.study.subject,
        "createdDateTime": now,
        "bodySite": case.study.region,
        "deviceName": case.findings.model.name,
        "content": {
            "contentType": "image/png",
            "data": base64::encode(png),
            "title": format!("{}, machine output", case.findings.model.name),
            "creation": now,
        },
    })
}

/// What a model that knows MIDAS' recommendations recommends, as MIDAS' own gateway files it. A recommendation is a class of the
/// package whose concept has the scheme `99MIDAS` and which reaches its threshold; none is made of other classes.
pub(super) fn recommendation(case: &Case<'_>, basis: &[String]) -> Option<Value> {
    let Finding::Classes(classes) = &case.findings.finding else { return None };
    let recommended =
        |class: &&Classification| class.positive == Some(true) && system(&class.concept.scheme) == Some(RECOMMENDATION);
    let predictions: Vec<Value> = classes
        .iter()
        .filter(recommended)
        .map(|class| json!({ "outcome": codeable(&class.concept, &class.label) }))
        .collect();
    (case.profile == Profile::Midas && !predictions.is_empty()).then(|| {
        json!({
            "resourceType": "RiskAssessment",
            "meta": { "security": [case.asserted()] },
            "status": case.status(),
            "subject": case.study.subject,
            "occurrenceDateTime": case.set.now().rfc3339(),
            "performer": reference(&case.device),
            "basis": basis.iter().map(|url| reference(url)).collect::<Vec<_>>(),
            "prediction": predictions,
        })
    })
}

/// The findings in sentences.
fn conclusion(case: &Case<'_>) -> String {
    let mut sentences = vec![match case.set.interpreter() {
        Some(who) => format!("AI result, read by {}.", who.display()),
        None => "AI result, not reviewed by a person, for research, not for diagnosis.".to_owned(),
    }];
    match &case.findings.finding {
        Finding::Classes(classes) => sentences.extend(classes.iter().map(|class| {
            let verdict = match class.positive {
                Some(true) => "positive, ",
                Some(false) => "negative, ",
                None => "",
            };
            let threshold = class.threshold.map(|t| format!(", threshold {t}")).unwrap_or_default();
            format!("{}: {verdict}probability {}{threshold}.", class.label, class.probability)
        })),
        Finding::Segmentation { labels, extents } => {
            sentences.extend(labels.segments().iter().zip(extents).map(|(segment, (voxels, extent))| match voxels {
                0 => format!("{}: not found.", segment.label),
                _ => format!("{}: {}.", segment.label, readable(extent)),
            }));
        }
        _ => {}
    }
    sentences.join(" ")
}

/// SNOMED CT concepts that were found: classes that reach their threshold, and segments of abnormal structures.
fn conclusion_codes(finding: &Finding) -> Vec<Value> {
    let found: Vec<(&CodedConcept, &str)> = match finding {
        Finding::Classes(classes) => classes
            .iter()
            .filter(|class| class.positive == Some(true))
            .map(|class| (&class.concept, class.label.as_str()))
            .collect(),
        Finding::Segmentation { labels, extents } => labels
            .segments()
            .iter()
            .zip(extents)
            .filter(|(segment, (voxels, _))| *voxels > 0 && is_abnormal(segment))
            .map(|(segment, _)| (&segment.property_type, segment.label.as_str()))
            .collect(),
        _ => Vec::new(),
    };
    let snomed = found.into_iter().filter(|(concept, _)| system(&concept.scheme) == Some(SNOMED));
    snomed.map(|(concept, label)| codeable(concept, label)).collect()
}
