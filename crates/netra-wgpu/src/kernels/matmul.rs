//! Matrix product.

use cubecl::prelude::*;

use super::index::{Walk, offset};
use super::tile::{Tile, multiply};

/// Rows and columns of the product that one thread computes.
pub(crate) const TILE: usize = 4;
/// Terms that are added up in one chain; longer sums are sums of such chains, which keeps rounding small.
pub(crate) const CHAIN: usize = 128;

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

/// What is fixed when the tiled product is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ProductSpec {
    pub tile: Tile,
    /// Slices of a chain.
    pub chain: usize,
    /// Whether neighbouring terms of `a`, and of `b`, are neighbours in memory: then neighbouring threads load those.
    pub terms_a: bool,
    pub terms_b: bool,
}

/// Loads a thread's share of a slice of `a`, four rows at a time. Rows beyond the last repeat it and are not stored; terms
/// beyond the last are zeros.
#[cube]
fn read_rows<E: Float, N: Size>(
    a: &[f32],
    to: &mut Array<Vector<E, N>>,
    base: usize,
    row: usize,
    term: usize,
    p: &Product,
    #[comptime] spec: ProductSpec,
) {
    let tile = comptime!(spec.tile);
    let quarter = comptime!(tile.rows / 4);
    #[unroll]
    for i in 0..comptime!(tile.slice().div_ceil(tile.threads())) {
        let at = UNIT_POS as usize + comptime!(i * tile.threads());
        let (k, r) =
            if comptime!(spec.terms_a) { (at % tile.depth, at / tile.depth) } else { (at / quarter, at % quarter) };
        let mut rows = Vector::<E, N>::empty();
        #[unroll]
        for j in 0..4 {
            let at = base + min(row + 4 * r + j, p.m - 1) * p.a_row + min(term + k, p.k - 1) * p.a_col;
            rows.insert(j, E::cast_from(select(term + k < p.k, a[at], 0.0f32)));
        }
        to[i] = rows;
    }
}

/// Loads a thread's share of a slice of `b`, in the same way.
#[cube]
fn read_cols(
    b: &[f32],
    to: &mut Array<f32>,
    base: usize,
    col: usize,
    term: usize,
    p: &Product,
    #[comptime] spec: ProductSpec,
) {
    let tile = comptime!(spec.tile);
    #[unroll]
    for i in 0..comptime!(tile.depth * tile.cols / tile.threads()) {
        let at = UNIT_POS as usize + comptime!(i * tile.threads());
        let (k, c) =
            if comptime!(spec.terms_b) { (at % tile.depth, at / tile.depth) } else { (at / tile.cols, at % tile.cols) };
        let at = base + min(term + k, p.k - 1) * p.b_row + min(col + c, p.n - 1) * p.b_col;
        to[i] = select(term + k < p.k, b[at], 0.0f32);
    }
}

/// As [`matmul_kernel`], tile by tile through workgroup memory. `p.total` counts workgroups.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
pub(crate) fn matmul_tiled<E: Float, N: Size>(
    a: &[f32],
    b: &[f32],
    bias: ComptimeOption<&[f32]>,
    out: &mut [f32],
    p: Product,
    batch: Sequence<usize>,
    walk_a: Walk,
    walk_b: Walk,
    walk_bias: Walk,
    #[comptime] spec: ProductSpec,
) {
    if CUBE_POS >= p.total {
        terminate!();
    }
    let tile = comptime!(spec.tile);
    let tiles_m = p.m.div_ceil(tile.rows);
    let tiles_n = p.n.div_ceil(tile.cols);
    let first_row = CUBE_POS % tiles_m * tile.rows;
    let rest = CUBE_POS / tiles_m;
    let first_col = rest % tiles_n * tile.cols;
    let entry = rest / tiles_n;
    let a_base = offset(entry, &batch, &walk_a);
    let b_base = offset(entry, &batch, &walk_b);
    let unit = UNIT_POS as usize;
    let mut a_tile = Shared::<[Vector<E, N>]>::new_slice(comptime!(tile.slice()));
    let mut b_tile = Shared::<[E]>::new_slice(comptime!(tile.depth * tile.cols));
    let vectors = comptime!(tile.slice().div_ceil(tile.threads()));
    let values = comptime!(tile.depth * tile.cols / tile.threads());
    let mut next_a = Array::<Vector<E, N>>::new(vectors);
    let mut next_b = Array::<f32>::new(values);
    let mut acc = Array::<f32>::new(comptime!(tile.sums()));
    let mut sums = Array::<f32>::new(comptime!(tile.sums()));
    #[unroll]
    for i in 0..comptime!(tile.sums()) {
        acc[i] = 0.0f32;
        sums[i] = 0.0f32;
    }
    let row = unit / comptime!(tile.across()) * comptime!(tile.thread_rows / 4);
    let col = unit % comptime!(tile.across());
    let slices = p.k.div_ceil(tile.depth);

    // As in a convolution: the next slice is on its way while one is multiplied.
    read_rows::<E, N>(a, &mut next_a, a_base, first_row, 0usize, &p, spec);
    read_cols(b, &mut next_b, b_base, first_col, 0usize, &p, spec);
    for slice in 0..slices {
        #[unroll]
        for i in 0..vectors {
            let at = unit + comptime!(i * tile.threads());
            if at < comptime!(tile.slice()) {
                let quarter = comptime!(tile.rows / 4);
                let to = if comptime!(spec.terms_a) { at % tile.depth * quarter + at / tile.depth } else { at };
                a_tile[to] = next_a[i];
            }
        }
        #[unroll]
        for i in 0..values {
            let at = unit + comptime!(i * tile.threads());
            let to = if comptime!(spec.terms_b) { at % tile.depth * tile.cols + at / tile.depth } else { at };
            b_tile[to] = E::cast_from(next_b[i]);
        }
        sync_cube();
        let term = (slice + 1) * tile.depth;
        read_rows::<E, N>(a, &mut next_a, a_base, first_row, term, &p, spec);
        read_cols(b, &mut next_b, b_base, first_col, term, &p, spec);
        multiply::<E, N>(&a_tile, &b_tile, &mut acc, row, col, tile);
        if (slice + 1) % spec.chain == 0 || slice + 1 == slices {
            #[unroll]
            for i in 0..comptime!(tile.sums()) {
                sums[i] += acc[i];
                acc[i] = 0.0f32;
            }
        }
        sync_cube();
    }

    #[unroll]
    for r in 0..tile.thread_rows {
        let row = first_row + row * 4 + r;
        #[unroll]
        for c in 0..tile.thread_cols {
            let col = first_col + col + comptime!(c * tile.across());
            if row < p.m && col < p.n {
                let product = p.alpha * sums[comptime!(r * tile.thread_cols + c)];
                #[comptime]
                let value = match &bias {
                    ComptimeOption::Some(c) => {
                        product + c[offset(entry, &batch, &walk_bias) + row * p.bias_row + col * p.bias_col]
                    }
                    ComptimeOption::None => product,
                };
                out[(entry * p.m + row) * p.n + col] = value;
            }
        }
    }
}
