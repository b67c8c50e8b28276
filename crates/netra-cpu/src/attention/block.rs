//! What happens to a block of scores between the two products.

use netra_graph::StridedRows;

use crate::simd::math::polynomial;
use crate::simd::{Simd, SimdOp};

/// Copies `rows` rows of `width` elements, the first of which starts at `start`, one after the other. Up to a vector of what
/// follows them in `to` is written over.
pub struct Copy<'a> {
    pub from: &'a [f32],
    pub start: usize,
    pub rows: usize,
    pub width: usize,
    pub places: &'a StridedRows,
    pub to: &'a mut [f32],
}

impl SimdOp for Copy<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Copy { from, start, rows, width, places, to } = self;
        if places.column != 1 {
            for (r, to) in to.chunks_mut(width).take(rows).enumerate() {
                for (c, to) in to.iter_mut().enumerate() {
                    *to = from[start + r * places.row + c * places.column];
                }
            }
            return;
        }
        assert!(start + rows.saturating_sub(1) * places.row + width <= from.len() && rows * width + 16 <= to.len());
        for r in 0..rows {
            let mut c = 0;
            while c < width {
                // SAFETY: asserted: `width` elements of each row can be read, and a vector (16 elements at most) more than
                // all rows written.
                unsafe {
                    let at = from.as_ptr().add(start + r * places.row + c);
                    let v = if c + S::LANES <= width { s.load(at) } else { s.load_part(at, width - c) };
                    s.store(to.as_mut_ptr().add(r * width + c), v);
                }
                c += S::LANES;
            }
        }
    }
}

/// Adds to each row of `width` scores the row of a table, whose rows are `row` apart.
pub struct Add<'a> {
    pub scores: &'a mut [f32],
    pub width: usize,
    /// As many rows as there are of scores, with `width` elements to read in each.
    pub table: *const f32,
    pub row: usize,
}

impl SimdOp for Add<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (r, scores) in self.scores.chunks_exact_mut(self.width).enumerate() {
            for c in (0..self.width).step_by(S::LANES) {
                // SAFETY: a row of scores and one of the table have `width` elements, which are whole vectors.
                unsafe {
                    let to = scores.as_mut_ptr().add(c);
                    s.store(to, s.add(s.load(to), s.load(self.table.add(r * self.row + c))));
                }
            }
        }
    }
}

/// Turns scores, which are binary logarithms, into weights `2^(score - max)`, column by column, for the largest score so far;
/// scales the total and the sums of earlier blocks to it, and adds the weights to the total.
pub struct Weigh<'a> {
    /// Rows of `width`, whole vectors.
    pub scores: &'a mut [f32],
    pub width: usize,
    pub max: &'a mut [f32],
    pub total: &'a mut [f32],
    /// Rows of `width`; none before the first block.
    pub sums: &'a mut [f32],
}

/// Rows of scores at once, whose chains hide each other's latency.
const ROWS: usize = 4;

impl SimdOp for Weigh<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Weigh { scores, width, max, total, sums } = self;
        let rows = scores.len() / width;
        let body = rows - rows % ROWS;
        assert!(max.len() >= width && total.len() >= width);
        for c in (0..width).step_by(S::LANES) {
            // SAFETY: every row has `width` elements, which are whole vectors, and `c` starts one of them.
            unsafe {
                let at = scores.as_mut_ptr().add(c);
                let before = s.load(max.as_ptr().add(c));
                let mut most = [before; ROWS];
                for r in (0..body).step_by(ROWS) {
                    for (i, most) in most.iter_mut().enumerate() {
                        *most = s.max(s.load(at.add((r + i) * width)), *most);
                    }
                }
                for r in body..rows {
                    most[0] = s.max(s.load(at.add(r * width)), most[0]);
                }
                let most = s.max(s.max(most[0], most[1]), s.max(most[2], most[3]));
                let mut added = [s.splat(0.0); ROWS];
                for r in (0..body).step_by(ROWS) {
                    for (i, added) in added.iter_mut().enumerate() {
                        let to = at.add((r + i) * width);
                        let weight = exp2(s, s.sub(s.load(to), most));
                        s.store(to, weight);
                        *added = s.add(*added, weight);
                    }
                }
                for r in body..rows {
                    let to = at.add(r * width);
                    let weight = exp2(s, s.sub(s.load(to), most));
                    s.store(to, weight);
                    added[0] = s.add(added[0], weight);
                }
                let scale = exp2(s, s.sub(before, most));
                let added = s.add(s.add(added[0], added[1]), s.add(added[2], added[3]));
                let to = total.as_mut_ptr().add(c);
                s.store(to, s.fma(s.load(to), scale, added));
                s.store(max.as_mut_ptr().add(c), most);
                for row in (0..sums.len() / width).map(|r| r * width) {
                    let to = sums.as_mut_ptr().add(row + c);
                    s.store(to, s.mul(s.load(to), scale));
                }
            }
        }
    }
}

/// `2^x` for `x <= 0`: zero where float32 has no normal number for it, since subnormal ones cost a hundred times as much.
/// The polynomial was fitted here (relative minimax on [-1/2, 1/2], error below 8e-8).
#[inline(always)]
fn exp2<S: Simd>(s: S, x: S::V) -> S::V {
    const C: [f32; 6] = [1.0, 0.693_146_97, 0.240_221_2, 0.055_507_133, 0.009_675_541, 0.001_327_646_7];
    // With the constant first, NaN passes. The exponent of 2^-127 has the bits of zero.
    let x = s.max(s.splat(-127.0), x);
    let n = s.round(x);
    s.mul(polynomial(s, s.sub(x, n), C), s.exp2_whole(n))
}
