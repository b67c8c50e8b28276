//! Float32 to narrow numbers, channels last.

use std::arch::x86_64::*;

use crate::dot::{Bf16, Element, Format, Int8, LANE, SIDE};
use crate::simd::{Avx512, Simd};

/// Bytes that are written at once: the size of a packed pixel is a multiple.
pub const QUAD: usize = 4 * LANE;

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

/// Writes `row` into `to`: all channels of a pixel in `bytes` bytes, zeros behind them; then the next pixel.
pub fn row(format: Format, row: Row<'_>, bytes: usize, to: &mut [u8]) {
    assert!(bytes.is_multiple_of(QUAD) && bytes >= row.channels * format.bytes());
    assert!(to.len() >= row.pixels * bytes);
    assert!(row.pixels == 0 || row.x.len() >= (row.channels - 1) * row.plane + row.pixels);
    // SAFETY: a format exists only where the processor has its instructions; the row and the place for it were checked.
    unsafe {
        match format {
            Format::Bf16(e) => bf16(e, row, bytes, to.as_mut_ptr()),
            Format::Int8(e) => int8(e, row, bytes, to.as_mut_ptr()),
        }
    }
}

/// # Safety
/// As for [`pack`], of whose features none is missing.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16,avx2,fma")]
unsafe fn bf16(e: Bf16, row: Row<'_>, bytes: usize, to: *mut u8) {
    // SAFETY: the caller keeps the contract.
    unsafe { pack(e, row, bytes, to) }
}

/// # Safety
/// As for [`pack`], of whose features none is missing.
#[target_feature(enable = "avx512f,avx512bw,avx2,fma")]
unsafe fn int8(e: Int8, row: Row<'_>, bytes: usize, to: *mut u8) {
    // SAFETY: the caller keeps the contract.
    unsafe { pack(e, row, bytes, to) }
}

/// # Safety
/// The processor has the element's instructions, `row` has as many elements as it says, and `to` is writable for `bytes` a
/// pixel.
#[inline(always)]
unsafe fn pack<E: Element>(e: E, row: Row<'_>, bytes: usize, to: *mut u8) {
    // SAFETY: the processor has the features of this function's callers.
    let s = unsafe { Avx512::assume() };
    for from in (0..row.pixels).step_by(SIDE) {
        let n = (row.pixels - from).min(SIDE);
        for quad in 0..bytes / QUAD {
            // Each lane of a vector is a pixel, and holds neighbouring channels of it.
            let mut lanes = [s.splat(0.0); 4];
            for (i, lane) in lanes.iter_mut().enumerate() {
                // SAFETY: as the caller promises; the row has `n` more elements of each channel that exists.
                unsafe {
                    let mut joined = _mm512_setzero_si512();
                    for k in 0..E::COUNT {
                        let c = (4 * quad + i) * E::COUNT + k;
                        if c < row.channels {
                            let v = e.encode(s.load_part(row.x.as_ptr().add(c * row.plane + from), n));
                            let shift = _mm_cvtsi32_si128((k * 8 * LANE / E::COUNT) as i32);
                            joined = _mm512_or_si512(joined, _mm512_sll_epi32(v, shift));
                        }
                    }
                    *lane = _mm512_castsi512_ps(joined);
                }
            }
            // Vector `j` then has the four lanes of pixel `j`, of pixel `j + 4` ...
            for (j, v) in s.transpose4(lanes).into_iter().enumerate() {
                let place = |q: usize| ((from + 4 * q + j) * bytes + quad * QUAD) / size_of::<f32>();
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
                    for (q, &at) in at.iter().enumerate().filter(|(q, _)| 4 * q + j < n) {
                        std::ptr::copy_nonoverlapping(lanes.as_ptr().add(4 * q), to.cast::<f32>().add(at), 4);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dot::round;
    use crate::isa::Isa;
    use netra_graph::Range;

    /// Packed pixels are what `encode` says of each element, in every lane and at every end.
    fn check(format: Format, encode: impl Fn(f32) -> u16) {
        let count = QUAD / format.bytes();
        for (channels, pixels) in [(1usize, 1usize), (3, 17), (32, 16), (37, 45), (64, 33)] {
            let plane = pixels + 3;
            let x: Vec<f32> = (0..channels * plane).map(|i| ((i * 7919 % 10007) as f32 - 5000.0) * 1.37e-3).collect();
            let bytes = channels.next_multiple_of(count) * format.bytes();
            let mut to = vec![0xAA; (pixels + 1) * bytes];
            row(format, Row { x: &x, plane, channels, pixels }, bytes, &mut to);
            for (i, got) in to.chunks_exact(format.bytes()).take(pixels * bytes / format.bytes()).enumerate() {
                let (pixel, c) = (i / (bytes / format.bytes()), i % (bytes / format.bytes()));
                let want = if c < channels { encode(x[c * plane + pixel]) } else { 0 };
                assert_eq!(got, &want.to_le_bytes()[..format.bytes()], "{format:?} {channels} {pixels}: {pixel} {c}");
            }
            assert!(to[pixels * bytes..].iter().all(|&b| b == 0xAA), "nothing behind the last pixel");
        }
    }

    #[test]
    fn packing_rounds_each_element() {
        let isa = Isa::detect();
        match Bf16::detect(isa) {
            Some(bf16) => check(Format::Bf16(bf16), round),
            None => println!("skipped: this processor has no AVX512-BF16"),
        }
        // Two values lie beyond the range.
        match Int8::new(isa, Range { low: -5.0, high: 6.0 }) {
            Some(int8) => check(Format::Int8(int8), |v| {
                let byte = v.mul_add(int8.scale().recip(), f32::from(int8.zero()));
                byte.round_ties_even().clamp(0.0, 255.0) as u16
            }),
            None => println!("skipped: this processor has no AVX512-VNNI"),
        }
    }
}
