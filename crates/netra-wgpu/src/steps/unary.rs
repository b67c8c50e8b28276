//! Element-wise steps of one argument, and conversion of element types.

use netra_graph::{DType, Error, Result, Unary};

use super::view::assemble;
use crate::gpu::{Buffer, Gpu};
use crate::kernels::activation::Act;
use crate::kernels::number::Width;
use crate::kernels::unary::{
    IntUnaryOp, Predicate, UnaryOp, float_to_int_kernel, int_to_float_kernel, int_unary_kernel, predicate_kernel,
    unary_kernel,
};
use crate::value::{Part, Value, count, width, with_channels};

/// What a unary step launches.
#[derive(Clone, Copy)]
enum Map {
    /// With its two parameters.
    Float(UnaryOp, f32, f32),
    Int(IntUnaryOp),
    Predicate(Predicate),
}

/// The kernel of a function on an element type, `None` where there is none.
fn map_of(op: Unary, input: DType) -> Option<Map> {
    Some(match (op, input) {
        (Unary::Not, DType::Bool) => Map::Predicate(Predicate::Not),
        (Unary::IsNaN, DType::F32) => Map::Predicate(Predicate::IsNan),
        (Unary::IsInf { negative, positive }, DType::F32) => Map::Predicate(Predicate::IsInf { negative, positive }),
        (_, DType::F32) => {
            let (op, alpha, beta) = float_unary(op)?;
            Map::Float(op, alpha, beta)
        }
        (Unary::Abs, input) if input.is_integer() => Map::Int(IntUnaryOp::Abs),
        (Unary::Neg, input) if input.is_integer() => Map::Int(IntUnaryOp::Neg),
        (Unary::Sign, input) if input.is_integer() => Map::Int(IntUnaryOp::Sign),
        (Unary::BitwiseNot, input) if input.is_integer() => Map::Int(IntUnaryOp::Not),
        _ => return None,
    })
}

/// The kernel of a float function with its two parameters; `None` for those of other types.
pub(crate) fn float_unary(op: Unary) -> Option<(UnaryOp, f32, f32)> {
    let plain = |op| Some((op, 0.0, 0.0));
    match op {
        Unary::Activation(activation) => {
            Act::of(activation).map(|(act, alpha, beta)| (UnaryOp::Activation(act), alpha, beta))
        }
        Unary::Abs => plain(UnaryOp::Abs),
        Unary::Neg => plain(UnaryOp::Neg),
        Unary::Exp => plain(UnaryOp::Exp),
        Unary::Log => plain(UnaryOp::Log),
        Unary::Sqrt => plain(UnaryOp::Sqrt),
        Unary::Reciprocal => plain(UnaryOp::Reciprocal),
        Unary::Floor => plain(UnaryOp::Floor),
        Unary::Ceil => plain(UnaryOp::Ceil),
        Unary::Round => plain(UnaryOp::Round),
        Unary::Sign => plain(UnaryOp::Sign),
        Unary::Erf => plain(UnaryOp::Erf),
        Unary::Tanh => plain(UnaryOp::Tanh),
        Unary::Sin => plain(UnaryOp::Sin),
        Unary::Cos => plain(UnaryOp::Cos),
        Unary::Tan => plain(UnaryOp::Tan),
        Unary::Asin => plain(UnaryOp::Asin),
        Unary::Acos => plain(UnaryOp::Acos),
        Unary::Atan => plain(UnaryOp::Atan),
        Unary::Sinh => plain(UnaryOp::Sinh),
        Unary::Cosh => plain(UnaryOp::Cosh),
        Unary::Asinh => plain(UnaryOp::Asinh),
        Unary::Acosh => plain(UnaryOp::Acosh),
        Unary::Atanh => plain(UnaryOp::Atanh),
        Unary::Softplus => plain(UnaryOp::Softplus),
        Unary::Softsign => plain(UnaryOp::Softsign),
        Unary::HardSigmoid(alpha, beta) => Some((UnaryOp::HardSigmoid, alpha, beta)),
        Unary::Selu(alpha, gamma) => Some((UnaryOp::Selu, alpha, gamma)),
        Unary::Mish => plain(UnaryOp::Mish),
        Unary::Gelu => plain(UnaryOp::Gelu),
        Unary::GeluTanh => plain(UnaryOp::GeluTanh),
        _ => None,
    }
}

/// Why a unary step cannot run.
pub(crate) fn check_unary(op: Unary, input: DType) -> std::result::Result<(), String> {
    map_of(op, input).map(|_| ()).ok_or_else(|| format!("{op:?} of {input}"))
}

/// `y = op(x)`.
pub(crate) fn run_unary(gpu: &Gpu, op: Unary, input: DType, x: &Value) -> Result<Value> {
    let map = map_of(op, input).ok_or_else(|| Error::unsupported(format!("{op:?} of {input} on the wgpu backend")))?;
    Ok(each_part(gpu, x, |from, to, total| match map {
        Map::Float(op, alpha, beta) => float_map(gpu, from, to, total, op, alpha, beta),
        Map::Int(op) => int_map(gpu, from, to, total, op, 0, width(input)),
        Map::Predicate(predicate) => {
            let (cubes, dim) = gpu.grid(total);
            predicate_kernel::launch(&gpu.client, cubes, dim, from.arg(), to.arg(), total, predicate);
        }
    }))
}

/// `to[i] = op(from[i])` for `total` floats.
pub(crate) fn float_map(gpu: &Gpu, from: &Buffer, to: &Buffer, total: usize, op: UnaryOp, alpha: f32, beta: f32) {
    let (cubes, dim) = gpu.grid(total);
    unary_kernel::launch(&gpu.client, cubes, dim, from.arg(), to.arg(), total, alpha, beta, op);
}

/// `to[i] = op(from[i])` for `total` integers, wrapped to `width`.
fn int_map(gpu: &Gpu, from: &Buffer, to: &Buffer, total: usize, op: IntUnaryOp, operand: i32, width: Width) {
    let (cubes, dim) = gpu.grid(total);
    int_unary_kernel::launch(&gpu.client, cubes, dim, from.arg(), to.arg(), total, operand, op, width);
}

/// `op(x)` of integers, wrapped to the element type `dtype`.
pub(crate) fn map_integers(gpu: &Gpu, x: &Value, op: IntUnaryOp, operand: i32, dtype: DType) -> Value {
    each_part(gpu, x, |from, to, total| int_map(gpu, from, to, total, op, operand, width(dtype)))
}

/// `op(x)` of floats.
pub(crate) fn map_floats(gpu: &Gpu, x: &Value, op: UnaryOp, alpha: f32, beta: f32) -> Value {
    each_part(gpu, x, |from, to, total| float_map(gpu, from, to, total, op, alpha, beta))
}

/// A value of the same shape, computed part by part.
fn each_part(gpu: &Gpu, x: &Value, run: impl Fn(&Buffer, &Buffer, usize)) -> Value {
    let mut parts = Vec::with_capacity(x.parts.len());
    for part in &x.parts {
        let total = count(&with_channels(&x.shape, part.channels));
        let buffer = gpu.empty(total);
        if total > 0 {
            run(&part.buffer, &buffer, total);
        }
        parts.push(Part { buffer, ..*part });
    }
    Value { shape: x.shape.clone(), parts }
}

/// Converts the element type. Of 64-bit integers 32 bits are kept: floats beyond are clamped.
pub(crate) fn run_cast(gpu: &Gpu, x: &Value, from: DType, to: DType) -> Value {
    let same = from == to || (from != DType::F32 && to != DType::F32 && width(to) == Width::Full);
    if same {
        return assemble(gpu, &x.shape, x.parts.clone());
    }
    each_part(gpu, x, |source, out, total| {
        let (cubes, dim) = gpu.grid(total);
        let (c, source, out) = (&gpu.client, source.arg(), out.arg());
        match (from == DType::F32, to == DType::F32) {
            (true, _) => {
                let low = if to == DType::U64 { 0.0 } else { i32::MIN as f32 };
                // The largest float below 2^31.
                let high = 2_147_483_520.0;
                let clamped = matches!(to, DType::I64 | DType::U64);
                float_to_int_kernel::launch(c, cubes, dim, source, out, total, low, high, clamped, width(to));
            }
            (false, true) => int_to_float_kernel::launch(c, cubes, dim, source, out, total),
            (false, false) => {
                int_unary_kernel::launch(c, cubes, dim, source, out, total, 0, IntUnaryOp::Narrow, width(to));
            }
        }
    })
}

/// The same bits as another element type of the same width.
pub(crate) fn run_bit_cast(gpu: &Gpu, x: &Value, to: DType) -> Value {
    match width(to) {
        Width::Full => assemble(gpu, &x.shape, x.parts.clone()),
        // Booleans are 0 and 1 in either type.
        _ => map_integers(gpu, x, IntUnaryOp::Narrow, 0, to),
    }
}
