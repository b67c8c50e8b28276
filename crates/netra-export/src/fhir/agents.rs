//! Device for the model, and Provenance: who made the result, of what.

use netra_dicom::write::SOFTWARE_VERSION;
use serde_json::{Value, json};

use super::Case;
use super::code::{DCM, concept, digest_identifier, reference};
use crate::Interpreter;

/// The model. Its identifier is the digest of its package; it has no Unique Device Identification.
pub(super) fn device(case: &Case<'_>) -> Value {
    let model = &case.findings.model;
    let notes = case.findings.statement.iter().flat_map(|statement| {
        let not_for = statement.not_for.iter().map(|text| ("Not for", text.as_str()));
        let told = [
            ("Purpose", statement.purpose.as_str()),
            ("User", &statement.user),
            ("Population", &statement.population),
            ("Licence", &statement.licence),
        ];
        told.into_iter().chain(not_for).filter(|(_, text)| !text.is_empty())
    });
    json!({
        "resourceType": "Device",
        "identifier": [digest_identifier(&model.digest)],
        "status": "active",
        "deviceName": [{ "name": model.name, "type": "user-friendly-name" }, { "name": model.id, "type": "model-name" }],
        "modelNumber": model.id,
        "type": concept(DCM, "123110", "Artificial Intelligence"),
        "version": [{ "value": model.version }],
        "note": notes.map(|(name, text)| json!({ "text": format!("{name}: {text}") })).collect::<Vec<_>>(),
    })
}

/// The query that finds the model where a server knows it already.
pub(super) fn device_query(case: &Case<'_>) -> String {
    format!("identifier=urn:ietf:rfc:3986|nih:sha-256;{}", case.findings.model.digest)
}

/// A logical reference to whoever answers for the result.
pub(super) fn interpreter(who: &Interpreter) -> Value {
    let (kind, identifier) = match who {
        Interpreter::Practitioner { identifier, .. } => ("Practitioner", identifier),
        Interpreter::Organization { identifier, .. } => ("Organization", identifier),
    };
    let identifier = identifier.as_ref().map(|id| json!({ "system": id.system, "value": id.value }));
    json!({ "type": kind, "identifier": identifier, "display": who.display() })
}

/// How `targets` came to be: the model as author, this program as assembler, whoever reviewed them as verifier; from the study,
/// the files that were read and the package.
pub(super) fn provenance(case: &Case<'_>, targets: &[String]) -> Value {
    const PARTICIPANT: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
    let agent =
        |code: &str, display: &str, who: Value| json!({ "type": concept(PARTICIPANT, code, display), "who": who });
    let backend = &case.findings.backend;
    let engine = format!("{SOFTWARE_VERSION}, {} ({}), {}", backend.name, backend.device, backend.precision);
    let verifier = case.set.interpreter().map(|who| agent("verifier", "Verifier", interpreter(who)));
    let mut agents = vec![
        agent("author", "Author", reference(&case.device)),
        agent("assembler", "Assembler", json!({ "type": "Device", "display": engine })),
    ];
    agents.extend(verifier);

    let model = &case.findings.model;
    let by_digest =
        |sha256: &str, display: String| json!({ "identifier": digest_identifier(sha256), "display": display });
    let files = case.set.inputs().iter().map(|file| by_digest(&file.sha256, format!("file of {} bytes", file.bytes)));
    let package = by_digest(&model.digest, format!("package {} {}", model.id, model.version));
    let entities = case.study_reference().into_iter().chain(files).chain([package]);
    json!({
        "resourceType": "Provenance",
        "target": targets.iter().map(|url| reference(url)).collect::<Vec<_>>(),
        "recorded": case.set.now().rfc3339(),
        "activity": concept("http://terminology.hl7.org/CodeSystem/v3-DataOperation", "CREATE", "create"),
        "agent": agents,
        "entity": entities.map(|what| json!({ "role": "source", "what": what })).collect::<Vec<_>>(),
    })
}
