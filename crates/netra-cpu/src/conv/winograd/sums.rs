//! Between the transforms: for each point, sums over channels and taps in depth.

use std::ops::Range;

use super::ahead::{Ahead, ROOM};
use super::filters::{Filters, pitch};
use super::transform::{POINTS, TAPS};
use super::{Job, Winograd};
use crate::conv::tile::Manner;

/// Terms that are added up in one chain: longer than where the error counts most, since each end costs two passes over a register
/// tile.
const CHAIN: usize = 256;

impl Job<'_> {
    /// The sums over channels and taps in depth, of each point, for some blocks of output channels and `lanes` tiles.
    #[allow(clippy::too_many_arguments)] // All of it differs from call to call.
    pub fn sums(
        &self,
        base: usize,
        blocks: Range<usize>,
        lanes: usize,
        points: &[f32],
        products: &mut [f32],
        scratch: &mut [f32],
        ahead: &mut Ahead,
    ) {
        let Winograd { shape: s, plan, isa, .. } = self.w;
        let (terms, width, floats) = (s.terms(), plan.tile.channels, self.w.block_floats());
        let block = |i: usize| &self.packed.weights[(base + i) * floats..][..floats];
        let Some(chunk) = plan.chunk else {
            for point in 0..POINTS {
                for (i, at) in blocks.clone().enumerate() {
                    let weights = &block(at)[point * terms * width..][..terms * width];
                    self.point((i, point), lanes, 0..terms, weights, points, products, ahead);
                }
            }
            return;
        };
        for (i, at) in blocks.enumerate() {
            for begin in (0..terms).step_by(chunk) {
                let part = begin..terms.min(begin + chunk);
                let vectors = part.start * width / isa.lanes()..(part.end * width).div_ceil(isa.lanes());
                let pitch = pitch(part.len() * width);
                let taps = &block(at)[vectors.start * isa.lanes() * TAPS..vectors.end * isa.lanes() * TAPS];
                isa.dispatch(Filters { taps, points: scratch, pitch });
                for point in 0..POINTS {
                    let weights = &scratch[point * pitch..][..part.len() * width];
                    self.point((i, point), lanes, part.clone(), weights, points, products, ahead);
                }
            }
        }
    }

    /// The sums over some terms of one point for one block of output channels, which counts from the first at hand.
    #[allow(clippy::too_many_arguments)] // All of it differs from call to call.
    fn point(
        &self,
        (block, point): (usize, usize),
        lanes: usize,
        terms: Range<usize>,
        weights: &[f32],
        points: &[f32],
        products: &mut [f32],
        ahead: &mut Ahead,
    ) {
        let Winograd { plan, buffers: b, offsets, .. } = self.w;
        let t = plan.tile;
        let runs = lanes.div_ceil(t.pixels);
        let init = [0.0; 16];
        let mut room = [std::ptr::null(); ROOM];
        let x = &points[point * b.point..][..b.point];
        let more = terms.start > 0;
        let offsets = &offsets[terms];
        debug_assert!(weights.len() == offsets.len() * t.channels);
        for run in 0..runs {
            let manner = Manner { chain: CHAIN, more, ahead: ahead.next(self, &mut room) };
            let at = ((block * POINTS + point) * runs + run) * t.channels * t.pixels;
            let to = &mut products[at..][..t.channels * t.pixels];
            // SAFETY: the plan's tiles come from `tiles(isa)`, none of more than 16 channels. Each channel's part of a point
            // has room for the lanes of a step, the taps in depth, and one more register tile; the weights hold a block,
            // and the products a register tile, which the earlier terms have filled.
            unsafe {
                let x = x.as_ptr().add(run * t.pixels);
                (t.run)(x, offsets, weights.as_ptr(), init.as_ptr(), to.as_mut_ptr(), manner);
            }
        }
    }
}
