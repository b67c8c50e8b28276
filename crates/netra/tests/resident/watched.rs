//! A backend that counts what it gives to the host.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use netra_graph::volumes::{
    Beyond, DeviceVolume, GridMap, Interpolation, Labeller, Labelling, Moments, ValueMap, Volumes,
};
use netra_graph::{
    Backend, CompileOptions, DeviceInfo, Executable, MemoryPlan, Program, Result, RunFuture, Tensor, TensorView,
    Unsupported,
};

pub struct Watched<B> {
    inner: B,
    bytes: Arc<AtomicUsize>,
}

impl<B: Backend> Watched<B> {
    pub fn new(inner: B) -> Self {
        Self { inner, bytes: Arc::default() }
    }

    /// Bytes of outputs and volumes that came to the host; labels are not counted.
    pub fn host_bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn volumes_within(&self) -> Result<&dyn Volumes> {
        self.inner.volumes().ok_or_else(|| netra_graph::Error::unsupported("no volumes"))
    }
}

impl<B: Backend> Backend for Watched<B> {
    fn name(&self) -> &str {
        self.inner.name()
    }
    fn device(&self) -> &DeviceInfo {
        self.inner.device()
    }
    fn unsupported(&self, program: &Program) -> Vec<Unsupported> {
        self.inner.unsupported(program)
    }
    fn compile(&self, program: Arc<Program>, options: &CompileOptions<'_>) -> Result<Box<dyn Executable>> {
        let inner = self.inner.compile(program, options)?;
        Ok(Box::new(WatchedExecutable { inner, bytes: self.bytes.clone() }))
    }
    fn volumes(&self) -> Option<&dyn Volumes> {
        Some(self)
    }
}

impl<B: Backend> Volumes for Watched<B> {
    fn upload(&self, values: TensorView<'_>) -> Result<DeviceVolume> {
        self.volumes_within()?.upload(values)
    }
    fn download(&self, volume: &DeviceVolume) -> Result<Tensor> {
        let tensor = self.volumes_within()?.download(volume)?;
        self.bytes.fetch_add(tensor.bytes(), Ordering::Relaxed);
        Ok(tensor)
    }
    fn resample(&self, v: &DeviceVolume, to: &GridMap, by: Interpolation, beyond: Beyond) -> Result<DeviceVolume> {
        self.volumes_within()?.resample(v, to, by, beyond)
    }
    fn map(&self, volume: &DeviceVolume, maps: &[ValueMap]) -> Result<()> {
        self.volumes_within()?.map(volume, maps)
    }
    fn moments(&self, volume: &DeviceVolume, nonzero: bool) -> Result<Vec<Moments>> {
        self.volumes_within()?.moments(volume, nonzero)
    }
    fn labelling_bytes(&self, labelling: &Labelling<'_>) -> Result<u64> {
        self.volumes_within()?.labelling_bytes(labelling)
    }
    fn labelling(&self, labelling: &Labelling<'_>) -> Result<Box<dyn Labeller + '_>> {
        self.volumes_within()?.labelling(labelling)
    }
}

struct WatchedExecutable {
    inner: Box<dyn Executable>,
    bytes: Arc<AtomicUsize>,
}

impl Executable for WatchedExecutable {
    fn program(&self) -> &Program {
        self.inner.program()
    }
    fn plan(&self) -> MemoryPlan {
        self.inner.plan()
    }
    fn submit<'a>(&'a self, inputs: &[TensorView<'_>]) -> RunFuture<'a> {
        let (run, bytes) = (self.inner.submit(inputs), self.bytes.clone());
        Box::pin(async move {
            let outputs = run.await?;
            bytes.fetch_add(outputs.iter().map(Tensor::bytes).sum(), Ordering::Relaxed);
            Ok(outputs)
        })
    }
    fn as_any(&self) -> Option<&dyn Any> {
        self.inner.as_any()
    }
}
