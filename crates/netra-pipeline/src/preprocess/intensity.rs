//! Steps that change values and leave the grid alone. Steps that follow each other are done together: what is memory's
//! pace is reading and writing, so values are read once for each number that depends on all of them (a mean, a
//! percentile), and once more to be changed by all steps.

use ndarray::{Array4, Axis, CowArray, Ix4};
use netra_core::percentile::percentiles;
use netra_core::{Error, Result};
use netra_package::manifest::Preprocess;
use rayon::prelude::*;

use super::map::{Map, Statistics};
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
        let map = Map::of(step, sample.value_range, &chain).map_err(|e| (i, e))?;
        chain.maps.push(map);
    }
    chain.run();
    Ok(())
}

/// Maps the least and greatest value to `to`; a constant array becomes `to[0]`.
pub fn scale(values: &mut CowArray<'_, f32, Ix4>, to: [f32; 2]) {
    let mut chain = Chain::new(values);
    chain.maps.push(Map::Scale { from: chain.range_of_all(), to, clip: false });
    chain.run();
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

    /// The least and the greatest value.
    fn range_of_all(&self) -> [f32; 2] {
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

/// Of the values as the steps so far leave them.
impl Statistics for Chain<'_, '_> {
    fn channels(&self) -> usize {
        self.values.len_of(Axis(0))
    }

    fn moments(&self, nonzero: bool) -> Result<Vec<Moments>> {
        let of = |channel| {
            let blocks = self.blocks(channel, |block| {
                wide(
                    #[inline(always)]
                    || Moments::of(block, nonzero),
                )
            });
            blocks.into_iter().sum()
        };
        Ok((0..self.channels()).map(of).collect())
    }

    fn range(&self) -> Result<[f32; 2]> {
        Ok(self.range_of_all())
    }

    fn percentiles(&self, lower: f64, upper: f64) -> Result<[f32; 2]> {
        let channels: Vec<&[f32]> = (0..self.values.len_of(Axis(0))).map(|channel| self.channel(channel)).collect();
        let blocks: Vec<(usize, &[f32])> =
            channels.iter().enumerate().flat_map(|(channel, v)| v.chunks(BLOCK).map(move |v| (channel, v))).collect();
        let found = percentiles(blocks.len(), |i, take| self.mapped(blocks[i].0, blocks[i].1, take), &[lower, upper]);
        match found.as_deref() {
            Some(&[low, high]) => Ok([low, high]),
            _ => Err(Error::invalid("no percentiles: values are missing or not numbers")),
        }
    }
}
