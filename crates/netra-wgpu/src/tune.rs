//! Measures on the adapter with which algorithms a program's convolutions run fastest.
//!
//! Kind by kind, each alone and several times in a row, without the way to the host and back: most of what a step reads has
//! left an adapter's caches by then. What was measured alone then has to prove itself in whole runs, beside the program as it
//! is by default.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use netra_graph::{
    CompileOptions, Executable, MeasuredOn, Program, ProgramBuilder, Result, Step, Tensor, TensorView, Tuned,
    TunedSteps, Tuning, ValueId, signature,
};

use crate::executable::{WgpuExecutable, nanoseconds};
use crate::gpu::Gpu;
use crate::steps::{self, Choice, Setting};

/// An algorithm is measured on where its first run takes at most so many times what the best one takes.
const HOPELESS: u64 = 2;
/// Steps change their algorithm when they take at most this share of the default's time.
const STEPS: f64 = 0.95;
/// Choices are kept when the whole run takes at most this share of the default's time.
const WHOLE: f64 = 0.99;
/// Rounds of a comparison of steps, and of whole runs.
const STEP_ROUNDS: usize = 5;
const RUN_ROUNDS: usize = 9;
/// Nanoseconds that a sample should take at least: so many copies of a step run in a row, up to a limit.
const SAMPLE: u64 = 4_000_000;
const MOST_LAUNCHES: u64 = 16;

/// What is tuned, where.
pub(crate) struct Tuner<'a> {
    pub(crate) gpu: &'a Gpu,
    pub(crate) program: Arc<Program>,
    pub(crate) inputs: &'a [TensorView<'a>],
    /// Adapter and precision; nothing is told.
    pub(crate) setting: Setting<'a>,
    pub(crate) options: CompileOptions<'a>,
}

/// What was measured of a step.
struct Measured {
    /// Its algorithm by default, and the nanoseconds of that.
    default: Choice,
    nanoseconds: u64,
    /// One that is faster.
    faster: Option<(Choice, u64)>,
}

impl Tuner<'_> {
    /// Measures. The tuning is said to be measured on `on`.
    pub(crate) fn run(&self, on: MeasuredOn) -> Result<Tuned> {
        let mut tuning = Tuning::new(on, BTreeMap::new());
        let default = self.compile(None)?;
        default.run(self.inputs)?;
        let mut kinds: BTreeMap<String, Vec<&Step>> = BTreeMap::new();
        for step in &default.program().steps {
            if steps::problem(self.gpu, default.program(), step).is_some() {
                let signature = signature(default.program(), step, self.setting.precision);
                signature.into_iter().for_each(|signature| kinds.entry(signature).or_default().push(step));
            }
        }
        let tell = |done: usize| self.options.progress.iter().for_each(|progress| progress(done, kinds.len() + 1));
        let mut tuned = Vec::new();
        for (done, (signature, steps)) in kinds.iter().enumerate() {
            tell(done);
            let Some(measured) = self.measure(default.program(), steps[0])? else { continue };
            let of_all = |nanoseconds: u64| nanoseconds * steps.len() as u64;
            let mut kind = TunedSteps::new(signature, &measured.default.name());
            kind.count = steps.len();
            [kind.default_nanoseconds, kind.chosen_nanoseconds] = [of_all(measured.nanoseconds); 2];
            if let Some((choice, nanoseconds)) = measured.faster {
                tuning.algorithms.insert(signature.clone(), choice.name());
                kind.chosen = choice.name();
                kind.chosen_nanoseconds = of_all(nanoseconds);
            }
            tuned.push(kind);
        }
        tell(kinds.len());
        let whole = self.compare([&default, &self.compile(Some(&tuning))?])?;
        let kept = whole[1] as f64 <= WHOLE * whole[0] as f64 && !tuning.algorithms.is_empty();
        if !kept {
            tuning.algorithms.clear();
            for kind in &mut tuned {
                kind.chosen.clone_from(&kind.default);
                kind.chosen_nanoseconds = kind.default_nanoseconds;
            }
        }
        tell(kinds.len() + 1);
        Ok(Tuned::new(tuning, tuned, [whole[0], if kept { whole[1] } else { whole[0] }]))
    }

    fn compile(&self, tuning: Option<&Tuning>) -> Result<WgpuExecutable> {
        let setting = Setting { tuning, ..self.setting };
        WgpuExecutable::compile(self.gpu.clone(), self.program.clone(), setting, &self.options.progress(None))
    }

    /// Measures every algorithm that can compute a step. `None` where there is no choice.
    fn measure(&self, program: &Program, step: &Step) -> Result<Option<Measured>> {
        let Some(problem) = steps::problem(self.gpu, program, step) else { return Ok(None) };
        let Some(default) = steps::plan(&problem, &self.setting, None).map(|plan| plan.choice()) else {
            return Ok(None);
        };
        let planned = |choice| steps::plan(&problem, &self.setting, Some(choice)).map(|plan| plan.choice());
        let others = Choice::all().filter(|&choice| choice != default && planned(choice) == Some(choice));
        let alone = copies(program, step, 1);
        let noise = alone.inputs.iter().map(|&id| noise(&alone.value(id).shape)).collect::<Result<Vec<_>>>()?;
        let inputs: Vec<TensorView<'_>> = noise.iter().map(Tensor::view).collect();
        let mut best = u64::MAX;
        let mut runs = Vec::new();
        for choice in [default].into_iter().chain(others) {
            let once = self.with(&alone, choice)?.busy(&inputs)?;
            if choice == default || once / HOPELESS <= best {
                best = best.min(once);
                runs.push((choice, once));
            }
        }
        let launches = (SAMPLE / best.max(1)).clamp(1, MOST_LAUNCHES);
        let many = copies(program, step, launches);
        let mut times = Vec::new();
        for &(choice, _) in runs.iter().filter(|(choice, once)| *choice == default || once / HOPELESS <= best) {
            times.push((choice, self.with(&many, choice)?, u64::MAX));
        }
        for _ in 0..STEP_ROUNDS {
            for (_, executable, time) in &mut times {
                *time = executable.busy(&inputs)?.min(*time);
            }
        }
        let nanoseconds = times[0].2 / launches;
        let fastest = times.iter().skip(1).map(|(choice, _, time)| (*choice, time / launches)).min_by_key(|run| run.1);
        let faster = fastest.filter(|(_, time)| *time as f64 <= STEPS * nanoseconds as f64);
        Ok(Some(Measured { default, nanoseconds, faster }))
    }

    fn with(&self, program: &Arc<Program>, choice: Choice) -> Result<WgpuExecutable> {
        let setting = Setting { forced: Some(choice), ..self.setting };
        WgpuExecutable::compile(self.gpu.clone(), program.clone(), setting, &self.options.progress(None))
    }

    /// The shortest whole run of each executable, in turns.
    fn compare(&self, pair: [&WgpuExecutable; 2]) -> Result<[u64; 2]> {
        let mut shortest = [u64::MAX; 2];
        for turn in 0..2 * (RUN_ROUNDS + 1) {
            let side = (turn / 2 + turn) % 2;
            let started = Instant::now();
            pair[side].run(self.inputs)?;
            // The first runs set memory aside.
            if turn >= 2 {
                shortest[side] = shortest[side].min(nanoseconds(started));
            }
        }
        Ok(shortest)
    }
}

/// A program of some copies of a step. What the step is given by others is an input.
fn copies(program: &Program, step: &Step, copies: u64) -> Arc<Program> {
    let mut b = ProgramBuilder::new();
    let mut operand = |id: ValueId| {
        let value = program.value(id);
        match &value.constant {
            Some(constant) => b.constant(&value.name, constant.as_ref().clone()),
            None => b.input(&value.name, value.dtype, &value.shape),
        }
    };
    let operands: Vec<_> = step.inputs.iter().map(|id| id.map(&mut operand)).collect();
    let out = program.value(step.output);
    let made = (0..copies).map(|_| b.step(&step.node, step.kernel.clone(), &operands, out.dtype, &out.shape));
    let made: Vec<_> = made.collect();
    Arc::new(b.finish(made.last().copied().into_iter().collect()))
}

fn noise(shape: &[usize]) -> Result<Tensor> {
    let value = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0;
    Tensor::from_f32(shape, (0..shape.iter().product()).map(value).collect())
}
