//! Transposed convolutions whose windows do not overlap, in narrow numbers: the product over channels runs in the register
//! tiles of [`dot`](crate::dot), and its results go out as those of float32 do.

use super::{Emit, Sums, Upsample};
use crate::Context;
use crate::arithmetic::Arithmetic;
use crate::conv::blocked::{STAGE, Transpose};
use crate::conv::narrow::pack::{self, QUAD, Row};
use crate::dot::{self, Dense, FILTERS, Format, Order, PIXELS, Packed, SIDE, Weights};
use crate::isa::Isa;
use crate::parallel::Shared;
use crate::simd::map::Finish;

/// A planned transposed convolution.
pub struct NarrowUpsample {
    up: Upsample,
    format: Format,
}

impl NarrowUpsample {
    /// The numbers of a narrow arithmetic, where they are expected to take less time than float32.
    pub fn format(up: &Upsample, arithmetic: Arithmetic, isa: Isa) -> Option<Format> {
        let format = Format::new(arithmetic, isa).filter(|_| FILTERS.is_multiple_of(up.factors[2]))?;
        let rows = up.filters * up.taps();
        let product = dot::cost(PIXELS, FILTERS.min(rows), 1, up.channels.div_ceil(format.count()));
        let cost = rows.div_ceil(FILTERS) * product + up.channels * PIXELS / 2;
        // Half cycles, as in float32: two multiply-adds a cycle.
        (cost < rows.div_ceil(SIDE) * PIXELS * up.channels).then_some(format)
    }

    /// Takes a plan over.
    pub fn new(mut up: Upsample, format: Format) -> Self {
        up.pixels = up.pixels.next_multiple_of(PIXELS);
        up.parts = up.parts.min((up.filters * up.taps()).div_ceil(FILTERS));
        Self { up, format }
    }

    /// Bytes of a packed pixel.
    fn pixel(&self) -> usize {
        (self.up.channels * self.format.bytes()).next_multiple_of(QUAD)
    }

    /// Lanes of a pixel.
    fn steps(&self) -> usize {
        self.up.channels.div_ceil(self.format.count())
    }

    /// Floats of scratch that each worker needs.
    pub fn scratch(&self) -> usize {
        self.up.pixels * self.pixel() / size_of::<f32>() + 2 * FILTERS * STAGE + self.up.factors[2] * PIXELS
    }

    /// Brings weights and bias into the order of the inner loop: rows are output channels, and the taps of each.
    pub fn pack(&self, weight: &[f32], bias: Option<&[f32]>) -> Packed {
        let up = &self.up;
        let (taps, rows) = (up.taps(), up.filters * up.taps());
        let of = Weights { groups: up.groups, filters: rows, runs: 1, steps: self.steps(), order: Order::Lanes };
        let value = |row: usize, _, c: usize| {
            if c < up.channels { weight[(row / rows * up.channels + c) * rows + row % rows] } else { 0.0 }
        };
        of.pack(self.format, value, |row| bias.map_or(0.0, |b| b[row / taps]))
    }

    /// Computes `out`.
    pub fn run(&self, context: &Context<'_>, x: &[f32], packed: &Packed, finish: Finish<'_>, out: &mut [f32]) {
        let out = Shared::new(out);
        let up = &self.up;
        let chunks = up.plane().div_ceil(up.pixels);
        let emit = Emit { up, isa: context.isa, finish, slices: up.output_slices(), out: &out };
        context.threads.for_each(up.batch * up.groups * chunks * up.parts, |worker, unit| {
            let (image, chunk) = (unit / up.parts / chunks, unit / up.parts % chunks);
            let mut scratch = context.scratch.lock(worker);
            self.unit(&emit, (image, chunk * up.pixels, unit % up.parts), x, packed, scratch.floats());
        });
    }

    /// Computes a part of the rows of a chunk of pixels, from `first` on.
    fn unit(
        &self,
        emit: &Emit<'_>,
        (image, first, part): (usize, usize, usize),
        x: &[f32],
        packed: &Packed,
        scratch: &mut [f32],
    ) {
        let (up, bytes) = (&self.up, self.pixel());
        let (plane, blocks) = (up.plane(), (up.filters * up.taps()).div_ceil(FILTERS));
        let n = up.pixels.min(plane - first);
        let (slab, scratch) = scratch.split_at_mut(up.pixels * bytes / size_of::<f32>());
        let (sums, scratch) = scratch.split_at_mut(FILTERS * STAGE);
        let (stage, line) = scratch.split_at_mut(FILTERS * STAGE);
        let slab = dot::bytes(slab);
        let row = Row { x: &x[image * up.channels * plane + first..], plane, channels: up.channels, pixels: n };
        pack::row(self.format, row, bytes, slab);
        for block in blocks * part / up.parts..blocks * (part + 1) / up.parts {
            let index = image % up.groups * blocks + block;
            let rows = FILTERS.min(up.filters * up.taps() - block * FILTERS);
            for at in (0..n).step_by(PIXELS) {
                let pixels = PIXELS.min(n - at);
                let x = Dense { pixels: &slab[at * bytes..(at + pixels) * bytes], bytes, steps: self.steps() };
                dot::dense(self.format, x, (packed, index), rows, sums);
                let sums = &sums[..pixels.next_multiple_of(4) * FILTERS];
                emit.isa.dispatch(Transpose { sums, vectors: 2, stage });
                let sums = Sums { values: stage, first: block * FILTERS, pixels: STAGE };
                emit.rows(image, first + at, pixels, &sums, line);
            }
        }
    }
}
