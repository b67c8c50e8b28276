//! A compiled program: constants on the adapter, steps prepared, buffers freed after their last use.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use netra_graph::{
    CompileOptions, DType, Error, ErrorKind, Executable, Kernel, MemoryPlan, Program, Result, RunFuture, Tensor,
    TensorView, ValueId, fuse_normalization,
};

use crate::gpu::Gpu;
use crate::steps::{self, Prepared};
use crate::transfer::{download, upload};
use crate::value::Value;

/// Multiply-adds up to which compiling ends with a run on zeros, so that the driver has compiled every shader.
/// A software adapter does a few 10^9 a second.
const WARM_UP_HARDWARE: u64 = 1 << 40;
const WARM_UP_SOFTWARE: u64 = 1 << 31;

/// A program compiled for one adapter.
pub(crate) struct WgpuExecutable {
    gpu: Gpu,
    program: Arc<Program>,
    prepared: Vec<Prepared>,
    constants: HashMap<ValueId, Value>,
    last_uses: Vec<Option<usize>>,
    /// Whether any step reads a value: inputs that none reads stay on the host.
    read: Vec<bool>,
    plan: MemoryPlan,
}

/// An output of a run: what a step made, or a tensor that no step touched.
enum Output {
    Device(Value, DType),
    Host(Tensor),
}

/// Turns a panic below (burn and wgpu panic on what they did not expect) into an error.
pub(crate) fn guarded<T>(what: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        let message = payload.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(Error::new(ErrorKind::Backend, format!("panicked inside burn while {what}: {message}")))
    })
}

impl WgpuExecutable {
    /// Prepares the steps and uploads the constants that they use. The program has no unsupported steps.
    pub(crate) fn compile(
        gpu: Gpu,
        program: Arc<Program>,
        software: bool,
        options: &CompileOptions<'_>,
    ) -> Result<Self> {
        guarded("compiling", || Self::build(gpu, program, software, options))
    }

    fn build(gpu: Gpu, program: Arc<Program>, software: bool, options: &CompileOptions<'_>) -> Result<Self> {
        let mut program = Arc::unwrap_or_clone(program);
        fuse_normalization(&mut program, |program, step| steps::takes_affine(&gpu, program, step, software));
        let program = Arc::new(program);
        let total = program.steps.len() + 1;
        let mut constants = HashMap::new();
        let mut prepared = Vec::with_capacity(program.steps.len());
        let put = |constants: &mut HashMap<ValueId, Value>, id: ValueId| -> Result<()> {
            if let (Some(tensor), false) = (&program.value(id).constant, constants.contains_key(&id)) {
                let place = || format!("constant '{}'", program.value(id).name);
                constants.insert(id, upload(&gpu, tensor.view()).map_err(|e| e.at(place()))?);
            }
            Ok(())
        };
        for (i, step) in program.steps.iter().enumerate() {
            let ready = steps::prepare(&gpu, &program, step, software);
            for (k, id) in step.inputs.iter().enumerate() {
                if let (Some(id), false) = (id, ready.replaces(k)) {
                    put(&mut constants, *id)?;
                }
            }
            prepared.push(ready);
            if let Some(progress) = options.progress {
                progress(i + 1, total);
            }
        }
        let packed: usize = prepared.iter().map(Prepared::bytes).sum();
        let uploaded: usize = constants.keys().map(|&id| program.value(id).elements() * 4).sum();
        let plan = plan(&program, gpu.limit(), (packed + uploaded) as u64);
        let last_uses = program.last_uses();
        let mut read = vec![false; program.values.len()];
        program.steps.iter().flat_map(|s| s.inputs.iter().flatten()).for_each(|id| read[id.index()] = true);
        let this = Self { gpu, program, prepared, constants, last_uses, read, plan };
        let bound = if software { WARM_UP_SOFTWARE } else { WARM_UP_HARDWARE };
        if this.work() <= bound {
            this.warm_up()?;
        }
        if let Some(progress) = options.progress {
            progress(total, total);
        }
        Ok(this)
    }

    /// Multiply-adds of the convolutions and matrix products.
    fn work(&self) -> u64 {
        let work = |step: &netra_graph::Step| {
            let size = |i: usize| step.inputs.get(i).copied().flatten().map(|id| &self.program.value(id).shape);
            let output = self.program.value(step.output);
            let each = match &step.kernel {
                Kernel::Conv(_) | Kernel::NormalizedConv(_) => size(1).map(|w| w[1..].iter().product::<usize>()),
                Kernel::ConvTranspose(_) => size(1).map(|w| w[..1].iter().chain(&w[2..]).product::<usize>()),
                Kernel::MatMul { trans_a, .. } => {
                    size(0).and_then(|a| a.iter().rev().nth(usize::from(*trans_a)).copied())
                }
                _ => Some(1),
            };
            output.elements() as u64 * each.unwrap_or(1) as u64
        };
        self.program.steps.iter().map(work).fold(0, u64::saturating_add)
    }

    /// A run on zeros.
    fn warm_up(&self) -> Result<()> {
        let zeros = self.program.inputs.iter().map(|&id| {
            let value = self.program.value(id);
            let n = value.elements();
            let data = match value.dtype {
                DType::F32 => netra_graph::Data::F32(vec![0.0; n]),
                DType::F64 => netra_graph::Data::F64(vec![0.0; n]),
                DType::I32 => netra_graph::Data::I32(vec![0; n]),
                DType::I64 => netra_graph::Data::I64(vec![0; n]),
                DType::I8 => netra_graph::Data::I8(vec![0; n]),
                DType::U8 => netra_graph::Data::U8(vec![0; n]),
                DType::I16 => netra_graph::Data::I16(vec![0; n]),
                DType::U16 => netra_graph::Data::U16(vec![0; n]),
                DType::U32 => netra_graph::Data::U32(vec![0; n]),
                DType::U64 => netra_graph::Data::U64(vec![0; n]),
                _ => netra_graph::Data::Bool(vec![false; n]),
            };
            Tensor::new(value.shape.clone(), data)
        });
        let zeros = zeros.collect::<Result<Vec<_>>>()?;
        let views: Vec<_> = zeros.iter().map(Tensor::view).collect();
        let outputs = self.start(&views)?;
        // Waits for the work, and reports what failed, by reading the outputs.
        netra_graph::block_on(Guarded(Box::pin(self.finish(outputs)))).map(drop)
    }

    /// Launches every step; what they made is still on the adapter.
    fn start(&self, inputs: &[TensorView<'_>]) -> Result<Vec<Output>> {
        self.program.check_inputs(inputs)?;
        let mut live: Vec<Option<Value>> = vec![None; self.program.values.len()];
        for (view, &id) in inputs.iter().zip(&self.program.inputs) {
            if !self.read[id.index()] {
                continue;
            }
            let value = upload(&self.gpu, *view);
            live[id.index()] = Some(value.map_err(|e| e.at(format!("input '{}'", self.program.value(id).name)))?);
        }
        self.launch(&mut live)?;
        let output = |&id: &ValueId| {
            let value = self.program.value(id);
            if let Some(constant) = &value.constant {
                return Ok(Output::Host(constant.as_ref().clone()));
            }
            if let Some(place) = self.program.inputs.iter().position(|&input| input == id) {
                return Ok(Output::Host(inputs[place].to_tensor()));
            }
            let made = live[id.index()].clone().map(|made| Output::Device(made, value.dtype));
            made.ok_or_else(|| Error::malformed(format!("output '{}' is never computed", value.name)))
        };
        self.program.outputs.iter().map(output).collect()
    }

    /// Launches every step on the inputs in `live`, in which values come and go.
    fn launch(&self, live: &mut [Option<Value>]) -> Result<()> {
        let find = |live: &[Option<Value>], id: ValueId| -> Option<Value> {
            self.constants.get(&id).or(live[id.index()].as_ref()).cloned()
        };
        for (i, (step, prepared)) in self.program.steps.iter().zip(&self.prepared).enumerate() {
            let operands: Vec<Option<Value>> = step.inputs.iter().map(|id| id.and_then(|id| find(live, id))).collect();
            let views: Vec<Option<&Value>> = operands.iter().map(Option::as_ref).collect();
            let value = steps::run(&self.gpu, &self.program, step, prepared, &views)
                .map_err(|e| e.at(format!("node '{}'", step.node)))?;
            live[step.output.index()] = Some(value);
            for id in step.inputs.iter().flatten().chain([&step.output]) {
                if self.last_uses[id.index()].is_none_or(|last| last <= i) {
                    live[id.index()] = None;
                }
            }
        }
        Ok(())
    }

    /// Runs on an input that is on the adapter already, for a program of one input, and leaves output number `output` there.
    /// It is the caller's until the next run.
    pub(crate) fn run_resident(&self, input: Value, output: usize) -> Result<Value> {
        let (&[place], Some(&id)) = (self.program.inputs.as_slice(), self.program.outputs.get(output)) else {
            return Err(Error::invalid("a program of one input and of the output asked for is expected"));
        };
        if let Some(constant) = &self.program.value(id).constant {
            return upload(&self.gpu, constant.view());
        }
        let mut live: Vec<Option<Value>> = vec![None; self.program.values.len()];
        live[place.index()] = Some(input.clone());
        self.launch(&mut live)?;
        let made = if id == place { Some(input) } else { live[id.index()].take() };
        made.ok_or_else(|| Error::malformed(format!("output '{}' is never computed", self.program.value(id).name)))
    }

    /// Reads the outputs back, one after the other.
    fn finish(&self, outputs: Vec<Output>) -> impl Future<Output = Result<Vec<Tensor>>> + Send + use<> {
        let gpu = self.gpu.clone();
        async move {
            let mut tensors = Vec::with_capacity(outputs.len());
            for output in outputs {
                tensors.push(match output {
                    Output::Device(value, dtype) => download(gpu.clone(), value, dtype).await?,
                    Output::Host(tensor) => tensor,
                });
            }
            Ok(tensors)
        }
    }
}

impl Executable for WgpuExecutable {
    fn program(&self) -> &Program {
        &self.program
    }

    fn plan(&self) -> MemoryPlan {
        self.plan
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn reserved(&self) -> Option<u64> {
        guarded("asking for the memory in use", || Ok(self.gpu.reserved())).ok()
    }

    fn submit<'a>(&'a self, inputs: &[TensorView<'_>]) -> RunFuture<'a> {
        let started = guarded("launching a run", || self.start(inputs));
        match started {
            Ok(outputs) => Box::pin(Guarded(Box::pin(self.finish(outputs)))),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

/// A read-back whose panics become errors.
struct Guarded<F>(Pin<Box<F>>);

impl<T, F: Future<Output = Result<T>>> Future for Guarded<F> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match guarded("reading back", || Ok(self.0.as_mut().poll(context))) {
            Ok(poll) => poll,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

/// Peak memory on the adapter. Every element takes 4 bytes there, whatever its type.
fn plan(program: &Program, limit: usize, weights: u64) -> MemoryPlan {
    let last = program.last_uses();
    let bytes = |id: ValueId| {
        let value = program.value(id);
        if value.constant.is_some() { 0 } else { value.elements() as u64 * 4 }
    };
    let mut live: u64 = program.inputs.iter().map(|&id| bytes(id)).sum();
    let (mut peak, mut scratch) = (live, 0);
    for (i, step) in program.steps.iter().enumerate() {
        live += bytes(step.output);
        peak = peak.max(live);
        scratch = scratch.max(steps::workspace(program, step, limit));
        let mut freed: Vec<ValueId> = step.inputs.iter().flatten().chain([&step.output]).copied().collect();
        freed.sort_unstable();
        freed.dedup();
        freed.retain(|id| last[id.index()].is_none_or(|l| l <= i));
        live -= freed.into_iter().map(bytes).sum::<u64>();
    }
    MemoryPlan { weights, activations: peak, workspace: scratch }
}
