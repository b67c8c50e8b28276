//! The inverse cosine transform of a block (ITU-T T.81 A.3.3), after Arai, Agui and Nakajima: five multiplications for eight
//! numbers, once the coefficients are scaled.

use std::f32::consts::SQRT_2;

/// 8 x 8 numbers, row by row.
pub(super) type Block = [[f32; 8]; 8];

/// The factors that coefficients are multiplied by: the steps of the quantiser and those of the transform.
pub(super) fn factors(quantiser: &[u16; 64]) -> [f32; 64] {
    let scale = |k: usize| if k == 0 { 1.0 } else { (k as f64 * std::f64::consts::PI / 16.0).cos() * 2f64.sqrt() };
    std::array::from_fn(|i| (f64::from(quantiser[i]) * scale(i / 8) * scale(i % 8) / 8.0) as f32)
}

/// The samples, around 0, that quantised coefficients stand for.
pub(super) fn inverse(coefficients: &[i16; 64], factors: &[f32; 64]) -> Block {
    if coefficients[1..].iter().all(|&c| c == 0) {
        return [[f32::from(coefficients[0]) * factors[0]; 8]; 8];
    }
    let mut block = Block::default();
    let scaled = coefficients.iter().zip(factors).map(|(&c, f)| f32::from(c) * f);
    block.as_flattened_mut().iter_mut().zip(scaled).for_each(|(slot, value)| *slot = value);
    columns(&mut block);
    let mut turned = std::array::from_fn(|x| block.map(|row| row[x]));
    columns(&mut turned);
    std::array::from_fn(|x| turned.map(|row| row[x]))
}

/// Transforms every column.
fn columns(block: &mut Block) {
    let [mut r0, mut r1, mut r2, mut r3, mut r4, mut r5, mut r6, mut r7] = *block;
    // The same steps for eight columns side by side: the compiler makes vectors of them.
    for i in 0..8 {
        let (sum04, difference04) = (r0[i] + r4[i], r0[i] - r4[i]);
        let sum26 = r2[i] + r6[i];
        let difference26 = (r2[i] - r6[i]) * SQRT_2 - sum26;
        let even = [sum04 + sum26, difference04 + difference26, difference04 - difference26, sum04 - sum26];
        let (sum53, difference53) = (r5[i] + r3[i], r5[i] - r3[i]);
        let (sum17, difference17) = (r1[i] + r7[i], r1[i] - r7[i]);
        let turn = (difference53 + difference17) * 1.847_759_1;
        let o0 = sum17 + sum53;
        let o1 = turn - difference53 * 2.613_126 - o0;
        let o2 = (sum17 - sum53) * SQRT_2 - o1;
        let o3 = turn - difference17 * 1.082_392_2 - o2;
        (r0[i], r7[i]) = (even[0] + o0, even[0] - o0);
        (r1[i], r6[i]) = (even[1] + o1, even[1] - o1);
        (r2[i], r5[i]) = (even[2] + o2, even[2] - o2);
        (r3[i], r4[i]) = (even[3] + o3, even[3] - o3);
    }
    *block = [r0, r1, r2, r3, r4, r5, r6, r7];
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of T.81 A.3.3.
    fn defined(coefficients: &[f64; 64]) -> [f64; 64] {
        let c = |k: usize| if k == 0 { 0.5f64.sqrt() } else { 1.0 };
        let wave = |x: usize, u: usize| ((2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0).cos();
        std::array::from_fn(|at| {
            let term = |i: usize| {
                let (v, u) = (i / 8, i % 8);
                c(u) * c(v) * coefficients[i] * wave(at % 8, u) * wave(at / 8, v)
            };
            (0..64).map(term).sum::<f64>() / 4.0
        })
    }

    #[test]
    fn it_is_the_transform_of_the_standard() {
        let mut state = 1u32;
        let mut next = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as u16
        };
        for round in 0..50 {
            let quantiser: [u16; 64] = std::array::from_fn(|_| 1 + next() % 40);
            // From a block of one coefficient to one of all of them, up to the range of 12 bits.
            let coefficients: [i16; 64] =
                std::array::from_fn(|i| if i <= round { (next() % 800) as i16 - 400 } else { 0 });
            let exact = defined(&std::array::from_fn(|i| f64::from(coefficients[i]) * f64::from(quantiser[i])));
            let got = inverse(&coefficients, &factors(&quantiser));
            for (a, b) in got.as_flattened().iter().zip(exact) {
                assert!((f64::from(*a) - b).abs() < 0.05, "round {round}: {a}, {b} expected");
            }
        }
    }
}
