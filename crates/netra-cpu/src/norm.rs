//! Normalisation over instances, groups of channels and layers.
//!
//! Means and variances are taken over blocks that fit the first-level cache, in two passes each, and merged in float64
//! (Chan, Golub and LeVeque's rule): one pass over memory, and no loss of digits over millions of voxels.

use netra_graph::{Activation, TensorView};

use crate::Context;
use crate::isa::Isa;
use crate::parallel::Shared;
use crate::simd::map::{map, with_activation};
use crate::simd::{Simd, SimdOp};
use crate::strided::broadcast_strides;

/// Elements of a block: 16 KiB of float32.
const BLOCK: usize = 4096;

/// Count, mean and sum of squared deviations of some elements.
#[derive(Clone, Copy, Default)]
struct Moments {
    n: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn merge(self, other: Self) -> Self {
        if other.n == 0.0 {
            return self;
        }
        let n = self.n + other.n;
        let delta = other.mean - self.mean;
        Self {
            n,
            mean: self.mean + delta * other.n / n,
            squares: self.squares + other.squares + delta * delta * self.n * other.n / n,
        }
    }

    fn of(isa: Isa, values: &[f32]) -> Self {
        values.chunks(BLOCK).map(|block| isa.dispatch(Block(block))).fold(Self::default(), Self::merge)
    }

    /// Factor and shift that bring the elements to mean 0 and variance 1, then to `scale` and `bias`.
    fn affine(self, epsilon: f32, scale: f32, bias: f32) -> (f32, f32) {
        let inverse = f64::from(scale) / (self.squares / self.n.max(1.0) + f64::from(epsilon)).sqrt();
        (inverse as f32, (f64::from(bias) - self.mean * inverse) as f32)
    }
}

/// Moments of one block.
struct Block<'a>(&'a [f32]);

impl SimdOp for Block<'_> {
    type Output = Moments;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Moments {
        let n = self.0.len();
        let body = n - n % (4 * S::LANES);
        let rest = &self.0[body..];
        // Four chains hide the latency of additions; each adds at most 256 elements.
        let mut sums = [s.splat(0.0); 4];
        for i in (0..body).step_by(4 * S::LANES) {
            for (j, sum) in sums.iter_mut().enumerate() {
                // SAFETY: `body` is a multiple of four vectors and at most the length.
                *sum = s.add(*sum, unsafe { s.load(self.0.as_ptr().add(i + j * S::LANES)) });
            }
        }
        let mut total = 0.0;
        for sum in sums {
            total += f64::from(s.sum(sum));
        }
        for &x in rest {
            total += f64::from(x);
        }
        let mean = total / n.max(1) as f64;
        let centre = mean as f32;
        let around = s.splat(centre);
        let mut sums = [s.splat(0.0); 4];
        for i in (0..body).step_by(4 * S::LANES) {
            for (j, sum) in sums.iter_mut().enumerate() {
                // SAFETY: as above.
                let d = s.sub(unsafe { s.load(self.0.as_ptr().add(i + j * S::LANES)) }, around);
                *sum = s.fma(d, d, *sum);
            }
        }
        let mut squares = 0.0;
        for sum in sums {
            squares += f64::from(s.sum(sum));
        }
        for &x in rest {
            squares += f64::from((x - centre) * (x - centre));
        }
        Moments { n: n as f64, mean, squares }
    }
}

/// `activation(factor x + shift)` into `dst`. Made below only, from slices of `n` elements that are equal or disjoint.
struct Affine {
    src: *const f32,
    dst: *mut f32,
    n: usize,
    factor: f32,
    shift: f32,
    activation: Option<Activation>,
}

impl SimdOp for Affine {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Affine { src, dst, n, factor, shift, activation } = self;
        // SAFETY: by construction of `Affine`.
        with_activation!(activation, f => unsafe { map(s, src, dst, n, function::Affine(factor, shift, f)) })
    }
}

/// Parameters of instance and group normalisation.
#[derive(Clone, Copy)]
pub struct Groups {
    /// Channels of the tensor.
    pub channels: usize,
    /// Elements of one channel of one image.
    pub plane: usize,
    /// Groups of neighbouring channels; as many as channels for instance normalisation.
    pub groups: usize,
    /// Added to the variance.
    pub epsilon: f32,
    /// Applied last.
    pub activation: Option<Activation>,
}

/// Normalises `x`, or `out` in place when there is no `x`, in groups of channels.
pub fn groups(context: &Context<'_>, p: Groups, x: Option<&[f32]>, scale: &[f32], bias: &[f32], out: &mut [f32]) {
    let len = out.len();
    let shared = Shared::new(out);
    // SAFETY: nothing is written through `shared` before the second pass, which reads the elements that it writes next.
    let source = x.unwrap_or_else(|| unsafe { shared.slice(0, len) });
    let plane = p.plane;
    let run = p.channels / p.groups.max(1) * plane;
    if run == 0 {
        return;
    }
    let moments = moments(context, run, source);

    // Second pass: equal pieces of each channel.
    let planes = len / plane;
    let pieces = self::pieces(context, planes, plane);
    let piece = plane.div_ceil(pieces);
    let base = source.as_ptr() as usize;
    context.threads.for_each(planes * pieces, |_, unit| {
        let (c, i) = (unit / pieces, unit % pieces);
        let (from, to) = ((i * piece).min(plane), ((i + 1) * piece).min(plane));
        let channel = c % p.channels;
        let (factor, shift) = moments[c * plane / run].affine(p.epsilon, scale[channel], bias[channel]);
        let at = c * plane + from;
        // The address, since `source` may be the output itself, which other threads are writing by now.
        let src = (base as *const f32).wrapping_add(at);
        let dst = shared.pointer(at);
        context.isa.dispatch(Affine { src, dst, n: to - from, factor, shift, activation: p.activation });
    });
}

/// Writes the factors and then the shifts, one an image and channel, with which `factor x + shift` is [`groups`].
pub fn affine(context: &Context<'_>, p: Groups, x: &[f32], scale: &[f32], bias: &[f32], out: &mut [f32]) {
    let per_group = p.channels / p.groups.max(1);
    let (factors, shifts) = out.split_at_mut(out.len() / 2);
    let moments = moments(context, per_group * p.plane, x);
    for (i, (factor, shift)) in factors.iter_mut().zip(shifts).enumerate() {
        let channel = i % p.channels;
        let moments = moments.get(i / per_group).copied().unwrap_or_default();
        (*factor, *shift) = moments.affine(p.epsilon, scale[channel], bias[channel]);
    }
}

/// The moments of each run of `run` elements, taken of equal pieces of it.
fn moments(context: &Context<'_>, run: usize, source: &[f32]) -> Vec<Moments> {
    if run == 0 {
        return Vec::new();
    }
    let runs = source.len() / run;
    let pieces = self::pieces(context, runs, run);
    let piece = run.div_ceil(pieces).next_multiple_of(BLOCK);
    let mut moments = vec![Moments::default(); runs * pieces];
    {
        let moments = Shared::new(&mut moments);
        context.threads.for_each(runs * pieces, |_, unit| {
            let (r, i) = (unit / pieces, unit % pieces);
            let (from, to) = ((i * piece).min(run), ((i + 1) * piece).min(run));
            let part = Moments::of(context.isa, &source[r * run + from..r * run + to]);
            // SAFETY: each unit writes an element of its own.
            unsafe { moments.write(unit, part) };
        });
    }
    moments.chunks(pieces).map(|m| m.iter().copied().fold(Moments::default(), Moments::merge)).collect()
}

/// Into how many pieces each of `runs` runs of `length` elements is cut to keep every thread busy.
fn pieces(context: &Context<'_>, runs: usize, length: usize) -> usize {
    let wanted = if context.threads.count() == 1 { 1 } else { (4 * context.threads.count()).div_ceil(runs.max(1)) };
    (length / (4 * BLOCK)).clamp(1, wanted)
}

/// Normalises rows of the size of `scale` (already spread over the normalised axes).
pub fn layer(
    context: &Context<'_>,
    epsilon: f32,
    x: Option<&[f32]>,
    scale: &[f32],
    bias: Option<&[f32]>,
    out: &mut [f32],
) {
    let run = scale.len();
    if run == 0 {
        return;
    }
    let rows = (4 * BLOCK / run).max(1);
    context.threads.for_chunks(out, rows * run, |i, out| {
        if let Some(x) = x {
            out.copy_from_slice(&x[i * rows * run..][..out.len()]);
        }
        for row in out.chunks_mut(run) {
            let (factor, shift) = Moments::of(context.isa, row).affine(epsilon, 1.0, 0.0);
            context.isa.dispatch(Row { row, factor, shift, scale, bias });
        }
    });
}

/// `(factor x + shift) scale + bias` in place; all slices of one length.
struct Row<'a> {
    row: &'a mut [f32],
    factor: f32,
    shift: f32,
    scale: &'a [f32],
    bias: Option<&'a [f32]>,
}

impl SimdOp for Row<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Row { row, factor, shift, scale, bias } = self;
        match bias {
            Some(bias) => {
                for ((v, s), b) in row.iter_mut().zip(scale).zip(bias) {
                    *v = (*v * factor + shift) * s + b;
                }
            }
            None => row.iter_mut().zip(scale).for_each(|(v, s)| *v = (*v * factor + shift) * s),
        }
    }
}

/// `values`, broadcast to `shape`.
pub fn spread(values: TensorView<'_>, shape: &[usize]) -> Option<Vec<f32>> {
    let data = values.as_f32()?;
    let steps = broadcast_strides(values.shape(), shape);
    let n: usize = shape.iter().product();
    let at = |mut i: usize| {
        let mut offset = 0;
        for (size, step) in shape.iter().zip(&steps).rev() {
            offset += i % size * step;
            i /= size;
        }
        offset
    };
    Some((0..n).map(|i| data[at(i)]).collect())
}
