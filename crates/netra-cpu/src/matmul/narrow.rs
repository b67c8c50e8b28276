//! Products with a constant matrix in narrow numbers: rows of `a` are packed a block at a time, and meet the columns of `b`
//! in the register tiles of [`dot`](crate::dot).

use std::arch::x86_64::*;

use super::MatMul;
use crate::Context;
use crate::dot::{self, Bf16, Dense, Element, FILTERS, Format, Int8, Order, PIXELS, Packed, SIDE, Weights};
use crate::isa::second_level_cache;
use crate::parallel::Shared;

/// Units that each thread should have: each packs its rows anew.
const SHARES: usize = 2;
/// Bytes behind each row, so that rows of a round size do not fall into the same sets of the cache.
const APART: usize = 64;

/// A product of an `m` by `k` and a constant `k` by `n` matrix.
pub struct Narrow {
    p: MatMul,
    format: Format,
    m: usize,
    n: usize,
    k: usize,
    /// Most rows of a unit: in the second-level cache they leave room for a block of columns.
    rows: usize,
    /// Parts into which the blocks of columns are divided among units.
    parts: usize,
}

/// What is added to the product: element `(i, j)` is `values[i row + j column]`.
#[derive(Clone, Copy)]
pub struct Addend<'a> {
    /// The elements.
    pub values: &'a [f32],
    /// Between neighbours in a column.
    pub row: usize,
    /// Between neighbours in a row.
    pub column: usize,
}

impl Narrow {
    /// Plans a product, when it is expected to take less time than in float32.
    pub fn new(p: MatMul, format: Format, [m, n, k]: [usize; 3], threads: usize) -> Option<Self> {
        if p.trans_a || m * n * k == 0 || !format.holds(k) {
            return None;
        }
        let mut product = Self { p, format, m, n, k, rows: 0, parts: 1 };
        let most = (second_level_cache() / 16 * 5 / product.row()).max(PIXELS);
        product.rows = m.div_ceil(m.div_ceil(most)).next_multiple_of(PIXELS).min(m);
        let wanted = if threads == 1 { 1 } else { SHARES * threads };
        product.parts = wanted.div_ceil(m.div_ceil(product.rows)).min(n.div_ceil(FILTERS));
        let packing = m * k * product.parts / 4;
        let last = n % FILTERS;
        let block = |filters| m.div_ceil(PIXELS) * dot::cost(PIXELS.min(m), filters, 1, product.steps());
        let cost = n / FILTERS * block(FILTERS) + if last > 0 { block(last) } else { 0 } + packing + m * n / 4;
        // Half cycles: two multiply-adds a cycle, of which some wait.
        (cost < m * n.div_ceil(SIDE) * k / 8 * 9).then_some(product)
    }

    /// Lanes of a row.
    fn steps(&self) -> usize {
        self.k.div_ceil(self.format.count())
    }

    /// Bytes of a packed row.
    fn row(&self) -> usize {
        self.k.next_multiple_of(SIDE) * self.format.bytes() + APART
    }

    /// Floats of scratch that each worker needs.
    pub fn scratch(&self) -> usize {
        (self.rows * self.row()).div_ceil(size_of::<f32>()) + PIXELS * FILTERS
    }

    /// Packs `b`, times the product's factor.
    pub fn pack(&self, b: &[f32]) -> Packed {
        let (row, column) = if self.p.trans_b { (1, self.k) } else { (self.n, 1) };
        let of = Weights { groups: 1, filters: self.n, runs: 1, steps: self.steps(), order: Order::Lanes };
        let value = |j: usize, _, p: usize| if p < self.k { self.p.alpha * b[p * row + j * column] } else { 0.0 };
        of.pack(self.format, value, |_| 0.0)
    }

    /// Computes `out`.
    pub fn run(&self, context: &Context<'_>, a: &[f32], packed: &Packed, addend: Option<Addend<'_>>, out: &mut [f32]) {
        let out = Shared::new(out);
        let (bytes, blocks) = (self.row(), self.n.div_ceil(FILTERS));
        context.threads.for_each(self.m.div_ceil(self.rows) * self.parts, |worker, unit| {
            let (first, part) = (unit / self.parts * self.rows, unit % self.parts);
            let rows = self.rows.min(self.m - first);
            let mut scratch = context.scratch.lock(worker);
            let (sums, slab) = scratch.floats().split_at_mut(PIXELS * FILTERS);
            let slab = dot::bytes(slab);
            for (a, to) in a[first * self.k..].chunks_exact(self.k).zip(slab.chunks_exact_mut(bytes)).take(rows) {
                pack_row(self.format, a, to);
            }
            for block in blocks * part / self.parts..blocks * (part + 1) / self.parts {
                let columns = FILTERS.min(self.n - block * FILTERS);
                for at in (0..rows).step_by(PIXELS) {
                    let pixels = PIXELS.min(rows - at);
                    let x = Dense { pixels: &slab[at * bytes..(at + pixels) * bytes], bytes, steps: self.steps() };
                    dot::dense(self.format, x, (packed, block), columns, sums);
                    for (i, sums) in (first + at..).zip(sums.chunks_exact(FILTERS).take(pixels)) {
                        let j = block * FILTERS;
                        // SAFETY: each row of each block of columns belongs to one unit, and a unit visits it once.
                        let out = unsafe { out.slice(i * self.n + j, columns) };
                        finish(&sums[..columns], addend, (i, j), out);
                    }
                }
            }
        });
    }
}

/// `out = sums + addend`, from element `(i, j)` of a row on.
fn finish(sums: &[f32], addend: Option<Addend<'_>>, (i, j): (usize, usize), out: &mut [f32]) {
    match addend {
        None => out.copy_from_slice(sums),
        Some(Addend { values, row, column: 0 }) => {
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum + values[i * row]);
        }
        Some(Addend { values, row, .. }) => {
            let values = &values[i * row + j..][..sums.len()];
            out.iter_mut().zip(sums).zip(values).for_each(|((out, sum), v)| *out = sum + v);
        }
    }
}

/// Writes a row of narrow numbers, and what zeros are behind it up to the next multiple of [`SIDE`].
fn pack_row(format: Format, row: &[f32], to: &mut [u8]) {
    assert!(to.len() >= row.len().next_multiple_of(SIDE) * format.bytes());
    // SAFETY: a format exists only where the processor has its instructions; there is room, as asserted.
    unsafe {
        match format {
            Format::Bf16(e) => bf16(e, row, to.as_mut_ptr()),
            Format::Int8(e) => int8(e, row, to.as_mut_ptr()),
        }
    }
}

/// # Safety
/// As for [`pack`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn bf16(e: Bf16, row: &[f32], to: *mut u8) {
    // SAFETY: the caller keeps the contract.
    unsafe { pack(e, row, to) }
}

/// # Safety
/// As for [`pack`].
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn int8(e: Int8, row: &[f32], to: *mut u8) {
    // SAFETY: the caller keeps the contract.
    unsafe { pack(e, row, to) }
}

/// # Safety
/// The processor has the element's instructions, and `to` is writable for the row's numbers rounded up to [`SIDE`].
#[inline(always)]
unsafe fn pack<E: Element>(e: E, row: &[f32], to: *mut u8) {
    for (i, part) in row.chunks(SIDE).enumerate() {
        // SAFETY: the caller's promise; the masked load touches this part's elements only.
        unsafe {
            let mask = ((1u32 << part.len()) - 1) as u16;
            let v = e.encode(_mm512_maskz_loadu_ps(mask, part.as_ptr()));
            E::store(v, to.add(i * SIDE * dot::LANE / E::COUNT));
        }
    }
}
