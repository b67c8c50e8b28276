//! Attention, taken apart into matrix products, a mask and a softmax, and rotary positions.

use super::Inputs;
use super::attention_mask::{Mask, mask};
use super::emit::{Lowerer, broadcast};
use super::index::{concat, emit_slice, slice_axis};
use super::shape::transpose;
use crate::op::{Attention, ScoreOutput};
use crate::{Binary, DType, Error, Kernel, Reduction, Result, Unary, ValueId};

/// Gives the result, the keys and values with those of the past in front, and the scores that the node asks for.
///
/// Several query heads to one key head (grouped queries) are so many more rows of one product; keys are never copied.
pub fn attention(lo: &mut Lowerer, inputs: &Inputs<'_>, p: &Attention) -> Result<Vec<ValueId>> {
    let joined = lo.shape(inputs.need(0)?).len() == 3;
    let q = heads(lo, inputs.need(0)?, p.q_num_heads)?;
    let mut k = heads(lo, inputs.need(1)?, p.kv_num_heads)?;
    let mut v = heads(lo, inputs.need(2)?, p.kv_num_heads)?;
    let past = match (inputs.get(4), inputs.get(5)) {
        (None, None) => 0,
        (Some(past_k), Some(past_v)) => {
            k = concat(lo, &[past_k, k], 2)?;
            v = concat(lo, &[past_v, v], 2)?;
            lo.shape(past_k).get(2).copied().unwrap_or(0)
        }
        _ => return Err(Error::malformed("a past key without a past value")),
    };
    let (&[n, q_heads, rows, depth], &[kn, kv_heads, columns, k_depth], &[vn, v_heads, v_rows, v_depth]) =
        (lo.shape(q), lo.shape(k), lo.shape(v))
    else {
        return Err(Error::malformed("queries, keys or values without four axes"));
    };
    let fits = (kn, vn, v_heads, v_rows, k_depth) == (n, n, kv_heads, columns, depth);
    if !fits || kv_heads == 0 || q_heads % kv_heads != 0 {
        let (q, k, v) = (lo.shape(q), lo.shape(k), lo.shape(v));
        return Err(Error::malformed(format!("queries {q:?}, keys {k:?}, values {v:?}")));
    }
    let dtype = lo.dtype(q);
    let scale = p.scale.map_or_else(|| 1.0 / (depth as f64).sqrt(), f64::from);
    // The factor of a product is float32.
    let (q, alpha) = if dtype == DType::F64 {
        let scale = lo.number(scale, dtype)?;
        (lo.binary(Binary::Mul, q, scale)?, 1.0)
    } else {
        (q, scale as f32)
    };
    // The rows of all the query heads that share a key head.
    let shared = q_heads / kv_heads * rows;
    let grouped = lo.reshape(q, &[n, kv_heads, shared, depth])?;
    let kernel = Kernel::MatMul { trans_a: false, trans_b: true, alpha };
    let scores = lo.emit(kernel, &[grouped, k], dtype, &[n, kv_heads, shared, columns])?;
    let raw = lo.reshape(scores, &[n, q_heads, rows, columns])?;
    let capped = if p.softcap == 0.0 { raw } else { soft_cap(lo, raw, p.softcap)? };
    let Mask { added, allowed, empty_rows } = mask(lo, inputs, p, [n, q_heads, rows, columns], (past, dtype))?;
    let mut masked = capped;
    if let Some(added) = added {
        masked = lo.binary(Binary::Add, masked, added)?;
    }
    if let Some(allowed) = allowed {
        let never = lo.number(f64::NEG_INFINITY, dtype)?;
        let shape = lo.shape(masked).to_vec();
        masked = lo.emit(Kernel::Where, &[allowed, masked, never], dtype, &shape)?;
    }
    let shape = [n, q_heads, rows, columns];
    let mut weights = lo.emit(Kernel::Softmax { axis: 3, log: false }, &[masked], dtype, &shape)?;
    if let Some(empty) = empty_rows {
        // Nothing to attend to gives nothing, not 0 / 0.
        let zero = lo.number(0.0, dtype)?;
        weights = lo.emit(Kernel::Where, &[empty, zero, weights], dtype, &shape)?;
    }
    let grouped = lo.reshape(weights, &[n, kv_heads, shared, columns])?;
    let values = lo.cast(v, dtype)?;
    let kernel = Kernel::MatMul { trans_a: false, trans_b: false, alpha: 1.0 };
    let y = lo.emit(kernel, &[grouped, values], dtype, &[n, kv_heads, shared, v_depth])?;
    let mut y = lo.reshape(y, &[n, q_heads, rows, v_depth])?;
    if joined {
        y = transpose(lo, y, Some(&[0, 2, 1, 3]))?;
        y = lo.reshape(y, &[n, rows, q_heads * v_depth])?;
    }
    let seen = match p.qk_matmul_output {
        ScoreOutput::Raw => raw,
        ScoreOutput::Capped => capped,
        ScoreOutput::Masked => masked,
        ScoreOutput::Weights => weights,
    };
    Ok(vec![y, k, v, seen])
}

/// `[N, rows, heads depth]` to `[N, heads, rows, depth]`.
fn heads(lo: &mut Lowerer, x: ValueId, count: Option<usize>) -> Result<ValueId> {
    let shape = lo.shape(x).to_vec();
    match (shape.as_slice(), count) {
        ([_, heads, _, _], count) if count.is_none_or(|n| n == *heads) => Ok(x),
        (&[n, rows, width], Some(heads)) if width % heads == 0 => {
            let x = lo.reshape(x, &[n, rows, heads, width / heads])?;
            transpose(lo, x, Some(&[0, 2, 1, 3]))
        }
        _ => Err(Error::malformed(format!("shape {shape:?} in {count:?} heads"))),
    }
}

/// `cap tanh(x / cap)`.
fn soft_cap(lo: &mut Lowerer, x: ValueId, cap: f32) -> Result<ValueId> {
    let cap = lo.number(cap.into(), lo.dtype(x))?;
    let x = lo.binary(Binary::Div, x, cap)?;
    let x = lo.unary(Unary::Tanh, x)?;
    lo.binary(Binary::Mul, x, cap)
}

/// Rotates pairs of each head's elements by the angles of their positions. Inputs: x `[N, heads, rows, depth]` or
/// `[N, rows, heads depth]`, cosines and sines `[N, rows, half]`, or `[positions, half]` with position ids `[N, rows]`.
pub fn rotary(
    lo: &mut Lowerer,
    inputs: &Inputs<'_>,
    interleaved: bool,
    heads: Option<usize>,
    rotated: Option<usize>,
) -> Result<ValueId> {
    let x = inputs.need(0)?;
    let whole = lo.shape(x).to_vec();
    // The axis of heads, over which the angles are the same.
    let (x, across) = match (whole.as_slice(), heads) {
        ([_, _, _, _], _) => (x, 1),
        (&[n, rows, width], Some(heads)) if width % heads == 0 => (lo.reshape(x, &[n, rows, heads, width / heads])?, 2),
        _ => return Err(Error::malformed(format!("shape {whole:?} in {heads:?} heads"))),
    };
    let shape = lo.shape(x).to_vec();
    let depth = shape[3];
    let rotated = rotated.unwrap_or(depth);
    if rotated > depth || !rotated.is_multiple_of(2) {
        return Err(Error::malformed(format!("{rotated} rotated elements of {depth}")));
    }
    let half = rotated / 2;
    let mut table = |i: usize| {
        let mut id = inputs.need(i)?;
        if let Some(positions) = inputs.get(3) {
            id = super::index::gather(lo, id, positions, 0)?;
        }
        let &[n, rows, width] = lo.shape(id) else {
            return Err(Error::malformed(format!("angles of shape {:?}", lo.shape(id))));
        };
        let sizes = if across == 1 { [n, 1, rows, width] } else { [n, rows, 1, width] };
        let id = lo.reshape(id, &sizes)?;
        let mut part = shape.clone();
        part[3] = half;
        if width != half || broadcast(&sizes, &part).ok().as_deref() != Some(&part) {
            return Err(Error::malformed(format!("angles of shape {sizes:?} for {part:?}")));
        }
        lo.cast(id, lo.dtype(x))
    };
    let (cos, sin) = (table(1)?, table(2)?);
    let turned = slice_axis(lo, x, 3, 0, rotated)?;
    let mut part = shape.clone();
    part[3] = half;
    let mut side = |second: bool| {
        if !interleaved {
            return slice_axis(lo, turned, 3, if second { half } else { 0 }, half);
        }
        emit_slice(lo, turned, vec![0, 0, 0, second.into()], vec![1, 1, 1, 2], &part)
    };
    let (a, b) = (side(false)?, side(true)?);
    let mut sum = |x: ValueId, y: ValueId, op: Binary| {
        let x = lo.binary(Binary::Mul, x, a)?;
        let y = lo.binary(Binary::Mul, y, b)?;
        lo.binary(op, x, y)
    };
    let (real, imaginary) = (sum(cos, sin, Binary::Sub)?, sum(sin, cos, Binary::Add)?);
    let mut parts = Vec::with_capacity(3);
    if interleaved {
        let column = [&part[..], &[1]].concat();
        let (real, imaginary) = (lo.reshape(real, &column)?, lo.reshape(imaginary, &column)?);
        let woven = concat(lo, &[real, imaginary], 4)?;
        let mut sizes = shape.clone();
        sizes[3] = rotated;
        parts.push(lo.reshape(woven, &sizes)?);
    } else {
        parts.extend([real, imaginary]);
    }
    if rotated < depth {
        parts.push(slice_axis(lo, x, 3, rotated, depth - rotated)?);
    }
    let y = concat(lo, &parts, 3)?;
    lo.reshape(y, &whole)
}

/// Whether any element along the last axis holds.
pub fn any(lo: &mut Lowerer, x: ValueId) -> Result<ValueId> {
    let last = lo.shape(x).len() - 1;
    lo.reduce(Reduction::Max, x, &[last])
}
