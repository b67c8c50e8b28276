//! The convolution as a matrix product: which tiles there are, how weights and terms lie, and the launch.

use std::ops::Range;

use half::f16;

use super::conv::{Launch, Problem};
use crate::gpu::{Buffer, Gpu};
use crate::kernels::activation::Act;
use crate::kernels::gemm::{GemmGeometryLaunch, GemmSpec, conv_gemm};
use crate::kernels::tile::Tile;

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
    suits.then(|| tile.unwrap_or_else(|| best(problem.widest(), problem.pixels(), 1)))
}

/// The tile that is estimated to be fastest for `batch` products of `m` by `n`.
///
/// What a thread does for one term of its sums, in instructions: multiply-adds, loads from workgroup memory, and its share of
/// gathering pixels. Threads that overhang work as well, and too few of them leave the processor idle.
pub(crate) fn best(m: usize, n: usize, batch: usize) -> Tile {
    let cost = |t: &Tile| {
        let threads = batch * m.div_ceil(t.rows) * n.div_ceil(t.cols) * t.threads();
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

/// Weights of some output and input channels as `[tiles, slices, depth, rows]`, the last tile and slice filled up with 0, and
/// more of these behind them: the kernel reads one slice ahead, as many vectors as it has threads at a time.
fn pack(problem: &Problem<'_>, out: &Range<usize>, part: &Range<usize>, tile: &Tile) -> Vec<f32> {
    let taps = problem.taps();
    let (terms, rows) = (part.len() * taps, out.len().next_multiple_of(tile.rows));
    let behind = 4 * tile.slice().next_multiple_of(tile.threads());
    let mut packed = Vec::with_capacity(rows * terms.next_multiple_of(tile.depth) + behind);
    for first in out.clone().step_by(tile.rows) {
        for term in 0..terms.next_multiple_of(tile.depth) {
            let value = |m| {
                if term < terms { problem.weight(m, out, part.start + term / taps, term % taps) } else { 0.0 }
            };
            packed.extend((first..first + tile.rows).map(value));
        }
    }
    packed.resize(packed.len() + behind, 0.0);
    packed
}

/// The table of the terms of some input channels: distance from the window's first element, bits of its positions along the
/// axes, channel, and nothing. Those that fill the last slice are in no window, nor are those of the slice behind it.
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
    let full = ((table.len() / TERM).next_multiple_of(depth) + depth) * TERM;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::window::Geometry;

    #[test]
    fn tiles_keep_their_word() {
        for t in TILES {
            assert!(t.threads() <= 256 && (t.slice() * 4 + t.depth * t.cols) * 4 <= 16 << 10, "{t:?}");
            assert!(t.threads().is_multiple_of(t.cols) && t.depth.is_multiple_of(t.loaders()), "{t:?}");
            assert!(t.rows.is_multiple_of(t.thread_rows) && t.thread_rows.is_multiple_of(4), "{t:?}");
            assert!(t.cols.is_multiple_of(t.thread_cols) && t.sums() * t.depth <= 512, "{t:?}");
            assert!(Problem::CHAIN.is_multiple_of(t.depth), "{t:?}");
        }
    }

    #[test]
    fn estimates_follow_the_shape() {
        // Few channels, many pixels: wide tiles. Many of both: the largest. Few pixels: small ones, for more workgroups.
        assert_eq!(best(16, 1 << 21, 1).rows, 16);
        assert_eq!(best(32, 1 << 21, 1).rows, 32);
        assert_eq!(best(256, 25_088, 1), tile(128, 128, 8, 8, 8));
        assert_eq!(best(512, 49, 1).cols, 32);
    }

    /// Three output channels and two input channels of a kernel of two, with room around the image.
    fn problem(data: &[f32]) -> Problem<'_> {
        let geometry = Geometry {
            input: [1, 5, 7],
            output: [1, 5, 7],
            kernel: [1, 1, 2],
            stride: [1; 3],
            dilation: [1, 1, 3],
            pad: [0; 3],
        };
        Problem { geometry, batch: 1, ins: vec![], outs: vec![], data, channels: 2 }
    }

    #[test]
    fn weights_are_packed_in_slices() {
        let data: Vec<f32> = (1..=12).map(|i| i as f32).collect();
        let packed = pack(&problem(&data), &(0..3), &(0..2), &tile(4, 4, 3, 4, 1));
        // Four terms in slices of three, four rows a term: the last row and the last two terms are empty.
        let terms = [[1.0, 5.0, 9.0, 0.0], [2.0, 6.0, 10.0, 0.0], [3.0, 7.0, 11.0, 0.0], [4.0, 8.0, 12.0, 0.0]];
        let behind = 16;
        assert_eq!(packed, [terms.concat(), vec![0.0; 8 + behind]].concat());
        assert_eq!(halves(&[1.0, -2.0, 65_504.0, 0.0]), [0xc000_3c00, 0x7bff]);
    }

    #[test]
    fn terms_know_their_places() {
        let table = terms(&problem(&[]), 2, 3);
        let rows: Vec<&[u32]> = table.chunks(TERM).collect();
        assert_eq!(rows[..2], [[0, 0b0111, 0, 0], [3, 0b1011, 0, 0]]);
        assert_eq!(rows[2..4], [[35, 0b0111, 1, 0], [38, 0b1011, 1, 0]]);
        assert_eq!(rows[4..], [[0, 1 << POSITIONS, 0, 0]; 5]);
    }
}
