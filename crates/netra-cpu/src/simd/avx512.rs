//! AVX-512 F: sixteen lanes.

use std::arch::x86_64::*;

use super::Simd;

/// AVX-512 F: sixteen lanes.
#[derive(Clone, Copy)]
pub struct Avx512(());

impl Avx512 {
    /// Promises that the processor has AVX-512 F.
    ///
    /// # Safety
    /// It has.
    #[inline(always)]
    pub unsafe fn assume() -> Self {
        Self(())
    }
}

impl Simd for Avx512 {
    type V = __m512;
    const LANES: usize = 16;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m512 {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F; the caller
        // promises readable elements, and the load asks for no alignment.
        unsafe { _mm512_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m512) {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F; the caller
        // promises writable elements, and the store asks for no alignment.
        unsafe { _mm512_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn load_part(self, p: *const f32, n: usize) -> __m512 {
        let mask = ((1u32 << n.min(16)) - 1) as u16;
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F; the masked load touches the first `n`
        // elements only, which the caller promises.
        unsafe { _mm512_maskz_loadu_ps(mask, p) }
    }
    #[inline(always)]
    unsafe fn store_part(self, p: *mut f32, n: usize, v: __m512) {
        let mask = ((1u32 << n.min(16)) - 1) as u16;
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F; the masked store touches `n` elements only.
        unsafe { _mm512_mask_storeu_ps(p, mask, v) }
    }
    #[inline(always)]
    unsafe fn load_between(self, p: *const f32, skip: usize, end: usize) -> __m512 {
        let mask = (((1u32 << end.min(16)) - 1) & !((1u32 << skip.min(16)) - 1)) as u16;
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F; the masked load touches the elements
        // `skip..end` only, which the caller promises.
        unsafe { _mm512_maskz_loadu_ps(mask, p) }
    }
    #[inline(always)]
    unsafe fn load_quads(self, p: *const f32, at: &[usize]) -> __m512 {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F; the caller promises four offsets with
        // four readable elements each.
        unsafe {
            let v = _mm512_castps128_ps512(_mm_loadu_ps(p.add(*at.get_unchecked(0))));
            let v = _mm512_insertf32x4::<1>(v, _mm_loadu_ps(p.add(*at.get_unchecked(1))));
            let v = _mm512_insertf32x4::<2>(v, _mm_loadu_ps(p.add(*at.get_unchecked(2))));
            _mm512_insertf32x4::<3>(v, _mm_loadu_ps(p.add(*at.get_unchecked(3))))
        }
    }
    #[inline(always)]
    unsafe fn store_quads(self, p: *mut f32, at: &[usize], v: __m512) {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F; the caller promises four offsets with
        // four writable elements each.
        unsafe {
            _mm_storeu_ps(p.add(*at.get_unchecked(0)), _mm512_castps512_ps128(v));
            _mm_storeu_ps(p.add(*at.get_unchecked(1)), _mm512_extractf32x4_ps::<1>(v));
            _mm_storeu_ps(p.add(*at.get_unchecked(2)), _mm512_extractf32x4_ps::<2>(v));
            _mm_storeu_ps(p.add(*at.get_unchecked(3)), _mm512_extractf32x4_ps::<3>(v));
        }
    }
    #[inline(always)]
    unsafe fn store_every_second(self, p: *mut f32, v: __m512) {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F; the masked stores touch every second of the
        // first 31 elements only, which the caller promises.
        unsafe {
            let near = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
            let far = _mm512_add_epi32(near, _mm512_set1_epi32(8));
            _mm512_mask_storeu_ps(p, 0x5555, _mm512_permutexvar_ps(near, v));
            _mm512_mask_storeu_ps(p.add(16), 0x5555, _mm512_permutexvar_ps(far, v));
        }
    }
    #[inline(always)]
    fn unzip(self, a: __m512, b: __m512) -> (__m512, __m512) {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F.
        unsafe {
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
            (_mm512_permutex2var_ps(a, even, b), _mm512_permutex2var_ps(a, odd, b))
        }
    }
    #[inline(always)]
    fn zip(self, even: __m512, odd: __m512) -> (__m512, __m512) {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F.
        unsafe {
            let near = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let far = _mm512_add_epi32(near, _mm512_set1_epi32(8));
            (_mm512_permutex2var_ps(even, near, odd), _mm512_permutex2var_ps(even, far, odd))
        }
    }
    #[inline(always)]
    fn transpose4(self, rows: [__m512; 4]) -> [__m512; 4] {
        let [a, b, c, d] = rows;
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F.
        unsafe {
            let (low0, low1) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
            let (high0, high1) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
            let (low0, low1) = (_mm512_castps_pd(low0), _mm512_castps_pd(low1));
            let (high0, high1) = (_mm512_castps_pd(high0), _mm512_castps_pd(high1));
            [
                _mm512_castpd_ps(_mm512_unpacklo_pd(low0, low1)),
                _mm512_castpd_ps(_mm512_unpackhi_pd(low0, low1)),
                _mm512_castpd_ps(_mm512_unpacklo_pd(high0, high1)),
                _mm512_castpd_ps(_mm512_unpackhi_pd(high0, high1)),
            ]
        }
    }
    #[inline(always)]
    fn deinterleave4(self, rows: [__m512; 4]) -> [__m512; 4] {
        self.transpose4(quads(rows))
    }
    #[inline(always)]
    fn interleave4(self, rows: [__m512; 4]) -> [__m512; 4] {
        quads(self.transpose4(rows))
    }
    #[inline(always)]
    fn follow(self, a: __m512, next: f32) -> __m512 {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F.
        unsafe {
            let (a, next) = (_mm512_castps_si512(a), _mm512_castps_si512(_mm512_set1_ps(next)));
            _mm512_castsi512_ps(_mm512_alignr_epi32::<1>(next, a))
        }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F.
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F.
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F.
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    fn sqrt(self, a: __m512) -> __m512 {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F.
        unsafe { _mm512_sqrt_ps(a) }
    }
    #[inline(always)]
    fn select_ge(self, a: __m512, b: __m512, yes: __m512, no: __m512) -> __m512 {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F.
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GE_OQ>(a, b), no, yes) }
    }
    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F.
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }
    #[inline(always)]
    fn exp2_whole(self, a: __m512) -> __m512 {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F.
        unsafe {
            let biased = _mm512_add_epi32(_mm512_cvtps_epi32(a), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
        }
    }
    #[inline(always)]
    fn scale(self, a: __m512, n: __m512) -> __m512 {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F.
        unsafe { _mm512_scalef_ps(a, n) }
    }
    #[inline(always)]
    fn exp2(self, a: __m512) -> __m512 {
        // Half the multiplications of a polynomial over [-1/2, 1/2]: after this addition the last five bits are thirty-seconds,
        // and the whole exponent lies before them.
        let shifted = self.add(a, self.splat(1.5 * (1 << 18) as f32));
        let rest = self.sub(a, self.sub(shifted, self.splat(1.5 * (1 << 18) as f32)));
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F, and the table has two vectors.
        let power = unsafe {
            let bits = _mm512_castps_si512(shifted);
            let near = _mm512_loadu_si512(THIRTY_SECONDS.as_ptr().cast());
            let far = _mm512_loadu_si512(THIRTY_SECONDS.as_ptr().add(16).cast());
            let fraction = _mm512_permutex2var_epi32(near, bits, far);
            _mm512_castsi512_ps(_mm512_add_epi32(fraction, _mm512_slli_epi32::<18>(bits)))
        };
        // 2^rest - 1 over [-1/64, 1/64].
        let tail = self.fma(rest, self.splat(0.055_504_11), self.splat(0.240_226_5));
        let more = self.mul(rest, self.fma(rest, tail, self.splat(std::f32::consts::LN_2)));
        self.fma(power, more, power)
    }
    #[inline(always)]
    fn reciprocal(self, a: __m512) -> __m512 {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F.
        unsafe {
            // One step of Newton's method doubles the fourteen bits.
            let rough = _mm512_rcp14_ps(a);
            let rest = _mm512_fnmadd_ps(a, rough, _mm512_set1_ps(1.0));
            _mm512_fmadd_ps(rough, rest, rough)
        }
    }
    #[inline(always)]
    fn copysign(self, a: __m512, sign: __m512) -> __m512 {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F.
        unsafe {
            // Bitwise (bit and sign) or (not bit and a): truth table 0xCA with the bit as selector.
            let bit = _mm512_set1_epi32(i32::MIN);
            let (a, sign) = (_mm512_castps_si512(a), _mm512_castps_si512(sign));
            _mm512_castsi512_ps(_mm512_ternarylogic_epi32::<0xCA>(bit, sign, a))
        }
    }
    #[inline(always)]
    fn sum(self, a: __m512) -> f32 {
        // SAFETY: a `Avx512` exists only where the processor has AVX-512 F.
        unsafe { _mm512_reduce_add_ps(a) }
    }
}

/// The bits of `2^(i / 32)`, less what `i` adds to them when it is shifted to just below the exponent.
static THIRTY_SECONDS: [u32; 32] = [
    0x3F80_0000,
    0x3F7E_CD87,
    0x3F7D_AAC3,
    0x3F7C_980F,
    0x3F7B_95C2,
    0x3F7A_A43A,
    0x3F79_C3D3,
    0x3F78_F4F0,
    0x3F78_37F0,
    0x3F77_8D3A,
    0x3F76_F532,
    0x3F76_7043,
    0x3F75_FED7,
    0x3F75_A15B,
    0x3F75_583F,
    0x3F75_23F6,
    0x3F75_04F3,
    0x3F74_FBAF,
    0x3F75_08A4,
    0x3F75_2C4D,
    0x3F75_672A,
    0x3F75_B9BE,
    0x3F76_248C,
    0x3F76_A81E,
    0x3F77_44FD,
    0x3F77_FBB8,
    0x3F78_CCDF,
    0x3F79_B907,
    0x3F7A_C0C7,
    0x3F7B_E4BA,
    0x3F7D_257D,
    0x3F7E_83B3,
];

/// Transposes the 4x4 groups of four lanes.
#[inline(always)]
fn quads(rows: [__m512; 4]) -> [__m512; 4] {
    let [a, b, c, d] = rows;
    // SAFETY: called by `Avx512` only, which exists only where the processor has AVX-512 F.
    unsafe {
        let (low0, low1) = (_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0x44>(c, d));
        let (high0, high1) = (_mm512_shuffle_f32x4::<0xEE>(a, b), _mm512_shuffle_f32x4::<0xEE>(c, d));
        [
            _mm512_shuffle_f32x4::<0x88>(low0, low1),
            _mm512_shuffle_f32x4::<0xDD>(low0, low1),
            _mm512_shuffle_f32x4::<0x88>(high0, high1),
            _mm512_shuffle_f32x4::<0xDD>(high0, high1),
        ]
    }
}
