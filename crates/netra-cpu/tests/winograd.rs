//! Convolutions in the fast precision mode, where Winograd's algorithm may run, against the exact mode.

mod layer;

use std::sync::Arc;

use layer::{Layer, tensor};
use netra_cpu::{CpuBackend, InstructionSet};
use netra_graph::{Backend, CompileOptions, Precision};

#[test]
fn fast_stays_near_exact() {
    let layer = |x: &[usize], filters, kernel: &[usize], dilation, pad| Layer {
        dilation,
        ..Layer::new(x, filters, kernel, pad)
    };
    let layers = [
        layer(&[1, 16, 20, 20, 20], 16, &[3, 3, 3], 1, 1),
        layer(&[2, 21, 9, 17, 30], 21, &[3, 3, 3], 1, 1),
        layer(&[1, 20, 20, 20, 20], 21, &[3, 3, 3], 2, 2),
        layer(&[2, 16, 11, 21, 37], 17, &[3, 3, 3], 2, 2),
        layer(&[1, 12, 16, 24, 25], 30, &[3, 3, 3], 4, 4),
        layer(&[1, 12, 34, 33, 35], 30, &[3, 3, 3], 8, 8),
        layer(&[1, 8, 20, 32, 47], 16, &[3, 3, 3], 16, 16),
        layer(&[1, 8, 20, 22, 23], 16, &[3, 3, 3], 3, 3),
        layer(&[1, 32, 6, 34, 34], 32, &[1, 3, 3], 1, 0),
        layer(&[1, 64, 56, 57], 64, &[3, 3], 1, 1),
        layer(&[1, 130, 14, 14], 100, &[3, 3], 1, 1),
        layer(&[1, 64, 31, 23], 33, &[3, 3], 2, 2),
        Layer { groups: 2, residual: true, ..layer(&[2, 48, 30, 40], 64, &[3, 3], 1, 2) },
        Layer { residual: true, ..layer(&[1, 32, 24, 24, 24], 32, &[3, 3, 3], 1, 1) },
        Layer { residual: true, ..layer(&[1, 16, 12, 30, 35], 24, &[3, 3, 3], 2, 2) },
    ];
    for layer in layers {
        let program = Arc::new(layer.program());
        let x = tensor(&layer.x, 9);
        for set in InstructionSet::available().into_iter().rev() {
            let mut earlier: Option<Vec<f32>> = None;
            for threads in [1, 2] {
                let backend = CpuBackend::with_isa(set, Some(threads)).unwrap();
                let run = |precision| {
                    let options = CompileOptions::default().precision(precision);
                    let executable = backend.compile(program.clone(), &options).unwrap();
                    // Twice: the second run finds what the first left in the buffers.
                    executable.run(&[x.view()]).unwrap();
                    executable.run(&[x.view()]).unwrap().remove(0).as_f32().unwrap().to_vec()
                };
                let (exact, fast) = (run(Precision::Exact), run(Precision::Fast));
                let range = exact.iter().fold(0.0f32, |m, v| m.max(v.abs()));
                let worst = exact.iter().zip(&fast).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
                let what = format!("{:?} x {:?} dilation {} on {set}", layer.x, layer.kernel, layer.dilation);
                assert!(worst <= 2e-5 * range, "{what}: {worst:e} of {range}");
                assert!(fast.iter().all(|v| v.is_finite()), "{what}");
                assert!(fast != exact || layer.x[1] < 16, "{what}: the fast mode multiplied as often as the exact one");
                if let Some(earlier) = &earlier {
                    let same = earlier.iter().zip(&fast).all(|(a, b)| (a - b).abs() <= 2e-5 * range);
                    assert!(same, "{what}: threads");
                }
                earlier = Some(fast);
            }
        }
    }
}
