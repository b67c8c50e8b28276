//! Random graphs: the passes, and this backend on its strongest instruction set, against the plain evaluator.
//! `NETRA_GRAPHS` sets how many (more than a test run needs, for a long search).

use netra_cpu::CpuBackend;
use netra_testkit::graphs::{Ran, case, check};

#[test]
fn random_graphs_agree_with_the_oracle() {
    let count = std::env::var("NETRA_GRAPHS").ok().and_then(|n| n.parse().ok()).unwrap_or(400);
    let backend = CpuBackend::new(Some(2)).unwrap();
    let outcomes = (0..count).map(case).map(|case| check(&backend, &case).map_err(|e| format!("{}\n  {e}", case.name)));
    let failures: Vec<String> = outcomes
        .filter_map(|outcome| match outcome {
            Ok(Ran::Agreed) => None,
            Ok(Ran::Refused) => Some("refused".into()),
            Err(e) => Some(e),
        })
        .collect();
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
}
