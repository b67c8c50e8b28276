//! WebAssembly's SIMD128: four lanes.

use std::arch::wasm32::*;

use super::{Guaranteed, Simd};

/// WebAssembly's SIMD128: four lanes. This file is compiled only where the target has it: a module with instructions that the
/// engine does not know is refused as a whole, so there is nothing to detect when it runs.
#[derive(Clone, Copy)]
pub struct Simd128;

impl Guaranteed for Simd128 {
    const HERE: Self = Self;
}

impl Simd for Simd128 {
    type V = v128;
    const LANES: usize = 4;

    #[inline(always)]
    fn splat(self, x: f32) -> v128 {
        f32x4_splat(x)
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> v128 {
        // SAFETY: the caller promises four readable elements; the load asks for no alignment.
        unsafe { v128_load(p.cast()) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: v128) {
        // SAFETY: the caller promises four writable elements; the store asks for no alignment.
        unsafe { v128_store(p.cast(), v) }
    }
    #[inline(always)]
    unsafe fn load_part(self, p: *const f32, n: usize) -> v128 {
        // SAFETY: only the first `n` elements are touched, which the caller promises; the loads ask for no alignment.
        unsafe {
            match n {
                0 => f32x4_splat(0.0),
                1 => v128_load32_zero(p.cast()),
                2 => v128_load64_zero(p.cast()),
                3 => v128_load32_lane::<2>(v128_load64_zero(p.cast()), p.add(2).cast()),
                _ => v128_load(p.cast()),
            }
        }
    }
    #[inline(always)]
    unsafe fn store_part(self, p: *mut f32, n: usize, v: v128) {
        // SAFETY: only the first `n` elements are touched, which the caller promises; the stores ask for no alignment.
        unsafe {
            match n {
                0 => {}
                1 => v128_store32_lane::<0>(v, p.cast()),
                2 => v128_store64_lane::<0>(v, p.cast()),
                3 => {
                    v128_store64_lane::<0>(v, p.cast());
                    v128_store32_lane::<2>(v, p.add(2).cast());
                }
                _ => v128_store(p.cast(), v),
            }
        }
    }
    #[inline(always)]
    unsafe fn load_between(self, p: *const f32, skip: usize, end: usize) -> v128 {
        let (zeros, n) = (f32x4_splat(0.0), end.min(4).saturating_sub(skip));
        // SAFETY: the caller promises the elements `skip..end`, of which those before the fifth are read.
        let v = unsafe { self.load_part(p.wrapping_add(skip), n) };
        match skip {
            0 => v,
            1 => i32x4_shuffle::<3, 4, 5, 6>(zeros, v),
            2 => i32x4_shuffle::<2, 3, 4, 5>(zeros, v),
            3 => i32x4_shuffle::<1, 2, 3, 4>(zeros, v),
            _ => zeros,
        }
    }
    #[inline(always)]
    unsafe fn load_quads(self, p: *const f32, at: &[usize]) -> v128 {
        // SAFETY: the caller promises one offset with four readable elements.
        unsafe { self.load(p.add(*at.get_unchecked(0))) }
    }
    #[inline(always)]
    unsafe fn store_quads(self, p: *mut f32, at: &[usize], v: v128) {
        // SAFETY: the caller promises one offset with four writable elements.
        unsafe { self.store(p.add(*at.get_unchecked(0)), v) }
    }
    #[inline(always)]
    unsafe fn store_every_second(self, p: *mut f32, v: v128) {
        // SAFETY: the caller promises seven writable elements; the stores ask for no alignment.
        unsafe {
            v128_store32_lane::<0>(v, p.cast());
            v128_store32_lane::<1>(v, p.add(2).cast());
            v128_store32_lane::<2>(v, p.add(4).cast());
            v128_store32_lane::<3>(v, p.add(6).cast());
        }
    }
    #[inline(always)]
    fn unzip(self, a: v128, b: v128) -> (v128, v128) {
        (i32x4_shuffle::<0, 2, 4, 6>(a, b), i32x4_shuffle::<1, 3, 5, 7>(a, b))
    }
    #[inline(always)]
    fn zip(self, even: v128, odd: v128) -> (v128, v128) {
        (i32x4_shuffle::<0, 4, 1, 5>(even, odd), i32x4_shuffle::<2, 6, 3, 7>(even, odd))
    }
    #[inline(always)]
    fn transpose4(self, rows: [v128; 4]) -> [v128; 4] {
        let [a, b, c, d] = rows;
        let ((low0, high0), (low1, high1)) = (self.zip(a, b), self.zip(c, d));
        [
            i64x2_shuffle::<0, 2>(low0, low1),
            i64x2_shuffle::<1, 3>(low0, low1),
            i64x2_shuffle::<0, 2>(high0, high1),
            i64x2_shuffle::<1, 3>(high0, high1),
        ]
    }
    #[inline(always)]
    fn deinterleave4(self, rows: [v128; 4]) -> [v128; 4] {
        self.transpose4(rows)
    }
    #[inline(always)]
    fn interleave4(self, rows: [v128; 4]) -> [v128; 4] {
        self.transpose4(rows)
    }
    #[inline(always)]
    fn follow(self, a: v128, next: f32) -> v128 {
        i32x4_shuffle::<1, 2, 3, 4>(a, f32x4_splat(next))
    }
    #[inline(always)]
    fn add(self, a: v128, b: v128) -> v128 {
        f32x4_add(a, b)
    }
    #[inline(always)]
    fn sub(self, a: v128, b: v128) -> v128 {
        f32x4_sub(a, b)
    }
    #[inline(always)]
    fn mul(self, a: v128, b: v128) -> v128 {
        f32x4_mul(a, b)
    }
    #[inline(always)]
    fn div(self, a: v128, b: v128) -> v128 {
        f32x4_div(a, b)
    }
    #[inline(always)]
    fn fma(self, a: v128, b: v128, c: v128) -> v128 {
        // Relaxed SIMD has an instruction that is fused on some machines only: results would differ between them.
        f32x4_add(f32x4_mul(a, b), c)
    }
    #[inline(always)]
    fn max(self, a: v128, b: v128) -> v128 {
        // "Pseudo-maximum": its second operand where that is larger, else its first.
        f32x4_pmax(b, a)
    }
    #[inline(always)]
    fn min(self, a: v128, b: v128) -> v128 {
        f32x4_pmin(b, a)
    }
    #[inline(always)]
    fn sqrt(self, a: v128) -> v128 {
        f32x4_sqrt(a)
    }
    #[inline(always)]
    fn select_ge(self, a: v128, b: v128, yes: v128, no: v128) -> v128 {
        v128_bitselect(yes, no, f32x4_ge(a, b))
    }
    #[inline(always)]
    fn round(self, a: v128) -> v128 {
        f32x4_nearest(a)
    }
    #[inline(always)]
    fn exp2_whole(self, a: v128) -> v128 {
        i32x4_shl(i32x4_add(i32x4_trunc_sat_f32x4(a), i32x4_splat(127)), 23)
    }
    #[inline(always)]
    fn copysign(self, a: v128, sign: v128) -> v128 {
        v128_bitselect(sign, a, i32x4_splat(i32::MIN))
    }
    #[inline(always)]
    fn sum(self, a: v128) -> f32 {
        let two = f32x4_add(a, i32x4_shuffle::<1, 0, 3, 2>(a, a));
        f32x4_extract_lane::<0>(two) + f32x4_extract_lane::<2>(two)
    }
}
