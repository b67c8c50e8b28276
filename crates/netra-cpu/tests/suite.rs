//! The backend suite on every instruction set that this processor has, with one thread and with two, in every precision
//! mode.

use netra_cpu::{CpuBackend, InstructionSet};
use netra_graph::{Backend, Precision};
use netra_testkit::suite;

#[test]
fn every_case_on_every_instruction_set() {
    let ways = InstructionSet::available().into_iter().flat_map(|set| [(set, 1), (set, 2)]);
    let backends: Vec<CpuBackend> =
        ways.map(|(set, threads)| CpuBackend::with_isa(set, Some(threads)).unwrap()).collect();
    let modes: Vec<(&dyn Backend, Precision)> =
        backends.iter().flat_map(|b| [Precision::Exact, Precision::Fast].map(|p| (b as &dyn Backend, p))).collect();
    for ((backend, precision), report) in modes.iter().zip(suite::run_each(&modes)) {
        let device = format!("{}, {precision}", backend.device().name);
        assert!(report.failures().is_empty(), "{device}: {report}\n{}", report.failures().join("\n"));
        assert!(report.refusals().is_empty(), "{device}: {report}\n{}", report.refusals().join("\n"));
    }
}
