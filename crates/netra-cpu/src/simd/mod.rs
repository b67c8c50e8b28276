//! Vectors of float32 behind one trait, so that a kernel is written once and compiled for each instruction set.
//!
//! A kernel is a [`SimdOp`]; [`Isa::dispatch`](crate::isa::Isa::dispatch) compiles its `run` with the target features of
//! the chosen instruction set. Everything between the dispatch and the intrinsics is `#[inline(always)]`, since a
//! function that is not inlined would be compiled without those features.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub mod function;
pub mod map;
pub mod math;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub use neon::Neon;
pub use portable::Portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub use wasm::Simd128;

/// An instruction set's float32 vectors. A value of an implementing type is a promise that the processor has the
/// instructions: it is made inside [`Isa::dispatch`](crate::isa::Isa::dispatch) only, unless they are [`Guaranteed`].
pub trait Simd: Copy + 'static {
    /// A vector.
    type V: Copy;
    /// Elements of a vector.
    const LANES: usize;

    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::V;
    /// Reads `LANES` elements.
    ///
    /// # Safety
    /// `p` is readable for `LANES` elements; any alignment.
    unsafe fn load(self, p: *const f32) -> Self::V;
    /// Writes `LANES` elements.
    ///
    /// # Safety
    /// `p` is writable for `LANES` elements; any alignment.
    unsafe fn store(self, p: *mut f32, v: Self::V);
    /// Reads the first `n` elements, `n <= LANES`; zeros after them.
    ///
    /// # Safety
    /// `p` is readable for `n` elements; any alignment.
    unsafe fn load_part(self, p: *const f32, n: usize) -> Self::V;
    /// Writes the first `n` lanes, `n <= LANES`.
    ///
    /// # Safety
    /// `p` is writable for `n` elements; any alignment.
    #[inline(always)]
    unsafe fn store_part(self, p: *mut f32, n: usize, v: Self::V) {
        let mut lanes = [0.0f32; 16];
        // SAFETY: no vector has more than sixteen lanes, and the caller promises room for `n`.
        unsafe {
            self.store(lanes.as_mut_ptr(), v);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), p, n.min(Self::LANES));
        }
    }
    /// Reads the elements `skip..end` of the `LANES` from `p` on; zeros in the other lanes.
    ///
    /// # Safety
    /// Those elements are readable; `p` itself need not be.
    unsafe fn load_between(self, p: *const f32, skip: usize, end: usize) -> Self::V;
    /// Reads four elements at each of the `LANES / 4` offsets from `p`, one after the other.
    ///
    /// # Safety
    /// `at` has `LANES / 4` entries, and `p` is readable for four elements at each; any alignment.
    unsafe fn load_quads(self, p: *const f32, at: &[usize]) -> Self::V;
    /// Writes four lanes at each of the `LANES / 4` offsets from `p`.
    ///
    /// # Safety
    /// `at` has `LANES / 4` entries, and `p` is writable for four elements at each; any alignment.
    unsafe fn store_quads(self, p: *mut f32, at: &[usize], v: Self::V);
    /// Writes the lanes to every second element from `p` on; those between keep what they hold.
    ///
    /// # Safety
    /// `p` is writable for `2 LANES - 1` elements; any alignment.
    unsafe fn store_every_second(self, p: *mut f32, v: Self::V);
    /// Of `2 LANES` elements in a row, those at even places and those at odd ones.
    fn unzip(self, a: Self::V, b: Self::V) -> (Self::V, Self::V);
    /// Undoes [`unzip`](Self::unzip).
    fn zip(self, even: Self::V, odd: Self::V) -> (Self::V, Self::V);
    /// Transposes: lane `4 q + j` of vector `i` becomes lane `4 q + i` of vector `j`.
    fn transpose4(self, rows: [Self::V; 4]) -> [Self::V; 4];
    /// Of `4 LANES` elements in a row, vector `j` gets elements `j, j + 4, j + 8 ...`.
    fn deinterleave4(self, rows: [Self::V; 4]) -> [Self::V; 4];
    /// Undoes [`deinterleave4`](Self::deinterleave4).
    fn interleave4(self, rows: [Self::V; 4]) -> [Self::V; 4];
    /// The lanes of `a` from the second on, then `next`.
    fn follow(self, a: Self::V, next: f32) -> Self::V;
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a b + c`, fused where the processor can.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a > b ? a : b`: `b` when either is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a < b ? a : b`: `b` when either is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// Square root.
    fn sqrt(self, a: Self::V) -> Self::V;
    /// `a >= b ? yes : no`; `no` when either is NaN.
    fn select_ge(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// To the nearest integer, ties to even.
    fn round(self, a: Self::V) -> Self::V;
    /// `2^a` for whole `a` in -126..=127; anything for others.
    fn exp2_whole(self, a: Self::V) -> Self::V;
    /// `a 2^n` for whole `n` in -150..=128, rounded twice at most where the result is subnormal.
    #[inline(always)]
    fn scale(self, a: Self::V, n: Self::V) -> Self::V {
        // In two factors, since one exponent cannot hold all of `n`.
        let half = self.round(self.mul(n, self.splat(0.5)));
        self.mul(self.mul(a, self.exp2_whole(half)), self.exp2_whole(self.sub(n, half)))
    }
    /// `2^a` for `a` in -126..=126, with an error below 2e-7 of it.
    #[inline(always)]
    fn exp2(self, a: Self::V) -> Self::V {
        math::exp2(self, a)
    }
    /// `1 / a` for `1 <= a <= 2^126`, a unit in the last place off at most; NaN for NaN.
    #[inline(always)]
    fn reciprocal(self, a: Self::V) -> Self::V {
        self.div(self.splat(1.0), a)
    }
    /// Magnitude of `a` with the sign of `sign`.
    fn copysign(self, a: Self::V, sign: Self::V) -> Self::V;
    /// Sum of the lanes.
    fn sum(self, a: Self::V) -> f32;

    /// The magnitude.
    #[inline(always)]
    fn abs(self, a: Self::V) -> Self::V {
        self.copysign(a, self.splat(0.0))
    }
}

/// Vectors of which every processor that the compilation target allows has the instructions: code for them needs no
/// `#[target_feature]`.
pub trait Guaranteed: Simd {
    /// The promise, which the target keeps.
    const HERE: Self;
}

/// Float32 elements of a cache line.
pub const LINE: usize = 16;

/// A hint of aarch64 about the cache line at `$p`.
#[cfg(target_arch = "aarch64")]
macro_rules! hint {
    ($what:literal, $p:expr) => {
        // SAFETY: every aarch64 has the instruction; it changes neither memory nor registers, and no address is wrong.
        unsafe { std::arch::asm!(concat!("prfm ", $what, ", [{}]"), in(reg) $p, options(nomem, nostack, preserves_flags)) }
    };
}

/// Asks for the cache line at `p`, which need not be readable.
#[inline(always)]
pub fn prefetch(p: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has the instruction, and no address is wrong.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(p.cast());
    }
    #[cfg(target_arch = "aarch64")]
    hint!("pldl1keep", p);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = p;
}

/// Asks for the cache line at `p`, to be written soon; it need not be writable.
#[inline(always)]
pub fn prefetch_to_write(p: *mut f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a processor without the instruction does nothing in its place, and no address is wrong.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_ET0 }>(p.cast_const().cast());
    }
    #[cfg(target_arch = "aarch64")]
    hint!("pstl1keep", p);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = p;
}

/// Asks for the cache line at `p` to come to the second-level cache; it need not be readable.
#[inline(always)]
pub fn prefetch_far(p: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: as for `prefetch`.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(p.cast());
    }
    #[cfg(target_arch = "aarch64")]
    hint!("pldl2keep", p);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = p;
}

/// Something to be compiled for every instruction set. Implementations of `run` are `#[inline(always)]`.
pub trait SimdOp {
    /// What it gives.
    type Output;
    /// Does it.
    fn run<S: Simd>(self, s: S) -> Self::Output;
}
