//! Matrix products.

use super::Inputs;
use super::emit::{Lowerer, broadcast};
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
            let beta = lo.scalar_of(beta.into(), lo.dtype(bias))?;
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
