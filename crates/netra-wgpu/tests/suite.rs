//! The backend suite on whatever adapter there is (Mesa's llvmpipe will do); skipped, with a note, where there is none.
#![allow(clippy::print_stderr)]

use std::sync::Arc;

use netra_graph::{Backend, CompileOptions, Kernel, Step, Tensor, TensorView, eval};
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

/// A case's largest difference from the oracle, as a share of the range.
fn error(backend: &WgpuBackend, case: &suite::Case) -> f64 {
    let views: Vec<TensorView<'_>> = case.inputs.iter().map(Tensor::view).collect();
    let want = eval::run(&case.program, &views).expect("the oracle runs");
    let executable = backend.compile(Arc::new(case.program.clone()), &CompileOptions::default()).expect("compiles");
    let got = executable.run(&views).expect("runs");
    got.iter().zip(&want).map(|(g, w)| golden::compare(g.view(), w.view()).relative()).fold(0.0, f64::max)
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
            let error = error(&backend, &case);
            // Sums over parts round in another order.
            assert!(error <= 2.0 * case.tolerance, "{} in parts of {bytes}: {error:e}", case.name);
        }
        eprintln!("{cut} cases in parts of {bytes} bytes, {refused} refused");
        assert!(cut > 50, "only {cut} cases were cut");
    }
}

/// Every algorithm computes every convolution that it can, whole and in parts, whatever reads or follows it.
#[test]
fn every_algorithm_agrees_with_the_oracle() {
    let is_conv = |step: &Step| matches!(step.kernel, Kernel::Conv(_) | Kernel::NormalizedConv(_));
    let mut cases: Vec<_> =
        suite::cases().into_iter().filter(|case| case.program.steps.iter().any(is_conv)).collect();
    cases.retain(|case| !case.name.starts_with("random-"));
    for name in WgpuBackend::algorithms() {
        for bytes in [u64::MAX, 3000] {
            let Some(backend) = backend() else { return };
            let backend = backend.with_algorithm(&name).expect("one of them").with_max_buffer_bytes(bytes);
            let mut failures = Vec::new();
            for case in cases.iter().filter(|case| backend.unsupported(&case.program).is_empty()) {
                let (error, parts) = (error(&backend, case), if bytes == u64::MAX { 1.0 } else { 2.0 });
                if error > parts * case.tolerance {
                    failures.push(format!("{} with {name} in buffers of {bytes}: {error:e}", case.name));
                }
            }
            assert!(failures.is_empty(), "{failures:#?}");
        }
    }
}
