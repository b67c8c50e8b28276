//! Direct convolution of any rank up to 3, its transpose, and everything that is one of them in disguise.
//!
//! A unit of work packs the zero-padded input rows that a tile of outputs needs into a buffer that
//! stays in the cache, in such an order that what neighbouring outputs read through one kernel tap is contiguous, whatever
//! the stride and the dilation. The inner loop then multiplies a block of output channels with a run of output pixels,
//! all in registers, and each finished register tile gets its residual and activation while hot. A transposed convolution
//! is one ordinary convolution for each remainder of the output index modulo the stride.

use netra_graph::ConvTranspose;

use super::axis::Axis;
use super::plan::{Geometry, Plan};
use super::tile::{CHAIN, Manner};
use super::{Weights, three};
use crate::Context;
use crate::isa::Isa;
use crate::parallel::{Digits, Shared};
use crate::simd::map::{Finish, Rows};
use crate::simd::{Simd, SimdOp};

/// A planned convolution or transposed convolution.
pub struct Direct {
    /// One for an ordinary convolution.
    pieces: Vec<Piece>,
    layout: Layout,
}

struct Piece {
    plan: Plan,
    /// For each spatial axis, the index in the weight tensor of each tap.
    taps: [Vec<usize>; 3],
}

/// How a weight tensor is ordered.
#[derive(Clone, Copy)]
struct Layout {
    /// Sizes of the kernel.
    kernel: [usize; 3],
    /// `[C, M / groups, ...]` instead of `[M, C / groups, ...]`.
    transposed: bool,
}

/// Weights and bias of each piece of one [`Direct`].
pub struct Packed(Vec<Weights>);

impl Packed {
    /// Bytes of the copies.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(Weights::bytes).sum()
    }
}

impl Direct {
    /// Plans a convolution.
    pub fn new(geometry: &Geometry, isa: Isa, threads: usize) -> Self {
        let kernel = std::array::from_fn(|i| geometry.axes[i].taps.len());
        let taps = kernel.map(|k| (0..k).collect());
        let plan = Plan::new(geometry.clone(), isa, threads);
        Self { pieces: vec![Piece { plan, taps }], layout: Layout { kernel, transposed: false } }
    }

    /// Plans a transposed convolution. The weight's shape is `C, M / groups, kernel...`.
    pub fn transposed(
        p: &ConvTranspose,
        x: &[usize],
        weight: &[usize],
        out: &[usize],
        isa: Isa,
        threads: usize,
    ) -> Self {
        let (input, output, kernel) = (three(&x[2..], 1), three(&out[2..], 1), three(&weight[2..], 1));
        let (strides, dilations, pads) = (three(&p.strides, 1), three(&p.dilations, 1), three(&p.pads, (0, 0)));
        let groups = p.groups.max(1);
        // For each axis and remainder: the axis, and the taps that such outputs see.
        let classes: [Vec<(Axis, Vec<usize>)>; 3] = std::array::from_fn(|i| {
            let stride = strides[i];
            (0..stride.min(output[i]))
                .map(|r| {
                    // Output o hears input j through tap k when o + before = j stride + k dilation.
                    let hit = |k: &usize| (r + pads[i].0) as isize - (k * dilations[i]) as isize;
                    let taps: Vec<usize> = (0..kernel[i]).filter(|k| hit(k) % stride as isize == 0).collect();
                    let axis = Axis {
                        input: input[i],
                        outputs: (output[i] - r).div_ceil(stride),
                        stride: 1,
                        taps: taps.iter().map(|k| hit(k) / stride as isize).collect(),
                        out_size: output[i],
                        out_start: r,
                        out_step: stride,
                    };
                    (axis, taps)
                })
                .collect()
        });
        let mut pieces = Vec::new();
        for (d, kd) in &classes[0] {
            for (h, kh) in &classes[1] {
                for (w, kw) in &classes[2] {
                    let axes = [d.clone(), h.clone(), w.clone()];
                    let geometry =
                        Geometry { batch: x[0], groups, channels: weight[0] / groups, filters: weight[1], axes };
                    let plan = Plan::new(geometry.flattened(), isa, threads);
                    pieces.push(Piece { plan, taps: [kd.clone(), kh.clone(), kw.clone()] });
                }
            }
        }
        Self { pieces, layout: Layout { kernel, transposed: true } }
    }

    /// Floats of scratch that each worker needs.
    pub fn scratch(&self) -> usize {
        self.pieces.iter().map(|p| p.plan.scratch()).max().unwrap_or(0)
    }

    /// Brings weights and bias into the order of the inner loop.
    pub fn pack(&self, weight: &[f32], bias: Option<&[f32]>) -> Packed {
        Packed(self.pieces.iter().map(|piece| piece.pack(self.layout, weight, bias)).collect())
    }

    /// Rough half cycles of the whole convolution.
    pub fn cost(&self) -> u64 {
        self.pieces.iter().map(|p| p.plan.cost).sum()
    }

    /// Computes `out`.
    pub fn run(&self, context: &Context<'_>, x: &[f32], packed: &Packed, finish: Finish<'_>, out: &mut [f32]) {
        let ends: Vec<usize> = self
            .pieces
            .iter()
            .scan(0, |end, piece| {
                *end += piece.plan.units();
                Some(*end)
            })
            .collect();
        // The pieces of a transposed convolution read the same inputs and write into the same cache lines: take turns.
        let alike = self.pieces.windows(2).all(|p| p[0].plan.units() == p[1].plan.units());
        let shared = Shared::new(out);
        context.threads.for_each(ends.last().copied().unwrap_or(0), |worker, unit| {
            let (i, unit) = if alike {
                (unit % self.pieces.len(), unit / self.pieces.len())
            } else {
                let i = ends.partition_point(|&end| end <= unit);
                (i, if i == 0 { unit } else { unit - ends[i - 1] })
            };
            let mut scratch = context.scratch.lock(worker);
            let job =
                Job { isa: context.isa, plan: &self.pieces[i].plan, packed: &packed.0[i], finish, x, out: &shared };
            job.unit(unit, scratch.floats());
        });
    }
}

impl Piece {
    /// Weights in `[group][block][term][channel of the block]`, zero beyond the last channel; the bias in
    /// `[group][block][channel of the block]`.
    fn pack(&self, layout: Layout, weight: &[f32], bias: Option<&[f32]>) -> Weights {
        let Plan { geometry: g, tile, blocks, .. } = &self.plan;
        let [_, kh, kw] = layout.kernel;
        let kernel: usize = layout.kernel.iter().product();
        let width = tile.channels;
        let mut weights = vec![0.0; g.groups * blocks * g.terms() * width];
        let mut packed_bias = vec![0.0; g.groups * blocks * width];
        for group in 0..g.groups {
            for m in 0..g.filters {
                let row = (group * blocks + m / width) * width + m % width;
                packed_bias[row] = bias.map_or(0.0, |b| b[group * g.filters + m]);
                let mut at = (group * blocks + m / width) * g.terms() * width + m % width;
                for c in 0..g.channels {
                    let filter = if layout.transposed {
                        (group * g.channels + c) * g.filters + m
                    } else {
                        (group * g.filters + m) * g.channels + c
                    };
                    for d in &self.taps[0] {
                        for h in &self.taps[1] {
                            for w in &self.taps[2] {
                                weights[at] = weight[filter * kernel + (d * kh + h) * kw + w];
                                at += width;
                            }
                        }
                    }
                }
            }
        }
        Weights { weights, bias: packed_bias }
    }
}

/// What the units of one piece share.
struct Job<'a> {
    isa: Isa,
    plan: &'a Plan,
    packed: &'a Weights,
    finish: Finish<'a>,
    x: &'a [f32],
    out: &'a Shared<f32>,
}

/// Where a unit lies.
struct Place {
    batch: usize,
    group: usize,
    /// First output and count along depth, height and width.
    at: [(usize, usize); 3],
}

impl Job<'_> {
    fn unit(&self, unit: usize, scratch: &mut [f32]) {
        let plan = self.plan;
        let g = &plan.geometry;
        let mut digits = Digits(unit);
        let part = digits.next(plan.parts);
        let at = [2, 1, 0].map(|axis| plan.tiles[axis][digits.next(plan.tiles[axis].len())]);
        let group = digits.next(g.groups);
        let place = Place { batch: digits.0, group, at: [at[2], at[1], at[0]] };

        let (slab, tile) = scratch.split_at_mut(plan.slab.len);
        let (from, to) = (plan.blocks * part / plan.parts, plan.blocks * (part + 1) / plan.parts);
        if plan.pointwise {
            // Rows of pixels as they are, unless the last register tile would read beyond the end of the input.
            let plane = g.input_plane();
            let x = &self.x[(place.batch * g.groups + place.group) * g.channels * plane + place.at[2].0..];
            let reach = place.at[2].1.next_multiple_of(plan.tile.pixels);
            if (g.channels - 1) * plane + reach <= x.len() {
                (from..to).for_each(|block| self.block(&place, block, x, &plan.plain, tile));
                return;
            }
        }
        self.pack_input(&place, slab);
        (from..to).for_each(|block| self.block(&place, block, slab, &plan.offsets, tile));
    }

    /// Fills the slab with the input rows that the unit needs.
    fn pack_input(&self, place: &Place, slab: &mut [f32]) {
        let Plan { geometry: g, depth, height, width, slab: layout, .. } = self.plan;
        let [(d0, dn), (h0, hn), (w0, wn)] = place.at;
        let [rows, columns] = [g.axes[1].input, g.axes[2].input];
        let plane = g.input_plane();
        let run = wn + width.reach();
        for c in 0..g.channels {
            let x = &self.x[((place.batch * g.groups + place.group) * g.channels + c) * plane..][..plane];
            for rd in 0..depth.rows(dn) {
                let d = g.axes[0].existing(depth.input(d0, rd));
                for rh in 0..height.rows(hn) {
                    let h = g.axes[1].existing(height.input(h0, rh));
                    let row = match (d, h) {
                        (Some(d), Some(h)) => &x[(d * rows + h) * columns..][..columns],
                        _ => &[],
                    };
                    let stored = depth.position(rd, layout.depth) * layout.height + height.position(rh, layout.height);
                    for (slot, &phase) in width.phases.iter().enumerate() {
                        let at = c * layout.channel + slot * layout.phase + stored * layout.pitch;
                        width.fill(row, w0, phase, &mut slab[at..at + run]);
                    }
                }
            }
        }
    }

    /// Computes one block of output channels for all pixels of the unit.
    fn block(&self, place: &Place, block: usize, slab: &[f32], offsets: &[usize], tile: &mut [f32]) {
        let Plan { geometry: g, tile: t, slab: layout, .. } = self.plan;
        let [(_, dn), (_, hn), (_, wn)] = place.at;
        let index = place.group * self.plan.blocks + block;
        let weights = &self.packed.weights[index * g.terms() * t.channels..][..g.terms() * t.channels];
        let bias = &self.packed.bias[index * t.channels..][..t.channels];
        let tile = &mut tile[..(t.channels + 1) * t.pixels];
        let channels = t.channels.min(g.filters - block * t.channels);
        let manner = Manner { chain: CHAIN, more: false, ahead: &[] };
        let run = |start: usize, tile: &mut [f32]| {
            // SAFETY: the plan's tiles come from `tiles(isa)`. The slab is as long as the plan says: `start` and each
            // offset together lie inside the rows of the slab, which one more run of pixels follows. Weights and bias
            // hold a block, and the tile buffer was cut to hold the register tile.
            unsafe {
                (t.run)(slab[start..].as_ptr(), offsets, weights.as_ptr(), bias.as_ptr(), tile.as_mut_ptr(), manner)
            }
        };
        for i in 0..dn {
            let plane = i * layout.height * layout.pitch;
            if self.plan.flat {
                let end = (hn - 1) * layout.pitch + wn;
                for p in (0..end).step_by(t.pixels) {
                    run(plane + p, tile);
                    // The rows that the run of pixels crosses.
                    for j in p / layout.pitch..hn.min((p + t.pixels).div_ceil(layout.pitch)) {
                        let row = j * layout.pitch;
                        let (from, to) = (p.max(row), (p + t.pixels).min(row + wn));
                        if from < to {
                            self.emit(place, block, channels, [i, j, from - row], to - from, &mut tile[from - p..]);
                        }
                    }
                }
            } else {
                for j in 0..hn {
                    for k in (0..wn).step_by(t.pixels) {
                        run(plane + j * layout.pitch + k, tile);
                        self.emit(place, block, channels, [i, j, k], t.pixels.min(wn - k), tile);
                    }
                }
            }
        }
    }

    /// Finishes `n` neighbouring pixels of each channel of a register tile and writes them out. `at` counts outputs
    /// within the unit; `tile` starts at the first pixel, its rows are a register tile apart.
    fn emit(&self, place: &Place, block: usize, channels: usize, at: [usize; 3], n: usize, tile: &mut [f32]) {
        let Plan { geometry: g, tile: t, depth, height, .. } = self.plan;
        let [d, h, w] = &g.axes;
        let od = d.out_start + (place.at[0].0 + at[0] * depth.step) * d.out_step;
        let oh = h.out_start + (place.at[1].0 + at[1] * height.step) * h.out_step;
        let ow = w.out_start + (place.at[2].0 + at[2]) * w.out_step;
        let pixel = (od * h.out_size + oh) * w.out_size + ow;
        let first = (place.batch * g.groups + place.group) * g.filters + block * t.channels;
        if w.out_step == 1 {
            let rows = Rows { count: channels, n, from_step: t.pixels, to_step: g.output_plane() };
            // SAFETY: every output element belongs to one unit of one piece, and a unit visits it once.
            unsafe { self.finish.rows(self.isa, rows, tile, first * g.output_plane() + pixel, self.out) };
            return;
        }
        for c in 0..channels {
            let to = (first + c) * g.output_plane() + pixel;
            let from = &mut tile[c * t.pixels..c * t.pixels + n];
            self.finish.in_place(self.isa, from);
            if w.out_step == 2 {
                self.isa.dispatch(Spread { from, to: self.out.pointer(to) });
                continue;
            }
            for (i, &value) in from.iter().enumerate() {
                // SAFETY: as above.
                unsafe { self.out.write(to + i * w.out_step, value) };
            }
        }
    }
}

/// Writes `from` to every second element from `to` on. Made above only, where those elements are the unit's own.
struct Spread<'a> {
    from: &'a [f32],
    to: *mut f32,
}

impl SimdOp for Spread<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Spread { from, to } = self;
        let body = from.len() - from.len() % S::LANES;
        for i in (0..body).step_by(S::LANES) {
            // SAFETY: `i + LANES` results are at hand, and their places in the output are the unit's.
            unsafe { s.store_every_second(to.add(2 * i), s.load(from.as_ptr().add(i))) };
        }
        for (i, &value) in from.iter().enumerate().skip(body) {
            // SAFETY: as above.
            unsafe { to.add(2 * i).write(value) };
        }
    }
}
