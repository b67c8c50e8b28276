//! Which channel is greatest over a stretch of pixels, and whether it reaches a threshold.
//!
//! Labels are those of the plain definition (activate every channel, take the first greatest, compare) to the last bit.
//! The plain definition calls the library's exponential for every channel; here a polynomial that the compiler turns
//! into vector code stands for it, and only pixels that are closer to a decision than its error take the plain way.

use netra_core::Result;
use netra_package::manifest::Activation;

use super::discrete::not_a_number;

/// Where `values` is greater than `best`, it becomes the best, and `label` its label. Returns whether a value is not a
/// number.
#[inline(always)]
pub(super) fn compare(label: u16, values: &[f32], best: &mut [f32], labels: &mut [u16]) -> bool {
    let mut missing = 0u32;
    for ((at, best), &value) in labels.iter_mut().zip(best).zip(values) {
        missing |= if value.is_nan() { u32::MAX } else { 0 };
        *at = if value > *best { label } else { *at };
        *best = if value > *best { value } else { *best };
    }
    missing != 0
}

/// Sets `labels` to the greatest channel, the first of equals, and returns its values. Fails (`Backend`) when a value
/// is not a number.
#[inline(always)]
pub(super) fn greatest(channels: &[&[f32]], labels: &mut [u16]) -> Result<Vec<f32>> {
    ranked(channels, labels, |_, _| ())
}

/// [`greatest`]; `before(best, values)` is called before each further channel is compared with the best so far.
#[inline(always)]
fn ranked(channels: &[&[f32]], labels: &mut [u16], mut before: impl FnMut(&[f32], &[f32])) -> Result<Vec<f32>> {
    labels.fill(0);
    let Some((first, rest)) = channels.split_first() else { return Ok(Vec::new()) };
    let mut best = first.to_vec();
    let mut missing = first.iter().fold(false, |missing, v| missing | v.is_nan());
    for (channel, values) in (1..).zip(rest) {
        before(&best, values);
        missing |= compare(channel, values, &mut best, labels);
    }
    if missing { Err(not_a_number()) } else { Ok(best) }
}

/// The number (from 1) of the greatest channel where its value reaches `least`, else 0.
#[inline(always)]
pub(super) fn keep_reaching(least: f32, best: &[f32], labels: &mut [u16]) {
    for (label, &best) in labels.iter_mut().zip(best) {
        *label = if best >= least { *label + 1 } else { 0 };
    }
}

/// [`greatest`] and [`keep_reaching`] of activated channels.
#[inline(always)]
pub(super) fn activated(channels: &[&[f32]], activation: Activation, least: f32, labels: &mut [u16]) -> Result<()> {
    let mut second = vec![f32::NEG_INFINITY; labels.len()];
    let best = ranked(channels, labels, |best, values| {
        for (second, (&best, &value)) in second.iter_mut().zip(best.iter().zip(values)) {
            let lesser = if value > best { best } else { value };
            *second = if lesser > *second { lesser } else { *second };
        }
    })?;
    let likely: Vec<[f32; 2]> = match activation {
        Activation::Sigmoid => best.iter().zip(&second).map(|(&a, &b)| [sigmoid(a), sigmoid(b)]).collect(),
        Activation::Softmax => {
            let mut sum = vec![0.0; labels.len()];
            for values in channels {
                for ((sum, &value), &best) in sum.iter_mut().zip(values.iter()).zip(&best) {
                    *sum += exponential(value - best);
                }
            }
            let of = |((&sum, &a), &b): ((&f32, &f32), &f32)| [1.0 / sum, exponential(b - a) / sum];
            sum.iter().zip(&best).zip(&second).map(of).collect()
        }
    };
    let margin = MARGIN * (8 + channels.len()) as f32;
    for (pixel, (label, [first, second])) in labels.iter_mut().zip(likely).enumerate() {
        *label = if first < least - margin {
            0
        } else if first > least + margin && first - second > margin {
            *label + 1
        } else {
            plain(channels.iter().map(|channel| channel[pixel]).collect(), activation, least)?
        };
    }
    Ok(())
}

/// Error of a probability for each channel that it depends on: several times that of a sum's rounding and of
/// [`exponential`].
const MARGIN: f32 = 1e-6;

/// The label of one pixel by the definition.
fn plain(mut values: Vec<f32>, activation: Activation, least: f32) -> Result<u16> {
    match activation {
        Activation::Sigmoid => values.iter_mut().for_each(|v| *v = 1.0 / (1.0 + (-*v).exp())),
        Activation::Softmax => {
            let greatest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            values.iter_mut().for_each(|v| *v = (*v - greatest).exp());
            let sum = values.iter().fold(0.0, |sum, v| sum + v);
            values.iter_mut().for_each(|v| *v /= sum);
        }
    }
    let channels: Vec<&[f32]> = values.iter().map(std::slice::from_ref).collect();
    let mut label = [0];
    let best = greatest(&channels, &mut label)?;
    keep_reaching(least, &best, &mut label);
    Ok(label[0])
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exponential(-x))
}

/// `exp(x)` to a relative error under 4e-7 between -87 and 87, beyond which `x` counts as its nearest end.
///
/// `x` is `n ln 2 + r` with `|r| <= ln 2 / 2`, where eight terms of the series leave an error of `r^8 / 8!`, 5e-9.
#[inline(always)]
fn exponential(x: f32) -> f32 {
    // Adding and subtracting this rounds to a whole number, which then stands in the lowest bits of the sum.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, the first with so few digits that its product with `n` is exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let x = if x > -87.0 { x } else { -87.0 };
    let x = if x < 87.0 { x } else { 87.0 };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2[0]) - n * LN_2[1];
    let series = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let sum = series.into_iter().fold(1.0 / 5040.0, |sum, term| sum * r + term);
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    sum * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_within_its_error() {
        let mut most = 0.0f64;
        for i in -870_000..=870_000 {
            let x = i as f32 * 1e-4;
            let want = f64::from(x).exp();
            most = most.max(((f64::from(exponential(x)) - want) / want).abs());
        }
        assert!(most < 4e-7, "{most}");
        assert!(exponential(f32::NEG_INFINITY) < 2e-38 && exponential(1e9) > 1e37);
    }

    /// Values whose probabilities crowd around the threshold, ties and all but ties among them.
    #[test]
    fn deciding_at_once_is_the_plain_definition() {
        let mut state = 9u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0
        };
        let mut seen = [0; 4];
        for (activation, least) in [
            (Activation::Softmax, 0.5),
            (Activation::Softmax, 1.0 / 3.0),
            (Activation::Sigmoid, 0.5),
            (Activation::Sigmoid, 1.0),
        ] {
            let mut channels = vec![vec![0.0f32; 4000]; 3];
            for pixel in 0..4000 {
                let base = 40.0 * next() - 20.0;
                // From wide apart to within a rounding error.
                let spread = 10f32.powi(-(pixel as i32 % 9)) * 4.0;
                channels.iter_mut().for_each(|channel| channel[pixel] = base * spread.min(1.0) + spread * next());
            }
            let channels: Vec<&[f32]> = channels.iter().map(Vec::as_slice).collect();
            let mut labels = vec![7; 4000];
            activated(&channels, activation, least, &mut labels).expect("numbers");
            for (pixel, &label) in labels.iter().enumerate() {
                let values = channels.iter().map(|channel| channel[pixel]).collect();
                assert_eq!(label, plain(values, activation, least).expect("numbers"), "{activation:?} {pixel}");
                seen[usize::from(label)] += 1;
            }
        }
        assert!(seen.iter().all(|&count| count > 1000), "{seen:?}");
    }
}
