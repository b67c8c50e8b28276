//! Threads that wait for work close by.
//!
//! A network of a hundred small steps hands work over a hundred times in a few milliseconds; waking a thread that sleeps
//! costs as much as some of those steps. A worker of this team therefore watches for the next piece of work for a moment
//! before it sleeps.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use netra_graph::{Error, ErrorKind, Result};

/// How long a worker watches before it sleeps.
const WATCH: Duration = Duration::from_micros(100);
/// Looks at the gate between two looks at the clock, or before other threads of the machine get a turn.
const LOOKS: usize = 64;

/// Bits of the gate: the workers inside, whether more may enter, whether the team ends, and the number of the job.
const INSIDE: u64 = (1 << 32) - 1;
const OPEN: u64 = 1 << 32;
const STOP: u64 = 1 << 33;
const JOB: u64 = 1 << 34;

type Job = *const (dyn Fn(usize) + Sync);

/// Worker threads, numbered from 1; whoever calls [`run`](Self::run) is worker 0.
pub struct Team {
    state: Arc<State>,
    workers: Vec<JoinHandle<()>>,
    /// Held by the caller whose job the team works on.
    caller: Mutex<()>,
}

struct State {
    gate: AtomicU64,
    /// Written only while the gate is closed and nobody is inside.
    job: UnsafeCell<Option<Job>>,
    /// For each worker, whether it sleeps or is about to.
    asleep: Vec<AtomicBool>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    watch: Duration,
}

// SAFETY: `job` is written by the holder of `caller` while the gate is closed and empty, and read by workers that are
// inside; opening the gate publishes the write, and the last one's leaving is seen before the next write. What it points
// to is `Sync` and lives until the gate is closed and empty again.
unsafe impl Sync for State {}
// SAFETY: as above.
unsafe impl Send for State {}

impl Team {
    /// A team of `workers` threads beside the caller.
    pub fn new(workers: usize) -> Result<Self> {
        // Threads that watch must not keep those that work from a core.
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let watch = if workers < cores { WATCH } else { Duration::ZERO };
        let state = Arc::new(State {
            gate: AtomicU64::new(0),
            job: UnsafeCell::new(None),
            asleep: (0..workers).map(|_| AtomicBool::new(false)).collect(),
            panic: Mutex::new(None),
            watch,
        });
        let mut team = Self { state, workers: Vec::with_capacity(workers), caller: Mutex::new(()) };
        for worker in 1..=workers {
            let state = team.state.clone();
            let handle = thread::Builder::new()
                .name(format!("netra-cpu-{worker}"))
                .spawn(move || state.work(worker))
                .map_err(|e| Error::new(ErrorKind::Backend, "cannot start threads").with_source(e))?;
            team.workers.push(handle);
        }
        Ok(team)
    }

    /// Calls `job(0)` here and `job(i)` on those of the workers `1..=others`, and possibly more, that come before the call
    /// here ends; none runs any more when this returns. Where the team is busy with another caller's job, only `job(0)`
    /// is called. Goes on with the panic of a worker.
    pub fn run(&self, others: usize, job: &(dyn Fn(usize) + Sync)) {
        let _caller = match self.caller.try_lock() {
            Ok(guard) => guard,
            // An earlier job panicked, which left nothing half done here.
            Err(TryLockError::Poisoned(guard)) => guard.into_inner(),
            Err(TryLockError::WouldBlock) => return job(0),
        };
        let job: *const (dyn Fn(usize) + Sync + '_) = job;
        // SAFETY: only the lifetime changes; `Visit` ends before this function does, and then nobody uses the pointer.
        let pointer = unsafe { std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), Job>(job) };
        // SAFETY: this thread holds `caller`, and the gate has been closed and empty since the last caller left.
        unsafe { *self.state.job.get() = Some(pointer) };
        let next = (self.state.gate.load(Ordering::Relaxed) & !OPEN).wrapping_add(JOB) | OPEN;
        // In one order with the flags of the sleepers: they see the gate open, or this thread sees them asleep.
        self.state.gate.store(next, Ordering::SeqCst);
        let visit = Visit(&self.state);
        for (asleep, worker) in self.state.asleep.iter().zip(&self.workers).take(others) {
            if asleep.load(Ordering::SeqCst) {
                worker.thread().unpark();
            }
        }
        // SAFETY: the caller's own reference.
        unsafe { (*job)(0) };
        drop(visit);
        let panic = self.state.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.state.gate.fetch_or(STOP, Ordering::SeqCst);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // A worker does not panic: what a job does is caught.
            let _ = worker.join();
        }
    }
}

/// The time in which workers may be inside; ends, also when the caller's own part panics, with nobody there.
struct Visit<'a>(&'a State);

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let gate = &self.0.gate;
        gate.fetch_and(!OPEN, Ordering::Relaxed);
        let mut looks = 0;
        while gate.load(Ordering::Acquire) & INSIDE != 0 {
            looks += 1;
            if looks % LOOKS == 0 {
                thread::yield_now();
            }
            std::hint::spin_loop();
        }
    }
}

impl State {
    fn work(&self, worker: usize) {
        let mut last = 0;
        while let Some(gate) = self.wait(worker, last) {
            if self.gate.compare_exchange(gate, gate + 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
                continue;
            }
            last = gate / JOB;
            // SAFETY: inside, where the job is neither written nor ends.
            let result = catch_unwind(AssertUnwindSafe(|| unsafe {
                if let Some(job) = *self.job.get() {
                    (*job)(worker);
                }
            }));
            if let Err(panic) = result {
                *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
            }
            self.gate.fetch_sub(1, Ordering::Release);
        }
    }

    /// Waits until the gate is open with another job than `last` and gives its state; `None` when the team ends.
    fn wait(&self, worker: usize, last: u64) -> Option<u64> {
        let ready = |gate: u64| gate & STOP != 0 || (gate & OPEN != 0 && gate / JOB != last);
        let given = |gate: u64| (gate & STOP == 0).then_some(gate);
        let start = Instant::now();
        loop {
            for _ in 0..LOOKS {
                let gate = self.gate.load(Ordering::Relaxed);
                if ready(gate) {
                    return given(gate);
                }
                std::hint::spin_loop();
            }
            if start.elapsed() >= self.watch {
                break;
            }
        }
        let asleep = &self.asleep[worker - 1];
        asleep.store(true, Ordering::SeqCst);
        let gate = loop {
            let gate = self.gate.load(Ordering::SeqCst);
            if ready(gate) {
                break gate;
            }
            thread::park();
        };
        asleep.store(false, Ordering::Relaxed);
        given(gate)
    }
}

// WebAssembly has no threads, and `Threads` asks for no team there.
#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn every_job_is_over_when_its_call_returns() {
        for workers in [1, 3, 7] {
            let team = Team::new(workers).unwrap();
            thread::scope(|scope| {
                // Several callers: one has the team, the others work alone.
                for _ in 0..3 {
                    scope.spawn(|| {
                        for round in 0..2000 {
                            let units: Vec<AtomicUsize> = (0..5).map(|_| AtomicUsize::new(0)).collect();
                            let next = AtomicUsize::new(0);
                            team.run(workers, &|worker| {
                                assert!(worker <= workers);
                                while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
                                    unit.fetch_add(1, Ordering::Relaxed);
                                }
                            });
                            assert!(units.into_iter().all(|unit| unit.into_inner() == 1), "round {round}");
                            if round % 500 == 0 {
                                // Long enough for the workers to fall asleep.
                                thread::sleep(Duration::from_millis(1));
                            }
                        }
                    });
                }
            });
        }
    }

    #[test]
    fn workers_come() {
        let team = Team::new(2).unwrap();
        let came = AtomicUsize::new(0);
        let all = |worker: usize| {
            came.fetch_or(1 << worker, Ordering::SeqCst);
            while came.load(Ordering::SeqCst) != 0b111 {
                thread::yield_now();
            }
        };
        team.run(2, &all);
        assert_eq!(came.into_inner(), 0b111);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_goes_on() {
        let team = Team::new(1).unwrap();
        for panics in [0, 1] {
            let both = AtomicUsize::new(0);
            let result = catch_unwind(AssertUnwindSafe(|| {
                team.run(1, &|worker| {
                    both.fetch_add(1, Ordering::SeqCst);
                    while both.load(Ordering::SeqCst) < 2 {
                        thread::yield_now();
                    }
                    if worker == panics {
                        resume_unwind(Box::new(worker));
                    }
                });
            }));
            assert_eq!(result.unwrap_err().downcast_ref::<usize>(), Some(&panics));
        }
        let calls = AtomicUsize::new(0);
        team.run(1, &|_| _ = calls.fetch_add(1, Ordering::SeqCst));
        assert!(calls.into_inner() >= 1);
    }
}
