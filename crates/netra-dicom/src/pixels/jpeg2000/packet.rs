//! Packets: which code-blocks a layer adds to, and where their bytes are (ITU-T T.800 B.10).

use netra_core::{Error, Result};

use super::block::{Chunk, segment};
use super::tile::{Precinct, Resolution};

/// Numbers of a grid, coded as they are needed, with their minima over 2 x 2, 4 x 4 and so on (B.10.2).
pub(super) struct TagTree {
    /// Where each level starts in `nodes`, and how many are in its rows; the grid itself first.
    levels: Vec<(usize, usize)>,
    nodes: Vec<Node>,
}

#[derive(Clone, Copy, Default)]
struct Node {
    /// The number is at least this, or just this if it is known.
    low: u32,
    known: bool,
}

impl TagTree {
    pub(super) fn new(mut across: usize, mut down: usize) -> Self {
        let (mut levels, mut count) = (Vec::new(), 0);
        while across * down > 0 {
            levels.push((count, across));
            count += across * down;
            if across * down == 1 {
                break;
            }
            (across, down) = (across.div_ceil(2), down.div_ceil(2));
        }
        Self { levels, nodes: vec![Node::default(); count] }
    }

    /// The number at `x`, `y` if it is below `bound`.
    fn below(&mut self, x: usize, y: usize, bound: u32, bits: &mut Bits) -> Result<Option<u32>> {
        let (mut low, mut known) = (0, false);
        for (level, &(start, across)) in self.levels.iter().enumerate().rev() {
            let node = &mut self.nodes[start + (y >> level) * across + (x >> level)];
            node.low = node.low.max(low);
            while !node.known && node.low < bound {
                match bits.bit()? {
                    0 => node.low += 1,
                    _ => node.known = true,
                }
            }
            (low, known) = (node.low, node.known);
        }
        Ok((known && low < bound).then_some(low))
    }
}

/// Bits of packet headers: behind 0xFF a zero bit is stuffed (B.10.1).
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    byte: u8,
    left: u32,
}

fn short() -> Error {
    Error::malformed("a JPEG 2000 packet is cut short")
}

impl Bits<'_> {
    fn bit(&mut self) -> Result<u32> {
        if self.left == 0 {
            self.left = if self.byte == 0xFF { 7 } else { 8 };
            self.byte = *self.bytes.get(self.at).ok_or_else(short)?;
            self.at += 1;
        }
        self.left -= 1;
        Ok(u32::from(self.byte >> self.left) & 1)
    }

    fn number(&mut self, count: u32) -> Result<usize> {
        (0..count).try_fold(0, |n, _| Ok(2 * n + self.bit()? as usize))
    }

    /// The number of passes (Table B.4).
    fn passes(&mut self) -> Result<usize> {
        if self.bit()? == 0 {
            return Ok(1);
        }
        let mut passes = 2;
        for bits in [1, 2, 5, 7] {
            let more = self.number(bits)?;
            passes += more;
            if more < (1 << bits) - 1 {
                break;
            }
        }
        Ok(passes)
    }

    /// Where the bytes after the header start.
    fn end(self) -> usize {
        self.at + usize::from(self.byte == 0xFF)
    }
}

/// The data of a tile and how much of it is read.
pub(super) struct Packets<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    /// Packet headers where they stand apart.
    pub(super) headers: Option<(&'a [u8], usize)>,
}

impl Packets<'_> {
    /// Reads the packet of a precinct's next layer. `style` is that of its code-blocks.
    pub(super) fn read(&mut self, resolution: &mut Resolution, precinct: usize, style: u8) -> Result<()> {
        let Resolution { bands, precincts, .. } = resolution;
        let precinct = &mut precincts[precinct];
        let layer = precinct.layers;
        precinct.layers += 1;
        // Start of packet (A.8.1): no header and no body starts so.
        if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(&[0xFF, 0x91])) {
            self.at += 6;
        }
        let (bytes, at) = self.headers.unwrap_or((self.bytes, self.at));
        let mut bits = Bits { bytes, at, byte: 0, left: 0 };
        // The length of each new chunk, in the order of their blocks.
        let mut lengths = Vec::new();
        if bits.bit()? == 1 {
            let planes = bands.iter().map(|band| band.planes);
            header(&mut bits, precinct, layer, planes, style, &mut lengths)?;
        }
        let mut end = bits.end();
        // End of packet header (A.8.2).
        if bytes.get(end..).is_some_and(|rest| rest.starts_with(&[0xFF, 0x92])) {
            end += 2;
        }
        match &mut self.headers {
            Some((_, at)) => *at = end,
            None => self.at = end,
        }
        for ([part, block], passes, length) in lengths {
            let end = self.at + length;
            if end > self.bytes.len() {
                return Err(short());
            }
            precinct.parts[part].blocks[block].chunks.push(Chunk { bytes: self.at..end, passes });
            self.at = end;
        }
        Ok(())
    }
}

/// A chunk that a header announces: part and block of the precinct, passes, bytes.
type Announced = ([usize; 2], usize, usize);

fn header(
    bits: &mut Bits,
    precinct: &mut Precinct,
    layer: u32,
    planes: impl Iterator<Item = u32>,
    style: u8,
    lengths: &mut Vec<Announced>,
) -> Result<()> {
    for (p, (part, planes)) in precinct.parts.iter_mut().zip(planes).enumerate() {
        for (i, block) in part.blocks.iter_mut().enumerate() {
            let (x, y) = (i % part.across, i / part.across);
            if block.passes > 0 {
                if bits.bit()? == 0 {
                    continue;
                }
            } else {
                if part.inclusion.below(x, y, layer + 1, bits)?.is_none() {
                    continue;
                }
                let zeros = part.zeros.below(x, y, planes, bits)?;
                let zeros = zeros.ok_or_else(|| Error::malformed("a JPEG 2000 code-block of zeros only"))?;
                block.planes = planes - zeros;
            }
            let mut passes = bits.passes()?;
            while bits.bit()? == 1 {
                block.length_bits += 1;
            }
            while passes > 0 {
                let some = passes.min(segment(style, block.passes));
                let length = block.length_bits + some.ilog2();
                if length > 31 {
                    return Err(Error::malformed("the length of a JPEG 2000 code-block has more than 31 bits"));
                }
                lengths.push(([p, i], some, bits.number(length)?));
                block.passes += some;
                passes -= some;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(bytes: &[u8]) -> Bits<'_> {
        Bits { bytes, at: 0, byte: 0, left: 0 }
    }

    /// The example of B.10.2: 6 x 3 numbers, the first of which are 1, 3, 2.
    #[test]
    fn a_tag_tree_tells_each_minimum_once() {
        let mut tree = TagTree::new(6, 3);
        // 01111 tells the first number, 001 the second, 101 the third.
        let mut bits = bits(&[0b0111_1001, 0b1010_0000]);
        for (x, expected) in [1, 3, 2].into_iter().enumerate() {
            assert_eq!(tree.below(x, 0, 9, &mut bits).expect("bits"), Some(expected), "{x}");
        }
        assert_eq!(bits.number(5).expect("bits"), 0);
        assert!(bits.bit().is_err());
    }

    #[test]
    fn a_bound_is_as_far_as_a_tag_tree_is_read() {
        let mut tree = TagTree::new(1, 1);
        let mut bits = bits(&[0b0010_0000]);
        let found: Vec<_> = (1..5).map(|bound| tree.below(0, 0, bound, &mut bits).expect("bits")).collect();
        assert_eq!(found, [None, None, Some(2), Some(2)]);
    }

    #[test]
    fn numbers_of_passes() {
        for (code, expected) in [(0b0000u16, 1), (0b1000, 2), (0b1100, 3), (0b1101, 4), (0b1110, 5)] {
            assert_eq!(bits(&(code << 12).to_be_bytes()).passes().expect("bits"), expected);
        }
        assert_eq!(bits(&[0xF0, 0]).passes().expect("bits"), 6);
        // Behind 0xFF a bit is stuffed.
        assert_eq!(bits(&[0xFF, 0x40, 0]).passes().expect("bits"), 37);
        assert_eq!(bits(&[0xFF, 0x7F, 0xFF]).passes().expect("bits"), 164);
    }
}
