//! `netra convert` and `netra inspect` by the real binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn netra(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_netra")).current_dir(folder).args(arguments).output().expect("the binary starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a report")).expect("JSON")
}

/// A folder with the phantom radiograph, `chest.dcm`: 1 frame of a patient `Phantom^Chest`.
fn with_a_radiograph() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let output = netra(folder.path(), &["demo", "--backend", "cpu", "-o", "in"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    std::fs::rename(folder.path().join("in/phantom-chest.dcm"), folder.path().join("chest.dcm")).expect("moved");
    std::fs::remove_dir_all(folder.path().join("in")).expect("removed");
    folder
}

/// A NIfTI file of 3 x 4 x 5 int16 voxels 0, 1, 2 ... less 7, 2 mm apart, columns to the right (RAS), slices 3 mm apart.
fn nifti() -> Vec<u8> {
    let mut bytes = vec![0u8; 352];
    bytes[0..4].copy_from_slice(&348i32.to_le_bytes());
    for (i, size) in [3i16, 5, 4, 3, 1, 1, 1, 1].into_iter().enumerate() {
        bytes[40 + 2 * i..42 + 2 * i].copy_from_slice(&size.to_le_bytes());
    }
    bytes[70..72].copy_from_slice(&4i16.to_le_bytes());
    bytes[72..74].copy_from_slice(&16i16.to_le_bytes());
    for (at, value) in [(76, 1f32), (80, 2.0), (84, 2.0), (88, 3.0), (108, 352.0)] {
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    bytes[254..256].copy_from_slice(&1i16.to_le_bytes());
    for (at, value) in [(280, 2f32), (300, 2.0), (320, 3.0), (292, 10.0)] {
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    bytes[344..348].copy_from_slice(b"n+1\0");
    bytes.extend((-7i16..53).flat_map(i16::to_le_bytes));
    bytes
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_volume_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("scan.nii"), nifti()).unwrap();
    let output = netra(folder.path(), &["convert", "scan.nii", "out.nii", "--json"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let written = std::fs::read(folder.path().join("out.nii")).unwrap();
    let source = nifti();
    assert_eq!(written[352..], source[352..], "voxels");
    assert_eq!(written[280..328], source[280..328], "sform");
    assert_eq!(written[70..74], source[70..74], "int16 is the smallest type");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told[0]["done"]["shape"], serde_json::json!([3, 4, 5]));
    let report = json(&folder.path().join("out.nii.audit.json"));
    assert_eq!(report["grid"]["affine_ras"][0], serde_json::json!([2.0, 0.0, 0.0, 10.0]));
    assert_eq!(report["policy"], "refuse");
    assert_eq!(names(folder.path()), ["out.nii", "out.nii.audit.json", "scan.nii"], "and nothing else");
}

#[test]
fn nothing_is_replaced_without_force() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("scan.nii"), nifti()).unwrap();
    std::fs::write(folder.path().join("out.nii.gz"), "precious").unwrap();
    assert_eq!(code(&netra(folder.path(), &["convert", "scan.nii", "out.nii.gz"])), 2);
    assert_eq!(std::fs::read_to_string(folder.path().join("out.nii.gz")).unwrap(), "precious");
    assert_eq!(code(&netra(folder.path(), &["convert", "scan.nii", "out.nii.gz", "--force"])), 0);
    assert_eq!(std::fs::read(folder.path().join("out.nii.gz")).unwrap()[..2], [0x1F, 0x8B]);
    let output = netra(folder.path(), &["convert", "scan.nii", "out.tif"]);
    assert_eq!(code(&output), 2);
    assert!(text(&output.stderr).contains(".nii.gz"), "{}", text(&output.stderr));
}

#[test]
fn one_bad_scan_among_several_does_not_stop_the_others() {
    let folder = with_a_radiograph();
    let scans = folder.path().join("scans");
    std::fs::create_dir(&scans).unwrap();
    std::fs::write(scans.join("a.nii"), nifti()).unwrap();
    std::fs::write(scans.join("b.dcm"), [b"\0".repeat(128).as_slice(), b"DICM", b"nonsense"].concat()).unwrap();
    std::fs::rename(folder.path().join("chest.dcm"), scans.join("c.dcm")).unwrap();
    let output = netra(folder.path(), &["convert", "scans", "out.nii.gz", "--json"]);
    assert_eq!(code(&output), 1, "{}", text(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told.as_array().unwrap().len(), 3, "{told}");
    assert!(text(&output.stderr).contains("b.dcm"), "{}", text(&output.stderr));
    let expected = ["out-1.nii.gz", "out-1.nii.gz.audit.json", "out-2.nii.gz", "out-2.nii.gz.audit.json", "scans"];
    assert_eq!(names(folder.path()), expected);
}

#[test]
fn a_frame_becomes_a_picture_and_a_zip() {
    let folder = with_a_radiograph();
    let path = |name: &str| folder.path().join(name);
    for (out, bits) in [("eight.png", 8), ("sixteen.png", 16)] {
        let voi = if bits == 8 { "apply" } else { "ignore" };
        let output = netra(folder.path(), &["convert", "chest.dcm", out, "--voi", voi]);
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        let png = std::fs::read(path(out)).unwrap();
        assert_eq!(&png[1..4], b"PNG");
        assert_eq!(png[24], bits, "bits a sample, in IHDR");
        let report = json(&path(&format!("{out}.audit.json")));
        let size = [20, 16].map(|at| u32::from_be_bytes([png[at], png[at + 1], png[at + 2], png[at + 3]]));
        assert_eq!(report["shape"], serde_json::json!([1, size[0], size[1]]), "at its size");
        assert_eq!(report["values"]["bits"], bits);
        assert!(report["slices"][0]["sources"][0]["sop_instance_uid"].is_string(), "{report}");
        assert!(!report.to_string().contains("Phantom^Chest"), "no patient in a report");
    }
    assert_eq!(json(&path("sixteen.png.audit.json"))["values"]["lossless"], true);
    let output = netra(folder.path(), &["convert", "chest.dcm", "frames.zip"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let zip = text(&std::fs::read(path("frames.zip")).unwrap());
    assert!(zip.contains("-frame1.png") && zip.contains("audit.json"));
}

#[test]
fn colour_keeps_its_pixels() {
    let folder = with_a_radiograph();
    let convert = |from: &str, to: &str| assert_eq!(code(&netra(folder.path(), &["convert", from, to])), 0, "{to}");
    // A sheet is a colour picture.
    assert_eq!(code(&netra(folder.path(), &["inspect", "--thumbnail", "sheet.png", "chest.dcm"])), 0);
    convert("sheet.png", "once.png");
    convert("once.png", "twice.png");
    convert("sheet.png", "sheet.nii");
    convert("twice.png", "twice.nii");
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(read("once.png") == read("twice.png"));
    let nifti = read("sheet.nii");
    assert!(nifti == read("twice.nii"));
    assert_eq!(nifti[70..74], [128, 0, 24, 0], "RGB24");
    assert_eq!(nifti[252..256], [0; 4], "nowhere in a patient");
}

#[test]
fn tags_are_shown_and_the_patient_is_not() {
    let folder = with_a_radiograph();
    let tags = |more: &[&str]| {
        let output = netra(folder.path(), &[&["inspect", "--tags", "chest.dcm"], more].concat());
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        text(&output.stdout)
    };
    for more in [&[][..], &["--json"]] {
        let hidden = tags(more);
        assert!(hidden.contains("withheld") && !hidden.contains("Phantom^Chest"), "{hidden}");
        assert!(hidden.contains("MONOCHROME"), "{hidden}");
        assert!(tags(&[more, &["--show-patient"]].concat()).contains("Phantom^Chest"));
    }
    let document: Value = serde_json::from_str(&tags(&["--json"])).unwrap();
    assert_eq!(document[0]["00280010"]["vr"], "US");
}

#[test]
fn a_sheet_shows_every_scan() {
    let folder = with_a_radiograph();
    std::fs::write(folder.path().join("scan.nii"), nifti()).unwrap();
    let output = netra(folder.path(), &["inspect", "--thumbnail", "sheet.png", "."]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("2 scans"), "{}", text(&output.stdout));
    assert_eq!(&std::fs::read(folder.path().join("sheet.png")).unwrap()[1..4], b"PNG");
}

/// dcm2niix, SimpleITK and nibabel on every series (`tests/validate/geometry.py`).
#[test]
fn other_converters_agree_or_the_reason_is_known() {
    validate("geometry.py");
}

/// pydicom on every header (`tests/validate/tags.py`).
#[test]
fn pydicom_reads_the_same_tags_and_finds_no_patient() {
    validate("tags.py");
}

/// Runs a script of `tests/validate` with the binary and the shared scans, where there are some.
#[allow(clippy::print_stderr)]
fn validate(script: &str) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let beside = workspace.join(".venv/bin/python");
    let python = std::env::var_os("NETRA_PYTHON").map_or(beside, PathBuf::from);
    let usable = Command::new(&python).args(["-c", "import SimpleITK, nibabel, data_store"]).output();
    if !usable.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no converters in {} (run tests/setup or set NETRA_PYTHON)", python.display());
        return;
    }
    let mut command = Command::new(python);
    command.arg(workspace.join("tests/validate").join(script)).arg(env!("CARGO_BIN_EXE_netra"));
    // Without the shared scans: what pydicom-data has, and handmade series.
    command.args(netra_testkit::assets());
    let output = command.output().expect("starts");
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}
