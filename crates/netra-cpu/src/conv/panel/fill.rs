//! Copies what neighbouring outputs hear into panels: one or two vectors for each term of the sum, one term after the other.

use netra_graph::Activation;

use super::super::axis::Axis;
use super::super::plan::Geometry;
use super::kernel::VECTORS;
use super::plan::GROUP;
use crate::simd::function::{Affine, Function, Identity};
use crate::simd::map::{Source, with_activation};
use crate::simd::{Simd, SimdOp};

/// Most lanes of a vector.
const LANES: usize = 16;
/// Most vectors of a group.
const MOST: usize = GROUP * VECTORS;

/// Fills panels of [`VECTORS`] vectors each (the last may have fewer) with `[term][vector]`. Terms count through the channels
/// first: term `k` is channel `k % C` under tap `k / C`.
pub struct Fill<'a> {
    pub geometry: &'a Geometry,
    /// The channels of a group of one image.
    pub source: Source<'a>,
    /// First output, counted through the output's depth, height and width.
    pub first: usize,
    /// Outputs of the image.
    pub outputs: usize,
    /// Vectors of all panels.
    pub vectors: usize,
    pub panels: &'a mut [f32],
}

/// Outputs of one row that neighbour each other in a vector.
#[derive(Clone, Copy)]
struct Segment {
    vector: usize,
    lane: usize,
    count: usize,
    /// Output indices along depth, height and width.
    at: [usize; 3],
}

/// Where a segment finds its elements of each channel under one tap: lane `i` at `start + i stride` from the channel's
/// first, for the lanes `from..to`.
#[derive(Clone, Copy)]
struct Piece {
    start: isize,
    from: usize,
    to: usize,
}

impl SimdOp for Fill<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { geometry: g, source: Source { x, affine }, first, outputs, vectors, panels } = self;
        let (plane, terms) = (g.input_plane(), g.terms());
        assert!(x.len() == g.channels * plane && vectors <= MOST);
        assert!(panels.len() >= vectors.div_ceil(VECTORS) * terms * VECTORS * S::LANES);
        if plain(g) {
            let channels =
                (0..g.channels).map(|channel| &x[channel * plane + first..(channel + 1) * plane]).enumerate();
            match affine {
                None => {
                    for (i, x) in channels {
                        // SAFETY: the run's outputs lie in each channel's plane, and the panels have vectors for all, as
                        // asserted.
                        unsafe { copy(s, x, i, vectors, terms, panels, Identity) };
                    }
                }
                Some(affine) => with_activation!(affine.activation, f => {
                    for (i, x) in channels {
                        let (factor, shift) = affine.at(i);
                        let f = Affine(factor, shift, f);
                        // SAFETY: as above.
                        unsafe { copy(s, x, i, vectors, terms, panels, f) };
                    }
                }),
            }
            return;
        }
        debug_assert!(affine.is_none());
        let segments = segments(&g.axes, first, outputs.min(first + vectors * S::LANES), S::LANES);
        let mut pieces = Vec::with_capacity(segments.len());
        for tap in 0..g.taps() {
            pieces.clear();
            // How many of the pieces belong to each vector.
            let mut counts = [0; MOST];
            for segment in &segments {
                if let Some(piece) = listen(&g.axes, tap, segment) {
                    pieces.push(piece);
                    counts[segment.vector] += 1;
                }
            }
            for channel in 0..g.channels {
                let x = x[channel * plane..].as_ptr();
                let term = tap * g.channels + channel;
                let mut pieces = pieces.as_slice();
                for (v, &count) in counts[..vectors].iter().enumerate() {
                    let (own, after) = pieces.split_at(count);
                    pieces = after;
                    let run = v / VECTORS;
                    let width = VECTORS.min(vectors - run * VECTORS);
                    let at = (run * terms * VECTORS + term * width + v % VECTORS) * S::LANES;
                    // SAFETY: pieces lie in a plane, of which one begins at `x`; the panels have a vector there, as
                    // asserted.
                    unsafe {
                        let vector = gather(s, x, g.axes[2].stride, own);
                        s.store(panels.as_mut_ptr().add(at), vector);
                    }
                }
            }
        }
    }
}

/// Whether outputs are single inputs, one after the other.
pub fn plain(g: &Geometry) -> bool {
    let [d, h, w] = &g.axes;
    g.taps() == 1 && d.outputs * h.outputs == 1 && w.stride == 1 && w.input == w.outputs
}

/// Copies `f` of the stretch of a row that single pixels are read from.
///
/// # Safety
/// `panels` holds `terms` terms for `vectors`, and the last vector is the only one that may reach beyond `x`.
#[inline(always)]
unsafe fn copy<S: Simd>(
    s: S,
    x: &[f32],
    term: usize,
    vectors: usize,
    terms: usize,
    panels: &mut [f32],
    f: impl Function<S>,
) {
    let whole = vectors.min(x.len() / S::LANES);
    for v in 0..vectors {
        let run = v / VECTORS;
        let width = VECTORS.min(vectors - run * VECTORS);
        let at = (run * terms * VECTORS + term * width + v % VECTORS) * S::LANES;
        // SAFETY: as the caller promises.
        unsafe {
            let p = x.as_ptr().add(v * S::LANES);
            let vector = if v < whole { s.load(p) } else { s.load_part(p, x.len() - v * S::LANES) };
            s.store(panels.as_mut_ptr().add(at), f.call(s, vector));
        }
    }
}

/// Cuts the outputs from `first` to before `end` at the ends of rows and of vectors.
#[inline(always)]
fn segments(axes: &[Axis; 3], first: usize, end: usize, lanes: usize) -> Vec<Segment> {
    let [_, h, w] = axes;
    let mut segments = Vec::with_capacity((end - first).div_ceil(lanes.min(w.outputs)) + 1);
    let mut i = first;
    while i < end {
        let (vector, lane) = ((i - first) / lanes, (i - first) % lanes);
        let at = [i / w.outputs / h.outputs, i / w.outputs % h.outputs, i % w.outputs];
        let count = (w.outputs - at[2]).min(lanes - lane).min(end - i);
        segments.push(Segment { vector, lane, count, at });
        i += count;
    }
    segments
}

/// What a segment hears through tap number `tap`, if anything.
#[inline(always)]
fn listen(axes: &[Axis; 3], tap: usize, segment: &Segment) -> Option<Piece> {
    let [d, h, w] = axes;
    let (th, tw) = (h.taps.len(), w.taps.len());
    let taps = [d.taps[tap / tw / th], h.taps[tap / tw % th], w.taps[tap % tw]];
    let place = |axis: &Axis, i: usize| (segment.at[i] * axis.stride) as isize + taps[i];
    let (depth, row, column) = (place(d, 0), place(h, 1), place(w, 2));
    if depth < 0 || depth >= d.input as isize || row < 0 || row >= h.input as isize {
        return None;
    }
    // Outputs whose column exists.
    let skip = if column < 0 { column.unsigned_abs().div_ceil(w.stride) } else { 0 };
    let most = (w.input as isize - column).max(0).unsigned_abs().div_ceil(w.stride).min(segment.count);
    let start = (depth * h.input as isize + row) * w.input as isize + column - (segment.lane * w.stride) as isize;
    (skip < most).then_some(Piece { start, from: segment.lane + skip, to: segment.lane + most })
}

/// A vector of what the pieces name; zeros in the other lanes.
///
/// # Safety
/// All elements that the pieces name can be read from `x` on.
#[inline(always)]
unsafe fn gather<S: Simd>(s: S, x: *const f32, stride: usize, pieces: &[Piece]) -> S::V {
    let mut vector = s.splat(0.0);
    for piece in pieces {
        let Piece { start, from, to } = *piece;
        let p = x.wrapping_offset(start);
        // SAFETY: the lanes `from..to` exist, and with a stride of 2 what lies between them, in one row.
        let part = unsafe {
            match stride {
                1 if from == 0 && to == S::LANES => return s.load(p),
                1 => s.load_between(p, from, to),
                2 => {
                    let (from, to) = (2 * from, 2 * to - 1);
                    let near = s.load_between(p, from, to);
                    let p = p.wrapping_add(S::LANES);
                    let far = s.load_between(p, from.saturating_sub(S::LANES), to.saturating_sub(S::LANES));
                    s.unzip(near, far).0
                }
                _ => {
                    let mut lanes = [0.0; LANES];
                    for (i, lane) in lanes.iter_mut().enumerate().take(to).skip(from) {
                        *lane = *p.wrapping_add(i * stride);
                    }
                    s.load(lanes.as_ptr())
                }
            }
        };
        // The pieces share no lane.
        vector = s.add(vector, part);
    }
    vector
}
