//! The root of the report (PS3.16 TID 1500): language, who observed, what was done, the images, the measurements.

use netra_core::Finding;

use super::{Report, library};
use crate::content::{Is, Item, Term, language, observer};
use crate::identity::NOT_FOR_DIAGNOSIS;

/// The tree of the report around its measurement groups.
pub(super) fn tree(report: &Report<'_>, groups: Vec<Item>) -> Item {
    let mut below = vec![language()];
    below.extend(observer(&report.findings.model));
    let procedure = Term("121058", "DCM", "Procedure reported");
    below.push(Item::code(Is::ConceptModifier, procedure, procedure_of(library::modality(report).as_deref())));
    below.push(library::items(report));
    if !groups.is_empty() {
        let measurements = Term("126010", "DCM", "Imaging Measurements");
        below.push(Item::container(Is::Contained, measurements).with(groups));
    }
    below.push(comments(report));
    Item::template(Is::Contained, Term("126000", "DCM", "Imaging Measurement Report"), "1500").with(below)
}

/// What was done to the patient, of context group 100: no more than the modality tells.
fn procedure_of(modality: Option<&str>) -> Term {
    match modality {
        Some("CT") => Term("25045-6", "LN", "CT unspecified body region"),
        Some("MR") => Term("25056-3", "LN", "MRI unspecified body region"),
        Some("CR" | "DX") => Term("43468-8", "LN", "XR unspecified body region"),
        Some("NM") => Term("49118-3", "LN", "NM unspecified body region"),
        Some("PT") => Term("44136-0", "LN", "PET unspecified body region"),
        _ => Term("363679005", "SCT", "Imaging procedure"),
    }
}

/// What a reader must know beside the numbers, as text under Qualitative Evaluations (TID 1500 row 12): that this is no
/// diagnosis, what the model is for, which segments no voxel has, and the warnings of the run.
fn comments(report: &Report<'_>) -> Item {
    let findings = report.findings;
    let mut texts = vec![NOT_FOR_DIAGNOSIS.to_owned()];
    if let Some(statement) = findings.statement.as_ref().filter(|statement| !statement.purpose.is_empty()) {
        texts.push(format!("The model is for: {}", statement.purpose));
    }
    if let Finding::Segmentation { labels, extents } = &findings.finding {
        let absent = labels.segments().iter().zip(extents).filter(|(_, (voxels, _))| *voxels == 0);
        let absent: Vec<&str> = absent.map(|(segment, _)| &*segment.label).collect();
        if !absent.is_empty() {
            texts.push(format!("Not found: {}", absent.join(", ")));
        }
    }
    texts.extend(findings.warnings.iter().map(|warning| format!("Warning: {}", warning.message)));
    let comment = Term("121106", "DCM", "Comment");
    let items = texts.iter().map(|text| Item::text(Is::Contained, comment, text)).collect();
    Item::container(Is::Contained, Term("C0034375", "UMLS", "Qualitative Evaluations")).with(items)
}
