//! Element-wise passes over slices.

use netra_graph::Activation;

use super::function::{Function, Function2, OfSum};
use super::{Simd, SimdOp};
use crate::isa::Isa;

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
        let mut rest = [0.0f32; 16];
        // SAFETY: `n - i` elements remain, fewer than `LANES`, which is 16 at most.
        unsafe {
            std::ptr::copy_nonoverlapping(src.add(i), rest.as_mut_ptr(), n - i);
            let v = f.call(s, s.load(rest.as_ptr()));
            s.store(rest.as_mut_ptr(), v);
            std::ptr::copy_nonoverlapping(rest.as_ptr(), dst.add(i), n - i);
        }
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
        let (mut x, mut y) = ([0.0f32; 16], [0.0f32; 16]);
        // SAFETY: `n - i` elements remain, fewer than `LANES`, which is 16 at most.
        unsafe {
            std::ptr::copy_nonoverlapping(a.add(i), x.as_mut_ptr(), n - i);
            std::ptr::copy_nonoverlapping(b.add(i), y.as_mut_ptr(), n - i);
            let v = f.call(s, s.load(x.as_ptr()), s.load(y.as_ptr()));
            s.store(x.as_mut_ptr(), v);
            std::ptr::copy_nonoverlapping(x.as_ptr(), dst.add(i), n - i);
        }
    }
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

impl Finish<'_> {
    /// Finishes `from` into `out`, which starts at element `at` of the whole output.
    pub fn run(&self, isa: Isa, from: &[f32], at: usize, out: &mut [f32]) {
        let n = from.len().min(out.len());
        let dst = out.as_mut_ptr();
        let residual = match self.residual {
            Residual::None => None,
            Residual::Tensor(t) => Some(t[at..at + n].as_ptr()),
            Residual::Output => Some(dst.cast_const()),
        };
        isa.dispatch(Pass { src: from.as_ptr(), residual, dst, n, activation: self.activation });
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
        isa.dispatch(Pass { src: dst, residual: None, dst, n: values.len(), activation });
    }
}

/// Made above only, from slices: `src`, `residual` and `dst` have `n` elements each, and the first two equal `dst` or do
/// not overlap it.
struct Pass {
    src: *const f32,
    residual: Option<*const f32>,
    dst: *mut f32,
    n: usize,
    activation: Option<Activation>,
}

impl SimdOp for Pass {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Pass { src, residual, dst, n, activation } = self;
        with_activation!(activation, f => match residual {
            // SAFETY: by construction of `Pass`.
            None => unsafe { map(s, src, dst, n, f) },
            // SAFETY: by construction of `Pass`.
            Some(r) => unsafe { zip(s, src, r, dst, n, OfSum(f)) },
        })
    }
}
