//! Four lanes in plain Rust, for processors without an implementation of their own; the compiler vectorises it.

use super::{Guaranteed, Simd};

/// Plain Rust.
#[derive(Clone, Copy)]
pub struct Portable;

impl Guaranteed for Portable {
    const HERE: Self = Self;
}

#[inline(always)]
fn zip(a: [f32; 4], b: [f32; 4], f: impl Fn(f32, f32) -> f32) -> [f32; 4] {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

impl Simd for Portable {
    type V = [f32; 4];
    const LANES: usize = 4;

    #[inline(always)]
    fn splat(self, x: f32) -> [f32; 4] {
        [x; 4]
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> [f32; 4] {
        // SAFETY: the caller promises four readable elements; the read asks for no alignment.
        unsafe { p.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: [f32; 4]) {
        // SAFETY: the caller promises four writable elements; the write asks for no alignment.
        unsafe { p.cast::<[f32; 4]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn load_part(self, p: *const f32, n: usize) -> [f32; 4] {
        // SAFETY: the caller promises `n` readable elements.
        std::array::from_fn(|i| if i < n { unsafe { *p.add(i) } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn load_between(self, p: *const f32, skip: usize, end: usize) -> [f32; 4] {
        // SAFETY: the caller promises the elements `skip..end`.
        std::array::from_fn(|i| if (skip..end).contains(&i) { unsafe { *p.wrapping_add(i) } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn load_quads(self, p: *const f32, at: &[usize]) -> [f32; 4] {
        // SAFETY: the caller promises one offset with four readable elements.
        unsafe { self.load(p.add(*at.get_unchecked(0))) }
    }
    #[inline(always)]
    unsafe fn store_quads(self, p: *mut f32, at: &[usize], v: [f32; 4]) {
        // SAFETY: the caller promises one offset with four writable elements.
        unsafe { self.store(p.add(*at.get_unchecked(0)), v) }
    }
    #[inline(always)]
    unsafe fn store_every_second(self, p: *mut f32, v: [f32; 4]) {
        for (i, x) in v.into_iter().enumerate() {
            // SAFETY: the caller promises seven writable elements.
            unsafe { p.add(2 * i).write(x) };
        }
    }
    #[inline(always)]
    fn unzip(self, a: [f32; 4], b: [f32; 4]) -> ([f32; 4], [f32; 4]) {
        ([a[0], a[2], b[0], b[2]], [a[1], a[3], b[1], b[3]])
    }
    #[inline(always)]
    fn zip(self, even: [f32; 4], odd: [f32; 4]) -> ([f32; 4], [f32; 4]) {
        ([even[0], odd[0], even[1], odd[1]], [even[2], odd[2], even[3], odd[3]])
    }
    #[inline(always)]
    fn transpose4(self, rows: [[f32; 4]; 4]) -> [[f32; 4]; 4] {
        std::array::from_fn(|j| std::array::from_fn(|i| rows[i][j]))
    }
    #[inline(always)]
    fn deinterleave4(self, rows: [[f32; 4]; 4]) -> [[f32; 4]; 4] {
        self.transpose4(rows)
    }
    #[inline(always)]
    fn interleave4(self, rows: [[f32; 4]; 4]) -> [[f32; 4]; 4] {
        self.transpose4(rows)
    }
    #[inline(always)]
    fn follow(self, a: [f32; 4], next: f32) -> [f32; 4] {
        [a[1], a[2], a[3], next]
    }
    #[inline(always)]
    fn add(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn fma(self, a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
        // Every aarch64 has a fused instruction; elsewhere `mul_add` may be a call into libm.
        if cfg!(target_arch = "aarch64") {
            std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
        } else {
            std::array::from_fn(|i| a[i] * b[i] + c[i])
        }
    }
    #[inline(always)]
    fn max(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn sqrt(self, a: [f32; 4]) -> [f32; 4] {
        a.map(f32::sqrt)
    }
    #[inline(always)]
    fn select_ge(self, a: [f32; 4], b: [f32; 4], yes: [f32; 4], no: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| if a[i] >= b[i] { yes[i] } else { no[i] })
    }
    #[inline(always)]
    fn round(self, a: [f32; 4]) -> [f32; 4] {
        a.map(f32::round_ties_even)
    }
    #[inline(always)]
    fn exp2_whole(self, a: [f32; 4]) -> [f32; 4] {
        a.map(|a| f32::from_bits(((a as i32).wrapping_add(127) as u32) << 23))
    }
    #[inline(always)]
    fn copysign(self, a: [f32; 4], sign: [f32; 4]) -> [f32; 4] {
        zip(a, sign, f32::copysign)
    }
    #[inline(always)]
    fn sum(self, a: [f32; 4]) -> f32 {
        (a[0] + a[1]) + (a[2] + a[3])
    }
}
