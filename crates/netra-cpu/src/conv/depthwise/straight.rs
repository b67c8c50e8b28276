//! Square kernels of 3, 5 or 7 in the plane, at stride 1 or 2, straight from the input.
//!
//! A vector is a run of outputs in one row. Input rows come one after the other: each is read once for every column tap
//! and adds to all the output rows that hear it, whose sums wait in registers. Lanes beyond the ends of a row read zeros.

use super::super::plan::Geometry;
use super::{Band, NEAR, balanced};
use crate::isa::Isa;
use crate::simd::{Simd, SimdOp};

/// Sizes along height and width.
pub struct Straight {
    kernel: usize,
    stride: usize,
    input: [usize; 2],
    outputs: [usize; 2],
    /// Zeros before the input.
    before: [usize; 2],
}

impl Straight {
    /// A plan for the kernels that this form has.
    pub fn new(geometry: &Geometry) -> Option<Self> {
        let [d, h, w] = &geometry.axes;
        let (kernel, stride) = (h.taps.len(), h.stride);
        let neighbours = |taps: &[isize]| taps.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let same = w.taps.len() == kernel && w.stride == stride && neighbours(&h.taps) && neighbours(&w.taps);
        let flat = d.input == 1 && d.outputs == 1 && d.taps == [0];
        (same && flat && matches!((kernel, stride), (3 | 5 | 7, 1 | 2))).then(|| Self {
            kernel,
            stride,
            input: [h.input, w.input],
            outputs: [h.outputs, w.outputs],
            before: [h.taps[0].unsigned_abs(), w.taps[0].unsigned_abs()],
        })
    }

    /// Output rows of a band.
    pub fn rows(&self) -> usize {
        let [rows, columns] = self.outputs;
        balanced(rows, NEAR / columns)
    }

    /// The sums of a band, one row after the other; `whole` has room for a vector beyond them.
    pub fn run(&self, isa: Isa, band: &Band<'_>, whole: &mut [f32]) {
        isa.dispatch(Sums { plan: self, band, whole });
    }
}

struct Sums<'a> {
    plan: &'a Straight,
    band: &'a Band<'a>,
    whole: &'a mut [f32],
}

impl SimdOp for Sums<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Straight { kernel, stride, input: [height, width], outputs: [_, columns], .. } = *self.plan;
        assert!(self.band.x.len() == height * width && self.band.weights.len() == kernel * kernel);
        assert!((self.band.rows - 1) * columns + columns.next_multiple_of(S::LANES) <= self.whole.len());
        // From the right: what the last vector of a row writes beyond its end is written again.
        for column in (0..columns).step_by(S::LANES).rev() {
            // SAFETY: asserted above: a whole plane, and room for the last vector of the last row.
            unsafe {
                match (kernel, stride) {
                    (3, 1) => self.columns::<S, 3, 1>(s, column),
                    (5, 1) => self.columns::<S, 5, 1>(s, column),
                    (7, 1) => self.columns::<S, 7, 1>(s, column),
                    (3, _) => self.columns::<S, 3, 2>(s, column),
                    (5, _) => self.columns::<S, 5, 2>(s, column),
                    _ => self.columns::<S, 7, 2>(s, column),
                }
            }
        }
    }
}

impl Sums<'_> {
    /// A vector of columns of every row, from the first to the last.
    ///
    /// # Safety
    /// `x` is a plane of the planned input, and `whole` has room for a vector at `column` of the last row.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, clippy::manual_memcpy)] // Slices of the sums would keep them in memory.
    unsafe fn columns<S: Simd, const K: usize, const STRIDE: usize>(&self, s: S, column: usize) {
        let Straight { input: [height, width], outputs: [_, columns], before, .. } = *self.plan;
        let Band { x, row, rows, weights, bias, .. } = *self.band;
        let mut w = [[s.splat(0.0); K]; K];
        for (w, &weight) in w.as_flattened_mut().iter_mut().zip(weights) {
            *w = s.splat(weight);
        }
        // Output rows that one group of `STRIDE` input rows adds to.
        let open = const { K.div_ceil(STRIDE) };
        let first = (column * STRIDE) as isize - before[1] as isize;
        let mut sums = [s.splat(bias); K];
        for step in 0..rows + open - 1 {
            for remainder in 0..STRIDE {
                let y = ((row + step) * STRIDE + remainder).wrapping_sub(before[0]);
                if y >= height {
                    continue;
                }
                let line = x.as_ptr().wrapping_add(y * width);
                // SAFETY: a row of the plane.
                let taps = unsafe { taps::<S, K, STRIDE>(s, line, width, first) };
                for back in 0..K {
                    let k = back * STRIDE + remainder;
                    if k < K {
                        // Apart from the sum at first: that makes a short chain from row to row.
                        let mut line = s.mul(taps[0], w[k][0]);
                        for column in 1..K {
                            line = s.fma(taps[column], w[k][column], line);
                        }
                        sums[back] = s.add(sums[back], line);
                    }
                }
            }
            if let Some(done) = (step + 1).checked_sub(open) {
                // SAFETY: row `done < rows`; `whole` has room, as the caller promises.
                unsafe { s.store(self.whole.as_ptr().cast_mut().add(done * columns + column), sums[open - 1]) };
            }
            let mut next = [s.splat(bias); K];
            for back in 1..K {
                next[back] = sums[back - 1];
            }
            sums = next;
        }
    }
}

/// For every tap, the elements of a row that a vector of outputs hears through it; the first hears `first` through the
/// first.
///
/// # Safety
/// `line` is readable for `width` elements.
#[inline(always)]
unsafe fn taps<S: Simd, const K: usize, const STRIDE: usize>(
    s: S,
    line: *const f32,
    width: usize,
    first: isize,
) -> [S::V; K] {
    let mut taps = [s.splat(0.0); K];
    for k in (0..K).step_by(STRIDE) {
        let from = first + k as isize;
        let skip = from.min(0).unsigned_abs();
        let end = (width as isize - from).max(0) as usize;
        let p = line.wrapping_offset(from);
        // SAFETY: elements `skip..end` from `from` on lie in the row.
        unsafe {
            if STRIDE == 1 {
                taps[k] = s.load_between(p, skip, end);
            } else {
                let near = s.load_between(p, skip, end);
                let p = p.wrapping_add(S::LANES);
                let far = s.load_between(p, skip.saturating_sub(S::LANES), end.saturating_sub(S::LANES));
                let (even, odd) = s.unzip(near, far);
                taps[k] = even;
                if k + 1 < K {
                    taps[k + 1] = odd;
                }
            }
        }
    }
    taps
}
