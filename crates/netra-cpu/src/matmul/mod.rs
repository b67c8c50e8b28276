//! Matrix product in register tiles.
//!
//! `b` is packed into panels as wide as a tile: once, when it is constant, and otherwise a chain of terms at a time by the
//! unit of work that needs it. Rows of `a` are read where they lie. Sums are cut into chains of [`CHAIN`] terms, so that
//! a panel's share of a chain stays in the first-level cache while all rows of a unit go over it, and the error grows
//! with the length of a chain and the number of chains, not with their product.

#[cfg(target_arch = "x86_64")]
mod narrow;
mod pack;
mod tile;

use netra_graph::TensorView;

use crate::Context;
use crate::arithmetic::Arithmetic;
#[cfg(target_arch = "x86_64")]
use crate::dot::Format;
use crate::isa::Isa;
use crate::parallel::Shared;
use crate::strided::{broadcast_strides, strides};
#[cfg(target_arch = "x86_64")]
use narrow::{Addend, Narrow};
pub use pack::Panels;
pub use tile::{Ahead, MAX_COLUMNS, Operands, Tiles};

use pack::Matrix;

/// Least multiply-adds that are worth a unit of work.
const UNIT_WORK: usize = 1 << 19;

/// Most terms that are added up in one chain.
const CHAIN: usize = 128;

/// Most rows of a unit: their elements of one chain stay in the second-level cache.
const ROWS: usize = 256;

/// Between rows of `a` when it is copied aside: not a multiple of what a cache set repeats at.
const ASIDE: usize = CHAIN + 16;

/// No bias.
pub static ZEROS: [f32; MAX_COLUMNS] = [0.0; MAX_COLUMNS];

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

/// A product of operands of known shapes.
pub struct Product {
    p: MatMul,
    batch: Vec<usize>,
    m: usize,
    k: usize,
    panels: Panels,
    tiles: Tiles,
    /// For each batch axis, elements between matrices.
    a_steps: Vec<usize>,
    b_steps: Vec<usize>,
    /// The output's shape with the batch as above.
    shape: Vec<usize>,
    /// How it is computed where `b` is constant, if not in float32.
    #[cfg(target_arch = "x86_64")]
    narrow: Option<Narrow>,
}

/// `b` in the order that the product reads it.
pub enum Packed {
    /// In panels.
    Panels(Vec<f32>),
    /// In narrow numbers.
    #[cfg(target_arch = "x86_64")]
    Narrow(crate::dot::Packed),
}

impl Packed {
    /// Its size in memory.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Panels(values) => size_of_val(values.as_slice()),
            #[cfg(target_arch = "x86_64")]
            Self::Narrow(packed) => packed.bytes(),
        }
    }
}

impl Product {
    /// Prepares a product of `a` and `b` to `out`. `rows` says that the bias, if any, is one value a column.
    pub fn new(p: MatMul, a: &[usize], b: &[usize], out: &[usize], rows: bool, isa: Isa) -> Option<Self> {
        let (a_lead, a_last) = a.split_at(a.len().checked_sub(2)?);
        let (b_lead, _) = b.split_at(b.len().checked_sub(2)?);
        let (batch, last) = out.split_at(out.len().checked_sub(2)?);
        let k = if p.trans_a { a_last[0] } else { a_last[1] };
        let (mut m, n) = (last[0], last[1]);
        let tiles = Tiles::new(isa);
        let steps = |lead: &[usize], matrix: usize| -> Vec<usize> {
            broadcast_strides(lead, batch).into_iter().map(|s| s * matrix).collect()
        };
        let (mut a_steps, mut b_steps) = (steps(a_lead, m * k), steps(b_lead, k * n));
        let mut batch = batch.to_vec();
        // One `b` for all: the matrices of `a` are one with many rows.
        let whole = a_lead.iter().product::<usize>() == batch.iter().product::<usize>();
        if rows && !p.trans_a && whole && b_lead.iter().all(|&size| size == 1) {
            m *= batch.iter().product::<usize>();
            (batch, a_steps, b_steps) = (Vec::new(), Vec::new(), Vec::new());
        }
        let shape = [&batch[..], &[m, n]].concat();
        Some(Self {
            p,
            batch,
            m,
            k,
            panels: Panels::new(n, &tiles),
            tiles,
            a_steps,
            b_steps,
            shape,
            #[cfg(target_arch = "x86_64")]
            narrow: None,
        })
    }

    /// Allows other arithmetic than float32, in which products of one constant `b` are computed where that is faster.
    #[cfg(target_arch = "x86_64")]
    pub fn in_arithmetic(mut self, arithmetic: Arithmetic, isa: Isa, threads: usize) -> Self {
        let sizes = [self.m, self.panels.n, self.k];
        let format = Format::new(arithmetic, isa).filter(|_| self.batch.is_empty());
        self.narrow = format.and_then(|format| Narrow::new(self.p, format, sizes, threads));
        self
    }

    /// Processors without narrow numbers stay with float32.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn in_arithmetic(self, _: Arithmetic, _: Isa, _: usize) -> Self {
        self
    }

    /// Packs a constant `b`.
    pub fn pack(&self, b: &[f32]) -> Packed {
        #[cfg(target_arch = "x86_64")]
        if let Some(narrow) = &self.narrow {
            return Packed::Narrow(narrow.pack(b));
        }
        let (matrix, packed) = (self.k * self.panels.n, self.k * self.panels.start(self.panels.count));
        let mut to = vec![0.0; b.len() / matrix.max(1) * packed];
        for (from, to) in b.chunks(matrix.max(1)).zip(to.chunks_mut(packed.max(1))) {
            self.matrix(from).pack_all(self.k, &self.panels, to);
        }
        Packed::Panels(to)
    }

    fn matrix<'a>(&self, values: &'a [f32]) -> Matrix<'a> {
        let (row, column) = if self.p.trans_b { (1, self.k) } else { (self.panels.n, 1) };
        Matrix { values, row, column }
    }

    /// Rows of `a` are read from a copy: they are columns, or lie where the cache has no room for many of them.
    fn aside(&self) -> bool {
        self.p.trans_a || (self.k.is_multiple_of(1024) && self.m > 32)
    }

    /// Floats of scratch that each worker needs.
    pub fn scratch(&self) -> usize {
        let floats = CHAIN * MAX_COLUMNS + if self.aside() { self.m.min(ROWS) * ASIDE } else { 0 };
        #[cfg(target_arch = "x86_64")]
        let floats = floats.max(self.narrow.as_ref().map_or(0, Narrow::scratch));
        floats
    }

    /// Row blocks and panel groups of one product, of `batches`.
    fn cuts(&self, batches: usize, threads: usize) -> (usize, usize) {
        // With few rows, reading `b` takes as long as some more would.
        let work = self.m.max(16).saturating_mul(self.panels.n).saturating_mul(self.k);
        let wanted = if threads == 1 { 1 } else { (4 * threads).div_ceil(batches.max(1)) };
        let wanted = (work / UNIT_WORK).clamp(1, wanted);
        let mut rows = self.m.div_ceil(ROWS).max(1);
        // A group's share of `b` stays in the second-level cache while row blocks take turns.
        let most = ((128 << 10) / (self.k.max(1) * self.tiles.vectors * self.tiles.lanes)).max(1);
        let mut groups = if rows > 1 { self.panels.count.div_ceil(most) } else { 1 };
        if rows * groups < wanted {
            groups = wanted.div_ceil(rows).min(self.panels.count);
        }
        if rows * groups < wanted {
            rows = wanted.div_ceil(groups).min(self.m.div_ceil(self.tiles.rows)).max(1);
        }
        (rows, groups)
    }

    /// `alpha a b + bias` into `out`. All are float32 of the declared shapes; `b` is packed or not.
    pub fn run(
        &self,
        context: &Context<'_>,
        a: &[f32],
        b: Result<&Packed, &[f32]>,
        bias: Option<TensorView<'_>>,
        out: &mut [f32],
    ) {
        let (m, n, k, panels) = (self.m, self.panels.n, self.k, &self.panels);
        if m == 0 || n == 0 {
            return;
        }
        let batches: usize = self.batch.iter().product();
        let batch_steps = strides(&self.batch);
        let rank = self.batch.len();
        let (row_blocks, groups) = self.cuts(batches, context.threads.count());
        let rows = m.div_ceil(row_blocks).next_multiple_of(self.tiles.rows);
        let row_blocks = m.div_ceil(rows);
        let bias = bias.and_then(|v| {
            // One row may have more axes (of size 1) than a product whose batch became rows.
            let axes = &v.shape()[v.shape().len().saturating_sub(rank + 2)..];
            Some((v.as_f32()?, broadcast_strides(axes, &self.shape)))
        });
        let b = match b {
            #[cfg(target_arch = "x86_64")]
            Ok(Packed::Narrow(packed)) => {
                let addend = bias.map(|(values, s)| Addend { values, row: s[0], column: s[1] });
                return if let Some(narrow) = &self.narrow {
                    narrow.run(context, a, packed, addend, out)
                };
            }
            Ok(Packed::Panels(values)) => Ok(values.as_slice()),
            Err(values) => Err(values),
        };
        let chain = k.div_ceil(k.div_ceil(CHAIN).max(1)).max(1);
        let packed_matrix = k * panels.start(panels.count);
        let shared = Shared::new(out);
        context.threads.for_each(batches * groups * row_blocks, |worker, unit| {
            let (index, group, block) = (unit / row_blocks / groups, unit / row_blocks % groups, unit % row_blocks);
            let place = |s: &[usize]| -> usize {
                self.batch.iter().zip(&batch_steps).zip(s).map(|((&size, &step), s)| index / step % size * s).sum()
            };
            let (i0, i1) = (block * rows, ((block + 1) * rows).min(m));
            let (p0, p1) = (group * panels.count / groups, (group + 1) * panels.count / groups);
            let (a, b_at) = (&a[place(&self.a_steps)..], place(&self.b_steps));
            let out_at = index * m * n + i0 * n;
            // What the first chain is added to: zeros, the bias where it lies, or the bias spread over the output.
            let first = match &bias {
                None => (ZEROS.as_ptr(), 0, 0),
                Some((values, s)) if s[rank + 1] == 1 || n == 1 => {
                    (values[place(&s[..rank]) + i0 * s[rank]..].as_ptr(), s[rank], 1)
                }
                Some((values, s)) => {
                    let (from, to) = (panels.start(p0), panels.start(p1).min(n));
                    for i in i0..i1 {
                        // SAFETY: these rows and columns of the output belong to this unit alone.
                        unsafe { shared.slice(out_at + (i - i0) * n + from, to - from) }
                            .fill(values[place(&s[..rank]) + i * s[rank]]);
                    }
                    (shared.pointer(out_at).cast_const(), n, 1)
                }
            };
            let mut scratch = context.scratch.lock(worker);
            let (b_aside, a_aside) = scratch.floats().split_at_mut(CHAIN * MAX_COLUMNS);
            let mut from = 0;
            loop {
                let terms = chain.min(k - from);
                let (a_start, a_row) = if self.aside() {
                    copy_rows(a, if self.p.trans_a { (1, m) } else { (k, 1) }, (i0, i1), (from, terms), a_aside);
                    (a_aside.as_ptr(), ASIDE)
                } else {
                    (a[(i0 * k + from).min(a.len())..].as_ptr(), k)
                };
                for p in p0..p1 {
                    let (column, columns, vectors) = (panels.start(p), panels.columns(p), panels.vectors(p));
                    let width = vectors * self.tiles.lanes;
                    let (b, ahead) = match b {
                        Ok(values) => {
                            let panel = b_at / (k * n).max(1) * packed_matrix + column * k + from * width;
                            // The next panel's share of this chain, or the first panel's of the next.
                            let next = if p + 1 < p1 {
                                panels.start(p + 1) * k + from * panels.vectors(p + 1) * self.tiles.lanes
                            } else {
                                panels.start(p0) * k + (from + terms) * panels.vectors(p0) * self.tiles.lanes
                            };
                            let next = panel - column * k - from * width + next;
                            let ahead = values.get(next..).map_or(Ahead::NOTHING, |rest| Ahead {
                                from: rest.as_ptr(),
                                floats: (terms * width).min(rest.len()),
                            });
                            (values[panel..][..terms * width].as_ptr(), ahead)
                        }
                        Err(values) => {
                            let to = &mut b_aside[..terms * width];
                            self.matrix(&values[b_at..]).pack(from, column, columns, width, to);
                            (to.as_ptr(), Ahead::NOTHING)
                        }
                    };
                    let out = shared.pointer(out_at + column);
                    let (start, start_row) = match (from, first) {
                        (0, (start, row, step)) => (start.wrapping_add(column * step), row),
                        _ => (out.cast_const(), n),
                    };
                    let alpha = self.p.alpha;
                    let o = Operands {
                        a: a_start,
                        a_row,
                        a_step: 1,
                        k: terms,
                        b,
                        start,
                        start_row,
                        out,
                        out_row: n,
                        alpha,
                    };
                    // SAFETY: the operands were sliced from tensors of the declared shapes; the rows and columns of the
                    // output belong to this unit alone; the tiles were chosen for the context's instructions.
                    unsafe { self.tiles.panel(&o, i1 - i0, vectors, columns, ahead) };
                }
                from += terms;
                if from >= k {
                    break;
                }
            }
        });
    }
}

/// Copies a block of rows `i0..i1` and `terms` columns from `from` on into rows that are [`ASIDE`] apart.
fn copy_rows(
    a: &[f32],
    (row, column): (usize, usize),
    (i0, i1): (usize, usize),
    (from, terms): (usize, usize),
    to: &mut [f32],
) {
    if column == 1 {
        for (i, to) in (i0..i1).zip(to.chunks_mut(ASIDE)) {
            to[..terms].copy_from_slice(&a[i * row + from..][..terms]);
        }
        return;
    }
    for p in 0..terms {
        let values = &a[(from + p) * column + i0 * row..];
        for (i, to) in to[p..].iter_mut().step_by(ASIDE).take(i1 - i0).enumerate() {
            *to = values[i * row];
        }
    }
}
