//! The parts of a tile (ITU-T T.800 Annex B): components, resolutions, bands, precincts, code-blocks.

use netra_core::{Error, Result};

use super::block::Chunk;
use super::codestream::Area;
use super::coding::{Part, Quantisation};
use super::contexts::Orientation;
use super::packet::TagTree;

/// A component of a tile.
pub(super) struct TileComponent {
    pub(super) resolutions: Vec<Resolution>,
}

/// What a level of decomposition adds.
pub(super) struct Resolution {
    pub(super) area: Area,
    pub(super) bands: Vec<Band>,
    pub(super) precincts: Vec<Precinct>,
}

pub(super) struct Band {
    pub(super) area: Area,
    pub(super) orientation: Orientation,
    /// The most bit-planes of a coefficient, the region of interest's shift among them.
    pub(super) planes: u32,
    /// The quantisation step, 1 where there is none.
    pub(super) step: f32,
}

pub(super) struct Precinct {
    /// Where progressions by position look for it on the reference grid: down, across.
    pub(super) corner: [u64; 2],
    /// Layers whose packets have come.
    pub(super) layers: u32,
    /// Its part of each band.
    pub(super) parts: Vec<PrecinctBand>,
}

/// The code-blocks of one band in a precinct, row by row.
pub(super) struct PrecinctBand {
    pub(super) across: usize,
    /// In which layer each block first comes.
    pub(super) inclusion: TagTree,
    /// How many of its bit-planes are all zero.
    pub(super) zeros: TagTree,
    pub(super) blocks: Vec<Block>,
}

pub(super) struct Block {
    /// In the band's coordinates.
    pub(super) area: Area,
    /// Bit-planes that are not all zero; known once it is included.
    pub(super) planes: u32,
    /// What lengths are coded by, in bits.
    pub(super) length_bits: u32,
    pub(super) passes: usize,
    pub(super) chunks: Vec<Chunk>,
}

fn ceil(value: u64, bits: u32) -> u64 {
    (value + (1 << bits) - 1) >> bits
}

impl TileComponent {
    /// `bits` are those of a sample; `room` bounds precincts and blocks together, and loses what is made.
    pub(super) fn new(tile: Area, part: &Part, bits: u32, room: &mut u64) -> Result<Self> {
        let levels = u32::from(part.style.levels);
        let resolutions = (0..=levels).map(|r| Resolution::new(tile, part, bits, r, room));
        Ok(Self { resolutions: resolutions.collect::<Result<_>>()? })
    }
}

impl Resolution {
    fn new(tile: Area, part: &Part, bits: u32, index: u32, room: &mut u64) -> Result<Self> {
        let levels = u32::from(part.style.levels);
        let down = levels - index;
        let area = tile.map(|x| ceil(x, down), |y| ceil(y, down));
        let orientations: &[Orientation] = match index {
            0 => &[Orientation::LL],
            _ => &[Orientation::HL, Orientation::LH, Orientation::HH],
        };
        let bands = orientations.iter().enumerate().map(|(i, &orientation)| {
            let place = if index == 0 { 0 } else { 3 * (index as usize - 1) + 1 + i };
            Band::new(tile, part, bits, orientation, (index, place))
        });
        let bands = bands.collect::<Result<Vec<_>>>()?;
        let sizes = part.style.precincts[index as usize];
        let size = [u32::from(sizes & 15), u32::from(sizes >> 4)];
        // Bands but the lowest have half the resolution's samples each way.
        let halved = u32::from(index > 0);
        if size.contains(&0) && index > 0 {
            return Err(Error::malformed("a JPEG 2000 precinct smaller than a sample of its bands"));
        }
        let mut precincts = Vec::new();
        if !area.is_empty() {
            let grid = Area {
                x0: area.x0 >> size[0],
                y0: area.y0 >> size[1],
                x1: ceil(area.x1, size[0]),
                y1: ceil(area.y1, size[1]),
            };
            take(room, (grid.width() as u64) * grid.height() as u64)?;
            for y in grid.y0..grid.y1 {
                for x in grid.x0..grid.x1 {
                    let within = |bits: [u32; 2]| Area {
                        x0: x << bits[0],
                        y0: y << bits[1],
                        x1: (x + 1) << bits[0],
                        y1: (y + 1) << bits[1],
                    };
                    let place = within(size);
                    let corner = [tile.y0.max(place.y0 << down), tile.x0.max(place.x0 << down)];
                    let size = size.map(|bits| bits - halved);
                    let block = [0, 1].map(|i| size[i].min(u32::from(part.style.block[i])));
                    let part = |band: &Band| PrecinctBand::new(band.area.within(&within(size)), block, room);
                    let parts = bands.iter().map(part).collect::<Result<_>>()?;
                    precincts.push(Precinct { corner, layers: 0, parts });
                }
            }
        }
        Ok(Self { area, bands, precincts })
    }
}

/// Counts what is made against what may be.
fn take(room: &mut u64, count: u64) -> Result<()> {
    let over = || Error::limit(format!("a JPEG 2000 tile of {count} more precincts or code-blocks"));
    *room = room.checked_sub(count).ok_or_else(over)?;
    Ok(())
}

impl Band {
    fn new(tile: Area, part: &Part, bits: u32, orientation: Orientation, place: (u32, usize)) -> Result<Self> {
        let (resolution, place) = place;
        // The level of decomposition that the band comes from.
        let level = u32::from(part.style.levels) - resolution.saturating_sub(1);
        let halved = |high: bool| {
            let offset = if high { 1 << (level - 1) } else { 0 };
            move |v: u64| ceil(v.saturating_sub(offset), level)
        };
        let (across, down) = match orientation {
            Orientation::LL => (false, false),
            Orientation::HL => (true, false),
            Orientation::LH => (false, true),
            Orientation::HH => (true, true),
        };
        let gain = u32::from(across) + u32::from(down);
        let (exponent, step) = step(&part.quantisation, bits + gain, resolution, place)?;
        let planes = u32::from(part.quantisation.guard) + exponent + u32::from(part.shift);
        let area = tile.map(halved(across), halved(down));
        Ok(Self { area, orientation, planes: planes.saturating_sub(1), step })
    }
}

/// The exponent of a band and its quantisation step (E.1.1); `range` are the bits of its coefficients.
fn step(quantisation: &Quantisation, range: u32, resolution: u32, place: usize) -> Result<(u32, f32)> {
    let derived = quantisation.kind == 1;
    let coded = quantisation.steps.get(if derived { 0 } else { place });
    let &coded = coded.ok_or_else(|| Error::malformed("a JPEG 2000 band without a quantisation step"))?;
    let lower = if derived { resolution.saturating_sub(1) } else { 0 };
    let exponent = u32::from(coded >> 11).saturating_sub(lower);
    let step = match quantisation.kind {
        0 => 1.0,
        _ => f32::from(coded & 0x7FF | 0x800) / 2048.0 * (range as f32 - exponent as f32).exp2(),
    };
    Ok((exponent, step))
}

impl PrecinctBand {
    fn new(area: Area, block: [u32; 2], room: &mut u64) -> Result<Self> {
        let grid = match area.is_empty() {
            true => Area::default(),
            false => Area {
                x0: area.x0 >> block[0],
                y0: area.y0 >> block[1],
                x1: ceil(area.x1, block[0]),
                y1: ceil(area.y1, block[1]),
            },
        };
        let (across, down) = (grid.width(), grid.height());
        take(room, (across as u64) * down as u64)?;
        let mut blocks = Vec::with_capacity(across * down);
        for y in grid.y0..grid.y1 {
            for x in grid.x0..grid.x1 {
                let whole =
                    Area { x0: x << block[0], y0: y << block[1], x1: (x + 1) << block[0], y1: (y + 1) << block[1] };
                let area = area.within(&whole);
                blocks.push(Block { area, planes: 0, length_bits: 3, passes: 0, chunks: Vec::new() });
            }
        }
        Ok(Self { across, inclusion: TagTree::new(across, down), zeros: TagTree::new(across, down), blocks })
    }
}
