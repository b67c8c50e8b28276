//! What a JPEG 2000 codestream says of itself (ITU-T T.800 Annex A), read before any decoder takes memory for it.

use std::collections::VecDeque;

use netra_core::{Error, Result};

use super::coding::{Coding, Style};
use crate::pixels::codec::check_geometry;
use crate::pixels::format::PixelFormat;
use crate::pixels::segments;

/// Tiles cost a decoder some kilobytes each before any of them is read.
const MAX_TILES: u64 = 4096;
/// Precincts and code-blocks cost some hundred bytes each, packets (a precinct has one for each layer) the time to look for
/// them. In a sound codestream they take about a bit each or more; so many are allowed in any.
pub(super) const PARTS: u64 = 1 << 17;

/// The main header and the headers of tile-parts.
pub(super) struct Codestream<'a> {
    /// The image on the reference grid.
    pub(super) area: Area,
    pub(super) components: Vec<Component>,
    pub(super) tiles: Vec<Tile<'a>>,
    pub(super) coding: Coding,
    /// Whether it says to need more than Part 1, or does what next to none does.
    pub(super) extended: bool,
    /// The most precincts and the most code-blocks that a coding style makes of one component.
    precincts: u64,
    blocks: u64,
    layers: u64,
    /// PPM: packet headers of tile-parts, by the numbers of their segments.
    packed: Vec<(u8, &'a [u8])>,
}

/// A rectangle: from `x0`, `y0` on and before `x1`, `y1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) x0: u64,
    pub(super) y0: u64,
    pub(super) x1: u64,
    pub(super) y1: u64,
}

impl Area {
    pub(super) fn width(&self) -> usize {
        self.x1.saturating_sub(self.x0) as usize
    }

    pub(super) fn height(&self) -> usize {
        self.y1.saturating_sub(self.y0) as usize
    }

    pub(super) fn is_empty(&self) -> bool {
        self.width() == 0 || self.height() == 0
    }

    /// What lies in both.
    pub(super) fn within(&self, other: &Self) -> Self {
        let (x0, y0) = (self.x0.max(other.x0), self.y0.max(other.y0));
        Self { x0, y0, x1: self.x1.min(other.x1).max(x0), y1: self.y1.min(other.y1).max(y0) }
    }

    /// Each bound changed by a function across and by one down.
    pub(super) fn map(&self, across: impl Fn(u64) -> u64, down: impl Fn(u64) -> u64) -> Self {
        Self { x0: across(self.x0), y0: down(self.y0), x1: across(self.x1), y1: down(self.y1) }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Component {
    pub(super) bits: u32,
    pub(super) signed: bool,
    /// Whether it has a sample for every pixel.
    pub(super) full: bool,
}

#[derive(Clone, Default)]
pub(super) struct Tile<'a> {
    pub(super) area: Area,
    /// Where its header differs from the main one.
    pub(super) coding: Option<Box<Coding>>,
    /// The data of its tile-parts; none until one has come.
    pub(super) parts: Vec<&'a [u8]>,
    /// Packet headers that stand apart, PPT or what PPM holds for its tile-parts, with the numbers of tile-part and segment.
    pub(super) packed: Vec<((usize, u8), &'a [u8])>,
}

pub(super) fn short() -> Error {
    Error::malformed("a JPEG 2000 marker segment is cut short")
}

/// A big-endian number of `N` bytes at `at`.
pub(super) fn number<const N: usize>(bytes: &[u8], at: usize) -> Result<u64> {
    let value: &[u8; N] = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or_else(short)?;
    Ok(value.iter().fold(0, |n, &b| (n << 8) | u64::from(b)))
}

impl<'a> Codestream<'a> {
    /// Fails when its size is not that of `format`, when tiles are missing, and when there would be more parts than the bytes
    /// can fill.
    pub(super) fn read(format: &PixelFormat, bytes: &'a [u8]) -> Result<Self> {
        // Start of codestream and SIZ stand together, at the start or inside a JP2 box.
        let head = bytes.get(..bytes.len().min(64 << 10)).unwrap_or_default();
        let start = head.windows(4).position(|w| w == [0xFF, 0x4F, 0xFF, 0x51]);
        let start = start.ok_or_else(|| Error::malformed("no JPEG 2000 size marker"))?;
        let (size, after) = segments::segment(bytes, start + 4).ok_or_else(short)?;
        let mut this = Self::size(format, size)?;
        this.walk(bytes, after)?;
        let missing = this.tiles.iter().filter(|tile| tile.parts.is_empty()).count();
        if missing > 0 {
            return Err(Error::malformed(format!("{missing} of {} JPEG 2000 tiles are missing", this.tiles.len())));
        }
        let parts = this.precincts.saturating_mul(this.layers).max(this.blocks);
        if parts.saturating_mul(this.components.len() as u64) > PARTS.max(8 * bytes.len() as u64) {
            return Err(Error::limit(format!("{parts} packets or code-blocks in {} bytes", bytes.len())));
        }
        Ok(this)
    }

    /// SIZ (A.5.1).
    fn size(format: &PixelFormat, body: &[u8]) -> Result<Self> {
        let word = |i: usize| number::<4>(body, 2 + 4 * i);
        let area = Area { x1: word(0)?, y1: word(1)?, x0: word(2)?, y0: word(3)? };
        let (width, height, tile_x, tile_y) = (word(4)?, word(5)?, word(6)?, word(7)?);
        let count = number::<2>(body, 34)? as usize;
        let components = body.get(36..36 + 3 * count).ok_or_else(short)?.as_chunks::<3>().0;
        let wrong = || Error::malformed("the sizes of the JPEG 2000 image contradict each other");
        let (rows, columns) = (area.y1.checked_sub(area.y0), area.x1.checked_sub(area.x0));
        check_geometry(format, rows.ok_or_else(wrong)?, columns.ok_or_else(wrong)?, count as u64)?;
        // The first tile holds the first pixel.
        let holds = |first: u64, size: u64, pixel: u64| size > 0 && first <= pixel && pixel - first < size;
        if !holds(tile_x, width, area.x0) || !holds(tile_y, height, area.y0) {
            return Err(wrong());
        }
        let (across, down) = ((area.x1 - tile_x).div_ceil(width), (area.y1 - tile_y).div_ceil(height));
        let tiles = across * down;
        if tiles > MAX_TILES {
            return Err(Error::limit(format!("{tiles} tiles, the limit is {MAX_TILES}")));
        }
        let tile = |i: u64| {
            let (x0, y0) = (tile_x + i % across * width, tile_y + i / across * height);
            Tile { area: Area { x0, y0, x1: x0 + width, y1: y0 + height }.within(&area), ..Tile::default() }
        };
        let component = |&[depth, across, down]: &[u8; 3]| Component {
            bits: u32::from(depth & 0x7F) + 1,
            signed: depth & 0x80 != 0,
            full: [across, down] == [1, 1],
        };
        Ok(Self {
            area,
            components: components.iter().map(component).collect(),
            tiles: (0..tiles).map(tile).collect(),
            coding: Coding::new(count),
            // Part 2 sets the first bit of the capabilities, Part 15 (HTJ2K) the second.
            extended: number::<2>(body, 0)? & 0xC000 != 0,
            precincts: 0,
            blocks: 0,
            layers: 0,
            packed: Vec::new(),
        })
    }

    fn walk(&mut self, bytes: &'a [u8], mut at: usize) -> Result<()> {
        // The tile-part whose header is being read, and where it ends.
        let mut part: Option<(usize, usize)> = None;
        let mut packed: Option<VecDeque<&'a [u8]>> = None;
        while at + 2 <= bytes.len() {
            let marker = number::<2>(bytes, at)? as u16;
            let segment = at;
            at += 2;
            match marker {
                0xFFD9 => break,
                0xFF93 => {
                    let (tile, end) = part.take().ok_or_else(|| Error::malformed("JPEG 2000 data of no tile"))?;
                    // Never back: a header may be longer than its tile-part says.
                    let end = at.max(end);
                    let cut = || Error::malformed("a JPEG 2000 tile-part is cut short");
                    self.tiles[tile].parts.push(bytes.get(at..end).ok_or_else(cut)?);
                    at = end;
                    continue;
                }
                0xFF30..=0xFF3F => continue,
                0xFF00.. => {}
                _ => return Err(Error::malformed(format!("no JPEG 2000 marker at byte {segment}"))),
            }
            let (body, after) = segments::segment(bytes, at).ok_or_else(short)?;
            at = after;
            match marker {
                0xFF50 => self.extended = true,
                0xFF51 => return Err(Error::malformed("two JPEG 2000 size markers")),
                0xFF90 => {
                    let tile = number::<2>(body, 0)? as usize;
                    let there =
                        self.tiles.get_mut(tile).ok_or_else(|| Error::malformed("a JPEG 2000 tile behind the last"))?;
                    if packed.is_none() {
                        packed = unpacked(&mut self.packed);
                        self.extended |= packed.is_none();
                    }
                    if let Some(headers) = packed.as_mut().and_then(VecDeque::pop_front) {
                        there.packed.push(((there.parts.len(), 0), headers));
                    }
                    let end = match number::<4>(body, 2)? as usize {
                        0 => bytes.len(),
                        length => segment.saturating_add(length),
                    };
                    part = Some((tile, end));
                }
                0xFF60 => self.packed.push((number::<1>(body, 0)? as u8, &body[1..])),
                0xFF61 if let Some((tile, _)) = part => {
                    let tile = &mut self.tiles[tile];
                    tile.packed.push(((tile.parts.len(), number::<1>(body, 0)? as u8), &body[1..]));
                }
                0xFF52 | 0xFF53 | 0xFF5C..=0xFF5F => {
                    let coding = match part {
                        None => &mut self.coding,
                        Some((tile, _)) => {
                            let main = &self.coding;
                            let own = &mut self.tiles[tile].coding;
                            own.get_or_insert_with(|| Box::new(main.of_tile()))
                        }
                    };
                    let style = coding.read(marker, body)?;
                    self.layers = self.layers.max(u64::from(coding.layers));
                    if let Some(style) = style {
                        self.count(&style);
                    }
                }
                _ => {}
            }
        }
        self.tiles.iter_mut().for_each(|tile| tile.packed.sort_by_key(|&(number, _)| number));
        Ok(())
    }

    /// Counts the precincts and code-blocks that a style makes of a component.
    fn count(&mut self, style: &Style) {
        let (columns, rows) = (self.area.width() as u64, self.area.height() as u64);
        let precincts = (0..=style.levels).map(|resolution| {
            let exponents = style.precincts[usize::from(resolution)];
            let of = |size: u64, exponent: u8| (size >> (style.levels - resolution)).div_ceil(1 << exponent).max(1);
            of(columns, exponents & 15) * of(rows, exponents >> 4)
        });
        // A precinct cuts blocks to its size.
        let blocks = columns.div_ceil(1 << style.block[0]) * rows.div_ceil(1 << style.block[1]);
        self.precincts = self.precincts.max(precincts.fold(0, u64::saturating_add));
        self.blocks = self.blocks.max(blocks);
    }
}

/// What PPM segments hold (A.7.4): for each tile-part in turn a length of 4 bytes and so many bytes of packet headers; `None` if
/// some go on in the next segment.
fn unpacked<'a>(packed: &mut [(u8, &'a [u8])]) -> Option<VecDeque<&'a [u8]>> {
    packed.sort_by_key(|&(number, _)| number);
    let mut headers = VecDeque::new();
    for &mut (_, mut bytes) in packed {
        while !bytes.is_empty() {
            let (length, rest) = bytes.split_first_chunk::<4>()?;
            let (all, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            headers.push_back(all);
            bytes = rest;
        }
    }
    Some(headers)
}
