//! What the machine's memory allows, and what a run takes of it.

use std::time::Instant;

use rayon::prelude::*;

use crate::Error;

/// Elements of a copied block: far over any cache.
const COPIED: usize = 1 << 26;
/// Elements a task copies.
const CHUNK: usize = 1 << 20;

/// The best of several copies of 256 MB by all threads, in gigabytes a second, read and written.
pub fn copy_rate() -> f64 {
    let from = vec![1.0f32; COPIED];
    let mut to = vec![0.5f32; COPIED];
    let copies = (0..7).map(|_| {
        let start = Instant::now();
        to.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK)).for_each(|(to, from)| to.copy_from_slice(from));
        8.0 * COPIED as f64 / start.elapsed().as_secs_f64() / 1e9
    });
    copies.fold(0.0, f64::max)
}

/// Resident memory of this process from a moment on (Linux).
pub struct Peak {
    before: u64,
}

impl Peak {
    pub fn start() -> Result<Self, Error> {
        // Sets the high-water mark back to what is resident now (proc(5)).
        std::fs::write("/proc/self/clear_refs", "5")?;
        Ok(Self { before: status("VmRSS:")? })
    }

    /// Bytes by which it rose at most.
    pub fn end(self) -> Result<u64, Error> {
        Ok(status("VmHWM:")?.saturating_sub(self.before))
    }
}

fn status(field: &str) -> Result<u64, Error> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or("no such field in /proc/self/status")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(1024 * kilobytes)
}
