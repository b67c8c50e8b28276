//! Chooses, from shapes alone, how a correlation is cut into units of work and register tiles.

use netra_graph::Conv;

use super::axis::{Axis, ColumnPacking, RowTiling};
use super::three;
use super::tile::{Tile, tiles};
use crate::isa::Isa;

/// Most floats of input that a unit packs, unless a single run of pixels needs more: under half of a small L2 cache of
/// today (1 MiB), to leave room for the weights.
const SLAB: usize = 96 * 1024;
/// Floats that stay in the nearest cache.
const NEAR: usize = 8 * 1024;
/// Least multiply-adds that are worth a unit of their own.
const UNIT_WORK: usize = 1 << 20;

/// A correlation with known sizes.
#[derive(Clone, Debug)]
pub struct Geometry {
    /// Batch size.
    pub batch: usize,
    /// Groups of channels.
    pub groups: usize,
    /// Input channels of a group.
    pub channels: usize,
    /// Output channels of a group.
    pub filters: usize,
    /// Depth, height, width.
    pub axes: [Axis; 3],
}

impl Geometry {
    /// That of an ordinary convolution. Shapes are `N, C, spatial...` and the weight's `M, C / groups, kernel...`.
    pub fn forward(p: &Conv, x: &[usize], weight: &[usize], out: &[usize]) -> Self {
        let (input, output, kernel) = (three(&x[2..], 1), three(&out[2..], 1), three(&weight[2..], 1));
        let (strides, dilations, pads) = (three(&p.strides, 1), three(&p.dilations, 1), three(&p.pads, (0, 0)));
        let axes =
            std::array::from_fn(|i| Axis::forward(input[i], output[i], kernel[i], strides[i], dilations[i], pads[i].0));
        let groups = p.groups.max(1);
        Self { batch: x[0], groups, channels: weight[1], filters: weight[0] / groups, axes }
    }

    /// Taps of the kernel.
    pub fn taps(&self) -> usize {
        self.axes.iter().map(|a| a.taps.len()).product()
    }

    /// Terms of each output's sum.
    pub fn terms(&self) -> usize {
        self.channels * self.taps()
    }

    /// Elements of one input channel.
    pub fn input_plane(&self) -> usize {
        self.axes.iter().map(|a| a.input).product()
    }

    /// Elements of one channel of the output tensor.
    pub fn output_plane(&self) -> usize {
        self.axes.iter().map(|a| a.out_size).product()
    }

    /// Multiplications of the definition.
    pub fn multiply_adds(&self) -> usize {
        let pixels: usize = self.axes.iter().map(|a| a.outputs).product();
        let filters = self.batch * self.groups * self.filters;
        pixels.saturating_mul(self.terms()).saturating_mul(filters)
    }

    /// Whether each output is a sum over one pixel, its own.
    fn pointwise(&self) -> bool {
        self.axes
            .iter()
            .all(|a| a.taps == [0] && a.stride == 1 && a.outputs == a.input && a.out_size == a.input && a.out_step == 1)
    }

    /// Half cycles that a term of a run of outputs costs beyond its arithmetic where single pixels are read in place: they miss
    /// the first-level cache, and that of addresses where there are more channels than it has entries, in pages of their own.
    pub fn in_place_cost(&self) -> usize {
        if self.taps() == 1 && self.channels > 64 { 6 + (self.input_plane() / 48).min(26) } else { 0 }
    }

    /// Makes one long row of a kernel that touches single pixels.
    pub fn flattened(mut self) -> Self {
        if self.pointwise() {
            let pixels = self.input_plane();
            self.axes = [Axis::unit(), Axis::unit(), Axis::forward(pixels, pixels, 1, 1, 1, 0)];
        }
        self
    }
}

/// Where the packed input of a unit lies: `[channel][phase][depth][height][width]`.
#[derive(Clone, Debug)]
pub struct Slab {
    /// Depth rows stored.
    pub depth: usize,
    /// Height rows stored.
    pub height: usize,
    /// Elements of a row.
    pub pitch: usize,
    /// Elements of a phase.
    pub phase: usize,
    /// Elements of a channel.
    pub channel: usize,
    /// Elements in all, with what a tile may read beyond the last row.
    pub len: usize,
}

/// The decision.
pub struct Plan {
    /// What is computed.
    pub geometry: Geometry,
    /// Register tile.
    pub tile: Tile,
    /// Whether register tiles run across the ends of rows: better for short rows.
    pub flat: bool,
    /// Depth tiling.
    pub depth: RowTiling,
    /// Height tiling.
    pub height: RowTiling,
    /// Width packing.
    pub width: ColumnPacking,
    /// First output and count of each tile along depth, height and width.
    pub tiles: [Vec<(usize, usize)>; 3],
    /// Packed input.
    pub slab: Slab,
    /// Start of each term of the sum in the slab.
    pub offsets: Vec<usize>,
    /// Whether outputs are sums over single pixels, all of them neighbours: then the input needs no packing.
    pub pointwise: bool,
    /// Of a pointwise kernel: start of each term of the sum in the input.
    pub plain: Vec<usize>,
    /// Blocks of output channels of a group.
    pub blocks: usize,
    /// Parts into which the blocks are divided among units.
    pub parts: usize,
    /// Rough half cycles of the whole: for a large layer, more than thirty-two bits hold.
    pub cost: u64,
}

impl Plan {
    /// The cheapest plan by a rough count of cycles.
    pub fn new(geometry: Geometry, isa: Isa, threads: usize) -> Self {
        let candidates = tiles(isa).into_iter().flat_map(|tile| [(tile, false), (tile, true)]);
        let best = candidates
            .map(|(tile, flat)| Sizes::new(&geometry, tile, flat, threads))
            .map(|sizes| (sizes.cost(&geometry, isa), sizes))
            .min_by_key(|(cost, _)| *cost);
        // Every instruction set has tiles; the fallback only satisfies the compiler.
        let (cost, sizes) = best.unwrap_or_else(|| (0, Sizes::new(&geometry, tiles(Isa::detect())[0], false, threads)));
        sizes.plan(geometry, threads, cost)
    }

    /// Units of work.
    pub fn units(&self) -> usize {
        let g = &self.geometry;
        self.tiles.iter().map(Vec::len).product::<usize>() * g.batch * g.groups * self.parts
    }

    /// Floats of scratch that a worker needs: the slab and a register tile.
    pub fn scratch(&self) -> usize {
        self.slab.len + self.tile_len()
    }

    /// Floats of the buffer that takes a register tile, with what an epilogue may read beyond it.
    fn tile_len(&self) -> usize {
        (self.tile.channels + 1) * self.tile.pixels
    }
}

/// Sizes under one choice of register tile.
struct Sizes {
    tile: Tile,
    flat: bool,
    depth: RowTiling,
    height: RowTiling,
    width: ColumnPacking,
    /// Most outputs of a unit along each axis.
    most: [usize; 3],
}

impl Sizes {
    fn new(geometry: &Geometry, tile: Tile, flat: bool, threads: usize) -> Self {
        let [d, h, w] = &geometry.axes;
        let (depth, height, width) = (RowTiling::new(d), RowTiling::new(h), ColumnPacking::new(w));
        let runs = geometry.channels * width.phases.len();
        let least = runs * depth.rows(1) * height.rows(1);
        let mut columns = w.outputs;
        if least * (columns + width.reach()) > SLAB && columns > tile.pixels {
            let fit = (SLAB / least).saturating_sub(width.reach()) / tile.pixels * tile.pixels;
            let parts = columns.div_ceil(fit.max(tile.pixels));
            columns = columns.div_ceil(parts).next_multiple_of(tile.pixels);
        }
        let mut sizes = Self { tile, flat: flat && columns >= w.outputs, depth, height, width, most: [1, 1, columns] };
        let wanted = wanted_units(geometry, threads);
        // Grow the tile where that saves most packing, while it fits the cache and leaves work for every thread.
        loop {
            let fits =
                |s: &Self| s.slab(geometry).len <= SLAB && s.units(geometry) >= wanted.min(sizes.units(geometry));
            let grown = [0, 1].into_iter().filter_map(|axis| {
                let limit = [&sizes.depth, &sizes.height][axis].longest(geometry.axes[axis].outputs);
                let mut next = sizes.clone_with(sizes.most);
                next.most[axis] += 1;
                (next.most[axis] <= limit && fits(&next)).then_some(next)
            });
            match grown.min_by(|a, b| a.packing().total_cmp(&b.packing())) {
                Some(next) => sizes = next,
                None => return sizes,
            }
        }
    }

    fn clone_with(&self, most: [usize; 3]) -> Self {
        Self {
            tile: self.tile,
            flat: self.flat,
            depth: self.depth.clone(),
            height: self.height.clone(),
            width: self.width.clone(),
            most,
        }
    }

    /// Input rows packed for each output row.
    fn packing(&self) -> f64 {
        let [d, h, _] = self.most;
        (self.depth.rows(d) * self.height.rows(h)) as f64 / (d * h) as f64
    }

    fn units(&self, geometry: &Geometry) -> usize {
        let [d, h, w] = &geometry.axes;
        let rows = |t: &RowTiling, outputs: usize, most: usize| t.step.min(outputs) * t.longest(outputs).div_ceil(most);
        rows(&self.depth, d.outputs, self.most[0])
            * rows(&self.height, h.outputs, self.most[1])
            * w.outputs.div_ceil(self.most[2])
            * geometry.batch
            * geometry.groups
    }

    fn slab(&self, geometry: &Geometry) -> Slab {
        let [d, h, w] = self.most;
        let (depth, height) = (self.depth.rows(d), self.height.rows(h));
        let mut pitch = w + self.width.reach();
        if !self.flat {
            // Rows start on cache lines, and neighbouring rows in different cache sets.
            pitch = pitch.next_multiple_of(16);
            pitch += if pitch.is_multiple_of(32) { 16 } else { 0 };
        }
        let phase = depth * height * pitch;
        let channel = phase * self.width.phases.len();
        // Some outputs of a transposed convolution hear no input: they still count pixels, over nothing.
        let len = (channel * geometry.channels).max(phase) + self.tile.pixels;
        Slab { depth, height, pitch, phase, channel, len }
    }

    fn cost(&self, geometry: &Geometry, isa: Isa) -> u64 {
        let [td, th, tw] = self.most;
        let slab = self.slab(geometry);
        let pixels = self.tile.pixels;
        let tiles =
            if self.flat { ((th - 1) * slab.pitch + tw).div_ceil(pixels) } else { th * tw.div_ceil(pixels) } * td;
        let blocks = geometry.filters.div_ceil(self.tile.channels);
        let vectors = self.tile.channels * pixels / isa.lanes();
        // A kernel of one tap finds nothing of what it reads in the nearest cache when the unit's input is larger.
        let far = geometry.taps() == 1 && slab.len > NEAR;
        let step = self.tile.step_cost(isa, far) + geometry.in_place_cost();
        let each = geometry.terms() * step + 8 * vectors + 40;
        // Single pixels are read where they lie.
        let pack = if geometry.pointwise() { 0 } else { slab.len as u64 / 2 };
        let unit = ((tiles * blocks) as u64).saturating_mul(each as u64) + pack;
        unit.saturating_mul(self.units(geometry) as u64)
    }

    fn plan(self, geometry: Geometry, threads: usize, cost: u64) -> Plan {
        let slab = self.slab(&geometry);
        let [d, h, w] = &geometry.axes;
        let (rows_d, rows_h) = (self.depth.tap_positions(slab.depth), self.height.tap_positions(slab.height));
        let mut offsets = Vec::with_capacity(geometry.terms());
        for c in 0..geometry.channels {
            for rd in &rows_d {
                for rh in &rows_h {
                    for (phase, shift) in self.width.tap_phase.iter().zip(&self.width.tap_shift) {
                        let row = rd * slab.height + rh;
                        offsets.push(c * slab.channel + phase * slab.phase + row * slab.pitch + shift);
                    }
                }
            }
        }
        let step = self.most[2];
        let tiles = [
            self.depth.tiles(d.outputs, self.most[0]),
            self.height.tiles(h.outputs, self.most[1]),
            (0..w.outputs).step_by(step).map(|at| (at, step.min(w.outputs - at))).collect(),
        ];
        let blocks = geometry.filters.div_ceil(self.tile.channels);
        let units = self.units(&geometry).max(1);
        let parts = parts(units, blocks, wanted_units(&geometry, threads), threads);
        let pointwise = geometry.pointwise() && geometry.axes[1].outputs == 1 && geometry.axes[0].outputs == 1;
        let plain =
            if pointwise { (0..geometry.channels).map(|c| c * geometry.input_plane()).collect() } else { Vec::new() };
        let Self { tile, flat, depth, height, width, .. } = self;
        Plan { geometry, tile, flat, depth, height, width, tiles, slab, offsets, pointwise, plain, blocks, parts, cost }
    }
}

/// The least number of parts that keeps all threads busy most of the time: each part packs the input again.
pub fn parts(units: usize, blocks: usize, wanted: usize, threads: usize) -> usize {
    let most = wanted.div_ceil(units).clamp(1, blocks.max(1));
    let idle = |parts: usize| (units * parts).next_multiple_of(threads) * 7 > units * parts * 8;
    (1..=most).find(|&p| !idle(p)).unwrap_or(most)
}

/// Enough units that threads finish together, unless the work is too small to share.
pub fn wanted_units(geometry: &Geometry, threads: usize) -> usize {
    if threads == 1 { 1 } else { (geometry.multiply_adds() / UNIT_WORK).clamp(1, 4 * threads) }
}
