//! Convolution, transposed convolution and matrix product.

use super::elementwise::activate;
use super::index::{broadcast_offset, each, offset, strides};
use super::{floats, from_floats};
use crate::{Conv, ConvTranspose, Result, Tensor};

pub fn conv(
    p: &Conv,
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    residual: Option<&Tensor>,
    shape: &[usize],
) -> Result<Tensor> {
    let (xs, ws) = (strides(x.shape()), strides(w.shape()));
    let (xv, wv) = (floats(x)?, floats(w)?);
    let bias = bias.map(floats).transpose()?;
    let residual = residual.map(floats).transpose()?;
    let kernel = &w.shape()[2..];
    let (in_group, out_group) = (w.shape()[1], w.shape()[0] / p.groups);
    let mut out = Vec::with_capacity(shape.iter().product());
    each(shape, |o| {
        let (n, m) = (o[0], o[1]);
        let first = m / out_group * in_group;
        let mut sum = bias.as_ref().map_or(0.0, |b| b[m]);
        each(kernel, |k| {
            let mut at = n * xs[0];
            for (d, &tap) in k.iter().enumerate() {
                let i = (o[d + 2] * p.strides[d] + tap * p.dilations[d]).checked_sub(p.pads[d].0);
                match i.filter(|&i| i < x.shape()[d + 2]) {
                    Some(i) => at += i * xs[d + 2],
                    None => return,
                }
            }
            let tap = m * ws[0] + offset(k, &ws[2..]);
            for c in 0..in_group {
                sum += xv[at + (first + c) * xs[1]] * wv[tap + c * ws[1]];
            }
        });
        if let Some(residual) = &residual {
            sum += residual[out.len()];
        }
        out.push(activate(p.activation, sum));
    });
    from_floats(x, shape, out)
}

pub fn conv_transpose(
    p: &ConvTranspose,
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    shape: &[usize],
) -> Result<Tensor> {
    let (xs, ws, os) = (strides(x.shape()), strides(w.shape()), strides(shape));
    let (xv, wv) = (floats(x)?, floats(w)?);
    let bias = bias.map(floats).transpose()?;
    let (in_group, out_group) = (w.shape()[0] / p.groups, w.shape()[1]);
    let mut out = vec![0.0; shape.iter().product()];
    each(x.shape(), |i| {
        let value = xv[offset(i, &xs)];
        let group = i[1] / in_group;
        each(&w.shape()[2..], |k| {
            let mut at = i[0] * os[0];
            for (d, &tap) in k.iter().enumerate() {
                let o = (i[d + 2] * p.strides[d] + tap * p.dilations[d]).checked_sub(p.pads[d].0);
                match o.filter(|&o| o < shape[d + 2]) {
                    Some(o) => at += o * os[d + 2],
                    None => return,
                }
            }
            let tap = i[1] * ws[0] + offset(k, &ws[2..]);
            for m in 0..out_group {
                out[at + (group * out_group + m) * os[1]] += value * wv[tap + m * ws[1]];
            }
        });
    });
    let plane = os[1].max(1);
    for (i, v) in out.iter_mut().enumerate() {
        *v = activate(p.activation, *v + bias.as_ref().map_or(0.0, |b| b[i / plane % shape[1]]));
    }
    from_floats(x, shape, out)
}

pub fn mat_mul(
    a: &Tensor,
    b: &Tensor,
    bias: Option<&Tensor>,
    trans_a: bool,
    trans_b: bool,
    alpha: f32,
    shape: &[usize],
) -> Result<Tensor> {
    let (av, bv) = (floats(a)?, floats(b)?);
    let bias_values = bias.map(floats).transpose()?;
    let operand = |t: &Tensor, transposed: bool| {
        let mut dims = t.shape().to_vec();
        let mut steps = strides(&dims);
        let r = dims.len();
        if transposed {
            dims.swap(r - 2, r - 1);
            steps.swap(r - 2, r - 1);
        }
        (dims, steps)
    };
    let ((ad, asteps), (bd, bsteps)) = (operand(a, trans_a), operand(b, trans_b));
    let (ar, br, r) = (ad.len(), bd.len(), shape.len());
    let mut out = Vec::with_capacity(shape.iter().product());
    each(shape, |o| {
        let batch = &o[..r - 2];
        let at = broadcast_offset(batch, &ad[..ar - 2], &asteps[..ar - 2]) + o[r - 2] * asteps[ar - 2];
        let bt = broadcast_offset(batch, &bd[..br - 2], &bsteps[..br - 2]) + o[r - 1] * bsteps[br - 1];
        let sum: f64 = (0..ad[ar - 1]).map(|k| av[at + k * asteps[ar - 1]] * bv[bt + k * bsteps[br - 2]]).sum();
        let shift = match (&bias_values, bias) {
            (Some(v), Some(t)) => v[broadcast_offset(o, t.shape(), &strides(t.shape()))],
            _ => 0.0,
        };
        out.push(f64::from(alpha) * sum + shift);
    });
    from_floats(a, shape, out)
}
