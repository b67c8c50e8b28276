//! From input rows to the points of their tiles.

use netra_graph::Activation;

use super::over::Fences;
use super::plan::Columns;
use super::transform::{self, IN, OUT};
use super::{Job, Place, Step};
use crate::simd::function::{Affine, Function, Identity};
use crate::simd::map::{ChannelAffine, with_activation};
use crate::simd::{Simd, SimdOp};

impl Job<'_> {
    /// Transforms the new slices of a step.
    pub fn fill(
        &self,
        place: Place,
        step: Step,
        points: &mut [f32],
        scratch: &mut [f32],
        mut fences: Option<&mut Fences<'_>>,
    ) {
        let w = self.w;
        let (s, plan, b) = (&w.shape, &w.plan, &w.buffers);
        let (lines, taken_apart) = scratch.split_at_mut(IN * b.line);
        let slice_lanes = plan.rows * s.row_tiles();
        let n = step.inputs.1;
        for c in 0..s.channels {
            let affine = self.affine.map(|a| a.part((place.batch * s.groups + place.group) * s.channels + c, 1));
            for (slice, r) in (0..n).flat_map(|slice| (0..plan.rows).map(move |r| (slice, r))) {
                let depth = self.depth(place, step, slice);
                let (mut rows, mut inside) = ([w.zeros.as_slice(); IN], [false; IN]);
                for i in 0..IN {
                    if let (Some(d), Some(y)) = (depth, self.row(place, r, i)) {
                        let fence = fences.as_ref().and_then(|f| f.row(s, place.row + r, i, (c, d)));
                        rows[i] = fence.unwrap_or_else(|| self.input(place, c, d, y));
                        inside[i] = true;
                    }
                }
                let at = (slice * plan.rows + r) * b.row;
                if s.columns() == Columns::Split {
                    let pitch = s.pitch();
                    let (before, out) = (s.pads[2], &mut *taken_apart);
                    w.isa.dispatch(Down { rows, inside, affine, before, out, line: pitch, pitch });
                    for i in 0..IN {
                        self.split(&taken_apart[i * pitch..][..pitch], &mut lines[i * b.line + at..][..b.row]);
                    }
                } else {
                    let (before, out) = (s.pads[2], &mut lines[at..]);
                    w.isa.dispatch(Down { rows, inside, affine, before, out, line: b.line, pitch: b.row });
                }
                if let (Some(fences), Some(d), Some(y)) = (fences.as_deref_mut(), depth, self.row(place, r, OUT)) {
                    fences.keep(s, (c, d), self.input(place, c, d, y));
                }
            }
            let at = c * b.channel + step.at * slice_lanes;
            w.isa.dispatch(Across { job: self, lines, lanes: n * slice_lanes, points: &mut points[at..] });
        }
    }

    /// Takes a row apart into its phases.
    fn split(&self, row: &[f32], phases: &mut [f32]) {
        let s = &self.w.shape;
        let used = OUT * s.tiles() + 2;
        if s.dilations[2] == 2 {
            self.w.isa.dispatch(Unzip { row, phases, pitch: s.phase_pitch(), n: used });
            return;
        }
        for (phase, to) in phases.chunks_exact_mut(s.phase_pitch()).enumerate() {
            for (to, &x) in to[..used].iter_mut().zip(row[phase..].iter().step_by(s.dilations[2])) {
                *to = x;
            }
        }
    }
}

/// Takes a row apart into two phases of at least `n` elements each, `pitch` apart.
struct Unzip<'a> {
    row: &'a [f32],
    phases: &'a mut [f32],
    pitch: usize,
    n: usize,
}

impl SimdOp for Unzip<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Unzip { row, phases, pitch, n } = self;
        let whole = n.next_multiple_of(S::LANES);
        assert!(row.len() >= 2 * whole && pitch >= whole && phases.len() >= 2 * pitch);
        for i in (0..n).step_by(S::LANES) {
            // SAFETY: asserted above.
            unsafe {
                let (a, b) = (s.load(row.as_ptr().add(2 * i)), s.load(row.as_ptr().add(2 * i + S::LANES)));
                let (even, odd) = s.unzip(a, b);
                s.store(phases.as_mut_ptr().add(i), even);
                s.store(phases.as_mut_ptr().add(pitch + i), odd);
            }
        }
    }
}

/// The transform along the rows: six input rows of equal length to six lines, `line` apart, of `pitch` columns, zeros before
/// and after.
struct Down<'a> {
    rows: [&'a [f32]; IN],
    /// The rows that are not padding.
    inside: [bool; IN],
    affine: Option<ChannelAffine<'a>>,
    before: usize,
    out: &'a mut [f32],
    line: usize,
    pitch: usize,
}

impl SimdOp for Down<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.affine {
            None => self.with(s, Identity),
            Some(affine) => {
                let (factor, shift) = affine.at(0);
                with_activation!(affine.activation, f => self.with(s, Affine(factor, shift, f)));
            }
        }
    }
}

impl Down<'_> {
    /// Transforms `f` of the rows.
    #[inline(always)]
    fn with<S: Simd>(self, s: S, f: impl Function<S>) {
        let Down { rows, inside, before, out, line, pitch, .. } = self;
        let width = rows[0].len();
        assert!(out.len() >= (IN - 1) * line + pitch && pitch >= before + width.next_multiple_of(16) + 16);
        assert!(rows.iter().all(|r| r.len() == width));
        let zeros = [s.splat(0.0); IN];
        for at in (0..before).step_by(S::LANES) {
            store(s, zeros, &mut out[at..], line);
        }
        let mut at = 0;
        while at + S::LANES <= width {
            let mut d = [s.splat(0.0); IN];
            for (d, row) in d.iter_mut().zip(&rows) {
                // SAFETY: `at + LANES <= width`, the length of every row.
                *d = unsafe { s.load(row.as_ptr().add(at)) };
            }
            apply(s, f, inside, &mut d);
            store(s, transform::input(s, d), &mut out[before + at..], line);
            at += S::LANES;
        }
        if at < width {
            let mut d = [s.splat(0.0); IN];
            for (d, row) in d.iter_mut().zip(&rows) {
                // SAFETY: `width - at` elements remain.
                *d = unsafe { s.load_part(row.as_ptr().add(at), width - at) };
            }
            apply(s, f, inside, &mut d);
            store(s, transform::input(s, d), &mut out[before + at..], line);
        }
        // `f` of what is not there goes. The last vector of zeros ends with the row: there is room for one.
        for at in (before + width..pitch - S::LANES).step_by(S::LANES).chain([pitch - S::LANES]) {
            store(s, zeros, &mut out[at..], line);
        }
    }
}

/// Applies `f` to the rows that exist.
#[inline(always)]
fn apply<S: Simd>(s: S, f: impl Function<S>, inside: [bool; IN], d: &mut [S::V; IN]) {
    for (d, inside) in d.iter_mut().zip(inside) {
        if inside {
            *d = f.call(s, *d);
        }
    }
}

/// Writes one vector to each line.
#[inline(always)]
fn store<S: Simd>(s: S, t: [S::V; IN], out: &mut [f32], line: usize) {
    assert!(out.len() >= (IN - 1) * line + S::LANES);
    for (i, v) in t.into_iter().enumerate() {
        // SAFETY: asserted above.
        unsafe { s.store(out.as_mut_ptr().add(i * line), v) };
    }
}

/// The transform along the columns: six lines to the 36 points of `lanes` tiles.
struct Across<'a, 'b> {
    job: &'a Job<'b>,
    lines: &'a [f32],
    lanes: usize,
    points: &'a mut [f32],
}

impl SimdOp for Across<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Across { job, lines, lanes, points } = self;
        let w = job.w;
        let b = &w.buffers;
        let quads = S::LANES / 4;
        let step = w.shape.dilations[2];
        let as_quads = w.shape.columns() == Columns::Quads;
        // Loops and not closures below, which the compiler may decline to inline (see `simd::function`).
        for vector in 0..lanes.div_ceil(S::LANES) {
            let out = vector * S::LANES;
            assert!(points.len() >= (IN * IN - 1) * b.point + out + S::LANES);
            let each = if as_quads { quads } else { S::LANES };
            let at = &w.lanes[vector * each..][..each];
            let joined = !as_quads && at[S::LANES - 1] == at[0] + 4 * (S::LANES - 1);
            for i in 0..IN {
                let line = lines[i * b.line..][..b.line].as_ptr();
                // SAFETY: the plan's lanes begin inside a line, whose rows are long enough for six columns of each tile
                // and the rest of a vector; a line has 32 more floats after its last row.
                let d = unsafe {
                    if as_quads {
                        let mut d = [s.splat(0.0); IN];
                        for (j, d) in d.iter_mut().enumerate() {
                            *d = s.load_quads(line.add(j * step), at);
                        }
                        d
                    } else if joined {
                        let line = line.add(at[0]);
                        let mut d = [s.splat(0.0); 4];
                        for (q, d) in d.iter_mut().enumerate() {
                            *d = s.load(line.add(q * S::LANES));
                        }
                        let [a, b, c, d] = s.deinterleave4(d);
                        let e = s.follow(a, *line.add(4 * S::LANES));
                        let f = s.follow(b, *line.add(4 * S::LANES + 1));
                        [a, b, c, d, e, f]
                    } else {
                        let (mut near, mut far) = ([s.splat(0.0); 4], [s.splat(0.0); 4]);
                        for q in 0..4 {
                            near[q] = s.load_quads(line, &at[q * quads..]);
                            far[q] = s.load_quads(line.add(4), &at[q * quads..]);
                        }
                        let [a, b, c, d] = s.transpose4(near);
                        let [e, f, ..] = s.transpose4(far);
                        [a, b, c, d, e, f]
                    }
                };
                let t = transform::input(s, d);
                for (j, v) in t.into_iter().enumerate() {
                    // SAFETY: asserted above.
                    unsafe { s.store(points.as_mut_ptr().add((i * IN + j) * b.point + out), v) };
                }
            }
        }
    }
}
