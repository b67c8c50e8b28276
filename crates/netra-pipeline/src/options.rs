//! What a run is told, and what it tells.

use netra_core::{Detail, Limits};
use netra_package::scope::Unstated;

/// A part of a run, for progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Decoding the scan; counted in frames. The pipeline itself never tells of it: whoever reads for it does.
    Read,
    /// From scan to tensor; counted once.
    Preprocess,
    /// The network; counted in windows.
    Network,
    /// From tensor to findings; counted once.
    Postprocess,
    /// Where a classifier looked; counted in runs of the network.
    Saliency,
}

impl Stage {
    /// The name under which its time is listed in the findings.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Read => "read",
            Stage::Preprocess => "preprocess",
            Stage::Network => "network",
            Stage::Postprocess => "postprocess",
            Stage::Saliency => "saliency",
        }
    }
}

/// Told how much of a stage is done: (stage, done, total), from several threads.
pub type Progress<'a> = &'a (dyn Fn(Stage, usize, usize) + Sync);

/// Settings of a run.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct RunOptions<'a> {
    /// Told how far the run is.
    pub progress: Option<Progress<'a>>,
    /// What to do about attributes that the contract restricts and the scan does not state.
    pub unstated: Unstated,
    /// What to compute beside the findings themselves.
    pub detail: Detail,
    /// Bounds on what steps may allocate.
    pub limits: Limits,
    /// Bytes that the network may take, weights included: tiles shrink to stay below; a model that is not tiled cannot, and fails
    /// (`Limit`) before it runs.
    pub network_bytes: Option<u64>,
    /// Bytes of the device that volumes may take beside the network; what needs more goes through the host's memory, all of it
    /// with 0.
    pub resident_bytes: Option<u64>,
}
