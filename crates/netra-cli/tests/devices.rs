//! `--backend`: several devices, and devices that are not there.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn netra(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("the binary starts")
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netra"));
    command.current_dir(folder).env_remove("NETRA_MODELS").args(arguments);
    command
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn document(output: &Output) -> Vec<Value> {
    let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    document.as_array().expect("a list").clone()
}

/// Two simulated films of one name in two folders, a third, and a file that is none.
fn films(folder: &Path) {
    for (seed, to) in [("1", "a/film.dcm"), ("2", "b/film.dcm"), ("3", "b/other.dcm")] {
        let output = netra(folder, &["demo", "--backend", "cpu", "-o", "demo", "--seed", seed]);
        assert_eq!(code(&output), 0, "{}", said(&output));
        let to = folder.join(to);
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        std::fs::rename(folder.join("demo/phantom-chest.dcm"), to).expect("moved");
    }
    std::fs::write(folder.join("b/bad.dcm"), [b"\0".repeat(128).as_slice(), b"DICM", b"nonsense"].concat())
        .expect("written");
}

#[test]
fn a_batch_on_two_devices_is_told_as_one_on_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    films(folder.path());
    // The first folder twice: its film appears under two names.
    let run = |backend: &str, out: &str| {
        let inputs = ["run", "lung-fields", "a", "a", "b", "missing", "--json", "-o", out, "--emit", "json,nii"];
        let output = netra(folder.path(), &[&inputs[..], &["-b", backend]].concat());
        assert_eq!(code(&output), 1, "{}", said(&output));
        let outcomes = document(&output);
        let told = |outcome: &Value| {
            let done = &outcome["done"];
            [&done["input"], &done["device"], &done["summary"], &outcome["failed"]["input"]].map(Value::to_string)
        };
        (outcomes.iter().map(told).collect::<Vec<_>>(), said(&output))
    };
    let (one, _) = run("cpu", "one");
    let (two, said) = run("cpu,cpu", "two");
    assert_eq!(one.len(), 6, "{one:?}");
    assert_eq!(one, two);
    assert!(one[1][0].ends_with("~2\""), "{one:?}");
    assert_eq!(said.matches("backend  cpu: ").count(), 2, "{said}");
    assert_eq!(said.matches("model    ").count(), 1, "{said}");
    let mut files: Vec<_> = std::fs::read_dir(folder.path().join("one"))
        .expect("written")
        .map(|e| e.expect("a file").file_name())
        .collect();
    files.sort();
    // The results and a receipt each.
    assert_eq!(files.len(), 12, "{files:?}");
    let read = |out: &str, name| std::fs::read(folder.path().join(out).join(name)).expect("the same names");
    for name in files.iter().filter(|name| name.to_string_lossy().ends_with(".nii")) {
        assert!(read("one", name) == read("two", name), "{name:?}");
    }
}

#[test]
fn every_device_is_planned_for_and_verified() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    films(folder.path());
    let rows = |arguments: &[&str]| {
        let output = netra(folder.path(), &[arguments, &["--json", "-b", "cpu,cpu"]].concat());
        assert_eq!(code(&output), 0, "{}", said(&output));
        document(&output)
    };
    let plans = rows(&["plan", "lung-fields", "a"]);
    assert_eq!(plans.len(), 2);
    assert!(plans.iter().all(|plan| plan["device"] == "cpu" && plan["peak_bytes"].as_u64().is_some_and(|n| n > 0)));
    let reports = rows(&["verify", "lung-fields"]);
    assert_eq!(reports.len() % 2, 0);
    assert!(!reports.is_empty() && reports.iter().all(|report| report["device"] == "cpu" && report["passed"] == true));
}

#[test]
fn lists_of_devices_are_checked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let exits = |arguments: &[&str]| code(&netra(folder.path(), arguments));
    assert_eq!(exits(&["verify", "lung-fields", "-b", "auto,cpu"]), 2, "auto stands alone");
    assert_eq!(exits(&["verify", "lung-fields", "-b", "cpu,"]), 2, "an empty name");
    assert_eq!(exits(&["verify", "lung-fields", "-b", "cpu,wgpu:99"]), 6, "no such adapter");
    assert_eq!(exits(&["graph", "run", "net.onnx", "--inputs", "i", "--outputs", "o", "-b", "cpu,cpu"]), 2, "one only");
}

/// Settings of cubecl that let no adapter come up: `auto` runs on the CPU and says why, what was named fails.
#[test]
fn an_adapter_that_does_not_come_up_is_told_of() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let verify = |backend: &str| {
        let mut command = command(folder.path(), &["verify", "lung-fields", "-b", backend]);
        command.env("CUBECL_WGPU_MAX_TASKS", "0").output().expect("the binary starts")
    };
    let output = verify("auto");
    assert_eq!(code(&output), 0, "{}", said(&output));
    let line = said(&output).lines().find(|line| line.starts_with("backend ")).expect("a line").to_owned();
    assert!(
        line.starts_with("backend  cpu: ")
            && line.ends_with(')')
            && (line.contains("adapter") || line.contains("no GPU backend")),
        "{line}"
    );
    let output = verify("wgpu");
    assert_eq!(code(&output), 6, "{}", said(&output));
    let words = ["did not come up: Invalid wgpu configuration", "present: none", "no GPU backend"];
    assert!(words.iter().any(|words| said(&output).contains(words)), "{}", said(&output));
}
