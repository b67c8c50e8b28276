//! Resampling.
//!
//! Each output row is a weighted sum of a few input rows (one for each combination of taps along the outer axes),
//! resampled along the last axis: no intermediate tensor.

use netra_graph::{Coordinates, Nearest, Resize, ResizeMode};

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
        let axes = (0..input.len())
            .map(|a| {
                let scale = p.scales.get(a).map_or(1.0, |&s| f64::from(s));
                if input[a] == output[a] && scale == 1.0 {
                    return (0..output[a]).map(|i| vec![(i, 1.0)]).collect();
                }
                (0..output[a]).map(|o| taps(p, o, scale, input[a], output[a])).collect()
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

/// Source coordinate of output index `o` along one axis (ONNX `coordinate_transformation_mode`).
fn source(p: &Resize, o: usize, scale: f64, input: usize, output: usize) -> f64 {
    let (i, n, m) = (o as f64, input as f64, output as f64);
    let half = (i + 0.5) / scale - 0.5;
    match p.coordinates {
        Coordinates::HalfPixelSymmetric => n / 2.0 * (1.0 - m / (scale * n)) + half,
        Coordinates::PytorchHalfPixel | Coordinates::AlignCorners if output <= 1 => 0.0,
        Coordinates::AlignCorners => i * (n - 1.0) / (m - 1.0),
        Coordinates::Asymmetric => i / scale,
        _ => half,
    }
}

fn taps(p: &Resize, o: usize, scale: f64, input: usize, output: usize) -> Taps {
    let x = source(p, o, scale, input, output);
    let last = input.saturating_sub(1) as f64;
    let clamp = |i: f64| i.clamp(0.0, last) as usize;
    let t = x - x.floor();
    let weighted: Vec<(f64, f64)> = match p.mode {
        ResizeMode::Nearest(rule) => {
            let i = match rule {
                Nearest::RoundPreferFloor => (x - 0.5).ceil(),
                Nearest::RoundPreferCeil => (x + 0.5).floor(),
                Nearest::Floor => x.floor(),
                Nearest::Ceil => x.ceil(),
            };
            vec![(i, 1.0)]
        }
        ResizeMode::Cubic { a, exclude_outside } => {
            // Keys' kernel of support 4 (Keys 1981, with free coefficient a).
            let a = f64::from(a);
            let kernel = |d: f64| {
                if d <= 1.0 { ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0 } else { a * (((d - 5.0) * d + 8.0) * d - 4.0) }
            };
            let mut list: Vec<(f64, f64)> =
                (0..4).map(|k| (x.floor() + f64::from(k) - 1.0, kernel((t + 1.0 - f64::from(k)).abs()))).collect();
            if exclude_outside {
                list.retain(|(i, _)| (0.0..=last).contains(i));
                let sum: f64 = list.iter().map(|(_, w)| w).sum();
                list.iter_mut().for_each(|(_, w)| *w /= sum);
            }
            list
        }
        _ => vec![(x.floor(), 1.0 - t), (x.floor() + 1.0, t)],
    };
    // Taps that clamping brings together become one.
    let mut taps: Vec<(usize, f64)> = Vec::with_capacity(weighted.len());
    for (i, w) in weighted {
        match taps.last_mut() {
            Some((j, sum)) if *j == clamp(i) => *sum += w,
            _ => taps.push((clamp(i), w)),
        }
    }
    taps.into_iter().map(|(i, w)| (i, w as f32)).collect()
}
