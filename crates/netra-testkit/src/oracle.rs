//! The reference evaluator behind the backend seam.

use std::sync::Arc;

use netra_graph::{
    Backend, CompileOptions, DeviceInfo, Executable, MemoryPlan, Program, Result, RunFuture, TensorView, Unsupported,
    eval,
};

/// A backend that runs every kernel with plain loops: for tests of what stands above the seam.
#[derive(Debug)]
pub struct OracleBackend(DeviceInfo);

impl Default for OracleBackend {
    fn default() -> Self {
        Self(DeviceInfo::new("reference evaluator"))
    }
}

struct Compiled(Arc<Program>);

impl Backend for OracleBackend {
    fn name(&self) -> &str {
        "oracle"
    }

    fn device(&self) -> &DeviceInfo {
        &self.0
    }

    fn unsupported(&self, _: &Program) -> Vec<Unsupported> {
        Vec::new()
    }

    fn compile(&self, program: Arc<Program>, _: &CompileOptions<'_>) -> Result<Box<dyn Executable>> {
        Ok(Box::new(Compiled(program)))
    }
}

impl Executable for Compiled {
    fn program(&self) -> &Program {
        &self.0
    }

    fn plan(&self) -> MemoryPlan {
        let activations = self.0.values.iter().filter(|v| v.constant.is_none()).map(|v| v.bytes() as u64).sum();
        MemoryPlan { weights: self.0.weight_bytes() as u64, activations, workspace: 0 }
    }

    fn submit<'a>(&'a self, inputs: &[TensorView<'_>]) -> RunFuture<'a> {
        let result = eval::run(&self.0, inputs);
        Box::pin(std::future::ready(result))
    }
}
