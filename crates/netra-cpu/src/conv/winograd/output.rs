//! From the sums of each point to finished output rows.

use super::plan::Columns;
use super::transform::{self, IN, OUT};
use super::{Job, Place};
use crate::simd::{Simd, SimdOp};

impl Job<'_> {
    /// Finishes one block of output channels of `n` slices, the first being number `first` of the segment.
    pub fn emit(&self, place: Place, block: usize, first: usize, n: usize, products: &[f32], scratch: &mut [f32]) {
        let w = self.w;
        let (s, plan, b) = (&w.shape, &w.plan, &w.buffers);
        let t = plan.tile;
        let (lines, joined) = scratch.split_at_mut(OUT * b.out_line);
        let row_tiles = s.row_tiles();
        let lanes = n * plan.rows * row_tiles;
        let [depth, height, width] = s.output;
        for c in 0..t.channels.min(s.filters - block * t.channels) {
            let filter = place.group * s.filters + block * t.channels + c;
            let bias = self.packed.bias[(place.group * plan.blocks + block) * t.channels + c];
            w.isa.dispatch(Back { job: self, products, channel: c, bias, lanes, lines });
            for (slice, r) in (0..n).flat_map(|slice| (0..plan.rows).map(move |r| (slice, r))) {
                let Some(&(phase, row)) = w.tile_rows.get(place.row + r) else { continue };
                let z = place.segment.0 + (first + slice) * s.dilations[0];
                for i in 0..OUT {
                    let y = phase + (row + i) * s.dilations[1];
                    if y >= height {
                        break;
                    }
                    let from = &mut lines[i * b.out_line + (slice * plan.rows + r) * OUT * row_tiles..];
                    let at = (((place.batch * s.groups * s.filters + filter) * depth + z) * height + y) * width;
                    // SAFETY: every output row belongs to one unit, and a unit visits it once.
                    let out = unsafe { self.out.slice(at, width) };
                    if s.columns() == Columns::Split {
                        self.join(&from[..OUT * row_tiles], &mut joined[..width]);
                        self.finish.run(w.isa, &joined[..width], at, out);
                    } else {
                        self.finish.run(w.isa, &from[..width], at, out);
                    }
                }
            }
        }
    }

    /// Puts the phases of a row together.
    fn join(&self, phases: &[f32], row: &mut [f32]) {
        let d = self.w.shape.dilations[2];
        for (phase, from) in phases.chunks_exact(OUT * self.w.shape.tiles()).enumerate() {
            for (to, &x) in row.iter_mut().skip(phase).step_by(d).zip(from) {
                *to = x;
            }
        }
    }
}

/// The transform of one channel's sums to [`OUT`] lines of finished rows.
struct Back<'a, 'b> {
    job: &'a Job<'b>,
    products: &'a [f32],
    channel: usize,
    bias: f32,
    lanes: usize,
    lines: &'a mut [f32],
}

impl SimdOp for Back<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Back { job, products, channel, bias, lanes, lines } = self;
        let w = job.w;
        let t = w.plan.tile;
        let run_vectors = t.pixels / S::LANES;
        let runs = lanes.div_ceil(t.pixels);
        let run_len = t.channels * t.pixels;
        let quads = S::LANES / 4;
        let step = w.shape.dilations[2];
        let as_quads = w.shape.columns() == Columns::Quads;
        let line = w.buffers.out_line;
        assert!(products.len() >= IN * IN * runs * run_len && lines.len() >= OUT * line);
        assert!(line >= 4 * runs * t.pixels);
        let (bias, zero) = (s.splat(bias), s.splat(0.0));
        for vector in 0..lanes.div_ceil(S::LANES) {
            let at = vector / run_vectors * run_len + channel * t.pixels + vector % run_vectors * S::LANES;
            // Loops and not closures, which the compiler may decline to inline (see `simd::function`).
            let mut down = [[zero; OUT]; IN];
            for (j, down) in down.iter_mut().enumerate() {
                let mut column = [zero; IN];
                for (i, v) in column.iter_mut().enumerate() {
                    // SAFETY: `at` lies in the last run's register tile at most; there is one for each run and point.
                    *v = unsafe { s.load(products.as_ptr().add((i * IN + j) * runs * run_len + at)) };
                }
                *down = transform::output(s, column);
            }
            for i in 0..OUT {
                let mut row = [zero; IN];
                for (v, down) in row.iter_mut().zip(&down) {
                    *v = down[i];
                }
                let mut across = transform::output(s, row);
                for v in &mut across {
                    *v = s.add(*v, bias);
                }
                let out = lines[i * line..][..line].as_mut_ptr();
                // SAFETY: a line has four columns for each lane of all runs, and the plan's lanes lie inside it, or just
                // behind its last row.
                unsafe {
                    if as_quads {
                        let at = &w.out_lanes[vector * quads..][..quads];
                        for (j, v) in across.into_iter().enumerate() {
                            s.store_quads(out.add(j * step), at, v);
                        }
                    } else {
                        for (q, v) in s.interleave4(across).into_iter().enumerate() {
                            s.store(out.add((vector * 4 + q) * S::LANES), v);
                        }
                    }
                }
            }
        }
    }
}
