//! Resampling.
//!
//! Each output row is a weighted sum of a few input rows (one for each combination of taps along the outer axes),
//! resampled along the last axis: no intermediate tensor.

use netra_graph::Resize;

use crate::Context;
use crate::parallel::Shared;
use crate::simd::{Simd, SimdOp};
use crate::strided::strides;

/// Input indices and weights of one output index.
type Taps = Vec<(usize, f32)>;

/// Room before and after the input row in a worker's scratch: a vector of the widest set.
const MARGIN: usize = 16;

/// A planned resampling.
pub struct Plan {
    /// The taps of every output index along every axis but the last.
    outer: Vec<Vec<Taps>>,
    columns: Columns,
    input: Vec<usize>,
    output: Vec<usize>,
}

/// How the last axis is resampled.
enum Columns {
    /// Not at all.
    Same,
    /// Each output is one input.
    Pick(Vec<usize>),
    /// Linear, twice as many: `a x[i - 1] + b x[i]` and `c x[i] + d x[i + 1]` for each input, the ends repeated.
    Double([f32; 4]),
    /// Any weights.
    Sums(Vec<Taps>),
}

impl Columns {
    fn new(taps: Vec<Taps>, width: usize) -> Self {
        if taps.iter().all(|t| matches!(t[..], [(_, 1.0)])) {
            let picked: Vec<usize> = taps.iter().map(|t| t[0].0).collect();
            let same = picked.len() == width && picked.iter().enumerate().all(|(i, &j)| i == j);
            return if same { Self::Same } else { Self::Pick(picked) };
        }
        match doubling(&taps, width) {
            Some(weights) => Self::Double(weights),
            None => Self::Sums(taps),
        }
    }
}

/// The weights of [`Columns::Double`], when every output has them.
fn doubling(taps: &[Taps], width: usize) -> Option<[f32; 4]> {
    if taps.len() != 2 * width || width < 2 {
        return None;
    }
    // Outputs 1 and 2 lie between inputs 0 and 1 and tell the weights of all others.
    let weight = |o: usize, i: usize| taps[o].iter().filter(|t| t.0 == i).map(|t| t.1).sum::<f32>();
    let [a, b, c, d] = [weight(2, 0), weight(2, 1), weight(1, 0), weight(1, 1)];
    let as_told = |o: usize| {
        let i = o / 2;
        let (before, after) = (i.saturating_sub(1), (i + 1).min(width - 1));
        let told = if o.is_multiple_of(2) { [(before, a), (i, b)] } else { [(i, c), (after, d)] };
        let total = |j: usize| told.iter().filter(|t| t.0 == j).map(|t| t.1).sum::<f32>();
        taps[o].iter().map(|t| t.0).chain([before, i, after]).all(|j| weight(o, j) == total(j))
    };
    (0..taps.len()).all(as_told).then_some([a, b, c, d])
}

impl Plan {
    /// Plans from shapes.
    pub fn new(p: &Resize, input: &[usize], output: &[usize]) -> Self {
        let narrow = |taps: netra_graph::Taps| taps.into_iter().map(|(i, w)| (i, w as f32)).collect();
        let mut outer: Vec<Vec<Taps>> = p
            .tables(input, output)
            .into_iter()
            .zip(output)
            .map(|(table, &size)| match table {
                Some(table) => table.into_iter().map(narrow).collect(),
                None => (0..size).map(|i| vec![(i, 1.0)]).collect(),
            })
            .collect();
        let columns =
            Columns::new(outer.pop().unwrap_or_else(|| vec![vec![(0, 1.0)]]), input.last().copied().unwrap_or(1));
        Self { outer, columns, input: input.to_vec(), output: output.to_vec() }
    }

    /// Elements of an input row.
    fn width(&self) -> usize {
        self.input.last().copied().unwrap_or(1)
    }

    /// Floats of scratch that a worker needs: one input row, and room around it.
    pub fn scratch(&self) -> usize {
        self.width() + 2 * MARGIN
    }

    /// Bytes of the tables.
    pub fn bytes(&self) -> usize {
        let taps = |table: &[Taps]| {
            table.iter().map(|t| t.len() * size_of::<(usize, f32)>() + size_of::<Taps>()).sum::<usize>()
        };
        let columns = match &self.columns {
            Columns::Same | Columns::Double(_) => 0,
            Columns::Pick(picked) => size_of_val(&picked[..]),
            Columns::Sums(table) => taps(table),
        };
        self.outer.iter().map(|table| taps(table)).sum::<usize>() + columns
    }

    /// Resamples `x` into `out`.
    pub fn run(&self, context: &Context<'_>, x: &[f32], out: &mut [f32]) {
        let out_width = self.output.last().copied().unwrap_or(1);
        let steps = strides(&self.input);
        let rows = (16 * 1024 / out_width.max(1)).max(1);
        let shared = Shared::new(out);
        let total: usize = self.outer.iter().map(Vec::len).product();
        context.threads.for_each(total.div_ceil(rows), |worker, chunk| {
            let mut scratch = context.scratch.lock(worker);
            let mut sources = Vec::new();
            for row in chunk * rows..total.min((chunk + 1) * rows) {
                self.sources(row, total, &steps, &mut sources);
                // SAFETY: each output row belongs to one unit.
                let out = unsafe { shared.slice(row * out_width, out_width) };
                match (&self.columns, &sources[..]) {
                    (Columns::Same, &[(at, 1.0)]) => out.copy_from_slice(&x[at..at + out_width]),
                    _ => context.isa.dispatch(Row { plan: self, x, sources: &sources, line: scratch.floats(), out }),
                }
            }
        });
    }

    /// Where the input rows of output row `row` of `total` start, and their weights; none outside a crop.
    fn sources(&self, row: usize, total: usize, steps: &[usize], sources: &mut Vec<(usize, f32)>) {
        sources.clear();
        sources.push((0, 1.0));
        let mut rest = total;
        for (taps, step) in self.outer.iter().zip(steps) {
            rest /= taps.len();
            let taps = &taps[row / rest % taps.len()];
            if taps.is_empty() {
                sources.clear();
            }
            for i in 0..sources.len() {
                let (at, weight) = sources[i];
                for (k, &(index, w)) in taps.iter().enumerate() {
                    let next = (at + index * step, weight * w);
                    if k == 0 { sources[i] = next } else { sources.push(next) }
                }
            }
        }
    }
}

/// One output row from the weighted sum of its input rows.
struct Row<'a> {
    plan: &'a Plan,
    x: &'a [f32],
    sources: &'a [(usize, f32)],
    /// [`Plan::scratch`] floats or more.
    line: &'a mut [f32],
    out: &'a mut [f32],
}

impl SimdOp for Row<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Row { plan, x, sources, line, out } = self;
        let width = plan.width();
        assert!(line.len() >= width + 2 * MARGIN && sources.iter().all(|(at, _)| at + width <= x.len()));
        for i in (0..width).step_by(S::LANES) {
            let n = S::LANES.min(width - i);
            let mut sum = s.splat(0.0);
            for (k, &(at, weight)) in sources.iter().enumerate() {
                // SAFETY: `width` elements of each source are at hand, as asserted, and `n` of them from `i` on.
                let v = unsafe {
                    let p = x.as_ptr().add(at + i);
                    if n == S::LANES { s.load(p) } else { s.load_part(p, n) }
                };
                let weight = s.splat(weight);
                sum = if k == 0 { s.mul(weight, v) } else { s.fma(weight, v, sum) };
            }
            // SAFETY: the margin behind the row takes what a last vector has too many.
            unsafe { s.store(line.as_mut_ptr().add(MARGIN + i), sum) };
        }
        let row = &line[MARGIN..MARGIN + width];
        match &plan.columns {
            Columns::Same => out.copy_from_slice(row),
            Columns::Pick(picked) => out.iter_mut().zip(picked).for_each(|(to, &i)| *to = row[i]),
            Columns::Double(weights) => {
                line[MARGIN - 1] = line[MARGIN];
                line[MARGIN + width] = line[MARGIN + width - 1];
                double(s, line, *weights, out);
            }
            Columns::Sums(taps) => {
                for (to, taps) in out.iter_mut().zip(taps) {
                    *to = taps.iter().map(|&(i, w)| w * row[i]).sum();
                }
            }
        }
    }
}

/// [`Columns::Double`] of the row that lies in `line` between two margins, with its ends repeated there.
#[inline(always)]
fn double<S: Simd>(s: S, line: &[f32], [a, b, c, d]: [f32; 4], out: &mut [f32]) {
    let width = out.len() / 2;
    assert!(line.len() >= width + 2 * MARGIN);
    let [a, b, c, d] = [s.splat(a), s.splat(b), s.splat(c), s.splat(d)];
    for i in (0..width).step_by(S::LANES) {
        // SAFETY: a vector and an element on either side, from `i < width` on, end within the margins; what is stored
        // directly lies inside `out`, and the buffer has room for two vectors.
        unsafe {
            let p = line.as_ptr().add(MARGIN + i);
            let (before, here, after) = (s.load(p.sub(1)), s.load(p), s.load(p.add(1)));
            let even = s.fma(a, before, s.mul(b, here));
            let odd = s.fma(c, here, s.mul(d, after));
            let (low, high) = s.zip(even, odd);
            if i + S::LANES <= width {
                s.store(out.as_mut_ptr().add(2 * i), low);
                s.store(out.as_mut_ptr().add(2 * i + S::LANES), high);
            } else {
                let mut rest = [0.0f32; 2 * MARGIN];
                s.store(rest.as_mut_ptr(), low);
                s.store(rest.as_mut_ptr().add(S::LANES), high);
                let n = out.len() - 2 * i;
                out[2 * i..].copy_from_slice(&rest[..n]);
            }
        }
    }
}
