//! TopK and running sums. Everything is in one piece (checked on compile).

use netra_graph::{DType, Result};

use super::fold::Middle;
use super::view::whole;
use crate::gpu::Gpu;
use crate::kernels::number::BinaryOp;
use crate::kernels::selection::{cumulative_kernel, top_k_kernel};
use crate::value::{Repr, Value, count, width};

/// Longest axis whose elements are ranked by comparing each with each, and most comparisons of a step.
const MAX_RANKED: usize = 1 << 14;
const MAX_COMPARISONS: usize = 1 << 33;

/// Why the best elements along `axis` cannot be found.
pub(crate) fn check_top_k(shape: &[usize], axis: usize) -> std::result::Result<(), String> {
    let size = shape.get(axis).copied().unwrap_or(0);
    let comparisons = count(shape).checked_mul(size);
    if size <= MAX_RANKED && comparisons.is_some_and(|c| c <= MAX_COMPARISONS) {
        return Ok(());
    }
    Err(format!(
        "the order of {size} elements along axis {axis} of {shape:?}: more than {MAX_RANKED} of them or 2^33 comparisons"
    ))
}

/// Indices of the best elements along `axis`.
pub(crate) fn run_top_k(
    gpu: &Gpu,
    x: &Value,
    axis: usize,
    largest: bool,
    dtype: DType,
    shape: &[usize],
) -> Result<Value> {
    let (source, m, total) = (whole(x)?, Middle::of(&x.shape, axis), count(&x.shape));
    let out = gpu.empty(count(shape));
    if count(shape) > 0 {
        let (cubes, dim) = gpu.grid(total);
        let (c, source, to, kept) = (&gpu.client, source.arg(), out.arg(), shape[axis]);
        if Repr::of(dtype) == Some(Repr::Float) {
            top_k_kernel::launch::<f32>(c, cubes, dim, source, to, total, m.size, m.inner, kept, largest);
        } else {
            top_k_kernel::launch::<i32>(c, cubes, dim, source, to, total, m.size, m.inner, kept, largest);
        }
    }
    Ok(Value::whole(shape, out))
}

/// What a running sum or product is.
#[derive(Clone, Copy)]
pub(crate) struct Running {
    pub(crate) product: bool,
    pub(crate) exclusive: bool,
    pub(crate) reverse: bool,
}

/// Running sum or product along `axis`.
pub(crate) fn run_cumulative(gpu: &Gpu, x: &Value, axis: usize, running: Running, dtype: DType) -> Result<Value> {
    let (source, m, total) = (whole(x)?, Middle::of(&x.shape, axis), count(&x.shape));
    let out = gpu.empty(total);
    if total > 0 {
        let Running { product, exclusive, reverse } = running;
        let (lines, op) = (m.outputs(), if product { BinaryOp::Mul } else { BinaryOp::Add });
        let (cubes, dim) = gpu.grid(lines);
        let (c, source, to, size, inner) = (&gpu.client, source.arg(), out.arg(), m.size, m.inner);
        let width = width(dtype);
        if Repr::of(dtype) == Some(Repr::Float) {
            cumulative_kernel::launch::<f32>(
                c, cubes, dim, source, to, lines, size, inner, op, exclusive, reverse, width,
            );
        } else {
            cumulative_kernel::launch::<i32>(
                c, cubes, dim, source, to, lines, size, inner, op, exclusive, reverse, width,
            );
        }
    }
    Ok(Value::whole(&x.shape, out))
}
