//! Measures on the adapter with which algorithms a program's convolutions run fastest.
//!
//! Kind by kind, each alone and many times in a row, without the way to the host and back: an adapter runs one step after the
//! other, and most of what a step reads has left its caches by then. What was measured alone then has to prove itself in whole
//! runs, beside the program as it is by default.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use netra_graph::{
    CompileOptions, Executable, MeasuredOn, Program, Result, Step, Tensor, TensorView, Tuned, TunedSteps, Tuning,
    signature,
};

use crate::executable::WgpuExecutable;
use crate::gpu::Gpu;
use crate::steps::{self, Choice, Setting};
use crate::transfer::upload;
use crate::value::Value;

/// An algorithm is measured on where its first run takes at most so many times what the best one takes.
const HOPELESS: u64 = 2;
/// Steps change their algorithm when they take at most this share of the default's time.
const STEPS: f64 = 0.95;
/// Choices are kept when the whole run takes at most this share of the default's time.
const WHOLE: f64 = 0.99;
/// Rounds of a comparison of steps, and of whole runs.
const STEP_ROUNDS: usize = 5;
const RUN_ROUNDS: usize = 9;
/// Nanoseconds that a sample should take at least: a step is launched as often as that takes, up to a limit.
const SAMPLE: u64 = 4_000_000;
const MOST_LAUNCHES: u64 = 64;

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
        let Some(default) = steps::plan(&problem, &self.setting, None) else { return Ok(None) };
        let operands = self.operands(program, step)?;
        let mut candidates = vec![default.choice()];
        for choice in Choice::all() {
            let planned = steps::plan(&problem, &self.setting, Some(choice)).map(|plan| plan.choice());
            if planned == Some(choice) && choice != default.choice() {
                candidates.push(choice);
            }
        }
        let mut best: Option<u64> = None;
        let mut runs = Vec::new();
        for choice in candidates {
            let setting = Setting { forced: Some(choice), ..self.setting };
            let prepared = steps::prepare(self.gpu, program, step, &setting);
            let launch = || steps::run(self.gpu, program, step, &prepared, &views(&operands)).map(drop);
            // The first run compiles the shader.
            self.time(1, launch)?;
            let once = self.time(1, launch)?;
            if best.is_none_or(|best| once <= HOPELESS * best) {
                best = Some(best.map_or(once, |best| best.min(once)));
                runs.push((choice, prepared, once));
            }
        }
        let mut times = vec![u64::MAX; runs.len()];
        for _ in 0..STEP_ROUNDS {
            for ((_, prepared, once), time) in runs.iter().zip(&mut times) {
                let launch = || steps::run(self.gpu, program, step, prepared, &views(&operands)).map(drop);
                *time = self.time((SAMPLE / once.max(&1)).clamp(1, MOST_LAUNCHES), launch)?.min(*time);
            }
        }
        let fastest = runs.iter().zip(&times).skip(1).min_by_key(|(_, time)| **time);
        let better = fastest.filter(|(_, time)| **time as f64 <= STEPS * times[0] as f64);
        let faster = better.map(|((choice, ..), &time)| (*choice, time));
        Ok(Some(Measured { default: default.choice(), nanoseconds: times[0], faster }))
    }

    /// Something for each input of a step: its constants, and noise.
    fn operands(&self, program: &Program, step: &Step) -> Result<Vec<Option<Value>>> {
        let noise = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0;
        let operand = |(i, id): (usize, &Option<_>)| {
            let Some(value) = id.map(|id| program.value(id)).filter(|_| i != 1) else { return Ok(None) };
            let tensor = match &value.constant {
                Some(constant) => constant.as_ref().clone(),
                None => Tensor::from_f32(value.shape.clone(), (0..value.elements()).map(noise).collect())?,
            };
            upload(self.gpu, tensor.view()).map(Some)
        };
        step.inputs.iter().enumerate().map(operand).collect()
    }

    /// Nanoseconds of one of `launches`.
    fn time(&self, launches: u64, launch: impl Fn() -> Result<()>) -> Result<u64> {
        self.gpu.sync()?;
        let started = Instant::now();
        for _ in 0..launches {
            launch()?;
        }
        self.gpu.sync()?;
        Ok(nanoseconds(started) / launches)
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

fn views(operands: &[Option<Value>]) -> Vec<Option<&Value>> {
    operands.iter().map(Option::as_ref).collect()
}

fn nanoseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
