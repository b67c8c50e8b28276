//! Kernels that move elements without changing them, for every element type.

use super::elementwise::integers;
use super::index::{broadcast_strides, each, offset, strides, walk};
use crate::{Data, Error, PadMode, Result, Tensor};

/// `Data` of the elements of `x` at `offsets`.
pub fn pick(x: &Tensor, offsets: &[usize]) -> Data {
    fn at<T: Copy>(v: &[T], offsets: &[usize]) -> Vec<T> {
        offsets.iter().map(|&i| v[i]).collect()
    }
    match x.data() {
        Data::F32(v) => Data::F32(at(v, offsets)),
        Data::F64(v) => Data::F64(at(v, offsets)),
        Data::I8(v) => Data::I8(at(v, offsets)),
        Data::U8(v) => Data::U8(at(v, offsets)),
        Data::I16(v) => Data::I16(at(v, offsets)),
        Data::U16(v) => Data::U16(at(v, offsets)),
        Data::I32(v) => Data::I32(at(v, offsets)),
        Data::U32(v) => Data::U32(at(v, offsets)),
        Data::I64(v) => Data::I64(at(v, offsets)),
        Data::U64(v) => Data::U64(at(v, offsets)),
        Data::Bool(v) => Data::Bool(at(v, offsets)),
    }
}

/// A tensor whose element at each index of `shape` is the element of `x` at the offset that `f` gives.
pub fn remap(x: &Tensor, shape: &[usize], mut f: impl FnMut(&[usize]) -> usize) -> Result<Tensor> {
    let mut offsets = Vec::with_capacity(shape.iter().product());
    each(shape, |i| offsets.push(f(i)));
    Tensor::new(shape, pick(x, &offsets))
}

/// A tensor whose elements are those of `x` that strides reach.
fn strided(x: &Tensor, shape: &[usize], steps: Vec<usize>) -> Result<Tensor> {
    let mut offsets = Vec::with_capacity(shape.iter().product());
    walk(shape, [steps], |[at]| offsets.push(at));
    Tensor::new(shape, pick(x, &offsets))
}

pub fn transpose(x: &Tensor, perm: &[usize], shape: &[usize]) -> Result<Tensor> {
    let steps = strides(x.shape());
    strided(x, shape, perm.iter().map(|&axis| steps[axis]).collect())
}

pub fn slice(x: &Tensor, starts: &[usize], by: &[isize], shape: &[usize]) -> Result<Tensor> {
    let steps = strides(x.shape());
    remap(x, shape, |o| (0..o.len()).map(|a| starts[a].wrapping_add_signed(o[a] as isize * by[a]) * steps[a]).sum())
}

pub fn expand(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    strided(x, shape, broadcast_strides(x.shape(), shape.len()))
}

pub fn gather(x: &Tensor, indices: &Tensor, axis: usize, shape: &[usize]) -> Result<Tensor> {
    let size = x.shape()[axis] as i128;
    let resolve = |i: i128| {
        let j = if i < 0 { i + size } else { i };
        if (0..size).contains(&j) { Ok(j as usize) } else { Err(Error::invalid(format!("index {i} of {size}"))) }
    };
    let at: Vec<usize> = integers(indices)?.into_iter().map(resolve).collect::<Result<_>>()?;
    let (steps, isteps, rank) = (strides(x.shape()), strides(indices.shape()), indices.shape().len());
    remap(x, shape, |o| {
        let i = at[offset(&o[axis..axis + rank], &isteps)];
        offset(&o[..axis], &steps) + i * steps[axis] + offset(&o[axis + rank..], &steps[axis + 1..])
    })
}

pub fn concat(parts: &[&Tensor], axis: usize, shape: &[usize]) -> Result<Tensor> {
    let Some(&first) = parts.first() else { return Err(Error::malformed("Concat of nothing")) };
    if parts.iter().any(|p| p.dtype() != first.dtype()) {
        return Err(Error::malformed("Concat of different element types"));
    }
    let outer: usize = shape[..axis].iter().product();
    let runs: Vec<usize> = parts.iter().map(|p| p.shape()[axis..].iter().product()).collect();
    macro_rules! join {
        ($variant:ident) => {{
            let mut out = Vec::with_capacity(shape.iter().product());
            for o in 0..outer {
                for (part, run) in parts.iter().zip(&runs) {
                    if let Data::$variant(v) = part.data() {
                        out.extend_from_slice(&v[o * run..(o + 1) * run]);
                    }
                }
            }
            Data::$variant(out)
        }};
    }
    let data = match first.data() {
        Data::F32(_) => join!(F32),
        Data::F64(_) => join!(F64),
        Data::I8(_) => join!(I8),
        Data::U8(_) => join!(U8),
        Data::I16(_) => join!(I16),
        Data::U16(_) => join!(U16),
        Data::I32(_) => join!(I32),
        Data::U32(_) => join!(U32),
        Data::I64(_) => join!(I64),
        Data::U64(_) => join!(U64),
        Data::Bool(_) => join!(Bool),
    };
    Tensor::new(shape, data)
}

pub fn pad(x: &Tensor, pads: &[(usize, usize)], mode: PadMode, shape: &[usize]) -> Result<Tensor> {
    let steps = strides(x.shape());
    let sizes = x.shape();
    let source = |o: &[usize]| -> Option<usize> {
        let mut at = 0;
        for a in 0..o.len() {
            let i = o[a] as isize - pads[a].0 as isize;
            let n = sizes[a] as isize;
            let i = match mode {
                PadMode::Constant(_) => (0..n).contains(&i).then_some(i)?,
                PadMode::Edge => i.clamp(0, n - 1),
                PadMode::Wrap => i.rem_euclid(n),
                PadMode::Reflect if n == 1 => 0,
                PadMode::Reflect => {
                    let j = i.rem_euclid(2 * n - 2);
                    if j < n { j } else { 2 * n - 2 - j }
                }
            };
            at += i as usize * steps[a];
        }
        Some(at)
    };
    let PadMode::Constant(fill) = mode else {
        if sizes.contains(&0) {
            return Err(Error::invalid("an empty axis has no edge to pad from"));
        }
        return remap(x, shape, |o| source(o).unwrap_or(0));
    };
    let fill = super::elementwise::cast(&Tensor::from_f32([1], vec![fill])?, x.dtype())?;
    let joined = concat(&[&x.clone().reshaped([x.data().len()])?, &fill], 0, &[x.data().len() + 1])?;
    remap(&joined, shape, |o| source(o).unwrap_or(x.data().len()))
}

pub fn select(condition: &Tensor, a: &Tensor, b: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let Data::Bool(condition_values) = condition.data() else {
        return Err(Error::malformed("the condition of Where is not boolean"));
    };
    // One array of both, so that an element of either is an offset.
    let (n, m) = (a.data().len(), b.data().len());
    let both = concat(&[&a.clone().reshaped([n])?, &b.clone().reshaped([m])?], 0, &[n + m])?;
    let rank = shape.len();
    let steps = [condition, a, b].map(|t| broadcast_strides(t.shape(), rank));
    let mut offsets = Vec::with_capacity(shape.iter().product());
    walk(shape, steps, |[c, i, j]| offsets.push(if condition_values[c] { i } else { n + j }));
    Tensor::new(shape, pick(&both, &offsets))
}
