//! Reductions over axes, and the index of an extremum along one.

use netra_graph::{DataView, Error, Reduction, Result, TensorView};

use crate::Context;
use crate::region::DataMut;
use crate::simd::{Simd, SimdOp};
use crate::strided::{Nest, strides};

/// Columns accumulated at once when the innermost axis stays.
const COLUMNS: usize = 256;

/// `reduction` of `x` over `axes` into `out`. Returns whether the element types are known.
pub fn reduce(
    context: &Context<'_>,
    reduction: Reduction,
    axes: &[usize],
    x: TensorView<'_>,
    out: &mut DataMut<'_>,
) -> Result<bool> {
    let walk = Walk::new(x.shape(), axes);
    macro_rules! integers {
        ($x:expr, $out:expr, $t:ty) => {{
            let n = walk.reduced.at_count() as i64;
            if n == 0 && matches!(reduction, Reduction::Max | Reduction::Min | Reduction::Mean) && !$out.is_empty() {
                return Err(Error::invalid("a reduction of no elements"));
            }
            let wide = |v: $t| i64::from(v);
            match reduction {
                Reduction::Sum => {
                    walk.fold(context, $x, $out, 0i64, |a, v| a.wrapping_add(wide(v)), i64::wrapping_add, |a| a as $t)
                }
                Reduction::Mean => walk.fold(
                    context,
                    $x,
                    $out,
                    0i64,
                    |a, v| a.wrapping_add(wide(v)),
                    i64::wrapping_add,
                    |a| (a / n.max(1)) as $t,
                ),
                Reduction::Prod => {
                    walk.fold(context, $x, $out, 1i64, |a, v| a.wrapping_mul(wide(v)), i64::wrapping_mul, |a| a as $t)
                }
                Reduction::Max => walk.fold(context, $x, $out, <$t>::MIN, |a, v| a.max(v), |a, b| a.max(b), |a| a),
                Reduction::Min => walk.fold(context, $x, $out, <$t>::MAX, |a, v| a.min(v), |a, b| a.min(b), |a| a),
                _ => return Ok(false),
            }
            Ok(true)
        }};
    }
    match (x.data(), out) {
        (DataView::F32(x), DataMut::F32(out)) => Ok(floats(context, reduction, &walk, x, out)),
        (DataView::I64(x), DataMut::I64(out)) => integers!(x, out, i64),
        (DataView::I32(x), DataMut::I32(out)) => integers!(x, out, i32),
        (DataView::I8(x), DataMut::I8(out)) => integers!(x, out, i8),
        (DataView::U8(x), DataMut::U8(out)) => integers!(x, out, u8),
        _ => Ok(false),
    }
}

/// Whether a reduction of float32 is known.
pub fn knows(reduction: Reduction) -> bool {
    use Reduction::*;
    matches!(reduction, Sum | Mean | Max | Min | Prod | SumSquare | L1 | L2 | LogSumExp)
}

fn floats(context: &Context<'_>, reduction: Reduction, walk: &Walk, x: &[f32], out: &mut [f32]) -> bool {
    let n = walk.reduced.at_count() as f64;
    let add = |a: f64, b: f64| a + b;
    let larger = |a: f32, v: f32| if v > a || v.is_nan() { v } else { a };
    let smaller = |a: f32, v: f32| if v < a || v.is_nan() { v } else { a };
    let wide = |v: f32| f64::from(v);
    let row = walk.reduced.rows() == 1 && walk.reduced.inner_strides() == [1] && n > 0.0;
    match reduction {
        Reduction::Sum if row => walk.sums(context, x, 1.0, out),
        Reduction::Mean if row => walk.sums(context, x, n, out),
        Reduction::Sum => walk.fold(context, x, out, 0.0, |a, v| a + wide(v), add, |a| a as f32),
        Reduction::Mean => walk.fold(context, x, out, 0.0, |a, v| a + wide(v), add, |a| (a / n) as f32),
        Reduction::L1 => walk.fold(context, x, out, 0.0, |a, v| a + wide(v).abs(), add, |a| a as f32),
        Reduction::SumSquare => walk.fold(context, x, out, 0.0, |a, v| a + wide(v) * wide(v), add, |a| a as f32),
        Reduction::L2 => walk.fold(context, x, out, 0.0, |a, v| a + wide(v) * wide(v), add, |a| a.sqrt() as f32),
        Reduction::Prod => walk.fold(context, x, out, 1.0, |a, v| a * wide(v), |a, b| a * b, |a: f64| a as f32),
        Reduction::Max => walk.fold(context, x, out, f32::NEG_INFINITY, larger, larger, |a| a),
        Reduction::Min => walk.fold(context, x, out, f32::INFINITY, smaller, smaller, |a| a),
        // The maximum so far, and the sum of exponentials relative to it.
        Reduction::LogSumExp => walk.fold(
            context,
            x,
            out,
            (f64::NEG_INFINITY, 0.0),
            |a, v| log_add(a, (wide(v), 1.0)),
            log_add,
            |(max, sum): (f64, f64)| if max.is_infinite() { max as f32 } else { (max + sum.ln()) as f32 },
        ),
        _ => return false,
    }
    true
}

fn log_add(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    let (high, low) = if b.0 > a.0 { (b, a) } else { (a, b) };
    if low.0 == f64::NEG_INFINITY || high.0 == f64::INFINITY {
        return if low.0.is_nan() { low } else { high };
    }
    (high.0, high.1 + low.1 * (low.0 - high.0).exp())
}

/// Kept and reduced axes of a tensor.
struct Walk {
    kept: Nest<1>,
    reduced: Nest<1>,
}

impl Nest<1> {
    /// Elements of the nest.
    fn at_count(&self) -> usize {
        self.shape.iter().product()
    }
}

impl Walk {
    fn new(shape: &[usize], axes: &[usize]) -> Self {
        let steps = strides(shape);
        let part = |reduced: bool| {
            let chosen: Vec<usize> = (0..shape.len()).filter(|a| axes.contains(a) == reduced).collect();
            let sizes: Vec<usize> = chosen.iter().map(|&a| shape[a]).collect();
            Nest::new(&sizes, [chosen.iter().map(|&a| steps[a]).collect()])
        };
        Self { kept: part(false), reduced: part(true) }
    }

    /// The sum of each output's row over `divisor`.
    fn sums(&self, context: &Context<'_>, x: &[f32], divisor: f64, out: &mut [f32]) {
        let count = self.reduced.inner();
        let chunk = (16 * 1024 / count.max(1)).max(1);
        context.threads.for_chunks(out, chunk, |i, out| {
            context.isa.dispatch(RowSums { kept: &self.kept, count, x, first: i * chunk, divisor, out });
        });
    }

    /// Folds the reduced elements of each output element.
    #[allow(clippy::too_many_arguments)] // A fold is its start, step, merge and finish.
    fn fold<T: Copy + Sync, U: Send, A: Copy + Send + Sync>(
        &self,
        context: &Context<'_>,
        x: &[T],
        out: &mut [U],
        start: A,
        step: impl Fn(A, T) -> A + Sync,
        merge: impl Fn(A, A) -> A + Sync,
        finish: impl Fn(A) -> U + Sync,
    ) {
        let (kept, reduced) = (&self.kept, &self.reduced);
        let count = reduced.at_count();
        let chunk = (16 * 1024 / count.max(1)).max(1);
        let ([across], [along]) = (kept.inner_strides(), reduced.inner_strides());
        if across == 1 && along != 1 && count > 1 {
            // Neighbouring outputs read neighbouring inputs: accumulate a row of outputs at a time.
            let (inner, offsets) = (kept.inner(), (0..count).map(|i| reduced.at(i)[0]).collect::<Vec<_>>());
            let rows = kept.rows();
            let blocks = inner.div_ceil(COLUMNS);
            let shared = crate::parallel::Shared::new(out);
            context.threads.for_each(rows * blocks, |_, unit| {
                let (row, from) = (unit / blocks, unit % blocks * COLUMNS);
                let n = COLUMNS.min(inner - from);
                let base = kept.row(row)[0] + from;
                let mut sums = [start; COLUMNS];
                for at in &offsets {
                    for (sum, &v) in sums.iter_mut().zip(&x[base + at..base + at + n]) {
                        *sum = step(*sum, v);
                    }
                }
                // SAFETY: blocks of outputs are disjoint, and each belongs to one unit.
                let out = unsafe { shared.slice(row * inner + from, n) };
                out.iter_mut().zip(&sums).for_each(|(to, &sum)| *to = finish(sum));
            });
            return;
        }
        context.threads.for_chunks(out, chunk, |i, out| {
            for (j, to) in out.iter_mut().enumerate() {
                let base = if count == 0 { 0 } else { kept.at(i * chunk + j)[0] };
                // Eight chains hide the latency of the additions.
                let mut sums = [start; 8];
                let rows = if count == 0 { 0 } else { reduced.rows() };
                for row in 0..rows {
                    let at = base + reduced.row(row)[0];
                    if along == 1 {
                        let line = x[at..at + reduced.inner()].chunks_exact(8);
                        let rest = line.remainder();
                        for eight in line {
                            sums.iter_mut().zip(eight).for_each(|(sum, &v)| *sum = step(*sum, v));
                        }
                        sums.iter_mut().zip(rest).for_each(|(sum, &v)| *sum = step(*sum, v));
                    } else {
                        for k in 0..reduced.inner() {
                            sums[k % 8] = step(sums[k % 8], x[at + k * along]);
                        }
                    }
                }
                *to = finish(sums.into_iter().fold(start, &merge));
            }
        });
    }
}

/// The sum of the elements: short chains of float32, added up in float64.
struct RowSum<'a>(&'a [f32]);

impl SimdOp for RowSum<'_> {
    type Output = f64;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        let mut sum = 0.0;
        for part in self.0.chunks(16 * S::LANES) {
            let mut lanes = [s.splat(0.0); 4];
            for vectors in part.chunks(4 * S::LANES) {
                for (k, lane) in lanes.iter_mut().enumerate() {
                    // Never none of them: a masked load of no element, from no address, takes hundreds of cycles.
                    let Some(rest @ [_, ..]) = vectors.get(k * S::LANES..) else { break };
                    // SAFETY: no more elements are read than there are.
                    *lane = s.add(*lane, unsafe {
                        if rest.len() < S::LANES {
                            s.load_part(rest.as_ptr(), rest.len())
                        } else {
                            s.load(rest.as_ptr())
                        }
                    });
                }
            }
            sum += f64::from(s.sum(s.add(s.add(lanes[0], lanes[1]), s.add(lanes[2], lanes[3]))));
        }
        sum
    }
}

/// Sums of `count` neighbours each, for some neighbouring outputs.
struct RowSums<'a> {
    kept: &'a Nest<1>,
    count: usize,
    x: &'a [f32],
    /// The first output's number.
    first: usize,
    divisor: f64,
    out: &'a mut [f32],
}

impl SimdOp for RowSums<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { kept, count, x, first, divisor, out } = self;
        for (i, to) in out.iter_mut().enumerate() {
            *to = (RowSum(&x[kept.at(first + i)[0]..][..count]).run(s) / divisor) as f32;
        }
    }
}

/// Which index [`arg_max`] gives.
#[derive(Clone, Copy)]
pub struct ArgMax {
    /// Size of the axis.
    pub size: usize,
    /// Elements between neighbours along it.
    pub inner: usize,
    /// Smallest instead of largest.
    pub smallest: bool,
    /// The last of equal elements instead of the first.
    pub last: bool,
}

/// Index of the extremum along an axis. Returns whether the element type is known.
pub fn arg_max(context: &Context<'_>, p: ArgMax, x: DataView<'_>, out: &mut DataMut<'_>) -> bool {
    let DataMut::I64(out) = out else { return false };
    match x {
        DataView::F32(x) => pick(context, p, x, out),
        DataView::F64(x) => pick(context, p, x, out),
        DataView::I64(x) => pick(context, p, x, out),
        DataView::I32(x) => pick(context, p, x, out),
        DataView::I8(x) => pick(context, p, x, out),
        DataView::U8(x) => pick(context, p, x, out),
        _ => return false,
    }
    true
}

fn pick<T: Copy + PartialOrd + Sync>(context: &Context<'_>, p: ArgMax, x: &[T], out: &mut [i64]) {
    match (p.smallest, p.last) {
        (false, false) => walk(context, p, x, out, |v, best| v > best),
        (false, true) => walk(context, p, x, out, |v, best| v >= best),
        (true, false) => walk(context, p, x, out, |v, best| v < best),
        (true, true) => walk(context, p, x, out, |v, best| v <= best),
    }
}

fn walk<T: Copy + PartialOrd + Sync>(
    context: &Context<'_>,
    p: ArgMax,
    x: &[T],
    out: &mut [i64],
    better: impl Fn(T, T) -> bool + Sync,
) {
    // Blocks of neighbouring columns: the rows of the axis are then read in order.
    let width = p.inner.clamp(1, 1024);
    let blocks = p.inner.div_ceil(width);
    let outer = out.len().checked_div(p.inner).unwrap_or(0);
    let shared = crate::parallel::Shared::new(out);
    let group = (1024 / width).max(1);
    context.threads.for_each((outer * blocks).div_ceil(group), |_, unit| {
        for block in unit * group..(outer * blocks).min((unit + 1) * group) {
            let (o, from) = (block / blocks, block % blocks * width);
            let n = width.min(p.inner - from);
            let base = o * p.size * p.inner + from;
            // SAFETY: blocks of outputs are disjoint, and each belongs to one unit.
            let out = unsafe { shared.slice(o * p.inner + from, n) };
            out.fill(0);
            let Some(first) = x.get(base..base + n) else { continue };
            let mut best = first.to_vec();
            for k in 1..p.size {
                let row = &x[base + k * p.inner..][..n];
                for ((to, best), &v) in out.iter_mut().zip(&mut best).zip(row) {
                    if better(v, *best) {
                        *best = v;
                        *to = k as i64;
                    }
                }
            }
        }
    });
}
