//! What a step does to each value, and what it has to know of all of them.

use netra_core::{Error, Result};
use netra_graph::volumes::ValueMap;
use netra_package::manifest::Preprocess;

use super::moments::Moments;

/// What steps ask of all values, wherever these are.
pub(crate) trait Statistics {
    /// Number of channels.
    fn channels(&self) -> usize;

    /// Moments of each channel; with `nonzero`, zeros are left out.
    fn moments(&self, nonzero: bool) -> Result<Vec<Moments>>;

    /// The least and the greatest value.
    fn range(&self) -> Result<[f32; 2]>;

    /// The values at two percentiles, over all channels.
    fn percentiles(&self, lower: f64, upper: f64) -> Result<[f32; 2]>;
}

/// What a step does to a value, once its numbers are known.
pub(crate) enum Map {
    /// Maps `from` linearly to `to`; an empty range gives `to[0]` everywhere. With `clip`, results stay within `to`.
    Scale { from: [f32; 2], to: [f32; 2], clip: bool },
    /// Limits.
    Clip([f32; 2]),
    /// Subtrahend and divisor of each channel. With `nonzero`, zeros are not changed.
    Shift { by: Vec<[f32; 2]>, nonzero: bool },
}

impl Map {
    /// Changes a block of a channel.
    pub fn apply(&self, channel: usize, block: &mut [f32]) {
        match *self {
            Map::Scale { from: [low, high], to, .. } if high - low == 0.0 => block.fill(to[0]),
            Map::Scale { from, to, clip } => {
                let (width, range) = (from[1] - from[0], to[1] - to[0]);
                block.iter_mut().for_each(|v| *v = (*v - from[0]) / width * range + to[0]);
                if clip {
                    let (low, high) = (to[0].min(to[1]), to[0].max(to[1]));
                    block.iter_mut().for_each(|v| *v = v.clamp(low, high));
                }
            }
            Map::Clip([low, high]) => block.iter_mut().for_each(|v| *v = v.clamp(low, high)),
            Map::Shift { ref by, nonzero: false } => {
                let [subtrahend, divisor] = by[channel];
                block.iter_mut().for_each(|v| *v = (*v - subtrahend) / divisor);
            }
            Map::Shift { ref by, nonzero: true } => {
                let [subtrahend, divisor] = by[channel];
                block.iter_mut().for_each(|v| *v = if *v == 0.0 { *v } else { (*v - subtrahend) / divisor });
            }
        }
    }

    /// What a step does to values of which `all` tells what it needs to know; `value_range` are the darkest and brightest
    /// storable value of a picture.
    pub fn of(step: &Preprocess, value_range: Option<[f32; 2]>, all: &impl Statistics) -> Result<Self> {
        Ok(match step {
            Preprocess::ScaleIntensityRange { a_min, a_max, b_min, b_max, clip } => {
                Map::Scale { from: [*a_min, *a_max], to: [*b_min, *b_max], clip: *clip }
            }
            Preprocess::ScaleValueRange { b_min, b_max } => {
                let no_range = || Error::invalid("a volume has no range of storable values");
                Map::Scale { from: value_range.ok_or_else(no_range)?, to: [*b_min, *b_max], clip: false }
            }
            Preprocess::ScaleIntensityRangePercentiles { lower, upper, b_min, b_max, clip } => {
                Map::Scale { from: all.percentiles(*lower, *upper)?, to: [*b_min, *b_max], clip: *clip }
            }
            Preprocess::ScaleIntensity { minv, maxv } => {
                Map::Scale { from: all.range()?, to: [*minv, *maxv], clip: false }
            }
            Preprocess::NormalizeIntensity { nonzero, channel_wise, subtrahend, divisor } => {
                normalize(all, *nonzero, *channel_wise, (subtrahend.as_deref(), divisor.as_deref()))?
            }
            Preprocess::ClipIntensityPercentiles { lower, upper } => Map::Clip(all.percentiles(*lower, *upper)?),
            _ => return Err(Error::invalid("a step that changes more than values")),
        })
    }

    /// The same for a channel on a device.
    pub fn on_device(&self, channel: usize) -> ValueMap {
        let same = ValueMap { subtrahend: 0.0, divisor: 1.0, factor: 1.0, offset: 0.0, limits: None, keep_zero: false };
        match *self {
            Map::Scale { from: [low, high], to, .. } if high - low == 0.0 => {
                ValueMap { factor: 0.0, offset: to[0], ..same }
            }
            Map::Scale { from, to, clip } => ValueMap {
                subtrahend: from[0],
                divisor: from[1] - from[0],
                factor: to[1] - to[0],
                offset: to[0],
                limits: clip.then(|| [to[0].min(to[1]), to[0].max(to[1])]),
                ..same
            },
            Map::Clip(limits) => ValueMap { limits: Some(limits), ..same },
            Map::Shift { ref by, nonzero } => {
                let [subtrahend, divisor] = by[channel];
                ValueMap { subtrahend, divisor, keep_zero: nonzero, ..same }
            }
        }
    }
}

/// Subtracts and divides: by `stated` numbers (subtrahend, divisor; one, or one a channel), else by mean and standard
/// deviation (population form; 0 divides by 1), of each channel or of all together. With `nonzero`, zeros are
/// neither counted nor changed. Fails when the numbers are neither one nor one a channel.
fn normalize(
    all: &impl Statistics,
    nonzero: bool,
    channel_wise: bool,
    stated: (Option<&[f32]>, Option<&[f32]>),
) -> Result<Map> {
    let channels = all.channels();
    for numbers in [stated.0, stated.1].into_iter().flatten() {
        if numbers.len() != 1 && numbers.len() != channels {
            return Err(Error::invalid(format!("{} numbers for {channels} channels", numbers.len())));
        }
    }
    let of = |numbers: &[f32], channel: usize| numbers[channel.min(numbers.len() - 1)];
    let mut moments = vec![Moments::default(); channels];
    if stated.0.is_none() || stated.1.is_none() {
        moments = all.moments(nonzero)?;
        if !channel_wise {
            let all = moments.iter().copied().sum();
            moments.fill(all);
        }
    }
    let by = moments.iter().enumerate().map(|(channel, moments)| {
        let subtrahend = stated.0.map_or(moments.mean() as f32, |n| of(n, channel));
        [subtrahend, stated.1.map_or(moments.divisor(), |n| of(n, channel))]
    });
    Ok(Map::Shift { by: by.collect(), nonzero })
}
