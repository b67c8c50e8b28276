//! Moving values between grids of a volume: windows cut and summed, resampling by tables of positions.

use cubecl::prelude::*;

/// Slices, rows, columns: a size, or an index.
#[derive(CubeLaunch, CubeType)]
pub(crate) struct Three {
    pub d: usize,
    pub h: usize,
    pub w: usize,
}

/// An index of a grid that may lie outside it.
#[derive(CubeLaunch, CubeType)]
pub(crate) struct Start {
    pub d: i32,
    pub h: i32,
    pub w: i32,
}

/// Index `position` of a row-major grid.
#[cube]
pub(crate) fn index_of(position: usize, size: &Three) -> Three {
    let row = position / size.w;
    Three { d: row / size.h, h: row % size.h, w: position % size.w }
}

/// What fills a window beyond its volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Edge {
    Constant,
    Replicate,
    Reflect,
    Circular,
}

/// The index that stands for `i` on an axis, and -1 for none.
#[cube]
fn folded(i: i32, size: usize, #[comptime] edge: Edge) -> i32 {
    let n = size as i32;
    let last = n - 1i32;
    match edge {
        Edge::Constant => select(i >= 0i32 && i < n, i, -1i32),
        Edge::Replicate => min(max(i, 0i32), last),
        Edge::Reflect => last - (last - i.abs()).abs(),
        // By one size at most.
        Edge::Circular => select(i < 0i32, i + n, select(i >= n, i - n, i)),
    }
}

/// `out [window]`, from element `to` on, is the part of `x [size]`, from element `from` on, that begins at `start`.
#[cube(launch)]
pub(crate) fn cut_kernel(
    x: &[f32],
    out: &mut [f32],
    total: usize,
    from: usize,
    to: usize,
    size: Three,
    window: Three,
    start: Start,
    fill: f32,
    #[comptime] edge: Edge,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let at = index_of(ABSOLUTE_POS, &window);
    let d = folded(start.d + at.d as i32, size.d, edge);
    let h = folded(start.h + at.h as i32, size.h, edge);
    let w = folded(start.w + at.w as i32, size.w, edge);
    let inside = d >= 0i32 && h >= 0i32 && w >= 0i32;
    let place = from + (max(d, 0i32) as usize * size.h + max(h, 0i32) as usize) * size.w + max(w, 0i32) as usize;
    out[to + ABSOLUTE_POS] = select(inside, x[place], fill);
}

/// Which voxels of a window are added to which of a ring of slices: slice `z` of the grid lies at `z` modulo the slices of
/// the ring.
#[derive(CubeLaunch, CubeType)]
pub(crate) struct Overlap {
    /// The voxels, where they begin in the window and in the grid.
    pub own: Three,
    pub within: Three,
    pub start: Three,
    pub window: Three,
    pub ring: Three,
}

/// Where a voxel lies in the window, and in the ring.
#[derive(CubeType)]
struct Meeting {
    from: usize,
    to: usize,
}

/// Voxel `position` of the overlap.
#[cube]
fn meet(position: usize, o: &Overlap) -> Meeting {
    let at = index_of(position, &o.own);
    Meeting {
        from: ((o.within.d + at.d) * o.window.h + o.within.h + at.h) * o.window.w + o.within.w + at.w,
        to: ((o.start.d + at.d) % o.ring.d * o.ring.h + o.start.h + at.h) * o.ring.w + o.start.w + at.w,
    }
}

/// Adds channels of `x [channels, window]`, times `weights [window]`, to `sum [channels, ring]`, or without weights puts them
/// there: channel `k` of the sum takes channel `table[k]`, or none where that is the greatest number.
#[cube(launch)]
pub(crate) fn add_kernel(
    x: &[f32],
    weights: ComptimeOption<&[f32]>,
    table: &[u32],
    sum: &mut [f32],
    total: usize,
    voxels: usize,
    o: Overlap,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let k = ABSOLUTE_POS / voxels;
    let channel = table[k];
    if channel == 0xffff_ffffu32 {
        terminate!();
    }
    let place = meet(ABSOLUTE_POS % voxels, &o);
    let value = x[channel as usize * (o.window.d * o.window.h * o.window.w) + place.from];
    let to = k * (o.ring.d * o.ring.h * o.ring.w) + place.to;
    #[comptime]
    match &weights {
        ComptimeOption::Some(weights) => sum[to] += value * weights[place.from],
        ComptimeOption::None => sum[to] = value,
    }
}

/// Adds `weights [window]` to `sum [ring]`.
#[cube(launch)]
pub(crate) fn weigh_kernel(weights: &[f32], sum: &mut [f32], total: usize, o: Overlap) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let place = meet(ABSOLUTE_POS, &o);
    sum[place.to] += weights[place.from];
}

/// What lies beyond a grid's outermost centres, see `netra_graph::volumes::Beyond`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outside {
    Border,
    Zeros,
    Extent,
}

/// A position on an axis: a whole index and what is beyond it, at least 0 and under 1.
#[derive(CubeType)]
pub(crate) struct Position {
    pub base: i32,
    pub t: f32,
}

/// The source position of a target index along one axis: the sum of what slice, row and column contribute. Tables hold three
/// numbers for each slice, then each row, then each column; whole parts and fractions apart, since positions have to be
/// more precise than float32 is.
#[cube]
pub(crate) fn position(
    wholes: &[i32],
    fractions: &[f32],
    at: &Three,
    target: &Three,
    #[comptime] axis: usize,
) -> Position {
    let slice = at.d * 3 + axis;
    let row = (target.d + at.h) * 3 + axis;
    let column = (target.d + target.h + at.w) * 3 + axis;
    let sum = fractions[slice] + fractions[row] + fractions[column];
    let carry = sum.floor();
    Position { base: wholes[slice] + wholes[row] + wholes[column] + i32::cast_from(carry), t: sum - carry }
}

/// The two voxels around a position and their weights.
#[derive(CubeType)]
pub(crate) struct Pair {
    pub low: usize,
    pub high: usize,
    pub low_weight: f32,
    pub high_weight: f32,
    /// Whether the position counts as inside.
    pub inside: bool,
}

/// Half a voxel and the millionth by which a position may miss what it should be.
const REACH: f32 = 0.500_001;

#[cube]
pub(crate) fn pair(p: &Position, size: usize, #[comptime] outside: Outside) -> Pair {
    let last = size as i32 - 1i32;
    let low = min(max(p.base, 0i32), last);
    let high = min(max(p.base + 1i32, 0i32), last);
    match outside {
        Outside::Zeros => {
            let below = p.base >= 0i32 && p.base <= last;
            let above = p.base >= -1i32 && p.base < last;
            Pair {
                low: low as usize,
                high: high as usize,
                low_weight: select(below, 1.0f32 - p.t, 0.0f32),
                high_weight: select(above, p.t, 0.0f32),
                inside: below || above,
            }
        }
        Outside::Border | Outside::Extent => {
            let t = select(p.base < 0i32 || p.base >= last, 0.0f32, p.t);
            let after = p.base >= 0i32 || (p.base == -1i32 && p.t >= 1.0f32 - REACH);
            let before = p.base < last || (p.base == last && p.t <= REACH);
            let inside = if comptime!(outside == Outside::Border) { true.runtime() } else { after && before };
            // What has no weight is not read.
            let high = select(t == 0.0f32, low, high);
            Pair { low: low as usize, high: high as usize, low_weight: 1.0f32 - t, high_weight: t, inside }
        }
    }
}

/// The nearest index, the later of two equally near; -1 for none.
#[cube]
pub(crate) fn nearest(p: &Position, size: usize, #[comptime] outside: Outside) -> i32 {
    let n = size as i32;
    let at = p.base + select(p.t >= 1.0f32 - REACH, 1i32, 0i32);
    if comptime!(outside == Outside::Border) {
        min(max(at, 0i32), n - 1i32)
    } else {
        select(at >= 0i32 && at < n, at, -1i32)
    }
}

/// `out [target]`, from element `to` on: `x [size]`, from element `from` on, interpolated.
#[cube(launch)]
pub(crate) fn linear_kernel(
    x: &[f32],
    wholes: &[i32],
    fractions: &[f32],
    out: &mut [f32],
    total: usize,
    from: usize,
    to: usize,
    size: Three,
    target: Three,
    #[comptime] outside: Outside,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let at = index_of(ABSOLUTE_POS, &target);
    let d = pair(&position(wholes, fractions, &at, &target, 0usize), size.d, outside);
    let h = pair(&position(wholes, fractions, &at, &target, 1usize), size.h, outside);
    let w = pair(&position(wholes, fractions, &at, &target, 2usize), size.w, outside);
    let value = trilinear(x, from + d.low * size.h * size.w, from + d.high * size.h * size.w, size.w, &d, &h, &w);
    out[to + ABSOLUTE_POS] = select(d.inside && h.inside && w.inside, value, 0.0f32);
}

/// The eight voxels of two planes, from elements `low` and `high` on, weighed.
#[cube]
pub(crate) fn trilinear(x: &[f32], low: usize, high: usize, width: usize, d: &Pair, h: &Pair, w: &Pair) -> f32 {
    let (upper, lower) = (h.low * width, h.high * width);
    let a = x[low + upper + w.low] * w.low_weight + x[low + upper + w.high] * w.high_weight;
    let b = x[low + lower + w.low] * w.low_weight + x[low + lower + w.high] * w.high_weight;
    let c = x[high + upper + w.low] * w.low_weight + x[high + upper + w.high] * w.high_weight;
    let e = x[high + lower + w.low] * w.low_weight + x[high + lower + w.high] * w.high_weight;
    (a * h.low_weight + b * h.high_weight) * d.low_weight + (c * h.low_weight + e * h.high_weight) * d.high_weight
}

/// `out [target]`, from element `to` on: the nearest element of `x [size]`, from element `from` on, or `none` outside.
#[cube(launch)]
pub(crate) fn nearest_kernel(
    x: &[u32],
    wholes: &[i32],
    fractions: &[f32],
    out: &mut [u32],
    total: usize,
    from: usize,
    to: usize,
    size: Three,
    target: Three,
    none: u32,
    #[comptime] outside: Outside,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let at = index_of(ABSOLUTE_POS, &target);
    let d = nearest(&position(wholes, fractions, &at, &target, 0usize), size.d, outside);
    let h = nearest(&position(wholes, fractions, &at, &target, 1usize), size.h, outside);
    let w = nearest(&position(wholes, fractions, &at, &target, 2usize), size.w, outside);
    let inside = d >= 0i32 && h >= 0i32 && w >= 0i32;
    let place = (max(d, 0i32) as usize * size.h + max(h, 0i32) as usize) * size.w + max(w, 0i32) as usize;
    out[to + ABSOLUTE_POS] = select(inside, x[from + place], none);
}
