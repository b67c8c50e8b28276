//! The backend suite on whatever adapter there is (Mesa's llvmpipe will do); skipped, with a note, where there is none.
#![allow(clippy::print_stderr)]

use std::sync::Arc;

use netra_graph::{Backend, CompileOptions, Conv, DType, Kernel, ProgramBuilder, Step, Tensor, TensorView, eval};
use netra_testkit::{golden, suite};
use netra_wgpu::{AdapterSelector, WgpuBackend};

fn backend() -> Option<WgpuBackend> {
    WgpuBackend::open(AdapterSelector::Any).inspect_err(|e| eprintln!("skipped: {e}")).ok()
}

/// Cases, by the beginning of their names, that this backend refuses: selections whose size depends on data, rounding to
/// formats that no adapter has, and the kernel that only a backend which asks for it ever sees.
const REFUSED: [&str; 5] = ["non-max-suppression-", "non-zero", "narrow-", "attention-", "upsampled-conv-"];

#[test]
fn every_case_agrees_with_the_oracle() {
    let Some(backend) = backend() else { return };
    let report = suite::run(&backend);
    eprintln!("{report} on {}", backend.device().name);
    let listed = |case: &String| REFUSED.iter().any(|name| case.starts_with(name));
    let unlisted: Vec<_> = report.refusals().into_iter().filter(|case| !listed(case)).collect();
    assert!(unlisted.is_empty(), "{unlisted:#?}");
    assert!(report.failures().is_empty(), "{:#?}", report.failures());
}

fn oracle(case: &suite::Case) -> Vec<Tensor> {
    let views: Vec<TensorView<'_>> = case.inputs.iter().map(Tensor::view).collect();
    eval::run(&case.program, &views).expect("the oracle runs")
}

/// A case's largest difference from what the oracle wants, as a share of the range.
fn error(backend: &WgpuBackend, case: &suite::Case, want: &[Tensor]) -> f64 {
    let views: Vec<TensorView<'_>> = case.inputs.iter().map(Tensor::view).collect();
    let executable = backend.compile(Arc::new(case.program.clone()), &CompileOptions::default()).expect("compiles");
    let got = executable.run(&views).expect("runs");
    got.iter().zip(want).map(|(g, w)| golden::compare(g.view(), w.view()).relative()).fold(0.0, f64::max)
}

/// With buffers of a few kilobytes most tensors of the suite are cut in parts. What needs one piece is refused by
/// name; what runs must still agree.
#[test]
fn tensors_in_parts_agree_with_the_oracle() {
    for bytes in [512, 3000] {
        let Some(backend) = backend().map(|b| b.with_max_buffer_bytes(bytes)) else { return };
        let (mut cut, mut refused) = (0, 0);
        for case in suite::cases() {
            let largest = case.program.values.iter().map(|v| v.elements() as u64 * 4).max().unwrap_or(0);
            if largest <= bytes {
                continue;
            }
            if !backend.unsupported(&case.program).is_empty() {
                refused += 1;
                continue;
            }
            cut += 1;
            let error = error(&backend, &case, &oracle(&case));
            // Sums over parts round in another order.
            assert!(error <= 2.0 * case.tolerance, "{} in parts of {bytes}: {error:e}", case.name);
        }
        eprintln!("{cut} cases in parts of {bytes} bytes, {refused} refused");
        assert!(cut > 50, "only {cut} cases were cut");
    }
}

/// Every tile computes convolutions, whatever reads or follows them, and matrix products; so do both algorithms with tensors in
/// parts.
#[test]
fn every_algorithm_agrees_with_the_oracle() {
    let chooses =
        |step: &Step| matches!(step.kernel, Kernel::Conv(_) | Kernel::NormalizedConv(_) | Kernel::MatMul { .. });
    let cases = suite::cases();
    let cases = cases.iter().filter(|c| c.program.steps.len() == 1 && c.program.steps.iter().any(chooses));
    let cases: Vec<_> = cases.map(|case| (case, oracle(case))).collect();
    let algorithms = WgpuBackend::algorithms();
    let gemm = algorithms.iter().filter(|name| name.starts_with("gemm-")).map(|name| (name.as_str(), u64::MAX));
    // A third of the cases each, so that every case meets two or three tiles.
    for (turn, (name, bytes)) in gemm.chain([("gemm", 3000), ("direct", 3000)]).enumerate() {
        let Some(backend) = backend() else { return };
        let backend = backend.with_algorithm(name).expect("one of them").with_max_buffer_bytes(bytes);
        let cases = cases.iter().skip(turn % 3).step_by(3);
        let runs = cases.filter(|(case, _)| backend.unsupported(&case.program).is_empty());
        let failures: Vec<_> = runs
            .filter_map(|(case, want)| {
                // Sums over parts round in another order.
                let (error, parts) = (error(&backend, case, want), if bytes == u64::MAX { 1.0 } else { 2.0 });
                (error > parts * case.tolerance).then(|| format!("{} with {name}: {error:e}", case.name))
            })
            .collect();
        assert!(failures.is_empty(), "{failures:#?}");
    }
}

/// A launch has at most 65535 workgroups along an axis; more are folded.
#[test]
fn many_workgroups_are_folded() {
    let Some(backend) = backend() else { return };
    let backend = backend.with_algorithm("gemm-32x32").expect("one of them");
    let (shape, pixels) = ([1, 1, 1500, 1500], 2_250_000);
    assert!(pixels / 32 > 65_535);
    let mut b = ProgramBuilder::new();
    let x = b.input("x", DType::F32, &shape);
    let w = b.constant("w", Tensor::from_f32([2, 1, 1, 1], vec![2.0, -1.0]).expect("weights"));
    let conv = Conv { strides: vec![1; 2], pads: vec![(0, 0); 2], dilations: vec![1; 2], groups: 1, activation: None };
    let y = b.step("y", Kernel::Conv(conv), &[Some(x), Some(w)], DType::F32, &[1, 2, 1500, 1500]);
    let executable = backend.compile(Arc::new(b.finish(vec![y])), &CompileOptions::default()).expect("compiles");
    let values: Vec<f32> = (0..pixels).map(|i| i as f32).collect();
    let got = executable.run(&[Tensor::from_f32(shape, values.clone()).expect("an input").view()]).expect("runs");
    let (double, minus) = got[0].as_f32().expect("float32").split_at(pixels);
    let differ = |(x, (double, minus)): (&f32, (&f32, &f32))| *double != 2.0 * x || *minus != -x;
    assert_eq!(values.iter().zip(double.iter().zip(minus)).position(differ), None);
}
