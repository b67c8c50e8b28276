//! Test support: the oracle behind the backend seam, one suite for every backend, ONNX's node tests, golden comparison.
#![forbid(unsafe_code)]

pub mod dicom;
pub mod golden;
pub mod graphs;
#[allow(clippy::print_stderr)]
pub mod models;
pub mod node_tests;
mod oracle;
mod rng;
pub mod suite;

pub use oracle::OracleBackend;
pub use rng::Rng;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What a call on hostile bytes may take: a second, or as many as `NETRA_SECONDS` says, for an emulated processor.
pub fn patience() -> Duration {
    let seconds = std::env::var("NETRA_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1))
}

/// The root of the checkout.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Python interpreter that has all of `modules` (as after `import`): `NETRA_PYTHON`, else that of the workspace's `.venv`;
/// `None` (and a note on standard error) when it has not, in which case the test that asked should pass without doing anything.
#[allow(clippy::print_stderr)]
pub fn python(modules: &str) -> Option<PathBuf> {
    let python = std::env::var_os("NETRA_PYTHON").map_or(workspace().join(".venv/bin/python"), PathBuf::from);
    let import = format!("import {modules}");
    let usable = Command::new(&python).args(["-c", &import]).output().is_ok_and(|o| o.status.success());
    if !usable {
        eprintln!("skipped: no {modules} in {} (run tests/setup or set NETRA_PYTHON)", python.display());
    }
    usable.then_some(python)
}

/// The folder of shared models and scans: `NETRA_ASSETS`, else `../shared/assets` beside the checkout; `None` (and a
/// note on standard error) when absent, in which case the test that asked should pass without doing anything.
#[allow(clippy::print_stderr)]
pub fn assets() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/assets");
    let path = std::env::var_os("NETRA_ASSETS").map_or_else(beside, PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: no shared assets at {} (set NETRA_ASSETS)", path.display());
    None
}
