//! Mean and standard deviation from blocks of values.

use std::iter::Sum;

/// Number, mean and squared deviations from the mean of some values. Those of two sets give those of their union without
/// the loss of accuracy of a sum of squares (Chan, Golub and LeVeque, 1983).
#[derive(Clone, Copy, Default)]
pub(crate) struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Of values few enough to be read twice from cache; with `nonzero`, zeros are left out.
    #[inline(always)]
    pub fn of(values: &[f32], nonzero: bool) -> Self {
        let count = if nonzero { values.iter().filter(|&&v| v != 0.0).count() } else { values.len() };
        if count == 0 {
            return Self::default();
        }
        // A zero adds nothing to a sum.
        let mean = sum(values, f64::from) / count as f64;
        let squares = if nonzero {
            sum(values, |v| if v == 0.0 { 0.0 } else { (f64::from(v) - mean) * (f64::from(v) - mean) })
        } else {
            sum(values, |v| (f64::from(v) - mean) * (f64::from(v) - mean))
        };
        Self { count: count as u64, mean, squares }
    }

    /// From sums that were made elsewhere; `variance` is of the population.
    pub fn from_sums(count: u64, mean: f64, variance: f64) -> Self {
        Self { count, mean, squares: variance * count as f64 }
    }

    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The population's standard deviation, or 1 where that is 0.
    pub fn divisor(&self) -> f32 {
        let deviation = (self.squares / self.count.max(1) as f64).sqrt();
        if deviation == 0.0 { 1.0 } else { deviation as f32 }
    }
}

impl Sum for Moments {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.filter(|part| part.count > 0).fold(Self::default(), |a, b| {
            let count = a.count + b.count;
            let (share, apart) = (b.count as f64 / count as f64, b.mean - a.mean);
            Self {
                count,
                mean: a.mean + apart * share,
                squares: a.squares + b.squares + apart * apart * share * a.count as f64,
            }
        })
    }
}

/// The sum of `of(value)`, in eight interleaved parts, so that one addition need not wait for the one before.
#[inline(always)]
fn sum(values: &[f32], of: impl Fn(f32) -> f64) -> f64 {
    let (eights, rest) = values.as_chunks::<8>();
    let mut parts = [0.0; 8];
    for eight in eights {
        for (part, &v) in parts.iter_mut().zip(eight) {
            *part += of(v);
        }
    }
    parts.iter().sum::<f64>() + rest.iter().map(|&v| of(v)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far from zero beside their spread, where a plain sum of squares keeps nothing.
    #[test]
    fn moments_of_blocks_are_those_of_the_whole() {
        let values: Vec<f32> =
            (0..10_000).map(|i| if i % 7 == 0 { 0.0 } else { 30_000.0 + (i * 41 % 29) as f32 }).collect();
        for nonzero in [false, true] {
            let counted: Vec<f64> = values.iter().filter(|&&v| !nonzero || v != 0.0).map(|&v| f64::from(v)).collect();
            let mean = counted.iter().sum::<f64>() / counted.len() as f64;
            let variance = counted.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / counted.len() as f64;
            for size in [1, 13, 4096, 20_000] {
                let found: Moments = values.chunks(size).map(|block| Moments::of(block, nonzero)).sum();
                assert!((found.mean() - mean).abs() < 1e-9 * mean, "{size}");
                assert!((f64::from(found.divisor()) - variance.sqrt()).abs() < 1e-6 * variance.sqrt(), "{size}");
            }
        }
    }

    #[test]
    fn nothing_divides_by_one() {
        assert_eq!(Moments::of(&[0.0; 9], true).divisor(), 1.0);
        assert_eq!(Moments::of(&[3.0; 9], false).divisor(), 1.0);
    }
}
