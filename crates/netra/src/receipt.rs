//! The receipt of a run: which bytes went in, what ran, what came out. Enough to run it again and compare.

use netra_core::{BackendIdentity, Error, Finding, Findings, Limits, ModelIdentity, Result, StageTiming, Warning};
use netra_dicom::{FileDigest, GeometryPolicy, Scan};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Engine, Reading};

/// Names the layout of a receipt; it changes when a field changes its meaning or goes.
pub const FORMAT: &str = "netra-receipt/1";

/// What one reading of a scan was made of, and what it gave. No patient's name or number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Receipt {
    /// [`FORMAT`].
    pub format: String,
    /// Version of Netra.
    pub netra: String,
    /// The model, with the digest of its package.
    pub model: ModelIdentity,
    /// Backend, processor or adapter and driver, precision mode, tuning.
    pub backend: BackendIdentity,
    /// The device as [`Device`](crate::Device) reads it.
    pub device: String,
    /// What was to be done about slices on no regular grid.
    pub policy: GeometryPolicy,
    /// The scan.
    pub input: ReceiptInput,
    /// What was found.
    pub result: ResultDigest,
    /// Wall time a stage.
    pub timings: Vec<StageTiming>,
    /// Most memory that the process held, bytes, where the system tells.
    pub peak_bytes: Option<u64>,
    /// Warnings of reading, gates and processing.
    pub warnings: Vec<Warning>,
    /// The files that were written.
    pub outputs: Vec<ReceiptOutput>,
}

/// The scan that a run read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptInput {
    /// Where the user pointed to; `None` when it may not be told.
    pub path: Option<String>,
    /// [`Scan::id`], or what stands for it.
    pub scan: String,
    /// Which of the scan's readings this is, from 0.
    pub reading: usize,
    /// Every file of the scan.
    pub files: Vec<FileDigest>,
}

/// One written file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptOutput {
    /// The exporter's name.
    pub format: String,
    /// File name without folders.
    pub file: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

/// A finding by its digest, and the numbers that can be compared where digests differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultDigest {
    /// SHA-256 over kind, shape and every value, little endian.
    pub sha256: String,
    /// Of a classifier: class and probability.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<(String, f32)>,
    /// Of a segmentation: segment and voxels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<(String, u64)>,
}

/// How a result compares with a receipt's.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Comparison {
    /// The same in every bit.
    Identical,
    /// Different within the tolerance: another backend, device or precision.
    Within {
        /// Largest difference of a probability, or of a segment's voxels as a share of all segments'.
        difference: f64,
        /// What is allowed.
        tolerance: f64,
    },
    /// Different.
    Different {
        /// In what.
        why: String,
    },
}

impl ResultDigest {
    /// The digest of a finding.
    pub fn of(finding: &Finding) -> Self {
        let mut hash = Sha256::new();
        let shape = |hash: &mut Sha256, kind: &str, shape: &[usize]| {
            hash.update(kind.as_bytes());
            shape.iter().for_each(|&size| hash.update((size as u64).to_le_bytes()));
        };
        let (mut classes, mut segments) = (Vec::new(), Vec::new());
        match finding {
            Finding::Classes(found) => {
                shape(&mut hash, "classes", &[found.len()]);
                for class in found {
                    hash.update(class.probability.to_le_bytes());
                    classes.push((class.label.clone(), class.probability));
                }
            }
            Finding::Segmentation { labels, extents } => {
                shape(&mut hash, "segmentation", labels.labels().shape());
                for plane in labels.labels().outer_iter() {
                    let bytes: Vec<u8> = plane.iter().flat_map(|label| label.to_le_bytes()).collect();
                    hash.update(&bytes);
                }
                let named =
                    |(segment, (voxels, _)): (&netra_core::Segment, &(u64, _))| (segment.label.clone(), *voxels);
                segments = labels.segments().iter().zip(extents).map(named).collect();
            }
            Finding::Generated(values) => {
                shape(&mut hash, "generated", values.shape());
                values.iter().for_each(|value| hash.update(value.to_le_bytes()));
            }
            // A finding of a kind to come has no digest here before it has a place here.
            _ => shape(&mut hash, "unknown", &[]),
        }
        let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { sha256, classes, segments }
    }

    /// Compares with the recorded result. Where `exact`, the same device and precision, every bit must agree.
    pub fn compare(&self, recorded: &Self, exact: bool, tolerance: f64) -> Comparison {
        if self.sha256 == recorded.sha256 {
            return Comparison::Identical;
        }
        let different = |why: &str| Comparison::Different { why: why.to_owned() };
        if exact {
            return different("the same device and precision gave other values");
        }
        let names = |r: &Self| {
            let classes = r.classes.iter().map(|(name, _)| name.clone());
            classes.chain(r.segments.iter().map(|(name, _)| name.clone())).collect::<Vec<_>>()
        };
        if names(self) != names(recorded) || names(self).is_empty() {
            return different("the findings are not of one kind");
        }
        let classes = self.classes.iter().zip(&recorded.classes);
        let all = recorded.segments.iter().map(|(_, voxels)| *voxels).sum::<u64>().max(1) as f64;
        let segments = self.segments.iter().zip(&recorded.segments);
        let apart = classes.map(|((_, a), (_, b))| f64::from((a - b).abs()));
        let difference = apart.chain(segments.map(|((_, a), (_, b))| a.abs_diff(*b) as f64 / all)).fold(0.0, f64::max);
        if difference <= tolerance {
            Comparison::Within { difference, tolerance }
        } else {
            different(&format!("{difference:.2e} apart, {tolerance:.0e} is allowed"))
        }
    }
}

impl Receipt {
    /// The receipt of a reading of the scan that `input` tells.
    pub fn new(engine: &Engine, reading: &Reading<'_>, input: ReceiptInput) -> Self {
        let Findings { model, backend, finding, timings, warnings, .. } = &reading.findings;
        Self {
            format: FORMAT.to_owned(),
            netra: env!("CARGO_PKG_VERSION").to_owned(),
            model: model.clone(),
            backend: backend.clone(),
            device: engine.device().to_owned(),
            policy: engine.geometry_policy(),
            input,
            result: ResultDigest::of(finding),
            timings: timings.clone(),
            peak_bytes: None,
            warnings: warnings.clone(),
            outputs: Vec::new(),
        }
    }

    /// The scan whose files are the recorded ones, byte by byte. Fails with `Integrity` when none is.
    pub fn find_input<'s>(&self, scans: &'s [Scan], limits: &Limits) -> Result<&'s Scan> {
        let recorded: Vec<&str> = self.input.files.iter().map(|file| file.sha256.as_str()).collect();
        for scan in scans {
            let files = scan.digests(limits)?;
            if files.iter().map(|file| file.sha256.as_str()).eq(recorded.iter().copied()) {
                return Ok(scan);
            }
        }
        let text =
            format!("none of {} scans there consists of the {} files that were recorded", scans.len(), recorded.len());
        Err(Error::new(netra_core::ErrorKind::Integrity, text))
    }

    /// Fails with `Integrity` unless the engine's package is the recorded one.
    pub fn check_model(&self, engine: &Engine) -> Result<()> {
        let now = engine.pipeline().identity();
        if now.digest == self.model.digest {
            return Ok(());
        }
        let text = format!("package {} has digest {}, {} was recorded", now.id, now.digest, self.model.digest);
        Err(Error::new(netra_core::ErrorKind::Integrity, text))
    }
}

/// SHA-256 of a file's bytes, lower-case hexadecimal.
pub fn file_sha256(path: &std::path::Path) -> Result<String> {
    let failed = |e| Error::io(path, e);
    Ok(netra_dicom::sha256(std::fs::File::open(path).map_err(failed)?).map_err(failed)?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(sha: &str, segments: &[(&str, u64)]) -> ResultDigest {
        let segments = segments.iter().map(|(name, voxels)| ((*name).to_owned(), *voxels)).collect();
        ResultDigest { sha256: sha.to_owned(), classes: Vec::new(), segments }
    }

    #[test]
    fn other_devices_may_differ_within_the_tolerance() {
        let recorded = digest("a", &[("lung", 9_000), ("heart", 1_000)]);
        assert_eq!(recorded.compare(&recorded, true, 0.0), Comparison::Identical);
        let near = digest("b", &[("lung", 9_001), ("heart", 999)]);
        assert_eq!(near.compare(&recorded, false, 1e-3), Comparison::Within { difference: 1e-4, tolerance: 1e-3 });
        assert!(matches!(near.compare(&recorded, true, 1e-3), Comparison::Different { .. }));
        assert!(matches!(near.compare(&recorded, false, 1e-5), Comparison::Different { .. }));
        let other = digest("b", &[("lung", 9_000)]);
        assert!(matches!(other.compare(&recorded, false, 1.0), Comparison::Different { .. }));
    }
}
