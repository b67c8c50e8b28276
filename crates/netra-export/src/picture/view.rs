//! Orthogonal planes of a volume, turned the way a radiologist expects them.

use ndarray::{Array3, ArrayView2, ArrayView3, Axis};
use netra_core::Geometry;

/// A family of parallel planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    Axial,
    Coronal,
    Sagittal,
}

impl View {
    pub const ALL: [Self; 3] = [Self::Axial, Self::Coronal, Self::Sagittal];

    pub fn name(self) -> &'static str {
        match self {
            Self::Axial => "Axial",
            Self::Coronal => "Coronal",
            Self::Sagittal => "Sagittal",
        }
    }

    /// World axes (0 left, 1 back, 2 head) across the planes, down the picture and across the picture.
    pub fn axes(self) -> [usize; 3] {
        match self {
            Self::Axial => [2, 1, 0],
            Self::Coronal => [1, 2, 0],
            Self::Sagittal => [0, 2, 1],
        }
    }

    /// Letters at the left and right edge of the picture.
    pub fn edges(self) -> [&'static str; 2] {
        match self {
            Self::Axial | Self::Coronal => ["R", "L"],
            Self::Sagittal => ["A", "P"],
        }
    }
}

/// Which array axis runs along each world axis, and whether against it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Axes {
    /// Array axis for world axis left, back, head.
    pub array: [usize; 3],
    /// Whether the array axis runs to the right, the front or the feet instead.
    pub reversed: [bool; 3],
}

impl Axes {
    /// The pairing of array and world axes that fits an oblique grid best.
    pub fn of(geometry: &Geometry) -> Self {
        const PAIRINGS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let direction = geometry.direction();
        let fit = |pairing: &[usize; 3]| -> f64 { (0..3).map(|world| direction[pairing[world]][world].abs()).sum() };
        let array = PAIRINGS.into_iter().max_by(|a, b| fit(a).total_cmp(&fit(b))).unwrap_or([2, 1, 0]);
        Self { array, reversed: std::array::from_fn(|world| direction[array[world]][world] < 0.0) }
    }

    /// Plane `index` (along the array axis that crosses the view) of an array, turned for display: rows go to the back
    /// (axial) or to the feet, columns to the left (axial, coronal) or to the back.
    pub fn plane<'a, T>(&self, array: &'a ArrayView3<'_, T>, view: View, index: usize) -> ArrayView2<'a, T> {
        let [through, down, across] = view.axes().map(|world| self.array[world]);
        let mut plane = array.index_axis(Axis(through), index);
        // The remaining axes stand in array order.
        if down > across {
            plane = plane.reversed_axes();
        }
        if self.flipped_down(view) {
            plane.invert_axis(Axis(0));
        }
        if self.flipped_across(view) {
            plane.invert_axis(Axis(1));
        }
        plane
    }

    /// Whether the picture's rows run against the array: to the back for axial planes, to the feet for the others.
    pub fn flipped_down(&self, view: View) -> bool {
        let world = view.axes()[1];
        self.reversed[world] != (world == 2)
    }

    /// Whether the picture's columns run against the array.
    pub fn flipped_across(&self, view: View) -> bool {
        self.reversed[view.axes()[2]]
    }
}

/// First and last index that carries a label, for each array axis; `None` when nothing is labelled.
pub(super) fn labelled_extent(labels: &Array3<u16>) -> Option<[[usize; 2]; 3]> {
    let mut extent: Option<[[usize; 2]; 3]> = None;
    for (slice, plane) in labels.outer_iter().enumerate() {
        for (row, line) in plane.outer_iter().enumerate() {
            let Some(first) = line.iter().position(|&label| label != 0) else { continue };
            let last = line.iter().rposition(|&label| label != 0).unwrap_or(first);
            let found = [[slice, slice], [row, row], [first, last]];
            extent = Some(match extent {
                None => found,
                Some(known) => {
                    std::array::from_fn(|axis| [known[axis][0].min(found[axis][0]), known[axis][1].max(found[axis][1])])
                }
            });
        }
    }
    extent
}

#[cfg(test)]
mod tests {
    use netra_core::Affine;

    use super::*;

    /// Voxel value = world position packed, so that a plane shows where each pixel lies.
    fn world(geometry: &Geometry) -> Array3<[f64; 3]> {
        let [s, r, c] = geometry.shape();
        Array3::from_shape_fn((s, r, c), |(i, j, k)| geometry.affine().apply([i as f64, j as f64, k as f64]))
    }

    #[test]
    fn every_storage_order_is_shown_head_up_with_the_right_side_on_the_left() {
        let grids = [
            // Axial, feet first; axial, head first; coronal; sagittal with reversed rows; slightly oblique.
            ([0.0, 0.0, 3.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]),
            ([0.0, 0.0, -3.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]),
            ([0.0, 2.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]),
            ([-2.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]),
            ([0.3, 0.0, 3.0], [0.0, 1.0, 0.1], [1.0, 0.0, -0.1]),
        ];
        for (slice, row, column) in grids {
            let geometry = Geometry::new([3, 4, 5], Affine::from_steps(slice, row, column, [7.0, 8.0, 9.0])).unwrap();
            let axes = Axes::of(&geometry);
            let positions = world(&geometry);
            for view in View::ALL {
                let positions = positions.view();
                let plane = axes.plane(&positions, view, 1);
                let (rows, columns) = plane.dim();
                let [_, down, across] = view.axes();
                let growth_down = plane[(rows - 1, 0)][down] - plane[(0, 0)][down];
                let growth_across = plane[(0, columns - 1)][across] - plane[(0, 0)][across];
                assert!(growth_across > 0.0, "{view:?} {slice:?}: columns run to the left or the back");
                assert_eq!(growth_down > 0.0, view == View::Axial, "{view:?} {slice:?}: head up, face up");
            }
        }
    }

    #[test]
    fn the_extent_is_tight() {
        let mut labels = Array3::<u16>::zeros((4, 5, 6));
        assert_eq!(labelled_extent(&labels), None);
        labels[(1, 3, 2)] = 1;
        labels[(2, 0, 4)] = 7;
        assert_eq!(labelled_extent(&labels), Some([[1, 2], [0, 3], [2, 4]]));
    }
}
