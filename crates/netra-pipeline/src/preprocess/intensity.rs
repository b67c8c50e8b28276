//! Steps that change values and leave the grid alone. Steps that follow each other are done together: what is memory's
//! pace is reading and writing, so values are read once for each number that depends on all of them (a mean, a
//! percentile), and once more to be changed by all steps.

use ndarray::{Array4, Axis, CowArray, Ix4};
use netra_core::percentile::percentiles;
use netra_core::{Error, Result};
use netra_package::manifest::Preprocess;
use rayon::prelude::*;

use super::moments::Moments;
use crate::Sample;
use crate::sample::standard;
use crate::vector::wide;

/// Values worked on at a time: they stay in the L1 cache from one step to the next. Sums over all values are sums over
/// these blocks' sums in their order, whatever number of threads there is.
const BLOCK: usize = 4096;

/// Whether a step changes values alone.
pub fn is_intensity(step: &Preprocess) -> bool {
    matches!(
        step,
        Preprocess::ScaleIntensityRange { .. }
            | Preprocess::ScaleValueRange { .. }
            | Preprocess::ScaleIntensityRangePercentiles { .. }
            | Preprocess::ScaleIntensity { .. }
            | Preprocess::NormalizeIntensity { .. }
            | Preprocess::ClipIntensityPercentiles { .. }
    )
}

/// Runs steps of which each [`is_intensity`]. Fails with the index of the step that cannot be done.
pub fn apply(steps: &[Preprocess], sample: &mut Sample<'_>) -> std::result::Result<(), (usize, Error)> {
    let mut chain = Chain::new(&mut sample.values);
    for (i, step) in steps.iter().enumerate() {
        let map = chain.map(step, sample.value_range).map_err(|e| (i, e))?;
        chain.maps.push(map);
    }
    chain.run();
    Ok(())
}

/// Maps the least and greatest value to `to`; a constant array becomes `to[0]`.
pub fn scale(values: &mut CowArray<'_, f32, Ix4>, to: [f32; 2]) {
    let mut chain = Chain::new(values);
    let from = chain.range();
    chain.maps.push(Map::Scale { from, to, clip: false });
    chain.run();
}

/// What a step does to a value, once its numbers are known.
enum Map {
    /// Maps `from` linearly to `to`; an empty range gives `to[0]` everywhere. With `clip`, results stay within `to`.
    Scale { from: [f32; 2], to: [f32; 2], clip: bool },
    /// Limits.
    Clip([f32; 2]),
    /// Subtrahend and divisor of each channel. With `nonzero`, zeros are not changed.
    Shift { by: Vec<[f32; 2]>, nonzero: bool },
}

impl Map {
    fn apply(&self, channel: usize, block: &mut [f32]) {
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
}

/// Values, and what is yet to be done to them.
struct Chain<'c, 'a> {
    /// In standard layout.
    values: &'c mut CowArray<'a, f32, Ix4>,
    maps: Vec<Map>,
}

impl<'c, 'a> Chain<'c, 'a> {
    fn new(values: &'c mut CowArray<'a, f32, Ix4>) -> Self {
        // The tensor will be row-major in the end: a copy made now is not made then.
        if !values.is_standard_layout() {
            *values = standard(values.view().into()).into();
        }
        Self { values, maps: Vec::new() }
    }

    /// What a step does to the values as the steps before leave them.
    fn map(&self, step: &Preprocess, value_range: Option<[f32; 2]>) -> Result<Map> {
        Ok(match step {
            Preprocess::ScaleIntensityRange { a_min, a_max, b_min, b_max, clip } => {
                Map::Scale { from: [*a_min, *a_max], to: [*b_min, *b_max], clip: *clip }
            }
            Preprocess::ScaleValueRange { b_min, b_max } => {
                let no_range = || Error::invalid("a volume has no range of storable values");
                Map::Scale { from: value_range.ok_or_else(no_range)?, to: [*b_min, *b_max], clip: false }
            }
            Preprocess::ScaleIntensityRangePercentiles { lower, upper, b_min, b_max, clip } => {
                Map::Scale { from: self.percentile_range(*lower, *upper)?, to: [*b_min, *b_max], clip: *clip }
            }
            Preprocess::ScaleIntensity { minv, maxv } => {
                Map::Scale { from: self.range(), to: [*minv, *maxv], clip: false }
            }
            Preprocess::NormalizeIntensity { nonzero, channel_wise, subtrahend, divisor } => {
                self.normalize(*nonzero, *channel_wise, (subtrahend.as_deref(), divisor.as_deref()))?
            }
            Preprocess::ClipIntensityPercentiles { lower, upper } => Map::Clip(self.percentile_range(*lower, *upper)?),
            _ => return Err(Error::invalid("a step that changes more than values")),
        })
    }

    /// Subtracts and divides: by `stated` numbers (subtrahend, divisor; one, or one a channel), else by mean and standard
    /// deviation (population form; 0 divides by 1), of each channel or of all together. With `nonzero`, zeros are
    /// neither counted nor changed. Fails when the numbers are neither one nor one a channel.
    fn normalize(&self, nonzero: bool, channel_wise: bool, stated: (Option<&[f32]>, Option<&[f32]>)) -> Result<Map> {
        let channels = self.values.len_of(Axis(0));
        for numbers in [stated.0, stated.1].into_iter().flatten() {
            if numbers.len() != 1 && numbers.len() != channels {
                return Err(Error::invalid(format!("{} numbers for {channels} channels", numbers.len())));
            }
        }
        let of = |numbers: &[f32], channel: usize| numbers[channel.min(numbers.len() - 1)];
        let mut moments = vec![Moments::default(); channels];
        if stated.0.is_none() || stated.1.is_none() {
            for (channel, moments) in moments.iter_mut().enumerate() {
                *moments = self
                    .blocks(channel, |block| {
                        wide(
                            #[inline(always)]
                            || Moments::of(block, nonzero),
                        )
                    })
                    .into_iter()
                    .sum();
            }
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

    /// The least and the greatest value.
    fn range(&self) -> [f32; 2] {
        let least = |a: f32, b: f32| if b < a { b } else { a };
        let greatest = |a: f32, b: f32| if b > a { b } else { a };
        let ranges = (0..self.values.len_of(Axis(0))).flat_map(|channel| {
            self.blocks(channel, |block| {
                [
                    block.iter().copied().fold(f32::INFINITY, least),
                    block.iter().copied().fold(f32::NEG_INFINITY, greatest),
                ]
            })
        });
        ranges.fold([f32::INFINITY, f32::NEG_INFINITY], |a, b| [least(a[0], b[0]), greatest(a[1], b[1])])
    }

    /// The values at two percentiles, over all channels.
    fn percentile_range(&self, lower: f64, upper: f64) -> Result<[f32; 2]> {
        let channels: Vec<&[f32]> = (0..self.values.len_of(Axis(0))).map(|channel| self.channel(channel)).collect();
        let blocks: Vec<(usize, &[f32])> =
            channels.iter().enumerate().flat_map(|(channel, v)| v.chunks(BLOCK).map(move |v| (channel, v))).collect();
        let found = percentiles(blocks.len(), |i, take| self.mapped(blocks[i].0, blocks[i].1, take), &[lower, upper]);
        match found.as_deref() {
            Some(&[low, high]) => Ok([low, high]),
            _ => Err(Error::invalid("no percentiles: values are missing or not numbers")),
        }
    }

    /// What `of` makes of each block of a channel, in order.
    fn blocks<T: Send>(&self, channel: usize, of: impl Fn(&[f32]) -> T + Sync) -> Vec<T> {
        let blocks = self.channel(channel).par_chunks(BLOCK);
        blocks.map(|block| self.mapped(channel, block, |block| of(block))).collect()
    }

    /// Calls `work` with a block of a channel as the steps so far leave it.
    fn mapped<T>(&self, channel: usize, block: &[f32], work: impl FnOnce(&[f32]) -> T) -> T {
        if self.maps.is_empty() {
            return work(block);
        }
        let mut aside = [0.0; BLOCK];
        let aside = &mut aside[..block.len()];
        aside.copy_from_slice(block);
        self.maps.iter().for_each(|map| map.apply(channel, aside));
        work(aside)
    }

    fn channel(&self, channel: usize) -> &[f32] {
        let all = self.values.as_slice().unwrap_or_default();
        let size = all.len() / self.values.len_of(Axis(0)).max(1);
        &all[channel * size..][..size]
    }

    /// Changes the values, in place where they are not the caller's.
    fn run(self) {
        let Self { values, maps } = self;
        let size = (values.len() / values.len_of(Axis(0)).max(1)).max(1);
        let change = |channel: usize, block: &mut [f32]| maps.iter().for_each(|map| map.apply(channel, block));
        if values.is_view() {
            let mut own = Array4::zeros(values.dim());
            if let (Some(to), Some(from)) = (own.as_slice_mut(), values.as_slice()) {
                for (channel, (to, from)) in to.chunks_mut(size).zip(from.chunks(size)).enumerate() {
                    to.par_chunks_mut(BLOCK).zip(from.par_chunks(BLOCK)).for_each(|(to, from)| {
                        to.copy_from_slice(from);
                        change(channel, to);
                    });
                }
            }
            *values = own.into();
        } else if let Some(own) = values.as_slice_mut() {
            for (channel, own) in own.chunks_mut(size).enumerate() {
                own.par_chunks_mut(BLOCK).for_each(|block| change(channel, block));
            }
        }
    }
}
