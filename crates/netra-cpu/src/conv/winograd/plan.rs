//! Chooses, from shapes alone, how a Winograd convolution is cut into units of work, and what that costs.

use super::filters;
use super::transform::{IN, OUT, POINTS, TAPS};
use crate::conv::tile::{Tile, tiles};
use crate::isa::{Isa, second_level_cache};

/// Floats of transformed input that stay in the second-level cache beside the weights that pass through: the better part of a
/// small one, half of a large one.
fn nearby() -> usize {
    (second_level_cache() / 2 / size_of::<f32>()).max(176 * 1024)
}

/// Most floats of transformed input and sums that a unit keeps at once.
const SCRATCH: usize = 3 << 20;
/// Most floats of transformed input, of all threads together, that each block of output channels reads anew: they stay in the
/// cache that all cores share, beside the filters.
const REREAD: usize = 2 << 20;
/// Bytes of weights that stay in a core's L2 cache, and in the cache that all cores share.
const NEAR: usize = 384 * 1024;
const SHARED: usize = 12 << 20;
/// Bytes that come from memory in a half cycle.
const MEMORY: usize = 3;

/// A convolution of stride 1 whose kernel is 3x3 in the plane, of any depth.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Batch size.
    pub batch: usize,
    /// Groups of channels.
    pub groups: usize,
    /// Input channels of a group.
    pub channels: usize,
    /// Output channels of a group.
    pub filters: usize,
    /// Input sizes: depth, height, width.
    pub input: [usize; 3],
    /// Output sizes.
    pub output: [usize; 3],
    /// Taps in depth.
    pub depth_taps: usize,
    /// Distance between taps.
    pub dilations: [usize; 3],
    /// Zeros before each axis.
    pub pads: [usize; 3],
}

impl Shape {
    /// Terms of the sums between the transforms.
    pub fn terms(&self) -> usize {
        self.channels * self.depth_taps
    }

    /// Whether output and input are of one size, and each output slice lies in the middle of the slices it is made from.
    pub fn slices_centred(&self) -> bool {
        let half = self.dilations[0] * (self.depth_taps / 2);
        self.input == self.output && self.pads[0] == half && !self.depth_taps.is_multiple_of(2)
    }

    /// Columns that neighbouring lanes take when the dilation allows whole groups of four to be read at once.
    pub fn columns(&self) -> Columns {
        match self.dilations[2] {
            1 => Columns::Adjacent,
            d if d.is_multiple_of(4) => Columns::Quads,
            _ => Columns::Split,
        }
    }

    /// Tiles along the columns of one phase.
    pub fn tiles(&self) -> usize {
        self.output[2].div_ceil(self.dilations[2]).div_ceil(OUT)
    }

    /// Tiles of a row of tiles, all phases of the columns together.
    pub fn row_tiles(&self) -> usize {
        self.tiles() * self.dilations[2]
    }

    /// Rows of tiles: the phase and the first output row of that phase, each.
    pub fn tile_rows(&self) -> Vec<(usize, usize)> {
        let d = self.dilations[1];
        let rows = |phase: usize| (self.output[1] - phase).div_ceil(d).div_ceil(OUT);
        (0..d.min(self.output[1])).flat_map(|p| (0..rows(p)).map(move |r| (p, r * OUT))).collect()
    }

    /// Floats of one packed input row, with the zeros around it and what a vector may read beyond.
    pub fn pitch(&self) -> usize {
        let reach = self.dilations[2] * (OUT * self.tiles() + 2);
        reach.max(self.pads[2] + self.input[2].next_multiple_of(16)) + 32
    }

    /// Floats of one phase of a packed input row.
    pub fn phase_pitch(&self) -> usize {
        OUT * self.tiles() + 24
    }
}

/// What the lanes of a vector are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// Neighbouring tiles.
    Adjacent,
    /// Neighbouring tiles of one phase of a dilated row, which is taken apart first.
    Split,
    /// Four neighbouring phases of a dilated row, then the next tile.
    Quads,
}

/// The decision.
#[derive(Clone)]
pub struct Plan {
    /// Register tile of the sums between the transforms.
    pub tile: Tile,
    /// Rows of tiles of a unit.
    pub rows: usize,
    /// Depth slices of a step.
    pub slices: usize,
    /// Depth segments: the first output and the number of outputs, `dilations[0]` apart.
    pub segments: Vec<(usize, usize)>,
    /// Blocks of output channels of a group.
    pub blocks: usize,
    /// Parts into which the blocks are divided among units.
    pub parts: usize,
    /// Blocks whose sums are made before they are finished. Many when the transformed input does not fit the nearest
    /// cache: then each point's part of it is read once for all of them.
    pub together: usize,
    /// Terms whose filters are transformed at a time when they are used; `None` when they are when they are packed.
    pub chunk: Option<usize>,
    /// Rough half cycles of the whole convolution.
    pub cost: u64,
}

impl Plan {
    /// The cheapest plan by a rough count of cycles; `None` when there is nothing to compute, or no such plan: `late` asks
    /// for filters that are transformed when they are used, or when they are packed.
    pub fn new(shape: &Shape, isa: Isa, threads: usize, late: Option<bool>) -> Option<Self> {
        if shape.output.contains(&0) || shape.batch * shape.groups * shape.filters * shape.channels == 0 {
            return None;
        }
        let all_tiles = tiles(isa);
        let tile_rows = shape.tile_rows().len();
        let chain = shape.output[0].div_ceil(shape.dilations[0]);
        let mut best: Option<Self> = None;
        for rows in 1..=tile_rows.min(8) {
            for slices in [1, 2, 3, 4, 6, 8].into_iter().filter(|&s| s <= chain) {
                let lanes = slices * rows * shape.row_tiles();
                let ring = shape.channels * POINTS * (slices + shape.depth_taps - 1) * rows * shape.row_tiles();
                let Some(&tile) = all_tiles.iter().min_by_key(|t| sums(shape, **t, lanes, isa)) else { continue };
                let blocks = shape.filters.div_ceil(tile.channels);
                let products = POINTS * tile.channels * lanes.next_multiple_of(tile.pixels);
                for cuts in [1, 2, 3, 4].into_iter().filter(|&c| c == 1 || chain >= 4 * c) {
                    for parts in [1, 2, 4].into_iter().filter(|&p| p <= blocks) {
                        let share = blocks.div_ceil(parts);
                        let near = ring <= nearby();
                        for chunk in [None, Some(filters::chunk(shape, tile.channels))] {
                            if late.is_some_and(|late| late != chunk.is_some()) {
                                continue;
                            }
                            let together = if near || chunk.is_some() { 1 } else { share };
                            let scratch = ring + together * products;
                            if !near && (scratch > SCRATCH || chunk.is_some() && ring > REREAD / threads) {
                                continue;
                            }
                            let segments = Vec::new();
                            let mut plan =
                                Self { tile, rows, slices, segments, blocks, parts, together, chunk, cost: 0 };
                            plan.cost = plan.estimate(shape, isa, threads, chain.div_ceil(cuts), cuts);
                            if best.as_ref().is_none_or(|b| plan.rank(shape) < b.rank(shape)) {
                                plan.segments = self::segments(shape, cuts);
                                best = Some(plan);
                            }
                        }
                    }
                }
            }
        }
        best
    }

    /// The cost, a twentieth more where transformed filters would take much room.
    fn rank(&self, shape: &Shape) -> u64 {
        let floats = POINTS * shape.terms() * shape.filters * shape.groups;
        let roomy = self.chunk.is_none() && floats * size_of::<f32>() > SHARED;
        self.cost + if roomy { self.cost / 20 } else { 0 }
    }

    /// Parts of the terms whose filters are transformed at a time.
    pub fn chunks(&self, shape: &Shape) -> usize {
        self.chunk.map_or(1, |chunk| shape.terms().div_ceil(chunk))
    }

    /// Groups of rows of tiles.
    pub fn row_groups(&self, shape: &Shape) -> usize {
        shape.tile_rows().len().div_ceil(self.rows)
    }

    /// Vectors of lanes of a step.
    pub fn vectors(&self, shape: &Shape, isa: Isa) -> usize {
        (self.slices * self.rows * shape.row_tiles()).div_ceil(isa.lanes())
    }

    fn estimate(&self, shape: &Shape, isa: Isa, threads: usize, length: usize, cuts: usize) -> u64 {
        let steps = length.div_ceil(self.slices);
        let lanes = self.slices * self.rows * shape.row_tiles();
        let vectors = lanes.div_ceil(isa.lanes());
        let wide = isa.lanes() / 4;
        let share = self.blocks.div_ceil(self.parts);
        let sums = sums(shape, self.tile, lanes, isa) * share as u64 / self.blocks as u64;
        // Weights come from the nearest cache that holds them; what transformed ones are larger by, from memory at first.
        let (factors, transform) = match self.chunk {
            Some(_) => (TAPS, filters::cost(shape, self, share, isa.lanes())),
            None => (POINTS, 0),
        };
        let bytes = factors * shape.terms() * share * self.tile.channels * size_of::<f32>();
        let all = bytes * self.parts * shape.groups;
        let stream = if bytes < NEAR {
            0
        } else if all < SHARED {
            bytes / 8
        } else {
            bytes * threads / 3
        };
        let input = match shape.columns() {
            Columns::Split => 1200,
            // Vectors that cross the ends of rows are put together from pieces.
            Columns::Adjacent if !shape.tiles().is_multiple_of(isa.lanes()) => 1000,
            _ => 600,
        };
        let halo = 1 + shape.depth_taps / 2;
        let inputs = shape.channels * (vectors * input + halo * POINTS * self.rows * shape.row_tiles() / (2 * wide));
        let outputs = share * self.tile.channels * vectors * 600;
        // What does not fit the nearest cache is written and read once.
        let ring = shape.channels * POINTS * (self.slices + shape.depth_taps - 1) * self.rows * shape.row_tiles();
        let far = match (ring > nearby(), self.chunk) {
            (false, _) => 0,
            (true, None) => 6 * (ring + POINTS * share * self.tile.channels * lanes) as u64,
            // Each block reads it anew.
            (true, Some(_)) => (share * ring / 4) as u64,
        };
        let step = sums.max(stream as u64) + (transform + inputs + outputs) as u64 + far;
        let fill = shape.channels * input * (shape.depth_taps - 1) * (self.rows * shape.row_tiles()) / isa.lanes();
        let units = self.row_groups(shape) * shape.dilations[0] * cuts * self.parts * shape.batch * shape.groups;
        let larger = (all - all / factors * TAPS) * threads / MEMORY;
        // The last round of units leaves threads idle.
        (units.div_ceil(threads) * threads) as u64 * (steps as u64 * step + fill as u64) + larger as u64
    }
}

/// Half cycles of the sums of one step.
fn sums(shape: &Shape, tile: Tile, lanes: usize, isa: Isa) -> u64 {
    let runs = lanes.div_ceil(tile.pixels);
    let vectors = tile.channels * tile.pixels / isa.lanes();
    let each = shape.terms() * tile.step_cost(isa, true) + 8 * vectors + 40;
    (POINTS * shape.filters.div_ceil(tile.channels) * runs) as u64 * each as u64
}

/// Cuts each phase of the depth axis into `cuts` balanced segments.
fn segments(shape: &Shape, cuts: usize) -> Vec<(usize, usize)> {
    let d = shape.dilations[0];
    let mut segments = Vec::new();
    for phase in 0..d.min(shape.output[0]) {
        let n = (shape.output[0] - phase).div_ceil(d);
        let cuts = cuts.min(n);
        for c in 0..cuts {
            let (from, to) = (n * c / cuts, n * (c + 1) / cuts);
            segments.push((phase + from * d, to - from));
        }
    }
    segments
}

/// Where a worker's buffers lie in its scratch.
#[derive(Clone, Copy, Debug)]
pub struct Buffers {
    /// Floats between the rows of one channel's transformed input and the next's.
    pub channel: usize,
    /// Floats between points of the transformed input.
    pub point: usize,
    /// Floats of one line (of [`IN`]) of packed input rows.
    pub line: usize,
    /// Floats between packed input rows of a line.
    pub row: usize,
    /// Floats of one line (of [`OUT`]) of finished rows.
    pub out_line: usize,
    /// Floats of the products.
    pub products: usize,
    /// Floats of what is needed for one thing after the other: packed rows; transformed filters; finished rows.
    pub turns: usize,
}

impl Buffers {
    /// The layout under a plan.
    pub fn new(shape: &Shape, plan: &Plan, isa: Isa) -> Self {
        let span = (plan.slices + shape.depth_taps - 1) * plan.rows * shape.row_tiles();
        // Odd numbers of cache lines: neighbours fall into different cache sets.
        let odd = |n: usize| (n.div_ceil(16) | 1) * 16;
        let channel = odd(span + plan.tile.pixels);
        let row = match shape.columns() {
            Columns::Split => shape.phase_pitch() * shape.dilations[2],
            _ => shape.pitch(),
        };
        let filled = (plan.slices + shape.depth_taps - 1) * plan.rows;
        let runs = plan.vectors(shape, isa).div_ceil(plan.tile.pixels / isa.lanes());
        let line = odd(filled * row + 32);
        let out_line = odd(OUT * (runs * plan.tile.pixels + shape.row_tiles()) + 16);
        let filters = plan.chunk.map_or(0, |chunk| POINTS * filters::pitch(chunk * plan.tile.channels));
        Self {
            channel,
            point: odd(channel * shape.channels),
            line,
            row,
            out_line,
            turns: (IN * line + OUT * out_line + IN * shape.pitch() + 64).max(filters),
            products: odd((POINTS * plan.together * runs + 1) * plan.tile.channels * plan.tile.pixels),
        }
    }

    /// Floats in all.
    pub fn len(&self) -> usize {
        POINTS * self.point + self.products + self.turns
    }
}
