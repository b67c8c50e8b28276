//! Stored values: the bits between High Bit and the lowest stored bit, sign-extended (PS3.5 8.1.1).

use super::format::{PixelFormat, SampleKind};

/// Samples that are converted together.
const BLOCK: usize = 512;

/// The samples of one decoded frame.
pub(crate) struct Stored<'a> {
    pub format: &'a PixelFormat,
    pub bytes: &'a [u8],
}

impl Stored<'_> {
    /// Calls `each` with every sample in order. `f64` holds integers of up to 53 bits exactly.
    pub fn for_each(&self, mut each: impl FnMut(usize, f64)) {
        self.blocks(|start, values| (start..).zip(values).for_each(|(i, &value)| each(i, value)));
    }

    /// Writes what `map` makes of every sample into `out`, in order.
    pub fn write(&self, out: &mut [f32], map: impl Fn(f64) -> f32) {
        self.blocks(|start, values| {
            let out = out.get_mut(start..).unwrap_or_default();
            out.iter_mut().zip(values).for_each(|(slot, &value)| *slot = map(value));
        });
    }

    /// Calls `each` with some samples after another and the position of the first: loops over a block become vectors.
    fn blocks(&self, each: impl FnMut(usize, &[f64])) {
        let PixelFormat { bits_stored, high_bit, signed, .. } = *self.format;
        // The stored bits are brought to the top, which cuts off what lies above them, and down again.
        let narrow = |raw: u32| {
            let top = raw << (31 - high_bit);
            f64::from(if signed { top as i32 >> (32 - bits_stored) } else { (top >> (32 - bits_stored)) as i32 })
        };
        let wide = |raw: u64| {
            let top = raw << (63 - high_bit);
            if signed { (top as i64 >> (64 - bits_stored)) as f64 } else { (top >> (64 - bits_stored)) as f64 }
        };
        match (self.format.kind, self.format.bytes_per_sample()) {
            (SampleKind::Float, 4) => self.convert(each, |b| f32::from_le_bytes(b).into()),
            (SampleKind::Float, _) => self.convert(each, f64::from_le_bytes),
            (SampleKind::Integer, 1) => self.convert(each, |[b]| narrow(b.into())),
            (SampleKind::Integer, 2) => self.convert(each, |b| narrow(u16::from_le_bytes(b).into())),
            (SampleKind::Integer, 4) => self.convert(each, |b| wide(u32::from_le_bytes(b).into())),
            (SampleKind::Integer, _) => self.convert(each, |b| wide(u64::from_le_bytes(b))),
        }
    }

    fn convert<const N: usize>(&self, mut each: impl FnMut(usize, &[f64]), value: impl Fn([u8; N]) -> f64) {
        let mut values = [0.0; BLOCK];
        for (block, samples) in self.bytes.as_chunks::<N>().0.chunks(BLOCK).enumerate() {
            let values = &mut values[..samples.len()];
            values.iter_mut().zip(samples).for_each(|(slot, &bytes)| *slot = value(bytes));
            each(block * BLOCK, values);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of one row.
    fn format(allocated: u32, stored: u32, high_bit: u32, signed: bool, columns: usize) -> PixelFormat {
        PixelFormat {
            rows: 1,
            columns,
            samples: 1,
            frames: 1,
            bits_allocated: allocated,
            bits_stored: stored,
            high_bit,
            signed,
            planar: false,
            photometric: "MONOCHROME2".into(),
            kind: SampleKind::Integer,
            subsampled: false,
            swapped: false,
        }
    }

    #[test]
    fn every_depth_at_every_height_is_cut_out_and_sign_extended() {
        for allocated in [8, 16, 32] {
            let width = allocated as usize / 8;
            // More than a block of samples, with bits outside those that are stored.
            let raw: Vec<u64> =
                (0..600u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - allocated)).collect();
            let bytes: Vec<u8> = raw.iter().flat_map(|v| v.to_le_bytes().into_iter().take(width)).collect();
            for stored in 1..=allocated {
                for (high_bit, signed) in (stored - 1..allocated).flat_map(|high| [(high, false), (high, true)]) {
                    let format = format(allocated, stored, high_bit, signed, raw.len());
                    let mut got = vec![f32::NAN; raw.len()];
                    Stored { format: &format, bytes: &bytes }.write(&mut got, |v| v as f32);
                    for (v, got) in raw.iter().zip(got) {
                        let bits = (v >> (high_bit + 1 - stored)) % (1 << stored);
                        let negative = signed && bits >= 1 << (stored - 1);
                        let want = bits as i64 - if negative { 1 << stored } else { 0 };
                        assert_eq!(got, want as f32, "{stored} bits up to {high_bit} of {allocated}, signed {signed}");
                    }
                }
            }
        }
    }
}
