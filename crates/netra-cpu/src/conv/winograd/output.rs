//! From the sums of each point to finished output rows.

use super::plan::Columns;
use super::transform::{self, IN, OUT};
use super::{Job, Place, Step};
use crate::simd::map::Rows;
use crate::simd::{Simd, SimdOp};

impl Job<'_> {
    /// Finishes one block of output channels of a step.
    pub fn emit(&self, place: Place, block: usize, step: Step, products: &[f32], scratch: &mut [f32]) {
        let w = self.w;
        let (s, plan, b) = (&w.shape, &w.plan, &w.buffers);
        let t = plan.tile;
        let (lines, joined) = scratch.split_at_mut(OUT * b.out_line);
        let row_tiles = s.row_tiles();
        let n = step.outputs.1;
        let lanes = n * plan.rows * row_tiles;
        for c in 0..t.channels.min(s.filters - block * t.channels) {
            let filter = block * t.channels + c;
            let bias = self.packed.bias[(place.group * plan.blocks + block) * t.channels + c];
            w.isa.dispatch(Back { job: self, products, channel: c, bias, lanes, lines });
            for (slice, r) in (0..n).flat_map(|slice| (0..plan.rows).map(move |r| (slice, r))) {
                let Some(at) = self.output_row(place, step, filter, slice, r, 0) else { continue };
                let count =
                    (1..OUT).take_while(|&i| self.output_row(place, step, filter, slice, r, i).is_some()).count() + 1;
                let start = (slice * plan.rows + r) * OUT * row_tiles;
                let mut rows =
                    Rows { count, n: s.output[2], from_step: b.out_line, to_step: s.dilations[1] * s.output[2] };
                // SAFETY: `output_row` says that the rows lie inside the output; each belongs to one unit, and a unit visits
                // it once.
                unsafe {
                    if s.columns() == Columns::Split {
                        for i in 0..count {
                            let from = &lines[i * b.out_line + start..][..OUT * row_tiles + 16];
                            self.join(from, &mut joined[i * s.pitch()..][..s.pitch()]);
                        }
                        rows.from_step = s.pitch();
                        self.finish.rows(w.isa, rows, joined, at, self.out);
                    } else {
                        self.finish.rows(w.isa, rows, &lines[start..], at, self.out);
                    }
                }
            }
        }
    }

    /// Puts the phases of a row together. Both have a vector to spare at the end.
    fn join(&self, phases: &[f32], row: &mut [f32]) {
        let (s, d) = (&self.w.shape, self.w.shape.dilations[2]);
        if d == 2 {
            self.w.isa.dispatch(Zip { phases, pitch: OUT * s.tiles(), row });
            return;
        }
        let row = &mut row[..s.output[2]];
        for (phase, from) in phases.chunks_exact(OUT * s.tiles()).enumerate().take(d) {
            for (to, &x) in row.iter_mut().skip(phase).step_by(d).zip(from) {
                *to = x;
            }
        }
    }
}

/// Puts two phases of `pitch` elements each together. Behind the second phase and the row a vector may be touched.
struct Zip<'a> {
    phases: &'a [f32],
    pitch: usize,
    row: &'a mut [f32],
}

impl SimdOp for Zip<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Zip { phases, pitch, row } = self;
        let whole = pitch.next_multiple_of(S::LANES);
        assert!(phases.len() >= pitch + whole && row.len() >= 2 * whole);
        for i in (0..pitch).step_by(S::LANES) {
            // SAFETY: asserted above.
            unsafe {
                let (even, odd) = (s.load(phases.as_ptr().add(i)), s.load(phases.as_ptr().add(pitch + i)));
                let (a, b) = s.zip(even, odd);
                s.store(row.as_mut_ptr().add(2 * i), a);
                s.store(row.as_mut_ptr().add(2 * i + S::LANES), b);
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
