//! What a run found, and under which circumstances: everything an exporter needs besides the scan itself.

use serde::{Deserialize, Serialize};

use crate::{CodedConcept, LabelMap, Probabilities, Saliency};

/// Which model produced a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// Package identifier, for example `lung-fields`.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// SHA-256 of the package manifest, lower-case hexadecimal; the manifest holds the digest of every file.
    pub digest: String,
}

/// What the maker of a model says of it: what readers of a result must be told beside the result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModelStatement {
    /// What it is for.
    pub purpose: String,
    /// What it must not be used for.
    pub not_for: Vec<String>,
    /// Whom and what it was made on.
    pub population: String,
    /// Who is to use it.
    pub user: String,
    /// Licence of the weights.
    pub licence: String,
    /// Where the weights come from.
    pub source: String,
    /// Ethics approval.
    pub approval: String,
    /// Consent basis of its data.
    pub consent: String,
}

/// Where the network ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendIdentity {
    /// `cpu` or `wgpu`.
    pub name: String,
    /// Processor and instruction set, or adapter and driver.
    pub device: String,
    /// Precision mode that ran: `exact`, `fast`, `bf16` or `int8`.
    pub precision: String,
    /// SHA-256 of the tuning whose choice of algorithms was in effect; `None` when the backend chose by itself.
    pub tuning: Option<String>,
    /// Whether values stayed on the device from the network's input to the labels, instead of being blended and decided on
    /// the host.
    pub resident: bool,
}

/// A probability in [0, 1].
pub type Probability = f32;

/// One output class of a classifier.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classification {
    /// Name for people.
    pub label: String,
    /// What it means.
    pub concept: CodedConcept,
    /// The network's output after its activation.
    pub probability: Probability,
    /// Operating point, when the package states one.
    pub threshold: Option<Probability>,
    /// Whether the probability reaches the threshold; `None` without one.
    pub positive: Option<bool>,
}

/// The size of one segment.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExtentMeasure {
    /// Cubic millimetres, for a volume.
    VolumeMm3(f64),
    /// Square millimetres, for an image whose pixel spacing is known.
    AreaMm2(f64),
    /// Share of all pixels, for an image without spacing.
    PixelShare(f64),
}

/// What was found in one image or volume.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Finding {
    /// Class probabilities.
    Classes(Vec<Classification>),
    /// A label map on the source grid with the extent of each segment, in the map's order.
    Segmentation {
        /// Labels on the source grid.
        labels: LabelMap,
        /// One entry a segment: voxels and size.
        extents: Vec<(u64, ExtentMeasure)>,
    },
    /// A picture or map that the network generated, `(channel, row, column)`.
    Generated(ndarray::Array3<f32>),
}

impl Finding {
    /// Whether a search ended without result: no voxel has a segment, every class is below its threshold.
    pub fn is_negative(&self) -> bool {
        match self {
            Finding::Classes(classes) => classes.iter().all(|class| class.positive == Some(false)),
            Finding::Segmentation { extents, .. } => extents.iter().all(|(voxels, _)| *voxels == 0),
            Finding::Generated(_) => false,
        }
    }
}

/// Wall time of one stage of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageTiming {
    /// Stage: `read`, `preprocess`, `network`, `postprocess`, an exporter's name.
    pub stage: String,
    /// Seconds.
    pub seconds: f64,
}

/// Something that the reader of the result should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// A stable word for programs, for example `pixel-spacing-missing`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

/// The result of one model on one scan.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Findings {
    /// The model.
    pub model: ModelIdentity,
    /// What its maker says of it; `None` for a network without a package.
    pub statement: Option<ModelStatement>,
    /// Where it ran.
    pub backend: BackendIdentity,
    /// What was found.
    pub finding: Finding,
    /// Where a classifier looked; `None` unless the run was asked for it.
    pub saliency: Option<Saliency>,
    /// The probability of each segment at each pixel; `None` unless the run was asked for it.
    pub probabilities: Option<Probabilities>,
    /// Wall time a stage, in order.
    pub timings: Vec<StageTiming>,
    /// Warnings of reading, gates and processing, in order.
    pub warnings: Vec<Warning>,
}

impl Findings {
    /// Findings without a statement, details, timings or warnings.
    pub fn new(model: ModelIdentity, backend: BackendIdentity, finding: Finding) -> Self {
        Self {
            model,
            statement: None,
            backend,
            finding,
            saliency: None,
            probabilities: None,
            timings: Vec::new(),
            warnings: Vec::new(),
        }
    }
}
