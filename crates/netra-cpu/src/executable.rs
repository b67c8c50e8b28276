//! A compiled program and its runs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use netra_graph::{
    CompileOptions, DType, Data, DataView, Error, Executable, MemoryPlan, Profile, Program, Result, RunFuture,
    StepTime, StepValue, Tensor, TensorView, ValueId,
};

use crate::Context;
use crate::isa::Isa;
use crate::memory::{Memory, Place, Slot};
use crate::pages;
use crate::parallel::{Scratch, Threads};
use crate::step::Prepared;

/// A program compiled for the processor.
pub struct CpuExecutable {
    program: Arc<Program>,
    steps: Vec<Prepared>,
    memory: Memory,
    /// Floats of scratch a worker.
    scratch: usize,
    isa: Isa,
    threads: Arc<Threads>,
    /// Buffers of a finished run.
    spare: Mutex<Option<Buffers>>,
}

/// The buffers of one run.
struct Buffers {
    slots: Vec<Data>,
    scratch: Scratch,
}

impl CpuExecutable {
    /// Prepares every step.
    pub fn new(program: Arc<Program>, isa: Isa, threads: Arc<Threads>, options: &CompileOptions<'_>) -> Result<Self> {
        let program = with_attention(program);
        let mut steps = Vec::with_capacity(program.steps.len());
        for (i, step) in program.steps.iter().enumerate() {
            steps.push(Prepared::new(&program, step, isa, threads.count(), options.precision));
            if let Some(progress) = options.progress {
                progress(i + 1, program.steps.len());
            }
        }
        let reference: Vec<bool> = steps.iter().map(|s| matches!(s, Prepared::Reference)).collect();
        let memory = Memory::new(&program, &reference);
        let scratch = steps.iter().map(Prepared::scratch).max().unwrap_or(0);
        Ok(Self { program, steps, memory, scratch, isa, threads, spare: Mutex::new(None) })
    }

    /// Runs every step; when asked, appends what each took. Only then is the clock read: browsers have none.
    fn execute(&self, inputs: &[TensorView<'_>], mut times: Option<&mut Vec<StepTime>>) -> Result<Vec<Tensor>> {
        self.program.check_inputs(inputs)?;
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut buffers = spare.unwrap_or_else(|| Buffers {
            slots: self.memory.slots.iter().map(|slot| empty(slot.dtype)).collect(),
            scratch: Scratch::new(self.threads.count(), self.scratch),
        });
        for i in 0..self.steps.len() {
            let started = times.is_some().then(Instant::now);
            self.step(i, inputs, &mut buffers).map_err(|e| e.at(format!("node '{}'", self.program.steps[i].node)))?;
            if let (Some(started), Some(times)) = (started, times.as_deref_mut()) {
                times.push(StepTime::new(&self.program, &self.program.steps[i], nanoseconds(started)));
            }
        }
        let outputs = self.program.trim(self.outputs(inputs, &mut buffers)?)?;
        // The next run finds its pages mapped. Overlapping runs each have buffers; one set is enough to keep.
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.get_or_insert(buffers);
        drop(spare);
        Ok(outputs)
    }

    fn step(&self, i: usize, inputs: &[TensorView<'_>], buffers: &mut Buffers) -> Result<()> {
        if matches!(self.steps[i], Prepared::Alias) {
            return Ok(());
        }
        let step = &self.program.steps[i];
        let value = self.program.value(step.output);
        let Place::Slot(slot) = self.memory.places[step.output.index()] else {
            return Err(Error::malformed("a step's output has no buffer"));
        };
        let mut out = std::mem::replace(&mut buffers.slots[slot], Data::F32(Vec::new()));
        // A slot that the caller gets is new in every run, and large pages would have to be found for each.
        let lasting = !self.program.outputs.iter().any(|id| self.memory.places[id.index()] == Place::Slot(slot));
        fit(&mut out, self.memory.slots[slot], value.elements(), lasting)?;
        let in_place = self.memory.in_place[i];
        let result = (|| {
            let views: Vec<Option<TensorView<'_>>> = step
                .inputs
                .iter()
                .enumerate()
                .map(|(k, id)| match id {
                    Some(id) if in_place != Some(k) => self.view(*id, inputs, &buffers.slots).map(Some),
                    _ => Ok(None),
                })
                .collect::<Result<_>>()?;
            let context = Context { isa: self.isa, threads: &self.threads, scratch: &buffers.scratch };
            self.steps[i].run(&context, &step.kernel, &views, in_place, &value.shape, &mut out)
        })();
        buffers.slots[slot] = out;
        result
    }

    fn view<'a>(&'a self, id: ValueId, inputs: &[TensorView<'a>], slots: &'a [Data]) -> Result<TensorView<'a>> {
        let value: &StepValue = self.program.value(id);
        let data = match self.memory.places[id.index()] {
            Place::Input(i) => inputs[i].data(),
            Place::Constant(i) => match &self.program.values[i].constant {
                Some(tensor) => tensor.view().data(),
                None => return Err(Error::malformed(format!("value '{}' is not constant", value.name))),
            },
            Place::Slot(slot) => prefix(slots[slot].view(), value.elements()),
            Place::Nowhere => return Err(Error::malformed(format!("value '{}' is never computed", value.name))),
        };
        TensorView::new(&value.shape, data)
    }

    /// Takes the outputs out of their buffers; what two outputs share is copied.
    fn outputs(&self, inputs: &[TensorView<'_>], buffers: &mut Buffers) -> Result<Vec<Tensor>> {
        let ids = &self.program.outputs;
        let place = |id: &ValueId| self.memory.places[id.index()];
        let mut outputs = Vec::with_capacity(ids.len());
        for (i, id) in ids.iter().enumerate() {
            let value = self.program.value(*id);
            let wanted_again = ids[i + 1..].iter().any(|later| place(later) == place(id));
            match place(id) {
                Place::Slot(slot) if !wanted_again => {
                    let data = std::mem::replace(&mut buffers.slots[slot], empty(value.dtype));
                    outputs.push(Tensor::new(value.shape.clone(), data)?);
                }
                _ => outputs.push(self.view(*id, inputs, &buffers.slots)?.to_tensor()),
            }
        }
        Ok(outputs)
    }
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
            workspace: (self.threads.count() * self.scratch * size_of::<f32>()) as u64,
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

/// The program with every attention in one step.
fn with_attention(program: Arc<Program>) -> Arc<Program> {
    let mut fused = Program::clone(&program);
    if netra_graph::fuse_attention(&mut fused) == 0 { program } else { Arc::new(fused) }
}

fn nanoseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

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

fn empty(dtype: DType) -> Data {
    match dtype {
        DType::F64 => Data::F64(Vec::new()),
        DType::I8 => Data::I8(Vec::new()),
        DType::U8 => Data::U8(Vec::new()),
        DType::I16 => Data::I16(Vec::new()),
        DType::U16 => Data::U16(Vec::new()),
        DType::I32 => Data::I32(Vec::new()),
        DType::U32 => Data::U32(Vec::new()),
        DType::I64 => Data::I64(Vec::new()),
        DType::U64 => Data::U64(Vec::new()),
        DType::Bool => Data::Bool(Vec::new()),
        _ => Data::F32(Vec::new()),
    }
}

/// Makes `data` `n` elements long, within a buffer of the slot's size, which is `lasting` when it serves many runs. Elements
/// keep their values; new ones have any.
fn fit(data: &mut Data, slot: Slot, n: usize, lasting: bool) -> Result<()> {
    fn grow<T: Copy + Default>(v: &mut Vec<T>, whole: usize, n: usize, lasting: bool) {
        if v.capacity() < whole {
            // Zeroed pages straight from the system: nothing is written before it is used.
            *v = vec![T::default(); whole];
            if lasting {
                pages::large(v.as_slice());
            }
        }
        // SAFETY: `n <= whole <= capacity`, and all `whole` elements were initialised when the buffer was made; plain
        // values stay valid when the vector is shortened.
        unsafe { v.set_len(n) };
    }
    if data.dtype() != slot.dtype {
        *data = empty(slot.dtype);
    }
    let whole = slot.elements.max(n);
    each_variant!(data, v => grow(v, whole, n, lasting));
    Ok(())
}

/// The first `n` elements.
fn prefix(data: DataView<'_>, n: usize) -> DataView<'_> {
    match data {
        DataView::F32(v) => DataView::F32(&v[..n.min(v.len())]),
        DataView::F64(v) => DataView::F64(&v[..n.min(v.len())]),
        DataView::I8(v) => DataView::I8(&v[..n.min(v.len())]),
        DataView::U8(v) => DataView::U8(&v[..n.min(v.len())]),
        DataView::I16(v) => DataView::I16(&v[..n.min(v.len())]),
        DataView::U16(v) => DataView::U16(&v[..n.min(v.len())]),
        DataView::I32(v) => DataView::I32(&v[..n.min(v.len())]),
        DataView::U32(v) => DataView::U32(&v[..n.min(v.len())]),
        DataView::I64(v) => DataView::I64(&v[..n.min(v.len())]),
        DataView::U64(v) => DataView::U64(&v[..n.min(v.len())]),
        DataView::Bool(v) => DataView::Bool(&v[..n.min(v.len())]),
        other => other,
    }
}
