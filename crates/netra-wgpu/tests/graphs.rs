//! Random graphs on whatever adapter there is, against the plain evaluator; skipped, with a note, where there is none.
//! `NETRA_GRAPHS` sets how many.
#![allow(clippy::print_stderr)]

use netra_testkit::graphs::{Ran, case, check};
use netra_wgpu::{AdapterSelector, WgpuBackend};

#[test]
fn random_graphs_agree_with_the_oracle() {
    let count = std::env::var("NETRA_GRAPHS").ok().and_then(|n| n.parse().ok()).unwrap_or(400);
    let Ok(backend) = WgpuBackend::open(AdapterSelector::Any).inspect_err(|e| eprintln!("skipped: {e}")) else {
        return;
    };
    let (mut refused, mut failures) = (0, Vec::new());
    for case in (0..count).map(case) {
        match check(&backend, &case) {
            Ok(Ran::Agreed) => {}
            Ok(Ran::Refused) => refused += 1,
            Err(e) => failures.push(format!("{}\n  {e}", case.name)),
        }
    }
    eprintln!("{count} graphs, {refused} refused");
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
    assert!(refused * 10 < count, "{refused} of {count} refused");
}
