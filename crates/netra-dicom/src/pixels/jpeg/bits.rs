//! The bits of a scan (ITU-T T.81 F.2.2.5): a byte 0xFF is followed by a zero that is no data, or it starts a marker.

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
}

impl<'a> Bits<'a> {
    /// Reads from the byte `at` on.
    pub(super) fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at, cache: 0, have: 0 }
    }

    /// Fails when more bits were taken than there are.
    pub(super) fn check(&self) -> Result<()> {
        if self.have < 0 { Err(Error::malformed("the JPEG scan ends early")) } else { Ok(()) }
    }

    /// The position of the marker that ends these bits, or of the end of the data.
    pub(super) fn marker(&self) -> usize {
        let rest = self.data.get(self.at..).unwrap_or_default();
        let found = rest.windows(2).position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xFF));
        self.at + found.unwrap_or(rest.len())
    }

    /// The bits behind the restart marker (RSTm) that ends these.
    pub(super) fn restarted(&self) -> Result<Self> {
        self.check()?;
        let at = self.marker();
        match self.data.get(at..at + 2) {
            Some([_, 0xD0..=0xD7]) => Ok(Self::new(self.data, at + 2)),
            _ => Err(Error::malformed("a JPEG restart marker is missing")),
        }
    }

    /// Fills the cache with 56 bits or more, as far as there are.
    #[inline]
    fn fill(&mut self) {
        if self.have < 0 {
            return;
        }
        if let Some(next) = data_word(self.data, self.at) {
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
            let width = match (byte, self.data.get(self.at + 1)) {
                (0xFF, Some(0)) => 2,
                (0xFF, _) => return,
                _ => 1,
            };
            self.cache |= u64::from(byte) << (56 - self.have);
            self.have += 8;
            self.at += width;
        }
    }

    /// Sees to it that 32 bits are at hand, as far as there are.
    #[inline(always)]
    pub(super) fn need(&mut self) {
        if self.have < 32 {
            self.fill();
        }
    }

    /// The next `count` bits, 1 to 32, which stay. After [`need`](Self::need).
    #[inline(always)]
    pub(super) fn peek(&self, count: u32) -> u32 {
        (self.cache >> (64 - count)) as u32
    }

    /// Takes `count` bits, at most 32.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: u32) {
        self.cache <<= count;
        self.have -= count as i32;
    }

    /// The next `count` bits, at most 16. After [`need`](Self::need).
    #[inline(always)]
    pub(super) fn take(&mut self, count: u32) -> u32 {
        let value = (self.cache >> 32 >> (32 - count)) as u32;
        self.skip(count);
        value
    }

    /// The next bit.
    pub(super) fn bit(&mut self) -> bool {
        self.need();
        self.take(1) != 0
    }

    /// A signed number of `size` bits, at most 16: its first half is negative (F.2.2.1). After [`need`](Self::need).
    #[inline(always)]
    pub(super) fn signed(&mut self, size: u32) -> i32 {
        extend(self.take(size), size)
    }
}

/// The signed number that `size` bits stand for (figure F.12).
#[inline(always)]
pub(super) fn extend(value: u32, size: u32) -> i32 {
    let value = value as i32;
    if size > 0 && value >> (size - 1) == 0 { value - (1 << size) + 1 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_after_ff_is_no_data_and_a_marker_ends_the_scan() {
        let data = [0x12, 0xFF, 0x00, 0x34, 0xFF, 0xD9, 0x56];
        let mut bits = Bits::new(&data, 0);
        bits.need();
        assert_eq!(bits.take(8), 0x12);
        assert_eq!(bits.take(16), 0xFF34);
        bits.check().unwrap();
        assert_eq!(bits.marker(), 4);
        assert!(!bits.bit());
        assert!(bits.check().is_err());
    }

    #[test]
    fn both_ways_of_filling_give_the_same_bits() {
        let plain: Vec<u8> = (0..300u32).map(|i| (i * 37 % 251) as u8 | if i % 19 == 0 { 0xFF } else { 0 }).collect();
        let data: Vec<u8> = plain.iter().flat_map(|&b| [b, 0].into_iter().take(1 + usize::from(b == 0xFF))).collect();
        let mut bits = Bits::new(&data, 0);
        for (i, byte) in plain.iter().enumerate() {
            bits.need();
            let (high, low) = (bits.take(3), bits.take(5));
            assert_eq!((high << 5) | low, u32::from(*byte), "byte {i}");
        }
        bits.check().unwrap();
    }

    #[test]
    fn numbers_are_signed_by_their_first_bit() {
        assert_eq!([extend(0, 0), extend(0, 1), extend(1, 1)], [0, -1, 1]);
        assert_eq!([extend(0, 3), extend(3, 3), extend(4, 3), extend(7, 3)], [-7, -4, 4, 7]);
        assert_eq!([extend(0, 15), extend(32767, 15)], [-32767, 32767]);
    }
}
