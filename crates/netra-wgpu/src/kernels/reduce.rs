//! Reductions along one axis, normalisation and softmax.

use cubecl::prelude::*;

use super::activation::{Act, activate};
use super::number::{Fold, Number};

/// `[outer, size, inner]` seen through `lanes` threads along the axis.
#[derive(CubeLaunch, CubeType)]
pub(crate) struct Rows {
    pub total: usize,
    pub size: usize,
    pub inner: usize,
    pub lanes: usize,
}

/// Folds `x [outer, size, inner]` to `out [outer, lanes, inner]`: lane `l` takes elements `l, l + lanes, ...`.
/// Starts at the bits `identity`, or continues from what `out` holds when `resume`. `shift` is `[outer, inner]`.
#[cube(launch)]
pub(crate) fn fold_kernel<E: Number>(
    x: &[E],
    shift: ComptimeOption<&[E]>,
    out: &mut [E],
    rows: Rows,
    identity: u32,
    #[comptime] fold: Fold,
    #[comptime] resume: bool,
) {
    if ABSOLUTE_POS >= rows.total {
        terminate!();
    }
    let column = ABSOLUTE_POS % rows.inner;
    let rest = ABSOLUTE_POS / rows.inner;
    let lane = rest % rows.lanes;
    let outer = rest / rows.lanes;
    #[comptime]
    let by = match &shift {
        ComptimeOption::Some(s) => s[outer * rows.inner + column],
        ComptimeOption::None => E::from_int(0),
    };
    let mut acc = E::reinterpret(identity);
    if comptime!(resume) {
        acc = out[ABSOLUTE_POS];
    }
    let steps = (rows.size + rows.lanes - 1 - lane) / rows.lanes;
    let mut at = (outer * rows.size + lane) * rows.inner + column;
    for _ in 0..steps {
        acc = E::fold(acc, x[at], by, fold);
        at += rows.lanes * rows.inner;
    }
    out[ABSOLUTE_POS] = acc;
}

/// Where a normalised element finds its row, scale and bias.
#[derive(CubeLaunch, CubeType)]
pub(crate) struct Normalise {
    pub total: usize,
    /// Elements a row.
    pub row: usize,
    /// The parameter of element `i` is `(i / stride) % count + first`.
    pub stride: usize,
    pub count: usize,
    pub first: usize,
    pub epsilon: f32,
}

/// `act((x - mean) / sqrt(squares / row + epsilon) * scale + bias)`.
#[cube(launch)]
pub(crate) fn normalise_kernel(
    x: &[f32],
    mean: &[f32],
    squares: &[f32],
    scale: &[f32],
    bias: ComptimeOption<&[f32]>,
    out: &mut [f32],
    n: Normalise,
    alpha: f32,
    beta: f32,
    #[comptime] act: Act,
) {
    if ABSOLUTE_POS >= n.total {
        terminate!();
    }
    let row = ABSOLUTE_POS / n.row;
    let p = (ABSOLUTE_POS / n.stride) % n.count + n.first;
    let variance = squares[row] / f32::cast_from(n.row);
    let scaled = (x[ABSOLUTE_POS] - mean[row]) / (variance + n.epsilon).sqrt() * scale[p];
    #[comptime]
    let y = match &bias {
        ComptimeOption::Some(b) => scaled + b[p],
        ComptimeOption::None => scaled,
    };
    out[ABSOLUTE_POS] = activate(y, alpha, beta, act);
}

/// Factors and shifts `[2, N, channels]` with which `factor x + shift` is group normalisation, of `count` channels from `first` on.
/// `mean` and `squares` (sums of squared differences from it) are of the groups, `row` elements each.
#[cube(launch)]
pub(crate) fn affine_kernel(
    mean: &[f32],
    squares: &[f32],
    scale: &[f32],
    bias: &[f32],
    out: &mut [f32],
    total: usize,
    row: usize,
    group: usize,
    count: usize,
    first: usize,
    channels: usize,
    epsilon: f32,
    shifts: usize,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let c = ABSOLUTE_POS % count;
    let n = ABSOLUTE_POS / count;
    let moment = ABSOLUTE_POS / group;
    let factor = scale[first + c] / (squares[moment] / row as f32 + epsilon).sqrt();
    let at = n * channels + first + c;
    out[at] = factor;
    out[shifts + at] = bias[first + c] - mean[moment] * factor;
}

/// `exp(x - peak) / sum`, or its logarithm, over `x [outer, size, inner]`; `peak` and `sum` are `[outer, inner]`.
#[cube(launch)]
pub(crate) fn softmax_kernel(
    x: &[f32],
    peak: &[f32],
    sum: &[f32],
    out: &mut [f32],
    total: usize,
    size: usize,
    inner: usize,
    #[comptime] log: bool,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let row = ABSOLUTE_POS / (size * inner) * inner + ABSOLUTE_POS % inner;
    let v = x[ABSOLUTE_POS] - peak[row];
    if comptime!(log) {
        out[ABSOLUTE_POS] = v - sum[row].ln();
    } else {
        out[ABSOLUTE_POS] = v.exp() / sum[row];
    }
}

/// Index of the largest (smallest) element along the axis of `x [outer, size, inner]`, counted from `first`.
/// `best` keeps the element itself, so that a later call may `resume` with further elements of the axis.
#[cube(launch)]
pub(crate) fn arg_kernel<E: Numeric>(
    x: &[E],
    best: &mut [E],
    out: &mut [i32],
    total: usize,
    size: usize,
    inner: usize,
    first: usize,
    #[comptime] smallest: bool,
    #[comptime] select_last: bool,
    #[comptime] resume: bool,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let column = ABSOLUTE_POS % inner;
    let base = ABSOLUTE_POS / inner * size * inner + column;
    let mut top = x[base];
    let mut index = first as i32;
    if comptime!(resume) {
        top = best[ABSOLUTE_POS];
        index = out[ABSOLUTE_POS];
    }
    for i in 0..size {
        let v = x[base + i * inner];
        let wins = if comptime!(smallest && select_last) {
            v <= top
        } else if comptime!(smallest) {
            v < top
        } else if comptime!(select_last) {
            v >= top
        } else {
            v > top
        };
        if wins {
            top = v;
            index = (first + i) as i32;
        }
    }
    best[ABSOLUTE_POS] = top;
    out[ABSOLUTE_POS] = index;
}
