//! Kernels that move elements without changing them, for every element type.

use netra_graph::{DataView, Error, PadMode, Result, TensorView};

use crate::Context;
use crate::parallel::Shared;
use crate::region::DataMut;
use crate::strided::{Nest, broadcast_strides, strides};

/// Least elements that are worth a unit of work.
const UNIT: usize = 16 * 1024;

/// Runs `$body` with `$x` and `$out` bound to slices of one element type; gives `$otherwise` when the types differ.
macro_rules! same_type {
    ($view:expr, $data:expr, |$x:ident, $out:ident| $body:expr, else $otherwise:expr) => {
        match ($view, $data) {
            (DataView::F32($x), DataMut::F32($out)) => $body,
            (DataView::F64($x), DataMut::F64($out)) => $body,
            (DataView::I8($x), DataMut::I8($out)) => $body,
            (DataView::U8($x), DataMut::U8($out)) => $body,
            (DataView::I32($x), DataMut::I32($out)) => $body,
            (DataView::I64($x), DataMut::I64($out)) => $body,
            (DataView::Bool($x), DataMut::Bool($out)) => $body,
            _ => $otherwise,
        }
    };
}

/// A read of an array by signed strides from a first element.
struct Gatherer {
    first: usize,
    shape: Vec<usize>,
    strides: Vec<isize>,
}

impl Gatherer {
    /// Copies into `out`, row-major. Every index that strides reach lies inside `x`.
    fn copy<T: Copy + Send + Sync>(&self, context: &Context<'_>, x: &[T], out: &mut [T]) {
        if out.is_empty() {
            return;
        }
        let (shape, strides) = self.joined();
        let (Some((&inner, outer)), Some(&step)) = (shape.split_last(), strides.last()) else { return };
        let start = |row: usize| {
            let mut rest = row;
            let mut at = self.first as isize;
            for (size, stride) in outer.iter().zip(&strides).rev() {
                at += (rest % size) as isize * stride;
                rest /= size;
            }
            at as usize
        };
        let rows = (UNIT / inner).max(1);
        // A transposed last axis reads far apart: visit a square of rows and columns at a time, so that each cache
        // line that is fetched is used whole.
        const SQUARE: usize = 16;
        let neighbours = match (outer.last(), strides.len().checked_sub(2).map(|i| strides[i])) {
            (Some(&n), Some(1)) if step.unsigned_abs() > 1 => n,
            _ => 1,
        };
        let rows = rows.next_multiple_of(neighbours.min(SQUARE));
        context.threads.for_chunks(out, rows * inner, |chunk, out| {
            let first = chunk * rows;
            let count = out.len() / inner;
            if neighbours > 1 && neighbours % SQUARE.min(neighbours) == 0 {
                let side = SQUARE.min(neighbours);
                for group in (0..count).step_by(side) {
                    // `side` divides the neighbours, and a chunk starts at a multiple of it: these rows are neighbours.
                    let at = start(first + group) as isize;
                    let side = side.min(count - group);
                    for column in 0..inner {
                        let from = &x[(at + column as isize * step) as usize..][..side];
                        for (r, &v) in from.iter().enumerate() {
                            out[(group + r) * inner + column] = v;
                        }
                    }
                }
                return;
            }
            for (i, out) in out.chunks_mut(inner).enumerate() {
                let at = start(first + i);
                match step {
                    1 => out.copy_from_slice(&x[at..at + inner]),
                    0 => out.fill(x[at]),
                    _ => {
                        for (k, to) in out.iter_mut().enumerate() {
                            *to = x[at.wrapping_add_signed(k as isize * step)];
                        }
                    }
                }
            }
        });
    }

    /// Neighbouring axes that one stride walks become one.
    fn joined(&self) -> (Vec<usize>, Vec<isize>) {
        let (mut shape, mut strides) = (Vec::<usize>::new(), Vec::<isize>::new());
        for (&size, &step) in self.shape.iter().zip(&self.strides) {
            match (shape.last_mut(), strides.last_mut()) {
                _ if size == 1 => {}
                (Some(n), Some(outer)) if *outer == step * size as isize => {
                    *n *= size;
                    *outer = step;
                }
                _ => {
                    shape.push(size);
                    strides.push(step);
                }
            }
        }
        if shape.is_empty() {
            (shape, strides) = (vec![1], vec![1]);
        }
        (shape, strides)
    }

    fn run(&self, context: &Context<'_>, x: TensorView<'_>, out: &mut DataMut<'_>) -> bool {
        same_type!(x.data(), out, |x, out| { self.copy(context, x, out); true }, else false)
    }
}

fn signed(strides: Vec<usize>) -> Vec<isize> {
    strides.into_iter().map(|s| s as isize).collect()
}

/// Output axis `i` is input axis `perm[i]`.
pub fn transpose(
    context: &Context<'_>,
    perm: &[usize],
    x: TensorView<'_>,
    shape: &[usize],
    out: &mut DataMut<'_>,
) -> bool {
    let steps = strides(x.shape());
    let strides = perm.iter().map(|&axis| steps[axis] as isize).collect();
    Gatherer { first: 0, shape: shape.to_vec(), strides }.run(context, x, out)
}

/// Element `i` along each axis is input element `starts + i by`.
pub fn slice(
    context: &Context<'_>,
    starts: &[usize],
    by: &[isize],
    x: TensorView<'_>,
    shape: &[usize],
    out: &mut DataMut<'_>,
) -> bool {
    let steps = strides(x.shape());
    let first = starts.iter().zip(&steps).map(|(s, step)| s * step).sum();
    let strides = by.iter().zip(&steps).map(|(b, &step)| b * step as isize).collect();
    Gatherer { first, shape: shape.to_vec(), strides }.run(context, x, out)
}

/// NumPy broadcasting.
pub fn expand(context: &Context<'_>, x: TensorView<'_>, shape: &[usize], out: &mut DataMut<'_>) -> bool {
    let strides = signed(broadcast_strides(x.shape(), shape));
    Gatherer { first: 0, shape: shape.to_vec(), strides }.run(context, x, out)
}

/// A plain copy.
pub fn copy(context: &Context<'_>, x: TensorView<'_>, out: &mut DataMut<'_>) -> bool {
    same_type!(x.data(), out, |x, out| {
        context.threads.for_chunks(out, UNIT, |i, out| out.copy_from_slice(&x[i * UNIT..][..out.len()]));
        true
    }, else false)
}

/// Joins `parts` along `axis`.
pub fn concat(
    context: &Context<'_>,
    axis: usize,
    parts: &[TensorView<'_>],
    shape: &[usize],
    out: &mut DataMut<'_>,
) -> bool {
    let outer: usize = shape[..axis].iter().product();
    let whole: usize = shape[axis..].iter().product();
    let mut start = 0;
    for part in parts {
        let run: usize = part.shape()[axis..].iter().product();
        let known = same_type!(part.data(), &mut *out, |x, out| {
            let shared = Shared::new(out);
            let pieces = run.div_ceil(UNIT).max(1);
            let length = run.div_ceil(pieces);
            context.threads.for_each(outer * pieces, |_, unit| {
                let (o, from) = (unit / pieces, (unit % pieces * length).min(run));
                let n = length.min(run - from);
                // SAFETY: pieces of a part are disjoint, and each belongs to one unit.
                unsafe { shared.slice(o * whole + start + from, n) }.copy_from_slice(&x[o * run + from..][..n]);
            });
            true
        }, else false);
        if !known {
            return false;
        }
        start += run;
    }
    true
}

/// Elements that convert from the fill value of [`PadMode::Constant`].
trait FromFloat: Copy {
    fn from_float(v: f32) -> Self;
}

macro_rules! from_float {
    ($($t:ty),*) => { $(impl FromFloat for $t { fn from_float(v: f32) -> Self { v as $t } })* };
}
from_float!(f32, f64, i8, u8, i32, i64);

impl FromFloat for bool {
    fn from_float(v: f32) -> bool {
        v != 0.0
    }
}

/// Pads every axis.
pub fn pad(
    context: &Context<'_>,
    pads: &[(usize, usize)],
    mode: PadMode,
    x: TensorView<'_>,
    shape: &[usize],
    out: &mut DataMut<'_>,
) -> Result<bool> {
    if !matches!(mode, PadMode::Constant(_)) && x.shape().contains(&0) {
        return Err(Error::invalid("an empty axis has no edge to pad from"));
    }
    Ok(same_type!(x.data(), out, |values, out| {
        pad_typed(context, pads, mode, values, x.shape(), shape, out);
        true
    }, else false))
}

/// Source index along one axis; `None` in constant padding.
fn mirrored(mode: PadMode, i: usize, before: usize, size: usize) -> Option<usize> {
    let at = i as isize - before as isize;
    let last = size as isize - 1;
    match mode {
        _ if (0..=last).contains(&at) => Some(at as usize),
        PadMode::Edge => Some(at.clamp(0, last) as usize),
        PadMode::Reflect if last == 0 => Some(0),
        PadMode::Reflect => {
            let j = at.rem_euclid(2 * last);
            Some(j.min(2 * last - j) as usize)
        }
        _ => None,
    }
}

fn pad_typed<T: FromFloat + Send + Sync>(
    context: &Context<'_>,
    pads: &[(usize, usize)],
    mode: PadMode,
    x: &[T],
    sizes: &[usize],
    shape: &[usize],
    out: &mut [T],
) {
    let fill = T::from_float(if let PadMode::Constant(v) = mode { v } else { 0.0 });
    let (Some((&inner, outer)), Some(&width), Some(&(before, _))) = (shape.split_last(), sizes.last(), pads.last())
    else {
        out.copy_from_slice(x);
        return;
    };
    let steps = strides(sizes);
    let rows = (UNIT / inner.max(1)).max(1);
    context.threads.for_chunks(out, rows * inner, |chunk, out| {
        for (i, out) in out.chunks_mut(inner).enumerate() {
            let mut rest = chunk * rows + i;
            let mut at = Some(0);
            for (axis, &n) in outer.iter().enumerate().rev() {
                let source = mirrored(mode, rest % n, pads[axis].0, sizes[axis]);
                at = at.zip(source).map(|(at, s)| at + s * steps[axis]);
                rest /= n;
            }
            let Some(at) = at else {
                out.fill(fill);
                continue;
            };
            let line = &x[at..at + width];
            let (left, rest) = out.split_at_mut(before.min(inner));
            let (middle, right) = rest.split_at_mut(width.min(inner - before.min(inner)));
            middle.copy_from_slice(&line[..middle.len()]);
            for (k, to) in left.iter_mut().enumerate() {
                *to = mirrored(mode, k, before, width).map_or(fill, |s| line[s]);
            }
            for (k, to) in right.iter_mut().enumerate() {
                *to = mirrored(mode, before + width + k, before, width).map_or(fill, |s| line[s]);
            }
        }
    });
}

/// Replaces `axis` by the shape of `indices`.
pub fn gather(
    context: &Context<'_>,
    axis: usize,
    x: TensorView<'_>,
    indices: TensorView<'_>,
    out: &mut DataMut<'_>,
) -> Result<bool> {
    let size = x.shape()[axis];
    let wide: Vec<i64> = match indices.data() {
        DataView::I64(v) => v.to_vec(),
        DataView::I32(v) => v.iter().map(|&i| i.into()).collect(),
        _ => return Ok(false),
    };
    let resolve = |i: i64| {
        let j = if i < 0 { i.checked_add(size as i64) } else { Some(i) };
        let inside = j.and_then(|j| usize::try_from(j).ok()).filter(|&j| j < size);
        inside.ok_or_else(|| Error::invalid(format!("index {i} of {size}")))
    };
    let at: Vec<usize> = wide.into_iter().map(resolve).collect::<Result<_>>()?;
    let run: usize = x.shape()[axis + 1..].iter().product();
    Ok(same_type!(x.data(), out, |x, out| {
        if !at.is_empty() && run > 0 {
            let rows = (UNIT / run).max(1);
            context.threads.for_chunks(out, rows * run, |chunk, out| {
                for (i, out) in out.chunks_mut(run).enumerate() {
                    let row = chunk * rows + i;
                    let from = (row / at.len() * size + at[row % at.len()]) * run;
                    out.copy_from_slice(&x[from..from + run]);
                }
            });
        }
        true
    }, else false))
}

/// Chooses between `a` and `b`, all three broadcast.
pub fn select(
    context: &Context<'_>,
    condition: TensorView<'_>,
    a: TensorView<'_>,
    b: TensorView<'_>,
    shape: &[usize],
    out: &mut DataMut<'_>,
) -> bool {
    let DataView::Bool(c) = condition.data() else { return false };
    let of = |v: TensorView<'_>| broadcast_strides(v.shape(), shape);
    let nest = Nest::new(shape, [of(condition), of(a), of(b), strides(shape)]);
    same_type!(a.data(), out, |x, out| {
        let Some(y) = same_slice(x, b.data()) else { return false };
        let (inner, [sc, sa, sb, _]) = (nest.inner(), nest.inner_strides());
        if out.is_empty() {
            return true;
        }
        let rows = (UNIT / inner).max(1);
        context.threads.for_chunks(out, rows * inner, |chunk, out| {
            for (i, out) in out.chunks_mut(inner).enumerate() {
                let [oc, oa, ob, _] = nest.row(chunk * rows + i);
                let (c, x, y) = (&c[oc..], &x[oa..], &y[ob..]);
                // The common strides in loops of their own, of which the compiler makes vectors.
                match (sc, sa, sb) {
                    (1, 0, 0) => out.iter_mut().zip(c).for_each(|(to, &c)| *to = if c { x[0] } else { y[0] }),
                    (1, 0, 1) => out.iter_mut().zip(c).zip(y).for_each(|((to, &c), &y)| *to = if c { x[0] } else { y }),
                    (1, 1, 0) => out.iter_mut().zip(c).zip(x).for_each(|((to, &c), &x)| *to = if c { x } else { y[0] }),
                    _ => {
                        for (k, to) in out.iter_mut().enumerate() {
                            *to = if c[k * sc] { x[k * sa] } else { y[k * sb] };
                        }
                    }
                }
            }
        });
        true
    }, else false)
}

/// Element types that a [`DataView`] can hold.
trait Element: Sized {
    fn view(data: DataView<'_>) -> Option<&[Self]>;
}

macro_rules! element {
    ($($t:ty: $variant:ident),*) => { $(impl Element for $t {
        fn view(data: DataView<'_>) -> Option<&[Self]> {
            if let DataView::$variant(v) = data { Some(v) } else { None }
        }
    })* };
}
element!(f32: F32, f64: F64, i8: I8, u8: U8, i32: I32, i64: I64, bool: Bool);

/// The elements of `data` when they are of the type of `_like`.
fn same_slice<'a, T: Element>(_like: &[T], data: DataView<'a>) -> Option<&'a [T]> {
    T::view(data)
}

/// Conversion of element type, as ONNX Cast. Returns whether the types are known.
pub fn cast(context: &Context<'_>, x: DataView<'_>, out: &mut DataMut<'_>) -> bool {
    use crate::elementwise::each;
    macro_rules! from {
        ($x:expr, $zero:expr, |$v:ident| $wide:expr) => {
            match out {
                DataMut::F32(out) => each(context, $x, out, |$v| $wide as f32),
                DataMut::F64(out) => each(context, $x, out, |$v| $wide as f64),
                // Narrow integers wrap: out of range is undefined in ONNX, and this is what the reference does.
                DataMut::I8(out) => each(context, $x, out, |$v| $wide as i64 as i8),
                DataMut::U8(out) => each(context, $x, out, |$v| $wide as i64 as u8),
                DataMut::I32(out) => each(context, $x, out, |$v| $wide as i64 as i32),
                DataMut::I64(out) => each(context, $x, out, |$v| $wide as i64),
                DataMut::Bool(out) => each(context, $x, out, |$v| $wide != $zero),
                _ => return false,
            }
        };
    }
    match x {
        DataView::F32(x) => from!(x, 0.0, |v| v),
        DataView::F64(x) => from!(x, 0.0, |v| v),
        DataView::I8(x) => from!(x, 0, |v| v),
        DataView::U8(x) => from!(x, 0, |v| v),
        DataView::I32(x) => from!(x, 0, |v| v),
        DataView::I64(x) => from!(x, 0, |v| v),
        DataView::Bool(x) => from!(x, 0, |v| u8::from(v)),
        _ => return false,
    }
    true
}
