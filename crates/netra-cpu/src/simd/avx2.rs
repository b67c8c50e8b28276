//! AVX2 and FMA: eight lanes.

use std::arch::x86_64::*;

use super::Simd;

/// AVX2 and FMA: eight lanes.
#[derive(Clone, Copy)]
pub struct Avx2(());

impl Avx2 {
    /// Promises that the processor has AVX2 and FMA.
    ///
    /// # Safety
    /// It has.
    #[inline(always)]
    pub unsafe fn assume() -> Self {
        Self(())
    }
}

impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA.
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m256 {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA; the caller
        // promises readable elements, and the load asks for no alignment.
        unsafe { _mm256_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m256) {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA; the caller
        // promises writable elements, and the store asks for no alignment.
        unsafe { _mm256_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn load_part(self, p: *const f32, n: usize) -> __m256 {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA; the masked load touches the first `n`
        // elements only, which the caller promises.
        unsafe {
            let lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), lane))
        }
    }
    #[inline(always)]
    unsafe fn load_between(self, p: *const f32, skip: usize, end: usize) -> __m256 {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA; the masked load touches the elements
        // `skip..end` only, which the caller promises.
        unsafe {
            let lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let below = _mm256_cmpgt_epi32(_mm256_set1_epi32(end.min(8) as i32), lane);
            let skipped = _mm256_cmpgt_epi32(_mm256_set1_epi32(skip.min(8) as i32), lane);
            _mm256_maskload_ps(p, _mm256_andnot_si256(skipped, below))
        }
    }
    #[inline(always)]
    unsafe fn load_quads(self, p: *const f32, at: &[usize]) -> __m256 {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA; the caller promises two offsets with
        // four readable elements each.
        unsafe { _mm256_loadu2_m128(p.add(*at.get_unchecked(1)), p.add(*at.get_unchecked(0))) }
    }
    #[inline(always)]
    unsafe fn store_quads(self, p: *mut f32, at: &[usize], v: __m256) {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA; the caller promises two offsets with
        // four writable elements each.
        unsafe { _mm256_storeu2_m128(p.add(*at.get_unchecked(1)), p.add(*at.get_unchecked(0)), v) }
    }
    #[inline(always)]
    unsafe fn store_every_second(self, p: *mut f32, v: __m256) {
        let mut lanes = [0.0; 8];
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA. Masked stores are slow on many of those.
        unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), v) };
        for (i, x) in lanes.into_iter().enumerate() {
            // SAFETY: the caller promises fifteen writable elements.
            unsafe { p.add(2 * i).write(x) };
        }
    }
    #[inline(always)]
    fn unzip(self, a: __m256, b: __m256) -> (__m256, __m256) {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA.
        unsafe {
            let (even, odd) = (_mm256_shuffle_ps::<0x88>(a, b), _mm256_shuffle_ps::<0xdd>(a, b));
            let (even, odd) = (_mm256_castps_pd(even), _mm256_castps_pd(odd));
            let (even, odd) = (_mm256_permute4x64_pd::<0xd8>(even), _mm256_permute4x64_pd::<0xd8>(odd));
            (_mm256_castpd_ps(even), _mm256_castpd_ps(odd))
        }
    }
    #[inline(always)]
    fn zip(self, a: __m256, b: __m256) -> (__m256, __m256) {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA.
        unsafe {
            let (low, high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            (_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high))
        }
    }
    #[inline(always)]
    fn transpose4(self, rows: [__m256; 4]) -> [__m256; 4] {
        let [a, b, c, d] = rows;
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA.
        unsafe {
            let (low0, low1) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
            let (high0, high1) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
            let (low0, low1) = (_mm256_castps_pd(low0), _mm256_castps_pd(low1));
            let (high0, high1) = (_mm256_castps_pd(high0), _mm256_castps_pd(high1));
            [
                _mm256_castpd_ps(_mm256_unpacklo_pd(low0, low1)),
                _mm256_castpd_ps(_mm256_unpackhi_pd(low0, low1)),
                _mm256_castpd_ps(_mm256_unpacklo_pd(high0, high1)),
                _mm256_castpd_ps(_mm256_unpackhi_pd(high0, high1)),
            ]
        }
    }
    #[inline(always)]
    fn deinterleave4(self, rows: [__m256; 4]) -> [__m256; 4] {
        let [a, b, c, d] = rows;
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA.
        let rows = unsafe {
            [
                _mm256_permute2f128_ps::<0x20>(a, c),
                _mm256_permute2f128_ps::<0x31>(a, c),
                _mm256_permute2f128_ps::<0x20>(b, d),
                _mm256_permute2f128_ps::<0x31>(b, d),
            ]
        };
        self.transpose4(rows)
    }
    #[inline(always)]
    fn interleave4(self, rows: [__m256; 4]) -> [__m256; 4] {
        let [a, b, c, d] = self.transpose4(rows);
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA.
        unsafe {
            [
                _mm256_permute2f128_ps::<0x20>(a, b),
                _mm256_permute2f128_ps::<0x20>(c, d),
                _mm256_permute2f128_ps::<0x31>(a, b),
                _mm256_permute2f128_ps::<0x31>(c, d),
            ]
        }
    }
    #[inline(always)]
    fn follow(self, a: __m256, next: f32) -> __m256 {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA.
        unsafe {
            let turned = _mm256_permutevar8x32_ps(a, _mm256_setr_epi32(1, 2, 3, 4, 5, 6, 7, 0));
            _mm256_blend_ps::<0x80>(turned, _mm256_set1_ps(next))
        }
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA.
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA.
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA.
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA.
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    fn sqrt(self, a: __m256) -> __m256 {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA.
        unsafe { _mm256_sqrt_ps(a) }
    }
    #[inline(always)]
    fn select_ge(self, a: __m256, b: __m256, yes: __m256, no: __m256) -> __m256 {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA.
        unsafe { _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_GE_OQ>(a, b)) }
    }
    #[inline(always)]
    fn round(self, a: __m256) -> __m256 {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA.
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }
    #[inline(always)]
    fn exp2_whole(self, a: __m256) -> __m256 {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA.
        unsafe {
            let biased = _mm256_add_epi32(_mm256_cvtps_epi32(a), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
        }
    }
    #[inline(always)]
    fn copysign(self, a: __m256, sign: __m256) -> __m256 {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA.
        unsafe {
            let bit = _mm256_set1_ps(-0.0);
            _mm256_or_ps(_mm256_andnot_ps(bit, a), _mm256_and_ps(bit, sign))
        }
    }
    #[inline(always)]
    fn sum(self, a: __m256) -> f32 {
        // SAFETY: a `Avx2` exists only where the processor has AVX2 and FMA.
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }
}
