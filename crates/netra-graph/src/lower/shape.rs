//! Operators that rearrange a tensor or tell its shape.

use super::Inputs;
use super::emit::{self, Lowerer, broadcast, check_size};
use crate::{DType, Data, Error, Kernel, Result, Tensor, ValueId};

/// Most elements of a Range.
const MAX_RANGE: usize = 1 << 20;

pub fn transpose(lo: &mut Lowerer, x: ValueId, perm: Option<&[usize]>) -> Result<ValueId> {
    let input = lo.shape(x).to_vec();
    let perm = perm.map_or_else(|| (0..input.len()).rev().collect(), <[usize]>::to_vec);
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..input.len()) {
        return Err(Error::malformed(format!("perm {perm:?} of {} axes", input.len())));
    }
    if perm == sorted {
        return Ok(x);
    }
    let shape: Vec<usize> = perm.iter().map(|&a| input[a]).collect();
    // Moving axes of size 1 moves no element.
    if perm.iter().filter(|&&a| input[a] != 1).is_sorted() {
        return lo.reshape(x, &shape);
    }
    lo.emit(Kernel::Transpose { perm }, &[x], lo.dtype(x), &shape)
}

pub fn reshape(lo: &mut Lowerer, inputs: &Inputs<'_>, allowzero: bool) -> Result<ValueId> {
    let x = inputs.need(0)?;
    let target = lo.ints(inputs.need(1)?, "the target shape")?;
    let input = lo.shape(x);
    let wrong = || Error::malformed(format!("shape {input:?} does not become {target:?}"));
    let mut shape = Vec::with_capacity(target.len());
    let mut inferred = None;
    for (i, &size) in target.iter().enumerate() {
        shape.push(match size {
            0 if !allowzero => *input.get(i).ok_or_else(wrong)?,
            -1 if inferred.is_none() => {
                inferred = Some(i);
                1
            }
            _ => usize::try_from(size).map_err(|_| wrong())?,
        });
    }
    if let Some(i) = inferred {
        check_size(&shape)?;
        let rest: usize = shape.iter().product();
        let all: usize = input.iter().product();
        if rest == 0 || !all.is_multiple_of(rest) {
            return Err(wrong());
        }
        shape[i] = all / rest;
    }
    lo.reshape(x, &shape)
}

pub fn flatten(lo: &mut Lowerer, x: ValueId, axis: i64) -> Result<ValueId> {
    let rank = lo.shape(x).len();
    // The axis after the last one is allowed here.
    let axis = if axis == rank as i64 { rank } else { emit::axis(axis, rank)? };
    let (outer, inner) = lo.shape(x).split_at(axis);
    let shape = [outer.iter().product(), inner.iter().product()];
    lo.reshape(x, &shape)
}

pub fn squeeze(lo: &mut Lowerer, inputs: &Inputs<'_>) -> Result<ValueId> {
    let x = inputs.need(0)?;
    let axes = inputs.get(1).map(|id| lo.ints(id, "axes")).transpose()?;
    let input = lo.shape(x);
    let axes = match axes {
        Some(list) => emit::axes(&list, input.len())?,
        None => (0..input.len()).filter(|&i| input[i] == 1).collect(),
    };
    if let Some(&axis) = axes.iter().find(|&&a| input[a] != 1) {
        return Err(Error::malformed(format!("axis {axis} of {input:?} is not of size 1")));
    }
    let shape: Vec<usize> =
        input.iter().enumerate().filter(|(i, _)| !axes.contains(i)).map(|(_, &size)| size).collect();
    lo.reshape(x, &shape)
}

pub fn unsqueeze(lo: &mut Lowerer, inputs: &Inputs<'_>) -> Result<ValueId> {
    let x = inputs.need(0)?;
    let list = lo.ints(inputs.need(1)?, "axes")?;
    let rank = lo.shape(x).len() + list.len();
    check_size(&vec![1; rank])?;
    let axes = emit::axes(&list, rank)?;
    let mut rest = lo.shape(x).iter();
    let shape: Vec<usize> =
        (0..rank).map(|i| if axes.contains(&i) { 1 } else { rest.next().copied().unwrap_or(1) }).collect();
    lo.reshape(x, &shape)
}

/// Sizes that a parameter lists, checked as a shape.
fn sizes(lo: &Lowerer, id: ValueId, what: &str) -> Result<Vec<usize>> {
    let list = lo.ints(id, what)?;
    let shape = list.iter().map(|&s| usize::try_from(s)).collect::<std::result::Result<Vec<_>, _>>();
    let shape = shape.map_err(|_| Error::malformed(format!("{what} is {list:?}")))?;
    check_size(&shape)?;
    Ok(shape)
}

pub fn expand(lo: &mut Lowerer, inputs: &Inputs<'_>) -> Result<ValueId> {
    let x = inputs.need(0)?;
    let shape = broadcast(lo.shape(x), &sizes(lo, inputs.need(1)?, "the target shape")?)?;
    lo.expand(x, &shape)
}

/// A new axis of size 1 before each repeated one, broadcast, and taken in again.
pub fn tile(lo: &mut Lowerer, inputs: &Inputs<'_>) -> Result<ValueId> {
    let x = inputs.need(0)?;
    let repeats = sizes(lo, inputs.need(1)?, "the repeats")?;
    let input = lo.shape(x).to_vec();
    if repeats.len() != input.len() {
        return Err(Error::malformed(format!("{} repeats of {} axes", repeats.len(), input.len())));
    }
    let (mut split, mut spread, mut shape) = (Vec::new(), Vec::new(), Vec::new());
    for (&size, &times) in input.iter().zip(&repeats) {
        if times != 1 && size != 1 {
            split.push(1);
            spread.push(times);
        }
        split.push(size);
        spread.push(if size == 1 { times } else { size });
        shape.push(size.checked_mul(times).ok_or_else(|| Error::limit("a repeated size"))?);
    }
    check_size(&spread)?;
    let x = lo.reshape(x, &split)?;
    let x = lo.expand(x, &spread)?;
    lo.reshape(x, &shape)
}

/// `[N, C, H, W]` to `[N, C / b^2, H b, W b]`. DCR: the block offset is the outer part of the channel; CRD: the inner.
pub fn depth_to_space(lo: &mut Lowerer, x: ValueId, block: usize, crd: bool) -> Result<ValueId> {
    let (n, c, h, w) = picture(lo, x)?;
    let depth = block.checked_mul(block).filter(|&d| c % d == 0);
    let depth = depth.ok_or_else(|| Error::malformed(format!("blocks of {block} from {c} channels")))?;
    let (split, perm) = if crd {
        ([n, c / depth, block, block, h, w], [0, 1, 4, 2, 5, 3])
    } else {
        ([n, block, block, c / depth, h, w], [0, 3, 4, 1, 5, 2])
    };
    let x = lo.reshape(x, &split)?;
    let x = transpose(lo, x, Some(&perm))?;
    lo.reshape(x, &[n, c / depth, h * block, w * block])
}

/// The reverse of [`depth_to_space`].
pub fn space_to_depth(lo: &mut Lowerer, x: ValueId, block: usize, crd: bool) -> Result<ValueId> {
    let (n, c, h, w) = picture(lo, x)?;
    if h % block != 0 || w % block != 0 {
        return Err(Error::malformed(format!("blocks of {block} of {h} x {w} elements")));
    }
    let x = lo.reshape(x, &[n, c, h / block, block, w / block, block])?;
    let perm = if crd { [0, 1, 3, 5, 2, 4] } else { [0, 3, 5, 1, 2, 4] };
    let x = transpose(lo, x, Some(&perm))?;
    // A block has no more elements than the tensor, so the product fits.
    lo.reshape(x, &[n, c * block * block, h / block, w / block])
}

fn picture(lo: &Lowerer, x: ValueId) -> Result<(usize, usize, usize, usize)> {
    match *lo.shape(x) {
        [n, c, h, w] => Ok((n, c, h, w)),
        ref other => Err(Error::malformed(format!("shape {other:?}, not [N, C, H, W]"))),
    }
}

pub fn shape_of(lo: &mut Lowerer, x: ValueId, start: i64, end: Option<i64>) -> Result<ValueId> {
    let shape = lo.shape(x);
    let rank = shape.len() as i64;
    let clamp = |i: i64| if i < 0 { i.saturating_add(rank).max(0) } else { i.min(rank) } as usize;
    let (start, end) = (clamp(start), clamp(end.unwrap_or(rank)));
    let sizes: Vec<i64> = shape.get(start..end).unwrap_or_default().iter().map(|&n| n as i64).collect();
    Ok(lo.constant(Tensor::from_i64s(&sizes)))
}

pub fn size_of(lo: &mut Lowerer, x: ValueId) -> Result<ValueId> {
    let size = lo.shape(x).iter().product::<usize>() as i64;
    Ok(lo.constant(Tensor::new([], Data::I64(vec![size]))?))
}

pub fn constant_of_shape(lo: &mut Lowerer, shape: ValueId, value: &Tensor) -> Result<ValueId> {
    let shape = sizes(lo, shape, "the shape")?;
    let value = lo.constant(value.clone().reshaped([])?);
    lo.expand(value, &shape)
}

pub fn range(lo: &mut Lowerer, inputs: &Inputs<'_>) -> Result<ValueId> {
    let ids = [inputs.need(0)?, inputs.need(1)?, inputs.need(2)?];
    let dtype = lo.dtype(ids[0]);
    if ids.iter().any(|&id| lo.dtype(id) != dtype || lo.shape(id).iter().product::<usize>() != 1) {
        return Err(Error::malformed("bounds of different types, or not scalars"));
    }
    let names = ["start", "limit", "delta"];
    let mut tensors = Vec::with_capacity(3);
    for (id, name) in ids.into_iter().zip(names) {
        tensors.push(lo.constant_of(id).ok_or_else(|| emit::not_constant(name))?);
    }
    let data = match (dtype, tensors.iter().map(|t| t.to_i64s()).collect::<Option<Vec<_>>>()) {
        (DType::I64 | DType::I32, Some(v)) => {
            let (start, limit, delta) = (i128::from(v[0][0]), i128::from(v[1][0]), i128::from(v[2][0]));
            let n = count((limit - start) as f64, delta as f64)?;
            Data::I64((0..n as i128).map(|i| (start + i * delta) as i64).collect())
        }
        _ => {
            let bounds: Option<Vec<f32>> = tensors.iter().map(|t| t.as_f32().map(|v| v[0])).collect();
            let Some(&[start, limit, delta]) = bounds.as_deref() else {
                return Err(Error::unsupported(format!("a range of {dtype}")));
            };
            let n = count(f64::from(limit) - f64::from(start), f64::from(delta))?;
            Data::F32((0..n).map(|i| (f64::from(start) + i as f64 * f64::from(delta)) as f32).collect())
        }
    };
    let range = Tensor::new([data.len()], data)?;
    let range = lo.constant(range);
    lo.cast(range, dtype)
}

fn count(distance: f64, delta: f64) -> Result<usize> {
    let n = (distance / delta).ceil().max(0.0);
    if delta == 0.0 || !n.is_finite() {
        return Err(Error::malformed("a range that never ends"));
    }
    if n > MAX_RANGE as f64 {
        return Err(Error::limit(format!("a range of {n} elements")));
    }
    Ok(n as usize)
}
