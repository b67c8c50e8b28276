//! Attention: scores, softmax and weighted sums, one query at a time.

use super::{floats, from_floats};
use crate::{DotProductAttention, Error, Result, StridedRows, Tensor};

pub fn attention(p: &DotProductAttention, inputs: &[&Tensor], shape: &[usize]) -> Result<Tensor> {
    let (&[q, k, v], biases) = inputs.split_first_chunk().ok_or_else(|| Error::malformed("Attention of nothing"))?;
    let sequences = p.q.starts.len();
    let elements = shape.iter().product();
    let all: Vec<usize> = inputs.iter().map(|tensor| tensor.data().len()).chain([elements]).collect();
    if !p.fits(&all) {
        return Err(Error::malformed("Attention over rows that its operands do not have"));
    }
    let (queries, keys, values) = (floats(q)?, floats(k)?, floats(v)?);
    let added: Vec<Vec<f64>> = biases.iter().map(|b| floats(b)).collect::<Result<_>>()?;
    let place = |rows: &StridedRows, s: usize, i: usize, j: usize| rows.starts[s] + i * rows.row + j * rows.column;
    let mut out = vec![0.0; elements];
    for s in 0..sequences {
        for i in 0..p.queries {
            let score = |j: usize| {
                let product = |c: usize| queries[place(&p.q, s, i, c)] * keys[place(&p.k, s, j, c)];
                let bias: f64 = p.biases.iter().zip(&added).map(|(rows, b)| b[place(rows, s, i, j)]).sum();
                f64::from(p.scale) * (0..p.width).map(product).sum::<f64>() + bias
            };
            let scores: Vec<f64> = (0..p.keys).map(score).collect();
            let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|score| (score - max).exp()).collect();
            let sum: f64 = weights.iter().sum();
            for c in 0..p.value_width {
                let weighted = weights.iter().enumerate().map(|(j, w)| w * values[place(&p.v, s, j, c)]);
                out[place(&p.out, s, i, c)] = weighted.sum::<f64>() / sum;
            }
        }
    }
    from_floats(q, shape, out)
}
