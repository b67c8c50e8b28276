//! Matrix product.

use cubecl::prelude::*;

use super::index::{Walk, offset};

/// Rows and columns of the product that one thread computes.
pub(crate) const TILE: usize = 4;
/// Terms that are added up in one chain; longer sums are sums of such chains, which keeps rounding small.
const CHAIN: usize = 128;

/// Sizes and strides of `out [batch, m, n] = alpha a [batch, m, k] b [batch, k, n] + bias`.
#[derive(CubeLaunch, CubeType)]
pub(crate) struct Product {
    pub total: usize,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a_row: usize,
    pub a_col: usize,
    pub b_row: usize,
    pub b_col: usize,
    pub bias_row: usize,
    pub bias_col: usize,
    pub alpha: f32,
}

/// A 4 x 4 tile of the product a thread. The walks give each batch entry's offset in the operands.
#[cube(launch)]
pub(crate) fn matmul_kernel(
    a: &[f32],
    b: &[f32],
    bias: ComptimeOption<&[f32]>,
    out: &mut [f32],
    p: Product,
    batch: Sequence<usize>,
    walk_a: Walk,
    walk_b: Walk,
    walk_bias: Walk,
) {
    if ABSOLUTE_POS >= p.total {
        terminate!();
    }
    let tiles_n = p.n.div_ceil(TILE);
    let tiles_m = p.m.div_ceil(TILE);
    let col = ABSOLUTE_POS % tiles_n * TILE;
    let rest = ABSOLUTE_POS / tiles_n;
    let row = rest % tiles_m * TILE;
    let entry = rest / tiles_m;
    let a_base = offset(entry, &batch, &walk_a);
    let b_base = offset(entry, &batch, &walk_b);

    let mut sum = Array::<f32>::new(comptime!(TILE * TILE));
    let mut acc = Array::<f32>::new(comptime!(TILE * TILE));
    #[unroll]
    for i in 0..comptime!(TILE * TILE) {
        sum[i] = 0.0f32;
    }
    // Rows and columns beyond the edge repeat the last one; they are not stored.
    let mut rows = Array::<usize>::new(TILE);
    let mut cols = Array::<usize>::new(TILE);
    #[unroll]
    for i in 0..TILE {
        rows[i] = a_base + min(row + i, p.m - 1) * p.a_row;
        cols[i] = b_base + min(col + i, p.n - 1) * p.b_col;
    }
    let mut vb = Array::<f32>::new(TILE);
    for chain in 0..p.k.div_ceil(CHAIN) {
        let from = chain * CHAIN;
        #[unroll]
        for i in 0..comptime!(TILE * TILE) {
            acc[i] = 0.0f32;
        }
        for k in from..min(from + CHAIN, p.k) {
            #[unroll]
            for j in 0..TILE {
                vb[j] = b[cols[j] + k * p.b_row];
            }
            #[unroll]
            for i in 0..TILE {
                let va = a[rows[i] + k * p.a_col];
                #[unroll]
                for j in 0..TILE {
                    let at = comptime!(i * TILE + j);
                    acc[at] = fma(va, vb[j], acc[at]);
                }
            }
        }
        #[unroll]
        for i in 0..comptime!(TILE * TILE) {
            sum[i] += acc[i];
        }
    }
    #[unroll]
    for i in 0..TILE {
        #[unroll]
        for j in 0..TILE {
            if row + i < p.m && col + j < p.n {
                let product = p.alpha * sum[comptime!(i * TILE + j)];
                #[comptime]
                let value = match &bias {
                    ComptimeOption::Some(c) => {
                        let base = offset(entry, &batch, &walk_bias);
                        product + c[base + (row + i) * p.bias_row + (col + j) * p.bias_col]
                    }
                    ComptimeOption::None => product,
                };
                out[(entry * p.m + row + i) * p.n + col + j] = value;
            }
        }
    }
}
