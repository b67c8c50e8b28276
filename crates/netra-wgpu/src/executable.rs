//! A compiled program: constants on the adapter, steps prepared, buffers freed after their last use.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use netra_graph::{
    CompileOptions, Error, Executable, MemoryPlan, Profile, Program, Progress, Result, RunFuture, StepTime, Tensor,
    TensorView, ValueId, fuse_normalization,
};

use crate::arena::Layout;
use crate::fault::{Guarded, guarded};
use crate::gpu::Gpu;
use crate::steps::{self, Prepared, Role, Setting, empty};
use crate::transfer::{Download, download, upload};
use crate::value::Value;

/// A program compiled for one adapter.
pub(crate) struct WgpuExecutable {
    gpu: Gpu,
    program: Arc<Program>,
    prepared: Vec<Prepared>,
    constants: HashMap<ValueId, Value>,
    last_uses: Vec<Option<usize>>,
    /// Whether any step reads a value: inputs that none reads stay on the host.
    read: Vec<bool>,
    layout: Arc<Layout>,
    plan: MemoryPlan,
}

/// Values on the adapter, by their number in the program.
type Live = Vec<Option<Value>>;

/// An output of a run: what a step made, or a tensor that no step touched.
enum Output {
    Device(Download),
    Host(Tensor),
}

impl WgpuExecutable {
    /// Prepares the steps, uploads the constants that they use, and rehearses. The program has no unsupported steps.
    pub(crate) fn compile(
        gpu: Gpu,
        program: Arc<Program>,
        setting: Setting<'_>,
        options: &CompileOptions<'_>,
    ) -> Result<Self> {
        guarded(&gpu, "compiling", || gpu.ordered(|| Self::build(gpu.clone(), program, setting, options)))
    }

    fn build(gpu: Gpu, program: Arc<Program>, setting: Setting<'_>, options: &CompileOptions<'_>) -> Result<Self> {
        let mut program = Arc::unwrap_or_clone(program);
        fuse_normalization(&mut program, |program, step| steps::takes_affine(&gpu, program, step, &setting));
        let program = Arc::new(program);
        let mut constants = HashMap::new();
        let mut prepared = Vec::with_capacity(program.steps.len());
        let put = |constants: &mut HashMap<ValueId, Value>, id: ValueId| -> Result<()> {
            if let (Some(tensor), false) = (&program.value(id).constant, constants.contains_key(&id)) {
                let place = || format!("constant '{}'", program.value(id).name);
                constants.insert(id, upload(&gpu, tensor.view()).map_err(|e| e.at(place()))?);
            }
            Ok(())
        };
        for (step, role) in program.steps.iter().zip(steps::roles(&program, gpu.limit())) {
            let ready = match role {
                Role::Alone => steps::prepare(&gpu, &program, step, &setting),
                Role::Absorbed => Prepared::Absorbed,
                Role::End(chain) => Prepared::Chain(Box::new(chain)),
            };
            for (k, id) in ready.inputs(step).iter().enumerate() {
                if let (Some(id), false) = (id, ready.replaces(k)) {
                    put(&mut constants, *id)?;
                }
            }
            prepared.push(ready);
        }
        let packed: usize = prepared.iter().map(Prepared::bytes).sum();
        let uploaded: usize = constants.keys().map(|&id| program.value(id).elements() * 4).sum();
        let last_uses = last_uses(&program, &prepared);
        let mut read = vec![false; program.values.len()];
        program.steps.iter().flat_map(|s| s.inputs.iter().flatten()).for_each(|id| read[id.index()] = true);
        let (layout, plan) = (Arc::default(), MemoryPlan::default());
        let mut this = Self { gpu, program, prepared, constants, last_uses, read, layout, plan };
        this.layout = Arc::new(this.rehearse(options.progress)?);
        let activations = activations(&this.program).min(this.layout.bytes());
        let workspace = this.layout.bytes() - activations;
        this.plan = MemoryPlan { weights: (packed + uploaded) as u64, activations, workspace };
        Ok(this)
    }

    /// Launches a workgroup of every step (see `Gpu::grid`), so that the driver has compiled each shader, and plans the places of what the
    /// steps ask for.
    fn rehearse(&self, progress: Option<Progress<'_>>) -> Result<Layout> {
        let (gpu, rehearsal) = self.gpu.rehearsal();
        let mut live: Live = vec![None; self.program.values.len()];
        for &id in self.program.inputs.iter().filter(|id| self.read[id.index()]) {
            live[id.index()] = Some(empty(&gpu, &self.program.value(id).shape));
        }
        let total = self.program.steps.len();
        self.walk(&gpu, &mut live, |i| {
            gpu.wait(&rehearsal.stand_in)?;
            if let Some(progress) = progress {
                progress(i + 1, total);
            }
            Ok(())
        })?;
        drop(live);
        Ok(gpu.layout(&rehearsal))
    }

    /// Launches every step. A value goes with its last use; what is left at the end are the outputs.
    fn walk(&self, gpu: &Gpu, live: &mut Live, mut done: impl FnMut(usize) -> Result<()>) -> Result<()> {
        for (i, (step, prepared)) in self.program.steps.iter().zip(&self.prepared).enumerate() {
            if matches!(prepared, Prepared::Absorbed) {
                continue;
            }
            let here = |e: Error| e.at(format!("node '{}'", step.node));
            let inputs = prepared.inputs(step);
            let find = |id: ValueId| self.constants.get(&id).or(live[id.index()].as_ref());
            let operands: Vec<Option<&Value>> = inputs.iter().map(|id| id.and_then(find)).collect();
            let value = steps::run(gpu, &self.program, step, prepared, &operands).map_err(here)?;
            live[step.output.index()] = Some(value);
            for id in inputs.iter().flatten().chain([&step.output]) {
                if self.last_uses[id.index()].is_none_or(|last| last <= i) {
                    live[id.index()] = None;
                }
            }
            done(i).map_err(here)?;
        }
        Ok(())
    }

    /// The inputs on the adapter.
    fn take(&self, gpu: &Gpu, inputs: &[TensorView<'_>]) -> Result<Live> {
        let mut live: Live = vec![None; self.program.values.len()];
        for (view, &id) in inputs.iter().zip(&self.program.inputs).filter(|(_, id)| self.read[id.index()]) {
            let value = upload(gpu, *view);
            live[id.index()] = Some(value.map_err(|e| e.at(format!("input '{}'", self.program.value(id).name)))?);
        }
        Ok(live)
    }

    /// Issues a run, from the upload of its inputs to the reading of its outputs.
    fn start(&self, inputs: &[TensorView<'_>]) -> Result<Vec<Output>> {
        self.program.check_inputs(inputs)?;
        self.gpu.run(&self.layout, |gpu| {
            let mut live = self.take(gpu, inputs)?;
            self.walk(gpu, &mut live, |_| Ok(()))?;
            let output = |&id: &ValueId| {
                let value = self.program.value(id);
                if let Some(constant) = &value.constant {
                    return Ok(Output::Host(constant.as_ref().clone()));
                }
                if let Some(place) = self.program.inputs.iter().position(|&input| input == id) {
                    return Ok(Output::Host(inputs[place].to_tensor()));
                }
                let made = live[id.index()].as_ref().map(|made| Output::Device(download(gpu, made, value.dtype)));
                made.ok_or_else(|| Error::malformed(format!("output '{}' is never computed", value.name)))
            };
            self.program.outputs.iter().map(output).collect()
        })
    }

    /// Runs a program of one input on the adapter alone: `fill` writes to the input's place, `then` issues whatever reads output
    /// number `output`, which is good until the next run.
    pub(crate) fn run_resident<R>(
        &self,
        output: usize,
        fill: impl FnOnce(&Value) -> Result<()>,
        then: impl FnOnce(&Value) -> Result<R>,
    ) -> Result<R> {
        let (&[input], Some(&id)) = (self.program.inputs.as_slice(), self.program.outputs.get(output)) else {
            return Err(Error::invalid("a program of one input and of the output asked for is expected"));
        };
        self.gpu.run(&self.layout, |gpu| {
            // An input that no step reads has no place.
            let gpu_of_input = if self.read[input.index()] { gpu } else { &self.gpu };
            let place = empty(gpu_of_input, &self.program.value(input).shape);
            fill(&place)?;
            let mut live: Live = vec![None; self.program.values.len()];
            live[input.index()] = Some(place);
            self.walk(gpu, &mut live, |_| Ok(()))?;
            if let Some(constant) = &self.program.value(id).constant {
                return then(&upload(&self.gpu, constant.view())?);
            }
            let never = || Error::malformed(format!("output '{}' is never computed", self.program.value(id).name));
            then(live[id.index()].as_ref().ok_or_else(never)?)
        })
    }

    /// Nanoseconds of all steps together, the way of inputs and outputs left out.
    pub(crate) fn busy(&self, inputs: &[TensorView<'_>]) -> Result<u64> {
        self.program.check_inputs(inputs)?;
        let marker = self.gpu.ordered(|| self.gpu.marker());
        self.gpu.run(&self.layout, |gpu| {
            let mut live = self.take(gpu, inputs)?;
            gpu.wait(&marker)?;
            let started = Instant::now();
            self.walk(gpu, &mut live, |_| Ok(()))?;
            gpu.wait(&marker)?;
            Ok(nanoseconds(started))
        })
    }

    /// A run that waits after each step: the adapter's time, and that of one launch and one answer.
    fn timed(&self, inputs: &[TensorView<'_>]) -> Result<Profile> {
        self.program.check_inputs(inputs)?;
        let marker = self.gpu.ordered(|| self.gpu.marker());
        self.gpu.run(&self.layout, |gpu| {
            let started = Instant::now();
            let mut live = self.take(gpu, inputs)?;
            gpu.wait(&marker)?;
            let (mut steps, mut before) = (Vec::new(), Instant::now());
            self.walk(gpu, &mut live, |i| {
                gpu.wait(&marker)?;
                steps.push(StepTime::new(&self.program, &self.program.steps[i], nanoseconds(before)));
                before = Instant::now();
                Ok(())
            })?;
            Ok(Profile::new(steps, nanoseconds(started)))
        })
    }
}

pub(crate) fn nanoseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Waits for the outputs, one after the other.
async fn finish(outputs: Vec<Output>) -> Result<Vec<Tensor>> {
    let mut tensors = Vec::with_capacity(outputs.len());
    for output in outputs {
        tensors.push(match output {
            Output::Device(download) => download.await?,
            Output::Host(tensor) => tensor,
        });
    }
    Ok(tensors)
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
        guarded(&self.gpu, "asking for the memory in use", || Ok(self.gpu.reserved())).ok()
    }

    fn submit<'a>(&'a self, inputs: &[TensorView<'_>]) -> RunFuture<'a> {
        let started = guarded(&self.gpu, "launching a run", || self.start(inputs));
        match started {
            Ok(outputs) => Box::pin(Guarded::new(&self.gpu, finish(outputs))),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn profile(&self, inputs: &[TensorView<'_>]) -> Result<Profile> {
        guarded(&self.gpu, "timing a run", || self.timed(inputs))
    }
}

/// The last step that reads each value, chains being at their last step; none is after outputs.
fn last_uses(program: &Program, prepared: &[Prepared]) -> Vec<Option<usize>> {
    let mut last = vec![None; program.values.len()];
    for (i, (step, prepared)) in program.steps.iter().zip(prepared).enumerate() {
        prepared.inputs(step).iter().flatten().for_each(|id| last[id.index()] = Some(i));
    }
    program.outputs.iter().for_each(|id| last[id.index()] = Some(program.steps.len()));
    last
}

/// Most bytes of live values. Every element takes 4 bytes, whatever its type.
fn activations(program: &Program) -> u64 {
    let last = program.last_uses();
    let bytes = |id: ValueId| {
        let value = program.value(id);
        if value.constant.is_some() { 0 } else { value.elements() as u64 * 4 }
    };
    let mut live: u64 = program.inputs.iter().map(|&id| bytes(id)).sum();
    let mut peak = live;
    for (i, step) in program.steps.iter().enumerate() {
        live += bytes(step.output);
        peak = peak.max(live);
        let mut freed: Vec<ValueId> = step.inputs.iter().flatten().chain([&step.output]).copied().collect();
        freed.sort_unstable();
        freed.dedup();
        freed.retain(|id| last[id.index()].is_none_or(|l| l <= i));
        live -= freed.into_iter().map(bytes).sum::<u64>();
    }
    peak
}
