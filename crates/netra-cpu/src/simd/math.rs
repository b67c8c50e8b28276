//! Elementary functions on vectors. The polynomials were fitted for this file (minimax by reweighted least squares on
//! Chebyshev nodes); errors against float64 are checked by the tests below.

// The coefficients are given with all digits of the fit; float32 rounds them.
#![allow(clippy::excessive_precision)]

use super::Simd;

/// The polynomial with the coefficients `c`, lowest degree first, by Horner's rule.
#[inline(always)]
pub fn polynomial<S: Simd, const N: usize>(s: S, x: S::V, c: [f32; N]) -> S::V {
    let mut sum = s.splat(c[N - 1]);
    for i in (0..N - 1).rev() {
        sum = s.fma(sum, x, s.splat(c[i]));
    }
    sum
}

/// `e^x` over the whole range of float32, subnormal results, infinities and NaN included.
#[inline(always)]
pub fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    // With the constant first, NaN passes through both.
    let x = s.max(s.splat(-104.0), s.min(s.splat(89.0), x));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    // x - n ln 2, with ln 2 in two parts of which the first has few bits, so that its product with n is exact.
    let r = s.fma(n, s.splat(-0.693_359_375), x);
    let r = s.fma(n, s.splat(2.121_944_400_546_905_8e-4), r);
    let tail = polynomial(
        s,
        r,
        [0.5000000095138298, 0.16666518887707013, 0.04166620595412354, 0.008368883566428306, 0.0013950480974730894],
    );
    let p = s.fma(s.mul(r, r), tail, s.add(r, s.splat(1.0)));
    s.scale(p, n)
}

/// `2^x` for `x` in -126..=126, by a polynomial over [-1/2, 1/2].
#[inline(always)]
pub fn exp2<S: Simd>(s: S, x: S::V) -> S::V {
    let n = s.round(x);
    let p = polynomial(
        s,
        s.sub(x, n),
        [
            1.0000000005541687,
            0.6931472057372627,
            0.24022646890620103,
            0.055503287769744544,
            0.009618488958614418,
            0.0013399931216266613,
            0.0001534581160124726,
        ],
    );
    s.mul(p, s.exp2_whole(n))
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub fn sigmoid<S: Simd>(s: S, x: S::V) -> S::V {
    let e = exp(s, s.sub(s.splat(0.0), x));
    s.div(s.splat(1.0), s.add(s.splat(1.0), e))
}

/// `x / (1 + e^-x)`, with an error below 1e-6 of the result or of 1e-6, whichever is larger.
#[inline(always)]
pub fn silu<S: Simd>(s: S, x: S::V) -> S::V {
    // e^-x is a power of two, kept where one plus it has a reciprocal. With the constant first, NaN passes through both.
    let t = s.mul(x, s.splat(-std::f32::consts::LOG2_E));
    let t = s.max(s.splat(-126.0), s.min(s.splat(125.0), t));
    s.mul(x, s.reciprocal(s.add(s.splat(1.0), s.exp2(t))))
}

/// Hyperbolic tangent.
#[inline(always)]
pub fn tanh<S: Simd>(s: S, x: S::V) -> S::V {
    let a = s.abs(x);
    let u = s.mul(x, x);
    let near = s.mul(
        a,
        polynomial(
            s,
            u,
            [
                0.9999999976433027,
                -0.33333285085745945,
                0.13331729457114966,
                -0.05377184716897112,
                0.020763587774497855,
                -0.005863219340030949,
            ],
        ),
    );
    // 1 - 2 / (e^2a + 1), which is 1 where e^2a is infinite.
    let e = exp(s, s.add(a, a));
    let far = s.sub(s.splat(1.0), s.div(s.splat(2.0), s.add(e, s.splat(1.0))));
    s.copysign(s.select_ge(a, s.splat(0.6), far, near), x)
}

/// The error function: `x P(x^2)` below 1, `1 - e^Q(x)` beyond.
#[inline(always)]
pub fn erf<S: Simd>(s: S, x: S::V) -> S::V {
    let a = s.abs(x);
    let near = s.mul(
        a,
        polynomial(
            s,
            s.mul(x, x),
            [
                1.1283791659137696,
                -0.37612627136080645,
                0.11283600177595221,
                -0.02685444464916998,
                0.005189535450130789,
                -0.0008020842267351114,
                7.88912283180565e-05,
            ],
        ),
    );
    // Beyond 4 float32 cannot tell erf from 1. With the constant first, NaN passes.
    let b = s.min(s.splat(4.0), a);
    let log_erfc = polynomial(
        s,
        b,
        [
            0.000204358099903601,
            -1.1296611476775282,
            -0.6330396335794504,
            -0.10863897131696791,
            0.025373535302673694,
            -0.004282372704482875,
            0.00046378507119326947,
            -2.5314318232275142e-05,
            2.512917113286473e-07,
        ],
    );
    let far = s.sub(s.splat(1.0), exp(s, log_erfc));
    s.copysign(s.select_ge(a, s.splat(1.0), far, near), x)
}

/// `x/2 (1 + erf(x / sqrt 2))`.
#[inline(always)]
pub fn gelu<S: Simd>(s: S, x: S::V) -> S::V {
    let e = erf(s, s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2)));
    s.mul(s.mul(s.splat(0.5), x), s.add(s.splat(1.0), e))
}

/// The tanh approximation of [`gelu`].
#[inline(always)]
pub fn gelu_tanh<S: Simd>(s: S, x: S::V) -> S::V {
    let cubic = s.fma(s.mul(s.mul(x, x), x), s.splat(0.044715), x);
    // sqrt(2 / pi)
    let t = tanh(s, s.mul(cubic, s.splat(0.797_884_6)));
    s.mul(s.mul(s.splat(0.5), x), s.add(s.splat(1.0), t))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::{InstructionSet, Isa};
    use crate::simd::SimdOp;
    use netra_graph::{Kernel, ProgramBuilder, Tensor, Unary, eval};

    #[derive(Clone, Copy)]
    enum Function {
        Exp,
        Tanh,
        Erf,
        Sigmoid,
        Silu,
    }

    struct Apply<'a>(Function, &'a mut [f32]);

    impl SimdOp for Apply<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            let Apply(function, values) = self;
            for chunk in values.chunks_exact_mut(S::LANES) {
                // SAFETY: a chunk holds one vector.
                unsafe {
                    let v = s.load(chunk.as_ptr());
                    let y = match function {
                        Function::Exp => exp(s, v),
                        Function::Tanh => tanh(s, v),
                        Function::Erf => erf(s, v),
                        Function::Sigmoid => sigmoid(s, v),
                        Function::Silu => silu(s, v),
                    };
                    s.store(chunk.as_mut_ptr(), y);
                }
            }
        }
    }

    /// Largest error over `inputs` in units in the last place of the exact result.
    fn worst(function: Function, inputs: &[f32], exact: impl Fn(f32) -> f64) -> f64 {
        let mut worst = 0.0f64;
        for set in InstructionSet::available() {
            let mut values = inputs.to_vec();
            Isa::new(set).unwrap().dispatch(Apply(function, &mut values));
            for (&x, &y) in inputs.iter().zip(&values) {
                let want = exact(x);
                let ulp = f64::from((want as f32).abs().next_up() - (want as f32).abs()).max(1e-45);
                worst = worst.max((f64::from(y) - want).abs() / ulp);
            }
        }
        worst
    }

    fn range(low: f32, high: f32) -> Vec<f32> {
        let n = 1 << 16;
        (0..n).map(|i| low + (high - low) * i as f32 / n as f32).collect()
    }

    /// The reference evaluator's error function, in float32: half a unit off at most.
    fn exact_erf(x: &[f32]) -> Vec<f32> {
        let mut b = ProgramBuilder::new();
        let input = b.input("x", netra_graph::DType::F32, &[x.len()]);
        let out = b.step("erf", Kernel::Unary(Unary::Erf), &[Some(input)], netra_graph::DType::F32, &[x.len()]);
        let x = Tensor::from_f32([x.len()], x.to_vec()).unwrap();
        eval::run(&b.finish(vec![out]), &[x.view()]).unwrap()[0].as_f32().unwrap().to_vec()
    }

    #[test]
    fn errors_stay_within_a_few_units_in_the_last_place() {
        let exp_error = worst(Function::Exp, &range(-103.0, 88.7), |x| f64::from(x).exp());
        assert!(exp_error < 2.0, "exp {exp_error}");
        let tanh_error = worst(Function::Tanh, &range(-10.0, 10.0), |x| f64::from(x).tanh());
        assert!(tanh_error < 3.0, "tanh {tanh_error}");
        let sigmoid_error = worst(Function::Sigmoid, &range(-80.0, 20.0), |x| 1.0 / (1.0 + (-f64::from(x)).exp()));
        assert!(sigmoid_error < 4.0, "sigmoid {sigmoid_error}");
        let inputs = range(-5.0, 5.0);
        let want = exact_erf(&inputs);
        let lookup = |x: f32| f64::from(want[inputs.partition_point(|&v| v < x)]);
        let erf_error = worst(Function::Erf, &inputs, lookup);
        assert!(erf_error < 3.0, "erf {erf_error}");
    }

    #[test]
    fn silu_is_close_enough_for_an_activation() {
        let inputs = range(-40.0, 40.0);
        for set in InstructionSet::available() {
            let mut values = inputs.clone();
            Isa::new(set).unwrap().dispatch(Apply(Function::Silu, &mut values));
            for (&x, &y) in inputs.iter().zip(&values) {
                let want = f64::from(x) / (1.0 + (-f64::from(x)).exp());
                let error = (f64::from(y) - want).abs();
                assert!(error <= 1e-6 * want.abs().max(1e-6), "{x} on {set}: {y} for {want}");
            }
        }
    }

    #[test]
    fn special_values_follow_ieee() {
        let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 200.0, -200.0, 1e-30];
        let mut inputs = special.to_vec();
        inputs.extend(special);
        for set in InstructionSet::available() {
            let run = |f| {
                let mut values = inputs.clone();
                Isa::new(set).unwrap().dispatch(Apply(f, &mut values));
                values
            };
            let e = run(Function::Exp);
            assert!(e[0].is_nan());
            assert_eq!(e[1..8], [f32::INFINITY, 0.0, 1.0, 1.0, f32::INFINITY, 0.0, 1.0]);
            for f in [Function::Tanh, Function::Erf] {
                let v = run(f);
                assert!(v[0].is_nan());
                assert_eq!(v[1..7], [1.0, -1.0, 0.0, -0.0, 1.0, -1.0]);
                assert!(v[4].is_sign_negative());
            }
            let v = run(Function::Sigmoid);
            assert!(v[0].is_nan());
            assert_eq!(v[1..7], [1.0, 0.0, 0.5, 0.5, 1.0, 0.0]);
        }
    }
}
