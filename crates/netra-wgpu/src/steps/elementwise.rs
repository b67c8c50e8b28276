//! Element-wise steps: unary, binary, `Where`, `Cast`, `Expand`.

use cubecl::prelude::*;
use netra_graph::{Binary, DType, Error, Result, Unary};

use super::view::{View, assemble, broadcast, copy, empty, walks};
use crate::gpu::{Buffer, Gpu};
use crate::kernels::activation::Act;
use crate::kernels::elementwise::{
    BinaryOp, IntUnaryOp, Test, UnaryOp, binary_float_kernel, binary_int_kernel, int_unary_kernel, predicate_kernel,
    test_kernel, unary_kernel, where_kernel,
};
use crate::kernels::movement::{IntTo, float_to_int_kernel, int_to_float_kernel, int_to_int_kernel};
use crate::value::{Part, Repr, Value, count, with_channels};

/// What a binary step launches.
#[derive(Clone, Copy)]
enum Pair {
    Number(BinaryOp),
    Test(Test),
}

/// The kernel of a float function with its two parameters; `None` for those of other types.
fn float_unary(op: Unary) -> Option<(UnaryOp, f32, f32)> {
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

fn int_unary(op: Unary) -> Option<IntUnaryOp> {
    match op {
        Unary::Abs => Some(IntUnaryOp::Abs),
        Unary::Neg => Some(IntUnaryOp::Neg),
        Unary::Sign => Some(IntUnaryOp::Sign),
        _ => None,
    }
}

/// Why a unary step cannot run.
pub(crate) fn check_unary(op: Unary, input: DType) -> std::result::Result<(), String> {
    let known = match (op, input) {
        (Unary::Not, DType::Bool) | (Unary::IsNaN, DType::F32) => true,
        (_, DType::F32) => float_unary(op).is_some(),
        (_, DType::I32 | DType::I64) => int_unary(op).is_some(),
        _ => false,
    };
    if known { Ok(()) } else { Err(format!("{op:?} of {input}")) }
}

/// `y = op(x)`.
pub(crate) fn run_unary(gpu: &Gpu, op: Unary, input: DType, x: &Value) -> Result<Value> {
    each_part(gpu, x, |from, to, total| {
        let (cubes, dim) = gpu.grid(total);
        match (op, input) {
            (Unary::Not | Unary::IsNaN, _) => {
                let is_nan = op == Unary::IsNaN;
                predicate_kernel::launch(&gpu.client, cubes, dim, from.arg(), to.arg(), total, is_nan);
            }
            (_, DType::F32) => {
                let (kernel, alpha, beta) = float_unary(op).ok_or_else(|| unknown(&op))?;
                float_map(gpu, from, to, total, kernel, alpha, beta);
            }
            _ => {
                let kernel = int_unary(op).ok_or_else(|| unknown(&op))?;
                int_unary_kernel::launch(&gpu.client, cubes, dim, from.arg(), to.arg(), total, kernel);
            }
        }
        Ok(())
    })
}

fn unknown(op: &dyn std::fmt::Debug) -> Error {
    Error::unsupported(format!("{op:?} on the wgpu backend"))
}

/// `to[i] = op(from[i])` for `total` floats.
pub(crate) fn float_map(gpu: &Gpu, from: &Buffer, to: &Buffer, total: usize, op: UnaryOp, alpha: f32, beta: f32) {
    if total > 0 {
        let (cubes, dim) = gpu.grid(total);
        unary_kernel::launch(&gpu.client, cubes, dim, from.arg(), to.arg(), total, alpha, beta, op);
    }
}

/// A value of the same shape, computed part by part.
fn each_part(gpu: &Gpu, x: &Value, run: impl Fn(&Buffer, &Buffer, usize) -> Result<()>) -> Result<Value> {
    let mut parts = Vec::with_capacity(x.parts.len());
    for part in &x.parts {
        let total = count(&with_channels(&x.shape, part.channels));
        let buffer = gpu.empty(total);
        if total > 0 {
            run(&part.buffer, &buffer, total)?;
        }
        parts.push(Part { buffer, ..*part });
    }
    Ok(Value { shape: x.shape.clone(), parts })
}

fn pair(op: Binary) -> Option<Pair> {
    Some(match op {
        Binary::Add => Pair::Number(BinaryOp::Add),
        Binary::Sub => Pair::Number(BinaryOp::Sub),
        Binary::Mul => Pair::Number(BinaryOp::Mul),
        Binary::Div => Pair::Number(BinaryOp::Div),
        Binary::Pow => Pair::Number(BinaryOp::Pow),
        Binary::Min => Pair::Number(BinaryOp::Min),
        Binary::Max => Pair::Number(BinaryOp::Max),
        Binary::PRelu => Pair::Number(BinaryOp::PRelu),
        Binary::Mod => Pair::Number(BinaryOp::Mod),
        Binary::Fmod => Pair::Number(BinaryOp::Fmod),
        Binary::Equal => Pair::Test(Test::Equal),
        Binary::Less => Pair::Test(Test::Less),
        Binary::LessOrEqual => Pair::Test(Test::LessOrEqual),
        Binary::Greater => Pair::Test(Test::Greater),
        Binary::GreaterOrEqual => Pair::Test(Test::GreaterOrEqual),
        Binary::And => Pair::Test(Test::And),
        Binary::Or => Pair::Test(Test::Or),
        Binary::Xor => Pair::Test(Test::Xor),
        _ => return None,
    })
}

/// Why a binary step cannot run.
pub(crate) fn check_binary(op: Binary, input: DType) -> std::result::Result<(), String> {
    match (pair(op), input) {
        (
            Some(Pair::Number(_)),
            DType::I8 | DType::U8 | DType::I16 | DType::U16 | DType::U32 | DType::U64 | DType::Bool,
        ) => Err(format!("arithmetic on {input}, which is kept in 32 bits")),
        (Some(_), _) => Ok(()),
        (None, _) => Err(format!("{op:?} is not known")),
    }
}

/// `y = op(a, b)` with broadcasting.
pub(crate) fn run_binary(gpu: &Gpu, op: Binary, input: DType, a: &Value, b: &Value, shape: &[usize]) -> Result<Value> {
    let pair = pair(op).ok_or_else(|| unknown(&op))?;
    let out = empty(gpu, shape);
    for part in &out.parts {
        let shape = with_channels(shape, part.channels);
        let va = broadcast(gpu, a, &out.shape, part.start, part.channels);
        let vb = broadcast(gpu, b, &out.shape, part.start, part.channels);
        launch_pair(gpu, pair, Repr::of(input), &shape, &va, &vb, &part.buffer);
    }
    Ok(out)
}

fn launch_pair(gpu: &Gpu, pair: Pair, repr: Option<Repr>, shape: &[usize], a: &View, b: &View, out: &Buffer) {
    let total = count(shape);
    let (sizes, walks) = walks(shape, &[a, b]);
    let mut walks = walks.into_iter();
    let (Some(wa), Some(wb), true) = (walks.next(), walks.next(), total > 0) else { return };
    let (cubes, dim) = gpu.grid(total);
    let sizes = sizes.into_iter().collect::<SequenceArg<usize>>();
    let (c, a, b, out) = (&gpu.client, a.buffer.arg(), b.buffer.arg(), out.arg());
    match (pair, repr == Some(Repr::Float)) {
        (Pair::Number(op), true) => binary_float_kernel::launch(c, cubes, dim, a, b, out, total, sizes, wa, wb, op),
        (Pair::Number(op), false) => binary_int_kernel::launch(c, cubes, dim, a, b, out, total, sizes, wa, wb, op),
        (Pair::Test(t), true) => test_kernel::launch::<f32>(c, cubes, dim, a, b, out, total, sizes, wa, wb, t),
        (Pair::Test(t), false) => test_kernel::launch::<i32>(c, cubes, dim, a, b, out, total, sizes, wa, wb, t),
    }
}

/// `a + b` of two float buffers of `total` elements.
pub(crate) fn add(gpu: &Gpu, a: &Buffer, b: &Buffer, total: usize) -> Buffer {
    let out = gpu.empty(total);
    let (a, b) = (View::contiguous(a, &[total]), View::contiguous(b, &[total]));
    launch_pair(gpu, Pair::Number(BinaryOp::Add), Some(Repr::Float), &[total], &a, &b, &out);
    out
}

/// `y = c ? a : b` with broadcasting.
pub(crate) fn run_where(gpu: &Gpu, c: &Value, a: &Value, b: &Value, shape: &[usize]) -> Value {
    let out = empty(gpu, shape);
    for part in &out.parts {
        let shape = with_channels(shape, part.channels);
        let total = count(&shape);
        let views = [c, a, b].map(|v| broadcast(gpu, v, &out.shape, part.start, part.channels));
        let [vc, va, vb] = &views;
        let (sizes, walks) = walks(&shape, &[vc, va, vb]);
        let mut walks = walks.into_iter();
        let (Some(wc), Some(wa), Some(wb), true) = (walks.next(), walks.next(), walks.next(), total > 0) else {
            continue;
        };
        let (cubes, dim) = gpu.grid(total);
        let sizes = sizes.into_iter().collect::<SequenceArg<usize>>();
        let (c, a, b) = (vc.buffer.arg(), va.buffer.arg(), vb.buffer.arg());
        where_kernel::launch(&gpu.client, cubes, dim, c, a, b, part.buffer.arg(), total, sizes, wc, wa, wb);
    }
    out
}

/// Broadcasts to `shape`.
pub(crate) fn run_expand(gpu: &Gpu, x: &Value, shape: &[usize]) -> Value {
    let out = empty(gpu, shape);
    for part in &out.parts {
        let from = broadcast(gpu, x, shape, part.start, part.channels);
        let shape = with_channels(shape, part.channels);
        copy(gpu, &shape, &from, &View::contiguous(&part.buffer, &shape));
    }
    out
}

/// Converts the element type.
pub(crate) fn run_cast(gpu: &Gpu, x: &Value, from: DType, to: DType) -> Result<Value> {
    let target = match to {
        DType::Bool => IntTo::Bool,
        DType::I8 => IntTo::I8,
        DType::U8 => IntTo::U8,
        _ => IntTo::I32,
    };
    // The same bits, and every value of the source is one of the target.
    let same = from == to || matches!((from, to), (DType::I32, DType::I64) | (DType::I64, DType::I32));
    if same || (from != DType::F32 && matches!(to, DType::I32 | DType::I64)) {
        return Ok(assemble(gpu, &x.shape, x.parts.clone()));
    }
    each_part(gpu, x, |source, out, total| {
        let (cubes, dim) = gpu.grid(total);
        let (c, source, out) = (&gpu.client, source.arg(), out.arg());
        match (from == DType::F32, to == DType::F32) {
            (true, _) => float_to_int_kernel::launch(c, cubes, dim, source, out, total, target),
            (false, true) => int_to_float_kernel::launch(c, cubes, dim, source, out, total),
            (false, false) => int_to_int_kernel::launch(c, cubes, dim, source, out, total, target),
        }
        Ok(())
    })
}
