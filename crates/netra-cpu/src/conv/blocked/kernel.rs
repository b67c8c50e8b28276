//! The inner loop: a run of output pixels times some vectors of output channels, held in registers.

use crate::isa::{InstructionSet, Isa};
#[cfg(target_arch = "aarch64")]
use crate::simd::Neon;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use crate::simd::Simd128;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Guaranteed, Portable, Simd, prefetch};

/// `sums[p][f] += sum over k of x[offsets[k] + p step] w[k][f]` for the pixels `p` of a run and the output channels `f` of
/// a block.
///
/// # Safety
/// The processor has the instructions of the [`Isa`] that the kernel was chosen for. For a kernel of `P` pixels, `V`
/// vectors of channels and a step: `x` is readable at every offset plus each of `P` multiples of the step, `w` for
/// `offsets.len()` times `V` vectors; `sums` is writable for `P` times `V` vectors.
pub type Run = unsafe fn(x: *const f32, offsets: &[usize], w: *const f32, sums: *mut f32);

/// Most vectors of output channels in one block.
pub const MAX_VECTORS: usize = 3;

/// Terms ahead of which weights are asked for: those of a layer with few pixels come from a far cache.
const AHEAD: usize = 64;

/// The kernels of one instruction set and one step between neighbouring pixels.
#[derive(Clone, Copy)]
pub struct Kernels([&'static [Run]; MAX_VECTORS]);

impl Kernels {
    /// The kernels for pixels `step` elements apart, if there are any.
    pub fn new(isa: Isa, step: usize) -> Option<Self> {
        match step {
            1 => Some(Self::with_step::<1>(isa)),
            2 => Some(Self::with_step::<2>(isa)),
            _ => None,
        }
    }

    fn with_step<const STEP: usize>(isa: Isa) -> Self {
        macro_rules! list {
            ($f:ident: $([$v:literal: $($p:literal)*])*) => { Self([$(&[$($f::<$p, $v, STEP>),*]),*]) };
            (guaranteed<$s:ident>: $([$v:literal: $($p:literal)*])*) => {
                Self([$(&[$(guaranteed::<$s, $p, $v, STEP>),*]),*])
            };
        }
        // Sixteen registers.
        macro_rules! small {
            ($($f:tt)*) => { list!($($f)*: [1: 1 2 3 4 5 6 7 8 9 10] [2: 1 2 3 4 5 6] [3: 1 2 3 4]) };
        }
        // Thirty-two registers.
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        macro_rules! large {
            ($($f:tt)*) => {
                list!($($f)*:
                    [1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14]
                    [2: 1 2 3 4 5 6 7 8 9 10 11 12 13 14]
                    [3: 1 2 3 4 5 6 7 8 9])
            };
        }
        match isa.set() {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => small!(avx2),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => large!(avx512),
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => large!(guaranteed<Neon>),
            // As in `conv/tile.rs`, engines like eight sums best.
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            InstructionSet::Simd128 => list!(guaranteed<Simd128>: [1: 1 2 3 4 5 6 7 8] [2: 1 2 3 4] [3: 1 2]),
            _ => small!(guaranteed<Portable>),
        }
    }

    /// Most pixels of a run with a block of `vectors`.
    pub fn longest(&self, vectors: usize) -> usize {
        self.0[vectors - 1].len()
    }

    /// The kernel for `pixels` and `vectors`, both at least one and at most what there is.
    pub fn get(&self, pixels: usize, vectors: usize) -> Run {
        self.0[vectors - 1][pixels - 1]
    }
}

/// # Safety
/// As for [`Run`].
#[inline(always)]
unsafe fn run<S: Simd, const P: usize, const V: usize, const STEP: usize>(
    s: S,
    x: *const f32,
    offsets: &[usize],
    w: *const f32,
    sums: *mut f32,
) {
    let mut w = w;
    let mut tile = [[s.splat(0.0); V]; P];
    for &offset in offsets {
        let mut weights = [s.splat(0.0); V];
        for (v, weight) in weights.iter_mut().enumerate() {
            // SAFETY: `w` has `V` vectors for each offset.
            *weight = unsafe { s.load(w.add(v * S::LANES)) };
            prefetch(w.wrapping_add((AHEAD * V + v) * S::LANES));
        }
        for (p, row) in tile.iter_mut().enumerate() {
            // SAFETY: `x` is readable at every offset and `P` multiples of the step from there.
            let pixel = s.splat(unsafe { *x.add(offset + p * STEP) });
            for (sum, &weight) in row.iter_mut().zip(&weights) {
                *sum = s.fma(pixel, weight, *sum);
            }
        }
        // SAFETY: one past the last of `offsets.len() * V` vectors at most.
        w = unsafe { w.add(V * S::LANES) };
    }
    for (p, row) in tile.iter().enumerate() {
        for (v, &sum) in row.iter().enumerate() {
            // SAFETY: `sums` has room for `P` rows of `V` vectors.
            unsafe {
                let sums = sums.add((p * V + v) * S::LANES);
                s.store(sums, s.add(s.load(sums), sum));
            }
        }
    }
}

/// # Safety
/// As for [`Run`].
unsafe fn guaranteed<S: Guaranteed, const P: usize, const V: usize, const STEP: usize>(
    x: *const f32,
    offsets: &[usize],
    w: *const f32,
    sums: *mut f32,
) {
    // SAFETY: the caller keeps the contract.
    unsafe { run::<_, P, V, STEP>(S::HERE, x, offsets, w, sums) }
}

/// # Safety
/// As for [`Run`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const P: usize, const V: usize, const STEP: usize>(
    x: *const f32,
    offsets: &[usize],
    w: *const f32,
    sums: *mut f32,
) {
    // SAFETY: the caller keeps the contract, and the processor has the features that this function enables.
    unsafe { run::<_, P, V, STEP>(Avx2::assume(), x, offsets, w, sums) }
}

/// # Safety
/// As for [`Run`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn avx512<const P: usize, const V: usize, const STEP: usize>(
    x: *const f32,
    offsets: &[usize],
    w: *const f32,
    sums: *mut f32,
) {
    // SAFETY: the caller keeps the contract, and the processor has the features that this function enables.
    unsafe { run::<_, P, V, STEP>(Avx512::assume(), x, offsets, w, sums) }
}
