//! Convolution in bfloat16: products of float32's upper halves, summed in float32, between tensors that stay float32.
//!
//! A unit of work is a band of output rows with all input channels. It walks through the depth, and packs each input slice
//! once, channels last, into a ring of slices that stays in the second-level cache. Each tap of the kernel is then an offset
//! into the packed slices, whatever the stride and the dilation, and neighbouring outputs are a fixed distance apart: just
//! what the processor's tiles read. Finished blocks are transposed on the way out.

mod amx;
mod pack;
mod plan;

use super::axis::Stretch;
use super::blocked::{STAGE, Transpose};
use super::plan::Geometry;
use crate::Context;
use crate::isa::{InstructionSet, Isa};
use crate::parallel::{self, Digits, Shared};
use crate::simd::map::{Finish, Rows};
pub use amx::Amx;
use amx::{BLOCK, Operands, SIDE, TILE, Tiles};
use plan::Plan;

/// What convolutions run on this way. Weaker sets are chosen by tests alone, which want to see what such a processor does.
pub fn available(isa: Isa) -> Option<Amx> {
    Amx::detect().filter(|_| isa.set() == InstructionSet::Avx512)
}

/// A planned convolution.
pub struct Narrow {
    plan: Plan,
    amx: Amx,
}

/// The bytes of one cache line.
type Line = parallel::Line<[u8; 64]>;

/// Weights and bias in the order of the inner loop.
pub struct Packed {
    /// `[group][block][tap][run of channels]`, two tiles each.
    weights: Vec<Line>,
    /// `[group][block][channel of the block]`.
    bias: Vec<f32>,
}

impl Packed {
    /// Bytes of the copies.
    pub fn bytes(&self) -> usize {
        size_of_val(self.weights.as_slice()) + size_of_val(self.bias.as_slice())
    }
}

impl Narrow {
    /// Plans a convolution, when the processor has the instructions and it is expected to cost less than `limit` (half
    /// cycles).
    pub fn new(geometry: &Geometry, isa: Isa, threads: usize, limit: usize) -> Option<Self> {
        let amx = available(isa)?;
        let plan = Plan::new(geometry, threads).filter(|plan| plan.cost < limit)?;
        Some(Self { plan, amx })
    }

    /// Floats of scratch that each worker needs.
    pub fn scratch(&self) -> usize {
        self.plan.slab() / size_of::<f32>() + BLOCK * BLOCK + BLOCK * STAGE
    }

    /// Lines of the weights of one block.
    fn block_lines(&self) -> usize {
        self.plan.geometry.taps() * self.plan.runs() * 2 * TILE / size_of::<Line>()
    }

    /// Brings weights and bias into the order of the inner loop.
    pub fn pack(&self, weight: &[f32], bias: Option<&[f32]>) -> Packed {
        let (g, blocks) = (&self.plan.geometry, self.plan.blocks());
        let (taps, lines) = (g.taps(), self.block_lines());
        let mut weights = vec![parallel::Line([0; 64]); g.groups * blocks * lines];
        let mut packed_bias = vec![0.0; g.groups * blocks * BLOCK];
        for (i, to) in weights.chunks_exact_mut(lines).enumerate() {
            let (group, first) = (i / blocks, i % blocks * BLOCK);
            let value = |f: usize, tap: usize, c: usize| {
                let exists = first + f < g.filters && c < g.channels;
                let filter = group * g.filters + first + f;
                if exists { weight[(filter * g.channels + c) * taps + tap] } else { 0.0 }
            };
            pack::weights(taps, g.channels, value, bytes(to));
            for f in 0..BLOCK.min(g.filters - first) {
                packed_bias[i * BLOCK + f] = bias.map_or(0.0, |b| b[group * g.filters + first + f]);
            }
        }
        Packed { weights, bias: packed_bias }
    }

    /// Computes `out`.
    pub fn run(&self, context: &Context<'_>, x: &[f32], packed: &Packed, finish: Finish<'_>, out: &mut [f32]) {
        let out = Shared::new(out);
        let job = Job { narrow: self, isa: context.isa, packed, finish, x, out: &out };
        context.threads.for_each(self.plan.units(), |worker, unit| {
            job.unit(unit, context.scratch.lock(worker).floats());
        });
    }
}

/// The bytes of some lines.
fn bytes(lines: &mut [Line]) -> &mut [u8] {
    // SAFETY: a `Line` is 64 bytes without padding (`repr(C)`).
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), size_of_val(lines)) }
}

/// What the units of a convolution share.
struct Job<'a> {
    narrow: &'a Narrow,
    isa: Isa,
    packed: &'a Packed,
    finish: Finish<'a>,
    x: &'a [f32],
    out: &'a Shared<f32>,
}

/// A unit's place: `batch * groups + group`, and first output and count along each axis.
struct Place {
    image: usize,
    depth: (usize, usize),
    rows: (usize, usize),
    columns: (usize, usize),
}

impl Job<'_> {
    fn unit(&self, unit: usize, scratch: &mut [f32]) {
        let plan = &self.narrow.plan;
        let g = &plan.geometry;
        let mut digits = Digits(unit);
        let part = digits.next(plan.parts);
        let columns = plan.columns[digits.next(plan.columns.len())];
        let rows = plan.bands[digits.next(plan.bands.len())];
        let depth = plan.chains[digits.next(plan.chains.len())];
        let place = Place { image: digits.0, depth, rows, columns };

        let (slab, scratch) = scratch.split_at_mut(plan.slab() / size_of::<f32>());
        // SAFETY: any bytes may lie in a float32, and any four bytes are one.
        let slab = unsafe { std::slice::from_raw_parts_mut(slab.as_mut_ptr().cast::<u8>(), size_of_val(slab)) };
        let tiles = self.narrow.amx.tiles();
        let (from, to) = (plan.blocks() * part / plan.parts, plan.blocks() * (part + 1) / plan.parts);
        let slice = plan.rows * plan.pitch * plan.pixel();
        let mut offsets = Vec::with_capacity(g.taps() * plan.runs());
        let mut filled = 0;
        for i in 0..depth.1 {
            // Slices before the first tap of this output are never read, and not packed.
            filled = filled.max(i * plan.depth.advance);
            while filled < plan.depth.span(i + 1) {
                self.fill(&place, filled, &mut slab[filled % plan.ring * slice..][..slice]);
                filled += 1;
            }
            self.offsets(i, &mut offsets);
            for block in from..to {
                self.block(&tiles, &place, i, block, &offsets, slab, scratch);
            }
        }
    }

    /// Packs input slice `number` of a unit.
    fn fill(&self, place: &Place, number: usize, to: &mut [u8]) {
        let plan = &self.narrow.plan;
        let g = &plan.geometry;
        let [d, h, w] = &g.axes;
        let pixel = plan.pixel();
        let Stretch { before, start, inside } = w.stretch(place.columns.0, plan.pitch);
        let depth = d.existing(plan.depth.input(place.depth.0, number));
        let plane = g.input_plane();
        let x = &self.x[place.image * g.channels * plane..][..g.channels * plane];
        for (r, to) in to.chunks_exact_mut(plan.pitch * pixel).enumerate().take(plan.height.span(place.rows.1)) {
            match (depth, h.existing(plan.height.input(place.rows.0, r))) {
                (Some(depth), Some(row)) if inside > 0 => {
                    to[..before * pixel].fill(0);
                    let x = &x[(depth * h.input + row) * w.input + start..];
                    let row = pack::Row { x, plane, channels: g.channels, pixels: inside };
                    pack::row(self.narrow.amx, row, &mut to[before * pixel..]);
                    to[(before + inside) * pixel..].fill(0);
                }
                _ => to.fill(0),
            }
        }
    }

    /// Where the taps of output `i` of the chain begin in the ring.
    fn offsets(&self, i: usize, offsets: &mut Vec<usize>) {
        let plan = &self.narrow.plan;
        let [.., w] = &plan.geometry.axes;
        let first = w.first_tap();
        offsets.clear();
        for tap in &plan.depth.tap_rows {
            let slot = (i * plan.depth.advance + tap) % plan.ring;
            for row in &plan.height.tap_rows {
                for column in &w.taps {
                    let at = (slot * plan.rows + row) * plan.pitch + (column - first) as usize;
                    offsets.extend((0..plan.runs()).map(|run| at * plan.pixel() + run * amx::ROW));
                }
            }
        }
    }

    /// Computes one block of output channels of slice `i` of a unit.
    #[allow(clippy::too_many_arguments)] // All of it differs from call to call.
    fn block(
        &self,
        tiles: &Tiles,
        place: &Place,
        i: usize,
        block: usize,
        offsets: &[usize],
        slab: &[u8],
        scratch: &mut [f32],
    ) {
        let plan = &self.narrow.plan;
        let g = &plan.geometry;
        let [.., w] = &g.axes;
        let index = place.image % g.groups * plan.blocks() + block;
        let lines = self.narrow.block_lines();
        let weights = &self.packed.weights[index * lines..][..lines];
        let bias = &self.packed.bias[index * BLOCK..][..BLOCK];
        let filters = BLOCK.min(g.filters - block * BLOCK);
        let furthest = offsets.iter().copied().max().unwrap_or(0);
        let (sums, stage) = scratch.split_at_mut(BLOCK * BLOCK);
        // Sums of the block of pixels from `at` on, transposed into the stage.
        let mut run = |at: usize, pixels: usize, stage: &mut [f32]| {
            let pixel = w.stride * plan.pixel();
            assert!(at * plan.pixel() + (BLOCK - 1) * pixel + furthest + amx::ROW <= slab.len());
            let o = Operands {
                x: slab[at * plan.pixel()..].as_ptr(),
                pixel,
                offsets,
                weights: weights.as_ptr().cast(),
                start: bias.as_ptr(),
                sums: sums.as_mut_ptr(),
            };
            // SAFETY: the tiles are this thread's; the last pixel's furthest run lies in the slab, as asserted; `weights` has
            // two tiles an offset, and `bias`, `sums` and each of its rows have a whole block.
            unsafe {
                match (pixels > SIDE, filters > SIDE) {
                    (true, true) => amx::block::<2, 2>(tiles, &o),
                    (true, false) => amx::block::<2, 1>(tiles, &o),
                    (false, true) => amx::block::<1, 2>(tiles, &o),
                    (false, false) => amx::block::<1, 1>(tiles, &o),
                }
            }
            let n = pixels.next_multiple_of(4).min(BLOCK);
            self.isa.dispatch(Transpose { sums: &sums[..n * BLOCK], vectors: 2, stage });
        };
        let (rows, columns) = (place.rows.1, place.columns.1);
        if plan.flat {
            let end = (rows - 1) * plan.pitch + columns;
            for at in (0..end).step_by(BLOCK) {
                let pixels = BLOCK.min(end - at);
                run(at, pixels, stage);
                // The rows that the block of pixels crosses.
                for row in at / plan.pitch..rows.min((at + pixels).div_ceil(plan.pitch)) {
                    let start = row * plan.pitch;
                    let (from, to) = (at.max(start), (at + pixels).min(start + columns));
                    if from < to {
                        self.emit(place, block, [i, row, from - start], to - from, &stage[from - at..]);
                    }
                }
            }
        } else {
            for row in 0..rows {
                for column in (0..columns).step_by(BLOCK) {
                    let pixels = BLOCK.min(columns - column);
                    run(row * plan.height.advance * plan.pitch + column * w.stride, pixels, stage);
                    self.emit(place, block, [i, row, column], pixels, stage);
                }
            }
        }
    }

    /// Finishes and writes `n` neighbouring pixels of a block. `at` counts outputs within the unit.
    fn emit(&self, place: &Place, block: usize, at: [usize; 3], n: usize, stage: &[f32]) {
        let plan = &self.narrow.plan;
        let g = &plan.geometry;
        let [_, h, w] = &g.axes;
        let z = place.depth.0 + at[0] * plan.depth.step;
        let y = place.rows.0 + at[1] * plan.height.step;
        let pixel = (z * h.out_size + y) * w.out_size + place.columns.0 + at[2];
        let first = (place.image * g.filters + block * BLOCK) * g.output_plane();
        let count = BLOCK.min(g.filters - block * BLOCK);
        let rows = Rows { count, n, from_step: STAGE, to_step: g.output_plane() };
        // SAFETY: every output element belongs to one unit, and a unit visits it once.
        unsafe { self.finish.rows(self.isa, rows, stage, first + pixel, self.out) };
    }
}
