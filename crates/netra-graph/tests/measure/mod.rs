//! Time and memory of a call on hostile bytes. Every test of a binary that uses this holds [`alone`] while it runs, so that nobody
//! else allocates meanwhile.
#![allow(dead_code, clippy::unwrap_used)] // Each test binary uses its own part.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netra_testkit::{Rng, patience};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;
static ALONE: Mutex<()> = Mutex::new(());

pub fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The most that any call took.
#[derive(Debug, Default)]
pub struct Worst {
    pub time: Duration,
    pub slowest: usize,
    pub memory: usize,
}

impl Worst {
    /// Runs `call` on a file of `bytes` bytes and checks what it took: within its [`patience`], and with the file itself under four
    /// times the file and 64 MB.
    #[track_caller]
    pub fn bounded<T>(&mut self, case: usize, bytes: usize, call: impl Fn() -> T) -> T {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let start = Instant::now();
        let result = call();
        let mut time = start.elapsed();
        let memory = MEMORY.peak_usage().saturating_sub(before);
        // A busy machine may take the processor away; what takes this long by itself does so again.
        for _ in 0..2 {
            if time > patience() {
                let start = Instant::now();
                drop(call());
                time = time.min(start.elapsed());
            }
        }
        assert!(time < patience(), "case {case} took {time:?}");
        assert!(memory < 3 * bytes + (64 << 20), "case {case}: {memory} bytes for a file of {bytes}");
        if time > self.time {
            (self.time, self.slowest) = (time, case);
        }
        self.memory = self.memory.max(memory);
        result
    }
}

/// [`Worst::bounded`] for one case.
#[track_caller]
pub fn bounded<T>(bytes: usize, call: impl Fn() -> T) -> T {
    Worst::default().bounded(0, bytes, call)
}

/// One change to a file: a bit, some bytes, a number that matters, a cut, a piece left out or doubled. The same for the same
/// number.
pub fn mutant(original: &[u8], number: usize) -> Vec<u8> {
    const TELLING: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x20, 0x10];
    let mut rng = Rng::new(number as u64);
    let mut bytes = original.to_vec();
    for _ in 0..1 + rng.below(3) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.below(bytes.len());
        let end = (at + rng.below(12)).min(bytes.len());
        match rng.below(8) {
            0 | 1 => bytes[at] ^= 1 << rng.below(8),
            2 => bytes[at] = rng.bits() as u8,
            3 => bytes[at] = *rng.pick(&TELLING),
            4 => bytes[at..end].fill(*rng.pick(&TELLING)),
            5 => drop(bytes.drain(at..end)),
            6 => {
                let copy = bytes[at..end].to_vec();
                let to = rng.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            _ if rng.below(4) == 0 => bytes.truncate(at),
            _ => {
                let other = rng.below(bytes.len());
                bytes.swap(at, other);
            }
        }
    }
    bytes
}
