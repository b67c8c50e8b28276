//! Attention in blocks: no score leaves the cache.
//!
//! The lanes are queries. A block of scores has up to three vectors of queries and some hundred keys; it stays in the
//! first-level cache from the product `k q^T` over the softmax to the sums `v^T weights`, both of which are the register
//! tiles of the matrix product. Nothing runs across lanes: each has the maximum and the sum of its own query, and when a
//! later block of keys has a larger score, what was summed before is scaled down (Milakov and Gimelshein's online softmax).
//! Only queries and results are transposed, a block at a time.

mod biases;
mod block;

use netra_graph::{DotProductAttention, StridedRows};

use crate::Context;
use crate::isa::Isa;
use crate::matmul::{Ahead, MAX_COLUMNS, Operands, Panels, Tiles, ZEROS};
use crate::parallel::Shared;
use biases::Biases;
use block::{Copy, Weigh};

/// Most keys of a block: with three vectors of queries their scores are 24 KB.
const KEYS: usize = 128;

/// Most panels of queries of a unit of work: what they share of keys and values is copied once.
const PANELS: usize = 8;

/// An attention of known shapes.
pub struct Attention {
    p: DotProductAttention,
    panels: Panels,
    tiles: Tiles,
    biases: Biases,
    /// Sequences in an order in which neighbours read the same bias.
    order: Vec<usize>,
    /// Keys of a block.
    block: usize,
}

/// What one panel of queries remembers between blocks of keys: for each column the queries, the sums, the largest score, and
/// the sum of the weights.
struct Panel<'a> {
    queries: &'a mut [f32],
    sums: &'a mut [f32],
    max: &'a mut [f32],
    total: &'a mut [f32],
}

impl Attention {
    /// Prepares an attention over tensors of `elements` elements (`q`, `k`, `v`, the biases, and the result); a bias that is
    /// constant comes with its values. `None` when rows lie outside, or results lie where this kernel does not write.
    pub fn new(p: &DotProductAttention, elements: &[usize], constants: &[Option<&[f32]>], isa: Isa) -> Option<Self> {
        let sequences = p.q.starts.len();
        let &out = elements.last()?;
        if !p.fits(elements)
            || constants.len() != p.biases.len()
            || p.width == 0
            || p.keys == 0
            || !written_once(p, out)
        {
            return None;
        }
        let tiles = Tiles::new(isa);
        let panels = Panels::new(p.queries, &tiles);
        let mut order: Vec<usize> = (0..sequences).collect();
        if let Some(bias) = p.biases.first() {
            order.sort_by_key(|&s| bias.starts[s]);
        }
        let blocks = p.keys.div_ceil(KEYS);
        let block = p.keys.div_ceil(blocks).next_multiple_of(tiles.rows).min(p.keys);
        let biases = Biases::new(p, constants, panels.start(panels.count));
        Some(Self { p: p.clone(), panels, tiles, biases, order, block })
    }

    /// Floats of a panel's memory.
    fn panel(&self) -> usize {
        MAX_COLUMNS * (self.p.width + self.p.value_width + 2)
    }

    /// Floats of scratch that each worker needs.
    pub fn scratch(&self) -> usize {
        // Copies of rows end with a whole vector, as long as 16 elements.
        let keys = self.block * (self.p.width + self.p.value_width) + 2 * 16;
        self.block * MAX_COLUMNS + keys.next_multiple_of(16) + PANELS.min(self.panels.count) * self.panel()
    }

    /// Bytes of what was prepared.
    pub fn bytes(&self) -> usize {
        self.biases.bytes()
    }

    /// The attention of `q`, `k` and `v` with `biases` into `out`: float32 tensors of the declared sizes.
    pub fn run(&self, context: &Context<'_>, [q, k, v]: [&[f32]; 3], biases: &[&[f32]], out: &mut [f32]) {
        let p = &self.p;
        let sequences = self.order.len();
        // As few groups of panels as keep every thread busy.
        let wanted = if context.threads.count() == 1 { 1 } else { (4 * context.threads.count()).div_ceil(sequences) };
        let groups = self.panels.count.div_ceil(PANELS).max(wanted).min(self.panels.count);
        let shared = Shared::new(out);
        context.threads.for_each(sequences * groups, |worker, unit| {
            let (s, group) = (self.order[unit / groups], unit % groups);
            let (p0, p1) = (group * self.panels.count / groups, (group + 1) * self.panels.count / groups);
            let mut scratch = context.scratch.lock(worker);
            let (scores, rest) = scratch.floats().split_at_mut(self.block * MAX_COLUMNS);
            let (keys, rest) = rest.split_at_mut(self.block * p.width + 16);
            let (values, rest) = rest.split_at_mut(self.block * p.value_width + 16);
            let mut panels: Vec<Panel<'_>> = rest.chunks_mut(self.panel()).take(p1 - p0).map(|m| self.cut(m)).collect();
            for (panel, at) in panels.iter_mut().zip(p0..p1) {
                self.begin(panel, at, &q[p.q.starts[s]..]);
            }
            for from in (0..p.keys).step_by(self.block) {
                let rows = self.block.min(p.keys - from);
                let copy = |rows_of: &StridedRows, tensor, width, to| {
                    let start = rows_of.starts[s] + from * rows_of.row;
                    context.isa.dispatch(Copy { from: tensor, start, rows, width, places: rows_of, to });
                };
                copy(&p.k, k, p.width, &mut *keys);
                copy(&p.v, v, p.value_width, &mut *values);
                for (panel, at) in panels.iter_mut().zip(p0..p1) {
                    let block = Block { s, at, from, rows, keys, values };
                    self.block(context, &block, panel, biases, scores);
                }
            }
            for (panel, at) in panels.iter().zip(p0..p1) {
                self.finish(panel, at, s, &shared);
            }
        });
    }

    fn cut<'a>(&self, memory: &'a mut [f32]) -> Panel<'a> {
        let (queries, rest) = memory.split_at_mut(MAX_COLUMNS * self.p.width);
        let (sums, rest) = rest.split_at_mut(MAX_COLUMNS * self.p.value_width);
        let (max, total) = rest.split_at_mut(MAX_COLUMNS);
        Panel { queries, sums, max, total }
    }

    /// Transposes the queries of a panel; `q` starts at the sequence's first.
    fn begin(&self, panel: &mut Panel<'_>, at: usize, q: &[f32]) {
        let (width, columns, rows) = (self.width(at), self.panels.columns(at), &self.p.q);
        for (c, to) in panel.queries.chunks_exact_mut(width).take(self.p.width).enumerate() {
            to[columns..].fill(0.0);
            let first = self.panels.start(at) * rows.row + c * rows.column;
            for (i, to) in to[..columns].iter_mut().enumerate() {
                *to = q[first + i * rows.row];
            }
        }
        // Below every score but minus infinity: a block whose scores are all that weighs nothing.
        panel.max.fill(f32::MIN);
        panel.total.fill(0.0);
    }

    fn width(&self, panel: usize) -> usize {
        self.panels.vectors(panel) * self.tiles.lanes
    }

    /// One block of keys for one panel of queries.
    fn block(
        &self,
        context: &Context<'_>,
        block: &Block<'_>,
        panel: &mut Panel<'_>,
        biases: &[&[f32]],
        scores: &mut [f32],
    ) {
        let (p, vectors, width) = (&self.p, self.panels.vectors(block.at), self.width(block.at));
        let mut tables = self.biases.tables(block.s).map(|table| {
            let at = block.from * self.biases.row + self.panels.start(block.at);
            (table[at..].as_ptr(), self.biases.row)
        });
        let (start, start_row) = tables.next().unwrap_or((ZEROS.as_ptr(), 0));
        let o = Operands {
            a: block.keys.as_ptr(),
            a_row: p.width,
            a_step: 1,
            k: p.width,
            b: panel.queries.as_ptr(),
            start,
            start_row,
            out: scores.as_mut_ptr(),
            out_row: width,
            alpha: p.scale * std::f32::consts::LOG2_E,
        };
        // SAFETY: `keys` has `rows` rows of `p.width`, `queries` that many runs of `width`, `scores` room for `rows` of them,
        // and a table a row of the whole panels for each key; the tiles were chosen for the context's instructions.
        unsafe { self.tiles.panel(&o, block.rows, vectors, width, Ahead::NOTHING) };
        let scores = &mut scores[..block.rows * width];
        self.biases.add_computed(
            p,
            biases,
            block,
            (self.panels.start(block.at), self.panels.columns(block.at)),
            scores,
        );
        for (table, row) in tables {
            context.isa.dispatch(block::Add { scores, width, table, row });
        }
        let first = block.from == 0;
        let sums = if first { &mut [][..] } else { &mut panel.sums[..p.value_width * width] };
        let weigh = Weigh { scores, width, max: &mut panel.max[..width], total: &mut panel.total[..width], sums };
        context.isa.dispatch(weigh);
        let (start, start_row) = if first { (ZEROS.as_ptr(), 0) } else { (panel.sums.as_ptr(), width) };
        let o = Operands {
            a: block.values.as_ptr(),
            a_row: 1,
            a_step: p.value_width,
            k: block.rows,
            b: scores.as_ptr(),
            start,
            start_row,
            out: panel.sums.as_mut_ptr(),
            out_row: width,
            alpha: 1.0,
        };
        // SAFETY: as above, with `rows` weights of `width` columns, and `value_width` rows of sums.
        unsafe { self.tiles.panel(&o, p.value_width, vectors, width, Ahead::NOTHING) };
    }

    /// Divides the sums of a panel and writes them where they belong.
    fn finish(&self, panel: &Panel<'_>, at: usize, s: usize, out: &Shared<f32>) {
        let (width, columns, rows) = (self.width(at), self.panels.columns(at), &self.p.out);
        for (i, total) in panel.total[..columns].iter().enumerate() {
            let inverse = 1.0 / total;
            let place = rows.starts[s] + (self.panels.start(at) + i) * rows.row;
            // SAFETY: the row lies inside the output, and no other row of any sequence overlaps it: `written_once` said so.
            let row = unsafe { out.slice(place, self.p.value_width) };
            for (to, sum) in row.iter_mut().zip(panel.sums[i..].iter().step_by(width)) {
                *to = sum * inverse;
            }
        }
    }
}

/// A block of keys beside a panel of queries.
struct Block<'a> {
    /// Its sequence.
    s: usize,
    /// The panel.
    at: usize,
    /// Its first key.
    from: usize,
    /// Its keys.
    rows: usize,
    keys: &'a [f32],
    values: &'a [f32],
}

/// Whether results are whole runs, each at a place of its own, and fill the output.
fn written_once(p: &DotProductAttention, elements: usize) -> bool {
    let (run, sequences) = (p.value_width, p.out.starts.len());
    if run == 0 || (p.out.column != 1 && run > 1) || sequences * p.queries * run != elements {
        return false;
    }
    let mut seen = vec![false; sequences * p.queries];
    let mut places = p.out.starts.iter().flat_map(|start| (0..p.queries).map(move |i| start + i * p.out.row));
    places.all(|at| at % run == 0 && seen.get_mut(at / run).is_some_and(|seen| !std::mem::replace(seen, true)))
}
