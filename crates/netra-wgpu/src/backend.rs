//! The backend behind the seam.

use std::sync::Arc;

use burn_cubecl::CubeDevice;
use netra_graph::{Backend, CompileOptions, DeviceInfo, Executable, Program, Result, Unsupported, Volumes};

use crate::adapter::{self, AdapterInfo, AdapterSelector};
use crate::executable::WgpuExecutable;
use crate::gpu::Gpu;
use crate::steps;

/// A graphics adapter, brought up and ready to compile programs.
pub struct WgpuBackend {
    gpu: Gpu,
    adapter: AdapterInfo,
    device: DeviceInfo,
}

impl WgpuBackend {
    /// Brings an adapter up.
    ///
    /// Fails with [`ErrorKind::Backend`](netra_graph::ErrorKind::Backend) when there is none that the selector allows
    /// (the message says what was looked for and what is there), or when it does not come up.
    pub fn open(selector: AdapterSelector) -> Result<Self> {
        Self::open_among(selector, &adapter::adapters())
    }

    /// As [`open`](Self::open), for a caller that has listed the adapters already: listing takes a tenth of a second.
    pub fn open_among(selector: AdapterSelector, all: &[AdapterInfo]) -> Result<Self> {
        let (adapter, device) = adapter::open(selector, all)?;
        let limit = adapter.limits.max_binding_bytes.min(adapter.limits.max_buffer_bytes);
        let gpu = Gpu::new(CubeDevice::Wgpu(device), usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(Self::with(gpu, adapter))
    }

    /// The same adapter, with tensors cut in parts of at most `bytes` where the adapter would bind more: to keep
    /// buffers small, or to test what a small adapter does.
    #[must_use]
    pub fn with_max_buffer_bytes(self, bytes: u64) -> Self {
        let gpu = self.gpu.with_limit(usize::try_from(bytes).unwrap_or(usize::MAX));
        Self::with(gpu, self.adapter)
    }

    fn with(gpu: Gpu, adapter: AdapterInfo) -> Self {
        let device = DeviceInfo::new(format!("{} ({}, {})", adapter.name, adapter.api, adapter.driver))
            .software(adapter.software)
            .max_buffer_bytes(gpu.limit() as u64);
        Self { gpu, adapter, device }
    }

    /// The adapter that was opened.
    pub fn adapter(&self) -> &AdapterInfo {
        &self.adapter
    }
}

impl Backend for WgpuBackend {
    fn name(&self) -> &str {
        "wgpu"
    }

    fn device(&self) -> &DeviceInfo {
        &self.device
    }

    fn unsupported(&self, program: &Program) -> Vec<Unsupported> {
        let refuse =
            |node: &str, kernel: &str, reason| Unsupported { node: node.into(), kernel: kernel.into(), reason };
        let steps = program.steps.iter().filter_map(|step| {
            let reason = steps::check(program, step, self.gpu.limit()).err()?;
            Some(refuse(&step.node, step.kernel.name(), reason))
        });
        // What no step touches (an input that is an output, a constant output) stays on the host.
        steps.collect()
    }

    fn compile(&self, program: Arc<Program>, options: &CompileOptions<'_>) -> Result<Box<dyn Executable>> {
        let missing = self.unsupported(&program);
        if !missing.is_empty() {
            return Err(Unsupported::error(self.name(), &missing));
        }
        let executable = WgpuExecutable::compile(self.gpu.clone(), program, self.device.software, options)?;
        Ok(Box::new(executable))
    }

    fn volumes(&self) -> Option<&dyn Volumes> {
        Some(&self.gpu)
    }
}
