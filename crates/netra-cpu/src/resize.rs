//! Resampling.
//!
//! Each output row is a weighted sum of a few input rows (one for each combination of taps along the outer axes),
//! resampled along the last axis: no intermediate tensor.

use netra_graph::Resize;

use crate::Context;
use crate::strided::strides;

/// Input indices and weights of one output index.
type Taps = Vec<(usize, f32)>;

/// A planned resampling: the taps of every output index along every axis.
pub struct Plan {
    axes: Vec<Vec<Taps>>,
    input: Vec<usize>,
    output: Vec<usize>,
}

impl Plan {
    /// Plans from shapes.
    pub fn new(p: &Resize, input: &[usize], output: &[usize]) -> Self {
        let narrow = |taps: netra_graph::Taps| taps.into_iter().map(|(i, w)| (i, w as f32)).collect();
        let axes = p
            .tables(input, output)
            .into_iter()
            .zip(output)
            .map(|(table, &size)| match table {
                Some(table) => table.into_iter().map(narrow).collect(),
                None => (0..size).map(|i| vec![(i, 1.0)]).collect(),
            })
            .collect();
        Self { axes, input: input.to_vec(), output: output.to_vec() }
    }

    /// Floats of scratch that a worker needs: one input row.
    pub fn scratch(&self) -> usize {
        self.input.last().copied().unwrap_or(1)
    }

    /// Bytes of the tables.
    pub fn bytes(&self) -> usize {
        self.axes.iter().flatten().map(|t| t.len() * size_of::<(usize, f32)>() + size_of::<Taps>()).sum()
    }

    /// Resamples `x` into `out`.
    pub fn run(&self, context: &Context<'_>, x: &[f32], out: &mut [f32]) {
        let Some((columns, outer)) = self.axes.split_last() else {
            out.copy_from_slice(x);
            return;
        };
        let (width, out_width) = (self.scratch(), columns.len());
        let steps = strides(&self.input);
        let sizes = &self.output[..outer.len()];
        let copy = columns.iter().enumerate().all(|(i, t)| matches!(t[..], [(j, 1.0)] if i == j)) && width == out_width;
        let single = columns.iter().all(|t| matches!(t[..], [(_, 1.0)]));
        let rows = (16 * 1024 / out_width.max(1)).max(1);
        let shared = crate::parallel::Shared::new(out);
        let total: usize = sizes.iter().product();
        context.threads.for_each(total.div_ceil(rows), |worker, chunk| {
            let mut scratch = context.scratch.lock(worker);
            let sum = &mut scratch.floats()[..width];
            let mut sources: Vec<(usize, f32)> = Vec::new();
            for row in chunk * rows..total.min((chunk + 1) * rows) {
                sources.clear();
                sources.push((0, 1.0));
                let mut rest = total;
                for (axis, taps) in outer.iter().enumerate() {
                    rest /= sizes[axis];
                    let taps = &taps[row / rest % sizes[axis]];
                    let n = sources.len();
                    if taps.is_empty() {
                        // Outside a crop.
                        sources.clear();
                        continue;
                    }
                    for i in 0..n {
                        let (at, weight) = sources[i];
                        for (k, &(index, w)) in taps.iter().enumerate() {
                            let next = (at + index * steps[axis], weight * w);
                            if k == 0 { sources[i] = next } else { sources.push(next) }
                        }
                    }
                }
                // SAFETY: each output row belongs to one unit.
                let out = unsafe { shared.slice(row * out_width, out_width) };
                let line: &[f32] = if let [(at, 1.0)] = sources[..] {
                    &x[at..at + width]
                } else {
                    sum.fill(0.0);
                    for &(at, weight) in &sources {
                        sum.iter_mut().zip(&x[at..at + width]).for_each(|(s, v)| *s += weight * v);
                    }
                    sum
                };
                if copy {
                    out.copy_from_slice(line);
                } else if single {
                    out.iter_mut().zip(columns).for_each(|(to, taps)| *to = line[taps[0].0]);
                } else {
                    for (to, taps) in out.iter_mut().zip(columns) {
                        *to = taps.iter().map(|&(i, w)| w * line[i]).sum();
                    }
                }
            }
        });
    }
}
