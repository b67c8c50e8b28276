//! Work shared among threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use netra_graph::Result;

use crate::pages::Buffer;
use crate::team::Team;

/// A number of threads: the one that asks, and a team of the others.
pub struct Threads {
    count: usize,
    others: Option<Team>,
}

impl Threads {
    /// `count` threads, at least one; one where the target has no threads.
    pub fn new(count: usize) -> Result<Self> {
        let count = if cfg!(target_family = "wasm") { 1 } else { count.max(1) };
        let others = if count > 1 { Some(Team::new(count - 1)?) } else { None };
        Ok(Self { count, others })
    }

    /// How many threads work at once.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Calls `f(worker, unit)` once for each unit in `0..units`, in no order. Calls with one worker number, below
    /// [`count`](Self::count), never overlap within one `for_each`. The asking thread works too, so nothing waits for
    /// threads that are busy elsewhere for longer than it takes them to see that no unit is left.
    ///
    /// A worker begins with its own share, the same part of every `for_each`, and then helps the others: what one kernel
    /// writes and the next reads tends to stay in one core's cache.
    pub fn for_each(&self, units: usize, f: impl Fn(usize, usize) + Sync) {
        let (Some(team), true) = (&self.others, units > 1) else {
            (0..units).for_each(|unit| f(0, unit));
            return;
        };
        let workers = self.count.min(units);
        let start = |share: usize| share * units / workers;
        let next: Vec<Line<AtomicUsize>> = (0..workers).map(|share| Line(AtomicUsize::new(start(share)))).collect();
        team.run(workers - 1, &|worker| {
            for share in (0..workers).map(|i| (worker + i) % workers) {
                loop {
                    let unit = next[share].0.fetch_add(1, Ordering::Relaxed);
                    if unit >= start(share + 1) {
                        break;
                    }
                    f(worker, unit);
                }
            }
        });
    }

    /// Splits `data` into chunks of `chunk` elements (the last may be shorter) and calls `f(index, chunk)` for each.
    pub fn for_chunks<T: Send>(&self, data: &mut [T], chunk: usize, f: impl Fn(usize, &mut [T]) + Sync) {
        let len = data.len();
        let chunk = chunk.max(1);
        let shared = Shared::new(data);
        self.for_each(len.div_ceil(chunk), |_, i| {
            let start = i * chunk;
            // SAFETY: chunks of different indices do not overlap, each index is visited once, and `data` is
            // borrowed mutably for the whole call.
            f(i, unsafe { shared.slice(start, chunk.min(len - start)) });
        });
    }
}

/// The number of a unit of work, taken apart into the places of several loops, innermost first; what is left is that of the
/// outermost.
pub struct Digits(pub usize);

impl Digits {
    /// The place in a loop of `base` turns.
    pub fn next(&mut self, base: usize) -> usize {
        let place = self.0 % base;
        self.0 /= base;
        place
    }
}

/// A slice of which several threads write parts that do not overlap.
pub struct Shared<T> {
    start: *mut T,
    len: usize,
}

// SAFETY: a `Shared` only gives out parts on the caller's promise that they do not overlap, so that sharing it is
// sending parts of a mutable slice.
unsafe impl<T: Send> Sync for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Shared<T> {}

impl<T> Shared<T> {
    /// Shares `data`, which must outlive every part taken from it.
    pub fn new(data: &mut [T]) -> Self {
        Self { start: data.as_mut_ptr(), len: data.len() }
    }

    /// The elements `start..start + len`.
    ///
    /// # Safety
    /// The range lies inside the slice, no other part that overlaps it is in use, and the slice that was shared is
    /// still mutably borrowed for it.
    #[allow(clippy::mut_from_ref)] // The caller promises that parts do not overlap.
    pub unsafe fn slice(&self, start: usize, len: usize) -> &mut [T] {
        debug_assert!(start + len <= self.len);
        // SAFETY: inside one live allocation and not aliased, as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }

    /// The elements `start..start + len`, to be read.
    ///
    /// # Safety
    /// The range lies inside the slice, the slice that was shared is still mutably borrowed for it, and nobody writes these
    /// elements while they are in use.
    pub unsafe fn read(&self, start: usize, len: usize) -> &[T] {
        debug_assert!(start + len <= self.len);
        // SAFETY: inside one live allocation and not written, as the caller promises.
        unsafe { std::slice::from_raw_parts(self.start.add(start), len) }
    }

    /// The address of element `at`; using it is bound by the promises of [`slice`](Self::slice).
    pub fn pointer(&self, at: usize) -> *mut T {
        self.start.wrapping_add(at)
    }

    /// Writes one element.
    ///
    /// # Safety
    /// As for [`slice`](Self::slice), with a length of 1.
    pub unsafe fn write(&self, at: usize, value: T) {
        debug_assert!(at < self.len);
        // SAFETY: inside one live allocation and not aliased, as the caller promises.
        unsafe { self.start.add(at).write(value) }
    }
}

/// Something alone in its cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Line<T>(pub T);

/// Scratch memory of a run: one float32 buffer a worker and one for all of them, aligned to cache lines, and to large pages when
/// they fill most of one.
pub struct Scratch {
    buffers: Vec<Mutex<Buffer>>,
    common: Mutex<Buffer>,
    sums: Mutex<Vec<f32>>,
}

impl Scratch {
    /// `floats` elements, zeroed, for each of `workers`, and `common` elements for all.
    pub fn new(workers: usize, floats: usize, common: usize) -> Self {
        let buffers = (0..workers).map(|_| Mutex::new(Buffer::new(floats))).collect();
        Self { buffers, common: Mutex::new(Buffer::new(common)), sums: Mutex::new(Vec::new()) }
    }

    /// The buffer of `worker`.
    pub fn lock(&self, worker: usize) -> ScratchGuard<'_> {
        // A poisoned lock only says that another kernel panicked: scratch holds nothing worth protecting.
        ScratchGuard(self.buffers[worker].lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The buffer of all workers.
    pub fn common(&self) -> ScratchGuard<'_> {
        ScratchGuard(self.common.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sums over its output that a step leaves to the one that follows it.
    pub fn sums(&self) -> MutexGuard<'_, Vec<f32>> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Scratch while it is in use.
pub struct ScratchGuard<'a>(MutexGuard<'a, Buffer>);

impl ScratchGuard<'_> {
    /// The elements. Their values are whatever was left there.
    pub fn floats(&mut self) -> &mut [f32] {
        self.0.floats()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages;

    #[test]
    fn scratch_is_zeroed_and_aligned() {
        for (floats, align) in [(0, 64), (100, 64), (pages::LARGE / 4, pages::LARGE)] {
            let scratch = Scratch::new(2, floats, floats);
            for mut guard in [scratch.lock(0), scratch.lock(1), scratch.common()] {
                let values = guard.floats();
                assert!(values.len() == floats && values.iter().all(|&v| v == 0.0));
                assert_eq!(values.as_ptr().addr() % align, 0);
            }
        }
    }
}
