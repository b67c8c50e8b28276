//! Other people's software: the interpreter that has it, its scripts, and what they are told to expect.
#![allow(clippy::print_stderr)] // a skipped test says why

use std::path::{Path, PathBuf};
use std::process::Command;

use netra_core::{CodedConcept, Finding, Findings, Segment};

use super::{Case, Owned};

/// The interpreter that has the validators.
pub fn python() -> Option<PathBuf> {
    netra_testkit::python("highdicom, nibabel")
}

/// The exit code of a script whose tool is not installed.
const NOT_THERE: i32 = 77;

/// Runs a script of `tests/validate`; its output is shown when it fails.
pub fn validate(python: &Path, script: &str, arguments: &[&Path]) {
    let script = netra_testkit::workspace().join("tests/validate").join(script);
    let output = Command::new(python).arg(&script).args(arguments).output().expect("starts");
    if output.status.code() == Some(NOT_THERE) {
        eprintln!("skipped: {}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}:\n{text}", script.display());
    eprint!("{text}");
}

/// What `script` reads of `out` is `expected`, with 0 errors of dciodvfy. With the files that it was made from the script makes
/// highdicom's own counterpart as `reference`, and there may be no warnings that this has not; nobody makes one without sources.
pub fn agrees(python: &Path, script: &str, out: &Path, expected: &Path, sources: &[PathBuf], reference: &Path) {
    if sources.is_empty() {
        validate(python, script, &[out, expected]);
        validate(python, "dciodvfy.py", &[out]);
        return;
    }
    let mut arguments: Vec<&Path> = vec![out, expected, Path::new("--reference"), reference];
    arguments.extend(sources.iter().map(PathBuf::as_path));
    validate(python, script, &arguments);
    validate(python, "dciodvfy.py", &[Path::new("--like"), reference, out]);
}

/// Writes what a segmentation must hold, for the scripts: its labels, and its probabilities where it has them.
pub fn expected(case: &Case, findings: &Findings, folder: &Path) -> PathBuf {
    let Finding::Segmentation { labels, .. } = &findings.finding else { panic!("labels") };
    let bytes: Vec<u8> = labels.labels().iter().flat_map(|label| label.to_le_bytes()).collect();
    let name = format!("{}.u16", case.name);
    std::fs::write(folder.join(&name), bytes).unwrap();
    let mut segments: Vec<&Segment> = labels.segments().iter().collect();
    segments.sort_unstable_by_key(|segment| segment.number);
    let numbers: Vec<u16> = segments.iter().map(|segment| segment.number).collect();
    let code = |concept: &CodedConcept| concept.value.clone();
    let regions: Vec<Option<String>> = segments.iter().map(|s| s.anatomic_region.as_ref().map(code)).collect();
    let types: Vec<String> = segments.iter().map(|s| code(&s.property_type)).collect();
    let wide = numbers.iter().any(|&number| number > 255);
    let mut document = grid(case);
    document["labels"] = name.into();
    document["numbers"] = serde_json::json!(numbers);
    document["regions"] = serde_json::json!(regions);
    document["types"] = serde_json::json!(types);
    document["dtype"] = if wide { "uint16" } else { "uint8" }.into();
    if let Some(probabilities) = &findings.probabilities {
        let given = labels.segments().iter().map(|segment| segment.number);
        assert!(given.is_sorted(), "the script wants probabilities in ascending order of segments");
        let name = format!("{}.u8", case.name);
        std::fs::write(folder.join(&name), probabilities.values.iter().copied().collect::<Vec<u8>>()).unwrap();
        document["shares"] = name.into();
    }
    write(case, &document, folder)
}

/// Writes what a parametric map must hold.
pub fn expected_maps(case: &Case, findings: &Findings, folder: &Path) -> PathBuf {
    let (Finding::Classes(classes), Some(saliency)) = (&findings.finding, &findings.saliency) else { panic!("maps") };
    let values = saliency.maps.iter().flat_map(|map| map.values.iter());
    let name = format!("{}.f32", case.name);
    std::fs::write(folder.join(&name), values.flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    let mut document = grid(case);
    document["maps"] = name.into();
    document["classes"] = saliency.maps.iter().map(|map| classes[map.class].label.as_str()).collect();
    write(case, &document, folder)
}

fn write(case: &Case, document: &serde_json::Value, folder: &Path) -> PathBuf {
    let path = folder.join(format!("{}.expected.json", case.name));
    std::fs::write(&path, document.to_string()).unwrap();
    path
}

/// Where a result must lie, and what it must refer to.
fn grid(case: &Case) -> serde_json::Value {
    let frames: Vec<(String, u32)> = case.frames().into_iter().map(|f| (f.sop_instance_uid, f.frame)).collect();
    // A slice that was put in between two frames is found by its place alone.
    let frames = Some(frames).filter(|_| !case.is_corrected());
    let (affine, position, spacing) = match &case.pixels {
        Owned::Volume(volume) => {
            let affine = volume.geometry().affine();
            let slices = volume.geometry().shape()[0];
            let positions: Vec<_> = (0..slices).map(|s| affine.apply([s as f64, 0.0, 0.0])).collect();
            (Some(affine.0), Some(positions), None)
        }
        Owned::Image(image) => (None, None, image.spacing),
    };
    serde_json::json!({
        "shape": case.source().pixels.shape(), "frames": frames, "affine": affine, "position": position,
        "spacing": spacing,
    })
}
