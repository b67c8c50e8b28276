//! Receipts: replayed, refused, without a patient; and what an interrupted run leaves behind.
#![allow(clippy::unwrap_used)] // helpers of tests may panic

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netra"));
    command.current_dir(folder).env_remove("NETRA_MODELS").args(arguments);
    command
}

fn netra(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("the binary starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).expect("a folder").map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

fn ending(folder: &Path, suffix: &str) -> PathBuf {
    files(folder).into_iter().find(|file| file.to_string_lossy().ends_with(suffix)).expect("written")
}

/// A folder with the demo's film and results in `out`.
fn demo() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let output = netra(folder.path(), &["demo", "--backend", "cpu", "-o", "out"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    folder
}

#[test]
fn a_receipt_is_replayed_until_its_input_changes() {
    let folder = demo();
    let out = folder.path().join("out");
    let path = ending(&out, ".receipt.json");
    let receipt: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(receipt["model"]["id"], "lung-fields");
    assert_eq!(receipt["device"], "cpu");
    assert_eq!(receipt["policy"], "refuse");
    assert_eq!(receipt["input"]["files"].as_array().map(Vec::len), Some(1));
    assert_eq!(receipt["outputs"].as_array().map(Vec::len), Some(3));
    assert!(receipt["result"]["segments"][0][1].as_u64().is_some_and(|voxels| voxels > 1000));
    let path = path.to_str().expect("UTF-8");
    let output = netra(folder.path(), &["replay", path]);
    assert_eq!((code(&output), said(&output).contains("identical")), (0, true), "{}", said(&output));

    let film = out.join("phantom-chest.dcm");
    let mut bytes = std::fs::read(&film).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&film, &bytes).unwrap();
    let output = netra(folder.path(), &["replay", path]);
    assert_eq!(code(&output), 5, "{}", said(&output));
    assert!(said(&output).contains("none of 1 scans"), "{}", said(&output));
}

#[test]
fn a_changed_result_is_different() {
    let folder = demo();
    let path = ending(&folder.path().join("out"), ".receipt.json");
    let mut receipt: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    receipt["result"]["sha256"] = Value::from("0".repeat(64));
    std::fs::write(&path, receipt.to_string()).unwrap();
    let output = netra(folder.path(), &["replay", path.to_str().expect("UTF-8")]);
    assert_eq!((code(&output), said(&output).contains("DIFFERENT")), (5, true), "{}", said(&output));
}

#[test]
fn results_without_a_patient_name_nobody() {
    let folder = demo();
    let film = folder.path().join("out/phantom-chest.dcm");
    let arguments = ["run", "lung-fields", "out/phantom-chest.dcm", "-o", "bare", "--backend", "cpu", "--deidentify"];
    let output = netra(
        folder.path(),
        &[arguments.as_slice(), &["--emit", "seg,seg-binary,sc,png,json,nii,html,csv,fhir", "--table", "bare/all.csv"]]
            .concat(),
    );
    assert_eq!(code(&output), 0, "{}", said(&output));
    let written = files(&folder.path().join("bare"));
    assert_eq!(written.len(), 11, "{written:?}");
    let collection = netra::open(&film).expect("opens");
    let acquisition = collection.scans[0].acquisition();
    let uids = [acquisition.study_instance_uid, acquisition.series_instance_uid].map(|uid| uid.expect("stated"));
    let bytes = std::fs::read(&film).unwrap();
    let has = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    for secret in ["Phantom^Chest", uids[0].as_str(), uids[1].as_str()] {
        assert!(has(&bytes, secret), "{secret} is in the source");
        for file in &written {
            assert!(!has(&std::fs::read(file).unwrap(), secret), "{secret} in {}", file.display());
            assert!(!file.to_string_lossy().contains(secret));
        }
    }
    let picture = folder.path().join("DoeJohn.png");
    std::fs::copy(ending(&folder.path().join("out"), ".png"), &picture).unwrap();
    let arguments = ["run", "lung-fields", "DoeJohn.png", "-o", "png", "--backend", "cpu", "--deidentify"];
    let output = netra(folder.path(), &[arguments.as_slice(), &["--emit", "json,html,csv,fhir"]].concat());
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(!said(&output).contains("DoeJohn"), "{}", said(&output));
    for file in files(&folder.path().join("png")) {
        assert!(!has(&std::fs::read(&file).unwrap(), "DoeJohn"), "{}", file.display());
    }
    let receipt = ending(&folder.path().join("bare"), ".receipt.json");
    let receipt = receipt.to_str().expect("UTF-8");
    let output = netra(folder.path(), &["replay", receipt]);
    assert!(said(&output).contains("--input"), "{}", said(&output));
    let output = netra(folder.path(), &["replay", receipt, "--input", "out/phantom-chest.dcm"]);
    assert_eq!((code(&output), said(&output).contains("identical")), (0, true), "{}", said(&output));
}

#[test]
fn a_report_is_final_in_the_name_of_its_reader() {
    let folder = demo();
    let run = |more: &[&str]| {
        let arguments =
            ["run", "lung-fields", "out/phantom-chest.dcm", "-o", "read", "--backend", "cpu", "--emit", "fhir,png"];
        netra(folder.path(), &[arguments.as_slice(), more].concat())
    };
    let reader = ["--interpreter", "Rao^Anita^^Dr", "--interpreter-id", "https://doctor.ndhm.gov.in|21-1521"];
    let output = run(&reader);
    assert_eq!(code(&output), 0, "{}", said(&output));
    let bundle = std::fs::read(ending(&folder.path().join("read"), ".fhir.json")).unwrap();
    let bundle: Value = serde_json::from_slice(&bundle).unwrap();
    let resources = bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
    let report = resources.into_iter().find(|r| r["resourceType"] == "DiagnosticReport").unwrap();
    assert_eq!(report["status"], "final");
    assert_eq!(report["resultsInterpreter"][0]["display"], "Dr Anita Rao");
    assert_eq!(report["resultsInterpreter"][0]["identifier"]["value"], "21-1521");
    // Results that name nobody name no reader; an identifier belongs to a name.
    assert_eq!(code(&run(&[&reader[..2], &["--deidentify"]].concat())), 2);
    assert_eq!(code(&run(&reader[2..])), 2);
}

/// Whether a result is whole, by its own end.
fn is_whole(file: &Path) -> bool {
    let bytes = std::fs::read(file).unwrap();
    let name = file.to_string_lossy();
    match name.rsplit('.').next() {
        Some("json") => serde_json::from_slice::<Value>(&bytes).is_ok(),
        Some("png") => bytes.ends_with(b"IEND\xAE\x42\x60\x82"),
        Some("dcm") => netra::open(file).is_ok_and(|collection| {
            collection.refused.is_empty() && collection.scans.iter().all(|s| s.summary().frames > 0)
        }),
        Some("gz") => netra::open(file)
            .is_ok_and(|collection| collection.scans.iter().all(|scan| scan.volume(&netra::Limits::default()).is_ok())),
        _ => false,
    }
}

#[test]
fn an_interrupted_run_leaves_no_half_written_result() {
    let folder = demo();
    let run = |out: &str| {
        let film = "out/phantom-chest.dcm";
        let arguments = ["run", "lung-fields", film, film, film, "-o", out, "--backend", "cpu"];
        let mut command = command(folder.path(), &[arguments.as_slice(), &["--emit", "seg,png,json,nii"]].concat());
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts")
    };
    let started = Instant::now();
    assert!(run("whole").wait().expect("waits").success());
    let whole = started.elapsed();
    let (mut seen, mut state) = (0, 0x2545_F491_4F6C_DD1Du64);
    for round in 0..50 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let out = format!("cut-{round}");
        let mut child = run(&out);
        std::thread::sleep(Duration::from_nanos(state % whole.as_nanos() as u64));
        // On Unix this is SIGKILL: nothing of the program runs any more.
        child.kill().expect("killed");
        child.wait().expect("waits");
        let out = folder.path().join(out);
        if !out.is_dir() {
            continue;
        }
        for file in files(&out).iter().filter(|file| !file.to_string_lossy().ends_with(".part")) {
            assert!(is_whole(file), "{} was left half written", file.display());
            seen += 1;
        }
    }
    assert!(seen > 0, "no run came as far as a result");
}
