//! A batch over several devices: one queue, one engine a device, one thread an engine.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};

use netra_core::{Error, ErrorKind, Result};
use netra_graph::{Backend, CompileOptions, DType, Kernel, ProgramBuilder, Tensor, Unary};

use crate::Engine;

/// What happens in a batch.
pub enum Event<C, R> {
    /// A case is done, or failed.
    Done {
        /// The case, as it came.
        case: C,
        /// What the work on it gave.
        result: Result<R>,
    },
    /// A device is given up: it failed and does not answer any more. Its case goes to another, once.
    Retired {
        /// Its place among the engines.
        engine: usize,
        /// The failure.
        why: String,
    },
}

/// Runs `work` on every case, on whichever engine is free: a slow one gets fewer. A case is taken from the iterator when an
/// engine is free for it. `report` is told on this thread, in the order in which cases finish; returns after the last.
///
/// An error of the kind [`Backend`](ErrorKind::Backend) makes the engine run a network of one element. When that fails too,
/// the device is [retired](Event::Retired), and the case is tried once on another. When no device is left, all other cases
/// fail with that kind. Any other error is the case's own.
pub fn spread<C: Send, R: Send>(
    engines: &[Engine],
    cases: impl Iterator<Item = C> + Send,
    work: impl Fn(&Engine, &C) -> Result<R> + Sync,
    mut report: impl FnMut(Event<C, R>),
) {
    let state = State { cases: cases.fuse(), again: Vec::new(), busy: 0, left: engines.len() };
    let queue = Queue { state: Mutex::new(state), changed: Condvar::new() };
    let mut gone = Vec::new();
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for (i, engine) in engines.iter().enumerate() {
            let (queue, work, sender) = (&queue, &work, sender.clone());
            // Nobody listens any more only when `report` panicked.
            scope.spawn(move || queue.serve(engine, i, work, &|event| drop(sender.send(event))));
        }
        drop(sender);
        for event in receiver {
            if let Event::Retired { engine, why } = &event {
                gone.push(format!("{}: {why}", engines[*engine].device()));
            }
            report(event);
        }
    });
    let State { cases, again, .. } = queue.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    for case in again.into_iter().chain(cases) {
        let error = Error::new(ErrorKind::Backend, format!("no device is left to run on ({})", gone.join("; ")));
        report(Event::Done { case, result: Err(error) });
    }
}

struct State<I, C> {
    cases: I,
    /// Cases whose device was retired.
    again: Vec<C>,
    /// Engines at work: any may yet give its case back.
    busy: usize,
    /// Engines not retired.
    left: usize,
}

struct Queue<I, C> {
    state: Mutex<State<I, C>>,
    changed: Condvar,
}

/// An engine at work; it no longer is when this goes, be it by a panic.
struct Busy<'q, I, C>(&'q Queue<I, C>);

impl<I, C> Drop for Busy<'_, I, C> {
    fn drop(&mut self) {
        self.0.lock().busy -= 1;
        self.0.changed.notify_all();
    }
}

impl<I, C> Queue<I, C> {
    // A panic elsewhere leaves the state whole: every change to it is one step.
    fn lock(&self) -> MutexGuard<'_, State<I, C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I: Iterator<Item = C>, C> Queue<I, C> {
    /// Takes cases until none is left, or the device is retired.
    fn serve<R>(
        &self,
        engine: &Engine,
        index: usize,
        work: &impl Fn(&Engine, &C) -> Result<R>,
        tell: &dyn Fn(Event<C, R>),
    ) {
        while let Some((case, first, _busy)) = self.next() {
            let error = match work(engine, &case) {
                Err(error) if error.kind() == ErrorKind::Backend && !answers(engine) => error,
                result => {
                    tell(Event::Done { case, result });
                    continue;
                }
            };
            tell(Event::Retired { engine: index, why: error.to_string() });
            let elsewhere = {
                let mut state = self.lock();
                state.left -= 1;
                first && state.left > 0
            };
            if elsewhere {
                self.lock().again.push(case);
            } else {
                tell(Event::Done { case, result: Err(error) });
            }
            return;
        }
    }

    /// The next case and whether this is its first device. Waits while there is none, but may yet be.
    fn next(&self) -> Option<(C, bool, Busy<'_, I, C>)> {
        let mut state = self.lock();
        loop {
            let again = state.again.pop();
            let first = again.is_none();
            if let Some(case) = again.or_else(|| state.cases.next()) {
                state.busy += 1;
                return Some((case, first, Busy(self)));
            }
            if state.busy == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Whether a device still runs anything: the negative of one number.
fn answers(engine: &Engine) -> bool {
    let backend: &dyn Backend = engine.pipeline().network().backend();
    let mut b = ProgramBuilder::new();
    let x = b.input("x", DType::F32, &[1]);
    let y = b.step("negative", Kernel::Unary(Unary::Neg), &[Some(x)], DType::F32, &[1]);
    let program = Arc::new(b.finish(vec![y]));
    let run = || {
        let one = Tensor::from_f32([1], vec![1.0])?;
        backend.compile(program, &CompileOptions::default())?.run(&[one.view()])
    };
    run().is_ok_and(|outputs: Vec<Tensor>| outputs.first().and_then(Tensor::as_f32) == Some(&[-1.0]))
}
