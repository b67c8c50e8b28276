//! Resampling between grids whose axes are parallel: positions and weights are tabled once an axis.

use ndarray::parallel::prelude::*;
use ndarray::{Array3, ArrayView2, ArrayView3, Axis, Zip};

use super::Padding;
use crate::Affine;

/// The two source voxels around a position along one axis and their weights.
#[derive(Clone, Copy)]
struct Taps {
    at: [usize; 2],
    weight: [f32; 2],
}

fn taps(position: f64, size: usize, padding: Padding) -> Taps {
    let last = (size - 1) as f64;
    let Some(position) = place(position, size, padding) else { return Taps { at: [0; 2], weight: [0.0; 2] } };
    let floor = position.floor();
    let t = (position - floor) as f32;
    let inside = |index: f64| (0.0..=last).contains(&index);
    let weigh = |index: f64, weight: f32| if inside(index) { weight } else { 0.0 };
    Taps {
        at: [floor, floor + 1.0].map(|index| index.clamp(0.0, last) as usize),
        weight: [weigh(floor, 1.0 - t), weigh(floor + 1.0, t)],
    }
}

/// Where along an axis of `size` voxels linear interpolation reads for a position; `None` where all is zero.
pub(super) fn place(position: f64, size: usize, padding: Padding) -> Option<f64> {
    let last = (size - 1) as f64;
    let reach = match padding {
        Padding::Border => return Some(position.clamp(0.0, last)),
        Padding::Zeros => 1.0,
        Padding::Extent => 0.5 + ROUNDING,
    };
    let inside = position >= -reach && position <= last + reach;
    inside.then(|| if padding == Padding::Extent { position.clamp(0.0, last) } else { position })
}

/// The nearest source index of a position, or `None` outside, unless the border is repeated.
pub(super) fn nearest_index(position: f64, size: usize, padding: Padding) -> Option<usize> {
    let last = (size - 1) as f64;
    let shifted = position + 0.5 + ROUNDING;
    // Truncation is the floor of what is not negative, and needs no call into a library.
    match padding {
        Padding::Border => Some(shifted.clamp(0.0, last) as usize),
        Padding::Zeros | Padding::Extent => (shifted >= 0.0 && shifted < last + 1.0).then_some(shifted as usize),
    }
}

/// Positions come from a product of matrices: what should be a tie may miss it by a rounding error, which must not
/// break ties now one way, now the other.
const ROUNDING: f64 = 1e-6;

/// Source position of each index along target axis `axis`, which runs along source axis `pair`.
fn positions(map: &Affine, axis: usize, pair: usize, size: usize) -> impl Iterator<Item = f64> {
    let (step, start) = (map.step(axis)[pair], map.origin()[pair]);
    (0..size).map(move |index| start + step * index as f64)
}

/// The target axis to walk outermost: neither the one whose source neighbours lie next to each other in memory nor
/// the last, whose target neighbours do, so that what the inner loops touch stays in cache.
fn outer_axis<T>(source: &ArrayView3<'_, T>) -> usize {
    let strides: Vec<usize> = source.strides().iter().map(|s| s.unsigned_abs()).collect();
    if strides[1] < strides[0] && strides[1] < strides[2] { 0 } else { usize::from(strides[0] < strides[2]) }
}

pub(super) fn linear(
    source: ArrayView3<'_, f32>,
    map: &Affine,
    pairs: [usize; 3],
    shape: [usize; 3],
    padding: Padding,
) -> Array3<f32> {
    let source = source.permuted_axes(pairs);
    let tables: [Vec<Taps>; 3] = std::array::from_fn(|axis| {
        let size = source.len_of(Axis(axis));
        positions(map, axis, pairs[axis], shape[axis]).map(|p| taps(p, size, padding)).collect()
    });
    let outer = outer_axis(&source);
    let middle = 1 - outer;
    let mut target = Array3::zeros(shape);
    target.axis_iter_mut(Axis(outer)).into_par_iter().zip(&tables[outer]).for_each(|(mut plane, taps)| {
        let planes = taps.at.map(|at| source.index_axis(Axis(outer), at));
        let mut row = vec![0.0; source.len_of(Axis(2))];
        for (mut out, across) in plane.rows_mut().into_iter().zip(&tables[middle]) {
            blend(&planes, taps.weight, across, &mut row);
            Zip::from(&mut out).and(&tables[2]).for_each(|out, t| {
                *out = row[t.at[0]] * t.weight[0] + row[t.at[1]] * t.weight[1];
            });
        }
    });
    target
}

/// The weighted sum of four rows: two of each of two planes.
fn blend(planes: &[ArrayView2<'_, f32>; 2], weights: [f32; 2], across: &Taps, row: &mut [f32]) {
    row.fill(0.0);
    for (plane, outer_weight) in planes.iter().zip(weights) {
        for (at, inner_weight) in across.at.iter().zip(across.weight) {
            let weight = outer_weight * inner_weight;
            if weight != 0.0 {
                Zip::from(&mut *row).and(plane.row(*at)).for_each(|sum, &value| *sum += weight * value);
            }
        }
    }
}

pub(super) fn nearest<T: Copy + Default + Send + Sync>(
    source: ArrayView3<'_, T>,
    map: &Affine,
    pairs: [usize; 3],
    shape: [usize; 3],
    padding: Padding,
) -> Array3<T> {
    let source = source.permuted_axes(pairs);
    let tables: [Vec<Option<usize>>; 3] = std::array::from_fn(|axis| {
        let size = source.len_of(Axis(axis));
        positions(map, axis, pairs[axis], shape[axis]).map(|p| nearest_index(p, size, padding)).collect()
    });
    let outer = outer_axis(&source);
    let middle = 1 - outer;
    let mut target = Array3::default(shape);
    target.axis_iter_mut(Axis(outer)).into_par_iter().zip(&tables[outer]).for_each(|(mut plane, at)| {
        let Some(at) = at else { return };
        let from = source.index_axis(Axis(outer), *at);
        for (mut out, across) in plane.rows_mut().into_iter().zip(&tables[middle]) {
            let Some(across) = across else { continue };
            let row = from.row(*across);
            Zip::from(&mut out).and(&tables[2]).for_each(|out, at| {
                if let Some(at) = at {
                    *out = row[*at];
                }
            });
        }
    });
    target
}
