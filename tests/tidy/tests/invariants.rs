//! The invariants that ARCHITECTURE.md states as absences.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Which crates of ours a crate may depend on (normal dependencies).
const ARROWS: &[(&str, &[&str])] = &[
    ("netra-core", &[]),
    ("netra-graph", &[]),
    ("netra-dicom", &["netra-core"]),
    ("netra-cpu", &["netra-graph"]),
    ("netra-wgpu", &["netra-graph"]),
    ("netra-package", &["netra-core", "netra-graph"]),
    ("netra-pipeline", &["netra-core", "netra-graph", "netra-package"]),
    ("netra-export", &["netra-core", "netra-dicom"]),
    (
        "netra",
        &[
            "netra-core",
            "netra-graph",
            "netra-cpu",
            "netra-wgpu",
            "netra-dicom",
            "netra-package",
            "netra-pipeline",
            "netra-export",
        ],
    ),
    ("netra-cli", &["netra"]),
    ("netra-testkit", &["netra-core", "netra-graph", "netra-package"]),
];

/// Crates from outside that only one crate of ours may name.
const OWNED: &[(&str, &str)] = &[
    ("burn", "netra-wgpu"),
    ("cubecl", "netra-wgpu"),
    ("wgpu", "netra-wgpu"),
    ("rten-onnx", "netra-graph"),
    ("clap", "netra-cli"),
    ("anyhow", "netra-cli"),
    ("indicatif", "netra-cli"),
];

/// Files over 500 lines before their tests, with the reason.
const LONG_FILES: &[(&str, &str)] = &[];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Normal dependencies of each crate under `crates/`.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .filter(|p| p["manifest_path"].as_str().is_some_and(|m| m.contains("/crates/")))
        .map(|p| {
            let names = p["dependencies"].as_array().expect("dependencies").iter();
            let normal = names.filter(|d| d["kind"].is_null()).filter_map(|d| d["name"].as_str().map(String::from));
            (p["name"].as_str().expect("name").to_owned(), normal.collect())
        })
        .collect()
}

#[test]
fn crates_depend_only_where_the_arrows_point() {
    let dependencies = dependencies();
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (name, deps) in &dependencies {
        let Some(allowed) = allowed.get(name.as_str()) else {
            wrong.push(format!("{name} has no row in ARROWS"));
            continue;
        };
        for dep in deps.iter().filter(|d| d.as_str() == "netra" || d.starts_with("netra-")) {
            if !allowed.contains(&dep.as_str()) {
                wrong.push(format!("{name} -> {dep}"));
            }
        }
        for (prefix, owner) in OWNED {
            if name != owner && deps.iter().any(|d| d == prefix || d.starts_with(&format!("{prefix}-"))) {
                wrong.push(format!("{name} names {prefix}, which belongs to {owner}"));
            }
        }
    }
    assert_eq!(dependencies.len(), ARROWS.len(), "a row of ARROWS without a crate");
    assert_eq!(wrong, Vec::<String>::new());
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a readable folder").flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() && !path.ends_with("target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn crate_sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ["crates", "examples", "benches", "tests"] {
        sources(&root().join(folder), &mut found);
    }
    let relative = |p: &PathBuf| p.strip_prefix(root()).map(|p| p.display().to_string()).unwrap_or_default();
    found.iter().map(|p| (relative(p), std::fs::read_to_string(p).expect("UTF-8 source"))).collect()
}

#[test]
fn files_stay_readable() {
    let long: Vec<_> = crate_sources()
        .into_iter()
        .map(|(path, text)| (path, text.lines().take_while(|l| !l.starts_with("#[cfg(test)]")).count()))
        .filter(|(path, lines)| *lines > 500 && !LONG_FILES.iter().any(|(p, _)| p == path))
        .collect();
    assert_eq!(long, Vec::<(String, usize)>::new());
}

#[test]
fn unsafe_stands_in_the_cpu_crate_alone() {
    let mut wrong = Vec::new();
    for (path, text) in crate_sources() {
        if path.ends_with("src/lib.rs") && !path.contains("netra-cpu") && !text.contains("#![forbid(unsafe_code)]") {
            wrong.push(format!("{path} does not forbid unsafe code"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn only_the_binary_prints_reads_variables_or_exits() {
    let mut wrong = Vec::new();
    for (path, text) in crate_sources() {
        // A file of that name is a module of tests, as what follows `#[cfg(test)]` elsewhere.
        let library = path.starts_with("crates/") && path.contains("/src/") && !path.ends_with("/tests.rs");
        if !library || path.contains("netra-cli") || path.contains("netra-testkit") {
            continue;
        }
        let code = text.lines().take_while(|l| !l.starts_with("#[cfg(test)]"));
        for (i, line) in code.enumerate().filter(|(_, l)| !l.trim_start().starts_with("//")) {
            for word in ["println!", "eprintln!", "std::env::var", "process::exit", "TcpStream"] {
                if line.contains(word) {
                    wrong.push(format!("{path}:{}: {word}", i + 1));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
