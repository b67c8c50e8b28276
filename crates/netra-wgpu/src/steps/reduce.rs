//! Reductions, softmax and arg max.

use netra_graph::{DType, Error, Reduction, Result};

use super::elementwise::add;
use super::fold::{Middle, fold_value, kept_shape};
use super::unary::{map_floats, map_integers};
use super::view::{assemble, contiguous};
use crate::gpu::{Buffer, Gpu};
use crate::kernels::number::{Fold, Width};
use crate::kernels::reduce::{arg_kernel, softmax_kernel};
use crate::kernels::unary::{IntUnaryOp, UnaryOp};
use crate::value::{Part, Value, count, width, with_channels};

/// Why a reduction cannot run.
pub(crate) fn check_reduce(reduction: Reduction, input: DType) -> std::result::Result<(), String> {
    use Reduction as R;
    let known = match reduction {
        R::Max | R::Min => true,
        R::Sum | R::Prod | R::Mean | R::SumSquare | R::L1 | R::L2 => input != DType::Bool,
        R::LogSumExp => input == DType::F32,
        _ => false,
    };
    if known { Ok(()) } else { Err(format!("{reduction:?} of {input}")) }
}

/// Reduces `axes`; `shape` says whether they stay.
pub(crate) fn run_reduce(
    gpu: &Gpu,
    reduction: Reduction,
    axes: &[usize],
    input: DType,
    x: &Value,
    shape: &[usize],
) -> Result<Value> {
    let float = input == DType::F32;
    let fold = |fold| fold_value(gpu, x, axes, fold, None, float);
    let elements: usize = axes.iter().map(|&a| x.shape[a]).product();
    // Sums of narrow integers are exact in 32 bits modulo their width.
    let wrapped = |value: Value| match width(input) {
        Width::Full => value,
        _ => map_integers(gpu, &value, IntUnaryOp::Narrow, 0, input),
    };
    let result = match reduction {
        Reduction::Sum => wrapped(fold(Fold::Sum)),
        Reduction::Max => fold(Fold::Max),
        Reduction::Min => fold(Fold::Min),
        Reduction::Prod => wrapped(fold(Fold::Prod)),
        Reduction::SumSquare => wrapped(fold(Fold::SumSquare)),
        Reduction::L1 => wrapped(fold(Fold::SumAbs)),
        Reduction::L2 if float => map_floats(gpu, &fold(Fold::SumSquare), UnaryOp::Sqrt, 0.0, 0.0),
        Reduction::L2 => map_integers(gpu, &fold(Fold::SumSquare), IntUnaryOp::Root, 0, input),
        Reduction::Mean if float => map_floats(gpu, &fold(Fold::Sum), UnaryOp::Affine, 1.0 / elements as f32, 0.0),
        Reduction::Mean => map_integers(gpu, &fold(Fold::Sum), IntUnaryOp::Divide, elements.max(1) as i32, input),
        Reduction::LogSumExp => {
            let peak = fold(Fold::Max);
            let sum = fold_value(gpu, x, axes, Fold::SumExp, Some(&peak), true);
            let log = map_floats(gpu, &sum, UnaryOp::Log, 0.0, 0.0);
            let parts = log.parts.iter().zip(&peak.parts).map(|(l, p)| {
                let total = count(&with_channels(&log.shape, l.channels));
                Part { buffer: add(gpu, &l.buffer, &p.buffer, total), ..*l }
            });
            Value { parts: parts.collect(), shape: log.shape.clone() }
        }
        other => return Err(Error::unsupported(format!("{other:?} on the wgpu backend"))),
    };
    Ok(result.under(shape))
}

/// Softmax or its logarithm along `axis`.
pub(crate) fn run_softmax(gpu: &Gpu, axis: usize, log: bool, x: &Value) -> Value {
    let peak = fold_value(gpu, x, &[axis], Fold::Max, None, true);
    let sum = fold_value(gpu, x, &[axis], Fold::SumExp, Some(&peak), true);
    let parts = x.parts.iter().map(|part| {
        let shape = with_channels(&x.shape, part.channels);
        let (total, m) = (count(&shape), Middle::of(&shape, axis));
        let buffer = gpu.empty(total);
        if total > 0 {
            let (start, channels) = if axis == 1 { (0, 1) } else { (part.start, part.channels) };
            let peak = contiguous(gpu, &peak, start, channels);
            let sum = contiguous(gpu, &sum, start, channels);
            let (cubes, dim) = gpu.grid(total);
            let (c, x, out) = (&gpu.client, part.buffer.arg(), buffer.arg());
            softmax_kernel::launch(c, cubes, dim, x, peak.arg(), sum.arg(), out, total, m.size, m.inner, log);
        }
        Part { buffer, ..*part }
    });
    Value { parts: parts.collect(), shape: x.shape.clone() }
}

/// Index of the extreme along `axis`; `shape` says whether the axis stays.
pub(crate) fn run_arg(
    gpu: &Gpu,
    axis: usize,
    smallest: bool,
    last: bool,
    input: DType,
    x: &Value,
    shape: &[usize],
) -> Value {
    let kept = kept_shape(&x.shape, &[axis]);
    let across = axis == 1 && x.parts.len() > 1;
    let mut running: Option<(Buffer, Buffer)> = None;
    let mut pieces = Vec::new();
    for part in &x.parts {
        let from = with_channels(&x.shape, part.channels);
        let m = Middle::of(&from, axis);
        let total = m.outputs();
        let resume = across && running.is_some();
        let (best, out) = match running.take().filter(|_| across) {
            Some(pair) => pair,
            None => (gpu.empty(total), gpu.empty(total)),
        };
        if total > 0 && m.size > 0 {
            let (cubes, dim) = gpu.grid(total);
            let first = if axis == 1 { part.start } else { 0 };
            let (c, a, b, o) = (&gpu.client, part.buffer.arg(), best.arg(), out.arg());
            if input == DType::F32 {
                arg_kernel::launch::<f32>(
                    c, cubes, dim, a, b, o, total, m.size, m.inner, first, smallest, last, resume,
                );
            } else {
                arg_kernel::launch::<i32>(
                    c, cubes, dim, a, b, o, total, m.size, m.inner, first, smallest, last, resume,
                );
            }
        }
        if across {
            running = Some((best, out));
        } else {
            let (start, channels) = if axis == 1 { (0, 1) } else { (part.start, part.channels) };
            pieces.push(Part { start, channels, buffer: out });
        }
    }
    let result = match running {
        Some((_, out)) => Value::whole(&kept, out),
        None => assemble(gpu, &kept, pieces),
    };
    result.under(shape)
}
