//! Resampling between grids whose axes are parallel: positions and weights are tabled once an axis.

use std::borrow::Cow;

use ndarray::{Array3, ArrayView2, ArrayView3, Axis};

use super::walk::{by_planes, memory_order};
use super::{Padding, Row};
use crate::Affine;

/// The two source voxels around a position along one axis and their weights. Small numbers, since rows of these are read
/// for every row of the target.
#[derive(Clone, Copy)]
struct Taps {
    at: [u32; 2],
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
        at: [floor, floor + 1.0].map(|index| index.clamp(0.0, last) as u32),
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

/// A grid's relation to another whose axes are parallel to it.
pub(super) struct Parallel<'a> {
    pub map: &'a Affine,
    /// For each target axis the source axis it runs along.
    pub pairs: [usize; 3],
    pub shape: [usize; 3],
    pub padding: Padding,
}

impl Parallel<'_> {
    /// A source seen along the target's axes, none of them backwards in memory, and which were turned for that.
    fn along<'s, T>(&self, source: ArrayView3<'s, T>) -> (ArrayView3<'s, T>, [bool; 3]) {
        let mut source = source.permuted_axes(self.pairs);
        let turned = std::array::from_fn(|axis| source.strides()[axis] < 0);
        (0..3).filter(|&axis| turned[axis]).for_each(|axis| source.invert_axis(Axis(axis)));
        (source, turned)
    }

    /// For each index along a target axis what `of` makes of its source position and the axis' size.
    fn table<T>(&self, axis: usize, size: usize, of: impl Fn(f64, usize, Padding) -> T) -> Vec<T> {
        let pair = self.pairs[axis];
        positions(self.map, axis, pair, self.shape[axis]).map(|p| of(p, size, self.padding)).collect()
    }

    /// As [`linear_with`](super::linear_with).
    pub fn linear_with<T: Copy + Default + Send + Sync>(
        &self,
        channels: &[ArrayView3<'_, f32>],
        combine: impl Fn(Row<'_>, &mut [T]) + Sync,
    ) -> Array3<T> {
        let Some(&first) = channels.first() else { return Array3::default(self.shape) };
        let (first, turned) = self.along(first);
        let order = memory_order(&first);
        let channels: Vec<_> = channels.iter().map(|&c| self.along(c).0.permuted_axes(order)).collect();
        let tables = order.map(|axis| {
            let size = first.len_of(Axis(axis));
            let mut table = self.table(axis, size, taps);
            if turned[axis] {
                table.iter_mut().for_each(|taps| taps.at = taps.at.map(|at| size as u32 - 1 - at));
            }
            table
        });
        let [outer, middle, inner] = &tables;
        by_planes(self.shape, order, |index, values: &mut [T]| {
            let outer = &outer[index];
            let mut blended = vec![0.0; first.len_of(Axis(order[2]))];
            for (values, middle) in values.chunks_exact_mut(inner.len()).zip(middle) {
                let mut row = |channel: usize, row: &mut [f32]| {
                    let planes = outer.at.map(|at| channels[channel].index_axis(Axis(0), at as usize));
                    let whole = blend(&planes, outer.weight, middle, &mut blended);
                    for (value, t) in row.iter_mut().zip(inner) {
                        *value = whole[t.at[0] as usize] * t.weight[0] + whole[t.at[1] as usize] * t.weight[1];
                    }
                };
                combine(&mut row, values);
            }
        })
    }

    pub fn nearest<T: Copy + Default + Send + Sync>(&self, source: ArrayView3<'_, T>) -> Array3<T> {
        let (source, turned) = self.along(source);
        let order = memory_order(&source);
        let [outer, middle, inner] = order.map(|axis| {
            let size = source.len_of(Axis(axis));
            let turn = |at: usize| if turned[axis] { size - 1 - at } else { at };
            self.table(axis, size, |p, size, padding| nearest_index(p, size, padding).map(turn))
        });
        let source = source.permuted_axes(order);
        // Positions grow evenly: those inside are one stretch.
        let first = inner.iter().position(Option::is_some).unwrap_or(0);
        let inside: Vec<usize> = inner.iter().copied().flatten().collect();
        by_planes(self.shape, order, |index, values: &mut [T]| {
            let Some(outer) = outer[index] else { return values.fill(T::default()) };
            let plane = source.index_axis(Axis(0), outer);
            let mut before: Option<(usize, &mut [T])> = None;
            for (values, middle) in values.chunks_exact_mut(inner.len()).zip(&middle) {
                match (middle, &before) {
                    (None, _) => values.fill(T::default()),
                    // An enlarged row is the one before it.
                    (Some(at), Some((same, row))) if at == same => values.copy_from_slice(row),
                    (Some(at), _) => {
                        let row = contiguous(&plane, *at);
                        values.fill(T::default());
                        for (value, &at) in values[first..].iter_mut().zip(&inside) {
                            *value = row[at];
                        }
                    }
                }
                before = middle.map(|at| (at, values));
            }
        })
    }
}

/// A row as one stretch of memory: itself or a copy.
fn contiguous<'a, T: Copy>(plane: &ArrayView2<'a, T>, row: usize) -> Cow<'a, [T]> {
    let row = plane.index_axis_move(Axis(0), row);
    row.to_slice().map_or_else(|| Cow::Owned(row.to_vec()), Cow::Borrowed)
}

/// The weighted sum of four rows, two of each of two planes, leaving out those of no weight; `aside` is written where
/// rows have to be summed or copied.
fn blend<'a>(planes: &[ArrayView2<'a, f32>; 2], weights: [f32; 2], across: &Taps, aside: &'a mut [f32]) -> &'a [f32] {
    let corners = [(0, 0), (0, 1), (1, 0), (1, 1)];
    let mut rows = corners
        .into_iter()
        .map(|(plane, row)| (weights[plane] * across.weight[row], plane, across.at[row] as usize))
        .filter(|(weight, ..)| *weight != 0.0)
        .map(|(weight, plane, row)| (weight, contiguous(&planes[plane], row)));
    match [rows.next(), rows.next(), rows.next(), rows.next()] {
        [Some((a, v)), None, ..] => {
            aside.iter_mut().zip(v.iter()).for_each(|(sum, v)| *sum = a * v);
        }
        [Some((a, v)), Some((b, w)), None, _] => {
            aside.iter_mut().zip(v.iter().zip(w.iter())).for_each(|(sum, (v, w))| *sum = a * v + b * w);
        }
        [Some((a, v)), Some((b, w)), Some((c, x)), Some((d, y))] => {
            let rows = v.iter().zip(w.iter()).zip(x.iter().zip(y.iter()));
            aside.iter_mut().zip(rows).for_each(|(sum, ((v, w), (x, y)))| *sum = a * v + b * w + c * x + d * y);
        }
        // Weights of nought come from one tap of an axis or both: none, one, two or four rows are left.
        _ => aside.fill(0.0),
    }
    aside
}
