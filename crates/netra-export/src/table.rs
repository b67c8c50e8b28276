//! Findings as a table for spreadsheets and statistics: one row a finding, the same columns for every model, so that the rows of
//! a batch make one table. CSV (RFC 4180) in UTF-8. No patient's name or number.

use std::io::Write;
use std::path::Path;

use netra_core::{CodedConcept, Error, Finding, Findings, Result};

use crate::origin::Origin;
use crate::quantity::{Quantity, decimal};
use crate::{Exporter, ResultSet, Source, atomic};

/// One finding on one scan, a field a column, in the order of the columns. What is unknown is an empty cell.
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

const HEADER: [&str; 21] = [
    "scan",
    "study_instance_uid",
    "series_instance_uid",
    "sop_instance_uid",
    "frame",
    "modality",
    "model",
    "model_version",
    "model_sha256",
    "kind",
    "label",
    "code",
    "coding_scheme",
    "code_meaning",
    "measure",
    "value",
    "unit",
    "threshold",
    "positive",
    "voxels",
    "warnings",
];

impl Row {
    /// The cells under [`HEADER`].
    fn cells(&self) -> [String; HEADER.len()] {
        let of_concept = |part: fn(&CodedConcept) -> &String| self.concept.as_ref().map(part).map(|p| text(p));
        [
            text(&self.scan),
            text(&self.study_instance_uid),
            text(&self.series_instance_uid),
            text(&self.sop_instance_uid),
            number(self.frame),
            text(&self.modality),
            text(&self.model),
            text(&self.model_version),
            text(&self.model_sha256),
            text(self.kind),
            text(&self.label),
            of_concept(|c| &c.value).unwrap_or_default(),
            of_concept(|c| &c.scheme).unwrap_or_default(),
            of_concept(|c| &c.meaning).unwrap_or_default(),
            text(self.measure),
            number(self.value.is_finite().then_some(self.value)),
            text(self.unit),
            number(self.threshold),
            number(self.positive),
            number(self.voxels),
            self.warnings.to_string(),
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

/// Writes `rows` under one header: lines end with CR LF, numbers have a point, and cells that a spreadsheet would take for a
/// formula begin with an apostrophe.
pub fn write(rows: &[Row], out: &Path) -> Result<()> {
    let mut table = HEADER.join(",") + "\r\n";
    for row in rows {
        table += &row.cells().join(",");
        table += "\r\n";
    }
    atomic::write(out, |file| file.write_all(table.as_bytes()).map_err(|e| Error::io(out, e)))
}

/// The table of one result.
#[derive(Clone, Copy, Debug)]
pub struct Csv;

impl Exporter for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn file_name(&self, stem: &str) -> String {
        format!("{stem}.csv")
    }

    fn write(&self, findings: &Findings, source: &Source<'_>, _: &ResultSet, out: &Path) -> Result<()> {
        write(&rows(findings, source).map_err(|e| e.at(out.display()))?, out)
    }
}

/// A text as a cell. One that begins like a formula gets an apostrophe in front, which spreadsheets do not show; one with a
/// separator, a quotation mark or a line end is quoted.
fn text(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let safe = if formula { format!("'{text}") } else { text.to_owned() };
    if safe.contains([',', '"', '\r', '\n']) { format!("\"{}\"", safe.replace('"', "\"\"")) } else { safe }
}

/// A number as a cell; empty without one.
fn number<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn no_cell_is_a_formula_or_breaks_its_line() {
        for (plain, cell) in [
            ("Lung", "Lung"),
            ("Lung, left", "\"Lung, left\""),
            ("so-called \"mass\"", "\"so-called \"\"mass\"\"\""),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(text(plain), cell);
        }
    }
}
