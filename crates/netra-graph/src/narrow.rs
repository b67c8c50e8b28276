//! Element types narrower than any [`DType`](crate::DType): they are held in a wider one, with values of their own.
//!
//! Formats: ONNX's documents "Float stored in 8 bits" and "4 bit types", which follow the Open Compute Project's
//! microscaling formats and Graphcore's, AMD's and NVIDIA's 8-bit floats.

/// A narrow element type. Floats are held as float32, signed integers as int8, unsigned ones as uint8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Narrow {
    /// A float of 8 or 4 bits.
    Float(FloatFormat),
    /// An integer of 4 or 2 bits.
    Integer {
        /// Width.
        bits: u32,
        /// Two's complement.
        signed: bool,
    },
}

/// A floating-point format of 8 or 4 bits, named after the bits of its exponent and mantissa.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The ONNX types of the same names.
pub enum FloatFormat {
    /// No infinities.
    E4M3Fn,
    /// No infinities, no negative zero.
    E4M3FnUz,
    E5M2,
    /// No infinities, no negative zero.
    E5M2FnUz,
    /// 4 bits; neither infinities nor NaN.
    E2M1,
    /// Powers of two, and NaN.
    E8M0,
}

/// What [`Unary::Narrow`](crate::Unary::Narrow) rounds to, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NarrowFloat {
    /// The format.
    pub format: FloatFormat,
    /// What is beyond the range becomes the end of the range instead of infinite or NaN.
    pub saturate: bool,
    /// Direction of rounding; other than to nearest for `E8M0` alone.
    pub rounding: Rounding,
}

/// ONNX `round_mode` of Cast to `E8M0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The ONNX values of the same names.
pub enum Rounding {
    /// Half to even; for `E8M0`, half up.
    Nearest,
    Up,
    Down,
}

impl FloatFormat {
    /// Bits of the mantissa, exponent of the smallest normal number, largest number.
    fn range(self) -> (i32, i32, f64) {
        match self {
            Self::E4M3Fn => (3, -6, 448.0),
            Self::E4M3FnUz => (3, -7, 240.0),
            Self::E5M2 => (2, -14, 57344.0),
            Self::E5M2FnUz => (2, -15, 57344.0),
            Self::E2M1 => (1, 0, 6.0),
            Self::E8M0 => (0, -127, 2f64.powi(127)),
        }
    }

    /// The number that the low bits of a byte mean: 4 of them for `E2M1`, else all.
    pub fn decode(self, byte: u8) -> f32 {
        let (mantissa_bits, lowest, _) = self.range();
        if self == Self::E8M0 {
            return if byte == 0xff { f32::NAN } else { 2f64.powi(i32::from(byte) - 127) as f32 };
        }
        let width = if self == Self::E2M1 { 4 } else { 8 };
        let sign = if byte >> (width - 1) & 1 == 1 { -1.0 } else { 1.0 };
        let rest = i32::from(byte) & ((1 << (width - 1)) - 1);
        let (exponent, mantissa) = (rest >> mantissa_bits, rest & ((1 << mantissa_bits) - 1));
        let special = match self {
            Self::E4M3Fn => (rest == 0x7f).then_some(f32::NAN),
            Self::E4M3FnUz | Self::E5M2FnUz => (byte == 0x80).then_some(f32::NAN),
            Self::E5M2 if exponent == 31 => Some(if mantissa == 0 { f32::INFINITY } else { f32::NAN }),
            _ => None,
        };
        let step = 2f64.powi(lowest - mantissa_bits);
        let number = match exponent {
            0 => f64::from(mantissa) * step,
            e => f64::from(mantissa + (1 << mantissa_bits)) * step * 2f64.powi(e - 1),
        };
        sign * special.unwrap_or(number as f32)
    }
}

impl NarrowFloat {
    /// Half to even, saturating: what ONNX Cast does unless told otherwise.
    pub fn nearest(format: FloatFormat) -> Self {
        Self { format, saturate: true, rounding: Rounding::Nearest }
    }

    /// The value of the format that stands for `x`.
    pub fn round(self, x: f64) -> f64 {
        let (mantissa_bits, lowest, largest) = self.format.range();
        match self.format {
            FloatFormat::E8M0 => return self.power_of_two(x),
            // It has no code for that; ONNX's own tests make it minus zero.
            FloatFormat::E2M1 if x.is_nan() => return -0.0,
            _ if x.is_nan() => return x,
            _ => {}
        }
        let rounded = if x.is_finite() && x != 0.0 {
            let step = 2f64.powi(exponent(x).max(lowest) - mantissa_bits);
            (x / step).round_ties_even() * step
        } else {
            x
        };
        let unsigned_zero = matches!(self.format, FloatFormat::E4M3FnUz | FloatFormat::E5M2FnUz);
        match self.format {
            // Adding zero drops the sign of zero.
            _ if rounded.abs() <= largest && unsigned_zero => rounded + 0.0,
            _ if rounded.abs() <= largest => rounded,
            FloatFormat::E2M1 => largest.copysign(x),
            _ if self.saturate => largest.copysign(x),
            FloatFormat::E5M2 => f64::INFINITY.copysign(x),
            _ => f64::NAN,
        }
    }

    /// Rounding to a power of two; the sign is dropped, as negative numbers have none.
    fn power_of_two(self, x: f64) -> f64 {
        let (_, lowest, largest) = self.format.range();
        let x = x.abs();
        if !x.is_finite() {
            return f64::NAN;
        }
        let below = if x > 0.0 { 2f64.powi(exponent(x).max(lowest - 1)) } else { 0.0 };
        let up = match self.rounding {
            Rounding::Nearest => x >= below * 1.5,
            Rounding::Up => x > below,
            Rounding::Down => false,
        };
        let rounded = if up { below * 2.0 } else { below };
        match rounded {
            r if r > largest && !self.saturate => f64::NAN,
            r => r.clamp(2f64.powi(lowest), largest),
        }
    }
}

/// The exponent of the highest bit of a finite number other than 0.
fn exponent(x: f64) -> i32 {
    let bits = (x.to_bits() >> 52 & 0x7ff) as i32;
    // float64's subnormals are far below every format here.
    if bits == 0 { -1023 } else { bits - 1023 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMATS: [FloatFormat; 5] =
        [FloatFormat::E4M3Fn, FloatFormat::E4M3FnUz, FloatFormat::E5M2, FloatFormat::E5M2FnUz, FloatFormat::E2M1];

    #[test]
    fn every_code_is_its_own_nearest_number() {
        for format in FORMATS {
            for byte in 0..=255 {
                let x = f64::from(format.decode(byte));
                let rounded = NarrowFloat { saturate: false, ..NarrowFloat::nearest(format) }.round(x);
                assert!(rounded == x || (rounded.is_nan() && x.is_nan()), "{format:?} {byte:#x}: {x} {rounded}");
            }
        }
    }

    #[test]
    fn between_two_codes_the_nearer_one_or_the_even_one() {
        for format in FORMATS {
            let numbers: Vec<f64> = (0..if format == FloatFormat::E2M1 { 8 } else { 128 })
                .map(|byte| f64::from(format.decode(byte)))
                .filter(|x| x.is_finite())
                .collect();
            for (i, pair) in numbers.windows(2).enumerate() {
                let (low, high) = (pair[0], pair[1]);
                let round = |x| NarrowFloat::nearest(format).round(x);
                let middle = (low + high) / 2.0;
                assert_eq!(round(middle), if i % 2 == 0 { low } else { high }, "{format:?} {middle}");
                assert_eq!(round(-middle.next_up()), -high);
                assert_eq!(round(middle.next_down()), low);
            }
        }
    }

    #[test]
    fn beyond_the_range() {
        let round = |format, saturate, x| NarrowFloat { saturate, ..NarrowFloat::nearest(format) }.round(x);
        assert_eq!(round(FloatFormat::E4M3Fn, true, f64::NEG_INFINITY), -448.0);
        assert!(round(FloatFormat::E4M3Fn, false, 1e4).is_nan());
        assert_eq!(round(FloatFormat::E5M2, false, -1e6), f64::NEG_INFINITY);
        assert_eq!(round(FloatFormat::E4M3Fn, false, 463.9), 448.0);
        assert!(round(FloatFormat::E4M3FnUz, true, -1e-9).is_sign_positive());
        assert_eq!(round(FloatFormat::E2M1, true, -100.0), -6.0);
    }

    #[test]
    fn powers_of_two_in_each_direction() {
        let round = |rounding, x| NarrowFloat { format: FloatFormat::E8M0, saturate: true, rounding }.round(x);
        assert_eq!([3.0, 2.9, 2.0].map(|x| round(Rounding::Nearest, x)), [4.0, 2.0, 2.0]);
        assert_eq!([3.0, 2.1, 2.0].map(|x| round(Rounding::Up, x)), [4.0, 4.0, 2.0]);
        assert_eq!([3.9, 2.0].map(|x| round(Rounding::Down, x)), [2.0, 2.0]);
        assert_eq!(round(Rounding::Up, 0.0), 2f64.powi(-127));
    }
}
