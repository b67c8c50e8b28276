//! A scan on the device, and the preprocessing steps that are done there.

use netra_core::resample::index_map;
use netra_core::{Geometry, Limits, Result};
use netra_graph::volumes::{Beyond, GridMap, Interpolation as Reading};
use netra_graph::{DataView, DeviceVolume, TensorView, Volumes};
use netra_package::from_graph;
use netra_package::manifest::{Interpolation, Preprocess};

use crate::preprocess::{self, Map, Moments, Statistics};
use crate::sample::{check_size, standard};
use crate::{Placement, Sample};

/// The grid that values are on after `steps`. Fails (`Limit`) when one of them asks for too large a grid.
pub(super) fn grid_after(steps: &[Preprocess], sample: &Sample<'_>, limits: &Limits) -> Result<Geometry> {
    steps.iter().try_fold(sample.place.geometry.clone(), |grid, step| {
        let to = preprocess::geometry::target(step, &grid)?;
        check_size(sample.channels(), to.shape(), limits)?;
        Ok(to)
    })
}

/// Uploads a sample, which stays the caller's, and does `steps` on it.
pub(super) fn upload(volumes: &dyn Volumes, sample: &Sample<'_>, steps: &[Preprocess]) -> Result<DeviceVolume> {
    let (channels, slices, rows, columns) = sample.values.dim();
    let shape = [channels, slices, rows, columns];
    let put = |block: &[f32]| {
        let view = TensorView::new(&shape, DataView::F32(block)).map_err(from_graph)?;
        volumes.upload(view).map_err(from_graph)
    };
    let mut volume = match sample.values.as_slice() {
        Some(block) => put(block)?,
        None => put(standard(sample.values.view().into()).as_slice().unwrap_or_default())?,
    };
    let mut grid = sample.place.geometry.clone();
    for step in steps {
        let to = preprocess::geometry::target(step, &grid)?;
        if let Some((mode, beyond)) = resampling(step) {
            let (map, reading) = (map_between(&grid, &to), reading(mode));
            volume = volumes.resample(&volume, &map, reading, beyond).map_err(from_graph)?;
        } else {
            let map = Map::of(step, sample.value_range, &OnDevice { volumes, volume: &volume })?;
            let maps: Vec<_> = (0..channels).map(|channel| map.on_device(channel)).collect();
            volumes.map(&volume, &maps).map_err(from_graph)?;
        }
        grid = to;
    }
    Ok(volume)
}

/// How the host resamples for a step; `None` for one that leaves the grid alone.
fn resampling(step: &Preprocess) -> Option<(Interpolation, Beyond)> {
    match step {
        Preprocess::Spacing { mode, .. } | Preprocess::Resize { mode, .. } => Some((*mode, Beyond::Border)),
        Preprocess::Conform { mode, .. } => Some((*mode, Beyond::Zeros)),
        _ => None,
    }
}

fn reading(mode: Interpolation) -> Reading {
    match mode {
        Interpolation::Bilinear => Reading::Linear,
        _ => Reading::Nearest,
    }
}

/// The grid `to` seen from `from`.
fn map_between(from: &Geometry, to: &Geometry) -> GridMap {
    let map = index_map(from, to).0;
    GridMap { shape: to.shape(), map: [map[0], map[1], map[2]] }
}

/// The source grid seen from that of the tensor.
pub(super) fn way_back(from: &Geometry, place: &Placement) -> GridMap {
    map_between(from, &place.source)
}

struct OnDevice<'a> {
    volumes: &'a dyn Volumes,
    volume: &'a DeviceVolume,
}

impl Statistics for OnDevice<'_> {
    fn channels(&self) -> usize {
        self.volume.shape()[0]
    }

    fn moments(&self, nonzero: bool) -> Result<Vec<Moments>> {
        let found = self.volumes.moments(self.volume, nonzero).map_err(from_graph)?;
        Ok(found.into_iter().map(|m| Moments::from_sums(m.count, m.mean, m.variance)).collect())
    }

    fn range(&self) -> Result<[f32; 2]> {
        let found = self.volumes.moments(self.volume, false).map_err(from_graph)?;
        let join = |a: [f32; 2], b: [f32; 2]| [a[0].min(b[0]), a[1].max(b[1])];
        Ok(found.into_iter().map(|m| m.range).fold([f32::INFINITY, f32::NEG_INFINITY], join))
    }

    fn percentiles(&self, _: f64, _: f64) -> Result<[f32; 2]> {
        Err(netra_core::Error::unsupported("percentiles on a device"))
    }
}
