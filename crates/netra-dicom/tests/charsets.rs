//! Texts in all character sets, compared with those that pydicom reads from some 300 public files.

use std::path::PathBuf;
use std::process::Command;

use netra_dicom::{Limits, Scan, open};
use serde_json::Value;

/// The interpreter that has pydicom.
fn python() -> Option<PathBuf> {
    netra_testkit::python("pydicom")
}

/// The text at a path of tags and numbers of items.
fn text(header: &dicom_object::InMemDicomObject, path: &[Value]) -> Option<String> {
    let tag = |value: &Value| value.as_u64().map(|n| dicom_core::Tag((n >> 16) as u16, n as u16));
    let (last, steps) = path.split_last()?;
    let mut object = header;
    for step in steps.chunks_exact(2) {
        object = object.get(tag(&step[0])?)?.value().items()?.get(step[1].as_u64()? as usize)?;
    }
    Some(trimmed(&object.get(tag(last)?)?.value().to_multi_str().ok()?.join("\\")))
}

/// Without the padding of each value and the empty components of names, which pydicom leaves out.
fn trimmed(text: &str) -> String {
    let value = |value: &str| value.trim_matches([' ', '\0']).trim_end_matches(['=', '^']).trim_end().to_owned();
    text.split('\\').map(value).collect::<Vec<_>>().join("\\")
}

#[test]
fn texts_are_those_of_pydicom() {
    let Some(python) = python() else { return };
    let mut command = Command::new(python);
    command.arg(netra_testkit::workspace().join("tests/validate/charsets.py"));
    if let Some(assets) = netra_testkit::assets() {
        command.arg(assets.join("dicom"));
    }
    let output = command.output().expect("starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (mut same, mut foreign, mut refused, mut wrong) = (0, 0, Vec::new(), Vec::new());
    for line in String::from_utf8(output.stdout).expect("text").lines() {
        let (path, texts): (PathBuf, Vec<(Vec<Value>, String)>) = serde_json::from_str(line).expect("a line of JSON");
        let collection = open(&path, &Limits::default()).expect("one file");
        let Some(Scan::Dicom(series)) = collection.scans.first() else {
            refused.push(format!("{:?}", collection.refused));
            continue;
        };
        for (tags, wanted) in texts {
            let (got, wanted) = (text(series.instances[0].header(), &tags), trimmed(&wanted));
            if got.as_deref() == Some(&wanted) {
                same += 1;
                foreign += usize::from(!wanted.is_ascii());
            } else {
                let name = path.file_name().unwrap_or_default().display().to_string();
                wrong.push(format!("{name} {tags:x?}: {got:?}, pydicom {wanted:?}"));
            }
        }
    }
    println!("{same} texts are the same, {foreign} of them not ASCII; refused: {refused:#?}");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(foreign >= 50, "{foreign} texts that are not ASCII");
}
