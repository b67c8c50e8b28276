//! What a JPEG 2000 codestream says of itself (ISO/IEC 15444-1 Annex A), read before any decoder takes memory for it.

use netra_core::{Error, Result};

use crate::pixels::segments;

/// Tiles cost a decoder some kilobytes each before any of them is read.
const MAX_TILES: u64 = 4096;
/// Precincts and code-blocks cost some hundred bytes each, packets (a precinct has one for each layer) the time to look for
/// them. In a sound codestream they take about a bit each or more; so many are allowed in any.
const PARTS: u64 = 1 << 17;

/// The main header and the headers of tile-parts.
#[derive(Default)]
pub(super) struct Codestream {
    /// Where it starts.
    pub(super) start: usize,
    pub(super) rows: u64,
    pub(super) columns: u64,
    pub(super) components: Vec<Component>,
    /// Which tiles have come.
    tiles: Vec<bool>,
    /// The most precincts and the most code-blocks that a coding style makes of one component.
    precincts: u64,
    blocks: u64,
    layers: u64,
}

#[derive(Clone, Copy)]
pub(super) struct Component {
    pub(super) bits: u32,
    pub(super) signed: bool,
    /// Whether it has a sample for every pixel.
    pub(super) full: bool,
}

fn short() -> Error {
    Error::malformed("a JPEG 2000 marker segment is cut short")
}

/// A big-endian number of `N` bytes at `at`.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Result<u64> {
    let value: &[u8; N] = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or_else(short)?;
    Ok(value.iter().fold(0, |n, &b| (n << 8) | u64::from(b)))
}

impl Codestream {
    /// Fails when tiles are missing, and when there would be more parts than the bytes can fill.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        // Start of codestream and SIZ stand together, at the start or inside a JP2 box.
        let head = bytes.get(..bytes.len().min(64 << 10)).unwrap_or_default();
        let start = head.windows(4).position(|w| w == [0xFF, 0x4F, 0xFF, 0x51]);
        let start = start.ok_or_else(|| Error::malformed("no JPEG 2000 size marker"))?;
        let mut this = Self { start, ..Self::default() };
        this.walk(bytes, start + 2)?;
        if this.tiles.contains(&false) {
            let missing = this.tiles.iter().filter(|&&there| !there).count();
            return Err(Error::malformed(format!("{missing} of {} JPEG 2000 tiles are missing", this.tiles.len())));
        }
        let parts = this.precincts.saturating_mul(this.layers).max(this.blocks);
        if parts.saturating_mul(this.components.len() as u64) > PARTS.max(8 * bytes.len() as u64) {
            return Err(Error::limit(format!("{parts} packets or code-blocks in {} bytes", bytes.len())));
        }
        Ok(this)
    }

    fn walk(&mut self, bytes: &[u8], mut at: usize) -> Result<()> {
        // Where the tile-part ends whose header is being read.
        let mut end = None;
        while at + 2 <= bytes.len() {
            let marker = number::<2>(bytes, at)?;
            let segment = at;
            at += 2;
            match marker {
                0xFFD9 => break,
                0xFF93 => {
                    let part = end.take().ok_or_else(|| Error::malformed("JPEG 2000 data of no tile"))?;
                    // Never back: a header may be longer than its tile-part says.
                    at = at.max(part);
                    continue;
                }
                0xFF30..=0xFF3F => continue,
                0xFF00.. => {}
                _ => return Err(Error::malformed(format!("no JPEG 2000 marker at byte {segment}"))),
            }
            let (body, after) = segments::segment(bytes, at).ok_or_else(short)?;
            at = after;
            match marker {
                0xFF51 => self.size(body)?,
                0xFF52 => {
                    self.layers = self.layers.max(number::<2>(body, 2)?);
                    self.style(*body.first().ok_or_else(short)?, body.get(5..).ok_or_else(short)?)?;
                }
                0xFF53 => {
                    let place = if self.components.len() < 257 { 1 } else { 2 };
                    self.style(*body.get(place).ok_or_else(short)?, body.get(place + 1..).ok_or_else(short)?)?;
                }
                0xFF90 => {
                    let tile = self.tiles.get_mut(number::<2>(body, 0)? as usize);
                    *tile.ok_or_else(|| Error::malformed("a JPEG 2000 tile behind the last"))? = true;
                    end = Some(match number::<4>(body, 2)? as usize {
                        0 => bytes.len(),
                        length => segment.saturating_add(length),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// SIZ (A.5.1).
    fn size(&mut self, body: &[u8]) -> Result<()> {
        let word = |i: usize| number::<4>(body, 2 + 4 * i);
        let (x1, y1, x0, y0) = (word(0)?, word(1)?, word(2)?, word(3)?);
        let (width, height, tile_x, tile_y) = (word(4)?, word(5)?, word(6)?, word(7)?);
        let count = number::<2>(body, 34)? as usize;
        let components = body.get(36..36 + 3 * count).ok_or_else(short)?.as_chunks::<3>().0;
        let wrong = || Error::malformed("the sizes of the JPEG 2000 image contradict each other");
        if width == 0 || height == 0 || !self.tiles.is_empty() {
            return Err(wrong());
        }
        let across = x1.checked_sub(tile_x).ok_or_else(wrong)?.div_ceil(width);
        let down = y1.checked_sub(tile_y).ok_or_else(wrong)?.div_ceil(height);
        let tiles = across * down;
        if tiles > MAX_TILES {
            return Err(Error::limit(format!("{tiles} tiles, the limit is {MAX_TILES}")));
        }
        self.tiles = vec![false; tiles as usize];
        self.rows = y1.checked_sub(y0).ok_or_else(wrong)?;
        self.columns = x1.checked_sub(x0).ok_or_else(wrong)?;
        let component = |&[depth, across, down]: &[u8; 3]| Component {
            bits: u32::from(depth & 0x7F) + 1,
            signed: depth & 0x80 != 0,
            full: [across, down] == [1, 1],
        };
        self.components = components.iter().map(component).collect();
        Ok(())
    }

    /// The part of COD and COC that they share (A.6.1, A.6.2): levels, exponents of the code-block, style, transform, and if
    /// `flags` say so exponents of the precincts of each resolution.
    fn style(&mut self, flags: u8, body: &[u8]) -> Result<()> {
        let &[levels, width, height, ..] = body else { return Err(short()) };
        let mut precincts = 0u64;
        for resolution in 0..=u32::from(levels.min(32)) {
            let exponents = match flags & 1 {
                0 => 0xFF,
                _ => *body.get(5 + resolution as usize).ok_or_else(short)?,
            };
            let down = u32::from(levels.min(32)) - resolution;
            let of = |size: u64, exponent: u8| (size >> down).div_ceil(1 << exponent).max(1);
            precincts = precincts.saturating_add(of(self.columns, exponents & 15) * of(self.rows, exponents >> 4));
        }
        // The exponents of a code-block are those written and 2; a precinct cuts blocks to its size.
        let blocks = self.columns.div_ceil(4 << (width & 15)) * self.rows.div_ceil(4 << (height & 15));
        self.precincts = self.precincts.max(precincts);
        self.blocks = self.blocks.max(blocks);
        Ok(())
    }
}
