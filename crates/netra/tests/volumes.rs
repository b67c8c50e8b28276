//! Operations on volumes of a graphics adapter beside those of the host that they stand for.
#![cfg(feature = "wgpu")]
#![allow(clippy::print_stderr)]

use std::sync::Arc;

use ndarray::{Array3, ArrayView3};
use netra_core::resample::{self, Padding, index_map};
use netra_core::{Affine, Geometry};
use netra_graph::volumes::{
    Beyond, ChannelActivation, Decision, GridMap, Interpolation, LabelGrid, Labelling, Meeting, ValueMap, Window,
    WindowPadding,
};
use netra_graph::{Backend, CompileOptions, DType, Kernel, ProgramBuilder, Tensor, Unary};
use netra_wgpu::{AdapterSelector, WgpuBackend};

fn adapter() -> Option<WgpuBackend> {
    WgpuBackend::open(AdapterSelector::Any).inspect_err(|e| eprintln!("skipped: {e}")).ok()
}

/// Numbers between 0 and 100, the same every time; each 50th is 0.
fn numbers(shape: [usize; 4]) -> Tensor {
    let mut state = 9u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 167_772.16
    };
    let n = shape.iter().product();
    Tensor::from_f32(shape, (0..n).map(|i| if i % 50 == 0 { 0.0 } else { next() }).collect()).expect("a tensor")
}

fn grid(shape: [usize; 3], spacing: [f64; 3], angle: f64, origin: [f64; 3]) -> Geometry {
    let (sin, cos) = angle.sin_cos();
    let [slice, row, column] = spacing;
    let affine =
        Affine::from_steps([0.0, 0.0, slice], [sin * row, cos * row, 0.0], [cos * column, -sin * column, 0.0], origin);
    Geometry::new(shape, affine).expect("a grid")
}

#[test]
fn resampling_is_that_of_the_host() {
    let Some(gpu) = adapter() else { return };
    let volumes = gpu.volumes().expect("volumes");
    let values = numbers([2, 9, 14, 21]);
    let from = grid([9, 14, 21], [2.5, 0.8, 0.9], 0.0, [3.0, -4.0, 7.0]);
    let targets = [
        grid([20, 11, 17], [1.25, 1.1, 1.0], 0.0, [3.0, -4.0, 7.0]),
        grid([22, 15, 30], [1.3, -0.8, 0.7], 0.0, [1.0, 7.0, 4.0]),
        grid([12, 20, 25], [2.0, 0.9, 0.8], 0.4, [1.0, -2.0, 5.0]),
        // Ties everywhere: twice the voxels.
        grid([18, 28, 42], [1.25, 0.4, 0.45], 0.0, [2.775, -4.2, 6.375]),
    ];
    let volume = volumes.upload(values.view()).expect("uploaded");
    assert_eq!(volumes.download(&volume).expect("read"), values);
    let block = values.as_f32().expect("float32");
    for (i, to) in targets.iter().enumerate() {
        let map = index_map(&from, to).0;
        let map = GridMap { shape: to.shape(), map: [map[0], map[1], map[2]] };
        for (beyond, padding) in
            [(Beyond::Border, Padding::Border), (Beyond::Zeros, Padding::Zeros), (Beyond::Extent, Padding::Extent)]
        {
            for way in [Interpolation::Linear, Interpolation::Nearest] {
                let found = volumes.resample(&volume, &map, way, beyond).expect("resampled");
                let found = volumes.download(&found).expect("read");
                let found = found.as_f32().expect("float32");
                let voxels = found.len() / 2;
                for channel in 0..2 {
                    let source = &block[channel * 2646..][..2646];
                    let source = ArrayView3::from_shape((9, 14, 21), source).expect("a channel");
                    let want: Array3<f32> = match way {
                        Interpolation::Linear => resample::linear(source, &from, to, padding),
                        Interpolation::Nearest => resample::nearest(source, &from, to, padding),
                    }
                    .expect("resampled");
                    let most =
                        want.iter().zip(&found[channel * voxels..]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                    assert!(most < 1e-5 * 100.0, "target {i}, {way:?}, {padding:?}: {most}");
                    assert!(want.iter().any(|&v| v != 0.0));
                }
            }
        }
    }
}

#[test]
fn moments_and_maps_are_those_of_float64() {
    let Some(gpu) = adapter() else { return };
    let volumes = gpu.volumes().expect("volumes");
    let values = numbers([2, 30, 40, 50]);
    let shifted: Vec<f32> =
        values.as_f32().expect("float32").iter().map(|v| if *v == 0.0 { 0.0 } else { v + 3000.0 }).collect();
    let volume = volumes.upload(Tensor::from_f32([2, 30, 40, 50], shifted.clone()).expect("a tensor").view());
    let volume = volume.expect("uploaded");
    for nonzero in [false, true] {
        let found = volumes.moments(&volume, nonzero).expect("summed");
        for (channel, found) in found.iter().enumerate() {
            let counted: Vec<f64> = shifted[channel * 60_000..][..60_000]
                .iter()
                .filter(|&&v| !nonzero || v != 0.0)
                .map(|&v| f64::from(v))
                .collect();
            let n = counted.len() as f64;
            let mean = counted.iter().sum::<f64>() / n;
            let variance = counted.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
            assert_eq!(found.count, n as u64);
            assert!((found.mean - mean).abs() < 1e-3 && (found.variance / variance - 1.0).abs() < 1e-5, "{found:?}");
            assert_eq!(found.range, [if nonzero { found.range[0] } else { 0.0 }, found.range[1]]);
            assert!(!nonzero || found.range[0] >= 3000.0);
        }
    }
    let plain = ValueMap { subtrahend: 3050.0, divisor: 7.0, factor: 2.0, offset: 1.0, limits: None, keep_zero: true };
    let limited = ValueMap { limits: Some([-5.0, 5.0]), keep_zero: false, ..plain };
    volumes.map(&volume, &[plain, limited]).expect("changed");
    let found = volumes.download(&volume).expect("read");
    for (i, (got, &v)) in found.as_f32().expect("float32").iter().zip(&shifted).enumerate() {
        let changed = (v - 3050.0) / 7.0 * 2.0 + 1.0;
        let want = match (i < 60_000, v == 0.0) {
            (true, true) => 0.0,
            (true, false) => changed,
            (false, _) => changed.clamp(-5.0, 5.0),
        };
        assert!((got - want).abs() < 1e-4, "{i}: {got} and {want}");
    }
}

/// The value that decided a label comes with it, on the grid that was asked for.
#[test]
fn labels_come_with_their_confidence() {
    let Some(gpu) = adapter() else { return };
    let volumes = gpu.volumes().expect("volumes");
    let shape = [3, 4, 6, 5];
    let values = numbers(shape);
    let mut b = ProgramBuilder::new();
    let x = b.input("x", DType::F32, &[1, 3, 4, 6, 5]);
    let y = b.step("negative", Kernel::Unary(Unary::Neg), &[Some(x)], DType::F32, &[1, 3, 4, 6, 5]);
    let executable = gpu.compile(Arc::new(b.finish(vec![y])), &CompileOptions::default()).expect("compiles");
    let input = volumes.upload(values.view()).expect("uploaded");
    let half = GridMap { shape: [4, 3, 5], map: [[1.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]] };
    for (grid, [slices, rows, columns], step) in [
        (LabelGrid::Own, [4, 6, 5], [1, 0]),
        (LabelGrid::Nearest(half.clone()), [4, 3, 5], [2, 1]),
        (LabelGrid::Linear(half), [4, 3, 5], [2, 1]),
    ] {
        let labelling = Labelling {
            channels: 3,
            chosen: None,
            shape: [4, 6, 5],
            window_slices: 4,
            meeting: Meeting::Beside { windows: 1 },
            activation: Some(ChannelActivation::Softmax),
            decision: Decision::Greatest,
            grid,
            outside: 9,
            confidence: true,
        };
        let mut labeller = volumes.labelling(&labelling).expect("begun");
        let window =
            Window { start: [0; 3], padding: WindowPadding::Constant(0.0), own: [0..4, 0..6, 0..5], finished: 4 };
        labeller.add(&*executable, 0, &input, &window).expect("added");
        let found = labeller.finish().expect("labels");
        assert_eq!(found.labels.shape(), [slices, rows, columns]);
        let (labels, confidence) = (found.labels.to_i64s().expect("integers"), found.confidence.expect("asked for"));
        let confidence = confidence.as_f32().expect("float32").to_vec();
        let at = |k: usize, s: usize, r: usize, c: usize| {
            -f64::from(values.as_f32().expect("float32")[((k * 4 + s) * 6 + r) * 5 + c])
        };
        for (i, (&label, &likely)) in labels.iter().zip(&confidence).enumerate() {
            let (s, r, c) = (i / columns / rows, i / columns % rows * step[0], i % columns + step[1]);
            if c >= 5 {
                assert_eq!((label, likely), (9, 0.0), "outside");
                continue;
            }
            let logits = [0, 1, 2].map(|k| at(k, s, r, c));
            let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|v| (v - most).exp()).sum();
            assert_eq!(logits[label as usize], most, "voxel {i}");
            assert!((f64::from(likely) - 1.0 / sum).abs() < 1e-5, "voxel {i}: {likely}");
        }
    }
}
