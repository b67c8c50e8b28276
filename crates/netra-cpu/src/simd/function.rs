//! Element-wise functions as types.
//!
//! Types and not closures: a closure that the compiler declines to inline is compiled without the target features of
//! its caller, and every vector instruction in it becomes a call.

use super::{Simd, math};

/// A function of one element, on vectors.
pub trait Function<S: Simd>: Copy {
    /// Its value.
    fn call(self, s: S, x: S::V) -> S::V;
}

/// A function of two elements, on vectors.
pub trait Function2<S: Simd>: Copy {
    /// Its value.
    fn call(self, s: S, a: S::V, b: S::V) -> S::V;
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident $(($($p:ident),*))?: |$s:ident, $x:ident| $body:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name $(($(pub functions!(@f32 $p)),*))?;

        impl<S: Simd> Function<S> for $name {
            #[inline(always)]
            fn call(self, $s: S, $x: S::V) -> S::V {
                $(let Self($($p),*) = self;)?
                $body
            }
        }
    )*};
    (@f32 $p:ident) => { f32 };
}

functions! {
    /// `x`.
    Identity: |_s, x| x;
    /// `max(x, 0)`.
    Relu: |s, x| s.max(s.splat(0.0), x);
    /// `x >= 0 ? x : a x`.
    LeakyRelu(a): |s, x| s.select_ge(x, s.splat(0.0), x, s.mul(s.splat(a), x));
    /// `x >= 0 ? x : a (e^x - 1)`.
    Elu(a): |s, x| s.select_ge(x, s.splat(0.0), x, s.mul(s.splat(a), s.sub(math::exp(s, x), s.splat(1.0))));
    /// `1 / (1 + e^-x)`.
    Sigmoid: |s, x| math::sigmoid(s, x);
    /// `x / (1 + e^-x)`.
    Silu: |s, x| math::silu(s, x);
    /// `x max(0, min(1, x / 6 + 1/2))`.
    HardSwish: |s, x| s.mul(x, HardSigmoid(1.0 / 6.0, 0.5).call(s, x));
    /// `max(low, min(high, x))`.
    Clip(low, high): |s, x| s.max(s.splat(low), s.min(s.splat(high), x));
    /// Magnitude.
    Abs: |s, x| s.abs(x);
    /// `-x`.
    Neg: |s, x| s.mul(x, s.splat(-1.0));
    /// `e^x`.
    Exp: |s, x| math::exp(s, x);
    /// `e^(x - top)`.
    ExpBelow(top): |s, x| math::exp(s, s.sub(x, s.splat(top)));
    /// Square root.
    Sqrt: |s, x| s.sqrt(x);
    /// `1 / x`.
    Reciprocal: |s, x| s.div(s.splat(1.0), x);
    /// To the nearest integer, ties to even.
    Round: |s, x| s.round(x);
    /// Error function.
    Erf: |s, x| math::erf(s, x);
    /// Hyperbolic tangent.
    Tanh: |s, x| math::tanh(s, x);
    /// `x / (1 + |x|)`.
    Softsign: |s, x| s.div(x, s.add(s.splat(1.0), s.abs(x)));
    /// `max(0, min(1, a x + b))`.
    HardSigmoid(a, b): |s, x| s.max(s.splat(0.0), s.min(s.splat(1.0), s.fma(s.splat(a), x, s.splat(b))));
    /// `g (x >= 0 ? x : a (e^x - 1))`.
    Selu(a, g): |s, x| s.mul(s.splat(g), Elu(a).call(s, x));
    /// `x/2 (1 + erf(x / sqrt 2))`.
    Gelu: |s, x| math::gelu(s, x);
    /// The tanh approximation of it.
    GeluTanh: |s, x| math::gelu_tanh(s, x);
    /// `a x`.
    Scale(a): |s, x| s.mul(x, s.splat(a));
    /// `x - a - b`: the two in turn, for digits.
    Minus(a, b): |s, x| s.sub(s.sub(x, s.splat(a)), s.splat(b));
}

macro_rules! functions2 {
    ($($(#[$doc:meta])* $name:ident: |$s:ident, $a:ident, $b:ident| $body:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name;

        impl<S: Simd> Function2<S> for $name {
            #[inline(always)]
            fn call(self, $s: S, $a: S::V, $b: S::V) -> S::V {
                $body
            }
        }
    )*};
}

functions2! {
    /// `a + b`.
    Add: |s, a, b| s.add(a, b);
    /// `a - b`.
    Sub: |s, a, b| s.sub(a, b);
    /// `a b`.
    Mul: |s, a, b| s.mul(a, b);
    /// `a / b`.
    Div: |s, a, b| s.div(a, b);
    /// `a >= 0 ? a : a b`.
    PRelu: |s, a, b| s.select_ge(a, s.splat(0.0), a, s.mul(a, b));
}

/// `f(factor x + shift)`.
#[derive(Clone, Copy)]
pub struct Affine<F>(pub f32, pub f32, pub F);

impl<S: Simd, F: Function<S>> Function<S> for Affine<F> {
    #[inline(always)]
    fn call(self, s: S, x: S::V) -> S::V {
        self.2.call(s, s.fma(x, s.splat(self.0), s.splat(self.1)))
    }
}

/// `f(a + b)`.
#[derive(Clone, Copy)]
pub struct OfSum<F>(pub F);

impl<S: Simd, F: Function<S>> Function2<S> for OfSum<F> {
    #[inline(always)]
    fn call(self, s: S, a: S::V, b: S::V) -> S::V {
        self.0.call(s, s.add(a, b))
    }
}

/// `f(a, x)` for a fixed first argument.
#[derive(Clone, Copy)]
pub struct First<F>(pub f32, pub F);

impl<S: Simd, F: Function2<S>> Function<S> for First<F> {
    #[inline(always)]
    fn call(self, s: S, x: S::V) -> S::V {
        self.1.call(s, s.splat(self.0), x)
    }
}

/// `f(x, b)` for a fixed second argument.
#[derive(Clone, Copy)]
pub struct Second<F>(pub f32, pub F);

impl<S: Simd, F: Function2<S>> Function<S> for Second<F> {
    #[inline(always)]
    fn call(self, s: S, x: S::V) -> S::V {
        self.1.call(s, x, s.splat(self.0))
    }
}
