//! The inner loop: a block of output channels times a run of output pixels, held in registers.

use crate::isa::{InstructionSet, Isa};
#[cfg(target_arch = "aarch64")]
use crate::simd::Neon;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use crate::simd::Simd128;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Guaranteed, Portable, Simd, prefetch, prefetch_far};

/// `out[c][p] = init[c] (or what is there) + sum over k of w[k][c] x[offsets[k] + p]` for the channels and pixels of a [`Tile`].
///
/// # Safety
/// The processor has the instructions of the [`Isa`] that the tile was chosen for. `x` is readable at every offset for
/// `pixels` elements, `w` for `offsets.len()` times `channels`, `init` for `channels`; `out` is writable for
/// `channels` times `pixels`.
pub type Run =
    unsafe fn(x: *const f32, offsets: &[usize], w: *const f32, init: *const f32, out: *mut f32, manner: Manner<'_>);

/// Terms that are best added up in one chain where the error counts. Longer sums are sums of such chains: the error grows with
/// the length of a chain and the number of chains, not with their product.
pub const CHAIN: usize = 64;
/// Terms between two looks at what is to be asked for.
const PART: usize = 8;
/// Terms from the one that is added up to the one whose inputs are asked for.
const NEXT: usize = 8;

/// How a register tile is computed; the sums are the same but for rounding.
#[derive(Clone, Copy)]
pub struct Manner<'a> {
    /// Terms, not 0, that are added up in one chain.
    pub chain: usize,
    /// Whether `out` holds the sums of earlier terms, which these join; `init` is not read then.
    pub more: bool,
    /// Cache lines to ask for meanwhile, a few at a time.
    pub ahead: &'a [*const f32],
}

/// A register tile.
#[derive(Clone, Copy)]
pub struct Tile {
    /// Output channels.
    pub channels: usize,
    /// Output pixels: a multiple of the vector width.
    pub pixels: usize,
    /// The code.
    pub run: Run,
}

impl Tile {
    /// Cycles (in a rough unit) that one step of the reduction takes: bound by multiply-adds, by loads (a vector that
    /// starts anywhere costs two), by the latency of the chain, or, when `far`, by a second-level cache that every input
    /// comes from.
    pub fn step_cost(&self, isa: Isa, far: bool) -> usize {
        let vectors = self.pixels / isa.lanes();
        // Half cycles: two multiply-adds and two loads a cycle, four cycles of latency, sixteen bytes a cycle from afar.
        let fetch = if far { self.pixels * size_of::<f32>() / 8 } else { 0 };
        (self.channels * vectors).max(2 * vectors + self.channels).max(8).max(fetch)
    }
}

/// # Safety
/// As for [`Run`].
#[inline(always)]
unsafe fn tile<S: Simd, const C: usize, const V: usize>(
    s: S,
    x: *const f32,
    offsets: &[usize],
    w: *const f32,
    init: *const f32,
    out: *mut f32,
    manner: Manner<'_>,
) {
    let mut w = w;
    let Manner { chain, more, ahead } = manner;
    let share = ahead.len().div_ceil(offsets.len().div_ceil(PART).max(1));
    let (mut lines, mut next) = (ahead.chunks(share.max(1)), NEXT);
    for (i, chain) in offsets.chunks(chain).enumerate() {
        let mut sums = [[s.splat(0.0); V]; C];
        for part in chain.chunks(PART) {
            for &line in lines.next().unwrap_or(&[]) {
                prefetch_far(line);
            }
            for &offset in part {
                // Where the multiply-adds leave time for it, ask for inputs that come from the second-level cache.
                if const { 4 * (2 * V + C) <= 3 * C * V } {
                    let coming = offsets[next.min(offsets.len() - 1)];
                    next += 1;
                    for v in 0..V {
                        prefetch(x.wrapping_add(coming + v * S::LANES));
                    }
                }
                let mut xs = [s.splat(0.0); V];
                for (v, x_v) in xs.iter_mut().enumerate() {
                    // SAFETY: `x` is readable at every offset for `V` vectors.
                    *x_v = unsafe { s.load(x.add(offset + v * S::LANES)) };
                }
                for (c, row) in sums.iter_mut().enumerate() {
                    // SAFETY: `w` has `C` elements for each offset.
                    let weight = s.splat(unsafe { *w.add(c) });
                    for (sum, &x_v) in row.iter_mut().zip(&xs) {
                        *sum = s.fma(weight, x_v, *sum);
                    }
                }
                // SAFETY: one past the last of `offsets.len() * C` elements at most.
                w = unsafe { w.add(C) };
            }
        }
        for (c, row) in sums.iter().enumerate() {
            for (v, &sum) in row.iter().enumerate() {
                // SAFETY: `init` has `C` elements, and `out` has room for `C` rows of `V` vectors, which the first chain
                // has written before another reads them.
                unsafe {
                    let out = out.add((c * V + v) * S::LANES);
                    let before = if i == 0 && !more { s.splat(*init.add(c)) } else { s.load(out) };
                    s.store(out, s.add(before, sum));
                }
            }
        }
    }
    if offsets.is_empty() && !more {
        for c in 0..C {
            for v in 0..V {
                // SAFETY: as above.
                unsafe { s.store(out.add((c * V + v) * S::LANES), s.splat(*init.add(c))) };
            }
        }
    }
}

/// # Safety
/// As for [`Run`].
unsafe fn guaranteed<S: Guaranteed, const C: usize, const V: usize>(
    x: *const f32,
    offsets: &[usize],
    w: *const f32,
    init: *const f32,
    out: *mut f32,
    manner: Manner<'_>,
) {
    // SAFETY: the caller keeps the contract.
    unsafe { tile::<_, C, V>(S::HERE, x, offsets, w, init, out, manner) }
}

/// # Safety
/// As for [`Run`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const C: usize, const V: usize>(
    x: *const f32,
    offsets: &[usize],
    w: *const f32,
    init: *const f32,
    out: *mut f32,
    manner: Manner<'_>,
) {
    // SAFETY: the caller keeps the contract, and the processor has the features that this function enables.
    unsafe { tile::<_, C, V>(Avx2::assume(), x, offsets, w, init, out, manner) }
}

/// # Safety
/// As for [`Run`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn avx512<const C: usize, const V: usize>(
    x: *const f32,
    offsets: &[usize],
    w: *const f32,
    init: *const f32,
    out: *mut f32,
    manner: Manner<'_>,
) {
    // SAFETY: the caller keeps the contract, and the processor has the features that this function enables.
    unsafe { tile::<_, C, V>(Avx512::assume(), x, offsets, w, init, out, manner) }
}

/// The tiles whose accumulators, inputs and one weight fit the registers of `isa`.
pub fn tiles(isa: Isa) -> Vec<Tile> {
    let lanes = isa.lanes();
    macro_rules! list {
        ($f:ident: $(($c:literal, $v:literal)),*) => {
            vec![$(Tile { channels: $c, pixels: $v * lanes, run: $f::<$c, $v> }),*]
        };
        (guaranteed<$s:ident>: $(($c:literal, $v:literal)),*) => {
            vec![$(Tile { channels: $c, pixels: $v * lanes, run: guaranteed::<$s, $c, $v> }),*]
        };
    }
    // Sixteen registers. One stays free: with none, the compiler moves accumulators about, at half the speed.
    macro_rules! small {
        ($($f:tt)*) => {
            list!($($f)*: (1, 2), (1, 4), (1, 7), (2, 1), (2, 2), (2, 3), (2, 4), (3, 1), (3, 2), (3, 3), (4, 1), (4, 2),
                (5, 1), (5, 2), (6, 1), (6, 2), (7, 1), (8, 1), (10, 1), (12, 1))
        };
    }
    // Thirty-two registers, of sixteen lanes or of four: how many sums keep the multipliers busy, and how many of them share a
    // load, is the same for both.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    macro_rules! large {
        ($($f:tt)*) => {
            list!($($f)*:
                (1, 2), (1, 4), (1, 8), (2, 1), (2, 2), (2, 4), (2, 8), (3, 1), (3, 2), (3, 4), (3, 7),
                (4, 1), (4, 2), (4, 3), (4, 4), (4, 6), (5, 1), (5, 2), (5, 3), (5, 4), (5, 5), (6, 1), (6, 2), (6, 3),
                (6, 4), (7, 1), (7, 2), (7, 3), (8, 1), (8, 2), (8, 3), (10, 2), (11, 2), (12, 1), (12, 2), (14, 1),
                (14, 2), (16, 1))
        };
    }
    match isa.set() {
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => small!(avx2),
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => large!(avx512),
        #[cfg(target_arch = "aarch64")]
        InstructionSet::Neon => large!(guaranteed<Neon>),
        // Engines on x86-64 have fifteen registers, of which a product takes one before it is added, and do not plan far: node
        // runs tiles of eight sums up to 1.6 times as fast as tiles of twelve.
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        InstructionSet::Simd128 => list!(guaranteed<Simd128>:
            (1, 2), (1, 4), (1, 6), (2, 1), (2, 2), (2, 3), (2, 4), (3, 1), (3, 2), (4, 1), (4, 2), (5, 1), (6, 1), (7, 1),
            (8, 1)),
        _ => small!(guaranteed<Portable>),
    }
}
