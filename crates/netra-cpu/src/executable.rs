//! A compiled program and its runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use netra_graph::{
    CompileOptions, DType, Data, Error, Executable, MemoryPlan, Profile, Program, Result, RunFuture, StepTime,
    StepValue, Tensor, TensorView, ValueId, fuse_attention, fuse_normalization, fuse_upsampling,
};

use crate::Context;
use crate::conv::Convolution;
use crate::isa::Isa;
use crate::means;
use crate::memory::{Memory, Place, Sharing, Slot};
use crate::movement;
use crate::pages;
use crate::parallel::{Scratch, Threads};
use crate::region::{DataMut, Region, Span, of_type};
use crate::split::split_joined;
use crate::step::Prepared;

macro_rules! each_variant {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            Data::F32($v) => $body,
            Data::F64($v) => $body,
            Data::I8($v) => $body,
            Data::U8($v) => $body,
            Data::I16($v) => $body,
            Data::U16($v) => $body,
            Data::I32($v) => $body,
            Data::U32($v) => $body,
            Data::I64($v) => $body,
            Data::U64($v) => $body,
            Data::Bool($v) => $body,
            _ => return Err(Error::unsupported("an element type unknown to the cpu backend")),
        }
    };
}

/// A program compiled for the processor.
pub struct CpuExecutable {
    /// Without the constants that are only needed in packed form.
    program: Program,
    steps: Vec<Prepared>,
    memory: Memory,
    /// Floats of scratch a worker, and of all workers.
    scratch: (usize, usize),
    isa: Isa,
    threads: Arc<Threads>,
    /// Buffers of a finished run.
    spare: Mutex<Option<Buffers>>,
}

/// The buffers of one run.
struct Buffers {
    arena: pages::Buffer,
    /// Those of the outputs; empty when the caller has them.
    outputs: Vec<Data>,
    scratch: Scratch,
}

impl Buffers {
    fn new(of: &CpuExecutable) -> Self {
        Self {
            arena: pages::Buffer::new(of.memory.arena.div_ceil(size_of::<f32>())),
            outputs: of.memory.outputs.iter().map(|_| Data::U8(Vec::new())).collect(),
            scratch: Scratch::new(of.threads.count(), of.scratch.0, of.scratch.1),
        }
    }

    /// The arena and the outputs by their addresses, those of outputs made where they are missing.
    fn regions(&mut self, memory: &Memory) -> Result<Vec<Region>> {
        let arena = self.arena.floats().as_mut_ptr().cast();
        let mut regions = vec![Region { start: arena, bytes: memory.arena }];
        for (slot, data) in memory.outputs.iter().zip(&mut self.outputs) {
            if data.len() != slot.elements || data.dtype() != slot.dtype {
                *data = zeroed(*slot)?;
                // Other values live here before the output does.
                each_variant!(data, v => pages::large(v));
            }
            let start = each_variant!(data, v => v.as_mut_ptr().cast::<u8>());
            regions.push(Region { start, bytes: slot.bytes() });
        }
        Ok(regions)
    }
}

impl CpuExecutable {
    /// Prepares every step. Constants go as soon as no step reads them any more.
    pub fn new(program: Arc<Program>, isa: Isa, threads: Arc<Threads>, options: &CompileOptions<'_>) -> Result<Self> {
        let mut program = Arc::unwrap_or_clone(program);
        fuse_attention(&mut program);
        let mut program = split_joined(program);
        fuse_upsampling(&mut program, |program, pair, up, conv| {
            Prepared::in_slabs(program, (pair, up, conv), isa, threads.count(), options)
        });
        fuse_normalization(&mut program, |program, step| {
            Prepared::takes_affine(program, step, isa, threads.count(), options)
        });
        let mut readers = vec![0usize; program.values.len()];
        for id in program.steps.iter().flat_map(|s| s.inputs.iter().flatten()).chain(&program.outputs) {
            readers[id.index()] += 1;
        }
        for (value, &readers) in program.values.iter_mut().zip(&readers) {
            if readers == 0 {
                value.constant = None;
            }
        }
        // Bringing weights into their order is most of the work, and each step's is its own.
        let prepared: Vec<OnceLock<Prepared>> = program.steps.iter().map(|_| OnceLock::new()).collect();
        let done = AtomicUsize::new(0);
        threads.for_each(prepared.len(), |_, i| {
            let step = &program.steps[i];
            let _ = prepared[i].set(Prepared::new(&program, step, isa, threads.count(), options));
            if let Some(progress) = options.progress {
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, prepared.len());
            }
        });
        let mut steps: Vec<Prepared> = prepared.into_iter().filter_map(OnceLock::into_inner).collect();
        means::hand_on(&program, &mut steps);
        for (step, prepared) in program.steps.iter().zip(&steps) {
            for (k, id) in step.inputs.iter().enumerate() {
                let Some(v) = id.filter(|_| prepared.holds(k)).map(ValueId::index) else { continue };
                readers[v] -= 1;
                if readers[v] == 0 {
                    program.values[v].constant = None;
                }
            }
        }
        let sharing: Vec<Sharing> = steps.iter().map(Prepared::sharing).collect();
        let memory = Memory::new(&program, &sharing);
        let scratch = steps.iter().zip(&memory.in_place).map(|(step, &over)| step.scratch(over)).max().unwrap_or(0);
        let scratch = (scratch, steps.iter().map(Prepared::common_scratch).max().unwrap_or(0));
        Ok(Self { program, steps, memory, scratch, isa, threads, spare: Mutex::new(None) })
    }

    /// What step `i` was planned to be, if that is a convolution.
    pub fn convolution(&self, i: usize) -> Option<&Convolution> {
        match &self.steps[i] {
            Prepared::Convolution(c, _) => Some(c),
            _ => None,
        }
    }

    /// Runs every step; when asked, appends what each took. Only then is the clock read: browsers have none.
    fn execute(&self, inputs: &[TensorView<'_>], mut times: Option<&mut Vec<StepTime>>) -> Result<Vec<Tensor>> {
        self.program.check_inputs(inputs)?;
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut buffers = spare.unwrap_or_else(|| Buffers::new(self));
        let regions = buffers.regions(&self.memory)?;
        for i in 0..self.steps.len() {
            let started = times.is_some().then(Instant::now);
            self.step(i, inputs, &regions, &buffers.scratch)
                .map_err(|e| e.at(format!("node '{}'", self.program.steps[i].node)))?;
            if let (Some(started), Some(times)) = (started, times.as_deref_mut()) {
                let mut time = StepTime::new(&self.program, &self.program.steps[i], nanoseconds(started));
                if let Some(c) = self.convolution(i) {
                    time.kernel = format!("{} {}", time.kernel, c.name());
                }
                times.push(time);
            }
        }
        let outputs = self.program.trim(self.outputs(inputs, &regions, &mut buffers.outputs)?)?;
        // The next run finds its pages mapped. Overlapping runs each have buffers; one set is enough to keep.
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.get_or_insert(buffers);
        drop(spare);
        Ok(outputs)
    }

    fn step(&self, i: usize, inputs: &[TensorView<'_>], regions: &[Region], scratch: &Scratch) -> Result<()> {
        if self.memory.aliases[i] {
            return Ok(());
        }
        let step = &self.program.steps[i];
        let value = self.program.value(step.output);
        let Place::Buffer(span) = self.memory.places[step.output.index()] else {
            return Err(Error::malformed("a step's output has no buffer"));
        };
        let context = Context { isa: self.isa, threads: &self.threads, scratch };
        if self.memory.joins[i] {
            return self.join(i, inputs, regions, &context);
        }
        let in_place = self.memory.in_place[i];
        let mut views = Vec::with_capacity(step.inputs.len());
        for (k, id) in step.inputs.iter().enumerate() {
            let read = id.filter(|_| in_place != Some(k) && !self.steps[i].holds(k));
            views.push(read.map(|id| self.read(id, span, inputs, regions)).transpose()?);
        }
        // SAFETY: `read` refuses inputs that share bytes with the output, and one that is written over has no view.
        let mut out = unsafe { write(regions, span, value.dtype, in_place.is_some()) }?;
        self.steps[i].run(&context, &step.kernel, &views, in_place, &value.shape, &mut out)
    }

    /// A concatenation whose parts lie behind one another: copies those that are not there yet.
    fn join(&self, i: usize, inputs: &[TensorView<'_>], regions: &[Region], context: &Context<'_>) -> Result<()> {
        let step = &self.program.steps[i];
        let Place::Buffer(whole) = self.memory.places[step.output.index()] else {
            return Err(Error::malformed("a step's output has no buffer"));
        };
        let mut start = whole.start;
        for &id in step.inputs.iter().flatten() {
            let value = self.program.value(id);
            let span = Span { start, bytes: value.bytes(), ..whole };
            start += span.bytes;
            if self.memory.places[id.index()] == Place::Buffer(span) {
                continue;
            }
            let from = self.read(id, span, inputs, regions)?;
            // SAFETY: `read` refuses what shares bytes with `span`.
            let mut out = unsafe { write(regions, span, value.dtype, false) }?;
            if !movement::copy(context, from, &mut out) {
                return Err(Error::unsupported(format!("Concat of {}", value.dtype)));
            }
        }
        Ok(())
    }

    /// A value that is read while `written` is written. Fails when they share memory.
    fn read<'a>(
        &'a self,
        id: ValueId,
        written: Span,
        inputs: &[TensorView<'a>],
        regions: &'a [Region],
    ) -> Result<TensorView<'a>> {
        if matches!(self.memory.places[id.index()], Place::Buffer(span) if span.meets(written)) {
            return Err(Error::malformed("a step would write over what it reads"));
        }
        // SAFETY: only the bytes of `written` are written while the view is in use.
        unsafe { self.view(id, inputs, regions) }
    }

    /// A value's elements.
    ///
    /// # Safety
    /// The buffers behind `regions` are alive, and no step writes over the value while the view is in use.
    unsafe fn view<'a>(
        &'a self,
        id: ValueId,
        inputs: &[TensorView<'a>],
        regions: &'a [Region],
    ) -> Result<TensorView<'a>> {
        let value: &StepValue = self.program.value(id);
        let data = match self.memory.places[id.index()] {
            Place::Input(i) => inputs[i].data(),
            Place::Constant(i) => match &self.program.values[i].constant {
                Some(tensor) => tensor.view().data(),
                None => return Err(Error::malformed(format!("value '{}' is not constant", value.name))),
            },
            // SAFETY: the buffer is alive and not written, as the caller promises; the step before made these values.
            Place::Buffer(span) => unsafe { regions[span.buffer].view(span.start, value.dtype, value.elements())? },
            Place::Nowhere => return Err(Error::malformed(format!("value '{}' is never computed", value.name))),
        };
        TensorView::new(&value.shape, data)
    }

    /// Takes the outputs out of their buffers; what is not alone in one is copied.
    fn outputs(&self, inputs: &[TensorView<'_>], regions: &[Region], buffers: &mut [Data]) -> Result<Vec<Tensor>> {
        let ids = &self.program.outputs;
        let place = |id: &ValueId| self.memory.places[id.index()];
        let mut outputs = Vec::with_capacity(ids.len());
        for (i, id) in ids.iter().enumerate() {
            let value = self.program.value(*id);
            let wanted = |id: &ValueId, of: usize| matches!(place(id), Place::Buffer(span) if span.buffer == of);
            match place(id) {
                // A whole buffer, of which no later output is a part.
                Place::Buffer(Span { buffer, bytes, .. })
                    if buffer > 0
                        && bytes == self.memory.outputs[buffer - 1].bytes()
                        && !ids[i + 1..].iter().any(|later| wanted(later, buffer)) =>
                {
                    let data = std::mem::replace(&mut buffers[buffer - 1], Data::U8(Vec::new()));
                    outputs.push(Tensor::new(value.shape.clone(), data)?);
                }
                // SAFETY: no step runs any more, and a buffer goes to the last output that wants it.
                _ => outputs.push(unsafe { self.view(*id, inputs, regions) }?.to_tensor()),
            }
        }
        Ok(outputs)
    }
}

/// The elements of `span`, to be written. Truth values are false at first, unless the output is written over them: the
/// bytes that another value left are none.
///
/// # Safety
/// The buffers behind `regions` are alive, and nothing else reads or writes these bytes while the slice is in use.
unsafe fn write<'a>(regions: &'a [Region], span: Span, dtype: DType, over: bool) -> Result<DataMut<'a>> {
    let region = regions[span.buffer];
    if dtype == DType::Bool && !over {
        // SAFETY: as the caller promises.
        unsafe { region.clear(span.start, span.bytes)? };
    }
    // SAFETY: as the caller promises; truth values are valid now, and any bytes are values of the other types.
    unsafe { region.view_mut(span.start, dtype, span.bytes / dtype.size()) }
}

impl Executable for CpuExecutable {
    fn program(&self) -> &Program {
        &self.program
    }

    fn plan(&self) -> MemoryPlan {
        let prepared: usize = self.steps.iter().map(Prepared::bytes).sum();
        let inputs: usize = self.program.inputs.iter().map(|&id| self.program.value(id).bytes()).sum();
        MemoryPlan {
            weights: (self.program.weight_bytes() + prepared) as u64,
            activations: (self.memory.bytes() + inputs) as u64,
            workspace: ((self.threads.count() * self.scratch.0 + self.scratch.1) * size_of::<f32>()) as u64,
        }
    }

    fn submit<'a>(&'a self, inputs: &[TensorView<'_>]) -> RunFuture<'a> {
        let result = self.execute(inputs, None);
        Box::pin(std::future::ready(result))
    }

    fn profile(&self, inputs: &[TensorView<'_>]) -> Result<Profile> {
        let mut times = Vec::with_capacity(self.steps.len());
        let started = Instant::now();
        self.execute(inputs, Some(&mut times))?;
        Ok(Profile::new(times, nanoseconds(started)))
    }
}

/// Nanoseconds since then.
pub fn nanoseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// A buffer of zeros, as fresh pages of the system are.
fn zeroed(slot: Slot) -> Result<Data> {
    of_type!(Data, slot.dtype, vec![Default::default(); slot.elements])
}
