//! Where the voxels of a regular grid lie in the patient.

use crate::{Error, Result};

/// A 4x4 matrix that maps a homogeneous voxel index `(slice, row, column, 1)` to LPS millimetres `(x, y, z, 1)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine(pub [[f64; 4]; 4]);

impl Affine {
    /// An affine from the three step vectors (millimetres for one step along slice, row and column) and the
    /// position of voxel `(0, 0, 0)`.
    pub fn from_steps(slice: [f64; 3], row: [f64; 3], column: [f64; 3], origin: [f64; 3]) -> Self {
        let mut m = [[0.0; 4]; 4];
        for i in 0..3 {
            m[i] = [slice[i], row[i], column[i], origin[i]];
        }
        m[3][3] = 1.0;
        Self(m)
    }

    /// The step vector of axis `axis` (0 slice, 1 row, 2 column) in millimetres.
    pub fn step(&self, axis: usize) -> [f64; 3] {
        [self.0[0][axis], self.0[1][axis], self.0[2][axis]]
    }

    /// World position of voxel `(0, 0, 0)`.
    pub fn origin(&self) -> [f64; 3] {
        [self.0[0][3], self.0[1][3], self.0[2][3]]
    }

    /// World position (LPS, mm) of a voxel index, which may be fractional.
    pub fn apply(&self, index: [f64; 3]) -> [f64; 3] {
        std::array::from_fn(|i| {
            self.0[i][0] * index[0] + self.0[i][1] * index[1] + self.0[i][2] * index[2] + self.0[i][3]
        })
    }

    /// `self` after `inner`: the map that applies `inner` first.
    pub fn compose(&self, inner: &Affine) -> Affine {
        Affine(std::array::from_fn(|r| std::array::from_fn(|c| (0..4).map(|k| self.0[r][k] * inner.0[k][c]).sum())))
    }

    /// The inverse map, or `None` when the steps span no volume.
    pub fn inverse(&self) -> Option<Affine> {
        let m = &self.0;
        let minor = |r0: usize, r1: usize, c0: usize, c1: usize| m[r0][c0] * m[r1][c1] - m[r0][c1] * m[r1][c0];
        let det = m[0][0] * minor(1, 2, 1, 2) - m[0][1] * minor(1, 2, 0, 2) + m[0][2] * minor(1, 2, 0, 1);
        if !det.is_finite() || det.abs() < 1e-12 {
            return None;
        }
        let cofactor = |r: usize, c: usize| minor((c + 1) % 3, (c + 2) % 3, (r + 1) % 3, (r + 2) % 3) / det;
        let mut inv: [[f64; 4]; 4] =
            std::array::from_fn(|r| std::array::from_fn(|c| if r < 3 && c < 3 { cofactor(r, c) } else { 0.0 }));
        for row in inv.iter_mut().take(3) {
            row[3] = -(row[0] * m[0][3] + row[1] * m[1][3] + row[2] * m[2][3]);
        }
        inv[3][3] = 1.0;
        Some(Affine(inv))
    }
}

/// A regular grid in the patient: its shape and its affine.
#[derive(Clone, Debug, PartialEq)]
pub struct Geometry {
    shape: [usize; 3],
    affine: Affine,
}

impl Geometry {
    /// A grid of `shape` (slices, rows, columns). Fails when the affine is not invertible or an axis is empty.
    pub fn new(shape: [usize; 3], affine: Affine) -> Result<Self> {
        if shape.contains(&0) {
            return Err(Error::invalid(format!("a grid of shape {shape:?} has no voxels")));
        }
        if affine.inverse().is_none() {
            return Err(Error::invalid("the affine of the grid is not invertible"));
        }
        Ok(Self { shape, affine })
    }

    /// Slices, rows, columns.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Number of voxels.
    pub fn voxels(&self) -> usize {
        self.shape.iter().product()
    }

    /// Voxel index to LPS millimetres.
    pub fn affine(&self) -> &Affine {
        &self.affine
    }

    /// Millimetres between neighbouring voxels along (slice, row, column).
    pub fn spacing(&self) -> [f64; 3] {
        std::array::from_fn(|axis| norm(self.affine.step(axis)))
    }

    /// Unit vectors (LPS) along (slice, row, column): `direction()[axis]`.
    pub fn direction(&self) -> [[f64; 3]; 3] {
        let spacing = self.spacing();
        std::array::from_fn(|axis| self.affine.step(axis).map(|v| v / spacing[axis]))
    }

    /// Volume of one voxel in cubic millimetres.
    pub fn voxel_volume(&self) -> f64 {
        let [a, b, c] = [self.affine.step(0), self.affine.step(1), self.affine.step(2)];
        let cross = [b[1] * c[2] - b[2] * c[1], b[2] * c[0] - b[0] * c[2], b[0] * c[1] - b[1] * c[0]];
        (a[0] * cross[0] + a[1] * cross[1] + a[2] * cross[2]).abs()
    }

    /// LPS millimetres to a fractional voxel index.
    pub fn world_to_index(&self) -> Affine {
        // `new` checked that the inverse exists.
        self.affine.inverse().unwrap_or(self.affine)
    }
}

fn norm(v: [f64; 3]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverse_undoes_an_oblique_affine() {
        let a = Affine::from_steps([0.1, 0.2, 3.0], [0.0, 0.7, -0.1], [0.6, 0.0, 0.05], [-90.0, 20.0, 7.5]);
        let back = a.inverse().expect("invertible").apply(a.apply([3.0, 5.0, 7.0]));
        for (got, want) in back.iter().zip([3.0, 5.0, 7.0]) {
            assert!((got - want).abs() < 1e-9, "{back:?}");
        }
    }

    #[test]
    fn spacing_and_volume_of_an_anisotropic_grid() {
        let a = Affine::from_steps([0.0, 0.0, 5.0], [0.0, 0.5, 0.0], [0.25, 0.0, 0.0], [0.0; 3]);
        let g = Geometry::new([2, 3, 4], a).expect("valid");
        assert_eq!(g.spacing(), [5.0, 0.5, 0.25]);
        assert!((g.voxel_volume() - 0.625).abs() < 1e-12);
    }

    #[test]
    fn a_flat_affine_is_refused() {
        let a = Affine::from_steps([1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0; 3]);
        assert!(Geometry::new([1, 1, 1], a).is_err());
    }
}
