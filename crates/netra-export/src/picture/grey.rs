//! Pixel values as something to look at.

use ndarray::{Array2, ArrayView2};
use netra_core::Image;

use super::resize::{CUBIC, resize};

/// At most this many values are sorted for the percentiles.
const SAMPLES: usize = 200_000;

/// The range of values that black and white stand for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    low: f32,
    high: f32,
}

impl Window {
    /// From the 0.5th to the 99.5th percentile of `count` values; values that are not finite are left out.
    pub fn of(values: impl Iterator<Item = f32>, count: usize) -> Self {
        let stride = count.div_ceil(SAMPLES).max(1);
        let mut sample: Vec<f32> = values.step_by(stride).filter(|v| v.is_finite()).collect();
        sample.sort_unstable_by(f32::total_cmp);
        let at = |share: f64| {
            let index = ((sample.len() as f64 - 1.0) * share).round().max(0.0) as usize;
            sample.get(index).copied().unwrap_or(0.0)
        };
        let (low, high) = (at(0.005), at(0.995));
        Self { low, high: if high > low { high } else { low + 1.0 } }
    }

    /// Of this centre and width; `None` when they make no range.
    pub fn stated(centre: f64, width: f64) -> Option<Self> {
        let (low, high) = ((centre - width / 2.0) as f32, (centre + width / 2.0) as f32);
        (low.is_finite() && high.is_finite() && high > low).then_some(Self { low, high })
    }

    /// The values of black and white.
    pub fn range(&self) -> [f32; 2] {
        [self.low, self.high]
    }

    /// A value as grey from 0 to 1.
    pub fn grey(&self, value: f32) -> f32 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// An image as `size` pixels of red, green and blue, 0 to 1.
pub(super) fn colours(image: &Image, size: [usize; 2]) -> [Array2<f32>; 3] {
    let pixels = image.pixels();
    let (channels, rows, columns) = pixels.dim();
    let window = match channels {
        1 => Window::of(pixels.iter().copied(), pixels.len()),
        _ => Window { low: image.value_range[0], high: image.value_range[1].max(image.value_range[0] + 1.0) },
    };
    let sized = |channel: ArrayView2<'_, f32>| {
        let mut plane = resize(channel, [0.0; 2], [rows as f32, columns as f32], size, CUBIC);
        plane.mapv_inplace(|value| window.grey(value));
        plane
    };
    let red = sized(pixels.index_axis(ndarray::Axis(0), 0));
    if channels == 1 {
        return [red.clone(), red.clone(), red];
    }
    [red, sized(pixels.index_axis(ndarray::Axis(0), 1)), sized(pixels.index_axis(ndarray::Axis(0), 2))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_do_not_set_the_window() {
        let values: Vec<f32> = (0..10_000).map(|i| if i % 1000 == 0 { 1e9 } else { (i % 100) as f32 }).collect();
        let window = Window::of(values.iter().copied(), values.len());
        assert_eq!((window.low, window.high), (0.0, 99.0));
        assert_eq!(window.grey(1e9), 1.0);
    }

    #[test]
    fn a_flat_picture_has_a_window() {
        let window = Window::of([5.0f32, f32::NAN, 5.0].into_iter(), 3);
        assert_eq!(window.grey(5.0), 0.0);
    }
}
