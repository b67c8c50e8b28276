//! Chooses, from shapes alone, how a convolution is cut into blocks of output channels, tiles of outputs and runs of pixels.

use super::super::axis::Axis;
use super::super::plan::{Geometry, parts, wanted_units};
use super::kernel::{Kernels, MAX_VECTORS};
use crate::isa::Isa;

/// Most terms that are added up in one chain: a block's weights for one stay in the first-level cache while the runs of a
/// tile go over them, and the error grows with the length of a chain and the number of chains, not with their product.
const CHAIN: usize = 128;
/// Most floats of input that a tile reads: they stay in the second-level cache while the blocks go over them.
const INPUT: usize = 96 * 1024;
/// Most outputs of a tile: their sums over a block of channels share that cache.
const PIXELS: usize = 640;
/// Pixels of a row that are finished at a time.
pub const STAGE: usize = 64;

/// The decision.
pub struct Plan {
    /// What is computed.
    pub geometry: Geometry,
    /// The inner loops.
    pub kernels: Kernels,
    /// Lanes of a vector.
    pub lanes: usize,
    /// Vectors of output channels in a block; the last block may have fewer.
    pub vectors: usize,
    /// Whether the input is read where it lies: no tap reaches beyond it.
    pub in_place: bool,
    /// Output rows and columns of a tile. Its depth is one.
    pub tile: [usize; 2],
    /// Input rows and columns of a tile.
    pub window: [usize; 2],
    /// Start of each term of the sum, counted from what the first output of a tile reads first.
    pub offsets: Vec<usize>,
    /// Elements between neighbouring rows of what is read.
    pub pitch: usize,
    /// Parts into which the blocks are divided among units.
    pub parts: usize,
    /// Rough half cycles of the whole.
    pub cost: u64,
}

/// Whether all that the axis reads exists.
fn inside(axis: &Axis) -> bool {
    let last = axis.taps.last().map_or(0, |&t| (axis.outputs.max(1) - 1) as isize * axis.stride as isize + t);
    axis.taps.iter().all(|&t| t >= 0) && last < axis.input as isize
}

impl Plan {
    /// The cheapest plan by a rough count of cycles; `None` where the kernels do not fit.
    pub fn new(geometry: &Geometry, isa: Isa, threads: usize) -> Option<Self> {
        let [d, h, w] = &geometry.axes;
        if geometry.terms() == 0 || [d, h, w].iter().any(|a| a.outputs == 0 || a.out_step != 1) {
            return None;
        }
        let kernels = Kernels::new(isa, w.stride)?;
        let row = h.outputs == 1;
        let mut best: Option<Self> = None;
        for vectors in 1..=MAX_VECTORS.min(geometry.filters.div_ceil(isa.lanes())) {
            // Ever larger tiles, until one does not fit.
            for count in 1.. {
                let most = if row { (count * kernels.longest(vectors)).min(w.outputs) } else { w.outputs };
                let rows = if row { 1 } else { count };
                let plan = Self::sized(geometry, isa, kernels, vectors, [rows, most], threads);
                let fits = plan.input() <= INPUT && rows * most <= PIXELS;
                let done = !fits || if row { most == w.outputs } else { rows == h.outputs };
                if (fits || count == 1) && best.as_ref().is_none_or(|b| plan.cost < b.cost) {
                    best = Some(plan);
                }
                if done {
                    break;
                }
            }
        }
        best.filter(|plan| plan.tile.iter().product::<usize>() <= 4 * PIXELS).map(Self::with_offsets)
    }

    fn sized(
        geometry: &Geometry,
        isa: Isa,
        kernels: Kernels,
        vectors: usize,
        tile: [usize; 2],
        threads: usize,
    ) -> Self {
        let [_, h, w] = &geometry.axes;
        let in_place = geometry.axes.iter().all(inside);
        let window = [h.window(tile[0]), w.window(tile[1])];
        let mut plan = Self {
            geometry: geometry.clone(),
            kernels,
            lanes: isa.lanes(),
            vectors,
            in_place,
            tile,
            window,
            offsets: Vec::new(),
            pitch: if in_place { w.input } else { window[1] },
            parts: 1,
            cost: 0,
        };
        let wanted = wanted_units(geometry, threads);
        plan.parts = parts(plan.tiles(), plan.blocks(), wanted, threads);
        plan.cost = plan.estimate(threads);
        plan
    }

    fn with_offsets(mut self) -> Self {
        let g = &self.geometry;
        let first: Vec<isize> = g.axes.iter().map(|a| a.taps.first().copied().unwrap_or(0)).collect();
        // Of the slab, the depth rows that exist are those of the taps; of the tensor, all.
        let (channel, slice) = if self.in_place {
            (g.input_plane(), g.axes[1].input * g.axes[2].input)
        } else {
            let slice = self.window[0] * self.window[1];
            (g.axes[0].taps.len() * slice, slice)
        };
        let mut offsets = Vec::with_capacity(g.terms());
        for c in 0..g.channels {
            for (slot, td) in g.axes[0].taps.iter().enumerate() {
                let depth = if self.in_place { (td - first[0]) as usize } else { slot };
                for th in &g.axes[1].taps {
                    for tw in &g.axes[2].taps {
                        let row = (th - first[1]) as usize * self.pitch;
                        offsets.push(c * channel + depth * slice + row + (tw - first[2]) as usize);
                    }
                }
            }
        }
        self.offsets = offsets;
        self
    }

    /// Blocks of output channels of a group.
    pub fn blocks(&self) -> usize {
        self.channel_vectors().div_ceil(self.vectors)
    }

    /// Vectors of output channels of a group.
    pub fn channel_vectors(&self) -> usize {
        self.geometry.filters.div_ceil(self.lanes)
    }

    /// Tiles along depth, height and width.
    pub fn counts(&self) -> [usize; 3] {
        let [d, h, w] = &self.geometry.axes;
        [d.outputs, h.outputs.div_ceil(self.tile[0]), w.outputs.div_ceil(self.tile[1])]
    }

    /// Tiles of the whole output, over batch and groups.
    fn tiles(&self) -> usize {
        self.counts().iter().product::<usize>() * self.geometry.batch * self.geometry.groups
    }

    /// Units of work.
    pub fn units(&self) -> usize {
        self.tiles() * self.parts
    }

    /// Elements of input that a tile reads.
    fn input(&self) -> usize {
        self.geometry.channels * self.geometry.axes[0].taps.len() * self.window[0] * self.window[1]
    }

    /// Floats of the copy of the input.
    pub fn slab(&self) -> usize {
        if self.in_place { 0 } else { self.input() }
    }

    /// Floats of scratch that a worker needs: the slab, the sums of a tile and a stage.
    pub fn scratch(&self) -> usize {
        self.slab() + self.sums() + self.vectors * self.lanes * STAGE
    }

    /// Floats of the sums of a tile, with what the transpose may read beyond them.
    pub fn sums(&self) -> usize {
        (self.tile[0] * self.tile[1] + 4) * self.vectors * self.lanes
    }

    /// Terms of a chain: about equal, none longer than [`CHAIN`].
    pub fn chain(&self) -> usize {
        let terms = self.geometry.terms();
        terms.div_ceil(terms.div_ceil(CHAIN))
    }

    fn estimate(&self, threads: usize) -> u64 {
        let terms = self.geometry.terms();
        let [rows, columns] = self.tile;
        let pixels = rows * columns;
        let chains = terms.div_ceil(self.chain());
        let runs = columns.div_ceil(self.kernels.longest(self.vectors));
        let block = |vectors: usize| {
            // Half cycles: two multiply-adds and two loads a cycle, four cycles of latency.
            let run = columns.div_ceil(runs);
            let step = (run * vectors).max(run + vectors).max(8) + self.geometry.in_place_cost();
            let inner = rows * runs * (terms * step + chains * (3 * run * vectors + 30));
            // Weights come from afar at some eight bytes a cycle.
            (inner.max(terms * vectors * self.lanes) + pixels * vectors * 12) as u64
        };
        let all = self.channel_vectors();
        let blocks = (all / self.vectors) as u64 * block(self.vectors)
            + if all.is_multiple_of(self.vectors) { 0 } else { block(all % self.vectors) };
        let units = self.units();
        // Threads that wait for the last units.
        let busy = units.div_ceil(threads) * threads;
        let tile = blocks + (self.parts * self.slab() / 2) as u64;
        (self.tiles() as u64).saturating_mul(tile) / units as u64 * busy as u64
    }
}
