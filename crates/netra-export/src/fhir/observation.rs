//! Observations: one a segment with its size, one a class with its probability.

use netra_core::{Classification, Error, ExtentMeasure, Finding, Result, Segment};
use serde_json::{Value, json};

use super::Case;
use super::code::{DCM, SNOMED, codeable, coding, concept, quantity, uid_identifier, url};
use crate::extent::{self, Corner};
use crate::quantity::{Quantity, decimal};

/// Categories of segments (context group 7150): structures and tissues, which every body has, and what disease makes of them.
const ANATOMICAL_STRUCTURE: &str = "91723000";
const BODY_STRUCTURE: &str = "123037004";
const TISSUE: &str = "85756007";
const MORPHOLOGICALLY_ABNORMAL_STRUCTURE: &str = "49755003";

/// Roles and resources, in the order of the findings.
pub(super) fn all(case: &Case<'_>) -> Result<Vec<(String, Value)>> {
    let numbered = |resources: Vec<Value>| {
        resources.into_iter().enumerate().map(|(i, resource)| (url(case.set, &format!("observation/{i}")), resource))
    };
    Ok(match &case.findings.finding {
        Finding::Classes(classes) => numbered(classes.iter().map(|class| of_class(case, class)).collect()).collect(),
        Finding::Segmentation { labels, extents } => {
            let corners = extent::corners(labels.labels(), labels.segments());
            let segments = labels.segments().iter().zip(extents).zip(&corners);
            numbered(segments.map(|((segment, size), corners)| of_segment(case, segment, size, corners)).collect())
                .collect()
        }
        _ => return Err(Error::unsupported("FHIR holds classes and segments, and this finding is neither")),
    })
}

/// Whether a segment shows disease.
pub(super) fn is_abnormal(segment: &Segment) -> bool {
    is_of(segment, &[MORPHOLOGICALLY_ABNORMAL_STRUCTURE])
}

fn is_of(segment: &Segment, categories: &[&str]) -> bool {
    segment.category.scheme == "SCT" && categories.contains(&segment.category.value.as_str())
}

/// The size of a segment, with its longest diameter; its identifier is the Tracking UID that SEG and SR carry.
fn of_segment(
    case: &Case<'_>,
    segment: &Segment,
    (voxels, extent): &(u64, ExtentMeasure),
    corners: &[Corner],
) -> Value {
    let measured = Quantity::of(extent);
    let meaning = codeable(&segment.property_type, &segment.label);
    let text = format!("{} of {}", measured.name, segment.label);
    let code = match &measured.concept {
        Some(concept) => codeable(concept, &text),
        None => json!({ "text": text }),
    };
    let is_site = is_of(segment, &[ANATOMICAL_STRUCTURE, BODY_STRUCTURE, TISSUE]);
    let body_site = match &segment.anatomic_region {
        Some(region) => Some(codeable(region, &region.meaning)),
        None if is_site => Some(meaning.clone()),
        None => case.study.region.clone(),
    };
    let mut resource = common(case);
    resource["identifier"] = json!([uid_identifier(&case.set.tracking_uid(segment))]);
    resource["code"] = code;
    resource["bodySite"] = json!(body_site);
    resource["valueQuantity"] = quantity(measured.value, measured.unit);
    let count = i32::try_from(*voxels).ok().map(|n| json!({ "code": { "text": "Voxels" }, "valueInteger": n }));
    let finding = json!({ "code": concept(DCM, "121071", "Finding"), "valueCodeableConcept": meaning });
    let axis = extent::long_axis(corners, case.pixels).map(
        |length| json!({ "code": concept(SNOMED, "103339001", "Long axis"), "valueQuantity": quantity(length, "mm") }),
    );
    resource["component"] = [finding].into_iter().chain(count).chain(axis).collect();
    resource
}

/// The probability of a class; its interpretation only where the package states a threshold.
fn of_class(case: &Case<'_>, class: &Classification) -> Value {
    const INTERPRETATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation";
    let interpretation = class.positive.map(|positive| match positive {
        true => concept(INTERPRETATION, "POS", "Positive"),
        false => concept(INTERPRETATION, "NEG", "Negative"),
    });
    let threshold = class.threshold.map(
        |value| json!({ "code": { "text": "Decision threshold" }, "valueQuantity": quantity(decimal(value), "1") }),
    );
    let mut resource = common(case);
    resource["code"] = codeable(&class.concept, &format!("Probability of {}", class.label));
    resource["bodySite"] = json!(case.study.region);
    resource["valueQuantity"] = quantity(decimal(class.probability), "1");
    resource["interpretation"] = interpretation.into_iter().collect();
    resource["component"] = threshold.into_iter().collect();
    resource
}

/// What every Observation says: who found it, on what, how.
fn common(case: &Case<'_>) -> Value {
    const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
    let model = &case.findings.model;
    json!({
        "resourceType": "Observation",
        "meta": { "security": [case.asserted()] },
        "status": case.status(),
        "category": [concept(CATEGORY, "imaging", "Imaging")],
        "subject": case.study.subject,
        "effectiveDateTime": case.study.date,
        "issued": case.set.now().rfc3339(),
        "method": {
            "coding": [coding(DCM, "123110", "Artificial Intelligence")],
            "text": format!("{} {} {}", model.name, model.id, model.version),
        },
        "device": { "reference": case.device },
        "derivedFrom": case.study_reference().into_iter().collect::<Vec<_>>(),
    })
}
