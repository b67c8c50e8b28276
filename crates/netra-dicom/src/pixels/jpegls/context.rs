//! The model of a scan (ITU-T T.87 Annex A.2 to A.7): parameters, contexts, and what they learn.

use netra_core::{Error, Result};

use super::header::Preset;

/// Differences between neighbours, quantised: indices `difference + SPAN`.
const SPAN: i32 = 1 << 16;

/// Parameters of a scan.
pub(super) struct Parameters {
    pub(super) maximum: i32,
    pub(super) near: i32,
    /// Values that an error can have.
    pub(super) range: i32,
    /// Bits of an error that is written as it is.
    pub(super) bits: u32,
    /// Longest code.
    pub(super) limit: u32,
    pub(super) reset: i32,
    /// Quantised differences, by `difference + SPAN`.
    quantised: Box<[i8]>,
}

/// `value`, or the least when it is outside `least..=most` (C.2.4.1.1).
fn within(value: i32, least: i32, most: i32) -> i32 {
    if (least..=most).contains(&value) { value } else { least }
}

impl Parameters {
    /// Of samples of `precision` bits. Fails when the segment and the scan do not fit together.
    pub(super) fn new(precision: u32, near: i32, preset: Preset) -> Result<Self> {
        let maximum = if preset.maximum == 0 { (1 << precision) - 1 } else { preset.maximum };
        if maximum >= 1 << precision || near > 255.min(maximum / 2) {
            let text = format!("JPEG-LS samples up to {maximum} in {precision} bits, near {near}");
            return Err(Error::malformed(text));
        }
        let defaults = defaults(maximum, near);
        let mut thresholds = preset.thresholds;
        for (i, default) in defaults.into_iter().enumerate() {
            if thresholds[i] == 0 {
                thresholds[i] = default;
            }
        }
        let [t1, t2, t3] = thresholds;
        let ordered = near < t1 && t1 <= t2 && t2 <= t3 && t3 <= maximum;
        let reset = if preset.reset == 0 { 64 } else { preset.reset };
        if !ordered || reset < 3 {
            return Err(Error::malformed(format!("JPEG-LS thresholds {thresholds:?}, reset {reset}")));
        }
        let range = (maximum + 2 * near) / (2 * near + 1) + 1;
        let bits = 32 - ((range - 1) as u32).leading_zeros();
        let depth = (32 - (maximum as u32).leading_zeros()).max(2);
        let limit = 2 * (depth + depth.max(8));
        let mut quantised = vec![0; 2 * SPAN as usize].into_boxed_slice();
        // Outside ever larger distances from 0 lie ever higher levels.
        for (level, least) in (1..).zip([near + 1, t1, t2, t3]) {
            quantised[..=(SPAN - least) as usize].fill(-level);
            quantised[(SPAN + least) as usize..].fill(level);
        }
        Ok(Self { maximum, near, range, bits, limit, reset, quantised })
    }

    /// The level, -4 to 4, of a difference between samples.
    #[inline(always)]
    pub(super) fn level(&self, difference: i32) -> i32 {
        i32::from(self.quantised[(difference + SPAN) as usize & (2 * SPAN as usize - 1)])
    }

    /// A sample from its prediction and error: the error is known modulo the range (A.4.5, A.5.4).
    #[inline(always)]
    pub(super) fn sample(&self, predicted: i32, error: i32) -> i32 {
        if self.near == 0 { self.exact_sample(predicted, error) } else { self.near_sample(predicted, error) }
    }

    /// [`sample`](Self::sample) of a lossless scan.
    #[inline(always)]
    pub(super) fn exact_sample(&self, predicted: i32, error: i32) -> i32 {
        let value = predicted + error;
        let (above, below) = (value - self.range, value + self.range);
        let value = if value > self.maximum { above } else { value };
        (if value < 0 { below } else { value }).clamp(0, self.maximum)
    }

    /// [`sample`](Self::sample) of a near-lossless scan.
    pub(super) fn near_sample(&self, predicted: i32, error: i32) -> i32 {
        let step = 2 * self.near + 1;
        let mut value = predicted + error * step;
        if value < -self.near {
            value += self.range * step;
        } else if value > self.maximum + self.near {
            value -= self.range * step;
        }
        value.clamp(0, self.maximum)
    }
}

/// Default thresholds (C.2.4.1.1.1).
fn defaults(maximum: i32, near: i32) -> [i32; 3] {
    let raw = if maximum >= 128 {
        let factor = (maximum.min(4095) + 128) / 256;
        [factor + 2 + 3 * near, 4 * factor + 3 + 5 * near, 17 * factor + 4 + 7 * near]
    } else {
        let factor = 256 / (maximum + 1);
        [(3 / factor + 3 * near).max(2), (7 / factor + 5 * near).max(3), (21 / factor + 7 * near).max(4)]
    };
    let first = within(raw[0], near + 1, maximum);
    let second = within(raw[1], first, maximum);
    [first, second, within(raw[2], second, maximum)]
}

/// What a context has learned: sum of error magnitudes, bias, correction, occurrences.
#[derive(Clone, Copy)]
pub(super) struct Context {
    pub(super) a: i32,
    pub(super) b: i32,
    pub(super) c: i32,
    pub(super) n: i32,
}

impl Context {
    pub(super) fn new(range: i32) -> Self {
        Self { a: initial(range), b: 0, c: 0, n: 1 }
    }

    /// Bits of the remainder: the least with which the occurrences reach the magnitudes (A.5.1).
    #[inline(always)]
    pub(super) fn k(&self) -> u32 {
        golomb_parameter(self.n, self.a)
    }

    /// Learns from an error in steps of `step` (A.6).
    #[inline(always)]
    pub(super) fn learn(&mut self, error: i32, step: i32, reset: i32) {
        let mut b = self.b + error * step;
        let mut a = self.a + error.abs();
        let mut n = self.n;
        if n == reset {
            a >>= 1;
            b >>= 1;
            n >>= 1;
        }
        n += 1;
        if b + n <= 0 {
            self.c = (self.c - 1).max(-128);
            b = (b + n).max(1 - n);
        } else if b > 0 {
            self.c = (self.c + 1).min(127);
            b = (b - n).min(0);
        }
        (self.a, self.b, self.n) = (a, b, n);
    }
}

/// What a context of samples that end a run has learned (A.7.2).
#[derive(Clone, Copy)]
pub(super) struct RunContext {
    a: i32,
    n: i32,
    negative: i32,
    /// 1 when the neighbours are alike.
    kind: i32,
}

impl RunContext {
    pub(super) fn new(range: i32, kind: i32) -> Self {
        Self { a: initial(range), n: 1, negative: 0, kind }
    }

    /// Bits of the remainder.
    pub(super) fn k(&self) -> u32 {
        golomb_parameter(self.n, self.a + (self.n >> 1) * self.kind)
    }

    /// The error behind a code, from which the context learns.
    pub(super) fn error(&mut self, code: u32, k: u32, reset: i32) -> i32 {
        let code = code as i32;
        let mapped = code + self.kind;
        let odd = mapped & 1 == 1;
        let magnitude = (mapped + 1) / 2;
        let error = if (k != 0 || 2 * self.negative >= self.n) == odd { -magnitude } else { magnitude };
        if error < 0 {
            self.negative += 1;
        }
        self.a += (code + 1 - self.kind) >> 1;
        if self.n == reset {
            self.a >>= 1;
            self.n >>= 1;
            self.negative >>= 1;
        }
        self.n += 1;
        error
    }
}

/// Magnitudes at the start (A.2.1).
fn initial(range: i32) -> i32 {
    ((range + 32) / 64).max(2)
}

/// The least `k` with `n 2^k >= a`, at most 24: no sound scan has more.
#[inline(always)]
fn golomb_parameter(n: i32, a: i32) -> u32 {
    let guess = (n as u32).leading_zeros().saturating_sub((a as u32).leading_zeros());
    (guess + u32::from(((n as u32) << guess) < a as u32)).min(24)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_standard() {
        // T.87 table C.3, and the values for 12 and 16 bits that follow from its formulas.
        assert_eq!(defaults(255, 0), [3, 7, 21]);
        assert_eq!(defaults(4095, 0), [18, 67, 276]);
        assert_eq!(defaults(65535, 0), [18, 67, 276]);
        assert_eq!(defaults(255, 3), [12, 22, 42]);
    }

    #[test]
    fn the_parameter_is_the_least_that_reaches() {
        for n in 1..70 {
            for a in (0..5000).step_by(7) {
                let least = (0..).find(|k| n << k >= a).unwrap();
                assert_eq!(golomb_parameter(n, a), least, "{n} {a}");
            }
        }
    }
}
