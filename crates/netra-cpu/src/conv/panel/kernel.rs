//! The inner loop: a block of filters times one or two vectors of outputs, held in registers.

use crate::isa::{InstructionSet, Isa};
#[cfg(target_arch = "aarch64")]
use crate::simd::Neon;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use crate::simd::Simd128;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Guaranteed, Portable, Simd, prefetch};

/// `sums[f][p] = start + sum over k < terms of w[k][f] x[k][p]` for the filters `f` of a block and the outputs `p` of a run;
/// `start` is `bias[f]`, or what `sums` holds where `bias` is null.
///
/// # Safety
/// The processor has the instructions of the [`Isa`] that the kernel was chosen for. For a kernel of `C` filters and `V`
/// vectors of outputs: `x` is readable for `terms` times `V` vectors, `w` for `terms` times `C` elements, `bias` for `C`
/// unless it is null; `sums` is initialised and writable for `C` times `V` vectors.
pub type Run = unsafe fn(x: *const f32, w: *const f32, terms: usize, bias: *const f32, sums: *mut f32);

/// Most vectors of outputs in a run.
pub const VECTORS: usize = 2;
/// Weights ahead of which the loop asks for them: those of a layer with few outputs come from a far cache.
const AHEAD: usize = 1024;

/// The kernels of one instruction set.
#[derive(Clone, Copy)]
pub struct Kernels {
    /// Filters of a block.
    pub filters: usize,
    runs: [Run; VECTORS],
}

impl Kernels {
    /// The kernels for `isa`.
    pub fn new(isa: Isa) -> Self {
        match isa.set() {
            // Sixteen registers, of which one stays free: with none, the compiler moves sums about.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => Self { filters: 6, runs: [avx2::<6, 1>, avx2::<6, 2>] },
            // More than eight filters would fit thirty-two registers, also of four lanes, but few layers have a multiple of more.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => Self { filters: 8, runs: [avx512::<8, 1>, avx512::<8, 2>] },
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => Self { filters: 8, runs: [guaranteed::<Neon, 8, 1>, guaranteed::<Neon, 8, 2>] },
            // As in `conv/tile.rs`, engines like eight sums best.
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            InstructionSet::Simd128 => {
                Self { filters: 4, runs: [guaranteed::<Simd128, 4, 1>, guaranteed::<Simd128, 4, 2>] }
            }
            _ => Self { filters: 6, runs: [guaranteed::<Portable, 6, 1>, guaranteed::<Portable, 6, 2>] },
        }
    }

    /// The kernel for a run of `vectors`, from 1 to [`VECTORS`].
    pub fn get(&self, vectors: usize) -> Run {
        self.runs[vectors - 1]
    }
}

/// # Safety
/// As for [`Run`].
#[inline(always)]
unsafe fn run<S: Simd, const C: usize, const V: usize>(
    s: S,
    x: *const f32,
    w: *const f32,
    terms: usize,
    bias: *const f32,
    sums: *mut f32,
) {
    let (mut x, mut w) = (x, w);
    let mut tile = [[s.splat(0.0); V]; C];
    for _ in 0..terms {
        let mut pixels = [s.splat(0.0); V];
        for (v, pixel) in pixels.iter_mut().enumerate() {
            // SAFETY: `x` has `V` vectors for each term.
            *pixel = unsafe { s.load(x.add(v * S::LANES)) };
        }
        prefetch(w.wrapping_add(AHEAD));
        for (c, row) in tile.iter_mut().enumerate() {
            // SAFETY: `w` has `C` elements for each term.
            let weight = s.splat(unsafe { *w.add(c) });
            for (sum, &pixel) in row.iter_mut().zip(&pixels) {
                *sum = s.fma(weight, pixel, *sum);
            }
        }
        // SAFETY: one past the last of `terms` times as many elements at most.
        (x, w) = unsafe { (x.add(V * S::LANES), w.add(C)) };
    }
    for (c, row) in tile.iter().enumerate() {
        for (v, &sum) in row.iter().enumerate() {
            // SAFETY: `sums` holds `C` rows of `V` vectors, and `bias` has `C` elements unless it is null.
            unsafe {
                let sums = sums.add((c * V + v) * S::LANES);
                let start = if bias.is_null() { s.load(sums) } else { s.splat(*bias.add(c)) };
                s.store(sums, s.add(start, sum));
            }
        }
    }
}

/// # Safety
/// As for [`Run`].
unsafe fn guaranteed<S: Guaranteed, const C: usize, const V: usize>(
    x: *const f32,
    w: *const f32,
    terms: usize,
    bias: *const f32,
    sums: *mut f32,
) {
    // SAFETY: the caller keeps the contract.
    unsafe { run::<_, C, V>(S::HERE, x, w, terms, bias, sums) }
}

/// # Safety
/// As for [`Run`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const C: usize, const V: usize>(
    x: *const f32,
    w: *const f32,
    terms: usize,
    bias: *const f32,
    sums: *mut f32,
) {
    // SAFETY: the caller keeps the contract, and the processor has the features that this function enables.
    unsafe { run::<_, C, V>(Avx2::assume(), x, w, terms, bias, sums) }
}

/// # Safety
/// As for [`Run`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn avx512<const C: usize, const V: usize>(
    x: *const f32,
    w: *const f32,
    terms: usize,
    bias: *const f32,
    sums: *mut f32,
) {
    // SAFETY: the caller keeps the contract, and the processor has the features that this function enables.
    unsafe { run::<_, C, V>(Avx512::assume(), x, w, terms, bias, sums) }
}
