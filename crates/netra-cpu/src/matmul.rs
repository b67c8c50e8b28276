//! Matrix product, through the `gemm` crate.

use netra_graph::TensorView;

use crate::Context;
use crate::parallel::Shared;
use crate::strided::{broadcast_strides, strides};

/// How the operands lie.
#[derive(Clone, Copy)]
pub struct MatMul {
    /// `a` is transposed in its last two axes.
    pub trans_a: bool,
    /// `b` is transposed in its last two axes.
    pub trans_b: bool,
    /// Factor of the product.
    pub alpha: f32,
}

/// Least multiply-adds that are worth a unit of work.
const UNIT_WORK: usize = 1 << 19;

/// Most terms that are added up in one chain; longer sums are sums of such chains, as in convolutions. gemm's own chains
/// are of 512 terms and more, and their sums twice as wrong.
const CHAIN: usize = 128;

/// `alpha a b + bias` into `out` of shape `[..., m, n]`. Operands are float32.
pub fn mat_mul(
    context: &Context<'_>,
    p: MatMul,
    a: TensorView<'_>,
    b: TensorView<'_>,
    bias: Option<TensorView<'_>>,
    shape: &[usize],
    out: &mut [f32],
) {
    let (Some(av), Some(bv), Some(rank)) = (a.as_f32(), b.as_f32(), shape.len().checked_sub(2)) else { return };
    let (batch, m, n) = (&shape[..rank], shape[rank], shape[rank + 1]);
    let (a_lead, a_last) = a.shape().split_at(a.shape().len() - 2);
    let (b_lead, b_last) = b.shape().split_at(b.shape().len() - 2);
    let k = if p.trans_a { a_last[0] } else { a_last[1] };
    // Row and column strides of the operands as they are multiplied.
    let (a_row, a_col) = if p.trans_a { (1, a_last[1]) } else { (a_last[1], 1) };
    let (b_row, b_col) = if p.trans_b { (1, b_last[1]) } else { (b_last[1], 1) };
    let steps = |lead: &[usize], matrix: usize| -> Vec<usize> {
        broadcast_strides(lead, batch).into_iter().map(|s| s * matrix).collect()
    };
    let (a_steps, b_steps) = (steps(a_lead, m * k), steps(b_lead, k * n));
    let batch_steps = strides(batch);
    let batches: usize = batch.iter().product();

    // Each product is cut along its longer side.
    let work = m.saturating_mul(n).saturating_mul(k);
    let wanted = if context.threads.count() == 1 { 1 } else { (4 * context.threads.count()).div_ceil(batches.max(1)) };
    let cuts = (work / UNIT_WORK).clamp(1, wanted);
    let by_rows = m >= n;
    let length = if by_rows { m } else { n };
    let piece = length.div_ceil(cuts).next_multiple_of(16);
    let pieces = length.div_ceil(piece).max(1);

    let bias = bias.and_then(|v| Some((v.as_f32()?, broadcast_strides(v.shape(), shape))));
    let shared = Shared::new(out);
    context.threads.for_each(batches * pieces, |_, unit| {
        let (index, part) = (unit / pieces, unit % pieces);
        let place = |s: &[usize]| -> usize {
            batch.iter().zip(&batch_steps).zip(s).map(|((&size, &step), s)| index / step % size * s).sum()
        };
        let (from, to) = ((part * piece).min(length), ((part + 1) * piece).min(length));
        let ((i0, i1), (j0, j1)) = if by_rows { ((from, to), (0, n)) } else { ((0, m), (from, to)) };
        let (a_at, b_at) = (place(&a_steps) + i0 * a_row, place(&b_steps) + j0 * b_col);
        let o_at = index * m * n + i0 * n + j0;
        let mut beta = 0.0;
        if let Some((values, s)) = &bias {
            let base = place(&s[..rank]);
            for i in i0..i1 {
                // SAFETY: the rows `i0..i1` and columns `j0..j1` of this matrix belong to this unit alone.
                let row = unsafe { shared.slice(index * m * n + i * n + j0, j1 - j0) };
                for (j, to) in row.iter_mut().enumerate() {
                    *to = values[base + i * s[rank] + (j0 + j) * s[rank + 1]];
                }
            }
            beta = 1.0;
        }
        if i1 <= i0 || j1 <= j0 {
            return;
        }
        if k == 0 {
            if bias.is_none() {
                for i in i0..i1 {
                    // SAFETY: as above.
                    unsafe { shared.slice(index * m * n + i * n + j0, j1 - j0) }.fill(0.0);
                }
            }
            return;
        }
        let chain = k.div_ceil(k.div_ceil(CHAIN));
        for from in (0..k).step_by(chain) {
            // SAFETY: the strides describe matrices inside operands of the declared shapes, and the part of the output
            // that is written belongs to this unit alone. The old output is read only when the bias or an earlier chain
            // has been written there.
            unsafe {
                gemm::gemm(
                    i1 - i0,
                    j1 - j0,
                    chain.min(k - from),
                    shared.pointer(o_at),
                    1,
                    n as isize,
                    beta != 0.0,
                    av[a_at + from * a_col..].as_ptr(),
                    a_col as isize,
                    a_row as isize,
                    bv[b_at + from * b_row..].as_ptr(),
                    b_col as isize,
                    b_row as isize,
                    beta,
                    p.alpha,
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                );
            }
            beta = 1.0;
        }
    });
}
