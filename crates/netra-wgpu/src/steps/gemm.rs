//! The convolution as a matrix product: which tiles there are, and the launch.

use half::f16;

use super::conv::{Launch, Problem};
use super::pack::{POSITIONS, halves, pack, terms};
use crate::gpu::{Buffer, Gpu};
use crate::kernels::activation::Act;
use crate::kernels::gemm::{GemmGeometryLaunch, GemmSpec, conv_gemm};
use crate::kernels::shares::sum_shares;
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
/// Slices that are worth a workgroup of their own, and the adding up of what it sums.
const LEAST_SLICES: usize = 8;
/// Instructions that gather a pixel.
const GATHER: usize = 10;

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
        let spec = GemmSpec {
            tile,
            chain,
            shared: false,
            accumulate: false,
            act: Act::None,
            reads: Act::None,
            shifted: false,
        };
        Self { spec, half, terms, weights }
    }

    /// Convolves one input part into one output part, the `(i, j)`th.
    pub(crate) fn launch(&self, gpu: &Gpu, l: &Launch<'_>, (i, j): (usize, usize)) {
        let (g, tile) = (l.geometry, self.spec.tile);
        let ([id, ih, iw], [od, oh, ow], [kd, kh, kw]) = (g.input, g.output, g.kernel);
        let ([sd, sh, sw], [dd, dh, dw], [pd, ph, pw]) = (g.stride, g.dilation, g.pad);
        let (plane, terms) = (od * oh * ow, l.from.channels * kd * kh * kw);
        let (pixels, tiles_m) = (l.batch * plane, l.to.channels.div_ceil(tile.rows));
        let (tiles, slices) = (tiles_m * pixels.div_ceil(tile.cols), terms.div_ceil(tile.depth));
        let total = pixels * l.to.channels;
        let share = share(slices, tiles * tile.threads(), gpu.limit() / (4 * total));
        let shares = slices.div_ceil(share);
        let workgroups = tiles * shares;
        let sizes = GemmGeometryLaunch::new(
            workgroups,
            tiles,
            tiles_m,
            slices,
            share,
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
        let spec = GemmSpec {
            shared: shares > 1,
            accumulate: l.accumulate,
            act: l.act.0,
            reads: l.reads.0,
            shifted: l.shifted,
            ..self.spec
        };
        let launch = if self.half { conv_gemm::launch::<f16> } else { conv_gemm::launch::<f32> };
        let ((act, alpha, beta), (_, read_alpha, read_beta)) = (l.act, l.reads);
        let scratch = (shares > 1).then(|| gpu.empty(shares * total));
        let (c, x, y) = (&gpu.client, l.from.buffer.arg(), scratch.as_ref().unwrap_or(&l.to.buffer).arg());
        let (w, terms) = (self.weights[j][i].arg(), self.terms[i].arg());
        // Each kernel binds only what it reads.
        let ends =
            |shared: bool| [l.bias, l.residual].map(|b| Buffer::optional(b.filter(|_| spec.shared == shared)).into());
        let ([bias, residual], affine) = (ends(false), Buffer::optional(l.factors).into());
        let (cubes, dim) = gpu.workgroups(workgroups, tile.threads());
        launch(
            c, cubes, dim, 4, x, w, terms, bias, residual, affine, y, sizes, alpha, beta, read_alpha, read_beta, spec,
        );
        if let Some(scratch) = scratch {
            let ([bias, residual], (cubes, dim), y) = (ends(true), gpu.grid(total), l.to.buffer.arg());
            let (sums, channels, first) = (scratch.arg(), l.to.channels, l.to.start);
            sum_shares::launch(
                c,
                cubes,
                dim,
                sums,
                bias,
                residual,
                y,
                total,
                shares,
                plane,
                channels,
                first,
                alpha,
                beta,
                l.accumulate,
                act,
            );
        }
    }
}

/// Slices of a share of the sums: all of them where `threads` fill the processor, else so few that they do, though not less than
/// are worth a workgroup, and no more shares than there is room for.
fn share(slices: usize, threads: usize, room: usize) -> usize {
    let shares = (FILL / threads.max(1)).min(slices / LEAST_SLICES).min(room).max(1);
    slices.div_ceil(shares).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn few_pixels_share_their_sums() {
        assert_eq!(share(54, FILL, usize::MAX), 54, "enough threads");
        assert_eq!(share(288, 2048, usize::MAX), 18, "sixteen shares fill the processor");
        assert_eq!(share(40, 64, usize::MAX), 8, "none is smaller than it is worth");
        assert_eq!(share(40, 64, 2), 20, "no more than there is room for");
        assert_eq!(share(3, 64, 0), 3);
    }
}
