//! Sampling at places that are themselves data.

use cubecl::prelude::*;

/// Interpolation of a grid sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Taps {
    Nearest,
    Linear,
    Cubic,
}

impl Taps {
    fn count(self) -> usize {
        match self {
            Taps::Nearest => 1,
            Taps::Linear => 2,
            Taps::Cubic => 4,
        }
    }
}

/// What a grid sample reads outside its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outside {
    Zeros,
    Border,
    Reflection,
}

/// How a grid sample reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sampling {
    pub taps: Taps,
    pub outside: Outside,
    /// Whether -1 and 1 are the centres of the outermost elements.
    pub align_corners: bool,
    /// Spatial axes.
    pub rank: usize,
}

/// Sizes of a grid sample; missing spatial axes have size 1.
#[derive(CubeLaunch, CubeType)]
pub(crate) struct GridSizes {
    pub total: usize,
    pub channels: usize,
    /// Places of one batch entry.
    pub points: usize,
    pub in_d: usize,
    pub in_h: usize,
    pub in_w: usize,
}

/// The coordinate, in elements, that -1 to 1 means on an axis, kept where it converts to an integer.
#[cube]
fn coordinate(at: f32, size: usize, #[comptime] align_corners: bool) -> f32 {
    let n = f32::cast_from(size);
    let half = (n - 1.0f32) * 0.5f32;
    let x = if comptime!(align_corners) { fma(at, half, half) } else { fma(at, n * 0.5f32, half) };
    min(max(x, -1.0e9f32), 1.0e9f32)
}

/// The index that tap `i` reads, and -1 for none.
#[cube]
fn inside(i: i32, size: usize, #[comptime] s: Sampling) -> i32 {
    let n = size as i32;
    match s.outside {
        Outside::Zeros => select(i >= 0i32 && i < n, i, -1i32),
        Outside::Border => min(max(i, 0i32), n - 1i32),
        Outside::Reflection => {
            let period = if comptime!(s.align_corners) { max(2i32 * n - 2i32, 1i32) } else { 2i32 * n };
            let rest = i - i / period * period;
            let rest = select(rest < 0i32, rest + period, rest);
            let mirrored = if comptime!(s.align_corners) { period - rest } else { period - 1i32 - rest };
            select(rest < n, rest, mirrored)
        }
    }
}

/// Weight of the tap at distance `d` of the cubic kernel with the coefficient -0.75.
#[cube]
fn cubic(d: f32) -> f32 {
    let d = d.abs();
    let near = (1.25f32 * d - 2.25f32) * d * d + 1.0f32;
    let far = ((-0.75f32 * d + 3.75f32) * d - 6.0f32) * d + 3.0f32;
    select(d <= 1.0f32, near, far)
}

/// Writes the indices and weights of one axis.
#[cube]
fn axis_taps(at: f32, size: usize, indices: &mut Array<i32>, weights: &mut Array<f32>, #[comptime] s: Sampling) {
    let count = comptime!(s.taps.count());
    let x = coordinate(at, size, s.align_corners);
    let base = if comptime!(s.taps == Taps::Nearest) { x.round() } else { x.floor() };
    let t = x - base;
    let first = if comptime!(s.taps == Taps::Cubic) { i32::cast_from(base) - 1i32 } else { i32::cast_from(base) };
    #[unroll]
    for k in 0..count {
        indices[k] = inside(first + k as i32, size, s);
        weights[k] = match s.taps {
            Taps::Nearest => 1.0f32,
            Taps::Linear => {
                if comptime!(k == 0) {
                    1.0f32 - t
                } else {
                    t
                }
            }
            Taps::Cubic => cubic(t + 1.0f32 - f32::cast_from(k)),
        };
    }
}

/// `out [N, C, points] = x [N, C, D, H, W]` at `grid [N, points, rank]`, the innermost axis first.
#[cube(launch)]
pub(crate) fn grid_sample_kernel(x: &[f32], grid: &[f32], out: &mut [f32], g: GridSizes, #[comptime] s: Sampling) {
    if ABSOLUTE_POS >= g.total {
        terminate!();
    }
    let count = comptime!(s.taps.count());
    let rows = comptime!(if s.rank > 1 { s.taps.count() } else { 1 });
    let slices = comptime!(if s.rank > 2 { s.taps.count() } else { 1 });
    let point = ABSOLUTE_POS % g.points;
    let plane = ABSOLUTE_POS / g.points;
    let at = (plane / g.channels * g.points + point) * s.rank;
    let mut finite = !grid[at].is_nan() && !grid[at].is_inf();
    let mut ix = Array::<i32>::new(count);
    let mut wx = Array::<f32>::new(count);
    axis_taps(grid[at], g.in_w, &mut ix, &mut wx, s);
    let mut iy = Array::<i32>::new(rows);
    let mut wy = Array::<f32>::new(rows);
    if comptime!(s.rank > 1) {
        finite = finite && !grid[at + 1].is_nan() && !grid[at + 1].is_inf();
        axis_taps(grid[at + 1], g.in_h, &mut iy, &mut wy, s);
    } else {
        iy[0] = 0i32;
        wy[0] = 1.0f32;
    }
    let mut iz = Array::<i32>::new(slices);
    let mut wz = Array::<f32>::new(slices);
    if comptime!(s.rank > 2) {
        finite = finite && !grid[at + 2].is_nan() && !grid[at + 2].is_inf();
        axis_taps(grid[at + 2], g.in_d, &mut iz, &mut wz, s);
    } else {
        iz[0] = 0i32;
        wz[0] = 1.0f32;
    }
    let mut sum = 0.0f32;
    #[unroll]
    for kz in 0..slices {
        #[unroll]
        for ky in 0..rows {
            #[unroll]
            for kx in 0..count {
                if iz[kz] >= 0i32 && iy[ky] >= 0i32 && ix[kx] >= 0i32 {
                    let row = (plane * g.in_d + iz[kz] as usize) * g.in_h + iy[ky] as usize;
                    sum += x[row * g.in_w + ix[kx] as usize] * (wz[kz] * wy[ky] * wx[kx]);
                }
            }
        }
    }
    out[ABSOLUTE_POS] = select(finite, sum, 0.0f32);
}

/// Sizes and parameters of a pooling of regions.
#[derive(CubeLaunch, CubeType)]
pub(crate) struct RoiSizes {
    pub total: usize,
    pub images: usize,
    pub channels: usize,
    pub in_h: usize,
    pub in_w: usize,
    pub out_h: usize,
    pub out_w: usize,
    /// Samples along each axis of a bin; 0 chooses by the region's size.
    pub samples: usize,
    /// Factor from the regions' coordinates to the input's, and what is then taken off.
    pub scale: f32,
    pub offset: f32,
}

/// Most samples along one axis of a bin.
const MAX_SAMPLES: f32 = 4096.0;

/// One axis of a bin.
#[derive(CubeType)]
struct BinAxis {
    start: f32,
    step: f32,
    samples: usize,
}

#[cube]
fn bin_axis(from: f32, to: f32, bin: usize, bins: usize, g: &RoiSizes, #[comptime] half_pixel: bool) -> BinAxis {
    let start = from * g.scale - g.offset;
    let length = (to - from) * g.scale;
    let length = if comptime!(half_pixel) { length } else { max(length, 1.0f32) };
    let size = length / f32::cast_from(bins);
    let chosen = usize::cast_from(min(max(size.ceil(), 0.0f32), MAX_SAMPLES));
    let samples = select(g.samples > 0, g.samples, chosen);
    BinAxis { start: start + size * f32::cast_from(bin), step: size / f32::cast_from(max(samples, 1usize)), samples }
}

/// The lower neighbour of a sample, and how far the sample is from it.
#[derive(CubeType)]
struct Neighbour {
    low: usize,
    high: usize,
    t: f32,
    inside: bool,
}

#[cube]
fn neighbour(x: f32, size: usize) -> Neighbour {
    let edge = size - 1;
    let n = f32::cast_from(size);
    let kept = min(max(x, 0.0f32), n);
    let low = min(usize::cast_from(kept), edge);
    let t = select(low == edge, 0.0f32, kept - f32::cast_from(low));
    Neighbour { low, high: min(low + 1, edge), t, inside: x >= -1.0f32 && x <= n }
}

/// `out [R, C, out_h, out_w]`: bins of the regions `rois [R, 4]` of `x [N, C, H, W]`; the mean of a bin's samples, or the
/// largest of all their weighted neighbours.
#[cube(launch)]
pub(crate) fn roi_align_kernel(
    x: &[f32],
    rois: &[f32],
    batches: &[i32],
    out: &mut [f32],
    g: RoiSizes,
    start: f32,
    #[comptime] largest: bool,
    #[comptime] half_pixel: bool,
) {
    if ABSOLUTE_POS >= g.total {
        terminate!();
    }
    let column = ABSOLUTE_POS % g.out_w;
    let rest = ABSOLUTE_POS / g.out_w;
    let row = rest % g.out_h;
    let rest = rest / g.out_h;
    let roi = rest / g.channels;
    let image = min(max(batches[roi], 0i32) as usize, g.images - 1);
    let base = (image * g.channels + rest % g.channels) * g.in_h * g.in_w;
    let ys = bin_axis(rois[roi * 4 + 1], rois[roi * 4 + 3], row, g.out_h, &g, half_pixel);
    let xs = bin_axis(rois[roi * 4], rois[roi * 4 + 2], column, g.out_w, &g, half_pixel);
    let mut acc = start;
    for r in 0..ys.samples {
        let y = neighbour(ys.start + ys.step * (f32::cast_from(r) + 0.5f32), g.in_h);
        for c in 0..xs.samples {
            let x_at = neighbour(xs.start + xs.step * (f32::cast_from(c) + 0.5f32), g.in_w);
            let weight = select(y.inside && x_at.inside, 1.0f32, 0.0f32);
            let (top, bottom) = (base + y.low * g.in_w, base + y.high * g.in_w);
            let a = x[top + x_at.low] * ((1.0f32 - y.t) * (1.0f32 - x_at.t) * weight);
            let b = x[top + x_at.high] * ((1.0f32 - y.t) * x_at.t * weight);
            let d = x[bottom + x_at.low] * (y.t * (1.0f32 - x_at.t) * weight);
            let e = x[bottom + x_at.high] * (y.t * x_at.t * weight);
            if comptime!(largest) {
                acc = max(acc, max(max(a, b), max(d, e)));
            } else {
                acc += a + b + d + e;
            }
        }
    }
    let count = ys.samples * xs.samples;
    let value = if comptime!(largest) { acc } else { acc / f32::cast_from(max(count, 1usize)) };
    out[ABSOLUTE_POS] = select(count == 0, 0.0f32, value);
}
