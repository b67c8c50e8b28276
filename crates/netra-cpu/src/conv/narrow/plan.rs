//! Chooses, from shapes alone, how a bfloat16 convolution is cut into units of work, and what that costs.

use super::amx::{BLOCK, ROW, SIDE};
use super::pack::CHANNELS;
use crate::conv::axis::RowTiling;
use crate::conv::plan::Geometry;

/// Most bytes of packed input that a unit keeps: with the weights of a block they stay in the second-level cache.
const SLAB: usize = 640 * 1024;
/// Most pixels of a tile of one long row.
const COLUMNS: usize = 1024;
/// Units that each thread should have, so that none waits long for another.
const SHARES: usize = 4;

/// The decision.
pub struct Plan {
    /// What is computed.
    pub geometry: Geometry,
    /// How depth is walked through.
    pub depth: RowTiling,
    /// How rows are tiled.
    pub height: RowTiling,
    /// Runs of depth: the first output and the number of outputs.
    pub chains: Vec<(usize, usize)>,
    /// Bands of rows, likewise.
    pub bands: Vec<(usize, usize)>,
    /// Tiles of columns, likewise.
    pub columns: Vec<(usize, usize)>,
    /// Parts into which the blocks of output channels are divided among units.
    pub parts: usize,
    /// Slices of packed input that are kept at a time.
    pub ring: usize,
    /// Rows of a slice.
    pub rows: usize,
    /// Pixels of a row.
    pub pitch: usize,
    /// Whether runs of pixels cross the ends of rows: better for short rows.
    pub flat: bool,
    /// Rough half cycles of the whole convolution.
    pub cost: usize,
}

impl Plan {
    /// The cheapest plan by a rough count of cycles; `None` when there is nothing to compute.
    pub fn new(geometry: &Geometry, threads: usize) -> Option<Self> {
        let g = geometry;
        let [d, h, w] = &g.axes;
        if g.axes.iter().any(|a| a.outputs == 0 || a.taps.is_empty()) || g.batch * g.filters * g.channels == 0 {
            return None;
        }
        let (depth, height) = (RowTiling::new(d), RowTiling::new(h));
        let long = d.outputs * h.outputs == 1;
        let mut best: Option<Self> = None;
        for most_rows in [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64].into_iter().filter(|&n| n == 1 || n <= h.outputs) {
            for cuts in [1, 2, 4].into_iter().filter(|&c| c == 1 || d.outputs >= 4 * c) {
                for parts in [1, 2, 4].into_iter().filter(|&p| p <= g.filters.div_ceil(BLOCK)) {
                    let wide =
                        if long { COLUMNS.min(w.outputs.div_ceil(SHARES * threads)).max(BLOCK) } else { w.outputs };
                    let bands = height.tiles(h.outputs, most_rows);
                    let largest = bands.iter().map(|b| b.1).max().unwrap_or(1);
                    let columns: Vec<_> =
                        (0..w.outputs).step_by(wide).map(|at| (at, wide.min(w.outputs - at))).collect();
                    let mut plan = Self {
                        chains: depth.tiles(d.outputs, depth.longest(d.outputs).div_ceil(cuts)),
                        rows: height.span(largest),
                        pitch: w.window(wide.min(w.outputs)),
                        ring: depth.span(1),
                        flat: height.advance == 1 && w.stride == 1 && h.outputs > 1,
                        geometry: g.clone(),
                        depth: depth.clone(),
                        height: height.clone(),
                        bands,
                        columns,
                        parts,
                        cost: 0,
                    };
                    if plan.slab() > SLAB && most_rows > 1 {
                        continue;
                    }
                    plan.cost = plan.estimate(threads);
                    if best.as_ref().is_none_or(|b| plan.cost < b.cost) {
                        best = Some(plan);
                    }
                }
            }
        }
        best
    }

    /// Runs of channels of a pixel.
    pub fn runs(&self) -> usize {
        self.geometry.channels.div_ceil(CHANNELS)
    }

    /// Bytes of a packed pixel.
    pub fn pixel(&self) -> usize {
        self.runs() * ROW
    }

    /// Blocks of output channels of a group.
    pub fn blocks(&self) -> usize {
        self.geometry.filters.div_ceil(BLOCK)
    }

    /// Units of work.
    pub fn units(&self) -> usize {
        let g = &self.geometry;
        g.batch * g.groups * self.chains.len() * self.bands.len() * self.columns.len() * self.parts
    }

    /// Bytes of a unit's packed input, with what a block of pixels may read beyond the last row.
    pub fn slab(&self) -> usize {
        let [.., w] = &self.geometry.axes;
        (self.ring * self.rows * self.pitch + 2 * BLOCK * w.stride + w.window(1)) * self.pixel()
    }

    fn estimate(&self, threads: usize) -> usize {
        let g = &self.geometry;
        let (length, rows) = (self.chains.iter().map(|c| c.1).max(), self.bands.iter().map(|b| b.1).max());
        let (length, rows) = (length.unwrap_or(0), rows.unwrap_or(0));
        let columns = self.columns.first().map_or(0, |c| c.1);
        let runs =
            if self.flat { ((rows - 1) * self.pitch + columns).div_ceil(SIDE) } else { rows * columns.div_ceil(SIDE) };
        let filters = g.filters.div_ceil(SIDE).div_ceil(self.parts);
        let offsets = g.taps() * self.runs();
        // Sixteen cycles a product; a block reads two tiles of weights from the second-level cache, at half its speed.
        let products = length * runs * filters * offsets * (32 + 8);
        let packed = self.depth.span(length) * self.rows * self.pitch * self.runs() * CHANNELS / 2;
        let written = length * runs * SIDE * filters * SIDE;
        let unit = products + packed + written + 2000;
        self.units().div_ceil(threads) * threads * unit
    }
}
