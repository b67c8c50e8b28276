//! Folding (summing, comparing) along axes: what reductions, softmax and the normalisations share.

use super::view::{View, assemble, contiguous, copy, empty};
use crate::gpu::{Buffer, Gpu};
use crate::kernels::number::Fold;
use crate::kernels::reduce::{RowsLaunch, fold_kernel};
use crate::value::{Part, Value, count, strides, with_channels};

/// Outputs above which one thread folds a whole row.
const PLENTY: usize = 4096;
/// Rows below which one thread folds a whole row.
const SHORT: usize = 16;

/// A contiguous array seen as `[outer, size, inner]`, folded along the middle.
#[derive(Clone, Copy)]
pub(crate) struct Middle {
    pub(crate) outer: usize,
    pub(crate) size: usize,
    pub(crate) inner: usize,
}

impl Middle {
    /// The view of `shape` whose middle is `axis`.
    pub(crate) fn of(shape: &[usize], axis: usize) -> Self {
        Self {
            outer: count(&shape[..axis]),
            size: shape.get(axis).copied().unwrap_or(1),
            inner: count(shape.get(axis + 1..).unwrap_or_default()),
        }
    }

    /// Elements left after folding.
    pub(crate) fn outputs(self) -> usize {
        self.outer * self.inner
    }
}

/// What a fold does.
#[derive(Clone, Copy)]
pub(crate) struct Folding<'a> {
    pub(crate) fold: Fold,
    /// `[outer, inner]`, read by folds with a shift.
    pub(crate) shift: Option<&'a Buffer>,
    /// Whether elements are floats.
    pub(crate) float: bool,
}

impl Folding<'_> {
    /// What combines partial results of this fold.
    fn combine(self) -> Self {
        Self { fold: self.fold.combine(), shift: None, ..self }
    }
}

/// Folds through `lanes` threads a row to `out [outer, lanes, inner]`, continuing from what it holds when `resume`.
fn launch(gpu: &Gpu, x: &Buffer, m: Middle, lanes: usize, f: Folding<'_>, out: &Buffer, resume: bool) {
    let total = m.outputs() * lanes;
    if total == 0 {
        return;
    }
    let (cubes, dim) = gpu.grid(total);
    let rows = RowsLaunch::new(total, m.size, m.inner, lanes);
    let (c, x, out, (float, int)) = (&gpu.client, x.arg(), out.arg(), f.fold.identity());
    if f.float {
        let shift = Buffer::optional(f.shift).into();
        fold_kernel::launch::<f32>(c, cubes, dim, x, shift, out, rows, float.to_bits(), f.fold, resume);
    } else {
        fold_kernel::launch::<i32>(c, cubes, dim, x, None.into(), out, rows, int as u32, f.fold, resume);
    }
}

/// Folds the middle axis to `[outer, inner]`. Long rows are shared by many threads: first each folds a strided share
/// of about the square root of the row, then one thread folds the shares.
pub(crate) fn fold_middle(gpu: &Gpu, x: &Buffer, m: Middle, f: Folding<'_>) -> Buffer {
    let out = gpu.empty(m.outputs());
    if m.outputs() >= PLENTY || m.size <= SHORT {
        launch(gpu, x, m, 1, f, &out, false);
        return out;
    }
    let lanes = m.size.isqrt();
    let shares = gpu.empty(m.outputs() * lanes);
    launch(gpu, x, m, lanes, f, &shares, false);
    launch(gpu, &shares, Middle { size: lanes, ..m }, 1, f.combine(), &out, false);
    out
}

/// Folds `axes` of one contiguous array. When they are not neighbours they are first brought together at the end.
fn fold_axes(gpu: &Gpu, x: &Buffer, shape: &[usize], axes: &[usize], f: Folding<'_>) -> Buffer {
    let (Some(&first), Some(&last)) = (axes.first(), axes.last()) else { return x.clone() };
    if last - first + 1 == axes.len() {
        let m = Middle {
            outer: count(&shape[..first]),
            size: count(&shape[first..=last]),
            inner: count(&shape[last + 1..]),
        };
        return fold_middle(gpu, x, m, f);
    }
    let kept: Vec<usize> = (0..shape.len()).filter(|a| !axes.contains(a)).collect();
    let perm: Vec<usize> = kept.iter().chain(axes).copied().collect();
    let moved: Vec<usize> = perm.iter().map(|&a| shape[a]).collect();
    let steps = strides(shape);
    let from = View { buffer: x.clone(), offset: 0, strides: perm.iter().map(|&a| steps[a] as isize).collect() };
    let to = View::contiguous(&gpu.empty(count(shape)), &moved);
    copy(gpu, &moved, &from, &to);
    let m = Middle { outer: count(&moved[..kept.len()]), size: count(&moved[kept.len()..]), inner: 1 };
    fold_middle(gpu, &to.buffer, m, f)
}

/// `shape` with the axes of size 1.
pub(crate) fn kept_shape(shape: &[usize], axes: &[usize]) -> Vec<usize> {
    shape.iter().enumerate().map(|(a, &s)| if axes.contains(&a) { 1 } else { s }).collect()
}

/// Folds `axes` of a value, which keep size 1. `shift` has the result's shape and is read by folds with a shift.
pub(crate) fn fold_value(
    gpu: &Gpu,
    x: &Value,
    axes: &[usize],
    fold: Fold,
    shift: Option<&Value>,
    float: bool,
) -> Value {
    let kept = kept_shape(&x.shape, axes);
    let pieces: Vec<Part> = x
        .parts
        .iter()
        .map(|part| {
            let shape = with_channels(&x.shape, part.channels);
            // Across channels the shift is one for all parts, else it has its own channels here.
            let shift = shift.map(|s| {
                let (start, channels) = if axes.contains(&1) { (0, 1) } else { (part.start, part.channels) };
                contiguous(gpu, s, start, channels)
            });
            let f = Folding { fold, shift: shift.as_ref(), float };
            let buffer = fold_axes(gpu, &part.buffer, &shape, axes, f);
            Part { buffer, ..*part }
        })
        .collect();
    if !axes.contains(&1) || pieces.len() < 2 {
        let pieces = if axes.contains(&1) {
            pieces.into_iter().map(|p| Part { start: 0, channels: 1, ..p }).collect()
        } else {
            pieces
        };
        return assemble(gpu, &kept, pieces);
    }
    let mut pieces = pieces.into_iter();
    let Some(first) = pieces.next() else { return empty(gpu, &kept) };
    let all = Middle { outer: 1, size: 1, inner: count(&kept) };
    for piece in pieces {
        let f = Folding { fold, shift: None, float };
        launch(gpu, &piece.buffer, all, 1, f.combine(), &first.buffer, true);
    }
    Value::whole(&kept, first.buffer)
}
