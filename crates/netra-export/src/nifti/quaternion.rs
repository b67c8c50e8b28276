//! The rotation of a grid as NIfTI's qform stores it.

use netra_core::Affine;

/// The rotation as NIfTI's qform stores it.
pub(super) struct Quaternion {
    pub bcd: [f64; 3],
    /// -1 when the third axis must be flipped to make the rotation proper (`qfac`).
    pub handedness: f64,
}

impl Quaternion {
    /// The rotation of an affine whose steps are orthogonal; `None` for a sheared one, which only the sform can hold.
    pub fn of(ras: &Affine, spacing: [f64; 3]) -> Option<Self> {
        let sizes = [spacing[2], spacing[1], spacing[0]];
        let mut axes: [[f64; 3]; 3] = std::array::from_fn(|i| ras.step(i).map(|v| v / sizes[i]));
        let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
        if [(0, 1), (0, 2), (1, 2)].iter().any(|&(a, b)| dot(axes[a], axes[b]).abs() > 1e-4) {
            return None;
        }
        let [x, y, z] = axes;
        let cross = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]];
        let handedness = if dot(cross, z) < 0.0 { -1.0 } else { 1.0 };
        axes[2] = z.map(|v| v * handedness);
        // r[row][column], with the axes as columns.
        let r = |row: usize, column: usize| axes[column][row];
        let squares = [
            1.0 + r(0, 0) + r(1, 1) + r(2, 2),
            1.0 + r(0, 0) - r(1, 1) - r(2, 2),
            1.0 - r(0, 0) + r(1, 1) - r(2, 2),
            1.0 - r(0, 0) - r(1, 1) + r(2, 2),
        ];
        // Divide by the largest component, so that no rotation loses precision.
        let largest = (0..4).max_by(|&a, &b| squares[a].total_cmp(&squares[b]))?;
        let root = 2.0 * squares[largest].max(0.0).sqrt();
        let (sum, difference) = (|a, b| (r(a, b) + r(b, a)) / root, |a, b| (r(a, b) - r(b, a)) / root);
        let own = root / 4.0;
        let [a, b, c, d] = match largest {
            0 => [own, difference(2, 1), difference(0, 2), difference(1, 0)],
            1 => [difference(2, 1), own, sum(0, 1), sum(0, 2)],
            2 => [difference(0, 2), sum(0, 1), own, sum(1, 2)],
            _ => [difference(1, 0), sum(0, 2), sum(1, 2), own],
        };
        // A quaternion and its negative are one rotation; the format stores the one with a >= 0.
        let sign = if a < 0.0 { -1.0 } else { 1.0 };
        Some(Self { bcd: [b * sign, c * sign, d * sign], handedness })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The matrix that a reader builds from the stored quaternion (nifti1.h, METHOD 2).
    fn matrix(q: &Quaternion) -> [[f64; 3]; 3] {
        let [b, c, d] = q.bcd;
        let a = (1.0 - b * b - c * c - d * d).max(0.0).sqrt();
        let k = q.handedness;
        [
            [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), k * 2.0 * (b * d + a * c)],
            [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, k * 2.0 * (c * d - a * b)],
            [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), k * (a * a + d * d - b * b - c * c)],
        ]
    }

    #[test]
    fn the_quaternion_rebuilds_rotations_and_reflections() {
        let (s, c) = 0.4f64.sin_cos();
        let cases = [
            [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]],
            [[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]],
            [[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, -1.0]],
            [[0.0, c, s], [1.0, 0.0, 0.0], [0.0, -s, c]],
        ];
        for axes in cases {
            let scaled: Vec<[f64; 3]> = (0..3).map(|i| axes[i].map(|v| v * (i as f64 + 0.5))).collect();
            let affine = Affine::from_steps(scaled[0], scaled[1], scaled[2], [1.0, 2.0, 3.0]);
            let q = Quaternion::of(&affine, [2.5, 1.5, 0.5]).expect("orthogonal");
            let rebuilt = matrix(&q);
            for (axis, unit) in axes.iter().enumerate() {
                for (row, want) in unit.iter().enumerate() {
                    assert!((rebuilt[row][axis] - want).abs() < 1e-9, "{axes:?} became {rebuilt:?}");
                }
            }
        }
    }

    #[test]
    fn a_sheared_grid_has_no_quaternion() {
        let affine = Affine::from_steps([1.0, 0.0, 0.0], [0.1, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0; 3]);
        assert!(Quaternion::of(&affine, [1.0, 1.01f64.sqrt(), 1.0]).is_none());
    }
}
