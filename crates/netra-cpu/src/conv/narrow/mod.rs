//! Convolution in narrow numbers, between tensors that stay float32: products of bfloat16 (float32's upper halves) summed in
//! float32, or of bytes summed exactly.
//!
//! A unit of work is a band of output rows with all input channels. It walks through the depth, and packs each input slice
//! once, channels last, into a ring of slices that stays in the second-level cache. Each tap of the kernel is then an offset
//! into the packed slices, whatever the stride and the dilation, and neighbouring outputs are a fixed distance apart: just
//! what the processor's tiles read, and its vectors may. Finished blocks are transposed on the way out.

mod amx;
mod kernel;
pub mod pack;
mod plan;

use super::axis::Stretch;
use super::blocked::{STAGE, Transpose};
use super::plan::Geometry;
use crate::Context;
use crate::arithmetic::Arithmetic;
use crate::dot::{self, FILTERS, Format, Operands, Packed, Weights};
use crate::isa::Isa;
use crate::parallel::{Digits, Shared};
use crate::simd::map::{Finish, Rows};
use amx::Amx;
use kernel::{Kernel, Started};
use plan::Plan;

/// What convolutions in this arithmetic run on: the processor's tiles where it has them.
fn kernel(arithmetic: Arithmetic, isa: Isa) -> Option<Kernel> {
    let format = Format::new(arithmetic, isa)?;
    Some(match (format, Amx::detect()) {
        (Format::Bf16(bf16), Some(amx)) => Kernel::Amx(amx, bf16),
        _ => Kernel::Dot(format),
    })
}

/// A planned convolution.
pub struct Narrow {
    plan: Plan,
}

impl Narrow {
    /// Plans a convolution, when the arithmetic is narrow, the processor has the instructions, and it is expected to cost
    /// less than `limit` (half cycles).
    pub fn new(geometry: &Geometry, arithmetic: Arithmetic, isa: Isa, threads: usize, limit: usize) -> Option<Self> {
        let kernel = kernel(arithmetic, isa).filter(|kernel| kernel.format().holds(geometry.terms()))?;
        let plan = Plan::new(geometry, kernel, threads).filter(|plan| plan.cost < limit)?;
        Some(Self { plan })
    }

    /// Rough half cycles of the whole convolution.
    pub fn cost(&self) -> u64 {
        self.plan.cost as u64
    }

    /// Floats of scratch that each worker needs.
    pub fn scratch(&self) -> usize {
        self.plan.slab() / size_of::<f32>() + 2 * FILTERS * STAGE
    }

    /// Brings weights and bias into the order of the inner loop.
    pub fn pack(&self, weight: &[f32], bias: Option<&[f32]>) -> Packed {
        let (plan, g) = (&self.plan, &self.plan.geometry);
        let (taps, (runs, steps)) = (g.taps(), plan.runs());
        let per_run = steps * plan.kernel.format().count();
        let of = Weights { groups: g.groups, filters: g.filters, runs: taps * runs, steps, order: plan.kernel.order() };
        let value = |filter: usize, run: usize, k: usize| {
            let c = run % runs * per_run + k;
            if c < g.channels { weight[(filter * g.channels + c) * taps + run / runs] } else { 0.0 }
        };
        of.pack(plan.kernel.format(), value, |filter| bias.map_or(0.0, |b| b[filter]))
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
        let slab = dot::bytes(slab);
        let kernel = plan.kernel.start();
        let (from, to) = (plan.blocks() * part / plan.parts, plan.blocks() * (part + 1) / plan.parts);
        let slice = plan.rows * plan.pitch * plan.pixel();
        let mut offsets = Vec::with_capacity(g.taps() * plan.runs().0);
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
                self.block(&kernel, &place, i, block, &offsets, slab, scratch);
            }
        }
    }

    /// Packs input slice `number` of a unit.
    fn fill(&self, place: &Place, number: usize, to: &mut [u8]) {
        let plan = &self.narrow.plan;
        let g = &plan.geometry;
        let [d, h, w] = &g.axes;
        let (pixel, format) = (plan.pixel(), plan.kernel.format());
        let zero = format.zero();
        let Stretch { before, start, inside } = w.stretch(place.columns.0, plan.pitch);
        let depth = d.existing(plan.depth.input(place.depth.0, number));
        let plane = g.input_plane();
        let x = &self.x[place.image * g.channels * plane..][..g.channels * plane];
        for (r, to) in to.chunks_exact_mut(plan.pitch * pixel).enumerate().take(plan.height.span(place.rows.1)) {
            match (depth, h.existing(plan.height.input(place.rows.0, r))) {
                (Some(depth), Some(row)) if inside > 0 => {
                    to[..before * pixel].fill(zero);
                    let x = &x[(depth * h.input + row) * w.input + start..];
                    let row = pack::Row { x, plane, channels: g.channels, pixels: inside };
                    pack::row(format, row, pixel, &mut to[before * pixel..]);
                    to[(before + inside) * pixel..].fill(zero);
                }
                _ => to.fill(zero),
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
                    offsets.extend((0..plan.runs().0).map(|run| at * plan.pixel() + run * amx::ROW));
                }
            }
        }
    }

    /// Computes one block of output channels of slice `i` of a unit.
    #[allow(clippy::too_many_arguments)] // All of it differs from call to call.
    fn block(
        &self,
        kernel: &Started,
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
        let (weights, bias, scales) = self.packed.block(index);
        let filters = FILTERS.min(g.filters - block * FILTERS);
        let most = plan.kernel.pixels();
        let furthest = offsets.iter().copied().max().unwrap_or(0);
        let (sums, stage) = scratch.split_at_mut(FILTERS * STAGE);
        // Sums of the block of pixels from `at` on, behind those of `before` others.
        let run = |at: usize, pixels: usize, before: usize, sums: &mut [f32]| {
            let sums = &mut sums[before * FILTERS..];
            assert!(pixels <= most && sums.len() >= most.min(STAGE - before) * FILTERS);
            let pixel = w.stride * plan.pixel();
            assert!((at + most * w.stride) * plan.pixel() + furthest <= slab.len());
            let o = Operands {
                x: slab[at * plan.pixel()..].as_ptr(),
                pixel,
                offsets,
                steps: plan.runs().1,
                weights: weights.as_ptr(),
                bias: bias.as_ptr(),
                scales: scales.as_ptr(),
                sums: sums.as_mut_ptr(),
            };
            // SAFETY: the kernel is this thread's; the furthest run of a whole block's last pixel lies in the slab, as
            // asserted; weights, bias and scales are a block's, and `sums` has room for one.
            unsafe { kernel.block(pixels, filters, &o) };
        };
        let transpose = |pixels: usize, sums: &[f32], stage: &mut [f32]| {
            let n = pixels.next_multiple_of(4);
            self.isa.dispatch(Transpose { sums: &sums[..n * FILTERS], vectors: 2, stage });
        };
        let (rows, columns) = (place.rows.1, place.columns.1);
        if plan.flat {
            let end = (rows - 1) * plan.pitch + columns;
            for at in (0..end).step_by(most) {
                let pixels = most.min(end - at);
                run(at, pixels, 0, sums);
                transpose(pixels, sums, stage);
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
            let together = plan.together(columns);
            for row in (0..rows).step_by(together) {
                let count = together.min(rows - row);
                for column in (0..columns).step_by(most) {
                    let pixels = most.min(columns - column);
                    for r in 0..count {
                        let at = (row + r) * plan.height.advance * plan.pitch + column * w.stride;
                        run(at, pixels, r * pixels, sums);
                    }
                    transpose(count * pixels, sums, stage);
                    self.emit(place, block, [i, row, column], count * pixels, stage);
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
        let first = (place.image * g.filters + block * FILTERS) * g.output_plane();
        let count = FILTERS.min(g.filters - block * FILTERS);
        let rows = Rows { count, n, from_step: STAGE, to_step: g.output_plane() };
        // SAFETY: every output element belongs to one unit, and a unit visits it once.
        unsafe { self.finish.rows(self.isa, rows, stage, first + pixel, self.out) };
    }
}
