//! Pooling.

use netra_graph::{Pool, Result};

use super::view::{contiguous, empty, whole};
use super::window::{Geometry, three};
use crate::gpu::Gpu;
use crate::kernels::pool::{PoolKind, max_indices_kernel, pool_kernel};
use crate::value::{Value, count, with_channels};

/// Pools each part.
pub(crate) fn run_pool(gpu: &Gpu, x: &Value, pool: &Pool, kind: PoolKind, shape: &[usize]) -> Value {
    let geometry = Geometry::of_pool(pool, &x.shape, shape);
    let after = three(&pool.pads, (0, 0)).map(|p| p.1);
    let [ed, eh, ew] = [0, 1, 2].map(|a| (geometry.input[a] + after[a]) as i32);
    let out = empty(gpu, shape);
    for part in &out.parts {
        let total = count(&with_channels(shape, part.channels));
        if total == 0 {
            continue;
        }
        let source = contiguous(gpu, x, part.start, part.channels);
        let (cubes, dim) = gpu.grid(total);
        let (c, g) = (&gpu.client, geometry.arg(total));
        pool_kernel::launch(c, cubes, dim, source.arg(), part.buffer.arg(), g, ed, eh, ew, f32::NEG_INFINITY, kind);
    }
    out
}

/// Where the largest elements lie in the whole input, which is in one piece.
pub(crate) fn run_max_indices(gpu: &Gpu, x: &Value, pool: &Pool, column_major: bool, shape: &[usize]) -> Result<Value> {
    let (source, total) = (whole(x)?, count(shape));
    let out = gpu.empty(total);
    if total > 0 {
        let (cubes, dim) = gpu.grid(total);
        let g = Geometry::of_pool(pool, &x.shape, shape).arg(total);
        max_indices_kernel::launch(&gpu.client, cubes, dim, source.arg(), out.arg(), g, column_major);
    }
    Ok(Value::whole(shape, out))
}
