//! Convolution as a matrix product, tile by tile through workgroup memory.

use cubecl::prelude::*;

use super::activation::{Act, activate};
use super::tile::{Tile, multiply};

/// What is fixed when the kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GemmSpec {
    pub tile: Tile,
    /// Slices of a chain when the sum is made of short chains: twice the registers, less rounding. 0 without chains.
    pub chain: usize,
    /// Adds to what the output holds instead of to the bias.
    pub accumulate: bool,
    /// Applied last.
    pub act: Act,
    /// Applied to what is read, when it is scaled, and whether it is shifted as well.
    pub reads: Act,
    pub shifted: bool,
}

/// Sizes, all in elements.
#[derive(CubeLaunch, CubeType)]
pub(crate) struct GemmGeometry {
    /// Workgroups, and tiles of output channels.
    pub cubes: usize,
    pub tiles_m: usize,
    /// Slices of the sums.
    pub slices: usize,
    /// Output pixels of the whole batch, and of one plane.
    pub pixels: usize,
    pub plane: usize,
    pub in_c: usize,
    pub in_d: usize,
    pub in_h: usize,
    pub in_w: usize,
    /// Output channels here, and the number of the first in the bias.
    pub out_c: usize,
    pub first: usize,
    pub out_h: usize,
    pub out_w: usize,
    pub kernel_d: usize,
    pub kernel_h: usize,
    pub kernel_w: usize,
    pub stride_d: usize,
    pub stride_h: usize,
    pub stride_w: usize,
    pub dilation_d: usize,
    pub dilation_h: usize,
    pub dilation_w: usize,
    pub pad_d: usize,
    pub pad_h: usize,
    pub pad_w: usize,
    /// Channels of the whole input, the first of those here, and where the shifts begin behind the factors.
    pub channels: usize,
    pub in_first: usize,
    pub shifts: usize,
}

/// Where the first tap of an output pixel reads, and which taps read the image.
#[derive(CubeType)]
struct Window {
    /// Element of the first tap in channel 0; wraps where that lies in the padding.
    base: u32,
    /// A bit for each position of the kernel along each axis (first the planes', then the rows', then the columns')
    /// that falls inside the image.
    inside: u32,
    /// Entry of the batch.
    entry: usize,
}

/// Bits of the kernel's positions along one axis that fall inside the image.
#[cube]
fn positions(start: i32, size: usize, kernel: usize, dilation: usize) -> u32 {
    let mut bits = 0u32;
    for k in 0..kernel {
        let at = start + (k * dilation) as i32;
        if at >= 0 && at < size as i32 {
            bits |= 1u32 << k as u32;
        }
    }
    bits
}

#[cube]
fn window(pixel: usize, g: &GemmGeometry) -> Window {
    let entry = pixel / g.plane;
    let rest = pixel % g.plane;
    let row = rest / g.out_w;
    let z = (row / g.out_h * g.stride_d) as i32 - g.pad_d as i32;
    let y = (row % g.out_h * g.stride_h) as i32 - g.pad_h as i32;
    let x = (rest % g.out_w * g.stride_w) as i32 - g.pad_w as i32;
    let inside = positions(z, g.in_d, g.kernel_d, g.dilation_d)
        | (positions(y, g.in_h, g.kernel_h, g.dilation_h) << g.kernel_d as u32)
        | (positions(x, g.in_w, g.kernel_w, g.dilation_w) << (g.kernel_d + g.kernel_h) as u32);
    let first = (entry * g.in_c * g.in_d) as i32;
    let base = ((first + z) * g.in_h as i32 + y) * g.in_w as i32 + x;
    Window { base: base as u32, inside, entry }
}

/// Loads a thread's share of a slice of the weights.
#[cube]
fn read_weights<E: Float, N: Size>(
    w: &[Vector<E, N>],
    to: &mut Array<Vector<E, N>>,
    first: usize,
    #[comptime] tile: Tile,
) {
    #[unroll]
    for i in 0..comptime!(tile.slice().div_ceil(tile.threads())) {
        to[i] = w[first + comptime!(i * tile.threads())];
    }
}

/// Loads a thread's share of a slice of the pixels: those of its column.
#[cube]
#[allow(clippy::too_many_arguments)]
fn gather<N: Size>(
    x: &[f32],
    terms: &[Vector<u32, N>],
    affine: &ComptimeOption<&[f32]>,
    to: &mut Array<f32>,
    view: &Window,
    first: usize,
    factors: usize,
    shifts: usize,
    alpha: f32,
    beta: f32,
    #[comptime] spec: GemmSpec,
) {
    #[unroll]
    for i in 0..comptime!(spec.tile.depth / spec.tile.loaders()) {
        let term = terms[first + comptime!(i * spec.tile.loaders())];
        let inside = view.inside & term.extract(1usize) == term.extract(1usize);
        let at = select(inside, view.base + term.extract(0usize), 0u32) as usize;
        #[comptime]
        let value = match affine {
            ComptimeOption::Some(affine) => {
                let channel = factors + term.extract(2usize) as usize;
                let mut shift = 0.0f32;
                if comptime!(spec.shifted) {
                    shift = affine[shifts + channel];
                }
                activate(fma(affine[channel], x[at], shift), alpha, beta, spec.reads)
            }
            ComptimeOption::None => x[at],
        };
        to[i] = select(inside, value, 0.0f32);
    }
}

/// `out [N, out_c, ...] (+)= conv(x [N, in_c, ...], w)`, then residual and activation, as a product of weights
/// `[out_c, terms]` and pixels `[terms, N * pixels]` that are gathered when they are read. With `affine [1 or 2, N, channels]`
/// what is read is `reads(factor x + shift)`; the padding is zeros of that.
///
/// Weights are packed as `[tiles_m, slices, depth, rows]`, zero where the last tile or slice is ragged. `terms` says for each
/// term: its distance from the window's first element, the bits of its positions (see [`Window`]), its channel.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
pub(crate) fn conv_gemm<E: Float, N: Size>(
    x: &[f32],
    w: &[Vector<E, N>],
    terms: &[Vector<u32, N>],
    bias: ComptimeOption<&[f32]>,
    residual: ComptimeOption<&[f32]>,
    affine: ComptimeOption<&[f32]>,
    out: &mut [f32],
    g: GemmGeometry,
    alpha: f32,
    beta: f32,
    read_alpha: f32,
    read_beta: f32,
    #[comptime] spec: GemmSpec,
) {
    // The same for a whole workgroup: all or none of its threads meet at the barriers.
    if CUBE_POS >= g.cubes {
        terminate!();
    }
    let tile = comptime!(spec.tile);
    let threads = comptime!(tile.threads());
    let unit = UNIT_POS as usize;
    let tile_m = CUBE_POS % g.tiles_m;
    let first_col = CUBE_POS / g.tiles_m * tile.cols;
    let mut a = Shared::<[Vector<E, N>]>::new_slice(comptime!(tile.slice()));
    let mut b = Shared::<[E]>::new_slice(comptime!(tile.depth * tile.cols));

    // Columns beyond the last one repeat it; they are not stored.
    let load_col = unit % tile.cols;
    let load_row = unit / tile.cols;
    let view = window(min(first_col + load_col, g.pixels - 1), &g);
    let factors = view.entry * g.channels + g.in_first;
    let vectors = comptime!(tile.slice().div_ceil(threads));
    let values = comptime!(tile.depth / tile.loaders());
    let mut next_a = Array::<Vector<E, N>>::new(vectors);
    let mut next_b = Array::<f32>::new(values);

    // With chains, `acc` is the chain and `sums` what the chains before it came to.
    let mut acc = Array::<f32>::new(comptime!(tile.sums()));
    let mut sums = Array::<f32>::new(comptime!(if spec.chain > 0 { tile.sums() } else { 1 }));
    #[unroll]
    for i in 0..comptime!(tile.sums()) {
        acc[i] = 0.0f32;
        if comptime!(spec.chain > 0) {
            sums[i] = 0.0f32;
        }
    }
    let row = unit / comptime!(tile.across()) * comptime!(tile.thread_rows / 4);
    let col = unit % comptime!(tile.across());

    // While a slice in workgroup memory is multiplied, the next one is on its way to the registers. After the last one,
    // that is what lies behind it, and not used.
    let packed = tile_m * g.slices;
    read_weights::<E, N>(w, &mut next_a, packed * comptime!(tile.slice()) + unit, tile);
    gather::<N>(x, terms, &affine, &mut next_b, &view, load_row, factors, g.shifts, read_alpha, read_beta, spec);
    for slice in 0..g.slices {
        #[unroll]
        for i in 0..vectors {
            let at = unit + comptime!(i * threads);
            if at < comptime!(tile.slice()) {
                a[at] = next_a[i];
            }
        }
        #[unroll]
        for i in 0..values {
            b[(load_row + comptime!(i * tile.loaders())) * tile.cols + load_col] = E::cast_from(next_b[i]);
        }
        sync_cube();
        read_weights::<E, N>(w, &mut next_a, (packed + slice + 1) * comptime!(tile.slice()) + unit, tile);
        let term = (slice + 1) * tile.depth + load_row;
        gather::<N>(x, terms, &affine, &mut next_b, &view, term, factors, g.shifts, read_alpha, read_beta, spec);
        multiply::<E, N>(&a, &b, &mut acc, row, col, tile);
        // The outer condition is decided when the kernel is compiled, the inner one when it runs.
        #[allow(clippy::collapsible_if)]
        if comptime!(spec.chain > 0) {
            if (slice + 1) % comptime!(Ord::max(spec.chain, 1)) == 0 || slice + 1 == g.slices {
                #[unroll]
                for i in 0..comptime!(tile.sums()) {
                    sums[i] += acc[i];
                    acc[i] = 0.0f32;
                }
            }
        }
        sync_cube();
    }

    let oc = tile_m * tile.rows + row * 4;
    #[unroll]
    for c in 0..tile.thread_cols {
        let pixel = first_col + col + comptime!(c * tile.across());
        if pixel < g.pixels {
            let at = (pixel / g.plane * g.out_c + oc) * g.plane + pixel % g.plane;
            #[unroll]
            for r in 0..tile.thread_rows {
                if oc + r < g.out_c {
                    let at = at + r * g.plane;
                    let sum = comptime!(r * tile.thread_cols + c);
                    let mut value = acc[sum];
                    if comptime!(spec.chain > 0) {
                        value = sums[sum];
                    }
                    if comptime!(spec.accumulate) {
                        value += out[at];
                    } else {
                        #[comptime]
                        let start = match &bias {
                            ComptimeOption::Some(bias) => bias[g.first + oc + r],
                            ComptimeOption::None => 0.0f32,
                        };
                        value += start;
                    }
                    #[comptime]
                    let value = match &residual {
                        ComptimeOption::Some(residual) => value + residual[at],
                        ComptimeOption::None => value,
                    };
                    out[at] = activate(value, alpha, beta, spec.act);
                }
            }
        }
    }
}
