//! Positions of a target grid in a source grid, a table for each axis.

use std::ops::Range;

use netra_graph::volumes::GridMap;

use crate::gpu::{Buffer, Gpu};

/// Positions farther away than this are as good as here, and sums of them are 32-bit integers.
const FAR: f64 = 1e8;

/// What each slice, row and column of a target contributes to the three source indices, whole numbers and fractions apart:
/// adding small fractions loses a ten-millionth of a voxel, adding positions in float32 loses a thousand times that.
pub(super) struct Tables {
    pub wholes: Buffer,
    pub fractions: Buffer,
    map: GridMap,
}

impl Tables {
    pub fn new(gpu: &Gpu, map: &GridMap) -> Self {
        let (wholes, fractions) = contributions(map);
        Self { wholes: gpu.upload(&wholes), fractions: gpu.upload(&fractions), map: map.clone() }
    }

    /// A box of the target with every voxel between source slices `slices.start - 1` and `slices.end - 1`; what lies beyond
    /// the first or last of all `count` slices counts as between them.
    pub fn reach(&self, slices: Range<usize>, count: usize) -> [Range<usize>; 3] {
        reach(&self.map, slices, count)
    }
}

fn reach(to: &GridMap, slices: Range<usize>, count: usize) -> [Range<usize>; 3] {
    let row = to.map[0];
    let least = if slices.start == 0 { f64::NEG_INFINITY } else { slices.start as f64 - 1.0 };
    let most = if slices.end == count { f64::INFINITY } else { slices.end as f64 };
    let ends = |axis: usize| {
        let far = row[axis] * (to.shape[axis].max(1) - 1) as f64;
        [far.min(0.0), far.max(0.0)]
    };
    std::array::from_fn(|axis| {
        let (size, step) = (to.shape[axis], row[axis]);
        if step == 0.0 {
            return 0..size;
        }
        let others = (0..3).filter(|&other| other != axis).map(ends);
        let [low, high] = others.fold([row[3]; 2], |sum, ends| [sum[0] + ends[0], sum[1] + ends[1]]);
        let (a, b) = ((least - high) / step, (most - low) / step);
        // One more on each side, for rounding. A float beyond an integer's range becomes its nearest end.
        let first = (a.min(b).floor() - 1.0).max(0.0) as usize;
        let last = (a.max(b).ceil() + 2.0).max(0.0) as usize;
        first.min(size)..last.clamp(first.min(size), size)
    })
}

fn contributions(to: &GridMap) -> (Vec<i32>, Vec<f32>) {
    // A grid whose axes are parallel to the source's has one contribution a position, and loses nothing at all.
    let main = to.map.map(|row| (0..3).max_by(|&a, &b| row[a].abs().total_cmp(&row[b].abs())).unwrap_or(0));
    let mut tables = (Vec::new(), Vec::new());
    for axis in 0..3 {
        for index in 0..to.shape[axis] {
            for (row, main) in to.map.iter().zip(main) {
                let start = if main == axis { row[3] } else { 0.0 };
                let position = (start + row[axis] * index as f64).clamp(-FAR, FAR);
                tables.0.push(position.floor() as i32);
                tables.1.push((position - position.floor()) as f32);
            }
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By every voxel of grids that run along, against, and across the source's slices, or at an angle to all.
    #[test]
    fn a_reach_holds_every_voxel_between_its_slices() {
        let rows = [
            [0.4, 0.0, 0.0, -0.7],
            [0.0, -0.5, 0.0, 9.3],
            [0.0, 0.0, 1.7, 0.2],
            [0.3, -0.4, 0.2, 3.0],
            [0.0, 0.0, 0.0, 4.0],
        ];
        let mut left_out = 0;
        for row in rows {
            let map = GridMap { shape: [9, 21, 6], map: [row, [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]] };
            for slices in [0..4, 4..7, 7..10] {
                let found = reach(&map, slices.clone(), 10);
                for i in 0..9 * 21 * 6 {
                    let at = [i / 126, i / 6 % 21, i % 6];
                    let position = row[0] * at[0] as f64 + row[1] * at[1] as f64 + row[2] * at[2] as f64 + row[3];
                    let later = (position.max(0.0) as usize + 1).min(9);
                    let inside = (0..3).all(|axis| found[axis].contains(&at[axis]));
                    assert!(inside || !slices.contains(&later), "{row:?}, {slices:?}, {at:?} in {found:?}");
                    left_out += usize::from(!inside);
                }
            }
        }
        assert!(left_out > 3000, "{left_out}");
    }
}
