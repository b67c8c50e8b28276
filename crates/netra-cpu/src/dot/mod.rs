//! Sums of products of narrow numbers: the AVX-512 instructions that multiply two pairs of bfloat16, or four pairs of bytes,
//! in each 32-bit lane and add them up there, in the time of one float32 multiply-add a lane.
//!
//! Convolutions and products with constant weights pack their input pixels (rows) channels last; a lane's bytes of one
//! pixel go to all lanes of a vector, and meet those of sixteen output channels.

mod element;
mod weights;

use std::arch::x86_64::*;

#[cfg(test)]
pub use element::round;
pub use element::{Bf16, Element, Format, Int8};
pub use weights::{Order, Packed, Weights};

/// Output channels of a vector.
pub const SIDE: usize = 16;
/// Output channels of a block: two vectors.
pub const FILTERS: usize = 2 * SIDE;
/// Most pixels of a register tile: with two vectors each, 28 sums, and what is multiplied.
const TILE: usize = 14;
/// Most pixels that [`block`] does at once: their results fill whole cache lines of each output channel.
pub const PIXELS: usize = 64;
/// Bytes of a lane.
pub const LANE: usize = 4;

/// Where the operands of [`block`] are.
#[derive(Clone, Copy)]
pub struct Operands<'a> {
    /// The first pixel.
    pub x: *const u8,
    /// Bytes between neighbouring pixels.
    pub pixel: usize,
    /// Where a pixel's runs of elements begin, counted from the pixel.
    pub offsets: &'a [usize],
    /// Lanes of each run.
    pub steps: usize,
    /// For each lane of each run the elements of [`FILTERS`] output channels.
    pub weights: *const u8,
    /// What is added to the sums of each output channel.
    pub bias: *const f32,
    /// What the sums of bytes of each output channel are multiplied by first.
    pub scales: *const f32,
    /// The results: [`FILTERS`] float32 a pixel.
    pub sums: *mut f32,
}

/// `sums[p][f] = bias[f] + scales[f] * sum over the elements k of all runs of x[p][k] w[k][f]` for the pixels and vectors
/// of a register tile (bfloat16 has no scales).
///
/// # Safety
/// The processor has the instructions of the element. At each offset from each pixel `4 steps` bytes can be read; `weights`
/// are as many as [`Operands`] says, `bias` and `scales` have the tile's output channels, and `sums` is writable.
type Run = unsafe fn(&Operands<'_>);

/// # Safety
/// As for [`Run`].
#[inline(always)]
unsafe fn tile<E: Element, const P: usize, const F: usize>(o: &Operands<'_>) {
    // SAFETY: the caller's promise; `F` vectors of `FILTERS` output channels are used.
    unsafe {
        let mut first = [_mm512_setzero_si512(); F];
        for (f, first) in first.iter_mut().enumerate() {
            *first = E::first(o.bias.add(f * SIDE));
        }
        let mut sums = [first; P];
        let mut weights = o.weights;
        for &offset in o.offsets {
            let x = o.x.wrapping_add(offset);
            for k in 0..o.steps {
                let mut w = [_mm512_setzero_si512(); F];
                for (f, w) in w.iter_mut().enumerate() {
                    *w = _mm512_loadu_si512(weights.add(f * SIDE * LANE).cast());
                }
                weights = weights.add(FILTERS * LANE);
                for (p, sums) in sums.iter_mut().enumerate() {
                    let lane = x.wrapping_add(p * o.pixel + k * LANE).cast::<i32>().read_unaligned();
                    let x = _mm512_set1_epi32(lane);
                    for (sum, &w) in sums.iter_mut().zip(&w) {
                        *sum = E::dot(*sum, x, w);
                    }
                }
            }
        }
        for (p, sums) in sums.iter().enumerate() {
            for (f, sum) in sums.iter().enumerate() {
                let v = E::last(*sum, o.scales.wrapping_add(f * SIDE), o.bias.add(f * SIDE));
                _mm512_storeu_ps(o.sums.add(p * FILTERS + f * SIDE), v);
            }
        }
    }
}

/// # Safety
/// As for [`Run`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn bf16<const P: usize, const F: usize>(o: &Operands<'_>) {
    // SAFETY: the caller keeps the contract.
    unsafe { tile::<Bf16, P, F>(o) }
}

/// # Safety
/// As for [`Run`].
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn int8<const P: usize, const F: usize>(o: &Operands<'_>) {
    // SAFETY: the caller keeps the contract.
    unsafe { tile::<Int8, P, F>(o) }
}

macro_rules! runs {
    ($f:ident: $($p:literal)*) => { [$([$f::<$p, 1> as Run, $f::<$p, 2>]),*] };
}
static BF16: [[Run; 2]; TILE] = runs!(bf16: 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
static INT8: [[Run; 2]; TILE] = runs!(int8: 1 2 3 4 5 6 7 8 9 10 11 12 13 14);

/// Computes `pixels` (at most [`PIXELS`]) times the first `filters` of a block of output channels, in register tiles as equal
/// as they can be. Sums of whole vectors are written.
///
/// # Safety
/// Every pointer of `o` reaches what its field says, for these pixels and a whole block.
pub unsafe fn block(format: Format, pixels: usize, filters: usize, o: &Operands<'_>) {
    let runs = match format {
        Format::Bf16(_) => &BF16,
        Format::Int8(_) => &INT8,
    };
    let tiles = pixels.div_ceil(TILE);
    for tile in 0..tiles {
        let (from, to) = (pixels * tile / tiles, pixels * (tile + 1) / tiles);
        let at = Operands { x: o.x.wrapping_add(from * o.pixel), sums: o.sums.wrapping_add(from * FILTERS), ..*o };
        // SAFETY: the caller's promise; a format exists only where the processor has its instructions.
        unsafe { runs[to - from - 1][usize::from(filters > SIDE)](&at) };
    }
}

/// The bytes of some floats.
pub fn bytes(floats: &mut [f32]) -> &mut [u8] {
    // SAFETY: any bytes may lie in a float32, and any four bytes are one.
    unsafe { std::slice::from_raw_parts_mut(floats.as_mut_ptr().cast(), size_of_val(floats)) }
}

/// Pixels that lie behind one another, at most [`PIXELS`].
#[derive(Clone, Copy)]
pub struct Dense<'a> {
    /// Them.
    pub pixels: &'a [u8],
    /// Bytes of each.
    pub bytes: usize,
    /// Lanes of each that are multiplied.
    pub steps: usize,
}

/// [`block`] of pixels behind one another times the first `filters` of a block of `weights`, which are of this format and have
/// one run of as many lanes.
pub fn dense(format: Format, x: Dense<'_>, (weights, index): (&Packed, usize), filters: usize, sums: &mut [f32]) {
    let pixels = x.pixels.len() / x.bytes;
    let (weights, bias, scales) = weights.block(index);
    assert!(pixels <= PIXELS && filters <= FILTERS && x.steps * LANE <= x.bytes && sums.len() >= pixels * FILTERS);
    assert!(size_of_val(weights) >= x.steps * FILTERS * LANE);
    let o = Operands {
        x: x.pixels.as_ptr(),
        pixel: x.bytes,
        offsets: &[0],
        steps: x.steps,
        weights: weights.as_ptr(),
        bias: bias.as_ptr(),
        scales: scales.as_ptr(),
        sums: sums.as_mut_ptr(),
    };
    // SAFETY: pixels, weights and sums were checked above; bias and scales are a block's.
    unsafe { block(format, pixels, filters, &o) };
}

/// Half cycles of `pixels` times one block of output channels over so many runs of so many lanes: two vectors a cycle, six
/// cycles from a sum to its next term.
pub fn cost(pixels: usize, filters: usize, runs: usize, steps: usize) -> usize {
    let (tiles, vectors) = (pixels.div_ceil(TILE), filters.div_ceil(SIDE).min(2));
    if vectors == 0 {
        return 0;
    }
    let step = (pixels * vectors).max(12 * tiles);
    runs * (steps * step + 8 * tiles) + 60 * tiles + 4 * pixels * vectors
}
