//! The manifest `netra.toml`: everything that a package declares, as plain data. Unknown keys are refused everywhere,
//! so that a misspelt key never passes for a default.

mod files;
mod inferer;
mod input;
mod output;
mod postprocess;
mod preprocess;
mod steps;
mod validate;

use netra_core::{Error, Result};
use serde::{Deserialize, Serialize};

pub use files::{DataDigest, FileEntry, Golden, Hasher, Reduced, RelativePath, Sha256};
pub use inferer::{Blend, Inferer, Padding, Semantics};
pub use input::{InputContract, InputKind, Range, Unit, Voi};
pub use output::{Class, ClassificationAbstain, OutputContract, SegmentationAbstain, Threshold};
pub use postprocess::{Activation, AsDiscrete, Postprocess};
pub use preprocess::{Interpolation, Preprocess};

/// File name of the manifest inside a package.
pub const FILE_NAME: &str = "netra.toml";

/// Greatest size of a manifest in bytes.
pub const MAX_BYTES: u64 = 1 << 20;

/// Version of the manifest format that this crate reads.
pub const FORMAT: u32 = 1;

/// A whole manifest. [`Manifest::parse`] is the only way to one that is known to be valid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the manifest format: 1.
    pub format: u32,
    /// Identity and licence.
    pub model: ModelInfo,
    /// Ethics approval and consent basis.
    pub ethics: Ethics,
    /// Data sets the model was made from or measured on.
    #[serde(default)]
    pub data: Vec<DataSet>,
    /// What it is for, and what not.
    pub intended_use: IntendedUse,
    /// The network's files and interface.
    pub network: Network,
    /// What it accepts.
    pub input: InputContract,
    /// From scan to tensor.
    #[serde(default)]
    pub preprocess: Vec<Preprocess>,
    /// How the network meets the tensor.
    #[serde(default)]
    pub inferer: Inferer,
    /// From the network's output to the result.
    #[serde(default)]
    pub postprocess: Vec<Postprocess>,
    /// What the result means.
    pub output: OutputContract,
    /// Reported performance.
    #[serde(default)]
    pub performance: Vec<Performance>,
    /// Stated need of memory.
    pub memory: Memory,
    /// Recorded cases.
    #[serde(default)]
    pub golden: Vec<Golden>,
    /// Every file of the package but the manifest.
    pub files: Vec<FileEntry>,
}

/// Identity and licence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelInfo {
    /// Identifier: lower-case letters, digits and `-`, at most 64.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Semantic version of the package.
    pub version: String,
    /// What it does, in a few words.
    pub task: String,
    /// SPDX licence expression of the weights.
    pub licence: String,
    /// Who made the network and its weights.
    pub authors: Vec<String>,
    /// Where the weights come from.
    pub source: String,
    /// How to cite it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub citation: Option<String>,
}

/// Ethics approval and consent basis (ICMR MIDAS, domains 10 and 13).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ethics {
    /// Committee, number and date, or a plain statement that none is known or needed.
    pub approval: String,
    /// On which basis the data were used.
    pub consent: String,
}

/// A data set and its link to the model (ICMR MIDAS, domain 13).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSet {
    /// Name.
    pub name: String,
    /// What it was used for.
    pub role: DataRole,
    /// Licence or terms.
    pub licence: String,
    /// SHA-256, or `unknown`.
    pub digest: DataDigest,
    /// Where it is described.
    pub url: String,
    /// What the digest is taken over, number of cases, and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What a data set was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataRole {
    /// Fitting the weights.
    Training,
    /// Choosing between weights or settings.
    Validation,
    /// Measuring the performance.
    Test,
    /// Another model's answers on these data were the labels.
    Teacher,
}

/// What the model is for, and what not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntendedUse {
    /// What it is for.
    pub purpose: String,
    /// What it must not be used for.
    pub not_for: Vec<String>,
    /// Whom and what it was made on.
    pub population: String,
    /// Who is to use it.
    pub user: String,
}

/// The network's files and interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// ONNX file. Either this or `architecture` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<RelativePath>,
    /// Weight file, safetensors or PyTorch. Beside a graph its tensors replace the initialisers of the same names; an
    /// architecture takes all its weights from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<RelativePath>,
    /// Name of the graph's input.
    pub input: String,
    /// Name of the graph's output.
    pub output: String,
    /// Axes of the input.
    pub layout: Layout,
    /// Channels of the input (elements, for `NC`).
    pub channels: usize,
    /// Spatial size that the network needs, outermost first; any size when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Vec<usize>>,
    /// Architecture in the words of its origin, for weights without a graph: see
    /// [`Architecture::from_json`](netra_graph::arch::Architecture::from_json). Its input is called `input`, its output
    /// `output`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<serde_json::Value>,
}

/// Axes of the network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    /// Batch, channel, row, column.
    #[serde(rename = "NCHW")]
    Nchw,
    /// Batch, channel and three spatial axes.
    #[serde(rename = "NCDHW")]
    Ncdhw,
    /// Batch and elements.
    #[serde(rename = "NC")]
    Nc,
}

impl Layout {
    /// Number of spatial axes.
    pub fn axes(self) -> usize {
        match self {
            Layout::Nchw => 2,
            Layout::Ncdhw => 3,
            Layout::Nc => 0,
        }
    }
}

/// One reported figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Performance {
    /// What was measured.
    pub metric: String,
    /// The figure.
    pub value: f64,
    /// Number of cases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// Of whom; everybody when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subgroup: Option<String>,
    /// On which data.
    pub dataset: String,
    /// Who measured it, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Stated need of memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Bytes that a run on a typical input takes at its peak.
    pub peak_bytes: u64,
    /// What was run to know that, or how it was estimated.
    pub note: String,
}

impl Manifest {
    /// Parses and validates a manifest. `Malformed` names the key and what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(Error::limit(format!("a manifest of {} bytes (at most {MAX_BYTES})", bytes.len())));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|e| Error::malformed("the manifest is not UTF-8").at(FILE_NAME).with_source(e))?;
        let manifest: Manifest = toml::from_str(text).map_err(|e| {
            let line = e.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            let error = Error::malformed(e.message().to_owned());
            match line {
                Some(line) => error.at(format!("line {line}")),
                None => error,
            }
            .at(FILE_NAME)
            .with_source(e)
        })?;
        validate::check(&manifest).map_err(|e| e.at(FILE_NAME))?;
        Ok(manifest)
    }

    /// The entry of a file.
    pub fn file(&self, path: &RelativePath) -> Option<&FileEntry> {
        self.files.iter().find(|entry| entry.path == *path)
    }
}
