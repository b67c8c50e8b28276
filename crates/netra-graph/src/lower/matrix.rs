//! Matrix products.

use super::Inputs;
use super::emit::{Lowerer, broadcast};
use super::index::slice_axis;
use crate::{Binary, Error, Kernel, Result, ValueId};

/// `factors` are alpha and beta, `transposed` says which operands are.
pub fn gemm(lo: &mut Lowerer, inputs: &Inputs<'_>, factors: (f32, f32), transposed: (bool, bool)) -> Result<ValueId> {
    let (a, b) = (inputs.need(0)?, inputs.need(1)?);
    let (&[a0, a1], &[b0, b1]) = (lo.shape(a), lo.shape(b)) else {
        return Err(Error::malformed(format!("operands of shapes {:?} and {:?}", lo.shape(a), lo.shape(b))));
    };
    let ((alpha, beta), (trans_a, trans_b)) = (factors, transposed);
    let (m, k) = if trans_a { (a1, a0) } else { (a0, a1) };
    let (inner, n) = if trans_b { (b1, b0) } else { (b0, b1) };
    if k != inner {
        return Err(Error::malformed(format!("a product over {k} and {inner} elements")));
    }
    let mut operands = vec![Some(a), Some(b)];
    if let Some(mut bias) = inputs.get(2).filter(|_| beta != 0.0) {
        if broadcast(lo.shape(bias), &[m, n]).ok().as_deref() != Some(&[m, n]) {
            return Err(Error::malformed(format!("a bias of shape {:?} for [{m}, {n}]", lo.shape(bias))));
        }
        if beta != 1.0 {
            let beta = lo.number(beta.into(), lo.dtype(bias))?;
            bias = lo.binary(Binary::Mul, bias, beta)?;
        }
        operands.push(Some(bias));
    }
    lo.emit_optional(Kernel::MatMul { trans_a, trans_b, alpha }, &operands, lo.dtype(a), &[m, n])
}

/// NumPy's `matmul`: vectors become matrices for the product, and leave the result again.
pub fn mat_mul(lo: &mut Lowerer, a: ValueId, b: ValueId) -> Result<ValueId> {
    let (left, right) = (lo.shape(a).to_vec(), lo.shape(b).to_vec());
    let a = if left.len() == 1 { lo.reshape(a, &[1, left[0]])? } else { a };
    let b = if right.len() == 1 { lo.reshape(b, &[right[0], 1])? } else { b };
    let ([batch_a @ .., m, k], [batch_b @ .., inner, n]) = (lo.shape(a), lo.shape(b)) else {
        return Err(Error::malformed(format!("operands of shapes {left:?} and {right:?}")));
    };
    if k != inner {
        return Err(Error::malformed(format!("operands of shapes {left:?} and {right:?}")));
    }
    let (m, n) = (*m, *n);
    let mut shape = broadcast(batch_a, batch_b)?;
    shape.extend([m, n]);
    let kernel = Kernel::MatMul { trans_a: false, trans_b: false, alpha: 1.0 };
    let product = lo.emit(kernel, &[a, b], lo.dtype(a), &shape)?;
    if left.len() == 1 {
        shape.remove(shape.len() - 2);
    }
    if right.len() == 1 {
        shape.pop();
    }
    lo.reshape(product, &shape)
}

/// Largest matrix whose determinant is expanded.
const MAX_DETERMINANT: usize = 4;

/// By expansion along the first row.
pub fn determinant(lo: &mut Lowerer, x: ValueId) -> Result<ValueId> {
    let shape = lo.shape(x).to_vec();
    let [batch @ .., n, m] = shape.as_slice() else {
        return Err(Error::malformed(format!("a matrix of shape {shape:?}")));
    };
    if n != m || *n == 0 {
        return Err(Error::malformed(format!("a matrix of shape {shape:?}")));
    }
    if *n > MAX_DETERMINANT {
        return Err(Error::unsupported(format!("the determinant of {n} rows")));
    }
    let (row, column) = (batch.len(), batch.len() + 1);
    let mut elements = Vec::with_capacity(n * n);
    for i in 0..*n {
        let line = slice_axis(lo, x, row, i, 1)?;
        for j in 0..*n {
            let element = slice_axis(lo, line, column, j, 1)?;
            elements.push(lo.reshape(element, batch)?);
        }
    }
    minor(lo, &elements, *n, &(0..*n).collect::<Vec<_>>())
}

/// The determinant of the last rows, as many as there are `columns`, at those columns.
fn minor(lo: &mut Lowerer, elements: &[ValueId], n: usize, columns: &[usize]) -> Result<ValueId> {
    let row = n - columns.len();
    let mut sum: Option<ValueId> = None;
    for (i, &column) in columns.iter().enumerate() {
        let mut term = elements[row * n + column];
        if columns.len() > 1 {
            let rest: Vec<usize> = columns.iter().copied().filter(|&c| c != column).collect();
            let smaller = minor(lo, elements, n, &rest)?;
            term = lo.binary(Binary::Mul, term, smaller)?;
        }
        sum = Some(match sum {
            None => term,
            Some(sum) => lo.binary(if i % 2 == 0 { Binary::Add } else { Binary::Sub }, sum, term)?,
        });
    }
    sum.ok_or_else(|| Error::malformed("an empty matrix"))
}
