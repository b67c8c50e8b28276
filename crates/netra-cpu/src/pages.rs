//! Large pages for memory that lives as long as a compiled network.
//!
//! A row of a channel lies some thousand bytes from the same row of the next channel: with pages of four kilobytes nearly every
//! row asks the processor for another translation, which costs more than the row (a quarter of the time of a 3-D convolution).

use std::ops::Range;

/// Bytes of a large page on the processors that have them.
pub const LARGE: usize = 2 << 20;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Zeroed float32 elements, aligned to cache lines, and to large pages when they fill most of one.
pub struct Buffer {
    memory: Vec<f32>,
    used: Range<usize>,
}

impl Buffer {
    /// `floats` elements. Their pages come straight from the system: nothing is written before it is used.
    pub fn new(floats: usize) -> Self {
        let bytes = floats * size_of::<f32>();
        let align = if bytes > LARGE / 2 { LARGE } else { LINE };
        let memory = vec![0.0; (bytes.next_multiple_of(align) + align) / size_of::<f32>()];
        large(&memory);
        let start = memory.as_ptr().addr();
        let start = (start.next_multiple_of(align) - start) / size_of::<f32>();
        Self { memory, used: start..start + floats }
    }

    /// The elements.
    pub fn floats(&mut self) -> &mut [f32] {
        &mut self.memory[self.used.clone()]
    }
}

/// Tells the system that `memory` is worth large pages. Call it before the first write: what is mapped already stays as it is
/// for some time. Whether the system follows changes nothing but speed.
pub fn large<T>(memory: &[T]) {
    let range = memory.as_ptr_range();
    let (start, end) = ((range.start as usize).next_multiple_of(LARGE), range.end as usize / LARGE * LARGE);
    if start < end {
        advise(start, end - start);
    }
}

#[cfg(target_os = "linux")]
fn advise(start: usize, len: usize) {
    use std::ffi::{c_int, c_void};
    unsafe extern "C" {
        fn madvise(addr: *mut c_void, length: usize, advice: c_int) -> c_int;
    }
    /// From Linux's `asm-generic/mman-common.h`.
    const MADV_HUGEPAGE: c_int = 14;
    // SAFETY: the range lies inside memory that the caller holds, and the advice changes no contents. Errors (a system
    // without large pages) are of no interest.
    unsafe { madvise(start as *mut c_void, len, MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn advise(_start: usize, _len: usize) {}
