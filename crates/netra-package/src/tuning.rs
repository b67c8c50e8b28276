//! `tuning.json`: what was measured on this machine about a package's network. It lies beside the manifest, which knows nothing
//! of it: a package is the same with and without it.

use std::path::Path;

use netra_core::Result;
use netra_graph::Tuning;

use crate::error::from_graph;
use crate::manifest::Sha256;
use crate::store;

/// Its name in a package's folder.
pub const FILE_NAME: &str = "tuning.json";
/// Most bytes of such a file.
pub(crate) const MAX_BYTES: u64 = 4 << 20;

/// A tuning as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TuningFile {
    /// What it says.
    pub tuning: Tuning,
    /// SHA-256 of its bytes.
    pub digest: Sha256,
}

impl TuningFile {
    /// Reads a file. Fails (`Io`, `Limit`, `Malformed`) when it is no tuning.
    pub fn read(path: &Path) -> Result<Self> {
        Self::from_bytes(&store::read(path, MAX_BYTES)?).map_err(|e| e.at(path.display()))
    }

    /// As [`read`](Self::read), from memory.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Ok(Self { tuning: Tuning::from_json(bytes).map_err(from_graph)?, digest: Sha256::of(bytes) })
    }
}
