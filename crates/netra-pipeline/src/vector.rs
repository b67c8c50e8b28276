//! Plain loops on the widest vectors that the processor has.

/// Runs `work` compiled for AVX2 where the processor has it. Only what is inlined is compiled so: `work`, a closure, and the
/// functions that it calls say `#[inline(always)]`. Results are the same to the last bit, since Rust neither reorders nor fuses
/// floating-point operations. Worth it where arithmetic and not memory sets the pace.
#[inline(always)]
pub(crate) fn wide<T>(work: impl FnOnce() -> T) -> T {
    pulp::Arch::new().dispatch(work)
}
