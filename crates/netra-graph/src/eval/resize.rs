//! Resampling of any axes, one after the other.

use super::index::{each, strides};
use super::{floats, from_floats};
use crate::{Resize, Result, Tensor};

pub fn resize(p: &Resize, x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let mut values = floats(x)?;
    let mut sizes = x.shape().to_vec();
    for (axis, table) in p.tables(x.shape(), shape).into_iter().enumerate() {
        let Some(table) = table else { continue };
        let steps = strides(&sizes);
        let mut next = sizes.clone();
        next[axis] = shape[axis];
        let mut out = Vec::with_capacity(next.iter().product());
        each(&next, |o| {
            let base: usize = (0..o.len()).filter(|&a| a != axis).map(|a| o[a] * steps[a]).sum();
            out.push(table[o[axis]].iter().map(|&(i, w)| values[base + i * steps[axis]] * w).sum());
        });
        (values, sizes) = (out, next);
    }
    from_floats(x, shape, values)
}
