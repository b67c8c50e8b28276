//! Every example runs, on the phantom and, where they are there, on the shared models and scans.

use std::path::{Path, PathBuf};
use std::process::Command;

use netra::package::{add, catalogue};

/// Runs a built example and gives what it printed.
fn example(name: &str, arguments: &[&Path]) -> String {
    // Cargo builds examples beside the folder of the test's own binary.
    let test = std::env::current_exe().expect("a test binary");
    let program = test.ancestors().nth(2).expect("the profile's folder").join("examples").join(name);
    let output = Command::new(&program).args(arguments).output().expect("the example starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{name}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// A package made from the shared assets.
fn package(id: &str, weights: &Path, folder: &Path) -> PathBuf {
    let out = folder.join(id);
    let entry = catalogue::find(id).expect("a known model");
    add::fill(entry, &[weights.to_owned()], &out, &netra::Limits::default()).expect("digests match");
    out
}

#[test]
fn embed_writes_a_segmentation() {
    let folder = tempfile::tempdir().unwrap();
    let (chest, lungs) = (folder.path().join("chest.dcm"), folder.path().join("lungs.dcm"));
    netra::phantom::write_chest_radiograph(&chest, 1).unwrap();
    example("embed", &[&chest, &lungs]);
    assert!(std::fs::metadata(lungs).unwrap().len() > 1000);
}

#[test]
fn backends_lists_the_cpu_with_its_golden_cases() {
    let said = example("backends", &[]);
    assert!(said.contains("error"), "{said}");
}

#[test]
fn chest_folder_makes_a_table_and_survives_a_bad_file() {
    let folder = tempfile::tempdir().unwrap();
    let films = folder.path().join("films");
    std::fs::create_dir(&films).unwrap();
    netra::phantom::write_chest_radiograph(&films.join("phantom.dcm"), 1).unwrap();
    std::fs::write(films.join("bad.png"), b"\x89PNG\r\n\x1a\nno picture").unwrap();
    let mut expected = 2;
    if let Some(assets) = netra_testkit::assets() {
        for name in ["00000075_000.jpg", "00000129_000.jpg"] {
            std::fs::copy(assets.join("scans/cxr_nih_512").join(name), films.join(name)).unwrap();
            expected += 1;
        }
    }
    let out = folder.path().join("out");
    example("chest_folder", &[&films, &out]);
    let table = std::fs::read_to_string(out.join("lungs.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + expected, "{table}");
}

#[test]
fn retina_vessels_measures_a_plausible_share() {
    let Some(assets) = netra_testkit::assets() else { return };
    let folder = tempfile::tempdir().unwrap();
    let package = package("lwnet-vessels", &assets.join("models/retina_vessels_lwnet"), folder.path());
    let photograph = assets.join("scans/fundus_skimage/retina.jpg");
    let said = example("retina_vessels", &[&package, &photograph, &folder.path().join("out")]);
    let share: f64 = said.split(": ").nth(1).and_then(|s| s.split(' ').next()).unwrap().parse().unwrap();
    assert!((3.0..20.0).contains(&share), "{said}");
}

#[test]
fn brain_mr_finds_structures_of_plausible_size() {
    let Some(assets) = netra_testkit::assets() else { return };
    let folder = tempfile::tempdir().unwrap();
    let package = package("meshnet-18", &assets.join("models/brain_meshnet_brainchop"), folder.path());
    let out = folder.path().join("out");
    let said = example("brain_mr", &[&package, &assets.join("scans/mr_t1_384.zip"), &out]);
    let volume = |name: &str| -> f64 {
        let line = said.lines().find(|l| l.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {said}"));
        line.split_whitespace().last().unwrap().parse().unwrap()
    };
    assert!((550.0..620.0).contains(&volume("Cerebral white matter")), "{said}");
    assert!((570.0..640.0).contains(&volume("Cerebral cortex")), "{said}");
    assert!((7.0..9.5).contains(&volume("Hippocampus")), "{said}");
    assert!(out.join("brain-seg.dcm").is_file() && out.join("brain-montage.png").is_file());
}
