//! Element-wise steps of two and three arguments: binary functions, `Where`, `Expand`.

use cubecl::prelude::*;
use netra_graph::{Binary, DType, Error, Result};

use super::view::{View, broadcast, copy, empty, walks};
use crate::gpu::{Buffer, Gpu};
use crate::kernels::elementwise::{Test, binary_kernel, test_kernel, where_kernel};
use crate::kernels::number::BinaryOp;
use crate::value::{Repr, Value, count, width, with_channels};

/// What a binary step launches.
#[derive(Clone, Copy)]
enum Pair {
    Number(BinaryOp),
    Test(Test),
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
        Binary::BitwiseAnd => Pair::Number(BinaryOp::BitAnd),
        Binary::BitwiseOr => Pair::Number(BinaryOp::BitOr),
        Binary::BitwiseXor => Pair::Number(BinaryOp::BitXor),
        Binary::ShiftLeft => Pair::Number(BinaryOp::ShiftLeft),
        Binary::ShiftRight => Pair::Number(BinaryOp::ShiftRight),
        _ => return None,
    })
}

/// The kernel of a function of two floats that gives a float; `None` for tests and functions of bits.
pub(crate) fn number(op: Binary) -> Option<BinaryOp> {
    match pair(op)? {
        Pair::Number(number) if check_binary(op, DType::F32).is_ok() => Some(number),
        _ => None,
    }
}

/// Why a binary step cannot run.
pub(crate) fn check_binary(op: Binary, input: DType) -> std::result::Result<(), String> {
    use Binary as B;
    let bits = matches!(op, B::BitwiseAnd | B::BitwiseOr | B::BitwiseXor | B::ShiftLeft | B::ShiftRight);
    let known = match pair(op) {
        Some(Pair::Number(_)) if bits => input.is_integer(),
        Some(Pair::Number(_)) => input != DType::Bool,
        Some(Pair::Test(_)) => true,
        None => false,
    };
    if known { Ok(()) } else { Err(format!("{op:?} of {input}")) }
}

/// `y = op(a, b)` with broadcasting.
pub(crate) fn run_binary(gpu: &Gpu, op: Binary, input: DType, a: &Value, b: &Value, shape: &[usize]) -> Result<Value> {
    let pair = pair(op).ok_or_else(|| Error::unsupported(format!("{op:?} on the wgpu backend")))?;
    let out = empty(gpu, shape);
    for part in &out.parts {
        let shape = with_channels(shape, part.channels);
        let va = broadcast(gpu, a, &out.shape, part.start, part.channels);
        let vb = broadcast(gpu, b, &out.shape, part.start, part.channels);
        launch_pair(gpu, pair, input, &shape, &va, &vb, &part.buffer);
    }
    Ok(out)
}

fn launch_pair(gpu: &Gpu, pair: Pair, input: DType, shape: &[usize], a: &View, b: &View, out: &Buffer) {
    let total = count(shape);
    let (sizes, walks) = walks(shape, &[a, b]);
    let mut walks = walks.into_iter();
    let (Some(wa), Some(wb), true) = (walks.next(), walks.next(), total > 0) else { return };
    let (cubes, dim) = gpu.grid(total);
    let sizes = sizes.into_iter().collect::<SequenceArg<usize>>();
    let (c, a, b, out) = (&gpu.client, a.buffer.arg(), b.buffer.arg(), out.arg());
    let width = width(input);
    match (pair, Repr::of(input) == Some(Repr::Float)) {
        (Pair::Number(op), true) => {
            binary_kernel::launch::<f32>(c, cubes, dim, a, b, out, total, sizes, wa, wb, op, width)
        }
        (Pair::Number(op), false) => {
            binary_kernel::launch::<i32>(c, cubes, dim, a, b, out, total, sizes, wa, wb, op, width)
        }
        (Pair::Test(t), true) => test_kernel::launch::<f32>(c, cubes, dim, a, b, out, total, sizes, wa, wb, t),
        (Pair::Test(t), false) => test_kernel::launch::<i32>(c, cubes, dim, a, b, out, total, sizes, wa, wb, t),
    }
}

/// `a + b` of two float buffers of `total` elements.
pub(crate) fn add(gpu: &Gpu, a: &Buffer, b: &Buffer, total: usize) -> Buffer {
    let out = gpu.empty(total);
    let (a, b) = (View::contiguous(a, &[total]), View::contiguous(b, &[total]));
    launch_pair(gpu, Pair::Number(BinaryOp::Add), DType::F32, &[total], &a, &b, &out);
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
