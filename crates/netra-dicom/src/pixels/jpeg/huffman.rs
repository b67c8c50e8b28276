//! Huffman codes (ITU-T T.81 Annex C, F.2.2.3).

use netra_core::{Error, Result};

use super::bits::{Bits, extend};

/// Codes up to this length are found by one look.
const LOOK: u32 = 11;

/// A code of up to 256 symbols.
#[derive(Clone)]
pub(super) struct Table {
    /// Length and symbol, `length << 8 | symbol`, by the next [`LOOK`] bits; 0 for a longer code.
    look: Box<[u16; 1 << LOOK]>,
    /// Where the symbol is the size of a number, and both fit in [`LOOK`] bits: `number << 8 | length of both`, else 0.
    numbers: Box<[i32; 1 << LOOK]>,
    /// By length: the first 16-bit value behind its codes, and what to add to a code for the place of its symbol.
    ends: [(u32, i32); 17],
    symbols: Vec<u8>,
}

impl Table {
    /// Of `counts[i]` codes of `i + 1` bits. Fails when there are more than fit.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Self> {
        let mut look = Box::new([0u16; 1 << LOOK]);
        let mut ends = [(0, 0); 17];
        let (mut code, mut place) = (0u32, 0usize);
        for (length, &count) in (1u32..).zip(counts) {
            let first = code;
            ends[length as usize].1 = place as i32 - first as i32;
            for _ in 0..count {
                let symbol = *symbols.get(place).ok_or_else(|| Error::malformed("a Huffman table is cut short"))?;
                if code >> length != 0 {
                    return Err(Error::malformed("a Huffman table with too many codes"));
                }
                if length <= LOOK {
                    let start = (code << (LOOK - length)) as usize;
                    look[start..start + (1 << (LOOK - length))].fill((length << 8) as u16 | u16::from(symbol));
                }
                code += 1;
                place += 1;
            }
            ends[length as usize].0 = code << (16 - length);
            code <<= 1;
        }
        let mut numbers = Box::new([0i32; 1 << LOOK]);
        for (bits, (number, &found)) in (0u32..).zip(numbers.iter_mut().zip(look.iter())) {
            let (length, size) = (u32::from(found >> 8), u32::from(found & 0xFF));
            if found != 0 && length + size <= LOOK {
                let value = (bits >> (LOOK - length - size)) & ((1 << size) - 1);
                *number = (extend(value, size) << 8) | (length + size) as i32;
            }
        }
        Ok(Self { look, numbers, ends, symbols: symbols[..place].to_vec() })
    }

    /// The next symbol; 16 bits and more of what follows it are at hand.
    #[inline(always)]
    pub(super) fn symbol(&self, bits: &mut Bits<'_>) -> Result<u32> {
        bits.need();
        let found = self.look[bits.peek(LOOK) as usize];
        if found != 0 {
            bits.skip(u32::from(found >> 8));
            return Ok(u32::from(found & 0xFF));
        }
        self.long_symbol(bits)
    }

    #[cold]
    fn long_symbol(&self, bits: &mut Bits<'_>) -> Result<u32> {
        let next = bits.peek(16);
        for length in LOOK + 1..=16 {
            let (end, shift) = self.ends[length as usize];
            if next < end {
                bits.skip(length);
                let place = (next >> (16 - length)) as i32 + shift;
                let symbol = usize::try_from(place).ok().and_then(|place| self.symbols.get(place));
                return symbol.map(|&s| s.into()).ok_or_else(|| Error::malformed("a JPEG code without a symbol"));
            }
        }
        Err(Error::malformed("a JPEG code without a symbol"))
    }

    /// A difference between samples (H.1.2.2): its size, then as many bits; a size of 16 is 32768 without bits.
    #[inline(always)]
    pub(super) fn difference(&self, bits: &mut Bits<'_>) -> Result<i32> {
        bits.need();
        let found = self.numbers[bits.peek(LOOK) as usize];
        if found != 0 {
            bits.skip((found & 0xFF) as u32);
            return Ok(found >> 8);
        }
        match self.symbol(bits)? {
            size @ 0..=15 => Ok(bits.signed(size)),
            16 => Ok(32768),
            size => Err(Error::malformed(format!("a JPEG difference of {size} bits"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths 1, 2, 12, 16: the codes 0, 10, 1100 0000 0000, 1100 0000 0001 0000.
    fn table() -> Table {
        let mut counts = [0; 16];
        (counts[0], counts[1], counts[11], counts[15]) = (1, 1, 1, 1);
        Table::new(&counts, &[0, 3, 16, 2]).unwrap()
    }

    #[test]
    fn codes_of_all_lengths_are_found() {
        let data = [0b0101_1000, 0b0000_0000, 0b1100_0000, 0b0001_0000, 0b1000_0000, 0, 0, 0];
        let (table, mut bits) = (table(), Bits::new(&data, 0));
        assert_eq!(table.symbol(&mut bits).unwrap(), 0);
        assert_eq!(table.symbol(&mut bits).unwrap(), 3);
        assert!(bits.bit());
        assert_eq!(table.symbol(&mut Bits::new(&data[2..], 0)).unwrap(), 2);
        assert_eq!(table.symbol(&mut Bits::new(&[0xC0, 0x00], 0)).unwrap(), 16);
        assert!(table.symbol(&mut Bits::new(&[0xFE, 0xFE], 0)).is_err());
    }

    #[test]
    fn differences_are_read_in_one_or_two_steps() {
        let table = table();
        // 10 and 101: size 3, number 5; the long codes are sizes 16 and 2.
        let of = |data: &[u8]| table.difference(&mut Bits::new(data, 0)).unwrap();
        assert_eq!(of(&[0b1010_1000, 0]), 5);
        assert_eq!(of(&[0b1001_0000, 0]), -5);
        assert_eq!(of(&[0xC0, 0x00]), 32768);
        assert_eq!(of(&[0xC0, 0x10, 0x40]), -2);
        assert_eq!(of(&[0]), 0);
    }

    #[test]
    fn too_many_codes_are_refused() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(Table::new(&counts, &[1, 2, 3]).is_err());
        counts[0] = 2;
        assert!(Table::new(&counts, &[1]).is_err());
    }
}
