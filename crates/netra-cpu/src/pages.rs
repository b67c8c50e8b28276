//! Large pages for memory that lives as long as a compiled network.
//!
//! A row of a channel lies some thousand bytes from the same row of the next channel: with pages of four kilobytes nearly every
//! row asks the processor for another translation, which costs more than the row (a quarter of the time of a 3-D convolution).

/// Bytes of a large page on the processors that have them.
pub const LARGE: usize = 2 << 20;

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
