//! Where each output element of a resampled axis comes from: the tables that every backend and the evaluator share.

use crate::{Coordinates, Nearest, Resize, ResizeMode};

/// Input indices (ascending, none twice) and weights of one output index. Empty for an output index outside the crop of
/// [`Coordinates::TfCropAndResize`]: such elements are 0.
pub type Taps = Vec<(usize, f64)>;

impl Resize {
    /// For each axis of a resampling from shape `input` to shape `output`, the taps of each output index; `None` for an
    /// axis that stays as it is. Output elements are the sums over the products of the taps of all axes.
    ///
    /// The tables have no more than about `output + 2 input` entries an axis (four for each output index under cubic
    /// interpolation).
    pub fn tables(&self, input: &[usize], output: &[usize]) -> Vec<Option<Vec<Taps>>> {
        let axes = input.iter().zip(output).enumerate();
        axes.map(|(i, (&size_in, &size_out))| {
            let axis = Axis {
                input: size_in,
                output: size_out,
                scale: self.scales.get(i).copied().unwrap_or(1.0),
                crop: self.crop.get(i).copied().unwrap_or((0.0, 1.0)),
            };
            let same = size_in == size_out && axis.scale == 1.0 && axis.crop == (0.0, 1.0);
            (!same && size_in > 0).then(|| (0..size_out).map(|o| axis.taps(self, o)).collect())
        })
        .collect()
    }
}

/// One axis that changes.
struct Axis {
    input: usize,
    output: usize,
    scale: f32,
    crop: (f32, f32),
}

impl Axis {
    fn taps(&self, p: &Resize, o: usize) -> Taps {
        let x = self.source(p.coordinates, o);
        let last = self.input as f64 - 1.0;
        if p.coordinates == Coordinates::TfCropAndResize && !(0.0..=last).contains(&x) {
            return Taps::new();
        }
        match p.mode {
            ResizeMode::Nearest(rule) => vec![(self.nearest(p.coordinates, rule, o), 1.0)],
            ResizeMode::Linear => self.filtered(p, x, 1.0, |d| 1.0 - d),
            ResizeMode::Cubic { a } => {
                // The kernel of Keys (1981) with its free coefficient.
                let a = f64::from(a);
                self.filtered(p, x, 2.0, move |d| {
                    if d <= 1.0 {
                        ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
                    } else {
                        ((d - 5.0) * d + 8.0) * d * a - 4.0 * a
                    }
                })
            }
        }
    }

    /// The source coordinate of output index `o`.
    fn source(&self, rule: Coordinates, o: usize) -> f64 {
        let (i, n, scale) = (o as f64, self.input as f64, f64::from(self.scale));
        // The output size before rounding down: what ONNX's own definition divides by.
        let exact = scale * n;
        let half_pixel = (i + 0.5) / scale - 0.5;
        match rule {
            Coordinates::HalfPixel => half_pixel,
            Coordinates::HalfPixelSymmetric => n / 2.0 * (1.0 - self.output as f64 / exact) + half_pixel,
            Coordinates::PytorchHalfPixel if self.output > 1 => half_pixel,
            Coordinates::AlignCorners if self.output > 1 => {
                // A scale that was made from two sizes may miss the size by a rounding error.
                let m = if (exact - exact.round()).abs() < 1e-5 * exact { exact.round() } else { exact };
                i * (n - 1.0) / (m - 1.0)
            }
            Coordinates::PytorchHalfPixel | Coordinates::AlignCorners => 0.0,
            Coordinates::Asymmetric => i / scale,
            Coordinates::TfCropAndResize => {
                let (start, end) = (f64::from(self.crop.0), f64::from(self.crop.1));
                if self.output > 1 {
                    start * (n - 1.0) + i * (end - start) * (n - 1.0) / (self.output as f64 - 1.0)
                } else {
                    (start + end) / 2.0 * (n - 1.0)
                }
            }
        }
    }

    /// The nearest index. Other engines compute the coordinate in float32, and so does this: elsewhere a coordinate that
    /// they round to a tie would fall to one side.
    fn nearest(&self, coordinates: Coordinates, rule: Nearest, o: usize) -> usize {
        let (i, n, scale) = (o as f32, self.input as f32, self.scale);
        let half_pixel = (i + 0.5) / scale - 0.5;
        let x = match coordinates {
            Coordinates::HalfPixel => half_pixel,
            Coordinates::HalfPixelSymmetric => {
                n / 2.0 * (1.0 - self.output as f32 / (scale * n)) + (i + 0.5) / scale - 0.5
            }
            Coordinates::PytorchHalfPixel if self.output > 1 => half_pixel,
            Coordinates::Asymmetric => i / scale,
            other => self.source(other, o) as f32,
        };
        let index = match rule {
            Nearest::RoundPreferFloor if x.fract() == 0.5 => x.floor(),
            Nearest::RoundPreferFloor | Nearest::RoundPreferCeil => x.round(),
            Nearest::Floor => x.floor(),
            Nearest::Ceil => x.ceil(),
        };
        // Saturates; a negative coordinate becomes 0.
        (index as usize).min(self.input - 1)
    }

    /// Taps of a filter of half-width `support`, whose value is `f` of the distance. With `antialias` the filter is
    /// stretched by the factor of a reduction, and its weights are made to sum to 1.
    fn filtered(&self, p: &Resize, x: f64, support: f64, f: impl Fn(f64) -> f64) -> Taps {
        let squeeze = if p.antialias { f64::from(self.scale).min(1.0) } else { 1.0 };
        let reach = support / squeeze;
        let last = self.input as f64 - 1.0;
        let weight = |i: f64| {
            let d = (i - x).abs() * squeeze;
            if d < support { f(d) } else { 0.0 }
        };
        let mut taps = Taps::new();
        let mut push = |i: f64, w: f64| {
            let at = i.clamp(0.0, last) as usize;
            match taps.last_mut() {
                // What lies outside counts as the edge.
                Some((j, sum)) if *j == at => *sum += w,
                _ => taps.push((at, w)),
            }
        };
        let (from, to) = ((x - reach).floor(), (x + reach).ceil());
        let (from, to) = if p.exclude_outside { (from.max(0.0), to.min(last)) } else { (from, to) };
        let count = (to - from).max(0.0) as usize;
        for k in 0..=count {
            let i = from + k as f64;
            let w = weight(i);
            if w != 0.0 {
                push(i, w);
            }
        }
        if p.antialias || p.exclude_outside {
            let sum: f64 = taps.iter().map(|(_, w)| w).sum();
            taps.iter_mut().for_each(|(_, w)| *w /= sum);
        }
        taps
    }
}
