//! NEON: four lanes.

use std::arch::aarch64::*;

use super::{Guaranteed, Simd};

// Code for NEON needs no `#[target_feature]`: a target of this architecture that has std has NEON.
const _: () = assert!(cfg!(target_feature = "neon"));

/// NEON: four lanes.
#[derive(Clone, Copy)]
pub struct Neon(());

impl Guaranteed for Neon {
    const HERE: Self = Self(());
}

impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        // SAFETY: the target has NEON.
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> float32x4_t {
        // SAFETY: the target has NEON; the caller promises four readable elements, and the load asks for no alignment.
        unsafe { vld1q_f32(p) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: float32x4_t) {
        // SAFETY: the target has NEON; the caller promises four writable elements, and the store asks for no alignment.
        unsafe { vst1q_f32(p, v) }
    }
    #[inline(always)]
    unsafe fn load_part(self, p: *const f32, n: usize) -> float32x4_t {
        let zeros = self.splat(0.0);
        // SAFETY: the target has NEON; only the first `n` elements are touched, which the caller promises.
        unsafe {
            match n {
                0 => zeros,
                1 => vld1q_lane_f32::<0>(p, zeros),
                2 => vcombine_f32(vld1_f32(p), vget_low_f32(zeros)),
                3 => vld1q_lane_f32::<2>(p.add(2), vcombine_f32(vld1_f32(p), vget_low_f32(zeros))),
                _ => vld1q_f32(p),
            }
        }
    }
    #[inline(always)]
    unsafe fn store_part(self, p: *mut f32, n: usize, v: float32x4_t) {
        // SAFETY: the target has NEON; only the first `n` elements are touched, which the caller promises.
        unsafe {
            match n {
                0 => {}
                1 => vst1q_lane_f32::<0>(p, v),
                2 => vst1_f32(p, vget_low_f32(v)),
                3 => {
                    vst1_f32(p, vget_low_f32(v));
                    vst1q_lane_f32::<2>(p.add(2), v);
                }
                _ => vst1q_f32(p, v),
            }
        }
    }
    #[inline(always)]
    unsafe fn load_between(self, p: *const f32, skip: usize, end: usize) -> float32x4_t {
        let (zeros, n) = (self.splat(0.0), end.min(4).saturating_sub(skip));
        // SAFETY: the caller promises the elements `skip..end`, of which those before the fifth are read.
        let v = unsafe { self.load_part(p.wrapping_add(skip), n) };
        // SAFETY: the target has NEON.
        unsafe {
            match skip {
                0 => v,
                1 => vextq_f32::<3>(zeros, v),
                2 => vextq_f32::<2>(zeros, v),
                3 => vextq_f32::<1>(zeros, v),
                _ => zeros,
            }
        }
    }
    #[inline(always)]
    unsafe fn load_quads(self, p: *const f32, at: &[usize]) -> float32x4_t {
        // SAFETY: the caller promises one offset with four readable elements.
        unsafe { self.load(p.add(*at.get_unchecked(0))) }
    }
    #[inline(always)]
    unsafe fn store_quads(self, p: *mut f32, at: &[usize], v: float32x4_t) {
        // SAFETY: the caller promises one offset with four writable elements.
        unsafe { self.store(p.add(*at.get_unchecked(0)), v) }
    }
    #[inline(always)]
    unsafe fn store_every_second(self, p: *mut f32, v: float32x4_t) {
        // SAFETY: the target has NEON; the caller promises seven writable elements.
        unsafe {
            vst1q_lane_f32::<0>(p, v);
            vst1q_lane_f32::<1>(p.add(2), v);
            vst1q_lane_f32::<2>(p.add(4), v);
            vst1q_lane_f32::<3>(p.add(6), v);
        }
    }
    #[inline(always)]
    fn unzip(self, a: float32x4_t, b: float32x4_t) -> (float32x4_t, float32x4_t) {
        // SAFETY: the target has NEON.
        unsafe { (vuzp1q_f32(a, b), vuzp2q_f32(a, b)) }
    }
    #[inline(always)]
    fn zip(self, even: float32x4_t, odd: float32x4_t) -> (float32x4_t, float32x4_t) {
        // SAFETY: the target has NEON.
        unsafe { (vzip1q_f32(even, odd), vzip2q_f32(even, odd)) }
    }
    #[inline(always)]
    fn transpose4(self, rows: [float32x4_t; 4]) -> [float32x4_t; 4] {
        let [a, b, c, d] = rows;
        // SAFETY: the target has NEON.
        unsafe {
            let (even0, even1) = (vtrn1q_f32(a, b), vtrn1q_f32(c, d));
            let (odd0, odd1) = (vtrn2q_f32(a, b), vtrn2q_f32(c, d));
            let (even0, even1) = (vreinterpretq_f64_f32(even0), vreinterpretq_f64_f32(even1));
            let (odd0, odd1) = (vreinterpretq_f64_f32(odd0), vreinterpretq_f64_f32(odd1));
            [
                vreinterpretq_f32_f64(vtrn1q_f64(even0, even1)),
                vreinterpretq_f32_f64(vtrn1q_f64(odd0, odd1)),
                vreinterpretq_f32_f64(vtrn2q_f64(even0, even1)),
                vreinterpretq_f32_f64(vtrn2q_f64(odd0, odd1)),
            ]
        }
    }
    #[inline(always)]
    fn deinterleave4(self, rows: [float32x4_t; 4]) -> [float32x4_t; 4] {
        self.transpose4(rows)
    }
    #[inline(always)]
    fn interleave4(self, rows: [float32x4_t; 4]) -> [float32x4_t; 4] {
        self.transpose4(rows)
    }
    #[inline(always)]
    fn follow(self, a: float32x4_t, next: f32) -> float32x4_t {
        // SAFETY: the target has NEON.
        unsafe { vextq_f32::<1>(a, vdupq_n_f32(next)) }
    }
    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the target has NEON.
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the target has NEON.
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the target has NEON.
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the target has NEON.
        unsafe { vdivq_f32(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: the target has NEON.
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the target has NEON. Its own maximum is NaN when `a` is.
        unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) }
    }
    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the target has NEON. Its own minimum is NaN when `a` is.
        unsafe { vbslq_f32(vcltq_f32(a, b), a, b) }
    }
    #[inline(always)]
    fn sqrt(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: the target has NEON.
        unsafe { vsqrtq_f32(a) }
    }
    #[inline(always)]
    fn select_ge(self, a: float32x4_t, b: float32x4_t, yes: float32x4_t, no: float32x4_t) -> float32x4_t {
        // SAFETY: the target has NEON.
        unsafe { vbslq_f32(vcgeq_f32(a, b), yes, no) }
    }
    #[inline(always)]
    fn round(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: the target has NEON.
        unsafe { vrndnq_f32(a) }
    }
    #[inline(always)]
    fn exp2_whole(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: the target has NEON.
        unsafe { vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(vcvtq_s32_f32(a), vdupq_n_s32(127)))) }
    }
    #[inline(always)]
    fn copysign(self, a: float32x4_t, sign: float32x4_t) -> float32x4_t {
        // SAFETY: the target has NEON.
        unsafe { vbslq_f32(vdupq_n_u32(1 << 31), sign, a) }
    }
    #[inline(always)]
    fn sum(self, a: float32x4_t) -> f32 {
        // SAFETY: the target has NEON.
        unsafe { vaddvq_f32(a) }
    }
}
