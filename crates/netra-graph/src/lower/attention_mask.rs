//! The mask of an attention.

use super::Inputs;
use super::attention::any;
use super::emit::{Lowerer, broadcast};
use crate::op::Attention;
use crate::{Binary, DType, Data, Error, Kernel, PadMode, Result, Tensor, Unary, ValueId};

/// What is known of a mask over scores `[N, heads, rows, columns]`; every part broadcasts to that.
pub struct Mask {
    /// Added to the scores.
    pub added: Option<ValueId>,
    /// Where scores count (boolean); everywhere, when there is none.
    pub allowed: Option<ValueId>,
    /// Rows in which no score counts (boolean, last axis 1), when there may be any.
    pub empty_rows: Option<ValueId>,
}

/// `kind` is the length of the past and the element type of the scores.
pub fn mask(
    lo: &mut Lowerer,
    inputs: &Inputs<'_>,
    p: &Attention,
    scores: [usize; 4],
    kind: (usize, DType),
) -> Result<Mask> {
    let [n, _, rows, columns] = scores;
    let (past, dtype) = kind;
    let mut allowed: Vec<ValueId> = Vec::new();
    let mut added = None;
    // What the added mask leaves out by being minus infinity.
    let mut finite = None;
    if let Some(given) = inputs.get(3) {
        let given = widened(lo, given, columns)?;
        if broadcast(lo.shape(given), &scores).ok().as_deref() != Some(&scores) {
            return Err(Error::malformed(format!("a mask of shape {:?} for {scores:?}", lo.shape(given))));
        }
        if lo.dtype(given) == DType::Bool {
            allowed.push(given);
        } else if lo.dtype(given).is_float() {
            let given = lo.cast(given, dtype)?;
            let lowest = lo.number(if dtype == DType::F64 { f64::MIN } else { f32::MIN.into() }, dtype)?;
            finite = Some(lo.binary(Binary::GreaterOrEqual, given, lowest)?);
            added = Some(given);
        } else {
            return Err(Error::unsupported(format!("a mask of {}", lo.dtype(given))));
        }
    }
    let lengths = inputs.get(6);
    if let Some(lengths) = lengths {
        if lo.shape(lengths) != [n] || past > 0 {
            return Err(Error::malformed(format!("lengths of shape {:?} for {n} sequences", lo.shape(lengths))));
        }
        let lengths = lo.reshape(lengths, &[n, 1, 1, 1])?;
        let lengths = lo.cast(lengths, DType::I64)?;
        let positions: Vec<i64> = (0..columns as i64).collect();
        let positions = lo.constant(Tensor::from_i64s(&positions));
        allowed.push(lo.binary(Binary::Less, positions, lengths)?);
        // Position of column j as seen from row i, less the length: at most 0 for what comes no later.
        let seen = |i: i64, j: i64| j - i + rows as i64;
        for (bound, later) in bounds(p) {
            let table = table(lo, rows, columns, |i, j| Data::I64(vec![seen(i, j) - bound]))?;
            let op = if later { Binary::LessOrEqual } else { Binary::GreaterOrEqual };
            allowed.push(lo.binary(op, table, lengths)?);
        }
    } else {
        for (bound, later) in bounds(p) {
            let offset = past as i64 + bound;
            let holds = |i: i64, j: i64| if later { j <= i + offset } else { j >= i + offset };
            allowed.push(table(lo, rows, columns, |i, j| Data::Bool(vec![holds(i, j)]))?);
        }
    }
    let mut both: Option<ValueId> = None;
    for part in allowed {
        both = Some(match both {
            Some(both) => lo.binary(Binary::And, both, part)?,
            None => part,
        });
    }
    let empty_rows = empty_rows(lo, both, finite)?;
    Ok(Mask { added, allowed: both, empty_rows })
}

/// Bounds on a column's position relative to its row's: the latest (`true`) and earliest (`false`) that is seen.
fn bounds(p: &Attention) -> Vec<(i64, bool)> {
    let size = |w: usize| i64::try_from(w).unwrap_or(i64::MAX).min(i64::from(i32::MAX));
    let mut bounds = Vec::new();
    if p.is_causal {
        bounds.push((0, true));
    }
    bounds.extend(p.right_window_size.map(|w| (size(w), true)));
    bounds.extend(p.left_window_size.map(|w| (-size(w), false)));
    bounds
}

/// A constant `[rows, columns]` made of one-element data. The scores of one head are as large.
fn table(lo: &mut Lowerer, rows: usize, columns: usize, f: impl Fn(i64, i64) -> Data) -> Result<ValueId> {
    let each = (0..rows as i64).flat_map(|i| (0..columns as i64).map(move |j| (i, j)));
    let data = match f(0, 0) {
        Data::Bool(_) => Data::Bool(each.map(|(i, j)| matches!(f(i, j), Data::Bool(v) if v == [true])).collect()),
        _ => Data::I64(each.map(|(i, j)| if let Data::I64(v) = f(i, j) { v[0] } else { 0 }).collect()),
    };
    let tensor = Tensor::new([rows, columns], data)?;
    Ok(lo.constant(tensor))
}

/// A mask may be shorter than the keys: what it does not reach is left out.
fn widened(lo: &mut Lowerer, mask: ValueId, columns: usize) -> Result<ValueId> {
    let mut shape = lo.shape(mask).to_vec();
    let Some(last) = shape.last_mut() else { return Ok(mask) };
    if *last >= columns || *last == 1 {
        return Ok(mask);
    }
    let missing = columns - *last;
    *last = columns;
    let mut pads = vec![(0, 0); shape.len()];
    if let Some(pad) = pads.last_mut() {
        pad.1 = missing;
    }
    let fill = if lo.dtype(mask) == DType::Bool { 0.0 } else { f32::NEG_INFINITY };
    lo.emit(Kernel::Pad { pads, mode: PadMode::Constant(fill) }, &[mask], lo.dtype(mask), &shape)
}

/// Rows in which nothing is both allowed and finite; `None` when constants show that there are none.
fn empty_rows(lo: &mut Lowerer, allowed: Option<ValueId>, finite: Option<ValueId>) -> Result<Option<ValueId>> {
    let counts = match (allowed, finite) {
        (Some(a), Some(b)) => lo.binary(Binary::And, a, b)?,
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => return Ok(None),
    };
    let full = any(lo, counts)?;
    if let Some(Data::Bool(full)) = lo.constant_of(full).map(Tensor::data)
        && !full.contains(&false)
    {
        return Ok(None);
    }
    lo.unary(Unary::Not, full).map(Some)
}
