//! Steps that move elements: reshape, transpose, concat, slice, pad, gather.

use netra_graph::{DType, PadMode};

use super::view::{View, assemble, contiguous, copy, empty, narrow, place};
use crate::gpu::{Buffer, Gpu};
use crate::kernels::movement::{fill_kernel, gather_kernel};
use crate::value::{Part, Repr, Value, count, strides, with_channels};

/// The same elements under another shape.
pub(crate) fn run_reshape(gpu: &Gpu, x: &Value, shape: &[usize]) -> Value {
    let out = empty(gpu, shape);
    if let (Some(buffer), 1) = (x.single(), out.parts.len()) {
        return Value::whole(shape, buffer.clone());
    }
    // Each part holds, for each batch entry, one run of the flat tensor; runs are copied where they overlap.
    for to in runs(&out) {
        for from in runs(x) {
            let start = to.start.max(from.start);
            let end = (to.start + to.length).min(from.start + from.length);
            if start < end {
                let at = |r: &Run<'_>| View {
                    buffer: r.buffer.clone(),
                    offset: (r.offset + start - r.start) as isize,
                    strides: vec![1],
                };
                copy(gpu, &[end - start], &at(&from), &at(&to));
            }
        }
    }
    out
}

/// A run of a flat tensor within a part.
struct Run<'a> {
    buffer: &'a Buffer,
    /// Where the run starts in the flat tensor, and in the part.
    start: usize,
    offset: usize,
    length: usize,
}

fn runs(value: &Value) -> Vec<Run<'_>> {
    if let [part] = value.parts.as_slice() {
        return vec![Run { buffer: &part.buffer, start: 0, offset: 0, length: count(&value.shape) }];
    }
    let inner = count(&value.shape[2..]);
    let whole = value.shape[1] * inner;
    let entries = |part| (0..value.shape[0]).map(move |n| (n, part));
    value
        .parts
        .iter()
        .flat_map(entries)
        .map(|(n, part): (usize, &Part)| Run {
            buffer: &part.buffer,
            start: n * whole + part.start * inner,
            offset: n * part.channels * inner,
            length: part.channels * inner,
        })
        .collect()
}

/// Output axis `i` is input axis `perm[i]`.
pub(crate) fn run_transpose(gpu: &Gpu, x: &Value, perm: &[usize], shape: &[usize]) -> Value {
    let pieces = x.parts.iter().map(|part| {
        let from = with_channels(&x.shape, part.channels);
        // A value in parts keeps its channel axis (checked on compile).
        let to: Vec<usize> = perm.iter().map(|&a| from[a]).collect();
        let steps = strides(&from);
        let strides = perm.iter().map(|&a| steps[a] as isize).collect();
        let view = View { buffer: part.buffer.clone(), offset: 0, strides };
        let out = View::contiguous(&gpu.empty(count(&to)), &to);
        copy(gpu, &to, &view, &out);
        let (start, channels) =
            if x.parts.len() > 1 { (part.start, part.channels) } else { (0, to.get(1).copied().unwrap_or(1)) };
        Part { start, channels, buffer: out.buffer }
    });
    assemble(gpu, shape, pieces.collect())
}

/// Joins values along `axis`.
pub(crate) fn run_concat(gpu: &Gpu, values: &[&Value], axis: usize, shape: &[usize]) -> Value {
    let out = empty(gpu, shape);
    for part in &out.parts {
        let to = View::contiguous(&part.buffer, &with_channels(shape, part.channels));
        let mut at = 0;
        for value in values {
            let size = value.shape.get(axis).copied().unwrap_or(1);
            if axis == 1 {
                let start = part.start.max(at);
                let end = (part.start + part.channels).min(at + size);
                if start < end {
                    let view = narrow(gpu, value, start - at, end - start);
                    place(gpu, &view, &with_channels(&value.shape, end - start), &to, start - part.start);
                }
            } else {
                let view = narrow(gpu, value, part.start, part.channels);
                let mut to = to.clone();
                to.offset += at as isize * to.strides.get(axis).copied().unwrap_or(1);
                copy(gpu, &with_channels(&value.shape, part.channels), &view, &to);
            }
            at += size;
        }
    }
    out
}

/// Element `i` of the output is element `start + i step` of the input, along each axis.
pub(crate) fn run_slice(gpu: &Gpu, x: &Value, starts: &[usize], steps: &[isize], shape: &[usize]) -> Value {
    let out = empty(gpu, shape);
    for part in &out.parts {
        let to = with_channels(shape, part.channels);
        // Within one piece any step will do; across parts the channel step is 1 (checked on compile).
        let whole = x.parts.len() == 1;
        let mut view = if whole {
            narrow(gpu, x, 0, x.shape.get(1).copied().unwrap_or(1))
        } else {
            narrow(gpu, x, starts[1] + part.start, part.channels)
        };
        for axis in 0..shape.len() {
            let first = match axis {
                1 if whole => starts[1] as isize + part.start as isize * steps[1],
                1 => 0,
                _ => starts[axis] as isize,
            };
            view.offset += first * view.strides[axis];
            view.strides[axis] *= steps[axis];
        }
        copy(gpu, &to, &view, &View::contiguous(&part.buffer, &to));
    }
    out
}

fn fill(gpu: &Gpu, buffer: &Buffer, total: usize, bits: u32) {
    if total > 0 {
        let (cubes, dim) = gpu.grid(total);
        fill_kernel::launch(&gpu.client, cubes, dim, buffer.arg(), total, bits);
    }
}

/// Index tables of a padding that repeats input elements: one for each padded axis.
pub(crate) fn pad_tables(gpu: &Gpu, input: &[usize], pads: &[(usize, usize)], mode: PadMode) -> Vec<Option<Buffer>> {
    let tables = input.iter().zip(pads).map(|(&size, &(before, after))| {
        let repeats = !matches!(mode, PadMode::Constant(_));
        (repeats && (before, after) != (0, 0)).then(|| {
            let last = size as i64 - 1;
            let table: Vec<i32> = (0..before + size + after)
                .map(|i| {
                    let i = i as i64 - before as i64;
                    let inside = match mode {
                        // Reflection has period 2 (size - 1).
                        PadMode::Wrap => i.rem_euclid(size as i64),
                        PadMode::Reflect if last > 0 => {
                            let folded = i.rem_euclid(2 * last);
                            folded.min(2 * last - folded)
                        }
                        _ => i.clamp(0, last.max(0)),
                    };
                    inside as i32
                })
                .collect();
            gpu.upload(&table)
        })
    });
    tables.collect()
}

/// A float as an integer of 32 bits that stands for `dtype`, converted as `Cast` does.
fn wrapped(value: f32, dtype: DType) -> i32 {
    let whole = value as i64;
    match dtype {
        DType::Bool => i32::from(value != 0.0),
        DType::I8 => (whole as i8).into(),
        DType::U8 => (whole as u8).into(),
        DType::I16 => (whole as i16).into(),
        DType::U16 => (whole as u16).into(),
        DType::I64 | DType::U64 => value as i32,
        _ => whole as i32,
    }
}

/// Pads each axis.
pub(crate) fn run_pad(
    gpu: &Gpu,
    x: &Value,
    pads: &[(usize, usize)],
    mode: PadMode,
    tables: &[Option<Buffer>],
    dtype: DType,
    shape: &[usize],
) -> Value {
    let mut out = empty(gpu, shape);
    for part in &mut out.parts {
        let to = with_channels(shape, part.channels);
        let (source, from) = source(gpu, x, part, shape);
        if let PadMode::Constant(value) = mode {
            let bits = match Repr::of(dtype) {
                Some(Repr::Float) => value.to_bits(),
                _ => wrapped(value, dtype) as u32,
            };
            fill(gpu, &part.buffer, count(&to), bits);
            let mut inside = View::contiguous(&part.buffer, &to);
            inside.offset = inside.strides.iter().zip(pads).map(|(s, p)| s * p.0 as isize).sum();
            copy(gpu, &from, &View::contiguous(&source, &from), &inside);
            continue;
        }
        let (mut sizes, mut buffer) = (from, source);
        for (axis, table) in tables.iter().enumerate() {
            if let Some(table) = table {
                buffer = gather(gpu, &buffer, &sizes, axis, table, to[axis]);
                sizes[axis] = to[axis];
            }
        }
        part.buffer = buffer;
    }
    out
}

/// The input of an output part, contiguous, and its shape: the same channels when the output is in parts, else all.
fn source(gpu: &Gpu, x: &Value, part: &Part, shape: &[usize]) -> (Buffer, Vec<usize>) {
    let all = shape.get(1).copied().unwrap_or(1);
    let channels = if part.channels == all { x.shape.get(1).copied().unwrap_or(1) } else { part.channels };
    (contiguous(gpu, x, part.start, channels), with_channels(&x.shape, channels))
}

/// `axis` of a contiguous array replaced by `taken` indexed elements.
fn gather(gpu: &Gpu, x: &Buffer, shape: &[usize], axis: usize, indices: &Buffer, taken: usize) -> Buffer {
    let (outer, inner) = (count(&shape[..axis]), count(&shape[axis + 1..]));
    let total = outer * taken * inner;
    let out = gpu.empty(total);
    if total > 0 {
        let (cubes, dim) = gpu.grid(total);
        let (c, size) = (&gpu.client, shape[axis]);
        gather_kernel::launch(c, cubes, dim, x.arg(), indices.arg(), out.arg(), total, size, taken, inner);
    }
    out
}

/// Replaces `axis` by the shape of `indices`.
pub(crate) fn run_gather(gpu: &Gpu, x: &Value, indices: &Value, axis: usize, shape: &[usize]) -> Value {
    let taken = count(&indices.shape);
    let mut out = empty(gpu, shape);
    if let Some(indices) = indices.single() {
        for part in &mut out.parts {
            let (source, from) = source(gpu, x, part, shape);
            part.buffer = gather(gpu, &source, &from, axis, indices, taken);
        }
    }
    out
}
