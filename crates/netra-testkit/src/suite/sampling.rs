//! Sampling at computed places, and where a pooling found its elements.

use netra_graph::{DType, Data, GridMode, GridPadding, GridSample, Kernel, Pool, RoiAlign};

use super::{Case, EXACT, Operand, tensor, x};
use crate::Rng;

/// Coordinates are computed in float32, where the oracle has float64.
const PLACES: f64 = 2e-5;

pub fn cases() -> Vec<Case> {
    let mut cases = grids();
    cases.extend(regions());
    cases.extend(pools());
    cases
}

fn grids() -> Vec<Case> {
    let mut cases = Vec::new();
    // Places inside, outside and far outside.
    let places = |shape: &[usize]| {
        let mut rng = Rng::new(23);
        let mut values: Vec<f32> = (0..shape.iter().product()).map(|_| 1.7 * rng.unit()).collect();
        values[0] = 25.3;
        Operand::Input(tensor(shape, Data::F32(values)))
    };
    let inputs: [(&[usize], &[usize], &[usize]); 3] = [
        (&[2, 3, 9], &[2, 12, 1], &[2, 3, 12]),
        (&[2, 3, 5, 7], &[2, 4, 6, 2], &[2, 3, 4, 6]),
        (&[1, 2, 4, 5, 6], &[1, 3, 4, 5, 3], &[1, 2, 3, 4, 5]),
    ];
    for mode in [GridMode::Linear, GridMode::Nearest, GridMode::Cubic] {
        for padding in [GridPadding::Zeros, GridPadding::Border, GridPadding::Reflection] {
            for align_corners in [true, false] {
                for (input, grid, output) in inputs {
                    let kernel = Kernel::GridSample(GridSample { mode, padding, align_corners });
                    let name = format!("grid-{mode:?}-{padding:?}-{align_corners}-{}", input.len());
                    cases.push(Case::single(name, kernel, &[x(input), places(grid)], output, PLACES));
                }
            }
        }
    }
    cases
}

fn regions() -> Vec<Case> {
    let mut cases = Vec::new();
    for (max, sampling_ratio, half_pixel) in
        [(false, 2, true), (false, 0, true), (false, 0, false), (true, 2, true), (true, 0, false)]
    {
        let rois = vec![0.3, 1.2, 9.7, 8.1, -2.0, -3.0, 4.4, 5.5, 6.1, 6.2, 30.0, 31.0, 2.0, 2.0, 2.1, 2.1];
        let operands = [
            x(&[2, 3, 10, 12]),
            Operand::Input(tensor(&[4, 4], Data::F32(rois))),
            Operand::Input(tensor(&[4], Data::I64(vec![0, 1, 1, 0]))),
        ];
        let kernel = Kernel::RoiAlign(RoiAlign { max, sampling_ratio, spatial_scale: 0.75, half_pixel });
        let name = format!("roi-align-{max}-{sampling_ratio}-{half_pixel}");
        cases.push(Case::single(name, kernel, &operands, &[4, 3, 4, 5], PLACES));
    }
    cases
}

fn pools() -> Vec<Case> {
    let mut cases = Vec::new();
    for column_major in [false, true] {
        for (input, output) in [
            (vec![2, 3, 11], vec![2, 3, 6]),
            (vec![2, 3, 8, 9], vec![2, 3, 4, 5]),
            (vec![1, 2, 6, 7, 8], vec![1, 2, 3, 4, 4]),
        ] {
            let rank = input.len() - 2;
            let pool = Pool {
                kernel: vec![3; rank],
                strides: vec![2; rank],
                pads: vec![(1, 1); rank],
                dilations: vec![1; rank],
            };
            let kernel = Kernel::MaxPoolIndices { pool, column_major };
            let name = format!("max-pool-indices-{column_major}-{rank}");
            // Few values, so that some are equal.
            let mut rng = Rng::new(31);
            let values = (0..input.iter().product()).map(|_| rng.below(5) as f32).collect();
            let operands = [Operand::Input(tensor(&input, Data::F32(values)))];
            cases.push(Case::with_inputs(name, kernel, &operands, &mut Rng::new(1), DType::I64, &output, EXACT));
        }
    }
    cases
}
