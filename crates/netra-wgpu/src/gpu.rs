//! One adapter brought up: buffers on it, launches and read-back.

use std::sync::{Arc, Mutex, PoisonError};

use burn_backend::{Bytes, DType, StreamId};
use burn_cubecl::{CubeDevice, tensor::CubeTensor};
use cubecl::MemoryScope;
use cubecl::ir::FloatKind;
use cubecl::prelude::*;
use cubecl::server::Handle;
use netra_graph::Result;

use crate::arena::{Arena, Layout, Life, Rehearsal, Run};
use crate::reading::{Abandoned, Reading};

/// Threads in a workgroup. WebGPU promises 256; 64 suits every adapter.
const WORKGROUP: u32 = 64;
/// Size of the buffer that stands for all others in a rehearsal.
const STAND_IN: usize = 256;

/// An adapter, the largest buffer it binds, and the memory of runs on it.
///
/// All work is issued under one stream, so that it is executed in the order in which it is issued, whatever thread issues it.
#[derive(Clone)]
pub(crate) struct Gpu {
    pub(crate) client: Client,
    name: Arc<str>,
    device: CubeDevice,
    limit: usize,
    page: u64,
    robust: bool,
    stream: StreamId,
    arena: Arc<Mutex<Arena>>,
    abandoned: Abandoned,
    memory: Memory,
}

/// Where new buffers come from.
#[derive(Clone)]
enum Memory {
    /// Each is an allocation of its own, as long as it is held.
    Own,
    /// They are counted, and one stands for all.
    Rehearsal(Arc<Rehearsal>),
    /// Each has its place in the arena.
    Planned(Arc<Run>),
}

/// A flat buffer of 4-byte elements on the adapter. Cloning shares it; it is freed with the last clone.
#[derive(Clone)]
pub(crate) struct Buffer {
    tensor: CubeTensor,
    _life: Option<Arc<Life>>,
}

impl Buffer {
    /// The buffer as a kernel argument.
    pub(crate) fn arg(&self) -> BufferArg {
        self.tensor.clone().into_buffer_arg()
    }

    /// Bytes that it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.tensor.handle.size_in_used() as usize
    }

    /// The buffer as an optional kernel argument.
    pub(crate) fn optional(buffer: Option<&Buffer>) -> Option<BufferArg> {
        buffer.map(Buffer::arg)
    }
}

impl Gpu {
    /// Wraps a device that is up: its name for messages, the largest range that it binds, the largest allocation, and whether
    /// the driver keeps shaders within buffers.
    pub(crate) fn new(device: CubeDevice, name: &str, limit: usize, page: u64, robust: bool) -> Self {
        let (client, stream) = (device.client(), StreamId::allocate());
        // Sizes are rounded up to this, and must not exceed what is allowed then.
        let align = client.properties().memory.alignment.max(4);
        let (limit, page) = (limit - limit % align as usize, page - page % align);
        let (arena, abandoned) = (Arc::default(), Abandoned::default());
        let (name, memory) = (name.into(), Memory::Own);
        Self { client, name, device, limit, page, robust, stream, arena, abandoned, memory }
    }

    /// The same adapter with smaller buffers.
    pub(crate) fn with_limit(self, bytes: usize) -> Self {
        Self { limit: self.limit.min(bytes), page: self.page.min(bytes as u64), arena: Arc::default(), ..self }
    }

    /// The adapter, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether shaders know half-precision numbers.
    pub(crate) fn has_half(&self) -> bool {
        self.client.properties().supports_type(ElemType::Float(FloatKind::F16))
    }

    /// Largest buffer in bytes.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes of all memory that is set aside on the adapter: for buffers, and for what comes after them.
    pub(crate) fn reserved(&self) -> u64 {
        self.client.memory_report(MemoryScope::Device).usage().bytes_reserved
    }

    /// Issues work in the order of all work on this adapter. Everything that touches it goes through here.
    pub(crate) fn ordered<R>(&self, work: impl FnOnce() -> R) -> R {
        self.stream.executes(work)
    }

    /// This adapter as a rehearsal sees it: at most one workgroup of each launch is executed, on a buffer that stands for all
    /// others.
    pub(crate) fn rehearsal(&self) -> (Self, Arc<Rehearsal>) {
        let rehearsal = Rehearsal::new(self.marker());
        (Self { memory: Memory::Rehearsal(rehearsal.clone()), ..self.clone() }, rehearsal)
    }

    /// The places of what a rehearsal asked for.
    pub(crate) fn layout(&self, rehearsal: &Rehearsal) -> Layout {
        let align = self.client.properties().memory.alignment.max(4);
        // A page holds the largest buffer, wherever that begins.
        let page = self.page.max(self.limit as u64).next_multiple_of(align);
        rehearsal.layout(align, page)
    }

    /// A small buffer to [wait](Self::wait) for.
    pub(crate) fn marker(&self) -> Handle {
        self.own(STAND_IN)
    }

    /// Waits for all that was issued before. Fails when a launch that writes to the marker was refused, its shader above all.
    pub(crate) fn wait(&self, marker: &Handle) -> Result<()> {
        netra_graph::block_on(self.reading(marker)).map(drop)
    }

    /// Issues a run: `work` is given this adapter with every buffer at its place. What the buffers hold is good until the next
    /// run is issued, so that `work` has to issue whatever reads them.
    pub(crate) fn run<R>(&self, layout: &Arc<Layout>, work: impl FnOnce(&Self) -> Result<R>) -> Result<R> {
        let mut arena = self.arena.lock().unwrap_or_else(PoisonError::into_inner);
        self.ordered(|| {
            arena.fit(layout, |bytes| self.own(bytes as usize));
            let run = Arc::new(arena.run(layout.clone()));
            work(&Self { memory: Memory::Planned(run), ..self.clone() })
        })
    }

    /// Gives the memory of runs back to the driver, and all else that nothing uses.
    pub(crate) fn release(&self) {
        *self.arena.lock().unwrap_or_else(PoisonError::into_inner) = Arena::default();
        // Nothing is lost when this fails, too: the next run reports it.
        let _ = self.ordered(|| self.client.memory_cleanup());
    }

    /// An allocation of exactly this size.
    fn own(&self, bytes: usize) -> Handle {
        self.client.memory_dedicated_allocation((), |()| self.client.empty(bytes))
    }

    /// A buffer of `elements`, contents undefined. Never of size 0, which no API binds.
    pub(crate) fn empty(&self, elements: usize) -> Buffer {
        let elements = elements.max(1);
        let bytes = elements * 4;
        match &self.memory {
            Memory::Own => self.wrap(self.own(bytes), elements, None),
            Memory::Rehearsal(rehearsal) => {
                let life = Arc::new(rehearsal.ask(bytes as u64));
                self.wrap(rehearsal.stand_in.clone(), elements, Some(life))
            }
            // A run that departs from its rehearsal gets what it asks for, though not at a planned place.
            Memory::Planned(run) => {
                let handle = run.take(bytes as u64).unwrap_or_else(|| self.own(bytes));
                self.wrap(handle, elements, None)
            }
        }
    }

    /// Uploads the raw bits of 4-byte elements.
    pub(crate) fn upload<E: CubeElement + Copy>(&self, data: &[E]) -> Buffer {
        let buffer = self.empty(data.len());
        if !data.is_empty() && !self.rehearses() {
            self.client.write(&buffer.tensor.handle, Bytes::from_bytes_vec(E::as_bytes(data).to_vec()));
        }
        buffer
    }

    fn rehearses(&self) -> bool {
        matches!(self.memory, Memory::Rehearsal(_))
    }

    fn wrap(&self, handle: Handle, elements: usize, life: Option<Arc<Life>>) -> Buffer {
        let shape = [elements].into();
        let tensor = CubeTensor::new_contiguous(self.client.clone(), self.device.clone(), shape, handle, DType::F32);
        Buffer { tensor, _life: life }
    }

    /// Issues the reading of a buffer; what it holds now comes back later.
    pub(crate) fn read(&self, buffer: &Buffer) -> Reading {
        self.reading(&buffer.tensor.handle)
    }

    fn reading(&self, handle: &Handle) -> Reading {
        Reading::new(self.client.clone(), self.name.clone(), handle.clone(), self.abandoned.clone())
    }

    /// Workgroups and their size for `threads`. The count may exceed what is needed: kernels check.
    pub(crate) fn grid(&self, threads: usize) -> (CubeCount, CubeDim) {
        let dim = CubeDim::new_1d(WORKGROUP);
        let count = || cubecl::calculate_cube_count_elemwise(&self.client, threads, dim);
        (self.rehearsed().unwrap_or_else(count), dim)
    }

    /// At least `count` workgroups of `threads` each: kernels check.
    pub(crate) fn workgroups(&self, count: usize, threads: usize) -> (CubeCount, CubeDim) {
        let dim = CubeDim::new_1d(threads as u32);
        let count = || cubecl::calculate_cube_count_elemwise(&self.client, count * threads, dim);
        (self.rehearsed().unwrap_or_else(count), dim)
    }

    /// Workgroups of every launch of a rehearsal: one, since some drivers compile a shader when it is first executed; none where
    /// nothing stops it from writing beyond the buffer that stands for all others.
    fn rehearsed(&self) -> Option<CubeCount> {
        let count = u32::from(self.robust);
        self.rehearses().then_some(CubeCount::Static(count, count, count))
    }
}

#[cfg(test)]
mod tests {
    use netra_graph::{CompileOptions, DType, Executable, Kernel, Precision, ProgramBuilder, Tensor, Unary};

    use super::*;
    use crate::executable::WgpuExecutable;
    use crate::steps::Setting;
    use crate::{AdapterSelector, WgpuBackend};

    /// Where nothing keeps shaders within buffers, a rehearsal executes nothing; what it plans is the same.
    #[test]
    fn a_rehearsal_may_execute_nothing() {
        let Ok(backend) = WgpuBackend::open(AdapterSelector::Any) else { return };
        let mut b = ProgramBuilder::new();
        let x = b.input("x", DType::F32, &[1, 2, 3]);
        let y = b.step("exp", Kernel::Softmax { axis: 2, log: true }, &[Some(x)], DType::F32, &[1, 2, 3]);
        let z = b.step("neg", Kernel::Unary(Unary::Neg), &[Some(y)], DType::F32, &[1, 2, 3]);
        let program = Arc::new(b.finish(vec![z]));
        let setting = Setting { software: true, precision: Precision::Fast, forced: None, tuning: None };
        let input = Tensor::from_f32([1, 2, 3], vec![0.5, 1.0, -1.0, 2.0, 0.0, 3.0]).expect("an input");
        let run = |robust| {
            let gpu = Gpu { robust, ..backend.gpu().clone() };
            let options = CompileOptions::default();
            let executable = WgpuExecutable::compile(gpu, program.clone(), setting, &options).expect("compiles");
            (executable.plan(), executable.run(&[input.view()]).expect("runs"))
        };
        assert_eq!(run(true), run(false));
    }
}
