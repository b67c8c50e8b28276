//! The backend suite on whatever adapter there is (Mesa's llvmpipe will do); skipped, with a note, where there is none.
#![allow(clippy::print_stderr)]

use std::sync::Arc;

use netra_graph::{Backend, CompileOptions, Tensor, TensorView, eval};
use netra_testkit::{golden, suite};
use netra_wgpu::{AdapterSelector, WgpuBackend};

fn backend() -> Option<WgpuBackend> {
    WgpuBackend::open(AdapterSelector::Any).inspect_err(|e| eprintln!("skipped: {e}")).ok()
}

/// Cases whose tolerance is wider here: name, tolerance, reason.
const WIDER: [(&str, f64, &str); 1] = [(
    "conv-3d-k3-4to9g1-Some(Clip(-0.25, 0.5))",
    4e-6,
    "sums of 108 products reach 10, the range after clipping is 0.75, and llvmpipe rounds products before adding",
)];

#[test]
fn every_case_agrees_with_the_oracle() {
    let Some(backend) = backend() else { return };
    let report = suite::run(&backend);
    eprintln!("{report} on {}", backend.device().name);
    assert!(report.refusals().is_empty(), "{:#?}", report.refusals());
    let wider = |failure: &String| WIDER.iter().any(|(name, ..)| failure.starts_with(name));
    let failures: Vec<_> = report.failures().into_iter().filter(|f| !wider(f)).collect();
    assert!(failures.is_empty(), "{failures:#?}");
    for (name, tolerance, reason) in WIDER {
        let case = suite::cases().into_iter().find(|c| c.name == name).expect("a case of the suite");
        let error = error(&backend, &case);
        assert!(error <= tolerance, "{name}: {error:e} ({reason})");
    }
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
            let wider = WIDER.iter().find(|(name, ..)| *name == case.name).map_or(0.0, |w| w.1);
            let error = error(&backend, &case);
            // Sums over parts round in another order.
            assert!(error <= (2.0 * case.tolerance).max(wider), "{} in parts of {bytes}: {error:e}", case.name);
        }
        eprintln!("{cut} cases in parts of {bytes} bytes, {refused} refused");
        assert!(cut > 50, "only {cut} cases were cut");
    }
}
