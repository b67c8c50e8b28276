//! The walk over a target grid in the order in which its source lies in memory.

use ndarray::parallel::prelude::*;
use ndarray::{Array3, ArrayView3, ArrayViewMut3, Axis};
use rayon::slice::ParallelSliceMut;

/// Planes that are made together where the target's last axis is walked outermost: a cache line of `f32`.
const TOGETHER: usize = 16;

/// The axes of a view from the one whose neighbours are farthest apart in memory to the one where they are nearest.
pub(super) fn memory_order<T>(view: &ArrayView3<'_, T>) -> [usize; 3] {
    let mut order = [0, 1, 2];
    // The sort is stable: axes of equal strides, of which at most one is longer than 1, keep their order.
    order.sort_by_key(|&axis| std::cmp::Reverse(view.strides()[axis].unsigned_abs()));
    order
}

/// An array of `shape` whose planes across axis `order[0]` are made by `plane(index, values)`; see [`fill`].
pub(super) fn by_planes<T: Copy + Default + Send + Sync>(
    shape: [usize; 3],
    order: [usize; 3],
    plane: impl Fn(usize, &mut [T]) + Sync,
) -> Array3<T> {
    // Memory that comes as zeros is first touched by the threads that fill it; `default` would write it first.
    let mut target = Array3::from_elem(shape, T::default());
    fill(target.view_mut(), order, plane);
    target
}

/// Fills a target, plane by plane across axis `order[0]`, in parallel; a plane is row-major over `order[1]` and
/// `order[2]`. Where that is not the target's own order, planes are made aside and turned while they are in cache.
fn fill<T: Copy + Default + Send + Sync>(
    mut target: ArrayViewMut3<'_, T>,
    order: [usize; 3],
    plane: impl Fn(usize, &mut [T]) + Sync,
) {
    let [outer, middle, inner] = order.map(Axis);
    let size = target.len_of(middle) * target.len_of(inner);
    if size == 0 {
        return;
    }
    if order == [0, 1, 2]
        && let Some(block) = target.as_slice_mut()
    {
        return block.par_chunks_mut(size).enumerate().for_each(|(index, values)| plane(index, values));
    }
    let together = if order[0] == 2 { TOGETHER } else { 1 };
    let mut strides = [0; 3];
    (strides[order[0]], strides[order[1]], strides[order[2]]) = (size, target.len_of(inner), 1);
    target.axis_chunks_iter_mut(outer, together).into_par_iter().enumerate().for_each_init(
        || vec![T::default(); together * size],
        |aside, (chunk, mut part)| {
            for (k, values) in aside.chunks_exact_mut(size).take(part.len_of(outer)).enumerate() {
                plane(chunk * together + k, values);
            }
            turn(aside, strides, &mut part);
        },
    );
}

/// Copies `values`, whose elements lie `strides` apart along the axes of `part`.
fn turn<T: Copy>(values: &[T], strides: [usize; 3], part: &mut ArrayViewMut3<'_, T>) {
    for (i, mut plane) in part.outer_iter_mut().enumerate() {
        for (j, line) in plane.rows_mut().into_iter().enumerate() {
            let from = &values[i * strides[0] + j * strides[1]..];
            for (to, &value) in line.into_iter().zip(from.iter().step_by(strides[2])) {
                *to = value;
            }
        }
    }
}

/// Copies `source` to a row-major `target` of its shape, in parallel and in the order of the source's memory.
pub fn copy_to_standard<T: Copy + Default + Send + Sync>(source: ArrayView3<'_, T>, target: ArrayViewMut3<'_, T>) {
    let order = memory_order(&source);
    let walked = source.permuted_axes(order);
    let width = walked.len_of(Axis(2));
    fill(target, order, |index, values| {
        let plane = walked.index_axis(Axis(0), index);
        for (to, from) in values.chunks_exact_mut(width).zip(plane.rows()) {
            match from.to_slice() {
                Some(from) => to.copy_from_slice(from),
                None => to.iter_mut().zip(from).for_each(|(to, &from)| *to = from),
            }
        }
    });
}
