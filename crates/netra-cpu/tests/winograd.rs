//! Convolutions in the fast precision mode, where Winograd's algorithm may run, against the exact mode.

mod layer;

use std::sync::Arc;

use layer::{Layer, tensor};
use netra_cpu::{CpuBackend, InstructionSet};
use netra_graph::{Backend, CompileOptions, Precision};

/// Every instruction set, one thread and two, twice each: the second run finds what the first left in the buffers.
fn compare(layers: &[Layer]) {
    for layer in layers {
        let program = Arc::new(layer.program());
        let x = tensor(&layer.x, 9);
        for set in InstructionSet::available().into_iter().rev() {
            let what = format!("{:?} x {:?} dilation {} on {set}", layer.x, layer.kernel, layer.dilation);
            let run = |precision, threads, times| {
                let backend = CpuBackend::with_isa(set, Some(threads)).expect("a backend");
                let options = CompileOptions::default().precision(precision);
                let executable = backend.compile(program.clone(), &options).expect(&what);
                let runs = (0..times).map(|_| executable.run(&[x.view()]).expect(&what).remove(0));
                runs.last().expect("at least one run").as_f32().expect("float32").to_vec()
            };
            let exact = run(Precision::Exact, 1, 1);
            let range = exact.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            for threads in [1, 2] {
                let fast = run(Precision::Fast, threads, 2);
                let worst = exact.iter().zip(&fast).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
                assert!(worst <= 2e-5 * range, "{what}, {threads} threads: {worst:e} of {range}");
                assert!(fast.iter().all(|v| v.is_finite()), "{what}");
                assert!(fast != exact || layer.x[1] < 16, "{what}: the fast mode multiplied as often as the exact one");
            }
        }
    }
}

fn layer(x: &[usize], filters: usize, kernel: &[usize], dilation: usize, pad: usize) -> Layer {
    Layer { dilation, ..Layer::new(x, filters, kernel, pad) }
}

#[test]
fn fast_stays_near_exact() {
    compare(&[
        layer(&[1, 16, 20, 20, 20], 16, &[3, 3, 3], 1, 1),
        layer(&[2, 21, 9, 17, 30], 21, &[3, 3, 3], 1, 1),
        layer(&[1, 20, 20, 20, 20], 21, &[3, 3, 3], 2, 2),
        layer(&[1, 12, 16, 24, 25], 30, &[3, 3, 3], 4, 4),
        layer(&[1, 8, 20, 32, 47], 16, &[3, 3, 3], 16, 16),
        layer(&[1, 8, 20, 22, 23], 16, &[3, 3, 3], 3, 3),
        layer(&[1, 32, 6, 34, 34], 32, &[1, 3, 3], 1, 0),
        layer(&[1, 130, 14, 14], 100, &[3, 3], 1, 1),
        layer(&[1, 64, 31, 23], 33, &[3, 3], 2, 2),
        Layer { groups: 2, residual: true, ..layer(&[2, 48, 30, 40], 64, &[3, 3], 1, 2) },
    ]);
}

#[test]
fn fast_stays_near_exact_in_larger_layers() {
    compare(&[
        layer(&[2, 16, 11, 21, 37], 17, &[3, 3, 3], 2, 2),
        layer(&[1, 12, 34, 33, 35], 30, &[3, 3, 3], 8, 8),
        layer(&[1, 64, 56, 57], 64, &[3, 3], 1, 1),
        Layer { residual: true, ..layer(&[1, 32, 24, 24, 24], 32, &[3, 3, 3], 1, 1) },
        Layer { residual: true, ..layer(&[1, 16, 12, 30, 35], 24, &[3, 3, 3], 2, 2) },
    ]);
}
