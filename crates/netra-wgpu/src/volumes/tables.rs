//! Positions of a target grid in a source grid, a table for each axis.

use netra_graph::volumes::GridMap;

use crate::gpu::{Buffer, Gpu};

/// Positions farther away than this are as good as here, and sums of them are 32-bit integers.
const FAR: f64 = 1e8;

/// What each slice, row and column of a target contributes to the three source indices, whole numbers and fractions apart:
/// adding small fractions loses a ten-millionth of a voxel, adding positions in float32 loses a thousand times that.
pub(super) struct Tables {
    pub wholes: Buffer,
    pub fractions: Buffer,
}

impl Tables {
    pub fn new(gpu: &Gpu, map: &GridMap) -> Self {
        let (wholes, fractions) = contributions(map);
        Self { wholes: gpu.upload(&wholes), fractions: gpu.upload(&fractions) }
    }
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
