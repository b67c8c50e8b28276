//! The finding as JSON, for programs. No patient's name or number.

use std::io::Write;
use std::path::Path;

use netra_core::{
    BackendIdentity, Classification, Error, ErrorKind, ExtentMeasure, Finding, Findings, LabelMap, ModelIdentity,
    Probabilities, Result, SaliencyMethod, Segment, StageTiming, Warning,
};
use serde::Serialize;

use crate::details::{HeatMaps, probabilities};
use crate::origin::Origin;
use crate::{Exporter, ResultSet, Source, atomic};

/// Names the layout of the document; it changes when a field changes its meaning or goes.
const FORMAT: &str = "netra-findings/1";

/// One JSON document with model, backend, source, finding, timings and warnings. Fields stand in a fixed order.
#[derive(Clone, Copy, Debug)]
pub struct Json;

impl Exporter for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn file_name(&self, stem: &str) -> String {
        format!("{stem}.json")
    }

    fn write(&self, findings: &Findings, source: &Source<'_>, _: &ResultSet, out: &Path) -> Result<()> {
        write(&Document::new(findings, source)?, out)
    }
}

/// A document for programs that people can read, too.
pub(crate) fn text(document: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(document);
    let text = text.map_err(|e| Error::new(ErrorKind::InvalidInput, format!("a value has no JSON form: {e}")))?;
    Ok(text + "\n")
}

/// Writes a document as JSON, whole or not at all.
pub fn write(document: &impl Serialize, out: &Path) -> Result<()> {
    let text = text(document).map_err(|e| e.at(out.display()))?;
    atomic::write(out, |file| file.write_all(text.as_bytes()).map_err(|e| Error::io(out, e)))
}

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    netra_version: &'static str,
    model: &'a ModelIdentity,
    backend: &'a BackendIdentity,
    source: SourceIdentity<'a>,
    finding: FindingDocument<'a>,
    /// Where a classifier looked; absent unless the run was asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    saliency: Option<SaliencyDocument<'a>>,
    timings: &'a [StageTiming],
    warnings: &'a [Warning],
}

#[derive(Serialize)]
struct SourceIdentity<'a> {
    id: String,
    kind: &'static str,
    shape: [usize; 3],
    /// Millimetres between neighbours along slice, row and column; null when unknown.
    spacing_mm: Option<Vec<f64>>,
    modality: Option<&'a str>,
    sop_class_uid: Option<&'a str>,
    study_instance_uid: Option<&'a str>,
    series_instance_uid: Option<&'a str>,
    instances: Vec<InstanceReference<'a>>,
}

#[derive(Serialize)]
struct InstanceReference<'a> {
    sop_instance_uid: &'a str,
    frame: u32,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum FindingDocument<'a> {
    Classes { classes: &'a [Classification] },
    Segmentation { segments: Vec<SegmentDocument<'a>> },
    Generated { shape: [usize; 3], minimum: f32, maximum: f32 },
}

#[derive(Serialize)]
struct SegmentDocument<'a> {
    #[serde(flatten)]
    segment: &'a Segment,
    voxels: u64,
    extent: &'a ExtentMeasure,
    /// Mean of the segment's probability over its own voxels, before labels were mended; absent unless the run was asked for
    /// probabilities, and where there are no voxels.
    #[serde(skip_serializing_if = "Option::is_none")]
    mean_probability: Option<f64>,
}

#[derive(Serialize)]
struct SaliencyDocument<'a> {
    /// `class_activation` or `occlusion`.
    method: SaliencyMethod,
    /// What the values of the maps are.
    meaning: &'static str,
    /// The most probable class first.
    maps: Vec<HeatDocument<'a>>,
}

#[derive(Serialize)]
struct HeatDocument<'a> {
    /// Label of the class.
    class: &'a str,
    minimum: f32,
    maximum: f32,
    /// Slice, row and column of the maximum on the source grid, from 0; the first of several.
    maximum_at: [usize; 3],
}

impl<'a> Document<'a> {
    fn new(findings: &'a Findings, source: &Source<'a>) -> Result<Self> {
        Ok(Self {
            format: FORMAT,
            netra_version: env!("CARGO_PKG_VERSION"),
            model: &findings.model,
            backend: &findings.backend,
            source: SourceIdentity::new(source),
            finding: FindingDocument::new(findings)?,
            saliency: HeatMaps::of(findings, source)?.map(SaliencyDocument::new),
            timings: &findings.timings,
            warnings: &findings.warnings,
        })
    }
}

impl<'a> SourceIdentity<'a> {
    fn new(source: &Source<'a>) -> Self {
        let Origin { kind, acquisition, spacing, frames, .. } = Origin::of(source);
        Self {
            id: source.scan.id(),
            kind,
            shape: source.pixels.shape(),
            spacing_mm: spacing,
            modality: acquisition.modality.as_deref(),
            sop_class_uid: acquisition.sop_class_uid.as_deref(),
            study_instance_uid: acquisition.study_instance_uid.as_deref(),
            series_instance_uid: acquisition.series_instance_uid.as_deref(),
            instances: frames
                .iter()
                .map(|frame| InstanceReference { sop_instance_uid: &frame.sop_instance_uid, frame: frame.frame })
                .collect(),
        }
    }
}

impl<'a> SaliencyDocument<'a> {
    fn new(heat: HeatMaps<'a>) -> Self {
        let maps = heat.maps.iter().map(|map| HeatDocument {
            class: &map.class.label,
            minimum: map.minimum,
            maximum: map.maximum,
            maximum_at: map.maximum_at,
        });
        Self { method: heat.method, meaning: heat.method.meaning(), maps: maps.collect() }
    }
}

/// The mean probability of each segment where the map has its label, in the map's order; nothing when the run was not asked for
/// probabilities.
fn mean_probabilities(findings: &Findings, map: &LabelMap) -> Result<Vec<Option<f64>>> {
    let Some(probabilities) = probabilities(findings, map)? else { return Ok(Vec::new()) };
    let index_of = Segment::places(map.segments());
    let mut sums = vec![(0u64, 0u64); map.segments().len()];
    for ((slice, row, column), &label) in map.labels().indexed_iter() {
        if let Some(index) = index_of[usize::from(label)] {
            sums[index].0 += u64::from(probabilities[(index, slice, row, column)]);
            sums[index].1 += 1;
        }
    }
    let mean =
        |(sum, count): (u64, u64)| (count > 0).then(|| sum as f64 / (count as f64 * f64::from(Probabilities::MAXIMUM)));
    Ok(sums.into_iter().map(mean).collect())
}

impl<'a> FindingDocument<'a> {
    fn new(findings: &'a Findings) -> Result<Self> {
        Ok(match &findings.finding {
            Finding::Classes(classes) => Self::Classes { classes },
            Finding::Segmentation { labels, extents } => {
                let mut means = mean_probabilities(findings, labels)?.into_iter();
                let segments = labels.segments().iter().zip(extents).map(|(segment, (voxels, extent))| {
                    let mean_probability = means.next().flatten();
                    SegmentDocument { segment, voxels: *voxels, extent, mean_probability }
                });
                Self::Segmentation { segments: segments.collect() }
            }
            Finding::Generated(map) => {
                let (channels, rows, columns) = map.dim();
                Self::Generated {
                    shape: [channels, rows, columns],
                    minimum: map.iter().copied().fold(f32::INFINITY, f32::min),
                    maximum: map.iter().copied().fold(f32::NEG_INFINITY, f32::max),
                }
            }
            _ => return Err(Error::unsupported("JSON does not know this kind of finding")),
        })
    }
}
