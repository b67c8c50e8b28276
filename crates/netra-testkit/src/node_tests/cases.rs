//! The cases on disk: made once by `tests/conformance/export.py`, outside git.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::vision::is_vision;

/// The package and the form of the folder that the numbers in the tests and in `docs/operators.md` are about.
const STAMP: &str = "onnx 1.23.2 format 1";

/// An input or output of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Name in the model.
    pub name: String,
    /// The ONNX element type (`FLOAT16` ...) of a tensor; `sequence`, `optional` ... of what is none.
    pub kind: String,
}

impl Slot {
    /// Whether the value is a tensor.
    pub fn is_tensor(&self) -> bool {
        self.kind.starts_with(|c: char| c.is_ascii_uppercase())
    }
}

/// One node test.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// ONNX's name of it.
    pub name: String,
    /// The operator that it tests.
    pub op: String,
    /// Whether the model holds the operator's definition in other operators instead of the operator.
    pub expanded: bool,
    /// Relative tolerance.
    pub rtol: f64,
    /// Absolute tolerance.
    pub atol: f64,
    /// Inputs in the model's order.
    pub inputs: Vec<Slot>,
    /// Outputs in the model's order.
    pub outputs: Vec<Slot>,
    /// Holds `model.onnx`, `inputs.onnx` and `expected.onnx`.
    pub folder: PathBuf,
}

impl Case {
    /// Whether this is a case of one operator that imaging networks use.
    pub fn is_vision(&self) -> bool {
        !self.expanded && is_vision(&self.op)
    }

    fn parse(line: &str, root: &Path) -> Option<Self> {
        let fields: Vec<&str> = line.split('\t').collect();
        let &[name, op, expanded, rtol, atol, inputs, outputs] = fields.as_slice() else { return None };
        let slots = |list: &str| {
            let slot = |text: &str| {
                let (name, kind) = text.rsplit_once(':')?;
                Some(Slot { name: name.to_owned(), kind: kind.to_owned() })
            };
            list.split(',').filter(|text| !text.is_empty()).map(slot).collect::<Option<Vec<_>>>()
        };
        Some(Self {
            name: name.to_owned(),
            op: op.to_owned(),
            expanded: expanded == "1",
            rtol: rtol.parse().ok()?,
            atol: atol.parse().ok()?,
            inputs: slots(inputs)?,
            outputs: slots(outputs)?,
            folder: root.join(name),
        })
    }
}

/// Every node test, in the order of the package. `None`, and a note on standard error, where they are not on disk and
/// cannot be made: without the Python of `NETRA_PYTHON` (else of the workspace's `.venv`), or with another version of
/// `onnx` than `tests/requirements.txt` names. They lie in `NETRA_NODE_TESTS`, else in `target/onnx-node-tests`.
#[allow(clippy::print_stderr)]
pub fn cases() -> Option<Vec<Case>> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let beside = || workspace.join("target/onnx-node-tests");
    let root = std::env::var_os("NETRA_NODE_TESTS").map_or_else(beside, PathBuf::from);
    let found = load(&root).or_else(|_| make(&workspace, &root).and_then(|()| load(&root)));
    found.inspect_err(|why| eprintln!("skipped: no ONNX node tests ({why})")).ok()
}

fn load(root: &Path) -> Result<Vec<Case>, String> {
    let index = root.join("index.tsv");
    let text = fs::read_to_string(&index).map_err(|e| format!("{}: {e}", index.display()))?;
    let (stamp, lines) = text.split_once('\n').unwrap_or_default();
    if stamp != STAMP {
        return Err(format!("{} is of '{stamp}', not '{STAMP}'", index.display()));
    }
    let parse = |line: &str| Case::parse(line, root).ok_or_else(|| format!("{}: '{line}'", index.display()));
    lines.lines().map(parse).collect()
}

fn make(workspace: &Path, root: &Path) -> Result<(), String> {
    let beside = workspace.join(".venv/bin/python");
    let python = std::env::var_os("NETRA_PYTHON").map_or(beside, PathBuf::from);
    let script = workspace.join("tests/conformance/export.py");
    let output = Command::new(&python).arg(&script).arg(root).output();
    let output = output.map_err(|e| format!("{}: {e}; run tests/setup or set NETRA_PYTHON", python.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: {}", python.display(), text.lines().last().unwrap_or("no message")))
}
