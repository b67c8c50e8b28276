//! Memory known before a run.

/// Peak memory of one compiled program on one backend, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Constants, in the form the backend keeps them (packed copies included).
    pub weights: u64,
    /// Most bytes of live values at any step, inputs and outputs included.
    pub activations: u64,
    /// Most bytes of scratch that one step needs on top.
    pub workspace: u64,
}

impl MemoryPlan {
    /// The sum: what the run adds to the process (cpu) or to the adapter (wgpu).
    pub fn peak(&self) -> u64 {
        self.weights + self.activations + self.workspace
    }
}
