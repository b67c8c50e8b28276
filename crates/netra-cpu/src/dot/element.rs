//! The two narrow numbers: how float32 becomes one, and how lanes of them are multiplied and added up.

use std::arch::x86_64::*;

use netra_graph::Range;

use super::LANE;
use crate::arithmetic::Arithmetic;
use crate::isa::{InstructionSet, Isa};

/// A number that the processor multiplies several of in a lane.
pub trait Element: Copy {
    /// Numbers in a lane.
    const COUNT: usize;

    /// Float32 to narrow numbers, each in the low bits of its lane.
    ///
    /// # Safety
    /// The processor has the element's instructions; so for all that follow.
    unsafe fn encode(self, v: __m512) -> __m512i;

    /// Writes [encoded](Self::encode) numbers behind one another.
    ///
    /// # Safety
    /// As above, and `to` is writable for sixteen numbers.
    unsafe fn store(encoded: __m512i, to: *mut u8);

    /// What sums begin with.
    ///
    /// # Safety
    /// As above, and `bias` is readable for a vector.
    unsafe fn first(bias: *const f32) -> __m512i;

    /// Adds the products of each lane of `x` and `w` to that of `sum`.
    ///
    /// # Safety
    /// As above.
    unsafe fn dot(sum: __m512i, x: __m512i, w: __m512i) -> __m512i;

    /// What sums amount to.
    ///
    /// # Safety
    /// As above, and `scales` (unless unused) and `bias` are readable for a vector.
    unsafe fn last(sum: __m512i, scales: *const f32, bias: *const f32) -> __m512;
}

/// Upper halves of float32, summed in float32. A promise of the instructions, too.
#[derive(Clone, Copy, Debug)]
pub struct Bf16(());

impl Bf16 {
    /// The promise, where the processor keeps it. Weaker sets are chosen by tests alone.
    pub fn detect(isa: Isa) -> Option<Self> {
        let has = is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512bw");
        (isa.set() == InstructionSet::Avx512 && has).then_some(Self(()))
    }
}

impl Element for Bf16 {
    const COUNT: usize = 2;

    #[inline(always)]
    unsafe fn encode(self, v: __m512) -> __m512i {
        // SAFETY: the caller's promise; sixteen lanes of sixteen bits under two names.
        unsafe { _mm512_cvtepu16_epi32(std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(v))) }
    }

    #[inline(always)]
    unsafe fn store(encoded: __m512i, to: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(encoded)) }
    }

    #[inline(always)]
    unsafe fn first(bias: *const f32) -> __m512i {
        // SAFETY: the caller's promise.
        unsafe { _mm512_loadu_si512(bias.cast()) }
    }

    #[inline(always)]
    unsafe fn dot(sum: __m512i, x: __m512i, w: __m512i) -> __m512i {
        // SAFETY: the caller's promise; thirty-two lanes of sixteen bits under two names.
        unsafe {
            let (x, w) = (std::mem::transmute::<__m512i, __m512bh>(x), std::mem::transmute::<__m512i, __m512bh>(w));
            _mm512_castps_si512(_mm512_dpbf16_ps(_mm512_castsi512_ps(sum), x, w))
        }
    }

    #[inline(always)]
    unsafe fn last(sum: __m512i, _: *const f32, _: *const f32) -> __m512 {
        // SAFETY: the caller's promise.
        unsafe { _mm512_castsi512_ps(sum) }
    }
}

/// Bytes: an input element is `scale * (byte - zero)`, a weight a signed byte times the scale of its output channel. Sums
/// are exact in 32 bits. A promise of the instructions, too.
#[derive(Clone, Copy, Debug)]
pub struct Int8 {
    scale: f32,
    zero: u8,
}

/// Most terms whose sum fits into 32 bits.
pub const MOST_TERMS: usize = i32::MAX as usize / (255 * 127);

impl Int8 {
    /// Bytes for inputs within `range`; those beyond become its ends. `None` where the processor lacks the instructions, or
    /// no bytes can tell the range's values apart.
    pub fn new(isa: Isa, range: Range) -> Option<Self> {
        let (low, high) = (range.low.min(0.0), range.high.max(0.0));
        let scale = (high - low) / 255.0;
        let zero = (-low / scale).round();
        (Self::available(isa) && (scale.is_normal() && scale.recip().is_normal()))
            .then_some(Self { scale, zero: zero as u8 })
    }

    /// The difference of neighbouring bytes.
    pub fn scale(self) -> f32 {
        self.scale
    }

    /// The byte of 0, exactly.
    pub fn zero(self) -> u8 {
        self.zero
    }

    /// Whether the processor has the instructions. Weaker sets are chosen by tests alone.
    pub fn available(isa: Isa) -> bool {
        let has = is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512bw");
        isa.set() == InstructionSet::Avx512 && has
    }
}

impl Element for Int8 {
    const COUNT: usize = 4;

    #[inline(always)]
    unsafe fn encode(self, v: __m512) -> __m512i {
        // SAFETY: the caller's promise. The greater of NaN and 0 is 0 in this order: not a number becomes the least value.
        unsafe {
            let zero = _mm512_set1_ps(f32::from(self.zero));
            let v = _mm512_fmadd_ps(v, _mm512_set1_ps(self.scale.recip()), zero);
            _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(v, _mm512_setzero_ps()), _mm512_set1_ps(255.0)))
        }
    }

    #[inline(always)]
    unsafe fn store(encoded: __m512i, to: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(encoded)) }
    }

    #[inline(always)]
    unsafe fn first(_: *const f32) -> __m512i {
        // SAFETY: the caller's promise.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn dot(sum: __m512i, x: __m512i, w: __m512i) -> __m512i {
        // SAFETY: the caller's promise.
        unsafe { _mm512_dpbusd_epi32(sum, x, w) }
    }

    #[inline(always)]
    unsafe fn last(sum: __m512i, scales: *const f32, bias: *const f32) -> __m512 {
        // SAFETY: the caller's promise.
        unsafe { _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_loadu_ps(scales), _mm512_loadu_ps(bias)) }
    }
}

/// Which numbers, and the promise that the processor multiplies them.
#[derive(Clone, Copy, Debug)]
pub enum Format {
    /// Bfloat16.
    Bf16(Bf16),
    /// Bytes.
    Int8(Int8),
}

impl Format {
    /// The numbers of this arithmetic, where it is narrow and the processor has the instructions.
    pub fn new(arithmetic: Arithmetic, isa: Isa) -> Option<Self> {
        match arithmetic {
            Arithmetic::Exact | Arithmetic::Fast => None,
            Arithmetic::Bf16 => Bf16::detect(isa).map(Self::Bf16),
            Arithmetic::Int8(range) => Int8::new(isa, range).map(Self::Int8),
        }
    }

    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        LANE / self.count()
    }

    /// Numbers in a lane.
    pub fn count(self) -> usize {
        match self {
            Self::Bf16(_) => Bf16::COUNT,
            Self::Int8(_) => Int8::COUNT,
        }
    }

    /// Each byte of an input of zeros.
    pub fn zero(self) -> u8 {
        match self {
            Self::Bf16(_) => 0,
            Self::Int8(int8) => int8.zero,
        }
    }

    /// Whether a sum of so many terms is safe from overflow.
    pub fn holds(self, terms: usize) -> bool {
        matches!(self, Self::Bf16(_)) || terms <= MOST_TERMS
    }
}

/// One float32 rounded to bfloat16 (ties to even) as the instruction does it: what is below float32's normal range is zero,
/// NaN stays NaN.
pub fn round(x: f32) -> u16 {
    let bits = x.to_bits();
    if x.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    if x.abs() < f32::MIN_POSITIVE {
        return (bits >> 16) as u16 & 0x8000;
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_to_nearest_even() {
        assert_eq!(round(1.0), 0x3f80);
        assert_eq!(round(f32::from_bits(0x3f80_8000)), 0x3f80);
        assert_eq!(round(f32::from_bits(0x3f81_8000)), 0x3f82);
        assert_eq!(round(f32::from_bits(0x3f80_8001)), 0x3f81);
        assert_eq!(round(f32::INFINITY), 0x7f80);
        assert!(f32::from_bits(u32::from(round(f32::NAN)) << 16).is_nan());
    }

    /// The number 0 is a byte of its own, and the ends of the range are half a step away at most.
    #[test]
    fn bytes_cover_the_range() {
        let isa = Isa::detect();
        if !Int8::available(isa) {
            println!("skipped: this processor has no AVX512-VNNI");
            return;
        }
        for (low, high) in [(-1.0, 3.0), (0.0, 6.0), (2.0, 5.0), (-7.0, -1.0)] {
            let int8 = Int8::new(isa, Range { low, high }).expect("bytes for a plain range");
            let value = |byte: u8| int8.scale * (f32::from(byte) - f32::from(int8.zero));
            assert!(value(0) - low.min(0.0) <= int8.scale / 2.0 && high.max(0.0) - value(255) <= int8.scale / 2.0);
        }
        for (low, high) in [(0.0, 0.0), (0.0, f32::INFINITY), (f32::NAN, f32::NAN), (0.0, 1e-40)] {
            assert!(Int8::new(isa, Range { low, high }).is_none(), "{low} {high}");
        }
    }
}
