//! Networks within the bars of `docs/models.md`, where there is Python to make the references. `NETRA_PYTHON` is the
//! interpreter; what it lacks is skipped, with a note. torch is no requirement of the tests (it is a gigabyte): with
//! onnx and onnxruntime alone, published weights are compared with onnx's own evaluator in float64; with torch,
//! torchvision and monai, a few networks of the zoo too.
#![allow(clippy::print_stderr)]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use netra_zoo::{BARS, Case, Outcome, backend, measure};

/// The interpreter, when it has `modules`.
fn python(modules: &str) -> Option<OsString> {
    let Some(python) = std::env::var_os("NETRA_PYTHON") else {
        eprintln!("skipped: NETRA_PYTHON is not set");
        return None;
    };
    let found = Command::new(&python).args(["-c", &format!("import {modules}")]).output();
    if !found.is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: no {modules} in {}", python.display());
        return None;
    }
    Some(python)
}

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn run(command: &mut Command) {
    let output = command.output().expect("Python runs");
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// Runs a case on the processor (and an adapter, with the feature `wgpu`) and says which bar it is over.
fn over(folder: &Path) -> Vec<String> {
    let case = Case::read(folder).expect("a case");
    let mut wrong = Vec::new();
    for (name, bar) in BARS {
        let Ok(backend) = backend(name) else { continue };
        match measure(&case, backend.as_ref(), netra_graph::Precision::Exact).expect("a reference of the same shape") {
            Outcome::Ran(run) => {
                let ratio = run.errors.over(&case.onnxruntime_error);
                eprintln!("{} on {name}: {:?}, {ratio:.2} of ONNX Runtime's", case.name, run.errors);
                if ratio > bar {
                    wrong.push(format!("{} on {name}: {ratio:.2} times ONNX Runtime's error", case.name));
                }
            }
            other => wrong.push(format!("{} on {name}: {other:?}", case.name)),
        }
    }
    wrong
}

#[test]
fn published_weights_are_within_the_bars() {
    let Some(python) = python("onnx, onnxruntime") else { return };
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("published");
    let mut models = vec![("lung-fields", here("../../models/lung-fields/model.onnx"), "1,1,64,64")];
    // The assets lie beside the checkout, or where NETRA_ASSETS says.
    let assets = std::env::var_os("NETRA_ASSETS").map_or_else(|| here("../../../shared/assets"), PathBuf::from);
    if assets.is_dir() {
        models.push(("lwnet-vessels", assets.join("models/retina_vessels_lwnet/wnet_drive.onnx"), "1,3,64,64"));
        models.push(("lungair", assets.join("models/cxr_lungseg_lungair/model.onnx"), "1,1,128,128"));
    }
    let mut wrong = Vec::new();
    for (name, path, shape) in models {
        let folder = out.join(name);
        run(Command::new(&python).arg(here("reference.py")).arg(path).arg(shape).arg(&folder));
        wrong.extend(over(&folder));
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn small_networks_of_the_zoo_are_within_the_bars() {
    let Some(python) = python("torch, torchvision, monai, onnx, onnxruntime") else { return };
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("zoo");
    let names = ["mobilenet_v3_large", "swin_t", "monai_unet", "monai_attention_unet"];
    run(Command::new(&python).arg(here("export.py")).arg("--out").arg(&out).args(names));
    let wrong: Vec<String> = names.iter().flat_map(|name| over(&out.join(name))).collect();
    assert_eq!(wrong, Vec::<String>::new());
}
