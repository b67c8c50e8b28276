//! Findings as a table for spreadsheets and statistics: one row a finding, the same columns for every model, so that the rows of
//! a batch make one table. No patient's name or number.

mod csv;
mod parquet;

use std::path::Path;

use netra_core::{CodedConcept, Error, Finding, Findings, Result};

use crate::Source;
use crate::origin::Origin;
use crate::quantity::{Quantity, decimal};

pub use csv::Csv;

/// One finding on one scan, a field a column, in the order of the columns. What is unknown is an empty cell, or a null.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The scan's id.
    pub scan: String,
    /// Study Instance UID.
    pub study_instance_uid: String,
    /// Series Instance UID.
    pub series_instance_uid: String,
    /// SOP Instance UID, for an image.
    pub sop_instance_uid: String,
    /// Frame number, counted from 1, for an image.
    pub frame: Option<u32>,
    /// Modality.
    pub modality: String,
    /// Package identifier.
    pub model: String,
    /// Version of the package.
    pub model_version: String,
    /// Digest of the package.
    pub model_sha256: String,
    /// `class` or `segment`.
    pub kind: &'static str,
    /// The class or segment by name.
    pub label: String,
    /// What it means; three columns: `code`, `coding_scheme`, `code_meaning`.
    pub concept: Option<CodedConcept>,
    /// `Probability`, `Volume`, `Area` or `Share of pixels`.
    pub measure: &'static str,
    /// The measured value.
    pub value: f64,
    /// Its unit in UCUM; `1` for a probability.
    pub unit: &'static str,
    /// Operating point of a class that has one.
    pub threshold: Option<f32>,
    /// Whether the class reaches it.
    pub positive: Option<bool>,
    /// Voxels of a segment; 0 when it was not found.
    pub voxels: Option<u64>,
    /// Warnings that the result carries; JSON and HTML tell them.
    pub warnings: usize,
}

/// A value under its column; nothing where it is unknown.
enum Cell<'a> {
    Text(&'a str),
    Whole(Option<i64>),
    Real(Option<f64>),
    Truth(Option<bool>),
}

/// Columns of a table.
const COLUMNS: usize = 21;

impl Row {
    /// The cells with the names of their columns.
    fn cells(&self) -> [(&'static str, Cell<'_>); COLUMNS] {
        use Cell::{Real, Text, Truth, Whole};
        let of_concept = |part: fn(&CodedConcept) -> &String| Text(self.concept.as_ref().map_or("", |c| part(c)));
        let count = |count: Option<u64>| Whole(count.and_then(|n| i64::try_from(n).ok()));
        [
            ("scan", Text(&self.scan)),
            ("study_instance_uid", Text(&self.study_instance_uid)),
            ("series_instance_uid", Text(&self.series_instance_uid)),
            ("sop_instance_uid", Text(&self.sop_instance_uid)),
            ("frame", count(self.frame.map(u64::from))),
            ("modality", Text(&self.modality)),
            ("model", Text(&self.model)),
            ("model_version", Text(&self.model_version)),
            ("model_sha256", Text(&self.model_sha256)),
            ("kind", Text(self.kind)),
            ("label", Text(&self.label)),
            ("code", of_concept(|c| &c.value)),
            ("coding_scheme", of_concept(|c| &c.scheme)),
            ("code_meaning", of_concept(|c| &c.meaning)),
            ("measure", Text(self.measure)),
            ("value", Real(Some(self.value).filter(|value| value.is_finite()))),
            ("unit", Text(self.unit)),
            ("threshold", Real(self.threshold.map(decimal))),
            ("positive", Truth(self.positive)),
            ("voxels", count(self.voxels)),
            ("warnings", count(Some(self.warnings as u64))),
        ]
    }
}

/// The rows of one result: one a class, or one a segment. Fails for a generated picture, which is no finding.
pub fn rows(findings: &Findings, source: &Source<'_>) -> Result<Vec<Row>> {
    let origin = Origin::of(source);
    let frame = match origin.kind {
        "image" => origin.frames.first(),
        _ => None,
    };
    let known = |text: &Option<String>| text.clone().unwrap_or_default();
    let common = Row {
        scan: source.scan.id(),
        study_instance_uid: known(&origin.acquisition.study_instance_uid),
        series_instance_uid: known(&origin.acquisition.series_instance_uid),
        sop_instance_uid: frame.map(|f| f.sop_instance_uid.clone()).unwrap_or_default(),
        frame: frame.map(|f| f.frame),
        modality: known(&origin.acquisition.modality),
        model: findings.model.id.clone(),
        model_version: findings.model.version.clone(),
        model_sha256: findings.model.digest.clone(),
        warnings: findings.warnings.len(),
        ..Row::default()
    };
    Ok(match &findings.finding {
        Finding::Classes(classes) => classes
            .iter()
            .map(|class| Row {
                kind: "class",
                label: class.label.clone(),
                concept: Some(class.concept.clone()),
                measure: "Probability",
                value: decimal(class.probability),
                unit: "1",
                threshold: class.threshold,
                positive: class.positive,
                ..common.clone()
            })
            .collect(),
        Finding::Segmentation { labels, extents } => labels
            .segments()
            .iter()
            .zip(extents)
            .map(|(segment, (voxels, extent))| {
                let Quantity { name, value, unit, .. } = Quantity::of(extent);
                Row {
                    kind: "segment",
                    label: segment.label.clone(),
                    concept: Some(segment.property_type.clone()),
                    measure: name,
                    value,
                    unit,
                    voxels: Some(*voxels),
                    ..common.clone()
                }
            })
            .collect(),
        _ => return Err(Error::unsupported("a table holds classes and segments, and this finding is neither")),
    })
}

/// Writes `rows` as one table: Parquet when the name of `out` ends so, CSV otherwise.
pub fn write(rows: &[Row], out: &Path) -> Result<()> {
    match out.extension() {
        Some(suffix) if suffix.eq_ignore_ascii_case("parquet") => parquet::write(rows, out),
        _ => csv::write(rows, out),
    }
}
