//! Anatomical orientation of a grid: which way each array axis runs, and reordering axes to a wanted one.
//!
//! A code such as `RAS` names, for each array axis in order, the direction towards which its index grows, as nibabel
//! and MONAI use it for their `(i, j, k)` arrays. For our arrays the first letter belongs to the slice axis.

use std::fmt;
use std::str::FromStr;

use ndarray::{ArrayView3, Axis};
use serde::{Deserialize, Serialize};

use crate::{Affine, Error, Geometry, Result};

/// A direction in the patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names say it.
pub enum Toward {
    Left,
    Right,
    Posterior,
    Anterior,
    Superior,
    Inferior,
}

impl Toward {
    /// The world axis (0 x, 1 y, 2 z of LPS) and whether the direction runs along it (`true`) or against it.
    fn world_axis(self) -> (usize, bool) {
        match self {
            Toward::Left => (0, true),
            Toward::Right => (0, false),
            Toward::Posterior => (1, true),
            Toward::Anterior => (1, false),
            Toward::Superior => (2, true),
            Toward::Inferior => (2, false),
        }
    }

    fn from_world(axis: usize, along: bool) -> Self {
        match (axis, along) {
            (0, true) => Toward::Left,
            (0, false) => Toward::Right,
            (1, true) => Toward::Posterior,
            (1, false) => Toward::Anterior,
            (_, true) => Toward::Superior,
            (_, false) => Toward::Inferior,
        }
    }

    fn letter(self) -> char {
        match self {
            Toward::Left => 'L',
            Toward::Right => 'R',
            Toward::Posterior => 'P',
            Toward::Anterior => 'A',
            Toward::Superior => 'S',
            Toward::Inferior => 'I',
        }
    }
}

/// The directions of the three array axes; one along each world axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Orientation([Toward; 3]);

impl Orientation {
    /// An orientation. Fails when two axes run along the same world axis.
    pub fn new(axes: [Toward; 3]) -> Result<Self> {
        let mut seen = [false; 3];
        for axis in axes {
            seen[axis.world_axis().0] = true;
        }
        if seen.contains(&false) {
            let code: String = axes.iter().map(|a| a.letter()).collect();
            return Err(Error::invalid(format!(
                "'{code}' does not name each of left-right, front-back, head-foot once"
            )));
        }
        Ok(Self(axes))
    }

    /// The orientation nearest to a grid's: of the six ways to pair array axes with world axes, the one whose
    /// cosines sum highest.
    pub fn nearest(geometry: &Geometry) -> Self {
        const PERMUTATIONS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let direction = geometry.direction();
        let score = |p: &[usize; 3]| (0..3).map(|axis| direction[axis][p[axis]].abs()).sum::<f64>();
        let mut best = PERMUTATIONS[0];
        for candidate in &PERMUTATIONS[1..] {
            if score(candidate) > score(&best) {
                best = *candidate;
            }
        }
        Self(std::array::from_fn(|axis| Toward::from_world(best[axis], direction[axis][best[axis]] > 0.0)))
    }

    /// The direction of each array axis.
    pub fn axes(&self) -> [Toward; 3] {
        self.0
    }

    /// The unit vector (LPS) of each direction.
    pub fn directions(&self) -> [[f64; 3]; 3] {
        self.0.map(|toward| {
            let (axis, along) = toward.world_axis();
            let mut unit = [0.0; 3];
            unit[axis] = if along { 1.0 } else { -1.0 };
            unit
        })
    }

    /// How axes oriented like `self` become axes oriented like `to`.
    fn moves_to(&self, to: Orientation) -> [AxisMove; 3] {
        to.0.map(|wanted| {
            let (world, along) = wanted.world_axis();
            // `new` and `nearest` make sure that each world axis occurs once.
            let from = (0..3).find(|&a| self.0[a].world_axis().0 == world).unwrap_or(0);
            AxisMove { from, flip: self.0[from].world_axis().1 != along }
        })
    }
}

impl FromStr for Orientation {
    type Err = Error;

    /// Parses three letters of `L R P A S I`, for example `RAS`.
    fn from_str(code: &str) -> Result<Self> {
        let letters: Vec<char> = code.chars().collect();
        let [a, b, c] = letters[..] else {
            return Err(Error::invalid(format!("'{code}' is no orientation of three letters")));
        };
        let parse = |letter| {
            Ok(match letter {
                'L' => Toward::Left,
                'R' => Toward::Right,
                'P' => Toward::Posterior,
                'A' => Toward::Anterior,
                'S' => Toward::Superior,
                'I' => Toward::Inferior,
                other => return Err(Error::invalid(format!("'{other}' is no direction (L R P A S I) in '{code}'"))),
            })
        };
        Self::new([parse(a)?, parse(b)?, parse(c)?])
    }
}

impl TryFrom<String> for Orientation {
    type Error = Error;

    fn try_from(code: String) -> Result<Self> {
        code.parse()
    }
}

impl From<Orientation> for String {
    fn from(orientation: Orientation) -> String {
        orientation.to_string()
    }
}

impl fmt::Display for Orientation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|axis| write!(f, "{}", axis.letter()))
    }
}

/// Where one axis of a reordered array comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AxisMove {
    /// The axis it was.
    pub from: usize,
    /// Whether its direction is reversed.
    pub flip: bool,
}

/// How the axes of a grid have to move to run as `to` says: one entry a new axis.
pub fn axis_moves(geometry: &Geometry, to: Orientation) -> [AxisMove; 3] {
    Orientation::nearest(geometry).moves_to(to)
}

/// A grid with its axes permuted and flipped to run as `to` says, as nearly as the grid's own directions allow.
/// Every voxel keeps its place in the world.
pub fn reorient_geometry(geometry: &Geometry, to: Orientation) -> Geometry {
    let moves = axis_moves(geometry, to);
    let (shape, affine) = (geometry.shape(), geometry.affine());
    let mut origin = [0.0; 3];
    let mut steps = [[0.0; 3]; 3];
    for (axis, m) in moves.iter().enumerate() {
        let sign = if m.flip { -1.0 } else { 1.0 };
        steps[axis] = affine.step(m.from).map(|v| sign * v);
        if m.flip {
            origin[m.from] = (shape[m.from] - 1) as f64;
        }
    }
    let affine = Affine::from_steps(steps[0], steps[1], steps[2], affine.apply(origin));
    // A permutation with flips leaves the determinant's size alone, so this is a valid grid; the fallback is unused.
    Geometry::new(std::array::from_fn(|axis| shape[moves[axis].from]), affine).unwrap_or_else(|_| geometry.clone())
}

/// The same voxels seen with their axes permuted and flipped to run as `to` says, and the grid that goes with them.
/// Nothing is copied. Fails when the array's shape is not the geometry's.
pub fn reorient<'a, T>(
    voxels: ArrayView3<'a, T>,
    geometry: &Geometry,
    to: Orientation,
) -> Result<(ArrayView3<'a, T>, Geometry)> {
    if voxels.shape() != geometry.shape() {
        return Err(Error::invalid(format!(
            "voxels of shape {:?} on a grid of shape {:?}",
            voxels.shape(),
            geometry.shape()
        )));
    }
    let moves = axis_moves(geometry, to);
    let mut view = voxels.permuted_axes([moves[0].from, moves[1].from, moves[2].from]);
    for (axis, m) in moves.iter().enumerate() {
        if m.flip {
            view.invert_axis(Axis(axis));
        }
    }
    Ok((view, reorient_geometry(geometry, to)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    fn code(text: &str) -> Orientation {
        text.parse().expect("a valid code")
    }

    /// An axial scan as DICOM stores it: slices to the head, rows to the back, columns to the left.
    fn axial() -> Geometry {
        let affine = Affine::from_steps([0.0, 0.0, 5.0], [0.0, 0.5, 0.0], [0.25, 0.0, 0.0], [-10.0, -20.0, 30.0]);
        Geometry::new([2, 3, 4], affine).expect("valid")
    }

    #[test]
    fn codes_round_trip_and_bad_ones_are_refused() {
        for text in ["RAS", "LIA", "LPS", "SPL", "PIR"] {
            assert_eq!(code(text).to_string(), text);
        }
        for text in ["", "RA", "RASS", "RLS", "RAX", "ras"] {
            assert!(text.parse::<Orientation>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_axial_scan_is_spl() {
        assert_eq!(Orientation::nearest(&axial()), code("SPL"));
    }

    /// nibabel 5.4 `aff2axcodes` of these affines (their x and y negated, since nibabel's world is RAS).
    #[test]
    fn oblique_grids_agree_with_nibabel() {
        let cases = [
            ([[0.1, 0.2, 3.0], [0.0, 0.7, -0.1], [0.6, 0.0, 0.05]], "SPL"),
            ([[0.9, -0.3, 0.2], [0.25, 0.8, -0.5], [0.1, 0.5, 0.8]], "LPS"),
            ([[-0.7, 0.69, 0.1], [0.1, 0.3, -1.0], [-0.6, -0.7, 0.2]], "RIA"),
        ];
        for (s, want) in cases {
            let g = Geometry::new([4, 5, 6], Affine::from_steps(s[0], s[1], s[2], [0.0; 3])).expect("valid");
            assert_eq!(Orientation::nearest(&g), code(want));
        }
    }

    #[test]
    fn every_orientation_keeps_each_voxel_where_it_is() {
        let source = axial();
        let voxels =
            Array3::from_shape_fn((2, 3, 4), |(s, r, c)| source.affine().apply([s as f64, r as f64, c as f64]));
        for text in ["RAS", "LIA", "LPS", "SPL", "AIR", "PSR"] {
            let (view, grid) = reorient(voxels.view(), &source, code(text)).expect("same shape");
            assert_eq!(view.shape(), grid.shape());
            assert_eq!(Orientation::nearest(&grid), code(text));
            for ((s, r, c), place) in view.indexed_iter() {
                let here = grid.affine().apply([s as f64, r as f64, c as f64]);
                assert!((0..3).all(|i| (here[i] - place[i]).abs() < 1e-9), "{text}: {here:?} {place:?}");
            }
        }
    }
}
