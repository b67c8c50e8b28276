//! Steps that change values and leave the grid alone.

use ndarray::{ArrayRef, ArrayViewMut, Axis, CowArray, Dimension, Ix4};
use netra_core::percentile::percentiles;
use netra_core::{Error, Result};

use crate::Sample;

/// Maps `from` linearly to `to`; an empty range gives `to[0]` everywhere. With `clip`, results stay within `to`.
pub fn scale_range(values: &mut CowArray<'_, f32, Ix4>, from: [f32; 2], to: [f32; 2], clip: bool) {
    let width = from[1] - from[0];
    if width == 0.0 {
        values.fill(to[0]);
        return;
    }
    let (low, high) = (to[0].min(to[1]), to[0].max(to[1]));
    values.mapv_inplace(|v| {
        let scaled = (v - from[0]) / width * (to[1] - to[0]) + to[0];
        if clip { scaled.clamp(low, high) } else { scaled }
    });
}

/// Maps the storable values of a picture to `to`. Fails for a volume, whose storage says nothing about its values.
pub fn scale_value_range(sample: &mut Sample<'_>, to: [f32; 2]) -> Result<()> {
    let from = sample.value_range.ok_or_else(|| Error::invalid("a volume has no range of storable values"))?;
    scale_range(&mut sample.values, from, to, false);
    Ok(())
}

/// Maps the least and greatest value to `to`; a constant array becomes `to[0]`.
pub fn scale(values: &mut CowArray<'_, f32, Ix4>, to: [f32; 2]) {
    let (low, high) = fold(values, (f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    scale_range(values, [low, high], to, false);
}

/// The values at two percentiles, over all channels.
pub fn percentile_range(values: &CowArray<'_, f32, Ix4>, lower: f64, upper: f64) -> Result<[f32; 2]> {
    let q = [lower, upper];
    // Order is of no matter, so that memory order, which is quicker, will do.
    let found = match values.as_slice_memory_order() {
        Some(block) => percentiles(|| block.iter().copied(), &q),
        None => percentiles(|| values.iter().copied(), &q),
    };
    match found.as_deref() {
        Some(&[low, high]) => Ok([low, high]),
        _ => Err(Error::invalid("no percentiles: values are missing or not numbers")),
    }
}

/// Subtracts and divides: by `stated` numbers (subtrahend, divisor; one, or one a channel), else by mean and standard
/// deviation (population form; 0 divides by 1), of each channel or of all together. With `nonzero`, zeros are
/// neither counted nor changed. Fails when the numbers are neither one nor one a channel.
pub fn normalize(
    values: &mut CowArray<'_, f32, Ix4>,
    nonzero: bool,
    channel_wise: bool,
    stated: (Option<&[f32]>, Option<&[f32]>),
) -> Result<()> {
    let channels = values.len_of(Axis(0));
    for numbers in [stated.0, stated.1].into_iter().flatten() {
        if numbers.len() != 1 && numbers.len() != channels {
            return Err(Error::invalid(format!("{} numbers for {channels} channels", numbers.len())));
        }
    }
    let of = |numbers: &[f32], channel: usize| numbers[channel.min(numbers.len() - 1)];
    let measured = stated.0.is_none() || stated.1.is_none();
    let whole = (measured && !channel_wise).then(|| Moments::of(values, nonzero));
    for (channel, mut plane) in values.axis_iter_mut(Axis(0)).enumerate() {
        let moments = match whole {
            Some(moments) => moments,
            None if measured => Moments::of(&plane, nonzero),
            None => Moments::default(),
        };
        let subtrahend = stated.0.map_or(moments.mean as f32, |n| of(n, channel));
        let divisor = stated.1.map_or(moments.divisor(), |n| of(n, channel));
        shift(&mut plane, nonzero, subtrahend, divisor);
    }
    Ok(())
}

fn shift<D: Dimension>(plane: &mut ArrayViewMut<'_, f32, D>, nonzero: bool, subtrahend: f32, divisor: f32) {
    plane.mapv_inplace(|v| if nonzero && v == 0.0 { v } else { (v - subtrahend) / divisor });
}

/// Mean and population standard deviation.
#[derive(Clone, Copy, Default)]
struct Moments {
    mean: f64,
    deviation: f64,
}

impl Moments {
    fn of<D: Dimension>(values: &ArrayRef<f32, D>, nonzero: bool) -> Self {
        let counts = |v: f32| !nonzero || v != 0.0;
        let (sum, count) =
            fold(
                values,
                (0.0, 0u64),
                |(sum, count), v| {
                    if counts(v) { (sum + f64::from(v), count + 1) } else { (sum, count) }
                },
            );
        if count == 0 {
            return Self::default();
        }
        let mean = sum / count as f64;
        let squares = fold(values, 0.0, |sum, v| if counts(v) { sum + (f64::from(v) - mean).powi(2) } else { sum });
        Self { mean, deviation: (squares / count as f64).sqrt() }
    }

    fn divisor(&self) -> f32 {
        if self.deviation == 0.0 { 1.0 } else { self.deviation as f32 }
    }
}

/// Folds over all values, in memory order where that is quicker.
fn fold<D: Dimension, T>(values: &ArrayRef<f32, D>, start: T, mut f: impl FnMut(T, f32) -> T) -> T {
    match values.as_slice_memory_order() {
        Some(block) => block.iter().fold(start, |state, &v| f(state, v)),
        None => values.iter().fold(start, |state, &v| f(state, v)),
    }
}
