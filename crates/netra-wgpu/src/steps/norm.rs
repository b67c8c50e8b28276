//! Instance, group and layer normalisation.

use netra_graph::{Activation, Error, Result};

use super::conv;
use super::view::{View, broadcast, copy};
use crate::gpu::{Buffer, Gpu};
use crate::kernels::activation::Act;
use crate::kernels::moments::{JOINERS, join_kernel, share_kernel};
use crate::kernels::reduce::{NormaliseLaunch, affine_kernel, normalise_kernel};
use crate::value::{Part, Value, count, with_channels};

/// How rows and parameters of a normalisation lie.
struct Rows<'a> {
    /// Rows, and elements of each.
    rows: usize,
    row: usize,
    /// See [`crate::kernels::reduce::Normalise`].
    stride: usize,
    count: usize,
    first: usize,
    epsilon: f32,
    scale: &'a Buffer,
    bias: Option<&'a Buffer>,
    act: (Act, f32, f32),
}

/// Elements that a thread takes of a row at least, where a row is shared.
const SHARE: usize = 64;
/// Threads enough to fill an adapter, and rows that fill one by themselves.
const PLENTY: usize = 1 << 17;
const MANY_ROWS: usize = 4096;

/// Mean of each row of a contiguous buffer, and the sum of squared differences from it, in one pass over it.
fn moments(gpu: &Gpu, x: &Buffer, rows: usize, row: usize) -> (Buffer, Buffer) {
    let (mean, squares) = (gpu.empty(rows), gpu.empty(rows));
    let lanes = if rows >= MANY_ROWS { 1 } else { (row / SHARE).clamp(1, PLENTY / rows) };
    let share = |mean: &Buffer, squares: &Buffer| {
        let (cubes, dim) = gpu.grid(rows * lanes);
        let (mean, squares) = (mean.arg(), squares.arg());
        share_kernel::launch(&gpu.client, cubes, dim, x.arg(), mean, squares, rows * lanes, row, lanes);
    };
    if lanes == 1 {
        share(&mean, &squares);
        return (mean, squares);
    }
    let (means, sums) = (gpu.empty(rows * lanes), gpu.empty(rows * lanes));
    share(&means, &sums);
    let (cubes, dim) = gpu.workgroups(rows, JOINERS);
    let (c, out) = (&gpu.client, (mean.arg(), squares.arg()));
    join_kernel::launch(c, cubes, dim, means.arg(), sums.arg(), out.0, out.1, rows, row, lanes);
    (mean, squares)
}

/// Normalises each row of a contiguous buffer.
fn normalise(gpu: &Gpu, x: &Buffer, r: &Rows<'_>) -> Buffer {
    let total = r.rows * r.row;
    let out = gpu.empty(total);
    if total == 0 {
        return out;
    }
    let (mean, squares) = moments(gpu, x, r.rows, r.row);
    let (cubes, dim) = gpu.grid(total);
    let n = NormaliseLaunch::new(total, r.row, r.stride, r.count, r.first, r.epsilon);
    let (act, alpha, beta) = r.act;
    let (c, bias) = (&gpu.client, Buffer::optional(r.bias).into());
    normalise_kernel::launch(
        c,
        cubes,
        dim,
        x.arg(),
        mean.arg(),
        squares.arg(),
        r.scale.arg(),
        bias,
        out.arg(),
        n,
        alpha,
        beta,
        act,
    );
    out
}

/// A parameter vector in one piece.
fn vector(value: &Value) -> Result<&Buffer> {
    value.single().ok_or_else(|| Error::unsupported("a parameter vector larger than a buffer"))
}

/// Channels of a group, at least one where there are none.
fn group_size(channels: usize, groups: usize) -> usize {
    (channels / groups.max(1)).max(1)
}

/// Group normalisation, part by part. With as many groups as channels it is instance normalisation; fewer groups need
/// the value in one piece (checked on compile).
pub(crate) fn run_group(
    gpu: &Gpu,
    x: &Value,
    scale: &Value,
    bias: &Value,
    groups: usize,
    epsilon: f32,
    activation: Option<Activation>,
) -> Result<Value> {
    let act = conv::activation(activation)?;
    let (n, channels) = (x.shape[0], x.shape[1]);
    let inner = count(&x.shape[2..]);
    let parts = x.parts.iter().map(|part| {
        let group = group_size(channels, groups);
        let (rows, row) = (n * part.channels / group, group * inner);
        let (count, first) = (part.channels, part.start);
        let (scale, bias) = (vector(scale)?, Some(vector(bias)?));
        let rows = Rows { rows, row, stride: inner, count, first, epsilon, scale, bias, act };
        Ok(Part { buffer: normalise(gpu, &part.buffer, &rows), ..*part })
    });
    Ok(Value { parts: parts.collect::<Result<_>>()?, shape: x.shape.clone() })
}

/// The factors and shifts of a group normalisation, `[2, N, C]`; as for [`run_group`].
pub(crate) fn run_affine(
    gpu: &Gpu,
    x: &Value,
    scale: &Value,
    bias: &Value,
    groups: usize,
    epsilon: f32,
    shape: &[usize],
) -> Result<Value> {
    let (n, channels) = (x.shape[0], x.shape[1]);
    let inner = count(&x.shape[2..]);
    let out = gpu.empty(count(shape));
    let (scale, bias) = (vector(scale)?, vector(bias)?);
    for part in &x.parts {
        let group = group_size(channels, groups);
        let (total, row) = (n * part.channels, group * inner);
        if total * row == 0 {
            continue;
        }
        let (mean, squares) = moments(gpu, &part.buffer, total / group, row);
        let (cubes, dim) = gpu.grid(total);
        affine_kernel::launch(
            &gpu.client,
            cubes,
            dim,
            mean.arg(),
            squares.arg(),
            scale.arg(),
            bias.arg(),
            out.arg(),
            total,
            row,
            group,
            part.channels,
            part.start,
            channels,
            epsilon,
            n * channels,
        );
    }
    Ok(Value::whole(shape, out))
}

/// Layer normalisation over `axis` and those after it.
pub(crate) fn run_layer(gpu: &Gpu, x: &Value, scale: &Value, bias: Option<&Value>, axis: usize, epsilon: f32) -> Value {
    let inner = &x.shape[axis..];
    let row = count(inner);
    // Parameters may be smaller than the normalised axes: written out once.
    let spread = |v: &Value| {
        let out = View::contiguous(&gpu.empty(row), inner);
        let channels = inner.get(1).copied().unwrap_or(1);
        copy(gpu, inner, &broadcast(gpu, v, inner, 0, channels), &out);
        out.buffer
    };
    let (scale, bias) = (spread(scale), bias.map(spread));
    let parts = x.parts.iter().map(|part| {
        let rows = count(&with_channels(&x.shape, part.channels)[..axis]);
        let act = (Act::None, 0.0, 0.0);
        let r = Rows {
            rows,
            row,
            stride: 1,
            count: row.max(1),
            first: 0,
            epsilon,
            scale: &scale,
            bias: bias.as_ref(),
            act,
        };
        Part { buffer: normalise(gpu, &part.buffer, &r), ..*part }
    });
    Value { parts: parts.collect(), shape: x.shape.clone() }
}
