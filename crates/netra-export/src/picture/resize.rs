//! Resampling of planes for display: any crop, any size, smooth in both directions.

use ndarray::{Array2, ArrayView2};

/// The weight of a source pixel at a distance of `t` pixels, and the distance from which it is 0.
#[derive(Clone, Copy)]
pub(super) struct Kernel {
    weight: fn(f32) -> f32,
    support: f32,
}

/// Cubic convolution (Keys, a = -1/2): sharp, for grey values and colours.
pub(super) const CUBIC: Kernel = Kernel {
    weight: |t| {
        let t = t.abs();
        if t < 1.0 {
            (1.5 * t - 2.5) * t * t + 1.0
        } else if t < 2.0 {
            ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0
        } else {
            0.0
        }
    },
    support: 2.0,
};

/// Quadratic B-spline: smooth and never negative, for masks whose border should not show steps.
pub(super) const SPLINE: Kernel = Kernel {
    weight: |t| {
        let t = t.abs();
        if t < 0.5 {
            0.75 - t * t
        } else if t < 1.5 {
            0.5 * (1.5 - t) * (1.5 - t)
        } else {
            0.0
        }
    },
    support: 1.5,
};

/// The part `from..from + extent` (source pixels, edges at whole numbers) of each axis as `size` pixels. When an
/// axis shrinks, the kernel widens with it, so that nothing is skipped. The border repeats.
pub(super) fn resize(
    source: ArrayView2<'_, f32>,
    from: [f32; 2],
    extent: [f32; 2],
    size: [usize; 2],
    kernel: Kernel,
) -> Array2<f32> {
    let rows = weights(source.nrows(), from[0], extent[0], size[0], kernel);
    let columns = weights(source.ncols(), from[1], extent[1], size[1], kernel);
    let mut narrow = Array2::<f32>::zeros((source.nrows(), size[1]));
    for (line, mut out) in source.outer_iter().zip(narrow.outer_iter_mut()) {
        for (value, taps) in out.iter_mut().zip(&columns) {
            *value = taps.iter().map(|&(at, weight)| line[at] * weight).sum();
        }
    }
    let mut out = Array2::<f32>::zeros((size[0], size[1]));
    for (mut line, taps) in out.outer_iter_mut().zip(&rows) {
        for &(at, weight) in taps {
            line.scaled_add(weight, &narrow.row(at));
        }
    }
    out
}

/// For each output pixel the source pixels and their weights, which add up to 1.
fn weights(length: usize, from: f32, extent: f32, size: usize, kernel: Kernel) -> Vec<Vec<(usize, f32)>> {
    let step = extent / size as f32;
    let widen = step.max(1.0);
    let last = length.saturating_sub(1);
    (0..size)
        .map(|i| {
            let centre = from + (i as f32 + 0.5) * step - 0.5;
            let first = (centre - kernel.support * widen).ceil() as i64;
            let end = (centre + kernel.support * widen).floor() as i64;
            let mut taps: Vec<(usize, f32)> = Vec::new();
            for at in first..=end {
                let weight = (kernel.weight)((at as f32 - centre) / widen);
                let inside = usize::try_from(at).unwrap_or(0).min(last);
                match taps.last_mut() {
                    Some((same, sum)) if *same == inside => *sum += weight,
                    _ => taps.push((inside, weight)),
                }
            }
            let sum: f32 = taps.iter().map(|(_, weight)| weight).sum();
            if sum.abs() > 1e-6 {
                taps.iter_mut().for_each(|(_, weight)| *weight /= sum);
            }
            taps
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_stays_and_a_ramp_keeps_its_slope() {
        let ramp = Array2::from_shape_fn((9, 12), |(r, c)| r as f32 + 10.0 * c as f32);
        for (size, kernel) in [([27usize, 36usize], CUBIC), ([3, 4], CUBIC), ([20, 7], SPLINE)] {
            let flat = resize(Array2::from_elem((9, 12), 4.0).view(), [0.0; 2], [9.0, 12.0], size, kernel);
            assert!(flat.iter().all(|v| (v - 4.0).abs() < 1e-4));
            let out = resize(ramp.view(), [0.0; 2], [9.0, 12.0], size, kernel);
            let (r, c) = (size[0] / 2, size[1] / 2);
            let want = |i: usize, n: usize, length: f32| (i as f32 + 0.5) * length / n as f32 - 0.5;
            let expected = want(r, size[0], 9.0) + 10.0 * want(c, size[1], 12.0);
            assert!((out[(r, c)] - expected).abs() < 0.5, "{} instead of {expected}", out[(r, c)]);
        }
    }

    #[test]
    fn a_crop_shows_only_its_part() {
        let mut source = Array2::<f32>::zeros((10, 10));
        source.row_mut(9).fill(100.0);
        let out = resize(source.view(), [0.0, 0.0], [5.0, 10.0], [5, 10], CUBIC);
        assert!(out.iter().all(|v| v.abs() < 1e-5));
    }
}
