//! Chooses, from shapes alone, how a convolution of narrow numbers is cut into units of work, and what that costs.

use super::kernel::Kernel;
use crate::conv::axis::RowTiling;
use crate::conv::plan::Geometry;
use crate::dot::{FILTERS, SIDE};
use crate::isa::second_level_cache;

/// Most pixels of a tile of one long row.
const COLUMNS: usize = 1024;
/// Bytes of packed pixels that stay in the first-level cache beside weights.
const NEAR: usize = 32 * 1024;
/// Units that each thread should have, so that none waits long for another.
const SHARES: usize = 4;

/// The decision.
#[derive(Clone)]
pub struct Plan {
    /// What is computed.
    pub geometry: Geometry,
    /// What multiplies.
    pub kernel: Kernel,
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

/// Pixels of a tile of one long row: enough tiles for all threads, and pixels that stay in the first-level cache while all
/// output channels go over them.
fn wide(kernel: Kernel, g: &Geometry, threads: usize) -> usize {
    let [.., w] = &g.axes;
    let shared = w.outputs.div_ceil(SHARES * threads);
    let near = match kernel {
        Kernel::Amx(..) => COLUMNS,
        Kernel::Dot(_) => NEAR / kernel.pixel(g.channels),
    };
    shared.min(near).clamp(1, COLUMNS).next_multiple_of(kernel.pixels())
}

impl Plan {
    /// The cheapest plan by a rough count of cycles; `None` when there is nothing to compute.
    pub fn new(geometry: &Geometry, kernel: Kernel, threads: usize) -> Option<Self> {
        let g = geometry;
        let [d, h, w] = &g.axes;
        if g.axes.iter().any(|a| a.outputs == 0 || a.taps.is_empty()) || g.batch * g.filters * g.channels == 0 {
            return None;
        }
        let (depth, height) = (RowTiling::new(d), RowTiling::new(h));
        let long = d.outputs * h.outputs == 1;
        // With the weights of a block, a unit's packed input stays in the second-level cache.
        let most_slab = second_level_cache() / 16 * 5;
        let crosses = height.advance == 1 && w.stride == 1 && h.outputs > 1;
        // Tiles have sixteen pixels, needed or not; vectors do any number.
        let flats = match kernel {
            Kernel::Amx(..) => vec![crosses],
            Kernel::Dot(_) if crosses => vec![false, true],
            Kernel::Dot(_) => vec![false],
        };
        let mut best: Option<Self> = None;
        for most_rows in [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64].into_iter().filter(|&n| n == 1 || n <= h.outputs) {
            for cuts in [1, 2, 4].into_iter().filter(|&c| c == 1 || d.outputs >= 4 * c) {
                for parts in [1, 2, 4].into_iter().filter(|&p| p <= g.filters.div_ceil(FILTERS)) {
                    let wide = if long { wide(kernel, g, threads) } else { w.outputs };
                    let bands = height.tiles(h.outputs, most_rows);
                    let largest = bands.iter().map(|b| b.1).max().unwrap_or(1);
                    let columns: Vec<_> =
                        (0..w.outputs).step_by(wide).map(|at| (at, wide.min(w.outputs - at))).collect();
                    let mut plan = Self {
                        chains: depth.tiles(d.outputs, depth.longest(d.outputs).div_ceil(cuts)),
                        rows: height.span(largest),
                        pitch: w.window(wide.min(w.outputs)),
                        ring: depth.span(1),
                        flat: false,
                        geometry: g.clone(),
                        kernel,
                        depth: depth.clone(),
                        height: height.clone(),
                        bands,
                        columns,
                        parts,
                        cost: 0,
                    };
                    if plan.slab() > most_slab && most_rows > 1 {
                        continue;
                    }
                    for &flat in &flats {
                        plan.flat = flat;
                        plan.cost = plan.estimate(threads);
                        if best.as_ref().is_none_or(|b| plan.cost < b.cost) {
                            best = Some(plan.clone());
                        }
                    }
                }
            }
        }
        best
    }

    /// Runs of lanes of a pixel, and the lanes of each.
    pub fn runs(&self) -> (usize, usize) {
        self.kernel.runs(self.geometry.channels)
    }

    /// Bytes of a packed pixel.
    pub fn pixel(&self) -> usize {
        self.kernel.pixel(self.geometry.channels)
    }

    /// Blocks of output channels of a group.
    pub fn blocks(&self) -> usize {
        self.geometry.filters.div_ceil(FILTERS)
    }

    /// Rows of a unit with so many columns that are finished together: whole ones, which lie behind one another in the output.
    pub fn together(&self, columns: usize) -> usize {
        let [_, _, w] = &self.geometry.axes;
        match self.kernel {
            Kernel::Dot(_) if columns == w.out_size && self.height.step == 1 => (self.kernel.pixels() / columns).max(1),
            _ => 1,
        }
    }

    /// Units of work.
    pub fn units(&self) -> usize {
        let g = &self.geometry;
        g.batch * g.groups * self.chains.len() * self.bands.len() * self.columns.len() * self.parts
    }

    /// Bytes of a unit's packed input, with what a block of pixels may read beyond the last row.
    pub fn slab(&self) -> usize {
        let [.., w] = &self.geometry.axes;
        (self.ring * self.rows * self.pitch + 2 * self.kernel.pixels() * w.stride + w.window(1)) * self.pixel()
    }

    fn estimate(&self, threads: usize) -> usize {
        let g = &self.geometry;
        let (length, rows) = (self.chains.iter().map(|c| c.1).max(), self.bands.iter().map(|b| b.1).max());
        let (length, rows) = (length.unwrap_or(0), rows.unwrap_or(0));
        let columns = self.columns.first().map_or(0, |c| c.1);
        let (runs, steps) = self.runs();
        // Stretches of pixels of a slice, and pixels of each.
        let (stretches, long) = if self.flat { (1, (rows - 1) * self.pitch + columns) } else { (rows, columns) };
        let most = self.kernel.pixels();
        let blocks = self.blocks().div_ceil(self.parts);
        let block = |filters: usize| {
            let of = |pixels: usize| self.kernel.cost(pixels, filters, g.taps() * runs, steps);
            stretches * (long / most * of(most) + of(long % most))
        };
        // The last block of output channels may be half a one.
        let filters = g.filters.min(blocks * FILTERS);
        let products = length * (filters / FILTERS * block(FILTERS) + block(filters % FILTERS));
        let packed = self.depth.span(length) * self.rows * self.pitch * self.pixel() / self.kernel.format().bytes() / 2;
        let written = length * stretches * long * filters.next_multiple_of(SIDE);
        let unit = products + packed + written + 2000;
        self.units().div_ceil(threads) * threads * unit
    }
}
