//! Element-wise passes over slices.

use netra_graph::Activation;

use super::function::{Function, Function2, OfSum};
use super::{Simd, SimdOp};
use crate::isa::Isa;
use crate::parallel::Shared;

/// Applies `f` to `n` elements of `src`, into `dst`.
///
/// # Safety
/// `src` is readable and `dst` writable for `n` elements; they are the same or do not overlap.
#[inline(always)]
pub unsafe fn map<S: Simd>(s: S, src: *const f32, dst: *mut f32, n: usize, f: impl Function<S>) {
    let mut i = 0;
    while i + S::LANES <= n {
        // SAFETY: `i + LANES <= n`.
        unsafe { s.store(dst.add(i), f.call(s, s.load(src.add(i)))) };
        i += S::LANES;
    }
    if i < n {
        // SAFETY: `n - i` elements remain, fewer than `LANES`.
        unsafe { s.store_part(dst.add(i), n - i, f.call(s, s.load_part(src.add(i), n - i))) };
    }
}

/// Applies `f` to pairs of elements of `a` and `b`, into `dst`.
///
/// # Safety
/// As for [`map`], with two sources.
#[inline(always)]
pub unsafe fn zip<S: Simd>(s: S, a: *const f32, b: *const f32, dst: *mut f32, n: usize, f: impl Function2<S>) {
    let mut i = 0;
    while i + S::LANES <= n {
        // SAFETY: `i + LANES <= n`.
        unsafe { s.store(dst.add(i), f.call(s, s.load(a.add(i)), s.load(b.add(i)))) };
        i += S::LANES;
    }
    if i < n {
        // SAFETY: `n - i` elements remain, fewer than `LANES`.
        unsafe {
            let v = f.call(s, s.load_part(a.add(i), n - i), s.load_part(b.add(i), n - i));
            s.store_part(dst.add(i), n - i, v);
        }
    }
}

/// As [`map`], and gives the sum of the results. They are added up on their way: reading them after they were written would wait
/// for all that was written before.
///
/// # Safety
/// As for [`map`].
#[inline(always)]
pub unsafe fn map_sum<S: Simd>(s: S, src: *const f32, dst: *mut f32, n: usize, f: impl Function<S>) -> f32 {
    let mut chains = [s.splat(0.0); 4];
    let mut i = 0;
    while i < n {
        for chain in &mut chains {
            let count = S::LANES.min(n - i);
            // SAFETY: `i + count <= n`, and no vector has more than sixteen lanes.
            *chain = s.add(*chain, unsafe {
                if count == S::LANES {
                    let v = f.call(s, s.load(src.add(i)));
                    s.store(dst.add(i), v);
                    v
                } else {
                    let mut lanes = [0.0f32; 16];
                    let v = f.call(s, s.load_part(src.add(i), count));
                    s.store_part(dst.add(i), count, v);
                    s.store(lanes.as_mut_ptr(), v);
                    s.load_part(lanes.as_ptr(), count)
                }
            });
            i += count;
        }
    }
    s.sum(s.add(s.add(chains[0], chains[1]), s.add(chains[2], chains[3])))
}

/// Runs `$body` with `$f` bound to the [`Function`] of an optional activation: the match stays outside the loop.
macro_rules! with_activation {
    ($activation:expr, $f:ident => $body:expr) => {{
        use $crate::simd::function;
        match $activation {
            None => {
                let $f = function::Identity;
                $body
            }
            Some(Activation::Relu) => {
                let $f = function::Relu;
                $body
            }
            Some(Activation::LeakyRelu(alpha)) => {
                let $f = function::LeakyRelu(alpha);
                $body
            }
            Some(Activation::Elu(alpha)) => {
                let $f = function::Elu(alpha);
                $body
            }
            Some(Activation::Sigmoid) => {
                let $f = function::Sigmoid;
                $body
            }
            Some(Activation::Silu) => {
                let $f = function::Silu;
                $body
            }
            Some(Activation::HardSwish) => {
                let $f = function::HardSwish;
                $body
            }
            Some(Activation::Clip(low, high)) => {
                let $f = function::Clip(low, high);
                $body
            }
            // `Activation` may grow; `unsupported` refuses what is not listed here before anything runs.
            Some(_) => {
                let $f = function::Identity;
                $body
            }
        }
    }};
}
pub(crate) use with_activation;

/// Whether [`with_activation`] knows an activation.
pub fn knows(activation: Activation) -> bool {
    use Activation::*;
    matches!(activation, Relu | LeakyRelu(_) | Elu(_) | Sigmoid | Silu | HardSwish | Clip(..))
}

/// What a convolution reads.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// `N, C, spatial...`.
    pub x: &'a [f32],
    /// What is done to each element that is read.
    pub affine: Option<ChannelAffine<'a>>,
}

impl<'a> Source<'a> {
    /// Some channels, of `plane` elements each, counted through all images.
    pub fn part(&self, first: usize, channels: usize, plane: usize) -> Self {
        let affine = self.affine.map(|a| a.part(first, channels));
        Self { x: &self.x[first * plane..][..channels * plane], affine }
    }
}

/// `activation(factor x + shift)`, one factor and shift an image and channel.
#[derive(Clone, Copy)]
pub struct ChannelAffine<'a> {
    /// Factors.
    pub factors: &'a [f32],
    /// Shifts; none are zeros.
    pub shifts: &'a [f32],
    /// Applied last.
    pub activation: Option<Activation>,
}

impl ChannelAffine<'_> {
    /// Of some channels, counted through all images.
    pub fn part(self, first: usize, channels: usize) -> Self {
        let shifts = self.shifts.get(first..first + channels).unwrap_or_default();
        Self { factors: &self.factors[first..][..channels], shifts, ..self }
    }

    /// Factor and shift of a channel.
    pub fn at(&self, i: usize) -> (f32, f32) {
        (self.factors[i], self.shifts.get(i).copied().unwrap_or(0.0))
    }
}

/// What is added before an activation.
#[derive(Clone, Copy)]
pub enum Residual<'a> {
    /// Nothing.
    None,
    /// A tensor of the output's size.
    Tensor(&'a [f32]),
    /// What the output holds already.
    Output,
}

/// The last thing a convolution does to its results.
#[derive(Clone, Copy)]
pub struct Finish<'a> {
    /// Added first.
    pub residual: Residual<'a>,
    /// Applied then.
    pub activation: Option<Activation>,
}

/// Rows of equal length: `n` elements each, `count` of them, `step` apart.
#[derive(Clone, Copy)]
pub struct Rows {
    /// Rows.
    pub count: usize,
    /// Elements of each.
    pub n: usize,
    /// Distance of neighbours in the source.
    pub from_step: usize,
    /// Distance of neighbours in the output.
    pub to_step: usize,
}

impl Finish<'_> {
    /// Finishes `from` into `out`, which starts at element `at` of the whole output.
    pub fn run(&self, isa: Isa, from: &[f32], at: usize, out: &mut [f32]) {
        let n = from.len().min(out.len());
        let rows = Rows { count: 1, n, from_step: 0, to_step: 0 };
        // SAFETY: `n` elements of both are at hand.
        unsafe { self.pass(isa, rows, from.as_ptr(), at, out.as_mut_ptr()) }
    }

    /// Activates `from` into `out`, and gives the sum of the results. Adds no residual.
    pub fn sum(&self, isa: Isa, from: &[f32], out: &mut [f32]) -> f32 {
        isa.dispatch(Sum { from, out, activation: self.activation })
    }

    /// Finishes some rows of `from` into rows of the output, the first of which starts at element `at`.
    ///
    /// # Safety
    /// The rows lie inside `out`, and nobody else uses them at the time.
    pub unsafe fn rows(&self, isa: Isa, rows: Rows, from: &[f32], at: usize, out: &Shared<f32>) {
        let Some(last) = rows.count.checked_sub(1) else { return };
        assert!(last * rows.from_step + rows.n <= from.len());
        // SAFETY: asserted, and the caller's promise.
        unsafe { self.pass(isa, rows, from.as_ptr(), at, out.pointer(at)) }
    }

    /// # Safety
    /// All rows can be read at `from` and written at `dst`, and no two of them overlap.
    unsafe fn pass(&self, isa: Isa, rows: Rows, from: *const f32, at: usize, dst: *mut f32) {
        let residual = match self.residual {
            Residual::None => None,
            Residual::Tensor(t) => Some(t[at..at + (rows.count - 1) * rows.to_step + rows.n].as_ptr()),
            Residual::Output => Some(dst.cast_const()),
        };
        isa.dispatch(Pass { src: from, residual, dst, rows, activation: self.activation });
    }

    /// Applies the activation to `values`.
    pub fn in_place(&self, isa: Isa, values: &mut [f32]) {
        activate(isa, self.activation, values);
    }
}

/// Applies an activation to `values`.
pub fn activate(isa: Isa, activation: Option<Activation>, values: &mut [f32]) {
    if activation.is_some() {
        let dst = values.as_mut_ptr();
        let rows = Rows { count: 1, n: values.len(), from_step: 0, to_step: 0 };
        isa.dispatch(Pass { src: dst, residual: None, dst, rows, activation });
    }
}

struct Sum<'a> {
    from: &'a [f32],
    out: &'a mut [f32],
    activation: Option<Activation>,
}

impl SimdOp for Sum<'_> {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let Self { from, out, activation } = self;
        assert_eq!(from.len(), out.len());
        // SAFETY: two slices of one length, as asserted.
        with_activation!(activation, f => unsafe { map_sum(s, from.as_ptr(), out.as_mut_ptr(), out.len(), f) })
    }
}

/// Made above only: all rows can be read at `src` and, like `dst`, at `residual`, and written at `dst`; they equal those at
/// `dst` or do not overlap them.
struct Pass {
    src: *const f32,
    residual: Option<*const f32>,
    dst: *mut f32,
    rows: Rows,
    activation: Option<Activation>,
}

impl SimdOp for Pass {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Pass { src, residual, dst, rows, activation } = self;
        with_activation!(activation, f => for row in 0..rows.count {
            // SAFETY: by construction of `Pass`.
            unsafe {
                let (src, dst) = (src.add(row * rows.from_step), dst.add(row * rows.to_step));
                match residual {
                    None => map(s, src, dst, rows.n, f),
                    Some(r) => zip(s, src, r.add(row * rows.to_step), dst, rows.n, OfSum(f)),
                }
            }
        })
    }
}
