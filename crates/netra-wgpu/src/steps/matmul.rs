//! Matrix products.

use cubecl::prelude::*;
use half::f16;
use netra_graph::{Error, Result};

use super::choice::{Choice, Setting};
use super::gemm;
use super::view::{View, assemble, broadcast, walk};
use crate::gpu::{Buffer, Gpu};
use crate::kernels::matmul::{CHAIN, ProductLaunch, ProductSpec, TILE, matmul_kernel, matmul_tiled};
use crate::kernels::tile::Tile;
use crate::value::{Part, Value, count, split, with_channels};

/// How a product reads its operands, and runs.
#[derive(Clone, Copy)]
pub(crate) struct Form {
    pub(crate) trans_a: bool,
    pub(crate) trans_b: bool,
    pub(crate) alpha: f32,
    /// Through workgroup memory, in these tiles; else a small tile a thread.
    pub(crate) tiled: Option<Tiled>,
}

/// The tiles of a product, in half precision or not.
#[derive(Clone, Copy)]
pub(crate) struct Tiled {
    tile: Tile,
    half: bool,
}

/// Rows, columns and terms below which a product's tiles would be mostly empty.
const FEW: usize = 16;

/// The tiles that a product of `shape` with sums of `terms` runs in; `None` where a small tile a thread is better.
pub(crate) fn tiled(shape: &[usize], terms: usize, setting: &Setting<'_>) -> Option<Tiled> {
    let &[ref batch @ .., m, n] = shape else { return None };
    let dense = m.min(n).min(terms) >= FEW && (!setting.software || setting.half());
    let estimated = || dense.then(|| gemm::best(m, n, count(batch)));
    let tile = match setting.forced {
        Some(Choice::Gemm(tile)) => tile.or_else(|| Some(gemm::best(m, n, count(batch)))),
        Some(Choice::Direct(_)) if !setting.half() => None,
        _ => estimated(),
    };
    tile.map(|tile| Tiled { tile, half: setting.half() })
}

/// The least rank at which axis 1, along which tensors are cut, is an axis of the batch.
pub(crate) const CUT_RANK: usize = 4;

/// `alpha a b (+ bias)`. Below [`CUT_RANK`] all operands are in one piece, above it those of a lower rank are (checked on
/// compile).
pub(crate) fn run(gpu: &Gpu, form: Form, a: &Value, b: &Value, bias: Option<&Value>, shape: &[usize]) -> Result<Value> {
    if shape.len() < 2 {
        return Err(Error::invalid(format!("a matrix product of shape {shape:?}")));
    }
    // Cut wherever an operand or the result is, so that no piece spans two parts.
    let ranges = split(shape, gpu.limit()).unwrap_or_default();
    let mut starts: Vec<usize> = ranges.iter().map(|r| r.start).collect();
    let operands = [Some(a), Some(b), bias];
    starts.extend(operands.iter().flatten().flat_map(|v| v.parts.iter().map(|p| p.start)));
    starts.sort_unstable();
    starts.dedup();
    let ends = starts.iter().skip(1).copied().chain(shape.get(1).copied());
    let pieces = starts.iter().zip(ends).map(|(&start, end)| {
        let channels = end - start;
        let shape = if shape.len() < CUT_RANK { shape.to_vec() } else { with_channels(shape, channels) };
        let part = Part { start, channels, buffer: gpu.empty(count(&shape)) };
        run_part(gpu, form, (a, b, bias), &shape, &part);
        part
    });
    let pieces = pieces.collect();
    Ok(assemble(gpu, shape, pieces))
}

/// The entries of the batch that make up one piece, which has the shape `shape`.
fn run_part(gpu: &Gpu, form: Form, (a, b, bias): (&Value, &Value, Option<&Value>), shape: &[usize], part: &Part) {
    let rank = shape.len();
    let (batch, m, n) = (&shape[..rank - 2], shape[rank - 2], shape[rank - 1]);
    let inner = |v: &Value, back: usize| v.shape[v.shape.len() - back];
    let k = inner(a, if form.trans_a { 2 } else { 1 });
    let seen = |v: &Value, full: &[usize]| {
        let start = if rank < CUT_RANK { 0 } else { part.start };
        broadcast(gpu, v, full, start, full.get(1).copied().unwrap_or(1))
    };
    let operand = |v: &Value| {
        // The batch axes broadcast; the matrix axes are walked by rows and columns.
        let mut full = batch.to_vec();
        full.extend(&v.shape[v.shape.len() - 2..]);
        seen(v, &full)
    };
    let (va, vb) = (operand(a), operand(b));
    let steps = |v: &View, transposed: bool| {
        let (row, col) = (v.strides[rank - 2] as usize, v.strides[rank - 1] as usize);
        if transposed { (col, row) } else { (row, col) }
    };
    let ((a_row, a_col), (b_row, b_col)) = (steps(&va, form.trans_a), steps(&vb, form.trans_b));
    let vc = bias.map(|c| seen(c, shape));
    let (bias_row, bias_col) = vc.as_ref().map_or((0, 0), |v| steps(v, false));

    let (rows, cols) = form.tiled.map_or((TILE, TILE), |tiled| (tiled.tile.rows, tiled.tile.cols));
    let total = count(batch) * m.div_ceil(rows) * n.div_ceil(cols);
    if total == 0 {
        return;
    }
    let product = ProductLaunch::new(total, m, n, k, a_row, a_col, b_row, b_col, bias_row, bias_col, form.alpha);
    // At least one batch axis, so that the kernel has something to walk.
    let sizes = if batch.is_empty() { vec![1] } else { batch.to_vec() };
    let path = |v: Option<&View>| match v {
        Some(v) if !batch.is_empty() => walk(v.offset, &v.strides[..rank - 2]),
        _ => walk(0, &vec![0; sizes.len()]),
    };
    let walks = (path(Some(&va)), path(Some(&vb)), path(vc.as_ref()));
    let shape = sizes.iter().copied().collect::<SequenceArg<usize>>();
    let (c, bias) = (&gpu.client, Buffer::optional(vc.as_ref().map(|v| &v.buffer)).into());
    let (a, b, y) = (va.buffer.arg(), vb.buffer.arg(), part.buffer.arg());
    let Some(Tiled { tile, half }) = form.tiled else {
        let (cubes, dim) = gpu.grid(total);
        return matmul_kernel::launch(c, cubes, dim, a, b, bias, y, product, shape, walks.0, walks.1, walks.2);
    };
    let (cubes, dim) = gpu.workgroups(total, tile.threads());
    let spec = ProductSpec { tile, chain: CHAIN / tile.depth, terms_a: a_col == 1, terms_b: b_row == 1 && b_col != 1 };
    let launch = if half { matmul_tiled::launch::<f16> } else { matmul_tiled::launch::<f32> };
    launch(c, cubes, dim, 4, a, b, bias, y, product, shape, walks.0, walks.1, walks.2, spec);
}
