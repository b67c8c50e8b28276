//! Networks that `netra_graph::arch` builds against their originals in Python: a script makes each with random weights
//! and gives its state dict and its output in float64; the bar is twice the error of torch or ONNX Runtime in float32,
//! and what `Precision::Fast` promises beyond that.
//! Skipped, with a note, where NETRA_PYTHON is not set or lacks the packages.

#![allow(clippy::print_stderr, clippy::unwrap_used)] // A test that prints its figures.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use netra_cpu::CpuBackend;
use netra_graph::arch::{self, Architecture};
use netra_graph::npz::Npz;
use netra_graph::{Backend, CompileOptions, Data, Precision, StateDict, Tensor, eval, weights};
use netra_testkit::golden;
use serde_json::json;

/// Differences of float32 arithmetic below this share of the output's range are all alike.
const FLOOR: f64 = 5e-7;

/// What `Precision::Fast` may add, in parts of the output's range.
const FAST: f64 = 1e-4;

/// Runs the script, which writes a folder a case.
fn originals(which: &str) -> Option<PathBuf> {
    let Some(python) = std::env::var_os("NETRA_PYTHON") else {
        eprintln!("skipped: NETRA_PYTHON is not set");
        return None;
    };
    const PACKAGES: &str = "import monai, torchvision, torchxrayvision, dynamic_network_architectures";
    let known = Command::new(&python).args(["-c", PACKAGES]).output();
    if !known.is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: {} cannot {PACKAGES}", python.display());
        return None;
    }
    let out = std::env::temp_dir().join(format!("netra-architectures-{which}-{}", std::process::id()));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/architectures.py");
    let part = std::env::var_os("NETRA_ARCHITECTURE").unwrap_or_default();
    let made = Command::new(python).arg(script).arg(&out).arg(which).arg(part).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    eprint!("{}", String::from_utf8_lossy(&made.stderr));
    Some(out)
}

fn floats(tensor: &Tensor) -> Vec<f64> {
    match tensor.data() {
        Data::F32(v) => v.iter().map(|&x| x.into()).collect(),
        Data::F64(v) => v.clone(),
        other => panic!("{:?}", other.dtype()),
    }
}

/// Largest difference and the 99.9th percentile of all.
fn error(got: &Tensor, want: &Tensor) -> [f64; 2] {
    assert_eq!(got.shape(), want.shape());
    let mut d: Vec<f64> = floats(got).iter().zip(floats(want)).map(|(a, b)| (a - b).abs()).collect();
    assert!(d.iter().all(|d| d.is_finite()));
    d.sort_by(f64::total_cmp);
    [d[d.len() - 1], d[(d.len() - 1) * 999 / 1000]]
}

/// Builds one case, runs it on the CPU backend (and the evaluator where asked), prints a row and says whether it passed.
fn check(folder: &Path, evaluate: bool) -> bool {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let config = serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap();
    let architecture = Architecture::from_json(&config).unwrap_or_else(|e| panic!("{name}: {e}"));
    let file = Npz::open(&folder.join("state.npz")).unwrap();
    let state: StateDict = file.names().iter().map(|n| (n.clone(), file.tensor(n).unwrap())).collect();
    let graph = arch::build(&architecture, state).unwrap_or_else(|e| panic!("{name}: {e}"));
    let case = Npz::open(&folder.join("case.npz")).unwrap();
    let [input, want, torch, ort] = ["input", "float64", "torch", "onnxruntime"].map(|n| case.tensor(n).unwrap());
    let program = Arc::new(graph.specialise(&[input.shape().to_vec()]).unwrap_or_else(|e| panic!("{name}: {e}")));

    let reference = floats(&want);
    let span = reference.iter().fold(0f64, |m, v| m.max(v.abs()));
    assert!(span > 1e-3, "{name}: an output of zeros proves nothing");
    let (torch, ort) = (error(&torch, &want), error(&ort, &want));
    let bar = [0, 1].map(|i| 2.0 * torch[i].max(ort[i]).max(FLOOR * span));
    let [cpu, fast] = [Precision::Exact, Precision::Fast].map(|precision| {
        let options = CompileOptions::default().precision(precision);
        let executable = CpuBackend::new(None).unwrap().compile(program.clone(), &options).unwrap();
        error(&executable.run(&[input.view()]).unwrap()[0], &want)
    });
    let mut passed = (0..2).all(|i| cpu[i] <= bar[i] && fast[i] <= bar[i] + FAST * span);
    let mut row = format!("{name:28} range {span:9.3e}  cpu {:.1e} {:.1e}  fast {:.1e}", cpu[0], cpu[1], fast[0]);
    if evaluate {
        let oracle = error(&eval::run(&program, &[input.view()]).unwrap()[0], &want);
        passed &= oracle[0] <= bar[0] && oracle[1] <= bar[1];
        row += &format!("  eval {:.1e}", oracle[0]);
    }
    let verdict = if passed { "" } else { "  FAILED" };
    eprintln!("{row}  torch {:.1e} {:.1e}  ort {:.1e} {:.1e}{verdict}", torch[0], torch[1], ort[0], ort[1]);
    passed
}

fn check_all(which: &str, evaluate: bool) {
    let Some(out) = originals(which) else { return };
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().path()).collect();
    folders.sort();
    let failed: Vec<&PathBuf> = folders.iter().filter(|f| !check(f, evaluate)).collect();
    assert!(failed.is_empty(), "{failed:?}");
    std::fs::remove_dir_all(out).unwrap();
}

#[test]
fn small_networks_agree_with_their_originals() {
    check_all("tiny", true);
}

#[test]
#[ignore = "ten minutes and 4 GB of temporary files"]
fn full_networks_agree_with_their_originals() {
    check_all("full", false);
}

/// A published MeshNet, from its weights alone, gives the labels of its original.
#[test]
fn published_meshnet_reproduces_its_golden() {
    let Some(assets) = netra_testkit::assets() else { return };
    let folder = assets.join("models/brain_meshnet_brainchop");
    let dilated = [1, 2, 4, 8, 16, 8, 4, 2, 1].map(|d| json!({"kernel_size": 3, "padding": d, "dilation": d}));
    let layers: Vec<_> = dilated.into_iter().chain([json!({"kernel_size": 1})]).collect();
    let table = json!({"name": "MeshNet", "in_channels": 1, "n_classes": 18, "channels": 21, "layers": layers,
        "norm": null, "act": "elu", "form": "flat"});
    let architecture = Architecture::from_json(&table).unwrap();
    let golden = Npz::open(&folder.join("golden_model18cls.npz")).unwrap();
    let (input, labels) = (golden.tensor("input").unwrap(), golden.tensor("argmax").unwrap());
    for file in ["model18cls.pth", "model18cls.safetensors"] {
        let graph = arch::build(&architecture, weights::read(&folder.join(file)).unwrap()).unwrap();
        let program = Arc::new(graph.specialise(&[input.shape().to_vec()]).unwrap());
        let backend = CpuBackend::new(None).unwrap();
        let logits = &backend.compile(program, &CompileOptions::default()).unwrap().run(&[input.view()]).unwrap()[0];
        let (Data::F32(logits), Data::U8(labels)) = (logits.data(), labels.data()) else { panic!("element types") };
        let found = golden::labels(logits, 18, labels.len());
        let different = found.iter().zip(labels).filter(|(a, b)| **a != usize::from(**b)).count();
        // The golden was made in float32 too: ties may fall either way.
        assert!(different < 10, "{different} of {} labels differ ({file})", labels.len());
    }
}
