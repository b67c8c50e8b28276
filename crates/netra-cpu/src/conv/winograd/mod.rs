//! Winograd convolution: F(4x4, 3x3) in the plane, and direct sums over the taps in depth between the transforms.
//!
//! A quarter of the multiplications of a direct convolution, at an error of some 1e-5 of the range, so only where the
//! precision mode allows it. A unit of work is a band of rows of tiles with all input channels. It walks through the depth a
//! few slices at a time: new slices are transformed once, and the last `taps - 1` stay for the next step. Lanes are tiles
//! (a tile is 4x4 outputs), so that channels need no padding: the sums between the transforms are the same register tiles
//! as those of the direct convolution, over tiles instead of pixels.
//!
//! A dilated convolution is an ordinary one on each phase of its rows and columns.

mod ahead;
mod filters;
mod input;
mod output;
mod over;
mod plan;
mod sums;
mod transform;

use crate::Context;
use crate::conv::Weights;
use crate::isa::Isa;
use crate::parallel::{Digits, Shared};
use crate::simd::map::{ChannelAffine, Finish, Source};
use ahead::Ahead;
use over::Fences;
pub use plan::Shape;
use plan::{Buffers, Columns, Plan};
use transform::POINTS;

/// A planned Winograd convolution.
pub struct Winograd {
    shape: Shape,
    plan: Plan,
    buffers: Buffers,
    tile_rows: Vec<(usize, usize)>,
    /// Where each lane's tile begins in a line of packed rows: of each vector every fourth tile, from the first on, then from
    /// the second on, ... Of [`Columns::Quads`]: where each four lanes' columns begin.
    lanes: Vec<usize>,
    /// Of [`Columns::Quads`]: where each four lanes' columns begin in a line of finished rows.
    out_lanes: Vec<usize>,
    /// Where the terms of a sum begin in the transformed input.
    offsets: Vec<usize>,
    /// A row outside the input.
    zeros: Vec<f32>,
    isa: Isa,
}

impl Winograd {
    /// A plan for `shape`, when it is expected to cost less than `limit` (half cycles).
    pub fn new(shape: Shape, isa: Isa, threads: usize, limit: u64) -> Option<Self> {
        let plan = Plan::new(&shape, isa, threads, None).filter(|plan| plan.cost < limit)?;
        Some(Self::planned(shape, plan, isa))
    }

    /// The cheapest plan for `shape` that transforms filters when they are used (`late`), or once.
    pub fn with_filters(shape: Shape, isa: Isa, threads: usize, late: bool) -> Option<Self> {
        let plan = Plan::new(&shape, isa, threads, Some(late))?;
        Some(Self::planned(shape, plan, isa))
    }

    fn planned(shape: Shape, plan: Plan, isa: Isa) -> Self {
        let buffers = Buffers::new(&shape, &plan, isa);
        let offsets = (0..shape.depth_taps)
            .flat_map(|k| (0..shape.channels).map(move |c| (k, c)))
            .map(|(k, c)| c * buffers.channel + k * plan.rows * shape.row_tiles())
            .collect();
        let (lanes, out_lanes) = lanes(&shape, &plan, &buffers, isa);
        Self {
            tile_rows: shape.tile_rows(),
            zeros: vec![0.0; shape.input[2]],
            shape,
            plan,
            buffers,
            lanes,
            out_lanes,
            offsets,
            isa,
        }
    }

    /// Whether filters are transformed when they are used.
    pub fn transforms_late(&self) -> bool {
        self.plan.chunk.is_some()
    }

    /// Rough half cycles of the whole convolution.
    pub fn cost(&self) -> u64 {
        self.plan.cost
    }

    /// Floats of scratch that each worker needs.
    pub fn scratch(&self) -> usize {
        self.buffers.len()
    }

    /// Computes `out`.
    pub fn run(
        &self,
        context: &Context<'_>,
        source: Source<'_>,
        packed: &Weights,
        finish: Finish<'_>,
        out: &mut [f32],
    ) {
        let Source { x, affine } = source;
        let (slices, out) = (self.shape.input[0], Shared::new(out));
        let job = Job { w: self, packed, finish, x: Some(x), slices, affine, outputs: None, out: &out };
        job.run(context);
    }

    /// Whether [`run_slices`](Self::run_slices) can compute some slices after the others, each from those around it.
    pub fn slices_alone(&self) -> bool {
        self.shape.dilations[0] == 1 && self.shape.slices_centred()
    }

    /// Computes some slices of `out`, the first and their number. `ring` has so many slices a channel, of which input slice
    /// `z` has taken that of `z` modulo their number. Asks for a convolution that [can](Self::slices_alone).
    pub fn run_slices(
        &self,
        context: &Context<'_>,
        ring: (usize, &[f32]),
        packed: &Weights,
        finish: Finish<'_>,
        outputs: (usize, usize),
        out: &Shared<f32>,
    ) {
        let (slices, x) = ring;
        Job { w: self, packed, finish, x: Some(x), slices, affine: None, outputs: Some(outputs), out }.run(context);
    }
}

/// See [`Winograd::lanes`] and [`Winograd::out_lanes`].
fn lanes(shape: &Shape, plan: &Plan, buffers: &Buffers, isa: Isa) -> (Vec<usize>, Vec<usize>) {
    let filled = (plan.slices + shape.depth_taps - 1) * plan.rows;
    let (d, tiles) = (shape.dilations[2], shape.tiles());
    let mut starts = Vec::new();
    let mut outs = Vec::new();
    for row in 0..filled {
        match shape.columns() {
            Columns::Adjacent => starts.extend((0..tiles).map(|t| row * buffers.row + 4 * t)),
            Columns::Split => {
                for phase in 0..d {
                    starts.extend((0..tiles).map(|t| row * buffers.row + phase * shape.phase_pitch() + 4 * t));
                }
            }
            Columns::Quads => {
                for t in 0..tiles {
                    for phase in (0..d).step_by(4) {
                        starts.push(row * buffers.row + phase + 4 * t * d);
                        outs.push(row * 4 * tiles * d + phase + 4 * t * d);
                    }
                }
            }
        }
    }
    // Lanes beyond the last compute something that nobody reads.
    starts.resize(starts.len().next_multiple_of(isa.lanes()), 0);
    if shape.columns() != Columns::Quads {
        // For each vector: every fourth tile from the first on, from the second on, ...
        let quads = isa.lanes() / 4;
        let order = |i: usize| 4 * (i % quads) + i / quads;
        starts = starts.chunks(isa.lanes()).flat_map(|tiles| (0..tiles.len()).map(|i| tiles[order(i)])).collect();
    }
    // Finished rows that nobody reads either go behind the others.
    outs.resize(outs.len().next_multiple_of(isa.lanes()), filled * 4 * tiles * d);
    (starts, outs)
}

/// What the units share.
struct Job<'a> {
    w: &'a Winograd,
    packed: &'a Weights,
    finish: Finish<'a>,
    /// The input; without one, `out` holds it.
    x: Option<&'a [f32]>,
    /// Slices of a channel of the input, which take turns.
    slices: usize,
    affine: Option<ChannelAffine<'a>>,
    /// First output slice and number of output slices; all when missing.
    outputs: Option<(usize, usize)>,
    out: &'a Shared<f32>,
}

/// A unit's place in the whole.
#[derive(Clone, Copy)]
struct Place {
    batch: usize,
    group: usize,
    /// First row of tiles.
    row: usize,
    /// First output slice and number of output slices.
    segment: (usize, usize),
    /// First block of output channels and one past the last.
    blocks: (usize, usize),
}

/// A part of a unit's walk through the depth.
#[derive(Clone, Copy)]
struct Step {
    /// First output slice, counted from the segment's first, and number of output slices.
    outputs: (usize, usize),
    /// First input slice that no earlier step has transformed, counted from the segment's first, and number of them.
    inputs: (usize, usize),
    /// Where they go among the transformed slices.
    at: usize,
}

impl Job<'_> {
    fn run(&self, context: &Context<'_>) {
        context.threads.for_each(self.units(), |worker, unit| {
            self.unit(unit, context.scratch.lock(worker).floats(), None);
        });
    }

    /// Depth segments at hand.
    fn segments(&self) -> &[(usize, usize)] {
        self.outputs.as_ref().map_or(&self.w.plan.segments, std::slice::from_ref)
    }

    /// Units of work.
    fn units(&self) -> usize {
        let Winograd { shape: s, plan, .. } = self.w;
        plan.row_groups(s) * self.segments().len() * plan.parts * s.batch * s.groups
    }

    fn place(&self, unit: usize) -> Place {
        let Winograd { shape: s, plan, .. } = self.w;
        let mut digits = Digits(unit);
        let part = digits.next(plan.parts);
        let segment = self.segments()[digits.next(self.segments().len())];
        let row = digits.next(plan.row_groups(s)) * plan.rows;
        let group = digits.next(s.groups);
        let blocks = (plan.blocks * part / plan.parts, plan.blocks * (part + 1) / plan.parts);
        Place { batch: digits.0, group, row, segment, blocks }
    }

    /// The step that begins with output slice `first`, when the segment is so long.
    fn step(&self, place: Place, first: usize) -> Option<Step> {
        let n = self.w.plan.slices.min(place.segment.1.checked_sub(first).filter(|&left| left > 0)?);
        let kept = self.w.shape.depth_taps - 1;
        let (inputs, at) = if first == 0 { ((0, n + kept), 0) } else { ((first + kept, n), kept) };
        Some(Step { outputs: (first, n), inputs, at })
    }

    /// Computes one unit. `fences` are given when it is written over its input.
    fn unit(&self, unit: usize, scratch: &mut [f32], mut fences: Option<&mut Fences<'_>>) {
        let Winograd { shape: s, plan, buffers: b, .. } = self.w;
        let place = self.place(unit);
        let (points, scratch) = scratch.split_at_mut(POINTS * b.point);
        let (products, scratch) = scratch.split_at_mut(b.products);
        let slice = plan.rows * s.row_tiles();
        let kept = s.depth_taps - 1;
        let mut next = self.step(place, 0);
        while let Some(step) = next {
            let (first, n) = step.outputs;
            if first > 0 {
                for channel in points.chunks_exact_mut(b.point).flat_map(|p| p.chunks_exact_mut(b.channel)) {
                    channel.copy_within(plan.slices * slice..(plan.slices + kept) * slice, 0);
                }
            }
            self.fill(place, step, points, scratch, fences.as_deref_mut());
            next = self.step(place, first + n);
            let coming = match next {
                Some(next) => Some((place, next)),
                None if unit + 1 < self.units() => {
                    let place = self.place(unit + 1);
                    self.step(place, 0).map(|step| (place, step))
                }
                None => None,
            };
            let tiles = POINTS * (n * slice).div_ceil(plan.tile.pixels);
            let calls = tiles * (place.blocks.1 - place.blocks.0) * plan.chunks(s);
            let mut ahead = Ahead::new(self, place, step, coming, calls);
            let size = tiles * plan.tile.channels * plan.tile.pixels;
            for start in (place.blocks.0..place.blocks.1).step_by(plan.together) {
                let blocks = start..place.blocks.1.min(start + plan.together);
                self.sums(place.group * plan.blocks, blocks.clone(), n * slice, points, products, scratch, &mut ahead);
                for (block, products) in blocks.zip(products.chunks_exact(size)) {
                    self.emit(place, block, step, products, scratch);
                }
            }
        }
    }

    /// The input slice `slice` of a step's new ones, when it lies inside the input.
    fn depth(&self, place: Place, step: Step, slice: usize) -> Option<usize> {
        let s = &self.w.shape;
        let depth = place.segment.0 + (step.inputs.0 + slice) * s.dilations[0];
        depth.checked_sub(s.pads[0]).filter(|&d| d < s.input[0])
    }

    /// Row `i` of the inputs of a row of tiles, when it lies inside the input.
    #[inline(always)]
    fn row(&self, place: Place, r: usize, i: usize) -> Option<usize> {
        let s = &self.w.shape;
        let &(phase, row) = self.w.tile_rows.get(place.row + r)?;
        (phase + (row + i) * s.dilations[1]).checked_sub(s.pads[1]).filter(|&y| y < s.input[1])
    }

    /// Where row `y` of slice `depth` of a channel of the input begins.
    #[inline(always)]
    fn input_row(&self, place: Place, channel: usize, depth: usize, y: usize) -> usize {
        let s = &self.w.shape;
        let channel = (place.batch * s.groups + place.group) * s.channels + channel;
        ((channel * self.slices + depth % self.slices) * s.input[1] + y) * s.input[2]
    }

    /// Row `y` of slice `depth` of a channel of the input.
    #[inline(always)]
    fn input(&self, place: Place, channel: usize, depth: usize, y: usize) -> &[f32] {
        let at = self.input_row(place, channel, depth, y);
        let width = self.w.shape.input[2];
        match self.x {
            Some(x) => &x[at..][..width],
            // SAFETY: input and output are of one size. A unit writes rows of its own, each slice after its input has been
            // read; rows that another thread may have written are behind a fence.
            None => unsafe { self.out.read(at, width) },
        }
    }

    /// Where row `i` of the outputs of a row of tiles of a slice of a step begins, when it lies inside the output.
    fn output_row(&self, place: Place, step: Step, filter: usize, slice: usize, r: usize, i: usize) -> Option<usize> {
        let s = &self.w.shape;
        let [depth, height, width] = s.output;
        let &(phase, row) = self.w.tile_rows.get(place.row + r)?;
        let y = Some(phase + (row + i) * s.dilations[1]).filter(|&y| y < height)?;
        let z = place.segment.0 + (step.outputs.0 + slice) * s.dilations[0];
        let channel = (place.batch * s.groups + place.group) * s.filters + filter;
        Some(((channel * depth + z) * height + y) * width)
    }
}
