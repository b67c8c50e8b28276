//! Functions of one argument.

use netra_graph::{Activation, DataView, Unary};

use crate::Context;
use crate::region::DataMut;
use crate::simd::map::{map, with_activation};
use crate::simd::{Simd, SimdOp, function};

/// Elements that one thread takes at a time: 64 KiB of float32.
const CHUNK: usize = 16 * 1024;

macro_rules! integer {
    ($context:expr, $op:expr, $x:expr, $out:expr, $variant:ident, $t:ty) => {{
        let f: Option<fn($t) -> $t> = match $op {
            Unary::Abs => Some(<$t>::wrapping_abs),
            Unary::Neg => Some(<$t>::wrapping_neg),
            Unary::Sign => Some(<$t>::signum),
            _ => None,
        };
        match (f, $x) {
            (Some(f), Some(DataView::$variant(x))) => {
                each($context, x, $out, f);
                true
            }
            (Some(f), None) => {
                $context.threads.for_chunks($out, CHUNK, |_, out| out.iter_mut().for_each(|v| *v = f(*v)));
                true
            }
            _ => false,
        }
    }};
}

/// `op` of `x` into `out`, or of `out` in place when there is no `x`. Returns whether the element types are known.
pub fn unary(context: &Context<'_>, op: Unary, x: Option<DataView<'_>>, out: &mut DataMut<'_>) -> bool {
    match (x, out) {
        (Some(DataView::F32(x)), DataMut::F32(out)) => context.threads.for_chunks(out, CHUNK, |i, out| {
            let x = &x[i * CHUNK..][..out.len()];
            context.isa.dispatch(Pass { op, src: x.as_ptr(), dst: out.as_mut_ptr(), n: out.len() });
        }),
        (None, DataMut::F32(out)) => context.threads.for_chunks(out, CHUNK, |_, out| {
            let dst = out.as_mut_ptr();
            context.isa.dispatch(Pass { op, src: dst, dst, n: out.len() });
        }),
        (Some(DataView::F32(x)), DataMut::Bool(out)) if op == Unary::IsNaN => each(context, x, out, f32::is_nan),
        (Some(DataView::Bool(x)), DataMut::Bool(out)) if op == Unary::Not => each(context, x, out, |v| !v),
        (None, DataMut::Bool(out)) if op == Unary::Not => {
            context.threads.for_chunks(out, CHUNK, |_, out| out.iter_mut().for_each(|v| *v = !*v));
        }
        (x, DataMut::I64(out)) => return integer!(context, op, x, out, I64, i64),
        (x, DataMut::I32(out)) => return integer!(context, op, x, out, I32, i32),
        (x, DataMut::I8(out)) => return integer!(context, op, x, out, I8, i8),
        (x, DataMut::U8(out)) => {
            let f: fn(u8) -> u8 = match op {
                Unary::Abs => |v| v,
                Unary::Neg => u8::wrapping_neg,
                Unary::Sign => |v| v.min(1),
                _ => return false,
            };
            match x {
                Some(DataView::U8(x)) => each(context, x, out, f),
                None => context.threads.for_chunks(out, CHUNK, |_, out| out.iter_mut().for_each(|v| *v = f(*v))),
                _ => return false,
            }
        }
        _ => return false,
    }
    true
}

/// `f` of each element of `x`.
pub fn each<T: Copy + Sync, U: Send>(context: &Context<'_>, x: &[T], out: &mut [U], f: impl Fn(T) -> U + Sync) {
    context.threads.for_chunks(out, CHUNK, |i, out| {
        for (to, &v) in out.iter_mut().zip(&x[i * CHUNK..]) {
            *to = f(v);
        }
    });
}

/// Whether [`unary`] knows a function of float32.
pub fn knows(op: Unary) -> bool {
    use Unary::*;
    match op {
        Activation(a) => crate::simd::map::knows(a),
        Abs | Neg | Exp | Log | Sqrt | Reciprocal | Floor | Ceil | Round | Sign | Erf | Tanh | Sin | Cos | Softplus => {
            true
        }
        Softsign | HardSigmoid(..) | Selu(..) | Mish | Gelu | GeluTanh | Not | IsNaN => true,
        _ => false,
    }
}

/// Made above only, from slices: `src` and `dst` have `n` elements each and are equal or do not overlap.
struct Pass {
    op: Unary,
    src: *const f32,
    dst: *mut f32,
    n: usize,
}

impl SimdOp for Pass {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Pass { op, src, dst, n } = self;
        macro_rules! vector {
            ($f:expr) => {
                // SAFETY: by construction of `Pass`.
                unsafe { map(s, src, dst, n, $f) }
            };
        }
        match op {
            Unary::Activation(a) => with_activation!(Some(a), f => vector!(f)),
            Unary::Abs => vector!(function::Abs),
            Unary::Neg => vector!(function::Neg),
            Unary::Exp => vector!(function::Exp),
            Unary::Sqrt => vector!(function::Sqrt),
            Unary::Reciprocal => vector!(function::Reciprocal),
            Unary::Round => vector!(function::Round),
            Unary::Erf => vector!(function::Erf),
            Unary::Tanh => vector!(function::Tanh),
            Unary::Softsign => vector!(function::Softsign),
            Unary::HardSigmoid(a, b) => vector!(function::HardSigmoid(a, b)),
            Unary::Selu(a, g) => vector!(function::Selu(a, g)),
            Unary::Gelu => vector!(function::Gelu),
            Unary::GeluTanh => vector!(function::GeluTanh),
            Unary::Log => self.scalar(f32::ln),
            Unary::Floor => self.scalar(f32::floor),
            Unary::Ceil => self.scalar(f32::ceil),
            Unary::Sin => self.scalar(f32::sin),
            Unary::Cos => self.scalar(f32::cos),
            Unary::Softplus => self.scalar(softplus),
            Unary::Mish => self.scalar(|x| x * softplus(x).tanh()),
            Unary::Sign => self.scalar(|x| if x == 0.0 || x.is_nan() { x } else { x.signum() }),
            // `unsupported` refuses the rest before anything runs.
            _ => {}
        }
    }
}

impl Pass {
    #[inline(always)]
    fn scalar(&self, f: impl Fn(f32) -> f32) {
        for i in 0..self.n {
            // SAFETY: by construction of `Pass`.
            unsafe { self.dst.add(i).write(f(*self.src.add(i))) };
        }
    }
}

fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
