//! The backend behind the seam.

use std::sync::Arc;

use burn_cubecl::CubeDevice;
use burn_wgpu::WgpuDevice;
use netra_graph::{
    Backend, CompileOptions, DeviceInfo, Error, Executable, Kernel, MeasuredOn, Precision, Program, Result, TensorView,
    Tuned, Unsupported, Volumes,
};

use crate::adapter::{self, AdapterInfo, AdapterSelector};
use crate::executable::WgpuExecutable;
use crate::fault::{self, guarded};
use crate::gpu::Gpu;
use crate::steps::{self, Choice, Setting};
use crate::tune::Tuner;

/// A graphics adapter, brought up and ready to compile programs.
pub struct WgpuBackend {
    gpu: Gpu,
    adapter: AdapterInfo,
    device: DeviceInfo,
    /// The algorithm of every convolution that it can compute.
    forced: Option<Choice>,
}

impl WgpuBackend {
    /// Brings an adapter up.
    ///
    /// Fails with [`ErrorKind::Backend`](netra_graph::ErrorKind::Backend) when there is none that the selector allows
    /// (the message says what was looked for and what is there), when it does not come up, or when it was lost earlier in
    /// this process.
    pub fn open(selector: AdapterSelector) -> Result<Self> {
        Self::open_among(selector, &adapter::adapters())
    }

    /// As [`open`](Self::open), for a caller that has listed the adapters already: listing takes a tenth of a second.
    pub fn open_among(selector: AdapterSelector, all: &[AdapterInfo]) -> Result<Self> {
        let (adapter, device) = adapter::open(selector, all)?;
        let backend = Self::on(device, adapter);
        fault::responds(&backend.gpu)?;
        Ok(backend)
    }

    /// A device that came up.
    pub(crate) fn on(device: WgpuDevice, adapter: AdapterInfo) -> Self {
        let limit = adapter.limits.max_binding_bytes.min(adapter.limits.max_buffer_bytes);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let name = format!("{} ({}, {})", adapter.index, adapter.name, adapter.api);
        // wgpu asks Vulkan for robust buffer access, and DirectX has nothing else.
        let robust = matches!(adapter.api, "vulkan" | "dx12");
        let gpu = Gpu::new(CubeDevice::Wgpu(device), &name, limit, adapter.limits.max_buffer_bytes, robust);
        Self::with(gpu, adapter)
    }

    /// The same adapter, with tensors cut in parts of at most `bytes` where the adapter would bind more: to keep
    /// buffers small, or to test what a small adapter does.
    #[must_use]
    pub fn with_max_buffer_bytes(self, bytes: u64) -> Self {
        let gpu = self.gpu.with_limit(usize::try_from(bytes).unwrap_or(usize::MAX));
        Self { forced: self.forced, ..Self::with(gpu, self.adapter) }
    }

    /// Names of the algorithms that convolutions with constant weights run with: those of a [`Tuning`](netra_graph::Tuning).
    pub fn algorithms() -> Vec<String> {
        Choice::all().map(Choice::name).collect()
    }

    /// The same adapter, with this algorithm for every convolution that it can compute, whatever is estimated or was
    /// measured: to compare algorithms, or to test one. Fails (`InvalidInput`) on a name that is not in
    /// [`algorithms`](Self::algorithms).
    pub fn with_algorithm(self, name: &str) -> Result<Self> {
        let choice = Choice::named(name).ok_or_else(|| Error::invalid(format!("algorithm '{name}'")))?;
        Ok(Self { forced: Some(choice), ..self })
    }

    fn with(gpu: Gpu, adapter: AdapterInfo) -> Self {
        let device = DeviceInfo::new(format!("{} ({}, {})", adapter.name, adapter.api, adapter.driver))
            .software(adapter.software)
            .max_buffer_bytes(gpu.limit() as u64);
        Self { gpu, adapter, device, forced: None }
    }

    fn check(&self, program: &Program) -> Result<()> {
        let missing = self.unsupported(program);
        if missing.is_empty() { Ok(()) } else { Err(Unsupported::error(self.name(), &missing)) }
    }

    /// Where a program is compiled, without a tuning.
    fn setting(&self, options: &CompileOptions<'_>) -> Setting<'static> {
        let precision = self.precision(options.precision);
        Setting { software: self.device.software, precision, forced: self.forced, tuning: None }
    }

    #[cfg(test)]
    pub(crate) fn gpu(&self) -> &Gpu {
        &self.gpu
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

    fn precision(&self, asked: Precision) -> Precision {
        match asked {
            Precision::F16 if self.gpu.has_half() => asked,
            asked if asked.is_reduced() => Precision::Fast,
            asked => asked,
        }
    }

    fn unsupported(&self, program: &Program) -> Vec<Unsupported> {
        let refuse =
            |node: &str, kernel: &str, reason| Unsupported { node: node.into(), kernel: kernel.into(), reason };
        let setting = self.setting(&CompileOptions::default());
        let packed = |step| steps::takes_affine(&self.gpu, program, step, &setting);
        let steps = program.steps.iter().filter_map(|step| {
            let reason = match steps::check(program, step, self.gpu.limit()) {
                Err(reason) => reason,
                Ok(()) if matches!(step.kernel, Kernel::NormalizedConv(_)) && !packed(step) => {
                    "no kernel for a convolution of this shape normalises what it reads".into()
                }
                Ok(()) => return None,
            };
            Some(refuse(&step.node, step.kernel.name(), reason))
        });
        // What no step touches (an input that is an output, a constant output) stays on the host.
        steps.collect()
    }

    fn compile(&self, program: Arc<Program>, options: &CompileOptions<'_>) -> Result<Box<dyn Executable>> {
        self.check(&program)?;
        let here = MeasuredOn::new(self, options.precision);
        let tuning = options.tuning.filter(|tuning| tuning.measured_on.differs(&here).is_none());
        let setting = Setting { tuning, ..self.setting(options) };
        Ok(Box::new(WgpuExecutable::compile(self.gpu.clone(), program, setting, options)?))
    }

    fn tune(&self, program: Arc<Program>, inputs: &[TensorView<'_>], options: &CompileOptions<'_>) -> Result<Tuned> {
        self.check(&program)?;
        let setting = Setting { forced: None, ..self.setting(options) };
        let tuner = Tuner { gpu: &self.gpu, program, inputs, setting, options: *options };
        guarded(&self.gpu, "tuning", || tuner.run(MeasuredOn::new(self, options.precision)))
    }

    fn volumes(&self) -> Option<&dyn Volumes> {
        Some(&self.gpu)
    }
}
