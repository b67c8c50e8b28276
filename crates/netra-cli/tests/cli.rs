//! The real binary: what it writes, what it says, how it exits.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn netra(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_netra"))
        .current_dir(folder)
        .env_remove("NETRA_MODELS")
        .args(arguments)
        .output()
        .expect("the binary starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")
}

/// A copy of the lung-field package.
fn copy_package(to: &Path) -> PathBuf {
    let target = to.join("lung-fields");
    std::fs::create_dir_all(target.join("golden")).expect("a folder");
    for name in ["netra.toml", "model.onnx", "card.md", "LICENSE", "golden/case1.npz"] {
        std::fs::copy(models().join("lung-fields").join(name), target.join(name)).expect("a copy");
    }
    target
}

#[test]
fn the_demo_writes_a_segmentation_a_picture_and_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let output = netra(folder.path(), &["demo", "--backend", "cpu", "-o", "out"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let names: Vec<String> = std::fs::read_dir(folder.path().join("out"))
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    for suffix in [".png", ".json", "phantom-chest.dcm"] {
        assert!(names.iter().any(|n| n.ends_with(suffix)), "{suffix} in {names:?}");
    }
    assert!(!names.iter().any(|n| n.ends_with(".part")), "{names:?}");
    let report = names.iter().find(|n| n.ends_with(".json")).unwrap();
    let report: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("out").join(report)).unwrap()).unwrap();
    assert!(!report.to_string().contains("Phantom^Chest"), "no patient name in a report");
}

/// As under `| head`: the results are written all the same.
#[test]
fn a_reader_that_goes_away_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_netra"))
        .current_dir(folder.path())
        .args(["demo", "--backend", "cpu", "-o", "out"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let written = std::fs::read_dir(folder.path().join("out")).unwrap();
    assert!(written.filter_map(Result::ok).any(|e| e.path().extension().is_some_and(|e| e == "png")));
}

#[test]
fn a_bad_file_does_not_stop_a_batch() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(code(&netra(folder.path(), &["demo", "--backend", "cpu", "-o", "in"])), 0);
    let scans = folder.path().join("scans");
    std::fs::create_dir(&scans).unwrap();
    std::fs::write(scans.join("a-bad.dcm"), [b"\0".repeat(128).as_slice(), b"DICM", b"nonsense"].concat()).unwrap();
    std::fs::copy(folder.path().join("in/phantom-chest.dcm"), scans.join("b-good.dcm")).unwrap();
    let output = netra(folder.path(), &["run", "lung-fields", "scans", "-o", "out", "-b", "cpu", "--json"]);
    assert_eq!(code(&output), 1, "{}", text(&output.stderr));
    let outcomes: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(outcomes.as_array().unwrap().len(), 2, "{outcomes}");
    assert!(text(&output.stderr).contains("a-bad.dcm"), "{}", text(&output.stderr));
}

#[test]
fn what_a_model_was_not_made_for_is_refused_with_every_reason() {
    let folder = tempfile::tempdir().unwrap();
    // A one-slice NIfTI header: a volume, where the model takes a picture.
    let mut nifti = vec![0u8; 352 + 8 * 8 * 8 * 2];
    nifti[0..4].copy_from_slice(&348i32.to_le_bytes());
    for (i, size) in [3i16, 8, 8, 8, 1, 1, 1, 1].into_iter().enumerate() {
        nifti[40 + 2 * i..42 + 2 * i].copy_from_slice(&size.to_le_bytes());
    }
    nifti[70..72].copy_from_slice(&4i16.to_le_bytes());
    nifti[72..74].copy_from_slice(&16i16.to_le_bytes());
    for i in 0..4 {
        nifti[76 + 4 * i..80 + 4 * i].copy_from_slice(&1f32.to_le_bytes());
    }
    nifti[108..112].copy_from_slice(&352f32.to_le_bytes());
    nifti[254..256].copy_from_slice(&1i16.to_le_bytes());
    for (row, offset) in [280, 296, 312].into_iter().enumerate() {
        nifti[offset + 4 * row..offset + 4 * row + 4].copy_from_slice(&1f32.to_le_bytes());
    }
    nifti[344..348].copy_from_slice(b"n+1\0");
    std::fs::write(folder.path().join("volume.nii"), nifti).unwrap();
    let output = netra(folder.path(), &["run", "lung-fields", "volume.nii", "-o", "out", "-b", "cpu"]);
    assert_eq!(code(&output), 4, "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("a volume"), "{}", text(&output.stderr));
    assert!(std::fs::read_dir(folder.path().join("out")).unwrap().next().is_none(), "nothing was written");
}

#[test]
fn a_flipped_byte_refuses_to_load() {
    let folder = tempfile::tempdir().unwrap();
    let package = copy_package(folder.path());
    let weights = package.join("model.onnx");
    let mut bytes = std::fs::read(&weights).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    let output = netra(folder.path(), &["verify", "lung-fields", "-b", "cpu"]);
    // The folder of that name is a package, so it is what is meant.
    assert_eq!(code(&output), 5, "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("model.onnx"), "{}", text(&output.stderr));
}

#[test]
fn golden_cases_of_the_built_in_model_pass() {
    let folder = tempfile::tempdir().unwrap();
    let output = netra(folder.path(), &["verify", "lung-fields", "-b", "cpu", "--json"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let reports: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(!reports.as_array().unwrap().is_empty());
}

#[test]
fn a_bare_network_reproduces_its_golden_output() {
    let folder = tempfile::tempdir().unwrap();
    let package = copy_package(folder.path());
    let (network, golden) = (package.join("model.onnx"), package.join("golden/case1.npz"));
    let arguments = ["graph", "run", network.to_str().unwrap(), "--inputs", golden.to_str().unwrap()];
    let output = netra(folder.path(), &[&arguments[..], &["--outputs", "out.npz", "-b", "cpu"]].concat());
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(folder.path().join("out.npz").is_file());
    assert!(text(&output.stdout).contains("logits"), "{}", text(&output.stdout));
    let shown = netra(folder.path(), &["graph", "show", network.to_str().unwrap()]);
    assert!(text(&shown.stdout).contains("Conv"), "{}", text(&shown.stdout));
}

#[test]
fn exit_codes_tell_the_kinds_of_failure_apart() {
    let folder = tempfile::tempdir().unwrap();
    let exits = |arguments: &[&str]| code(&netra(folder.path(), arguments));
    assert_eq!(exits(&["run"]), 2, "usage");
    assert_eq!(exits(&["run", "no-such-model", "x.dcm", "-o", "out"]), 2, "no such model");
    assert_eq!(exits(&["run", "lung-fields", "missing.dcm", "-o", "out", "-b", "cpu"]), 3, "nothing to read");
    assert_eq!(exits(&["verify", "lung-fields", "-b", "wgpu:99"]), 6, "no such adapter");
    assert_eq!(exits(&["inspect", "missing.dcm"]), 3);
    assert_eq!(exits(&["models", "list"]), 0);
    assert_eq!(exits(&["models", "show", "meshnet-18"]), 0);
    let help = netra(folder.path(), &["--help"]);
    assert!(text(&help.stdout).contains("Exit codes"), "{}", text(&help.stdout));
}

#[test]
fn bench_tells_stages_and_every_operator() {
    let folder = tempfile::tempdir().unwrap();
    let output = netra(folder.path(), &["bench", "lung-fields", "--runs", "1", "--threads", "1", "--json"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    let row = &rows[0];
    for stage in ["read_ms", "specialise_ms", "compile_ms", "first_ms", "median_ms"] {
        assert!(row[stage].as_f64().unwrap() >= 0.0, "{stage}");
    }
    let sum = |list: &Value, key: &str| list.as_array().unwrap().iter().filter_map(|s| s[key].as_f64()).sum::<f64>();
    let profile = &row["profile"];
    let whole = profile["whole_ms"].as_f64().unwrap();
    assert!(sum(&profile["steps"], "ms") <= whole, "{profile}");
    assert!((sum(&profile["steps"], "ms") - sum(&profile["kernels"], "ms")).abs() < 1e-6 * whole.max(1.0));
    assert!(profile["kernels"].as_array().unwrap().iter().any(|k| k["gflop"].as_f64().is_some_and(|g| g > 0.0)));
}

/// No golden case stands behind figures of a reduced mode, and they say so; where there is nothing to gain, `fast` ran.
#[test]
fn bench_says_what_it_does_not_know() {
    let folder = tempfile::tempdir().unwrap();
    let gated = "gated by no golden case";
    for (asked, words) in [("fast", ""), ("f16", gated), ("bf16", gated), ("int8", "calibrated on this very input")] {
        let arguments = ["bench", "lung-fields", "--runs", "1", "--threads", "1", "--json", "--precision", asked];
        let output = netra(folder.path(), &arguments);
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
        let ran = rows[0]["precision"].as_str().unwrap();
        match rows[0]["note"].as_str() {
            Some(note) => assert!(ran == asked && !words.is_empty() && note.contains(words), "{note}"),
            None => assert_eq!(ran, "fast"),
        }
    }
}

#[test]
fn bench_serves_runs_until_the_input_ends() {
    let folder = tempfile::tempdir().unwrap();
    let serve = |orders: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_netra"))
            .current_dir(folder.path())
            .args(["bench", "lung-fields", "--serve", "--threads", "1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(orders.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let output = serve("run 2\nrun 1\n");
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let lines: Vec<Value> = text(&output.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["ready"], true);
    assert_eq!(lines[0]["sample"].as_array().unwrap().len(), 64);
    assert_eq!([&lines[1], &lines[2]].map(|l| l["ms"].as_array().unwrap().len()), [2, 1]);

    let output = serve("walk\n");
    assert_ne!(code(&output), 0);
    assert!(text(&output.stderr).contains("run N"));
}

/// What is measured lies beside the manifest and disturbs nothing; the commands say that it is in effect, or why it is not.
#[test]
fn tune_writes_a_file_that_the_other_commands_use() {
    let folder = tempfile::tempdir().unwrap();
    let package = copy_package(folder.path());
    let file = package.join("tuning.json");
    let arguments = ["tune", "lung-fields", "--threads", "1", "--json"];
    let output = netra(folder.path(), &arguments);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let digest = report["digest"].as_str().unwrap();
    assert!(report["steps"].as_array().unwrap().iter().all(|s| s["signature"].as_str().unwrap().starts_with("Conv ")));
    assert!(report["default_ms"].as_f64().unwrap() > 0.0);
    let mut written: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(written["measured_on"]["device"], report["device"]);
    assert_eq!(written["algorithms"].as_object().unwrap().len() as u64, report["choices"].as_u64().unwrap());

    let bench = |more: &[&str]| {
        let usual = ["bench", "lung-fields", "--runs", "1", "--threads", "1", "--json"];
        let output = netra(folder.path(), &[&usual, more].concat());
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
        (rows[0].clone(), text(&output.stderr))
    };
    let (row, said) = bench(&[]);
    assert_eq!(row["tuning"]["digest"].as_str(), Some(digest));
    assert_eq!(row["tuning"]["algorithms"], written["algorithms"]);
    assert!(said.contains(&digest[..12]), "{said}");
    assert_eq!(bench(&["--tuning", "off"]).0["tuning"], Value::Null);

    // A choice of our own, so that there is one whatever was measured.
    let conv = report["steps"].as_array().unwrap().iter().find(|s| s["default"] != "direct").unwrap();
    let signature = conv["signature"].as_str().unwrap();
    written["algorithms"] = serde_json::json!({ signature: "direct" });
    std::fs::write(&file, written.to_string()).unwrap();
    let direct = |row: &Value| {
        let steps = row["profile"]["steps"].as_array().unwrap();
        steps.iter().filter(|s| s["kernel"].as_str().unwrap().ends_with(" direct")).count()
    };
    let (row, _) = bench(&[]);
    assert_eq!(row["tuning"]["algorithms"][signature], "direct");
    assert!(direct(&row) > direct(&bench(&["--tuning", "off"]).0), "{row}");

    // One thread is not as many as there are cores, or this machine has one.
    let verified = netra(folder.path(), &["verify", "lung-fields", "-b", "cpu"]);
    assert_eq!(code(&verified), 0, "{}", text(&verified.stderr));
    assert!(text(&verified.stderr).contains("tuning   "), "{}", text(&verified.stderr));

    written["measured_on"]["device"] = "another processor".into();
    std::fs::write(&file, written.to_string()).unwrap();
    let (row, said) = bench(&[]);
    assert_eq!(row["tuning"], Value::Null);
    assert!(row["tuning_ignored"].as_str().unwrap().contains("another processor"), "{row}");
    assert!(said.contains("ignored: measured on device 'another processor'"), "{said}");

    std::fs::write(&file, "no json").unwrap();
    assert_ne!(
        code(&netra(folder.path(), &["verify", "lung-fields", "-b", "cpu"])),
        0,
        "what cannot be read is refused"
    );
    assert_eq!(code(&netra(folder.path(), &["verify", "lung-fields", "-b", "cpu", "--tuning", "off"])), 0);
}

/// The digest of what chose the algorithms is part of the result.
#[test]
fn results_name_the_tuning() {
    let folder = tempfile::tempdir().unwrap();
    let package = copy_package(folder.path());
    assert_eq!(code(&netra(folder.path(), &["demo", "--backend", "cpu", "-o", "in"])), 0);
    let bench = netra(folder.path(), &["bench", "lung-fields", "--runs", "1", "--json"]);
    let rows: Value = serde_json::from_slice(&bench.stdout).unwrap();
    let measured_on = serde_json::json!({
        "backend": "cpu", "device": rows[0]["device"], "precision": "fast", "engine": env!("CARGO_PKG_VERSION"),
    });
    let tuning = serde_json::json!({ "measured_on": measured_on, "algorithms": {} });
    std::fs::write(package.join("tuning.json"), tuning.to_string()).unwrap();
    let backend = |out: &str, more: &[&str]| {
        let scan = ["run", "lung-fields", "in/phantom-chest.dcm", "-o", out, "-b", "cpu", "--emit", "json"];
        let output = netra(folder.path(), &[&scan, more].concat());
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        let written = std::fs::read_dir(folder.path().join(out)).unwrap().next().unwrap().unwrap().path();
        let report: Value = serde_json::from_slice(&std::fs::read(written).unwrap()).unwrap();
        assert!(!report["warnings"].to_string().contains("unlisted"), "{report}");
        report["backend"].clone()
    };
    assert_eq!(backend("tuned", &[])["tuning"].as_str().map(str::len), Some(64));
    assert_eq!(backend("plain", &["--tuning", "off"])["tuning"], Value::Null);
}

#[test]
fn a_bare_network_is_tuned_into_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let network = copy_package(folder.path()).join("model.onnx");
    let network = network.to_str().unwrap();
    let tune = ["tune", network, "--shape", "1,1,256,256", "--threads", "1"];
    let output = netra(folder.path(), &tune);
    assert_eq!(code(&output), 2, "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("--out FILE"), "{}", text(&output.stderr));
    let output = netra(folder.path(), &[&tune[..], &["--out", "net.json"]].concat());
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("whole run"), "{}", text(&output.stdout));
    let bench = ["bench", network, "--shape", "1,1,256,256", "--runs", "1", "--threads", "1", "--tuning", "net.json"];
    let output = netra(folder.path(), &bench);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("tuning   "), "{}", text(&output.stderr));
}
