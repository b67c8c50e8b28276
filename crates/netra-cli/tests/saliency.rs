//! Heat maps and probabilities by the real binary, beside ONNX Runtime's.

use std::path::Path;
use std::process::Command;

/// `tests/validate/saliency.py` makes the packages, runs them and compares.
#[test]
fn heat_maps_and_probabilities_are_those_of_onnx_runtime() {
    let Some(python) = netra_testkit::python("onnx, onnxruntime, pydicom") else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/validate/saliency.py");
    let work = tempfile::tempdir().expect("a folder");
    let output = Command::new(python).arg(script).arg(env!("CARGO_BIN_EXE_netra")).arg(work.path()).output();
    let output = output.expect("python starts");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    for what in ["linear", "hidden", "seg-fractional", "negative"] {
        assert!(told.contains(what), "{told}");
    }
}
