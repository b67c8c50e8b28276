//! Measures with which algorithms a program's convolutions run fastest.
//!
//! In place, not layer by layer: what a step finds in the caches depends on the steps before it. The whole program is compiled
//! once for each algorithm, which is taken wherever it can be and is not hopeless, and runs in turns with the program as it is
//! by default; so do all choices together at the end. A round compares neighbouring runs, so that a machine whose speed swings
//! from minute to minute slows both sides of a comparison.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use netra_graph::{
    CompileOptions, Executable, MeasuredOn, Profile, Program, Result, TensorView, Tuned, TunedSteps, Tuning,
};

use crate::choices::Setting;
use crate::conv::Choice;
use crate::executable::{CpuExecutable, nanoseconds};
use crate::isa::Isa;
use crate::parallel::Threads;

/// An algorithm is tried where its plan is expected to cost at most so many times what the default does.
const HOPELESS: u64 = 3;
/// Steps change their algorithm when they take at most this share of the default's time.
const STEPS: f64 = 0.95;
/// Choices are kept when the whole run takes at most this share of the default's time.
const WHOLE: f64 = 0.99;
/// Least rounds of a comparison of steps, and of whole runs, where a hundredth has to be seen.
const STEP_ROUNDS: usize = 7;
const RUN_ROUNDS: usize = 15;
/// Most rounds.
const MOST_ROUNDS: usize = 100;
/// Nanoseconds that a comparison may take, unless its least rounds take longer.
const ENOUGH: u64 = 3_000_000_000;
/// A run shorter than this is run once more before it counts: the other side has just filled the caches.
const SHORT: u64 = 50_000_000;

/// What is tuned, where.
pub struct Tuner<'a> {
    /// The program.
    pub program: Arc<Program>,
    /// What it is run on.
    pub inputs: &'a [TensorView<'a>],
    /// Instructions.
    pub isa: Isa,
    /// Threads.
    pub threads: Arc<Threads>,
    /// Precision and ranges.
    pub options: CompileOptions<'a>,
}

/// The steps of one signature.
struct Kind {
    /// Their indices in the compiled program.
    steps: Vec<usize>,
    /// The algorithm by default.
    default: &'static str,
    /// Others worth trying.
    candidates: Vec<Choice>,
}

/// Steps by signature.
type Kinds = BTreeMap<String, Kind>;

/// Medians of a comparison.
#[derive(Clone, Copy)]
struct Figure {
    /// Nanoseconds by default and with the choices.
    nanoseconds: [u64; 2],
    /// Of the rounds, the second over the first.
    ratio: f64,
}

impl Figure {
    /// Whether the choices take at most this share of the time, round by round and by the medians: on a machine of changing
    /// speed one of them alone may say so by luck.
    fn is_at_most(&self, share: f64) -> bool {
        let [default, chosen] = self.nanoseconds;
        self.ratio <= share && chosen as f64 <= share * default as f64
    }
}

impl Tuner<'_> {
    /// Measures. The tuning is said to be measured on `on`.
    pub fn run(&self, on: MeasuredOn) -> Result<Tuned> {
        let mut tuning = Tuning::new(on, BTreeMap::new());
        let default = self.compile(&tuning)?;
        let kinds = self.kinds(&default);
        let tried: Vec<Choice> =
            Choice::ALL.into_iter().filter(|c| kinds.values().any(|k| k.candidates.contains(c))).collect();
        let tell = |done: usize| self.options.progress.iter().for_each(|progress| progress(done, tried.len() + 2));
        let mut best: BTreeMap<&String, (Choice, f64)> = BTreeMap::new();
        for (done, &choice) in tried.iter().enumerate() {
            tell(done);
            let hopeful = kinds.iter().filter(|(_, kind)| kind.candidates.contains(&choice));
            tuning.algorithms = hopeful.map(|(signature, _)| (signature.clone(), choice.name().to_owned())).collect();
            let figures = self.compare_steps([&default, &self.compile(&tuning)?], &kinds)?;
            for ((signature, kind), figure) in kinds.iter().zip(figures) {
                let better = best.get(signature).is_none_or(|(_, ratio)| figure.ratio < *ratio);
                if kind.candidates.contains(&choice) && figure.is_at_most(STEPS) && better {
                    best.insert(signature, (choice, figure.ratio));
                }
            }
        }
        // The fastest of several was lucky, too: each has to win once more, beside the others.
        tell(tried.len());
        tuning.algorithms = best.iter().map(|(s, (choice, _))| ((*s).clone(), choice.name().to_owned())).collect();
        let figures = self.compare_steps([&default, &self.compile(&tuning)?], &kinds)?;
        for (signature, figure) in kinds.keys().zip(&figures) {
            if !figure.is_at_most(STEPS) {
                tuning.algorithms.remove(signature);
            }
        }
        tell(tried.len() + 1);
        let whole = self.compare_runs([&default, &self.compile(&tuning)?])?;
        if !whole.is_at_most(WHOLE) {
            tuning.algorithms.clear();
        }
        tell(tried.len() + 2);
        let steps = kinds.iter().zip(figures).map(|((signature, kind), figure)| {
            let mut steps = TunedSteps::new(signature, kind.default);
            steps.count = kind.steps.len();
            [steps.default_nanoseconds, steps.chosen_nanoseconds] = [figure.nanoseconds[0]; 2];
            if let Some(chosen) = tuning.algorithms.get(signature) {
                steps.chosen.clone_from(chosen);
                steps.chosen_nanoseconds = figure.nanoseconds[1];
            }
            steps
        });
        let steps = steps.collect();
        let [before, after] = whole.nanoseconds;
        let after = if tuning.algorithms.is_empty() { before } else { after };
        Ok(Tuned::new(tuning, steps, [before, after]))
    }

    fn compile(&self, tuning: &Tuning) -> Result<CpuExecutable> {
        let options = self.options.progress(None).tuning(Some(tuning));
        CpuExecutable::new(self.program.clone(), self.isa, self.threads.clone(), &options)
    }

    /// The steps that have a choice.
    fn kinds(&self, default: &CpuExecutable) -> Kinds {
        let options = self.options.tuning(None);
        let program = default.program();
        let setting = Setting { program, isa: self.isa, threads: self.threads.count(), options: &options };
        let mut kinds = Kinds::new();
        for (i, step) in program.steps.iter().enumerate() {
            let (Some(convolution), Some(signature)) = (default.convolution(i), setting.signature(step)) else {
                continue;
            };
            let Some(cost) = convolution.cost() else { continue };
            let kind = kinds.entry(signature).or_insert_with(|| {
                let hopeful = |choice: &Choice| {
                    choice.name() != convolution.name()
                        && setting.chosen(step, *choice).is_some_and(|c| c.cost() <= Some(HOPELESS * cost))
                };
                let candidates = Choice::ALL.into_iter().filter(hopeful).collect();
                Kind { steps: Vec::new(), default: convolution.name(), candidates }
            });
            kind.steps.push(i);
        }
        kinds
    }

    /// Compares the steps of each kind.
    fn compare_steps(&self, pair: [&CpuExecutable; 2], kinds: &Kinds) -> Result<Vec<Figure>> {
        compare(pair, STEP_ROUNDS, |executable| {
            let profile: Profile = executable.profile(self.inputs)?;
            let sum = |kind: &Kind| kind.steps.iter().map(|&i| profile.steps[i].nanoseconds).sum();
            Ok(kinds.values().map(sum).collect())
        })
    }

    /// Compares whole runs.
    fn compare_runs(&self, pair: [&CpuExecutable; 2]) -> Result<Figure> {
        let figures = compare(pair, RUN_ROUNDS, |executable| {
            let started = Instant::now();
            executable.run(self.inputs)?;
            Ok(vec![nanoseconds(started)])
        });
        Ok(figures?.remove(0))
    }
}

/// Lets two executables take turns in at least so many rounds, in alternating order. `measure` runs one and gives the times of its parts.
fn compare(
    pair: [&CpuExecutable; 2],
    least: usize,
    measure: impl Fn(&CpuExecutable) -> Result<Vec<u64>>,
) -> Result<Vec<Figure>> {
    // The first runs map their memory.
    let parts = measure(pair[0])?.len();
    measure(pair[1])?;
    let started = Instant::now();
    measure(pair[0])?;
    measure(pair[1])?;
    let took = nanoseconds(started).max(1);
    let short = took < 2 * SHORT;
    let round = if short { 2 * took } else { took };
    let rounds = ((ENOUGH / round) as usize).clamp(least, MOST_ROUNDS);
    let mut samples = vec![[Vec::new(), Vec::new()]; parts];
    for turn in 0..2 * rounds {
        let side = (turn / 2 + turn) % 2;
        if short {
            measure(pair[side])?;
        }
        for (samples, time) in samples.iter_mut().zip(measure(pair[side])?) {
            samples[side].push(time);
        }
    }
    Ok(samples.into_iter().map(figure).collect())
}

fn figure(samples: [Vec<u64>; 2]) -> Figure {
    let mut ratios: Vec<f64> = samples[0].iter().zip(&samples[1]).map(|(&a, &b)| b as f64 / a.max(1) as f64).collect();
    ratios.sort_by(f64::total_cmp);
    let median = |mut times: Vec<u64>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    Figure { ratio: ratios[ratios.len() / 2], nanoseconds: samples.map(median) }
}
