//! Seeing a value as part of another shape: channel ranges, broadcasting, merged axes.

use cubecl::prelude::*;
use netra_graph::{Error, Result};

use crate::gpu::{Buffer, Gpu};
use crate::kernels::index::WalkLaunch;
use crate::kernels::movement::copy_kernel;
use crate::value::{Part, Value, count, split, strides, with_channels};

/// A buffer with the offset and strides (in elements) at which a shape's elements lie in it.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) buffer: Buffer,
    pub(crate) offset: isize,
    pub(crate) strides: Vec<isize>,
}

impl View {
    /// A contiguous buffer of `shape`.
    pub(crate) fn contiguous(buffer: &Buffer, shape: &[usize]) -> Self {
        let strides = strides(shape).into_iter().map(|s| s as isize).collect();
        Self { buffer: buffer.clone(), offset: 0, strides }
    }
}

/// Merges axes that every view walks as one and drops those of size 1, so that kernels divide as little as possible.
/// At least one axis stays.
fn merge(shape: &[usize], views: &[&[isize]]) -> (Vec<usize>, Vec<Vec<isize>>) {
    let mut sizes: Vec<usize> = Vec::new();
    let mut steps: Vec<Vec<isize>> = vec![Vec::new(); views.len()];
    for (axis, &size) in shape.iter().enumerate() {
        if size == 1 {
            continue;
        }
        let joins =
            !sizes.is_empty() && views.iter().zip(&steps).all(|(v, s)| s.last() == Some(&(v[axis] * size as isize)));
        for (view, s) in views.iter().zip(&mut steps) {
            if joins {
                s.pop();
            }
            s.push(view[axis]);
        }
        match sizes.last_mut() {
            Some(last) if joins => *last *= size,
            _ => sizes.push(size),
        }
    }
    if sizes.is_empty() {
        sizes.push(1);
        steps.iter_mut().for_each(|s| s.push(0));
    }
    (sizes, steps)
}

/// The arguments that walk `views` over `shape`: the merged shape and one walk a view.
pub(crate) fn walks(shape: &[usize], views: &[&View]) -> (Vec<usize>, Vec<WalkLaunch>) {
    let strides: Vec<&[isize]> = views.iter().map(|v| v.strides.as_slice()).collect();
    let (sizes, steps) = merge(shape, &strides);
    let walks = views.iter().zip(steps).map(|(v, s)| walk(v.offset, &s)).collect();
    (sizes, walks)
}

/// One walk.
pub(crate) fn walk(offset: isize, strides: &[isize]) -> WalkLaunch {
    WalkLaunch::new(offset as i32, strides.iter().map(|&s| s as i32).collect())
}

/// The buffer of a value in one piece; steps that need one are checked on compile.
pub(crate) fn whole(value: &Value) -> Result<&Buffer> {
    value.single().ok_or_else(|| Error::unsupported(format!("{:?} is larger than a buffer", value.shape)))
}

/// Copies the elements of `shape` from one view to another.
pub(crate) fn copy(gpu: &Gpu, shape: &[usize], from: &View, to: &View) {
    let total = count(shape);
    if total == 0 {
        return;
    }
    let (sizes, walks) = walks(shape, &[from, to]);
    let mut walks = walks.into_iter();
    if let (Some(read), Some(write)) = (walks.next(), walks.next()) {
        let (cubes, dim) = gpu.grid(total);
        let shape = sizes.into_iter().collect::<SequenceArg<usize>>();
        copy_kernel::launch(&gpu.client, cubes, dim, from.buffer.arg(), to.buffer.arg(), total, shape, read, write);
    }
}

/// A fresh value of `shape`, contents undefined, cut as every value of that shape.
pub(crate) fn empty(gpu: &Gpu, shape: &[usize]) -> Value {
    // Shapes that cannot be cut were refused when the program was compiled.
    let ranges = split(shape, gpu.limit()).unwrap_or_default();
    let parts = ranges
        .into_iter()
        .map(|r| Part { start: r.start, channels: r.len(), buffer: gpu.empty(count(&with_channels(shape, r.len()))) })
        .collect();
    Value { shape: shape.to_vec(), parts }
}

/// Channels `start..start + channels` of a value, copied together when they lie in several parts.
pub(crate) fn narrow(gpu: &Gpu, value: &Value, start: usize, channels: usize) -> View {
    for part in &value.parts {
        if start >= part.start && start + channels <= part.start + part.channels {
            let shape = with_channels(&value.shape, part.channels);
            let mut view = View::contiguous(&part.buffer, &shape);
            view.offset = (start - part.start) as isize * view.strides.get(1).copied().unwrap_or(0);
            return view;
        }
    }
    let shape = with_channels(&value.shape, channels);
    let out = View::contiguous(&gpu.empty(count(&shape)), &shape);
    for part in &value.parts {
        let from = start.max(part.start);
        let to = (start + channels).min(part.start + part.channels);
        if from < to {
            place(
                gpu,
                &narrow(gpu, value, from, to - from),
                &with_channels(&value.shape, to - from),
                &out,
                from - start,
            );
        }
    }
    out
}

/// Channels of a value as one contiguous buffer.
pub(crate) fn contiguous(gpu: &Gpu, value: &Value, start: usize, channels: usize) -> Buffer {
    if let Some(part) = value.parts.iter().find(|p| p.start == start && p.channels == channels) {
        return part.buffer.clone();
    }
    let shape = with_channels(&value.shape, channels);
    let out = View::contiguous(&gpu.empty(count(&shape)), &shape);
    copy(gpu, &shape, &narrow(gpu, value, start, channels), &out);
    out.buffer
}

/// Copies a view of `shape` into `out`, starting at its channel `channel`.
pub(crate) fn place(gpu: &Gpu, from: &View, shape: &[usize], out: &View, channel: usize) {
    let mut to = out.clone();
    to.offset += channel as isize * to.strides.get(1).copied().unwrap_or(0);
    copy(gpu, shape, from, &to);
}

/// A value of `shape` from pieces `(first channel, channels, buffer)` that cover its channels.
pub(crate) fn assemble(gpu: &Gpu, shape: &[usize], pieces: Vec<Part>) -> Value {
    let fits = split(shape, gpu.limit()).is_some_and(|ranges| {
        ranges.len() == pieces.len() && ranges.iter().zip(&pieces).all(|(r, p)| r.start == p.start)
    });
    let given = Value { shape: shape.to_vec(), parts: pieces };
    if fits {
        return given;
    }
    let out = empty(gpu, shape);
    for part in &out.parts {
        let shape = with_channels(shape, part.channels);
        let from = narrow(gpu, &given, part.start, part.channels);
        copy(gpu, &shape, &from, &View::contiguous(&part.buffer, &shape));
    }
    out
}

/// `value` broadcast to the channels `start..start + channels` of `shape`. Axes align at the end.
pub(crate) fn broadcast(gpu: &Gpu, value: &Value, shape: &[usize], start: usize, channels: usize) -> View {
    let skip = shape.len() - value.shape.len().min(shape.len());
    // A value of the full rank is cut along the same axis; one of a lower rank is in one piece (checked on compile).
    let channel_axis = 1usize.checked_sub(skip);
    let size = channel_axis.and_then(|a| value.shape.get(a)).copied().unwrap_or(1);
    let base = if skip == 0 && size > 1 && shape.len() > 1 {
        narrow(gpu, value, start, channels)
    } else {
        let Some(part) = value.parts.first() else { return View::contiguous(&gpu.empty(1), shape) };
        let mut view = View::contiguous(&part.buffer, &value.shape);
        if let (Some(axis), true) = (channel_axis, size > 1 && shape.len() > 1) {
            view.offset = start as isize * view.strides[axis];
        }
        view
    };
    let strides = (0..shape.len())
        .map(|axis| match axis.checked_sub(skip) {
            Some(a) if value.shape[a] != 1 => base.strides[a],
            _ => 0,
        })
        .collect();
    View { strides, ..base }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_merge_where_all_views_agree() {
        let merged = merge(&[2, 3, 4], &[&[12, 4, 1], &[12, 4, 1]]);
        assert_eq!(merged, (vec![24], vec![vec![1], vec![1]]));
        let broadcast = merge(&[2, 3, 4], &[&[12, 4, 1], &[0, 4, 1]]);
        assert_eq!(broadcast, (vec![2, 12], vec![vec![12, 1], vec![0, 1]]));
        assert_eq!(merge(&[1, 1], &[&[1, 1]]), (vec![1], vec![vec![0]]));
    }
}
