//! The published models: every manifest valid, every digest right, every package fillable from the shared assets.

mod common;

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use netra_core::{ErrorKind, Limits};
use netra_package::catalogue::{Entry, entries, find};
use netra_package::manifest::{OutputContract, Sha256};
use netra_package::{Package, add};

#[test]
fn every_entry_is_valid_and_true_to_its_files() {
    let mut ids = HashSet::new();
    for entry in entries() {
        let manifest = entry.manifest().unwrap_or_else(|e| panic!("{}: {e}", entry.id()));
        assert_eq!(manifest.model.id, entry.id());
        assert!(ids.insert(entry.id()), "{} stands twice", entry.id());
        assert!(entry.card().contains("## Limits"), "{}: a card states limits", entry.id());
        for file in &manifest.files {
            match entry.file(file.path.as_str()) {
                Some(bytes) => assert_eq!(Sha256::of(bytes), file.sha256, "{}/{}", entry.id(), file.path),
                None => assert!(file.optional || file.path.as_str() == "model.onnx", "{}/{}", entry.id(), file.path),
            }
        }
        let again = toml::to_string(&manifest).unwrap();
        assert_eq!(netra_package::Manifest::parse(again.as_bytes()).unwrap(), manifest, "{}", entry.id());
    }
}

#[test]
fn every_folder_below_models_is_in_the_catalogue() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    for folder in fs::read_dir(models).unwrap().map(|f| f.unwrap().path()).filter(|p| p.is_dir()) {
        let id = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let entry = find(&id).unwrap_or_else(|| panic!("{id} is not in the catalogue"));
        assert_eq!(fs::read(folder.join("netra.toml")).unwrap(), entry.manifest_bytes(), "{id}");
    }
    assert!(find("no-such-model").is_none());
}

#[test]
fn brain_structures_keep_their_order_and_codes() {
    let manifest = find("meshnet-18").unwrap().manifest().unwrap();
    let OutputContract::Segmentation { segments, .. } = manifest.output else { panic!("a segmentation") };
    assert_eq!(segments.len(), 17);
    let hippocampus = &segments[13];
    assert_eq!((hippocampus.number, hippocampus.property_type.value.as_str()), (14, "5366008"));
    assert_eq!(segments[0].property_type.meaning, "Cerebral White Matter");
}

#[test]
fn vessels_of_the_eye_say_where_they_lie() {
    let manifest = find("lwnet-artery-vein").unwrap().manifest().unwrap();
    let OutputContract::Segmentation { segments, .. } = manifest.output else { panic!("a segmentation") };
    for segment in segments {
        assert_eq!(segment.anatomic_region.unwrap().meaning, "Retina", "{}", segment.label);
    }
}

/// A recipe whose weights are the tiny network of the tests.
fn recipe() -> Entry {
    let files = common::contents();
    let leak = |bytes: Vec<u8>| -> &'static [u8] { bytes.leak() };
    let manifest = leak(common::manifest(common::HEAD, &files).into_bytes());
    let held: Vec<(&'static str, &'static [u8])> = vec![("netra.toml", manifest), ("card.md", b"# Tiny\n")];
    Entry::new("tiny", held.leak())
}

#[test]
fn add_recognises_files_by_their_digest() {
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("downloaded (1).bin");
    fs::write(&weights, common::onnx()).unwrap();
    fs::write(folder.path().join("other.bin"), vec![0; common::onnx().len()]).unwrap();
    assert!(!recipe().is_embedded());
    assert_eq!(recipe().package().unwrap_err().kind(), ErrorKind::Integrity);

    let out = folder.path().join("tiny");
    let package = add::fill(&recipe(), std::slice::from_ref(&weights), &out, &Limits::default()).unwrap();
    assert_eq!(package.identity().id, "tiny");
    assert_eq!(package.absent().len(), 1, "the golden case was not given");
    assert!(Package::open(&out, &Limits::default()).is_ok());
    // It does not overwrite.
    let error = add::fill(&recipe(), &[weights], &out, &Limits::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");

    // A folder, with the golden case beside.
    fs::write(folder.path().join("case.npz"), common::golden()).unwrap();
    let whole = folder.path().join("whole");
    let package = add::fill(&recipe(), &[folder.path().to_owned()], &whole, &Limits::default()).unwrap();
    assert_eq!(package.golden().unwrap().len(), 1);
}

#[test]
fn add_leaves_nothing_behind_when_the_weights_are_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("weights.onnx");
    let mut bytes = common::onnx();
    bytes[3] ^= 1;
    fs::write(&weights, bytes).unwrap();
    let out = folder.path().join("tiny");
    let error = add::fill(&recipe(), &[weights], &out, &Limits::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert!(error.to_string().contains("`model.onnx`"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the given file is there");
    let missing = folder.path().join("no such file");
    assert_eq!(add::fill(&recipe(), &[missing], &out, &Limits::default()).unwrap_err().kind(), ErrorKind::Io);
}

#[test]
fn published_models_are_filled_from_the_shared_assets() {
    let Some(assets) = netra_testkit::assets() else { return };
    let folders: Vec<_> =
        fs::read_dir(assets.join("models")).unwrap().map(|f| f.unwrap().path()).filter(|path| path.is_dir()).collect();
    let out = tempfile::tempdir().unwrap();
    for entry in entries().iter().filter(|entry| !entry.is_embedded()) {
        let package = add::fill(entry, &folders, &out.path().join(entry.id()), &Limits::default())
            .unwrap_or_else(|e| panic!("{}: {e}", entry.id()));
        let manifest = package.manifest();
        assert!(package.absent().is_empty(), "{}: {:?}", entry.id(), package.absent());
        let cases = package.golden().unwrap();
        assert_eq!(cases.len(), manifest.golden.len());
        assert!(!cases.is_empty() || entry.id() == "meshnet-104", "{} has no golden case", entry.id());
        for case in cases {
            assert_eq!(case.input.shape()[1], manifest.network.channels, "{}", entry.id());
            assert_eq!(case.input.shape().len(), manifest.network.layout.axes() + 2, "{}", entry.id());
            if let Some(size) = &manifest.network.size {
                assert_eq!(&case.input.shape()[2..], size, "{}", entry.id());
            }
        }
    }
}

#[test]
fn the_default_model_is_whole() {
    let entry = &entries()[0];
    assert_eq!(entry.id(), "lung-fields");
    assert!(entry.is_embedded());
    let package = entry.package().unwrap();
    assert_eq!(package.golden().unwrap().len(), 1);
    // The folder is the same package, with the training scripts beside it.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/lung-fields");
    let opened = Package::open(&folder, &Limits::default()).unwrap();
    assert_eq!(opened.identity(), package.identity());
    assert_eq!(entries().iter().filter(|entry| entry.is_embedded()).count(), 1);
}
