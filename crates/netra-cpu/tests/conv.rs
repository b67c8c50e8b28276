//! Convolutions in the exact precision mode, whichever form runs them, against the reference evaluator.

mod layer;

use std::sync::Arc;

use layer::{Layer, tensor};
use netra_cpu::{CpuBackend, InstructionSet};
use netra_graph::{Backend, CompileOptions, DType, Kernel, Precision, ProgramBuilder, Reduction, eval};

/// Every instruction set, one thread and two, twice each: the second run finds what the first left in the buffers.
fn compare(layers: &[Layer]) {
    for layer in layers {
        let program = Arc::new(layer.program());
        let x = tensor(&layer.x, 9);
        let expected = eval::run(&program, &[x.view()]).expect("the reference runs").remove(0);
        let expected = expected.as_f32().expect("float32");
        let range = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        for set in InstructionSet::available() {
            for threads in [1, 2] {
                let what = format!("{layer:?} on {set}, {threads} threads");
                let backend = CpuBackend::with_isa(set, Some(threads)).expect("a backend");
                let options = CompileOptions::default().precision(Precision::Exact);
                let executable = backend.compile(program.clone(), &options).expect(&what);
                let first = executable.run(&[x.view()]).expect(&what).remove(0);
                let second = executable.run(&[x.view()]).expect(&what).remove(0);
                let (first, second) = (first.as_f32().expect(&what), second.as_f32().expect(&what));
                assert!(first == second, "{what}: two runs differ");
                let worst = expected.iter().zip(first).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
                assert!(worst <= 2e-6 * range && first.iter().all(|v| v.is_finite()), "{what}: {worst:e} of {range}");
            }
        }
    }
}

#[test]
fn depthwise() {
    let layer =
        |x: &[usize], kernel: &[usize], stride, pad| Layer { stride, groups: x[1], ..Layer::new(x, x[1], kernel, pad) };
    compare(&[
        layer(&[2, 5, 14, 17], &[3, 3], 1, 1),
        layer(&[1, 7, 29, 30], &[3, 3], 2, 1),
        layer(&[1, 7, 30, 29], &[5, 5], 2, 2),
        layer(&[1, 4, 40, 23], &[5, 5], 1, 2),
        layer(&[1, 3, 31, 44], &[3, 3], 3, 0),
        layer(&[1, 9, 7, 7], &[7, 7], 1, 3),
        layer(&[1, 2, 12, 300], &[7, 7], 1, 3),
        layer(&[1, 3, 9, 11, 13], &[3, 3, 3], 1, 1),
        layer(&[1, 3, 9, 11, 13], &[3, 3, 3], 2, 1),
        layer(&[1, 6, 50], &[5], 1, 2),
        Layer { dilation: 2, ..layer(&[1, 4, 25, 26], &[3, 3], 1, 2) },
        Layer { dilation: 3, ..layer(&[1, 4, 25, 26], &[3, 3], 2, 3) },
        Layer { residual: true, ..layer(&[2, 6, 19, 21], &[3, 3], 1, 1) },
        // Channels in the lanes, for some or all instruction sets.
        layer(&[1, 37, 7, 7], &[5, 5], 1, 2),
        layer(&[2, 20, 14, 14], &[3, 3], 1, 1),
        layer(&[1, 16, 13, 8], &[5, 5], 2, 2),
        layer(&[1, 18, 9, 9], &[3, 3], 3, 0),
        layer(&[1, 9, 6, 2], &[3, 3], 1, 1),
        Layer { dilation: 2, ..layer(&[1, 17, 7, 8], &[3, 3], 1, 2) },
        Layer { residual: true, ..layer(&[2, 35, 6, 4], &[3, 3], 1, 1) },
    ]);
}

/// The mean of planes that the depthwise convolution before it has added up, and of planes that it has not.
#[test]
fn means_of_planes() {
    for x in [[2, 21, 9, 7], [1, 18, 14, 16], [2, 5, 70, 75]] {
        for residual in [false, true] {
            let layer = Layer { groups: x[1], residual, ..Layer::new(&x, x[1], &[3, 3], 1) };
            let mut b = ProgramBuilder::new();
            let (planes, _) = layer.step(&mut b);
            let mean = Kernel::Reduce { reduction: Reduction::Mean, axes: vec![2, 3] };
            let mean = b.step("mean", mean, &[Some(planes)], DType::F32, &[x[0], x[1], 1, 1]);
            let program = Arc::new(b.finish(vec![planes, mean]));
            let x = tensor(&x, 9);
            let expected = eval::run(&program, &[x.view()]).expect("the reference runs").remove(1);
            for set in InstructionSet::available() {
                let backend = CpuBackend::with_isa(set, Some(2)).expect("a backend");
                let executable = backend.compile(program.clone(), &CompileOptions::default()).expect("compiles");
                for _ in 0..2 {
                    let got = executable.run(&[x.view()]).expect("runs").remove(1);
                    let pairs = expected.as_f32().expect("float32").iter().zip(got.as_f32().expect("float32"));
                    pairs.for_each(|(a, b)| assert!((a - b).abs() <= 1e-6, "{layer:?} on {set}: {b} for {a}"));
                }
            }
        }
    }
}

#[test]
fn few_pixels_and_many_channels() {
    let plain = |x: &[usize], filters, kernel: &[usize], pad| Layer::new(x, filters, kernel, pad);
    compare(&[
        plain(&[1, 96, 7, 7], 130, &[1, 1], 0),
        plain(&[1, 300, 4, 5], 33, &[3, 3], 1),
        plain(&[2, 40, 14, 14], 72, &[3, 3], 1),
        plain(&[1, 530, 3, 3], 64, &[1, 1], 0),
        plain(&[1, 480, 1, 1], 20, &[1, 1], 0),
        plain(&[3, 20, 1, 1, 1], 485, &[1, 1, 1], 0),
        Layer { residual: true, ..plain(&[2, 70, 1, 1], 35, &[1, 1], 0) },
        plain(&[1, 64, 5, 6, 7], 48, &[3, 3, 3], 1),
        Layer { stride: 2, ..plain(&[1, 64, 28, 27], 96, &[3, 3], 1) },
        Layer { stride: 2, ..plain(&[1, 48, 14, 14], 64, &[1, 1], 0) },
        Layer { stride: 2, ..plain(&[1, 3, 45, 44], 32, &[7, 7], 3) },
        Layer { dilation: 2, ..plain(&[1, 20, 9, 10, 11], 40, &[3, 3, 3], 2) },
        Layer { groups: 4, ..plain(&[1, 64, 13, 15], 64, &[3, 3], 1) },
        Layer { groups: 2, stride: 2, residual: true, ..plain(&[2, 48, 12, 13], 96, &[3, 3], 1) },
    ]);
}

#[test]
fn single_pixels_of_many_channels() {
    let plain = |x: &[usize], filters| Layer::new(x, filters, &[1, 1], 0);
    compare(&[
        plain(&[1, 64, 28, 29], 256),
        plain(&[2, 130, 14, 14], 100),
        plain(&[1, 300, 20, 17], 24),
        Layer { stride: 2, ..plain(&[1, 128, 27, 28], 136) },
        Layer { residual: true, ..plain(&[1, 72, 30, 31], 40) },
        Layer { groups: 2, ..plain(&[1, 192, 15, 16], 96) },
    ]);
}

#[test]
fn few_channels_and_many_pixels() {
    let plain = |x: &[usize], filters, kernel: &[usize], pad| Layer::new(x, filters, kernel, pad);
    compare(&[
        plain(&[1, 1, 20, 33, 34], 5, &[3, 3, 3], 1),
        plain(&[1, 5, 18, 17, 30], 7, &[3, 3, 3], 1),
        plain(&[1, 3, 40, 200], 2, &[1, 1], 0),
        plain(&[2, 8, 60, 61], 9, &[3, 3], 1),
        plain(&[1, 4, 500], 6, &[9], 4),
        Layer { dilation: 4, ..plain(&[1, 6, 16, 19, 40], 6, &[3, 3, 3], 4) },
        Layer { stride: 2, ..plain(&[1, 4, 33, 70], 8, &[3, 3], 1) },
        Layer { residual: true, ..plain(&[1, 16, 40, 41], 16, &[3, 3], 1) },
    ]);
}

/// The counts behind a plan exceed thirty-two bits, which is what a size has on WebAssembly.
#[test]
fn a_layer_of_a_trillion_products_is_planned() {
    let layer = Layer::new(&[1, 256, 100, 100, 100], 256, &[3, 3, 3], 1);
    let program = Arc::new(layer.program());
    let bytes = 2 * 256 * 100 * 100 * 100 * size_of::<f32>() as u64;
    for set in InstructionSet::available() {
        for precision in [Precision::Exact, Precision::Fast] {
            let backend = CpuBackend::with_isa(set, Some(1)).expect("a backend");
            let options = CompileOptions::default().precision(precision);
            let executable = backend.compile(program.clone(), &options).expect("compiles");
            assert_eq!(executable.plan().activations, bytes, "{set}, {precision}");
        }
    }
}
