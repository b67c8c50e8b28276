//! The backend suite on every instruction set that this processor has, with one thread and with two.

use netra_cpu::{CpuBackend, InstructionSet};
use netra_graph::Backend;
use netra_testkit::suite;

/// Cases that may miss their tolerance, and why.
const EXCEPTIONS: [(&str, &str); 1] = [(
    "conv-3d-k3-4to9g1-Some(Clip(",
    "float32 sums of 108 products, measured against a range that Clip cuts to a small part",
)];

#[test]
fn every_case_on_every_instruction_set() {
    for set in InstructionSet::available() {
        for threads in [1, 2] {
            let backend = CpuBackend::with_isa(set, Some(threads)).unwrap();
            let report = suite::run(&backend);
            let device = &backend.device().name;
            let mut failures = report.failures();
            failures.retain(|failure| !EXCEPTIONS.iter().any(|(name, _)| failure.starts_with(name)));
            assert!(failures.is_empty(), "{device}: {report}\n{}", failures.join("\n"));
            assert!(report.refusals().is_empty(), "{device}: {report}\n{}", report.refusals().join("\n"));
        }
    }
}
