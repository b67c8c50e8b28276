//! Every operator and every kernel has all its places (`docs/adding-an-operator.md`). The compiler asks for a lowering of
//! each `Op` and an evaluation of each `Kernel`, and a test of netra-graph for the reader; here stand the tests.

use std::collections::BTreeSet;
use std::sync::Arc;

use netra_graph::{Backend, Binary, Kernel, Op, Reduction, Unary};
use netra_testkit::node_tests::{self, Outcome};
use netra_testkit::{OracleBackend, suite};

/// Operators without a node test that passes, each with the test that it has instead.
const TESTED_ELSEWHERE: &[(&str, &str)] = &[("GlobalLpPool", "netra-graph tests/neural.rs: global_norms_of_any_order")];

#[test]
fn every_operator_has_a_node_test_that_passes() {
    let Some(cases) = node_tests::cases() else { return };
    let oracle: Arc<dyn Backend> = Arc::new(OracleBackend::default());
    let report = node_tests::run(&oracle, &cases);
    let right = |outcome: &Outcome| matches!(outcome, Outcome::Passed(_) | Outcome::Folded(_));
    let passed = cases.iter().zip(&report.outcomes).filter(|(_, outcome)| right(outcome));
    let tested: BTreeSet<&str> = passed.map(|(case, _)| case.op.as_str()).collect();
    let elsewhere = |op: &str| TESTED_ELSEWHERE.iter().any(|(name, _)| *name == op);
    let untested: Vec<_> = Op::names().into_iter().filter(|op| !tested.contains(op) && !elsewhere(op)).collect();
    assert_eq!(untested, Vec::<&str>::new());
    let needless: Vec<_> = TESTED_ELSEWHERE.iter().filter(|(op, _)| tested.contains(op)).collect();
    assert!(needless.is_empty(), "{needless:?}");
}

/// The names that the suite's programs use: kernels, and the functions of those that have many.
fn used() -> BTreeSet<&'static str> {
    let mut names = BTreeSet::new();
    for step in suite::cases().iter().flat_map(|case| &case.program.steps) {
        names.insert(step.kernel.name());
        match &step.kernel {
            Kernel::Unary(op) => names.insert(Op::Unary(*op).name()),
            Kernel::Binary(op) => names.insert(Op::Binary(*op).name()),
            Kernel::Reduce { reduction, .. } => names.insert(reduction.name()),
            _ => false,
        };
    }
    names
}

/// The suite is run by every backend, which may refuse nothing of it but what its test lists.
#[test]
fn the_suite_has_every_kernel_and_function() {
    let used = used();
    let all = [Kernel::names(), Unary::names(), Binary::names(), Reduction::names()].concat();
    let missing: Vec<_> = all.into_iter().filter(|name| !used.contains(name)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}
