//! ONNX's own node tests on any backend: 1,884 models of one operator, or of the operators it is made of, that the `onnx`
//! package generates with inputs and expected outputs.
//!
//! How a case is judged is told in `docs/operators.md`, whose table [`markdown`] makes.

mod bind;
mod cases;
mod compare;
mod table;
mod vision;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use netra_graph::Backend;

pub use cases::{Case, Slot, cases};
pub use table::markdown;
pub use vision::{VISION, is_vision};

/// A case that has no answer after this time has failed: the models have a handful of elements.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which inputs came at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// All of them.
    RunTime,
    /// The data, if the operator has any; parameters (weights, sizes, axes ...) were initialisers, as in exported networks.
    Data,
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The expected outputs, within the case's tolerance.
    Passed(Binding),
    /// The expected outputs, but only with every input a constant: folded when the model is loaded. Why it does not
    /// run.
    Folded(String),
    /// Refused with a typed `Unsupported`: its message.
    Refused(String),
    /// A wrong result, an error of another kind, a panic, or no end.
    Failed(String),
}

/// The outcomes on one backend, in the order of the cases.
#[derive(Clone, Debug)]
pub struct Report {
    /// The backend's name.
    pub backend: String,
    /// One for each case.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// Names and reasons of the cases that failed.
    pub fn failures(&self, cases: &[Case]) -> Vec<String> {
        let failed = |(case, outcome): (&Case, &Outcome)| match outcome {
            Outcome::Failed(why) => Some(format!("{}: {why}", case.name)),
            _ => None,
        };
        cases.iter().zip(&self.outcomes).filter_map(failed).collect()
    }

    /// How many of the cases that `keep` selects passed, and how many those are.
    pub fn passed(&self, cases: &[Case], keep: impl Fn(&Case) -> bool) -> (usize, usize) {
        let kept = || cases.iter().zip(&self.outcomes).filter(|(case, _)| keep(case));
        (kept().filter(|(_, o)| matches!(o, Outcome::Passed(_))).count(), kept().count())
    }
}

/// Runs every case. Panics and cases without end are failures of theirs; the thread of the latter is left behind. Where the
/// target has no threads they end the test.
pub fn run(backend: &Arc<dyn Backend>, cases: &[Case]) -> Report {
    let name = backend.name().to_owned();
    if cfg!(target_family = "wasm") {
        return Report { backend: name, outcomes: cases.iter().map(|case| outcome(backend.as_ref(), case)).collect() };
    }
    let mut worker = Worker::start(backend.clone());
    let outcomes = cases.iter().map(|case| {
        worker.run(case).unwrap_or_else(|| {
            worker = Worker::start(backend.clone());
            Outcome::Failed(format!("no answer after {PATIENCE:?}"))
        })
    });
    Report { backend: name, outcomes: outcomes.collect() }
}

/// What becomes of a case. A panic is its failure.
fn outcome(backend: &dyn Backend, case: &Case) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| bind::outcome(backend, case)))
        .unwrap_or_else(|e| Outcome::Failed(format!("panic: {}", message(&*e))))
}

/// The test of a backend: no case fails, and at least `vision` cases over imaging operators and `all` cases of all pass.
/// Skipped, with a note, where the cases cannot be made.
#[allow(clippy::print_stderr)]
pub fn check(backend: &Arc<dyn Backend>, vision: usize, all: usize) {
    let Some(cases) = cases() else { return };
    let report = run(backend, &cases);
    let failures = report.failures(&cases);
    let (seen, of_vision) = report.passed(&cases, |case| case.is_vision());
    let (total, of_all) = report.passed(&cases, |_| true);
    eprintln!("{}: {seen} of {of_vision} imaging cases passed, {total} of all {of_all}", report.backend);
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    assert!(seen >= vision, "{seen} imaging cases passed, once there were {vision}");
    assert!(total >= all, "{total} cases passed, once there were {all}");
}

/// A thread that runs cases, so that one without end does not stop the others.
struct Worker {
    cases: Sender<Case>,
    outcomes: Receiver<Outcome>,
}

impl Worker {
    fn start(backend: Arc<dyn Backend>) -> Self {
        let (cases, receiver) = channel::<Case>();
        let (sender, outcomes) = channel();
        thread::spawn(move || {
            for case in receiver {
                if sender.send(outcome(backend.as_ref(), &case)).is_err() {
                    return;
                }
            }
        });
        Self { cases, outcomes }
    }

    fn run(&self, case: &Case) -> Option<Outcome> {
        self.cases.send(case.clone()).ok()?;
        self.outcomes.recv_timeout(PATIENCE).ok()
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
