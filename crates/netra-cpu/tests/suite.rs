//! The backend suite on every instruction set that this processor has, with one thread and with two, in every precision
//! mode.

use netra_cpu::{CpuBackend, InstructionSet};
use netra_graph::{Backend, Precision};
use netra_testkit::suite;

#[test]
fn every_case_on_every_instruction_set() {
    for set in InstructionSet::available() {
        for threads in [1, 2] {
            let backend = CpuBackend::with_isa(set, Some(threads)).unwrap();
            for precision in [Precision::Exact, Precision::Fast] {
                let report = suite::run_with(&backend, precision);
                let device = format!("{}, {precision}", backend.device().name);
                assert!(report.failures().is_empty(), "{device}: {report}\n{}", report.failures().join("\n"));
                assert!(report.refusals().is_empty(), "{device}: {report}\n{}", report.refusals().join("\n"));
            }
        }
    }
}
