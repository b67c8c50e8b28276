//! The convolution as a matrix product: which tiles there are, how weights and terms lie, and the launch.

use std::ops::Range;

use half::f16;

use super::conv::{Launch, Problem};
use crate::gpu::{Buffer, Gpu};
use crate::kernels::activation::Act;
use crate::kernels::gemm::{GemmGeometryLaunch, GemmSpec, Tile, conv_gemm};

const fn tile(rows: usize, cols: usize, depth: usize, thread_rows: usize, thread_cols: usize) -> Tile {
    Tile { rows, cols, depth, thread_rows, thread_cols }
}

/// Tiles to choose from. Each keeps within what WebGPU promises everywhere, 256 threads and 16 KiB of workgroup memory, and
/// unrolls at most 512 multiply-adds.
pub(crate) const TILES: [Tile; 8] = [
    tile(16, 128, 16, 4, 4),
    tile(32, 32, 16, 4, 4),
    tile(32, 128, 16, 8, 4),
    tile(32, 256, 8, 8, 4),
    tile(64, 32, 16, 4, 4),
    tile(64, 64, 16, 8, 4),
    tile(64, 128, 16, 8, 4),
    tile(128, 128, 8, 8, 8),
];
/// Threads that fill a large processor.
const FILL: usize = 32_768;
/// Instructions that gather a pixel.
const GATHER: usize = 10;
/// Bits for the positions of a kernel along its axes; the one that is left stands for no position at all.
const POSITIONS: usize = 31;
/// Bytes of an element of the table of terms.
const TERM: usize = 4;

/// The tile that was asked for, or the one that is estimated to be fastest. `None` when the convolution does not suit the
/// kernel: the shader keeps a bit for each of its positions.
pub(crate) fn plan(problem: &Problem<'_>, tile: Option<Tile>) -> Option<Tile> {
    let suits = problem.geometry.kernel.iter().sum::<usize>() <= POSITIONS;
    suits.then(|| tile.unwrap_or_else(|| best(problem.widest(), problem.pixels())))
}

/// The tile that is estimated to be fastest for a product of `m` by `n`.
///
/// What a thread does for one term of its sums, in instructions: multiply-adds, loads from workgroup memory, and its share of
/// gathering pixels. Threads that overhang work as well, and too few of them leave the processor idle.
fn best(m: usize, n: usize) -> Tile {
    let cost = |t: &Tile| {
        let threads = m.div_ceil(t.rows) * n.div_ceil(t.cols) * t.threads();
        let term = t.sums() + t.thread_rows / 4 + t.thread_cols + GATHER * t.cols / t.threads();
        let idle = (FILL as f64 / threads.max(1) as f64).max(1.0);
        threads as f64 * term as f64 * idle
    };
    TILES.into_iter().min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap_or(TILES[0])
}

/// A convolution packed for the matrix product.
pub(crate) struct Gemm {
    spec: GemmSpec,
    /// Tile and terms in half precision.
    half: bool,
    /// The terms of each input part.
    pub(crate) terms: Vec<Buffer>,
    /// Weights of each output part, for each input part.
    pub(crate) weights: Vec<Vec<Buffer>>,
}

impl Gemm {
    /// Packs the weights for a tile, in half precision or not.
    pub(crate) fn new(gpu: &Gpu, problem: &Problem<'_>, tile: Tile, half: bool) -> Self {
        let weights = problem.pack(|out, part| {
            let packed = pack(problem, out, part, &tile);
            if half { gpu.upload(&halves(&packed)) } else { gpu.upload(&packed) }
        });
        let terms = problem.ins.iter().map(|part| gpu.upload(&terms(problem, part.len(), tile.depth))).collect();
        let chain = if problem.is_long() { Problem::CHAIN / tile.depth } else { 0 };
        let spec = GemmSpec { tile, chain, accumulate: false, act: Act::None, reads: Act::None, shifted: false };
        Self { spec, half, terms, weights }
    }

    /// Convolves one input part into one output part, the `(i, j)`th.
    pub(crate) fn launch(&self, gpu: &Gpu, l: &Launch<'_>, (i, j): (usize, usize)) {
        let (g, tile) = (l.geometry, self.spec.tile);
        let ([id, ih, iw], [od, oh, ow], [kd, kh, kw]) = (g.input, g.output, g.kernel);
        let ([sd, sh, sw], [dd, dh, dw], [pd, ph, pw]) = (g.stride, g.dilation, g.pad);
        let (plane, terms) = (od * oh * ow, l.from.channels * kd * kh * kw);
        let (pixels, tiles_m) = (l.batch * plane, l.to.channels.div_ceil(tile.rows));
        let workgroups = tiles_m * pixels.div_ceil(tile.cols);
        let sizes = GemmGeometryLaunch::new(
            workgroups,
            tiles_m,
            terms.div_ceil(tile.depth),
            pixels,
            plane,
            l.from.channels,
            id,
            ih,
            iw,
            l.to.channels,
            l.to.start,
            oh,
            ow,
            kd,
            kh,
            kw,
            sd,
            sh,
            sw,
            dd,
            dh,
            dw,
            pd,
            ph,
            pw,
            l.channels,
            l.from.start,
            l.batch * l.channels,
        );
        let spec =
            GemmSpec { accumulate: l.accumulate, act: l.act.0, reads: l.reads.0, shifted: l.shifted, ..self.spec };
        let launch = if self.half { conv_gemm::launch::<f16> } else { conv_gemm::launch::<f32> };
        let ((cubes, dim), (_, alpha, beta), (_, read_alpha, read_beta)) =
            (gpu.workgroups(workgroups, tile.threads()), l.act, l.reads);
        let (c, x, y) = (&gpu.client, l.from.buffer.arg(), l.to.buffer.arg());
        let (w, terms) = (self.weights[j][i].arg(), self.terms[i].arg());
        let [bias, residual, affine] = [l.bias, l.residual, l.factors].map(|b| Buffer::optional(b).into());
        launch(
            c, cubes, dim, 4, x, w, terms, bias, residual, affine, y, sizes, alpha, beta, read_alpha, read_beta, spec,
        );
    }
}

/// Weights of some output and input channels as `[tiles, slices, depth, rows]`, the last tile and slice filled up with 0.
fn pack(problem: &Problem<'_>, out: &Range<usize>, part: &Range<usize>, tile: &Tile) -> Vec<f32> {
    let taps = problem.taps();
    let (terms, rows) = (part.len() * taps, out.len().next_multiple_of(tile.rows));
    let mut packed = Vec::with_capacity(rows * terms.next_multiple_of(tile.depth));
    for first in out.clone().step_by(tile.rows) {
        for term in 0..terms.next_multiple_of(tile.depth) {
            let value = |m| {
                if term < terms { problem.weight(m, out, part.start + term / taps, term % taps) } else { 0.0 }
            };
            packed.extend((first..first + tile.rows).map(value));
        }
    }
    packed
}

/// The table of the terms of some input channels: distance from the window's first element, bits of its positions along the
/// axes, channel, and nothing. Those that fill the last slice are in no window.
fn terms(problem: &Problem<'_>, channels: usize, depth: usize) -> Vec<u32> {
    let g = &problem.geometry;
    let [kd, kh, kw] = g.kernel;
    let mut table = Vec::new();
    for channel in 0..channels {
        for (z, y, x) in (0..kd).flat_map(|z| (0..kh).flat_map(move |y| (0..kw).map(move |x| (z, y, x)))) {
            let row = (channel * g.input[0] + z * g.dilation[0]) * g.input[1] + y * g.dilation[1];
            let distance = row * g.input[2] + x * g.dilation[2];
            let positions = 1u32 << z | 1 << (kd + y) | 1 << (kd + kh + x);
            table.extend([distance as u32, positions, channel as u32, 0]);
        }
    }
    let full = (table.len() / TERM).next_multiple_of(depth) * TERM;
    while table.len() < full {
        table.extend([0, 1 << POSITIONS, 0, 0]);
    }
    table
}

/// Numbers in half precision, two in 32 bits.
fn halves(values: &[f32]) -> Vec<u32> {
    let bits = |v: f32| u32::from(f16::from_f32(v).to_bits());
    values.as_chunks::<2>().0.iter().map(|&[low, high]| bits(low) | bits(high) << 16).collect()
}
