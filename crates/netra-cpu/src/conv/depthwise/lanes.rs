//! Small planes, with channels in the lanes.
//!
//! Rows of 7 fill vectors of sixteen badly, and what a plane costs beyond its sums is paid for every channel. Here a vector's worth
//! of channels is transposed into a padded plane of vectors, in which every tap is a distance and no lane is idle; the sums
//! are transposed on the way out.

use netra_graph::Activation;

use super::super::Weights;
use super::super::plan::Geometry;
use crate::isa::Isa;
use crate::parallel::Shared;
use crate::simd::map::{Finish, Residual, map, with_activation};
use crate::simd::{Simd, SimdOp};

/// Most floats of a padded plane of vectors, which stays in the first-level cache with its sums.
const NEAR: usize = 8 * 1024;
/// Most outputs that are added up together.
const TOGETHER: usize = 8;

/// Sizes along height and width.
pub struct Lanes {
    lanes: usize,
    stride: [usize; 2],
    input: [usize; 2],
    outputs: [usize; 2],
    /// Zeros before the input.
    before: [usize; 2],
    /// The padded plane.
    window: [usize; 2],
    /// Start of each term of the sum in the padded plane.
    offsets: Vec<usize>,
}

impl Lanes {
    /// A plan for planes whose rows fill half a vector at most.
    pub fn new(geometry: &Geometry, isa: Isa) -> Option<Self> {
        let [d, h, w] = &geometry.axes;
        let flat = d.input == 1 && d.outputs == 1 && d.taps == [0];
        // Four pixels are transposed at a time.
        let small = 2 * w.outputs <= isa.lanes() && (h.input * w.input).min(h.outputs * w.outputs) >= 4;
        let padded = [h, w].iter().all(|a| a.taps[0] <= 0 && a.taps.is_sorted());
        if !flat || !small || !padded || geometry.groups < isa.lanes() {
            return None;
        }
        let before = [h, w].map(|a| a.taps[0].unsigned_abs());
        // As far as the last output hears, and the input reaches.
        let window = [h, w].map(|a| a.window(a.outputs).max(a.taps[0].unsigned_abs() + a.input));
        let place = |h: &isize, w: &isize| {
            (h.wrapping_add_unsigned(before[0]) as usize * window[1] + w.wrapping_add_unsigned(before[1]) as usize)
                * isa.lanes()
        };
        let offsets =
            h.taps.iter().flat_map(|h| w.taps.iter().map(move |w| (h, w))).map(|(h, w)| place(h, w)).collect();
        let lanes = isa.lanes();
        (window[0] * window[1] * lanes <= NEAR).then_some(Self {
            lanes,
            stride: [h.stride, w.stride],
            input: [h.input, w.input],
            outputs: [h.outputs, w.outputs],
            before,
            window,
            offsets,
        })
    }

    /// Blocks of channels.
    pub fn blocks(&self, channels: usize) -> usize {
        channels.div_ceil(self.lanes)
    }

    /// Floats of the padded plane.
    fn plane(&self) -> usize {
        self.window[0] * self.window[1] * self.lanes
    }

    /// Floats of the sums.
    fn sums(&self) -> usize {
        self.outputs[0] * self.outputs[1] * self.lanes
    }

    /// Floats of scratch that each worker needs.
    pub fn scratch(&self) -> usize {
        self.plane() + self.sums()
    }

    /// Weights as `[block][term][lane]` and the bias as `[block][lane]`; lanes beyond the last channel repeat it.
    pub fn pack(&self, weight: &[f32], bias: &[f32]) -> Weights {
        let (terms, last) = (self.offsets.len(), bias.len() - 1);
        let channels = self.blocks(bias.len()) * self.lanes;
        let mut weights = vec![0.0; channels * terms];
        for c in 0..channels {
            let to = weights[c / self.lanes * terms * self.lanes + c % self.lanes..].iter_mut().step_by(self.lanes);
            to.zip(&weight[c.min(last) * terms..][..terms]).for_each(|(to, &w)| *to = w);
        }
        Weights { weights, bias: (0..channels).map(|c| bias[c.min(last)]).collect() }
    }

    /// Computes a block of the channels of an image: `x` is the image, and the output's begins at an element of `out`. `sums`
    /// has room for the sum of each channel of the image, when it is asked for.
    #[allow(clippy::too_many_arguments)] // An image, and what all blocks share.
    pub fn run(
        &self,
        isa: Isa,
        block: usize,
        x: &[f32],
        packed: &Weights,
        scratch: &mut [f32],
        finish: Finish<'_>,
        (at, out): (usize, &Shared<f32>),
        sums: Option<*mut f32>,
    ) {
        let pixels = self.input[0] * self.input[1];
        let outputs = self.outputs[0] * self.outputs[1];
        let channels = x.len() / pixels;
        let residual = match finish.residual {
            Residual::None => None,
            Residual::Tensor(t) => Some(t[at..at + channels * outputs].as_ptr()),
            Residual::Output => Some(out.pointer(at).cast_const()),
        };
        let (plane, scratch) = scratch.split_at_mut(self.plane());
        let terms = self.offsets.len() * self.lanes;
        isa.dispatch(Block {
            plan: self,
            x,
            first: block * self.lanes,
            last: channels - 1,
            weights: &packed.weights[block * terms..][..terms],
            bias: &packed.bias[block * self.lanes..][..self.lanes],
            plane,
            sums: &mut scratch[..self.sums()],
            residual,
            activation: finish.activation,
            out: out.pointer(at),
            totals: sums,
        });
    }
}

/// A block of channels of one image. Made above only: the image's channels can be read at `residual`, if any, and those of the
/// block can be written at `out`, and a sum for each at `totals`, if any, which nobody else does.
struct Block<'a> {
    plan: &'a Lanes,
    /// The image.
    x: &'a [f32],
    /// The block's first channel.
    first: usize,
    /// The image's last channel, which lanes beyond it repeat.
    last: usize,
    weights: &'a [f32],
    bias: &'a [f32],
    /// `[row][column][lane]`, with zeros around the input.
    plane: &'a mut [f32],
    /// `[output][lane]`.
    sums: &'a mut [f32],
    residual: Option<*const f32>,
    activation: Option<Activation>,
    out: *mut f32,
    totals: Option<*mut f32>,
}

impl SimdOp for Block<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let Lanes { lanes, input: [height, width], outputs: [rows, columns], before, window, .. } = *self.plan;
        let (pixels, outputs) = (height * width, rows * columns);
        assert!(lanes == S::LANES && self.plane.len() == self.plan.plane() && self.sums.len() == self.plan.sums());
        assert!(self.x.len() == (self.last + 1) * pixels && pixels.min(outputs) >= 4 && self.first <= self.last);
        self.plane.fill(0.0);
        let input = self.plane[(before[0] * window[1] + before[1]) * lanes..].as_mut_ptr();
        // SAFETY: the image has four pixels or more a channel, and the input lies in the padded plane.
        unsafe { self.enter(s, self.x.as_ptr(), pixels, width, window[1], input) };
        let (sums, n) = (self.sums.as_mut_ptr(), self.sums.len());
        match self.residual {
            // SAFETY: by construction of `Block`, an image of outputs, of which there are four or more a channel.
            Some(r) => unsafe { self.enter(s, r, outputs, columns, columns, sums) },
            None => self.sums.fill(0.0),
        }
        self.add(s);
        // SAFETY: one slice, in place.
        with_activation!(self.activation, f => unsafe { map(s, sums, sums, n, f) });
        self.leave(s, outputs);
        self.total(s);
    }
}

impl Block<'_> {
    /// Where the channels of the block lie in an image with so many pixels a channel: number `i` of each four.
    #[inline(always)]
    fn channels<S: Simd>(&self, pixels: usize) -> [[usize; 4]; 4] {
        let mut at = [[0; 4]; 4];
        for (i, at) in at.iter_mut().enumerate() {
            for (q, at) in at.iter_mut().enumerate().take(S::LANES / 4) {
                *at = (self.first + 4 * q + i).min(self.last) * pixels;
            }
        }
        at
    }

    /// Transposes the block's channels of an image into rows of vectors, `pitch` vectors apart.
    ///
    /// # Safety
    /// `x` is an image of four `pixels` or more in rows of `width`; at `to` there is room for the rows.
    #[inline(always)]
    unsafe fn enter<S: Simd>(&self, s: S, x: *const f32, pixels: usize, width: usize, pitch: usize, to: *mut f32) {
        let at = self.channels::<S>(pixels);
        let (mut to, mut column) = (to, 0);
        for quad in (0..pixels).step_by(4) {
            // The last four may have been read in part before.
            let from = quad.min(pixels - 4);
            let mut rows = [s.splat(0.0); 4];
            for (row, at) in rows.iter_mut().zip(&at) {
                // SAFETY: four pixels of each channel.
                *row = unsafe { s.load_quads(x.add(from), &at[..S::LANES / 4]) };
            }
            for &pixel in &s.transpose4(rows)[quad - from..] {
                // SAFETY: one of the image's pixels.
                unsafe { s.store(to, pixel) };
                column += 1;
                to = to.wrapping_add(S::LANES);
                if column == width {
                    column = 0;
                    to = to.wrapping_add((pitch - width) * S::LANES);
                }
            }
        }
    }

    /// Adds to the sums, row by row.
    #[inline(always)]
    fn add<S: Simd>(&mut self, s: S) {
        let Lanes { outputs: [rows, columns], stride, window, .. } = *self.plan;
        assert!(self.bias.len() == S::LANES && self.weights.len() == self.plan.offsets.len() * S::LANES);
        let parts = columns.div_ceil(TOGETHER);
        for row in 0..rows {
            for part in 0..parts {
                let (from, to) = (columns * part / parts, columns * (part + 1) / parts);
                let x = (row * stride[0] * window[1] + from * stride[1]) * S::LANES;
                let sums = (row * columns + from) * S::LANES;
                // SAFETY: these outputs' windows lie in the padded plane, and the sums have room for them.
                unsafe {
                    let x = self.plane.as_ptr().add(x);
                    let sums = self.sums.as_mut_ptr().add(sums);
                    match to - from {
                        1 => self.outputs::<S, 1>(s, x, sums),
                        2 => self.outputs::<S, 2>(s, x, sums),
                        3 => self.outputs::<S, 3>(s, x, sums),
                        4 => self.outputs::<S, 4>(s, x, sums),
                        5 => self.outputs::<S, 5>(s, x, sums),
                        6 => self.outputs::<S, 6>(s, x, sums),
                        7 => self.outputs::<S, 7>(s, x, sums),
                        _ => self.outputs::<S, TOGETHER>(s, x, sums),
                    }
                }
            }
        }
    }

    /// Adds to the sums of `P` neighbouring outputs.
    ///
    /// # Safety
    /// `x` points at what the first output hears first in the padded plane, and `to` at the sums of `P` outputs.
    #[inline(always)]
    unsafe fn outputs<S: Simd, const P: usize>(&self, s: S, x: *const f32, to: *mut f32) {
        let step = self.plan.stride[1] * S::LANES;
        // SAFETY: a vector, as `add` asserts.
        let mut sums = [unsafe { s.load(self.bias.as_ptr()) }; P];
        for (&offset, weight) in self.plan.offsets.iter().zip(self.weights.chunks_exact(S::LANES)) {
            // SAFETY: a chunk is a vector.
            let weight = unsafe { s.load(weight.as_ptr()) };
            for (p, sum) in sums.iter_mut().enumerate() {
                // SAFETY: the padded plane holds all that the outputs hear.
                *sum = s.fma(unsafe { s.load(x.add(offset + p * step)) }, weight, *sum);
            }
        }
        for (p, &sum) in sums.iter().enumerate() {
            // SAFETY: as the caller promises.
            unsafe {
                let to = to.add(p * S::LANES);
                s.store(to, s.add(s.load(to), sum));
            }
        }
    }

    /// Transposes the sums into the output's channels.
    #[inline(always)]
    fn leave<S: Simd>(&self, s: S, outputs: usize) {
        let at = self.channels::<S>(outputs);
        for quad in (0..outputs).step_by(4) {
            // The last four may have been written in part before.
            let from = quad.min(outputs - 4);
            let mut pixels = [s.splat(0.0); 4];
            for (j, pixel) in pixels.iter_mut().enumerate() {
                // SAFETY: one of the sums.
                *pixel = unsafe { s.load(self.sums.as_ptr().add((from + j) * S::LANES)) };
            }
            for (&row, at) in s.transpose4(pixels).iter().zip(&at) {
                // SAFETY: four outputs of each channel of the block, which lanes beyond the last channel only repeat.
                unsafe { s.store_quads(self.out.add(from), &at[..S::LANES / 4], row) };
            }
        }
    }

    /// Leaves the sum over each channel's outputs.
    #[inline(always)]
    fn total<S: Simd>(&self, s: S) {
        let Some(totals) = self.totals else { return };
        let mut chains = [s.splat(0.0); 4];
        for outputs in self.sums.chunks(4 * S::LANES) {
            for (chain, output) in chains.iter_mut().zip(outputs.chunks_exact(S::LANES)) {
                // SAFETY: a chunk is a vector.
                *chain = s.add(*chain, unsafe { s.load(output.as_ptr()) });
            }
        }
        let total = s.add(s.add(chains[0], chains[1]), s.add(chains[2], chains[3]));
        // SAFETY: room for the block's channels, by construction of `Block`.
        unsafe { s.store_part(totals.add(self.first), S::LANES.min(self.last + 1 - self.first), total) };
    }
}
