//! The direct convolution: what a thread computes, how its weights lie, and its launch.

use std::ops::Range;

use super::conv::{Launch, Problem};
use crate::gpu::{Buffer, Gpu};
use crate::kernels::activation::Act;
use crate::kernels::conv::{ConvGeometryLaunch, ConvSpec, conv_tiled};

/// Tiles to choose from: output channels and pixels of a thread.
pub(crate) const TILES: [(usize, usize); 9] =
    [(8, 16), (8, 8), (8, 4), (4, 16), (4, 8), (4, 4), (4, 2), (4, 1), (8, 2)];
/// Largest tile on hardware, where a thread that needs more registers leaves others no room.
const HARDWARE_TILE: usize = 64;
/// Multiply-adds that a thread unrolls at most: more bloats the shader.
const UNROLLED: usize = 640;
/// Input pixels that a thread keeps at most.
const SPAN: usize = 72;
/// Threads below which hardware adapters are given smaller tiles, to fill the processor.
const FEW_THREADS: usize = 16_384;

/// A convolution packed for the direct kernel.
pub(crate) struct Direct {
    spec: ConvSpec,
    /// Weights of each output part, for each input part.
    pub(crate) weights: Vec<Vec<Buffer>>,
}

/// The kernel of a tile; `None` when the convolution does not suit it.
fn spec(problem: &Problem<'_>, (channels, pixels): (usize, usize)) -> Option<ConvSpec> {
    let g = &problem.geometry;
    let ([_, _, kernel_w], [_, _, stride_w], [_, _, dilation_w]) = (g.kernel, g.stride, g.dilation);
    let (spread, dilation_w) = if stride_w == 1 { (dilation_w, 1) } else { (1, dilation_w) };
    let spec = ConvSpec {
        channels,
        pixels,
        spread,
        kernel_w,
        stride_w,
        dilation_w,
        accumulate: false,
        chained: problem.is_long(),
        act: Act::None,
        reads: Act::None,
        shifted: false,
    };
    (spec.span() <= SPAN && channels * pixels * kernel_w <= UNROLLED).then_some(spec)
}

/// The kernel of a tile, or of the one that is estimated to be fastest. `None` when the convolution does not suit it.
pub(crate) fn plan(problem: &Problem<'_>, tile: Option<(usize, usize)>, software: bool) -> Option<ConvSpec> {
    if let Some(tile) = tile {
        return spec(problem, tile);
    }
    let (g, channels) = (&problem.geometry, problem.widest());
    let rows = g.output[0] * g.output[1] * problem.batch;
    let cost = |s: &ConvSpec| {
        let threads = rows * s.threads(g.output[2]) * channels.div_ceil(s.channels);
        let loads = (0..s.span()).filter(|&o| s.touches(o)).count() + s.kernel_w * s.channels;
        // Measured on llvmpipe: a load costs what many multiply-adds cost, and a row has a cost of its own.
        let work = 1100 + 64 * loads + s.kernel_w * s.channels * s.pixels;
        let idle = if software { 1.0 } else { (FEW_THREADS as f64 / threads.max(1) as f64).max(1.0) };
        threads as f64 * work as f64 * idle
    };
    TILES
        .into_iter()
        .filter(|&(c, px)| software || c * px <= HARDWARE_TILE)
        .filter_map(|tile| spec(problem, tile))
        .min_by(|a, b| cost(a).total_cmp(&cost(b)))
}

impl Direct {
    /// Packs the weights for a kernel.
    pub(crate) fn new(gpu: &Gpu, problem: &Problem<'_>, spec: ConvSpec) -> Self {
        let weights = problem.pack(|out, part| gpu.upload(&pack(problem, out, part, spec.channels)));
        Self { spec, weights }
    }

    /// Convolves one input part into one output part, the `(i, j)`th.
    pub(crate) fn launch(&self, gpu: &Gpu, l: &Launch<'_>, (i, j): (usize, usize)) {
        let (g, [od, oh, ow], [id, ih, iw]) = (l.geometry, l.geometry.output, l.geometry.input);
        let (tiles_w, tiles_c) = (self.spec.threads(ow), l.to.channels.div_ceil(self.spec.channels));
        let total = l.batch * tiles_c * od * oh * tiles_w;
        let spec =
            ConvSpec { accumulate: l.accumulate, act: l.act.0, reads: l.reads.0, shifted: l.shifted, ..self.spec };
        let sizes = ConvGeometryLaunch::new(
            total,
            tiles_w,
            tiles_c,
            l.from.channels,
            if spec.chained { (Problem::CHAIN / spec.kernel_w).max(1) } else { l.from.channels.max(1) },
            id,
            ih,
            iw,
            l.to.channels,
            l.to.start,
            od,
            oh,
            ow,
            g.kernel[0],
            g.kernel[1],
            g.stride[0],
            g.stride[1],
            g.stride[2],
            g.dilation[0],
            g.dilation[1],
            g.pad[0],
            g.pad[1],
            g.pad[2],
            l.channels,
            l.from.start,
            l.batch * l.channels,
        );
        let ((cubes, dim), (_, alpha, beta), (_, read_alpha, read_beta)) = (gpu.grid(total), l.act, l.reads);
        let (c, x, w, y) = (&gpu.client, l.from.buffer.arg(), self.weights[j][i].arg(), l.to.buffer.arg());
        let [bias, residual, affine] = [l.bias, l.residual, l.factors].map(|b| Buffer::optional(b).into());
        conv_tiled::launch(
            c, cubes, dim, 4, x, w, bias, residual, affine, y, sizes, alpha, beta, read_alpha, read_beta, spec,
        );
    }
}

/// Weights of some output and input channels as `[tiles, C, taps, tile]`, the last tile filled up with 0.
fn pack(problem: &Problem<'_>, out: &Range<usize>, part: &Range<usize>, tile: usize) -> Vec<f32> {
    let mut packed = Vec::with_capacity(out.len().next_multiple_of(tile) * part.len() * problem.taps());
    for first in out.clone().step_by(tile) {
        for c in part.clone() {
            for t in 0..problem.taps() {
                packed.extend((first..first + tile).map(|m| problem.weight(m, out, c, t)));
            }
        }
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::window::Geometry;

    #[test]
    fn weights_are_packed_in_tiles() {
        // Three output channels, two input channels, one tap, tiles of two: the second tile is half empty.
        let data = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let ones = [1; 3];
        let geometry = Geometry { input: ones, output: ones, kernel: ones, stride: ones, dilation: ones, pad: [0; 3] };
        let problem = Problem { geometry, batch: 1, ins: vec![], outs: vec![], data: &data, channels: 2 };
        assert_eq!(pack(&problem, &(0..3), &(0..2), 2), [1.0, 3.0, 2.0, 4.0, 5.0, 0.0, 6.0, 0.0]);
        assert_eq!(pack(&problem, &(1..3), &(1..2), 2), [4.0, 6.0]);
    }
}
