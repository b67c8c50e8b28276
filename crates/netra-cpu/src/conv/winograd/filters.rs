//! From filters to the points of their transform, when they are packed or when they are used.
//!
//! The transform of a 3x3 filter is four times as large. Where tiles are many, it is made once, when the filters are packed. Deep
//! layers have few tiles and many channels: their transforms would come from memory in every run, which takes longer than
//! making them anew from the filters.

use super::plan::Plan;
use super::transform::{self, IN, POINTS, TAPS};
use super::{Shape, Winograd};
use crate::conv::Weights;
use crate::simd::{LINE, Simd, SimdOp, prefetch};

impl Winograd {
    /// Floats of one block of output channels in the packed weights.
    pub fn block_floats(&self) -> usize {
        let (terms, width) = (self.shape.terms(), self.plan.tile.channels);
        match self.plan.chunk {
            None => POINTS * terms * width,
            Some(_) => TAPS * (terms * width).next_multiple_of(self.isa.lanes()),
        }
    }

    /// Brings weights `[M, C / groups, taps, 3, 3]` into the order of use. Transformed when packed:
    /// `[group][block][point][term][channel of the block]`. Transformed when used: `[group][block][vector][tap][lane]`, where
    /// vectors and lanes count through `[term][channel of the block]`. The bias is by block.
    pub fn pack(&self, weight: &[f32], bias: Option<&[f32]>) -> Weights {
        let (s, width, lanes) = (&self.shape, self.plan.tile.channels, self.isa.lanes());
        let (terms, rows, size) = (s.terms(), s.groups * self.plan.blocks, self.block_floats());
        let mut weights = vec![0.0; rows * size];
        let mut packed_bias = vec![0.0; rows * width];
        for m in 0..s.groups * s.filters {
            let (block, lane) = (m / s.filters * self.plan.blocks + m % s.filters / width, m % s.filters % width);
            packed_bias[block * width + lane] = bias.map_or(0.0, |b| b[m]);
            let to = &mut weights[block * size..][..size];
            for (c, k) in (0..s.channels).flat_map(|c| (0..s.depth_taps).map(move |k| (c, k))) {
                let taps = &weight[((m * s.channels + c) * s.depth_taps + k) * TAPS..][..TAPS];
                let at = (k * s.channels + c) * width + lane;
                if self.plan.chunk.is_some() {
                    let to = to[at / lanes * TAPS * lanes + at % lanes..].iter_mut().step_by(lanes);
                    to.zip(taps).for_each(|(to, &tap)| *to = tap);
                } else {
                    let points = transform::filter(std::array::from_fn(|i| f64::from(taps[i])));
                    let to = to[at..].iter_mut().step_by(terms * width);
                    to.zip(points).for_each(|(to, point)| *to = point);
                }
            }
        }
        Weights { weights, bias: packed_bias }
    }
}

/// Vectors from the filters that are transformed to those that are asked for.
const AHEAD: usize = 6;

/// Most floats of transformed filters at a time: a quarter of the second-level cache.
fn room() -> usize {
    crate::isa::second_level_cache() / 4 / size_of::<f32>()
}

/// Floats from one point of `n` transformed filters to the next: an odd number of cache lines, so that points fall into
/// different sets of the cache, and whole vectors.
pub fn pitch(n: usize) -> usize {
    (n.div_ceil(LINE) | 1) * LINE
}

/// Terms whose filters are transformed at a time.
pub fn chunk(shape: &Shape, width: usize) -> usize {
    // Any sixteen terms are whole vectors.
    (room() / (POINTS * width) / 16 * 16).max(16).min(shape.terms())
}

/// Rough half cycles of transforming the filters of so many blocks.
pub fn cost(shape: &Shape, plan: &Plan, blocks: usize, lanes: usize) -> usize {
    blocks * (shape.terms() * plan.tile.channels).div_ceil(lanes) * 120
}

/// Transforms vectors of filters, `[vector][tap][lane]`, to points, `pitch` apart, of `[vector][lane]`.
pub struct Filters<'a> {
    pub taps: &'a [f32],
    pub points: &'a mut [f32],
    pub pitch: usize,
}

impl SimdOp for Filters<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Filters { taps, points, pitch } = self;
        for (v, taps) in taps.chunks_exact(TAPS * S::LANES).enumerate() {
            assert!(points.len() >= (POINTS - 1) * pitch + (v + 1) * S::LANES);
            let mut g = [s.splat(0.0); TAPS];
            for (i, g) in g.iter_mut().enumerate() {
                prefetch(taps.as_ptr().wrapping_add((AHEAD * TAPS + i) * S::LANES));
                // SAFETY: the chunk has a vector for each tap.
                *g = unsafe { s.load(taps.as_ptr().add(i * S::LANES)) };
            }
            let columns = [
                transform::filter_axis(s, [g[0], g[3], g[6]]),
                transform::filter_axis(s, [g[1], g[4], g[7]]),
                transform::filter_axis(s, [g[2], g[5], g[8]]),
            ];
            let [left, middle, right] = columns;
            for (i, ((a, b), c)) in left.into_iter().zip(middle).zip(right).enumerate() {
                for (j, point) in transform::filter_axis(s, [a, b, c]).into_iter().enumerate() {
                    let at = (i * IN + j) * pitch + v * S::LANES;
                    // SAFETY: asserted above.
                    unsafe { s.store(points.as_mut_ptr().add(at), point) };
                }
            }
        }
    }
}
