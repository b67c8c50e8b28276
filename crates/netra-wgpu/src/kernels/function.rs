//! Functions of one float, where WGSL's built-ins are coarse or differ from driver to driver. Polynomials are those of
//! Cephes' single-precision functions (Moshier 1992) unless said otherwise.

use std::f32::consts::{FRAC_2_PI, FRAC_2_SQRT_PI, FRAC_PI_2, FRAC_PI_4, LN_2, PI};

use cubecl::prelude::*;

/// Not a number, for any `x`. (WGSL has no literal for it, and cubecl folds 0 / 0 to one.)
#[cube]
pub(crate) fn not_a_number(x: f32) -> f32 {
    (-1.0f32 - x.abs()).sqrt()
}

#[cube]
pub(crate) fn softplus(x: f32) -> f32 {
    max(x, 0.0f32) + log_one_plus((-x.abs()).exp())
}

/// `ln(1 + x)` for `x > -1`; near 0 the series of `2 artanh(x / (2 + x))`, where adding 1 would lose digits.
#[cube]
pub(crate) fn log_one_plus(x: f32) -> f32 {
    let s = x / (2.0f32 + x);
    let z = s * s;
    let series = ((((z * 0.11111111f32 + 0.14285715f32) * z + 0.2f32) * z + 0.33333334f32) * z + 1.0f32) * 2.0f32 * s;
    select(x.abs() < 0.5f32, series, (1.0f32 + x).ln())
}

#[cube]
pub(crate) fn tangent_hyperbolic(x: f32) -> f32 {
    let a = x.abs();
    let z = x * x;
    let p = ((-5.7049887e-3f32 * z + 2.063909e-2f32) * z - 5.3739715e-2f32) * z + 1.3331442e-1f32;
    let series = (p * z - 3.333328e-1f32) * z * x + x;
    let far = 1.0f32 - 2.0f32 / ((2.0f32 * a).exp() + 1.0f32);
    // Drivers may overflow in the exponential of large arguments.
    let far = select(a > 15.0f32, 1.0f32, far);
    select(a < 0.625f32, series, select(x < 0.0f32, -far, far))
}

/// Maclaurin series below 1; beyond, Abramowitz and Stegun 7.1.26, whose error of 1.5e-7 is then relative too.
#[cube]
pub(crate) fn error_function(x: f32) -> f32 {
    let a = select(x.abs() > 6.0f32, 6.0f32, x.abs());
    let s = a * a;
    // The coefficients are (-1)^n / (n! (2n + 1)), the factor 2 / sqrt(pi).
    let p = 1.4589169e-6f32 * s - 1.3227513e-5f32;
    let p = ((p * s + 1.0683761e-4f32) * s - 7.5757576e-4f32) * s + 4.6296296e-3f32;
    let p = ((p * s - 2.3809524e-2f32) * s + 0.1f32) * s - 0.33333334f32;
    let series = FRAC_2_SQRT_PI * a * (p * s + 1.0f32);
    let t = 1.0f32 / (1.0f32 + 0.3275911f32 * a);
    let poly = ((((1.0614054f32 * t - 1.4531521f32) * t) + 1.4214138f32) * t - 0.28449672f32) * t + 0.2548296f32;
    let tail = 1.0f32 - poly * t * (-s).exp();
    let value = select(a < 1.0f32, series, tail);
    select(x < 0.0f32, -value, value)
}

/// Largest argument up to which the reduction by quarter turns is exact enough; beyond, the built-ins serve.
const REDUCED: f32 = 8192.0;

/// The sine `quarters` quarter turns further on. Vulkan asks no more than 11 bits of the built-in.
#[cube]
fn sine_from(x: f32, #[comptime] quarters: i32) -> f32 {
    let near = select(x.abs() < REDUCED, x, 0.0f32);
    let turns = (near * FRAC_2_PI).round();
    // pi / 2 in three parts, the first two of few bits (Cody and Waite).
    let r = fma(turns, -1.5703125f32, near);
    let r = fma(turns, -4.837513e-4f32, r);
    let r = fma(turns, -7.54979e-8f32, r);
    let z = r * r;
    let sine = ((-1.951_529_6e-4f32 * z + 8.332161e-3f32) * z - 1.6666655e-1f32) * z * r + r;
    let cosine = ((2.4433157e-5f32 * z - 1.3887316e-3f32) * z + 4.1666646e-2f32) * z * z - 0.5f32 * z + 1.0f32;
    let quarter = i32::cast_from(turns) + quarters;
    let value = select(quarter & 1i32 == 1i32, cosine, sine);
    select(quarter & 2i32 == 2i32, -value, value)
}

#[cube]
pub(crate) fn sine(x: f32) -> f32 {
    let far = select(x.is_inf(), not_a_number(x), x.sin());
    select(x.abs() < REDUCED, sine_from(x, 0i32), far)
}

#[cube]
pub(crate) fn cosine(x: f32) -> f32 {
    let far = select(x.is_inf(), not_a_number(x), x.cos());
    select(x.abs() < REDUCED, sine_from(x, 1i32), far)
}

/// The polynomial of the arc sine of `a` in 0 to 1/2.
#[cube]
fn arc_sine_near(a: f32) -> f32 {
    let z = a * a;
    let p = (((4.21632e-2f32 * z + 2.418_131e-2f32) * z + 4.5470026e-2f32) * z + 7.495_3e-2f32) * z + 1.6666752e-1f32;
    p * z * a + a
}

/// The arc sine of `sqrt((1 - a) / 2)`; beyond 1 it has no value.
#[cube]
fn arc_sine_half(a: f32) -> f32 {
    let half = 0.5f32 * (1.0f32 - a);
    select(a > 1.0f32, not_a_number(a), arc_sine_near(half.abs().sqrt()))
}

#[cube]
pub(crate) fn arc_sine(x: f32) -> f32 {
    let a = x.abs();
    let value = select(a > 0.5f32, FRAC_PI_2 - 2.0f32 * arc_sine_half(a), arc_sine_near(a));
    select(x < 0.0f32, -value, value)
}

#[cube]
pub(crate) fn arc_cosine(x: f32) -> f32 {
    let half = 2.0f32 * arc_sine_half(x.abs());
    let near = FRAC_PI_2 - select(x < 0.0f32, -arc_sine_near(x.abs()), arc_sine_near(x.abs()));
    select(x > 0.5f32, half, select(x < -0.5f32, PI - half, near))
}

#[cube]
pub(crate) fn arc_tangent(x: f32) -> f32 {
    let a = x.abs();
    let far = a > 2.4142137f32;
    let middle = !far && a > 0.41421357f32;
    let start = select(far, FRAC_PI_2, select(middle, FRAC_PI_4, 0.0f32));
    let b = select(far, -1.0f32 / a, select(middle, (a - 1.0f32) / (a + 1.0f32), a));
    let z = b * b;
    let p = ((8.053745e-2f32 * z - 1.387_768_6e-1f32) * z + 1.9977711e-1f32) * z - 3.333_295e-1f32;
    let value = start + (p * z * b + b);
    select(x < 0.0f32, -value, value)
}

/// Through the exponential of half the argument, which is finite wherever the result is.
#[cube]
pub(crate) fn sine_hyperbolic(x: f32) -> f32 {
    let a = x.abs();
    let z = x * x;
    let series = ((2.0372191e-4f32 * z + 8.333_028e-3f32) * z + 1.666_671_6e-1f32) * z * x + x;
    let e = (0.5f32 * a).exp();
    let far = 0.5f32 * e * e - 0.5f32 / e / e;
    select(a < 1.0f32, series, select(x < 0.0f32, -far, far))
}

#[cube]
pub(crate) fn cosine_hyperbolic(x: f32) -> f32 {
    let e = (0.5f32 * x.abs()).exp();
    0.5f32 * e * e + 0.5f32 / e / e
}

#[cube]
pub(crate) fn area_sine(x: f32) -> f32 {
    let a = x.abs();
    // Kept below where the square overflows.
    let b = min(a, 16384.0f32);
    let near = log_one_plus(b + b * b / (1.0f32 + (1.0f32 + b * b).sqrt()));
    let value = select(a < 16384.0f32, near, a.ln() + LN_2);
    select(x < 0.0f32, -value, value)
}

#[cube]
pub(crate) fn area_cosine(x: f32) -> f32 {
    let t = min(max(x - 1.0f32, 0.0f32), 16384.0f32);
    let near = log_one_plus(t + (t * (t + 2.0f32)).sqrt());
    let value = select(x < 16384.0f32, near, x.ln() + LN_2);
    select(x < 1.0f32, not_a_number(x), value)
}

#[cube]
pub(crate) fn area_tangent(x: f32) -> f32 {
    let a = x.abs();
    let value = 0.5f32 * log_one_plus(2.0f32 * a / (1.0f32 - a));
    let value = select(a > 1.0f32, not_a_number(x), value);
    select(x < 0.0f32, -value, value)
}

/// `a` to the power `b` for all signs: drivers define `pow` for finite, positive `a` only.
#[cube]
pub(crate) fn power(a: f32, b: f32) -> f32 {
    let whole = b.floor() == b;
    let half = b * 0.5f32;
    let odd = whole && half.floor() != half;
    let base = a.abs();
    let size = base.powf(b);
    let size = select(base == 0.0f32, select(b > 0.0f32, 0.0f32, 1.0f32 / base), size);
    let size = select(a.is_inf(), select(b > 0.0f32, base, 0.0f32), size);
    let size = select(b.is_inf(), select((b > 0.0f32) == (base > 1.0f32), b.abs(), 0.0f32), size);
    let minus = u32::reinterpret(a) >= 0x8000_0000u32;
    let signed = select(odd && minus, -size, size);
    // A negative base to a broken power has no value.
    let none = (a < 0.0f32 && !whole && !a.is_inf()) || a.is_nan() || b.is_nan();
    let result = select(none, not_a_number(a), signed);
    let result = select(b == 2.0f32, a * a, result);
    let result = select(b == 1.0f32, a, result);
    let one = b == 0.0f32 || a == 1.0f32 || (base == 1.0f32 && b.is_inf());
    select(one, 1.0f32, result)
}

/// The upper half of the bits of a float: the rest is exact, and so are products of halves.
#[cube]
fn upper(x: f32) -> f32 {
    f32::reinterpret(u32::reinterpret(x) & 0xffff_f000u32)
}

/// `-x` by its bits, so that shader compilers do not gather the products of a sum into one that rounds.
#[cube]
fn minus(x: f32) -> f32 {
    f32::reinterpret(u32::reinterpret(x) ^ 0x8000_0000u32)
}

/// What is left of `a` after whole `b`s: with the sign of `b` when `floored`, else of `a`. Quotients beyond 24 bits are
/// rounded, and what is left with them.
#[cube]
pub(crate) fn remainder(a: f32, b: f32, #[comptime] floored: bool) -> f32 {
    let size = b.abs();
    let quotient = (a / b).trunc();
    let (q, d) = (upper(quotient), upper(b));
    let (q_rest, d_rest) = (quotient - q, b - d);
    let rest = a + minus(q * d) + minus(q * d_rest) + minus(q_rest * d) + minus(q_rest * d_rest);
    // The quotient may have been rounded up to, or down from, the next whole number.
    let past = rest != 0.0f32 && (rest < 0.0f32) != (a < 0.0f32);
    let rest = select(past, select(a < 0.0f32, rest - size, rest + size), rest);
    let short = rest.abs() >= size;
    let rest = select(short, select(a < 0.0f32, rest + size, rest - size), rest);
    let rest = select(b.is_inf() && !a.is_inf(), a, rest);
    if comptime!(floored) {
        let other = rest != 0.0f32 && (rest < 0.0f32) != (b < 0.0f32);
        select(other, rest + b, rest)
    } else {
        rest
    }
}
