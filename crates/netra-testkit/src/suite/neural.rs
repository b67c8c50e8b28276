//! Kernels of neural networks beyond convolution and normalisation: places of maxima, sampling, resampling with filters.

use netra_graph::{
    Coordinates, DType, Data, GridMode, GridPadding, GridSample, Kernel, Nearest, Pool, Resize, ResizeMode, RoiAlign,
};

use super::{Case, EXACT, FUNCTIONS, Operand, tensor, x};
use crate::Rng;

pub fn cases() -> Vec<Case> {
    let mut cases = places_of_maxima();
    cases.extend(grids());
    cases.extend(regions());
    cases.extend(filters());
    cases
}

fn places_of_maxima() -> Vec<Case> {
    let pools: [(&[usize], &[usize], Pool); 3] = [
        (&[2, 3, 11], &[2, 3, 6], pool(&[3], 2, (1, 1), 1)),
        (&[1, 2, 7, 9], &[1, 2, 4, 5], pool(&[2, 2], 2, (1, 1), 2)),
        (&[2, 1, 5, 6, 7], &[2, 1, 4, 5, 6], pool(&[2, 2, 2], 1, (0, 0), 1)),
    ];
    let mut cases = Vec::new();
    for (input, output, pool) in pools {
        for column_major in [false, true] {
            let name = format!("max-pool-indices-{input:?}-{column_major}");
            let kernel = Kernel::MaxPoolIndices { pool: pool.clone(), column_major };
            cases.push(Case::with_inputs(name, kernel, &[x(input)], &mut Rng::new(5), DType::I64, output, EXACT));
        }
    }
    // The first of equal elements.
    let level = Operand::Input(tensor(&[1, 1, 4], Data::F32(vec![1.0, 1.0, 0.0, 1.0])));
    let kernel = Kernel::MaxPoolIndices { pool: pool(&[2], 1, (0, 0), 1), column_major: false };
    let name = "max-pool-indices-equal".into();
    cases.push(Case::with_inputs(name, kernel, &[level], &mut Rng::new(5), DType::I64, &[1, 1, 3], EXACT));
    cases
}

fn pool(kernel: &[usize], stride: usize, pads: (usize, usize), dilation: usize) -> Pool {
    let rank = kernel.len();
    Pool {
        kernel: kernel.to_vec(),
        strides: vec![stride; rank],
        pads: vec![pads; rank],
        dilations: vec![dilation; rank],
    }
}

fn grids() -> Vec<Case> {
    let shapes: [(&[usize], &[usize], &[usize]); 3] = [
        (&[2, 3, 9], &[2, 7, 1], &[2, 3, 7]),
        (&[2, 3, 5, 6], &[2, 4, 3, 2], &[2, 3, 4, 3]),
        (&[1, 2, 4, 5, 6], &[1, 3, 4, 2, 3], &[1, 2, 3, 4, 2]),
    ];
    let mut cases = Vec::new();
    for (input, grid, output) in shapes {
        for mode in [GridMode::Linear, GridMode::Nearest, GridMode::Cubic] {
            for padding in [GridPadding::Zeros, GridPadding::Border, GridPadding::Reflection] {
                for align_corners in [false, true] {
                    let name = format!("grid-sample-{input:?}-{mode:?}-{padding:?}-{align_corners}");
                    // A third of the places lie outside.
                    let mut places = Rng::new(grid.len() as u64).units(grid.iter().product());
                    places.iter_mut().for_each(|v| *v *= 1.5);
                    let operands = [x(input), Operand::Input(tensor(grid, Data::F32(places)))];
                    let kernel = Kernel::GridSample(GridSample { mode, padding, align_corners });
                    cases.push(Case::single(name, kernel, &operands, output, 4.0 * FUNCTIONS));
                }
            }
        }
    }
    cases
}

fn regions() -> Vec<Case> {
    let rois = [1.0, 1.0, 9.0, 8.0, -2.0, 0.0, 5.0, 20.0, 3.3, 2.1, 4.4, 10.9];
    let mut cases = Vec::new();
    for max in [false, true] {
        for half_pixel in [false, true] {
            for sampling_ratio in [0, 2] {
                let operands = [
                    x(&[2, 3, 12, 11]),
                    Operand::Input(tensor(&[3, 4], Data::F32(rois.to_vec()))),
                    Operand::Input(tensor(&[3], Data::I64(vec![0, 1, 1]))),
                ];
                let kernel = Kernel::RoiAlign(RoiAlign { max, sampling_ratio, spatial_scale: 0.7, half_pixel });
                let name = format!("roi-align-{max}-{half_pixel}-{sampling_ratio}");
                cases.push(Case::single(name, kernel, &operands, &[3, 3, 3, 4], 4.0 * FUNCTIONS));
            }
        }
    }
    cases
}

fn filters() -> Vec<Case> {
    let shapes: [(&[usize], &[usize]); 3] =
        [(&[1, 2, 19], &[1, 2, 7]), (&[2, 1, 9, 23], &[2, 1, 4, 30]), (&[1, 1, 8, 9, 10], &[1, 1, 3, 9, 5])];
    let mut cases = Vec::new();
    for (input, output) in shapes {
        let scales: Vec<f32> = input.iter().zip(output).map(|(&i, &o)| o as f32 / i as f32).collect();
        for mode in [ResizeMode::Linear, ResizeMode::Cubic { a: -0.5 }] {
            for exclude_outside in [false, true] {
                let plain = Resize::new(mode, Coordinates::HalfPixel, scales.clone());
                let resize = Resize { antialias: true, exclude_outside, ..plain };
                let name = format!("resize-antialias-{mode:?}-{exclude_outside}-{input:?}");
                cases.push(Case::single(name, Kernel::Resize(resize), &[x(input)], output, FUNCTIONS));
            }
        }
        for mode in [ResizeMode::Nearest(Nearest::RoundPreferFloor), ResizeMode::Linear] {
            let mut resize = Resize::new(mode, Coordinates::TfCropAndResize, scales.clone());
            resize.crop = vec![(0.0, 1.0); input.len()];
            // Beyond the input at both ends, then a part of it mirrored.
            resize.crop[2] = (-0.3, 1.2);
            if let Some(last) = resize.crop.get_mut(3) {
                *last = (0.8, 0.25);
            }
            let name = format!("resize-crop-{mode:?}-{input:?}");
            cases.push(Case::single(name, Kernel::Resize(resize), &[x(input)], output, FUNCTIONS));
        }
    }
    cases
}
