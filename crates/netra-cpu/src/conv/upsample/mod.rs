//! Transposed convolution whose windows do not overlap: kernel and stride are equal, so that each input pixel becomes a
//! box of output pixels of its own. One product over channels, whose rows are the output channels times the taps, then
//! neighbouring taps are put side by side.

use std::ops::Range;

use netra_graph::ConvTranspose;

#[cfg(target_arch = "x86_64")]
mod narrow;

use super::tile::{CHAIN, Manner, Tile, tiles};
use super::{Weights, three};
use crate::Context;
use crate::isa::Isa;
use crate::parallel::Shared;
use crate::simd::map::Finish;
use crate::simd::{Simd, SimdOp};
#[cfg(target_arch = "x86_64")]
pub use narrow::NarrowUpsample;

/// Most floats of input that a unit copies together: in the second-level cache with room for the weights.
const SLAB: usize = 48 * 1024;
/// Units that each thread should have.
const SHARES: usize = 8;

/// A planned transposed convolution.
pub struct Upsample {
    batch: usize,
    groups: usize,
    /// Input channels of a group.
    channels: usize,
    /// Output channels of a group.
    filters: usize,
    /// Input sizes.
    input: [usize; 3],
    /// Sizes of the kernel, and strides.
    factors: [usize; 3],
    tile: Tile,
    /// Pixels of a unit: whole register tiles.
    pixels: usize,
    /// Parts into which the blocks of rows are divided among units.
    parts: usize,
    /// Where each channel begins in the copied input.
    offsets: Vec<usize>,
}

impl Upsample {
    /// Plans a transposed convolution, when it is one of this kind. The weight's shape is `C, M / groups, kernel...`.
    pub fn new(
        p: &ConvTranspose,
        x: &[usize],
        weight: &[usize],
        out: &[usize],
        isa: Isa,
        threads: usize,
    ) -> Option<Self> {
        let (input, output, factors) = (three(&x[2..], 1), three(&out[2..], 1), three(&weight[2..], 1));
        let groups = p.groups.max(1);
        let (channels, filters) = (weight[0] / groups, weight[1]);
        let apart = three(&p.strides, 1) == factors && three(&p.pads, (0, 0)).iter().all(|pad| pad.0 == 0);
        let fills = (0..3).all(|i| output[i] == input[i] * factors[i]);
        let plane: usize = input.iter().product();
        if !apart || !fills || three(&p.dilations, 1).iter().zip(factors).any(|(&d, k)| d > 1 && k > 1) {
            return None;
        }
        if x[0] * groups * channels * filters * plane == 0 || channels > SLAB / 64 {
            return None;
        }
        let rows = filters * factors.iter().product::<usize>();
        let tile = tiles(isa)
            .into_iter()
            .filter(|t| t.channels.is_multiple_of(factors[2]))
            .min_by_key(|t| rows.div_ceil(t.channels) * t.step_cost(isa, false) * 4096 / t.pixels)?;
        let images = x[0] * groups;
        let wanted = plane.div_ceil((SHARES * threads).div_ceil(images));
        let most = (SLAB / channels).saturating_sub(tile.pixels).max(1);
        let pixels = wanted.min(most).next_multiple_of(tile.pixels);
        let chunks = images * plane.div_ceil(pixels);
        let parts = (2 * threads).div_ceil(chunks).min(rows.div_ceil(tile.channels));
        let offsets = (0..channels).map(|c| c * pixels).collect();
        Some(Self { batch: x[0], groups, channels, filters, input, factors, tile, pixels, parts, offsets })
    }

    /// Taps of an output channel.
    fn taps(&self) -> usize {
        self.factors.iter().product()
    }

    /// Blocks of rows of a group.
    fn blocks(&self) -> usize {
        (self.filters * self.taps()).div_ceil(self.tile.channels)
    }

    /// Input pixels of a channel.
    fn plane(&self) -> usize {
        self.input.iter().product()
    }

    /// Floats of scratch that each worker needs.
    pub fn scratch(&self) -> usize {
        self.channels * self.pixels + (self.tile.channels + self.factors[2]) * self.tile.pixels
    }

    /// Brings weights into `[group][block][channel][row of the block]`, and the bias into `[group][block][row of the block]`.
    /// Rows are output channels, and the taps of each.
    pub fn pack(&self, weight: &[f32], bias: Option<&[f32]>) -> Weights {
        let (width, taps, blocks) = (self.tile.channels, self.taps(), self.blocks());
        let mut weights = vec![0.0; self.groups * blocks * self.channels * width];
        let mut packed_bias = vec![0.0; self.groups * blocks * width];
        let rows = self.filters * taps;
        for group in 0..self.groups {
            for row in 0..rows {
                let block = group * blocks + row / width;
                packed_bias[block * width + row % width] = bias.map_or(0.0, |b| b[group * self.filters + row / taps]);
            }
            for c in 0..self.channels {
                let from = &weight[(group * self.channels + c) * rows..][..rows];
                for (block, from) in from.chunks(width).enumerate() {
                    let at = ((group * blocks + block) * self.channels + c) * width;
                    weights[at..at + from.len()].copy_from_slice(from);
                }
            }
        }
        Weights { weights, bias: packed_bias }
    }

    /// Slices of the output.
    pub fn output_slices(&self) -> usize {
        self.input[0] * self.factors[0]
    }

    /// Computes `out`.
    pub fn run(&self, context: &Context<'_>, x: &[f32], packed: &Weights, finish: Finish<'_>, out: &mut [f32]) {
        self.run_slices(context, x, packed, finish, 0..self.input[0], (self.output_slices(), out));
    }

    /// Computes what some input slices become. `ring` has so many slices a channel, of which output slice `z` takes that of
    /// `z` modulo their number.
    pub fn run_slices(
        &self,
        context: &Context<'_>,
        x: &[f32],
        packed: &Weights,
        finish: Finish<'_>,
        slices: Range<usize>,
        ring: (usize, &mut [f32]),
    ) {
        let out = Shared::new(ring.1);
        let slice = self.input[1] * self.input[2];
        let pixels = slices.start * slice..slices.end * slice;
        let chunks = pixels.len().div_ceil(self.pixels);
        let emit = Emit { up: self, isa: context.isa, finish, slices: ring.0, out: &out };
        let job = Job { emit, packed, x };
        context.threads.for_each(self.batch * self.groups * chunks * self.parts, |worker, unit| {
            let (image, chunk) = (unit / self.parts / chunks, unit / self.parts % chunks);
            let first = pixels.start + chunk * self.pixels;
            let n = self.pixels.min(pixels.end - first);
            job.unit(image, (first, n), unit % self.parts, context.scratch.lock(worker).floats());
        });
    }
}

/// What the units share.
struct Job<'a> {
    emit: Emit<'a>,
    packed: &'a Weights,
    x: &'a [f32],
}

impl Job<'_> {
    fn unit(&self, image: usize, (first, n): (usize, usize), part: usize, scratch: &mut [f32]) {
        let up = self.emit.up;
        let (t, blocks) = (&up.tile, up.blocks());
        let manner = Manner { chain: CHAIN, more: false, ahead: &[] };
        let (slab, scratch) = scratch.split_at_mut(up.channels * up.pixels);
        let (sums, row) = scratch.split_at_mut(t.channels * t.pixels);
        let x = &self.x[image * up.channels * up.plane() + first..];
        for (c, to) in slab.chunks_exact_mut(up.pixels).enumerate() {
            to[..n].copy_from_slice(&x[c * up.plane()..][..n]);
        }
        for block in blocks * part / up.parts..blocks * (part + 1) / up.parts {
            let index = image % up.groups * blocks + block;
            let weights = &self.packed.weights[index * up.channels * t.channels..][..up.channels * t.channels];
            let bias = &self.packed.bias[index * t.channels..][..t.channels];
            for at in (0..n).step_by(t.pixels) {
                // SAFETY: the tile comes from `tiles(isa)`. Each channel's part of the slab is whole register tiles; the
                // weights and the bias hold a block, and `sums` a register tile.
                unsafe {
                    (t.run)(
                        slab[at..].as_ptr(),
                        &up.offsets,
                        weights.as_ptr(),
                        bias.as_ptr(),
                        sums.as_mut_ptr(),
                        manner,
                    );
                }
                let sums = Sums { values: sums, first: block * t.channels, pixels: t.pixels };
                self.emit.rows(image, first + at, t.pixels.min(n - at), &sums, row);
            }
        }
    }
}

/// Results of some rows.
struct Sums<'a> {
    /// Row by row.
    values: &'a [f32],
    /// The first row.
    first: usize,
    /// Elements between rows.
    pixels: usize,
}

/// How results become output.
struct Emit<'a> {
    up: &'a Upsample,
    isa: Isa,
    finish: Finish<'a>,
    /// Slices of a channel of `out`, which take turns.
    slices: usize,
    out: &'a Shared<f32>,
}

impl Emit<'_> {
    /// Puts the taps of each row side by side, finishes and writes them: `n` input pixels from pixel `first` on. Rows are
    /// whole runs of taps along the width.
    fn rows(&self, image: usize, first: usize, n: usize, sums: &Sums<'_>, row: &mut [f32]) {
        let up = self.up;
        let [fd, fh, fw] = up.factors;
        let [_, height, width] = up.input;
        let taps = up.taps();
        let rows = up.filters * taps;
        for (i, columns) in sums.values.chunks_exact(fw * sums.pixels).enumerate() {
            let tap = sums.first + i * fw;
            if tap >= rows {
                break;
            }
            let (filter, kd, kh) = (image * up.filters + tap / taps, tap % taps / (fh * fw), tap / fw % fh);
            self.isa.dispatch(Interleave { columns, pixels: sums.pixels, n, row });
            // The input rows that the pixels cross.
            let mut pixel = first;
            while pixel < first + n {
                let (z, y, w) = (pixel / (height * width), pixel / width % height, pixel % width);
                let count = (width - w).min(first + n - pixel);
                let slice = filter * self.slices + (z * fd + kd) % self.slices;
                let line = slice * height * fh + y * fh + kh;
                let at = (line * width + w) * fw;
                // SAFETY: each output row of each input pixel belongs to one unit, and a unit visits it once.
                let out = unsafe { self.out.slice(at, count * fw) };
                self.finish.run(self.isa, &row[(pixel - first) * fw..][..count * fw], at, out);
                pixel += count;
            }
        }
    }
}

/// `row[p * columns + k] = columns[k][p]` for `n` pixels of rows that are `pixels` apart.
struct Interleave<'a> {
    columns: &'a [f32],
    pixels: usize,
    n: usize,
    row: &'a mut [f32],
}

impl SimdOp for Interleave<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Interleave { columns, pixels, n, row } = self;
        // Plain loops: the compiler knows the shuffles of each instruction set.
        match columns.len() / pixels {
            1 => row[..n].copy_from_slice(&columns[..n]),
            2 => {
                let (a, b) = columns.split_at(pixels);
                for ((pair, &a), &b) in row.as_chunks_mut::<2>().0.iter_mut().zip(&a[..n]).zip(&b[..n]) {
                    *pair = [a, b];
                }
            }
            count => {
                for (k, column) in columns.chunks_exact(pixels).enumerate() {
                    for (to, &value) in row[k..].iter_mut().step_by(count).zip(&column[..n]) {
                        *to = value;
                    }
                }
            }
        }
    }
}
