//! Stored values: the bits between High Bit and the lowest stored bit, sign-extended (PS3.5 8.1.1).

use super::format::{PixelFormat, SampleKind};

/// The samples of one decoded frame.
pub(crate) struct Stored<'a> {
    pub format: &'a PixelFormat,
    pub bytes: &'a [u8],
}

impl Stored<'_> {
    /// Calls `each` with every sample in order. `f64` holds integers of up to 53 bits exactly.
    pub fn for_each(&self, mut each: impl FnMut(usize, f64)) {
        let (stored, shift) =
            (self.format.bits_stored, self.format.high_bit + 1 - self.format.bits_stored.min(self.format.high_bit + 1));
        let signed = self.format.signed;
        let mask = if stored >= 64 { u64::MAX } else { (1u64 << stored) - 1 };
        let integer = move |raw: u64| {
            let bits = (raw >> shift) & mask;
            if signed && stored < 64 && bits >> (stored - 1) == 1 {
                (bits | !mask) as i64 as f64
            } else if signed {
                bits as i64 as f64
            } else {
                bits as f64
            }
        };
        match (self.format.kind, self.format.bytes_per_sample()) {
            (SampleKind::Float, 4) => self.each::<4>(|i, b| each(i, f32::from_le_bytes(b).into())),
            (SampleKind::Float, _) => self.each::<8>(|i, b| each(i, f64::from_le_bytes(b))),
            (SampleKind::Integer, 1) => self.each::<1>(|i, b| each(i, integer(b[0].into()))),
            (SampleKind::Integer, 2) => self.each::<2>(|i, b| each(i, integer(u16::from_le_bytes(b).into()))),
            (SampleKind::Integer, 4) => self.each::<4>(|i, b| each(i, integer(u32::from_le_bytes(b).into()))),
            (SampleKind::Integer, _) => self.each::<8>(|i, b| each(i, integer(u64::from_le_bytes(b)))),
        }
    }

    fn each<const N: usize>(&self, mut each: impl FnMut(usize, [u8; N])) {
        for (i, chunk) in self.bytes.as_chunks::<N>().0.iter().enumerate() {
            each(i, *chunk);
        }
    }

    /// Lowest and highest value that the stored bits can hold; for floating point, those that the frame holds.
    pub fn range(&self) -> [f64; 2] {
        if self.format.kind == SampleKind::Float {
            let mut range = [f64::INFINITY, f64::NEG_INFINITY];
            self.for_each(|_, v| range = [range[0].min(v), range[1].max(v)]);
            return range;
        }
        let bits = self.format.bits_stored as i32;
        if self.format.signed {
            [-(2f64.powi(bits - 1)), 2f64.powi(bits - 1) - 1.0]
        } else {
            [0.0, 2f64.powi(bits) - 1.0]
        }
    }
}
