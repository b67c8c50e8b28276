//! Softmax and its logarithm along any axis.

use crate::Context;
use crate::parallel::Shared;
use crate::simd::map::map;
use crate::simd::{Simd, SimdOp, function};

/// Columns handled at once when the axis is not the last: one cache line of maxima and one of sums a vector.
const COLUMNS: usize = 256;

/// The axis in a row-major tensor.
#[derive(Clone, Copy)]
pub struct Softmax {
    /// Size of the axis.
    pub size: usize,
    /// Elements between neighbours along it.
    pub inner: usize,
    /// The logarithm instead.
    pub log: bool,
}

/// Softmax of `x` into `out`, or of `out` in place when there is no `x`.
pub fn softmax(context: &Context<'_>, p: Softmax, x: Option<&[f32]>, out: &mut [f32]) {
    let slab = p.size * p.inner;
    if slab == 0 {
        return;
    }
    if p.inner == 1 {
        let rows = (16 * 1024 / p.size).max(1);
        context.threads.for_chunks(out, rows * p.size, |i, out| {
            if let Some(x) = x {
                out.copy_from_slice(&x[i * rows * p.size..][..out.len()]);
            }
            out.chunks_mut(p.size).for_each(|row| context.isa.dispatch(Row { row, log: p.log }));
        });
        return;
    }
    let outer = out.len() / slab;
    let blocks = p.inner.div_ceil(COLUMNS);
    let shared = Shared::new(out);
    context.threads.for_each(outer * blocks, |_, unit| {
        let start = unit / blocks * slab + unit % blocks * COLUMNS;
        let n = COLUMNS.min(p.inner - unit % blocks * COLUMNS);
        if let Some(x) = x {
            for k in 0..p.size {
                let at = start + k * p.inner;
                // SAFETY: a unit has the columns `start..start + n` of its slab to itself.
                unsafe { shared.slice(at, n) }.copy_from_slice(&x[at..at + n]);
            }
        }
        context.isa.dispatch(Columns { shared: &shared, start, n, p });
    });
}

struct Row<'a> {
    row: &'a mut [f32],
    log: bool,
}

impl SimdOp for Row<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Row { row, log } = self;
        let (src, dst, n) = (row.as_ptr(), row.as_mut_ptr(), row.len());
        let max = largest(s, row);
        if log {
            let sum: f64 = row.iter().map(|v| f64::from((v - max).exp())).sum();
            // SAFETY: both pointers are of `row`.
            unsafe { map(s, src, dst, n, function::Minus(max, sum.ln() as f32)) };
            return;
        }
        // SAFETY: both pointers are of `row`.
        unsafe { map(s, src, dst, n, function::ExpBelow(max)) };
        let scale = (1.0 / sum(row)) as f32;
        // SAFETY: both pointers are of `row`.
        unsafe { map(s, dst, dst, n, function::Scale(scale)) };
    }
}

/// The largest element of a row that is not NaN; minus infinity when there is none.
#[inline(always)]
fn largest<S: Simd>(s: S, row: &[f32]) -> f32 {
    let body = row.len() - row.len() % (4 * S::LANES);
    let mut most = [s.splat(f32::NEG_INFINITY); 4];
    for i in (0..body).step_by(4 * S::LANES) {
        for (j, most) in most.iter_mut().enumerate() {
            // SAFETY: `body` is a multiple of four vectors and at most the length.
            *most = s.max(unsafe { s.load(row.as_ptr().add(i + j * S::LANES)) }, *most);
        }
    }
    let [a, b, c, d] = most;
    let mut lanes = [f32::NEG_INFINITY; 16];
    // SAFETY: a vector has 16 lanes at most.
    unsafe { s.store(lanes.as_mut_ptr(), s.max(s.max(a, b), s.max(c, d))) };
    lanes.iter().chain(&row[body..]).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// The sum of a row: sixteen short chains in float32, added up in float64.
#[inline(always)]
fn sum(row: &[f32]) -> f64 {
    let chains = |block: &[f32]| {
        let (vectors, rest) = block.as_chunks::<16>();
        let mut sums = [0.0f32; 16];
        for vector in vectors {
            sums.iter_mut().zip(vector).for_each(|(sum, v)| *sum += v);
        }
        sums.iter().chain(rest).map(|&v| f64::from(v)).sum::<f64>()
    };
    row.chunks(256).map(chains).sum()
}

/// `n` columns that start at `start`; the unit that made it has them to itself.
struct Columns<'a> {
    shared: &'a Shared<f32>,
    start: usize,
    n: usize,
    p: Softmax,
}

impl SimdOp for Columns<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Columns { shared, start, n, p } = self;
        // SAFETY: the columns belong to this unit, and the closure's slices are used one at a time.
        let row = |k: usize| unsafe { shared.slice(start + k * p.inner, n) };
        let (mut max, mut sum) = ([f32::NEG_INFINITY; COLUMNS], [0.0f64; COLUMNS]);
        for k in 0..p.size {
            for (m, &v) in max.iter_mut().zip(row(k).iter()) {
                *m = if v > *m { v } else { *m };
            }
        }
        for k in 0..p.size {
            let row = row(k);
            for (v, m) in row.iter_mut().zip(&max) {
                *v -= m;
            }
            if p.log {
                let mut e = [0.0f32; COLUMNS];
                // SAFETY: `row` has `n` elements, at most `COLUMNS`.
                unsafe { map(s, row.as_ptr(), e.as_mut_ptr(), n, function::Exp) };
                sum.iter_mut().zip(&e[..n]).for_each(|(t, &v)| *t += f64::from(v));
            } else {
                // SAFETY: both pointers are of `row`.
                unsafe { map(s, row.as_ptr(), row.as_mut_ptr(), n, function::Exp) };
                sum.iter_mut().zip(row.iter()).for_each(|(t, &v)| *t += f64::from(v));
            }
        }
        let last = sum.map(|t| if p.log { t.ln() } else { 1.0 / t } as f32);
        for k in 0..p.size {
            let row = row(k);
            if p.log {
                row.iter_mut().zip(&last).for_each(|(v, t)| *v -= t);
            } else {
                row.iter_mut().zip(&last).for_each(|(v, t)| *v *= t);
            }
        }
    }
}
