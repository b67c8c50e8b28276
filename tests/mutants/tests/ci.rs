//! The short run, and the judge itself.

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_netra-mutants"));
    command.args(arguments).arg("--failures").arg(folder.path());
    command.output().expect("starts")
}

/// A build without optimisation, on a machine with other work, has ten times the time of the long run.
#[test]
fn no_mutant_does_what_none_may_do() {
    let output = run(&["--mutants", "3000", "--flips", "2000", "--limit-ms", "10000"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    // Deflate, RLE, JPEG, JPEG-LS, JPEG 2000, JPEG XL: some of each are refused.
    let codecs =
        ["1.99", "5", "8.1", "4.50", "4.51", "4.55", "4.57", "4.80", "4.81", "4.90", "4.91", "4.110", "4.112", "4.201"];
    let column = said.lines().next().and_then(|line| line.split('|').position(|cell| cell.trim() == "Malformed"));
    for group in codecs.map(|codec| format!("1.2.{codec}")).iter().map(String::as_str).chain(["structure"]) {
        let row = said.lines().find(|line| line.starts_with(&format!("| {group} |")));
        let refused = row.and_then(|row| row.split('|').nth(column?)?.trim().parse::<u64>().ok());
        assert!(refused.is_some_and(|refused| refused > 0), "{group} in\n{said}");
    }
}

#[test]
fn a_panic_an_abort_a_hang_and_a_bomb_are_noticed() {
    let output = run(&["--mutants", "0", "--traps", "4", "--limit-ms", "1000"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for offence in [":0 panic:", ":1 died:", ":2 hang:", ":3 peak of 3"] {
        assert!(said.contains(offence), "no {offence} in\n{said}");
    }
}
