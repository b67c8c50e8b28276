//! The bits of a scan (ITU-T T.87 Annex A.1 and 9.1): after a byte 0xFF the next brings seven.

use netra_core::{Error, Result};

use crate::pixels::segments::data_word;

/// A reader of bits, most significant first. Behind the end it gives zeros, which [`check`](Self::check) tells.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// Bits to come, at the top. Behind the first `have` lie zeros, or the bits that will be read next.
    cache: u64,
    /// How many there are; negative when more were taken than there are.
    have: i32,
    after_ff: bool,
}

impl<'a> Bits<'a> {
    /// Reads from the byte `at` on.
    pub(super) fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at, cache: 0, have: 0, after_ff: false }
    }

    /// Fails when more bits were taken than there are.
    pub(super) fn check(&self) -> Result<()> {
        if self.have < 0 { Err(Error::malformed("the JPEG-LS scan ends early")) } else { Ok(()) }
    }

    /// The position of the marker that ends the scan, or of the end of the data.
    pub(super) fn marker(&self) -> usize {
        // What is in the cache lies before `at`, and no marker is ever read into it.
        let rest = &self.data[self.at..];
        let from = if self.after_ff { self.at.saturating_sub(1) } else { self.at };
        let found = self.data[from..].windows(2).position(|pair| pair[0] == 0xFF && pair[1] & 0x80 != 0);
        found.map_or(self.at + rest.len(), |i| from + i)
    }

    /// Fills the cache with 56 bits or more, as far as there are.
    #[inline]
    fn fill(&mut self) {
        if self.have < 0 {
            return;
        }
        if let (Some(next), false) = (data_word(self.data, self.at), self.after_ff) {
            let bytes = (63 - self.have) / 8;
            self.cache |= next >> self.have;
            self.have += 8 * bytes;
            self.at += bytes as usize;
            return;
        }
        self.fill_slowly();
    }

    #[cold]
    fn fill_slowly(&mut self) {
        while self.have < 56 {
            let Some(&byte) = self.data.get(self.at) else { return };
            if self.after_ff && byte >= 0x80 {
                return;
            }
            let bits = if self.after_ff { 7 } else { 8 };
            self.cache |= u64::from(byte) << (64 - bits - self.have);
            self.have += bits;
            self.at += 1;
            self.after_ff = byte == 0xFF;
        }
    }

    fn skip(&mut self, bits: u32) {
        self.cache <<= bits;
        self.have -= bits as i32;
    }

    /// The next `count` bits, at most 32.
    pub(super) fn take(&mut self, count: u32) -> u32 {
        if self.have < count as i32 {
            self.fill();
        }
        let value = (self.cache >> 32 >> (32 - count)) as u32;
        self.skip(count);
        value
    }

    /// A Golomb code of limited length (A.5.3): as many zeros as the quotient by 2^`k`, a one, the remainder; or, after
    /// `escape` zeros and a one, the value less one in `bits` bits.
    #[inline(always)]
    pub(super) fn golomb(&mut self, k: u32, escape: u32, bits: u32) -> u32 {
        if self.have < 32 {
            self.fill();
        }
        let zeros = self.cache.leading_zeros();
        if zeros < escape && (zeros + 1 + k) as i32 <= self.have {
            let rest = self.cache << (zeros + 1);
            self.skip(zeros + 1 + k);
            return (zeros << k) | (rest >> 1 >> (63 - k)) as u32;
        }
        self.long_golomb(k, escape, bits)
    }

    /// A code that the cache may not hold yet.
    #[cold]
    fn long_golomb(&mut self, k: u32, escape: u32, bits: u32) -> u32 {
        // The longest run of zeros, 55, and the one after it fit in what this leaves.
        self.fill();
        let zeros = self.cache.leading_zeros();
        if zeros < escape {
            self.skip(zeros + 1);
            return (zeros << k) | self.take(k);
        }
        self.skip(escape + 1);
        self.take(bits) + 1
    }

    /// Whether the next bit is set, which is taken.
    pub(super) fn bit(&mut self) -> bool {
        self.take(1) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_is_stuffed_after_ff() {
        // 0xFF, then seven bits of 0x7F, then eight of 0x80: 15 ones, a one, seven zeros.
        let mut bits = Bits::new(&[0xFF, 0x7F, 0x80], 0);
        assert_eq!(bits.take(16), 0xFFFF);
        assert_eq!(bits.take(7), 0);
        bits.check().unwrap();
        bits.take(1);
        assert!(bits.check().is_err());
    }

    #[test]
    fn both_ways_of_filling_give_the_same_bits() {
        let data: Vec<u8> = (0..200u32).map(|i| (i * 37 % 251) as u8).collect();
        let mut whole = Bits::new(&data, 0);
        for (i, byte) in data.iter().enumerate() {
            let (high, low) = (whole.take(3), whole.take(5));
            assert_eq!((high << 5) | low, u32::from(*byte), "byte {i}");
        }
        whole.check().unwrap();
    }

    #[test]
    fn codes_have_a_limited_length() {
        // k = 2: 0 0 1 | 11 is 2 * 4 + 3; the escape after four zeros: 0000 1 | 000101 is 5 + 1.
        let mut bits = Bits::new(&[0b0011_1000, 0b0100_0101], 0);
        assert_eq!(bits.golomb(2, 4, 6), 11);
        assert_eq!(bits.golomb(2, 4, 6), 6);
    }

    #[test]
    fn a_marker_ends_the_scan() {
        let data = [0x12, 0xFF, 0x01, 0x34, 0xFF, 0xD9];
        let mut bits = Bits::new(&data, 0);
        assert_eq!(bits.take(32) >> 16, 0x12FF);
        assert_eq!(bits.marker(), 4);
        bits.take(7);
        bits.check().unwrap();
        // The 0xFF of the marker itself counts as eight bits; what follows it does not.
        bits.take(1);
        assert!(bits.check().is_err());
    }
}
