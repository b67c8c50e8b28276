//! The detector of a phantom: a pixel grid in millimetres, rods drawn on it, blur and random numbers.

use ndarray::{Array2, Axis};

use super::FILM_MM;

/// A point of a tapered rod: x, y and radius in millimetres.
pub(super) type Knot = (f64, f64, f64);

/// The pixel grid and its place on the detector.
pub(super) struct Film {
    rows: usize,
    columns: usize,
    /// Millimetres between pixel centres.
    pub(super) spacing: f64,
}

impl Film {
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        Film { rows, columns, spacing: super::chest_pixel_spacing(rows, columns) }
    }

    pub(super) fn empty(&self) -> Array2<f32> {
        Array2::zeros((self.rows, self.columns))
    }

    /// The value of a function of x, y (millimetres) and the pixel's index at every pixel centre.
    pub(super) fn map(&self, value: impl Fn(f64, f64, (usize, usize)) -> f64) -> Array2<f32> {
        Array2::from_shape_fn((self.rows, self.columns), |(row, column)| {
            let x = (column as f64 + 0.5 - self.columns as f64 / 2.0) * self.spacing;
            let y = (row as f64 + 0.5 - self.rows as f64 / 2.0) * self.spacing + FILM_MM / 2.0;
            value(x, y, (row, column)) as f32
        })
    }

    /// Draws a tapered rod. `length(distance from the axis, radius)` is the material along the beam; where
    /// rods of one layer cross, the longer length stays.
    pub(super) fn rod(&self, layer: &mut Array2<f32>, knots: &[Knot], length: impl Fn(f64, f64) -> f64) {
        for pair in knots.windows(2) {
            let ((x0, y0, r0), (x1, y1, r1)) = (pair[0], pair[1]);
            let reach = r0.max(r1);
            let index = |mm: f64, middle: usize| (mm / self.spacing + middle as f64 / 2.0).max(0.0) as usize;
            let half = FILM_MM / 2.0;
            let first_row = index(y0.min(y1) - reach - half, self.rows);
            let last_row = (index(y0.max(y1) + reach - half, self.rows) + 1).min(self.rows);
            let first_column = index(x0.min(x1) - reach, self.columns);
            let last_column = (index(x0.max(x1) + reach, self.columns) + 1).min(self.columns);
            let (dx, dy) = (x1 - x0, y1 - y0);
            let squared = (dx * dx + dy * dy).max(1e-9);
            for row in first_row..last_row {
                let y = (row as f64 + 0.5 - self.rows as f64 / 2.0) * self.spacing + half;
                for column in first_column..last_column {
                    let x = (column as f64 + 0.5 - self.columns as f64 / 2.0) * self.spacing;
                    let t = (((x - x0) * dx + (y - y0) * dy) / squared).clamp(0.0, 1.0);
                    let distance = (x - x0 - t * dx).hypot(y - y0 - t * dy);
                    let radius = r0 + t * (r1 - r0);
                    if distance < radius {
                        let pixel = &mut layer[(row, column)];
                        *pixel = pixel.max(length(distance, radius) as f32);
                    }
                }
            }
        }
    }
}

/// Three passes of a box, close to a Gaussian of standard deviation `sigma` pixels; borders repeat.
pub(super) fn blurred(image: Array2<f32>, sigma: f64) -> Array2<f32> {
    let width = (4.0 * sigma * sigma + 1.0).sqrt();
    let reach = ((width - 1.0) / 2.0).round() as usize;
    let mut image = image;
    if reach == 0 || image.is_empty() {
        return image;
    }
    for _ in 0..3 {
        for axis in [1, 0] {
            for mut lane in image.lanes_mut(Axis(axis)) {
                let source = lane.to_vec();
                let last = source.len() - 1;
                let at = |i: usize| f64::from(source[i.saturating_sub(reach).min(last)]);
                // Index i stands for position i - reach, clamped to the line.
                let mut sum: f64 = (0..=2 * reach).map(at).sum();
                for (i, value) in lane.iter_mut().enumerate() {
                    *value = (sum / (2 * reach + 1) as f64) as f32;
                    sum += at(i + 2 * reach + 1) - at(i);
                }
            }
        }
    }
    image
}

/// The splitmix64 generator: small, well mixed, the same on every machine.
pub(super) struct SplitMix64(pub(super) u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Nearly normal, mean 0, variance 1: the sum of four uniform numbers.
    pub(super) fn normal(&mut self) -> f64 {
        let bits = self.next();
        let sum: f64 = (0..4).map(|i| f64::from((bits >> (16 * i)) as u16) / 65535.0).sum();
        (sum - 2.0) * 3.0_f64.sqrt()
    }
}
