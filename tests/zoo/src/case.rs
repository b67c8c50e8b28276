//! A network's folder: what `export.py` wrote and what runs add.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Result;

/// Errors against the float64 reference as shares of the range of the output, the worst over all outputs.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Errors {
    /// The largest.
    pub max: f64,
    /// The 99.9th percentile.
    pub p999: f64,
}

impl Errors {
    /// How many times `other` these are, the worse of the two figures.
    pub fn over(&self, other: &Errors) -> f64 {
        (self.max / other.max).max(self.p999 / other.p999)
    }
}

/// `case.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// Name of the folder.
    pub name: String,
    /// Source and architecture, for readers.
    pub title: String,
    /// `TorchScript` or `dynamo`.
    pub exporter: String,
    /// ONNX operator set of the file.
    pub opset: i64,
    /// Parameters of the torch module.
    pub parameters: u64,
    /// ONNX Runtime's float32 errors (CPU provider, default options).
    pub onnxruntime_error: Errors,
    /// torch's own float32 errors.
    pub torch_error: Errors,
    /// Versions of the Python packages.
    pub versions: BTreeMap<String, String>,
    /// The folder.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// A run that gave outputs.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Run {
    /// The worst over all outputs.
    pub errors: Errors,
    /// Seconds to read the file.
    pub read: f64,
    /// Seconds to fix shapes, fold, fuse and lower.
    pub specialise: f64,
    /// Seconds to compile for the backend.
    pub compile: f64,
    /// Seconds of the first run.
    pub run: f64,
    /// Shape of the input.
    pub input: Vec<usize>,
    /// ONNX operators in the file that are not constants.
    pub operators: usize,
    /// Steps of the program.
    pub steps: usize,
}

/// What became of a network on a backend.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Outcome {
    /// It ran.
    Ran(Run),
    /// The file was not read, or no program came of it.
    NotLoaded(String),
    /// The backend refused the program, or the run failed.
    NotRun(String),
}

/// `BACKEND.json`.
#[derive(Deserialize, Serialize)]
struct Record {
    device: String,
    profile: String,
    outcome: Outcome,
}

impl Case {
    /// Reads `case.json` of a folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("case.json");
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let case: Case = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self { folder: folder.into(), ..case })
    }

    /// Keeps what became of it on a backend.
    pub fn keep(&self, backend: &str, device: &str, outcome: &Outcome) -> Result<()> {
        let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
        let record = Record { device: device.into(), profile: profile.into(), outcome: outcome.clone() };
        fs::write(self.folder.join(format!("{backend}.json")), serde_json::to_string_pretty(&record)?)?;
        Ok(())
    }

    /// What was kept, with the device and the build profile; `None` when it has not been run on this backend.
    pub fn kept(&self, backend: &str) -> Option<(Outcome, String, String)> {
        let text = fs::read_to_string(self.folder.join(format!("{backend}.json"))).ok()?;
        let record: Record = serde_json::from_str(&text).ok()?;
        Some((record.outcome, record.device, record.profile))
    }
}

/// The networks in a folder of `export.py`, by name; only those named, when names are given.
pub fn folders(zoo: &Path, names: &[String]) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(zoo).map_err(|e| format!("{}: {e}", zoo.display()))?;
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|e| e.path()).filter(|p| p.join("case.json").is_file()).collect();
    found.sort();
    if !names.is_empty() {
        let missing = names.iter().find(|n| !found.iter().any(|p| p.ends_with(n)));
        if let Some(name) = missing {
            return Err(format!("{} holds no network '{name}'", zoo.display()).into());
        }
        found.retain(|p| names.iter().any(|n| p.ends_with(n)));
    }
    Ok(found)
}
