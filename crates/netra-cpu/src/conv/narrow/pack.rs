//! Float32 to bfloat16, channels last.

use std::arch::x86_64::*;

use super::amx::{Amx, ROW, SIDE, TILE};
use crate::simd::{Avx512, Simd};

/// Channels that one row of a tile holds.
pub const CHANNELS: usize = ROW / size_of::<u16>();

/// A row of pixels, each channel's in a plane of its own.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// From the first channel's first pixel on.
    pub x: &'a [f32],
    /// Elements between channels.
    pub plane: usize,
    /// Channels.
    pub channels: usize,
    /// Pixels.
    pub pixels: usize,
}

/// Writes `row` into `to`: all channels of a pixel, rounded to bfloat16 (ties to even), zeros up to the next multiple of
/// [`CHANNELS`]; then the next pixel.
pub fn row(_: Amx, row: Row<'_>, to: &mut [u8]) {
    let bytes = row.channels.next_multiple_of(CHANNELS) * size_of::<u16>();
    assert!(to.len() >= row.pixels * bytes);
    assert!(row.pixels == 0 || row.x.len() >= (row.channels - 1) * row.plane + row.pixels);
    // SAFETY: an `Amx` exists only where the processor has these features; the row and the place for it were checked.
    unsafe { pack(row, bytes, to.as_mut_ptr()) }
}

/// # Safety
/// `row` has as many elements as it says, and `to` is writable for `bytes` a pixel.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16,avx2,fma")]
unsafe fn pack(row: Row<'_>, bytes: usize, to: *mut u8) {
    // SAFETY: the processor has the features that this function enables.
    let s = unsafe { Avx512::assume() };
    let zero = _mm512_setzero_ps();
    for from in (0..row.pixels).step_by(SIDE) {
        let n = (row.pixels - from).min(SIDE);
        for first in (0..bytes / size_of::<u16>()).step_by(8) {
            // Each lane of a vector is a pixel, and holds two neighbouring channels of it.
            let mut pairs = [zero; 4];
            for (i, pair) in pairs.iter_mut().enumerate() {
                let mut halves = [zero; 2];
                for (half, c) in halves.iter_mut().zip(first + 2 * i..) {
                    if c < row.channels {
                        // SAFETY: the row has `n` more elements of this channel.
                        *half = unsafe { s.load_part(row.x.as_ptr().add(c * row.plane + from), n) };
                    }
                }
                let low = _mm512_cvtepu16_epi32(narrow(halves[0]));
                let high = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(narrow(halves[1])));
                *pair = _mm512_castsi512_ps(_mm512_or_si512(low, high));
            }
            // Vector `j` then has the four pairs of pixel `j`, of pixel `j + 4` ...
            for (j, v) in s.transpose4(pairs).into_iter().enumerate() {
                let place = |quad: usize| ((from + 4 * quad + j) * bytes + first * size_of::<u16>()) / size_of::<f32>();
                let at = [place(0), place(1), place(2), place(3)];
                if n == SIDE {
                    // SAFETY: `to` has room for these pixels.
                    unsafe { s.store_quads(to.cast(), &at, v) };
                    continue;
                }
                let mut lanes = [0.0f32; SIDE];
                // SAFETY: sixteen lanes; of each quad whose pixel exists, four are copied to where it has room.
                unsafe {
                    s.store(lanes.as_mut_ptr(), v);
                    for (quad, &at) in at.iter().enumerate().filter(|(quad, _)| 4 * quad + j < n) {
                        std::ptr::copy_nonoverlapping(lanes.as_ptr().add(4 * quad), to.cast::<f32>().add(at), 4);
                    }
                }
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512bf16")]
fn narrow(v: __m512) -> __m256i {
    // SAFETY: sixteen lanes of sixteen bits under two names.
    unsafe { std::mem::transmute(_mm512_cvtneps_pbh(v)) }
}

/// One element rounded as [`row`] does; NaN stays NaN.
pub fn round(x: f32) -> u16 {
    let bits = x.to_bits();
    if x.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    // What is below float32's normal range is zero, as the instruction has it.
    if x.abs() < f32::MIN_POSITIVE {
        return (bits >> 16) as u16 & 0x8000;
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// Brings the weights of one block of output channels into tiles: for each offset (a tap's run of [`CHANNELS`] channels) the
/// tile of the first [`SIDE`] output channels, and that of the next. In a tile, row `k` has channels `2 k` and `2 k + 1` of
/// each output channel. `weight(f, tap, c)` is zero where there is none.
pub fn weights(taps: usize, channels: usize, weight: impl Fn(usize, usize, usize) -> f32, to: &mut [u8]) {
    let runs = channels.div_ceil(CHANNELS);
    for (at, to) in to.chunks_exact_mut(2 * TILE).enumerate().take(taps * runs) {
        let (tap, first) = (at / runs, at % runs * CHANNELS);
        for (i, to) in to.chunks_exact_mut(size_of::<u16>()).enumerate() {
            let (half, row, column) = (i / (SIDE * CHANNELS), i / CHANNELS % SIDE, i % CHANNELS);
            let value = weight(half * SIDE + column / 2, tap, first + 2 * row + column % 2);
            to.copy_from_slice(&round(value).to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packed pixels are what rounding each element says, in every lane and at every end.
    #[test]
    fn packing_rounds_each_element() {
        let Some(amx) = Amx::detect() else {
            println!("skipped: this processor has no AMX");
            return;
        };
        for (channels, pixels) in [(1usize, 1usize), (3, 17), (32, 16), (37, 45), (64, 33)] {
            let plane = pixels + 3;
            let x: Vec<f32> = (0..channels * plane).map(|i| ((i * 7919 % 10007) as f32 - 5000.0) * 1.37e-3).collect();
            let bytes = channels.next_multiple_of(CHANNELS) * 2;
            let mut to = vec![0xAA; (pixels + 1) * bytes];
            row(amx, Row { x: &x, plane, channels, pixels }, &mut to);
            for (i, two) in to.chunks_exact(2).take(pixels * bytes / 2).enumerate() {
                let (pixel, c) = (i / (bytes / 2), i % (bytes / 2));
                let want = if c < channels { round(x[c * plane + pixel]) } else { 0 };
                assert_eq!(u16::from_le_bytes([two[0], two[1]]), want, "{channels} {pixels}: {pixel} {c}");
            }
            assert!(to[pixels * bytes..].iter().all(|&b| b == 0xAA), "nothing behind the last pixel");
        }
    }

    #[test]
    fn rounding_is_to_nearest_even() {
        assert_eq!(round(1.0), 0x3f80);
        assert_eq!(round(f32::from_bits(0x3f80_8000)), 0x3f80);
        assert_eq!(round(f32::from_bits(0x3f81_8000)), 0x3f82);
        assert_eq!(round(f32::from_bits(0x3f80_8001)), 0x3f81);
        assert_eq!(round(f32::INFINITY), 0x7f80);
        assert!(f32::from_bits(u32::from(round(f32::NAN)) << 16).is_nan());
    }
}
