//! A package in which anything was changed is not loaded.

mod common;

use std::borrow::Cow;
use std::fs;

use netra_core::{ErrorKind, Limits};
use netra_package::Package;
use netra_package::manifest::{MAX_BYTES, Manifest, Sha256};

fn open(folder: &std::path::Path) -> netra_core::Result<Package> {
    Package::open(folder, &Limits::default())
}

fn refused(folder: &std::path::Path, kind: ErrorKind, word: &str) {
    let error = open(folder).expect_err("must be refused");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(word), "`{error}` does not name `{word}`");
}

#[test]
fn an_untouched_package_opens() {
    let folder = tempfile::tempdir().unwrap();
    common::write(folder.path());
    let package = open(folder.path()).unwrap();
    assert_eq!(package.identity().id, "tiny");
    assert_eq!(package.identity().digest.len(), 64);
    assert_eq!(package.card(), Some("# Tiny\n"));
    assert!(package.warnings().is_empty() && package.absent().is_empty());
    let cases = package.golden().unwrap();
    assert_eq!(cases[0].input.shape(), [1, 1, 4, 4]);
    assert_eq!(cases[0].output.as_f32().unwrap()[15], 7.0);

    let embedded = Package::from_files(common::files()).unwrap();
    assert_eq!(embedded.identity(), package.identity());
    assert_eq!(embedded.golden().unwrap().len(), 1);
}

#[test]
fn a_flipped_bit_anywhere_in_a_listed_file_is_found() {
    for (name, content) in common::contents() {
        for at in 0..content.len() {
            let mut files = common::files();
            let mut bytes = content.clone();
            bytes[at] ^= 1 << (at % 8);
            files.iter_mut().find(|(n, _)| *n == name).unwrap().1 = Cow::Owned(bytes);
            let error = Package::from_files(files).expect_err("must be refused");
            assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
            assert!(error.to_string().contains(&name), "{error}");
        }
    }
}

#[test]
fn a_flipped_byte_in_the_manifest_changes_the_identity_or_is_refused() {
    let files = common::files();
    let original = Package::from_files(files.clone()).unwrap().identity().digest.clone();
    let text = files[0].1.to_vec();
    let mut accepted = 0;
    for at in 0..text.len() {
        for flip in [0x01, 0x20, 0xff] {
            let mut changed = files.clone();
            let mut bytes = text.clone();
            bytes[at] ^= flip;
            changed[0].1 = Cow::Owned(bytes);
            if let Ok(package) = Package::from_files(changed) {
                accepted += 1;
                assert_ne!(package.identity().digest, original, "byte {at} ^ {flip:#x}");
            }
        }
    }
    // Words for people may change without making the manifest invalid, but most bytes carry meaning.
    assert!(accepted > 0 && accepted < 3 * text.len() / 2, "{accepted} of {}", 3 * text.len());
}

#[test]
fn missing_truncated_grown_and_replaced_files_are_refused() {
    for (name, content) in common::contents() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(&name);
        let needed = !name.starts_with("golden/");

        common::write(folder.path());
        fs::write(&path, &content[..content.len() - 1]).unwrap();
        refused(folder.path(), ErrorKind::Integrity, &name);
        fs::write(&path, [content.as_slice(), b"\n"].concat()).unwrap();
        refused(folder.path(), ErrorKind::Integrity, &name);
        fs::write(&path, b"").unwrap();
        refused(folder.path(), ErrorKind::Integrity, &name);

        fs::remove_file(&path).unwrap();
        if needed {
            refused(folder.path(), ErrorKind::Integrity, &name);
        } else {
            let package = open(folder.path()).unwrap();
            assert_eq!(package.absent()[0].as_str(), name);
            assert!(package.golden().unwrap().is_empty());
        }
        fs::create_dir(&path).unwrap();
        refused(folder.path(), ErrorKind::Integrity, &name);
    }
    let empty = tempfile::tempdir().unwrap();
    refused(empty.path(), ErrorKind::Io, "netra.toml");
}

#[cfg(unix)]
#[test]
fn links_are_refused_on_the_whole_way() {
    use std::os::unix::fs::symlink;
    let elsewhere = tempfile::tempdir().unwrap();
    common::write(elsewhere.path());
    for name in ["model.onnx", "golden", "netra.toml"] {
        let folder = tempfile::tempdir().unwrap();
        common::write(folder.path());
        let path = folder.path().join(name);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap()
        } else {
            fs::remove_file(&path).unwrap()
        }
        symlink(elsewhere.path().join(name), &path).unwrap();
        refused(folder.path(), ErrorKind::Integrity, "link");
    }
}

#[test]
fn paths_that_leave_the_package_are_refused() {
    let escapes = [
        "../model.onnx",
        "/etc/passwd",
        "a/../../b",
        "a//b",
        "./model.onnx",
        "a/.",
        "C:\\\\model.onnx",
        "a\\\\b",
        "",
        ".hidden",
        "golden/",
        "con\\u0000",
        "naïve.onnx",
        "a b",
    ];
    for path in escapes {
        let text = common::manifest(common::HEAD, &common::contents())
            .replace("path = \"model.onnx\"", &format!("path = \"{path}\""));
        let error = Manifest::parse(text.as_bytes()).expect_err(path);
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    }
}

#[test]
fn files_that_nothing_verifies_are_named() {
    let folder = tempfile::tempdir().unwrap();
    common::write(folder.path());
    fs::create_dir(folder.path().join("notes")).unwrap();
    fs::write(folder.path().join("notes/extra.txt"), b"x").unwrap();
    let package = open(folder.path()).unwrap();
    assert_eq!(package.warnings()[0].code, "unlisted-files");
    assert!(package.warnings()[0].message.contains("notes/extra.txt"));
}

/// What was measured on this machine is no part of the package, whatever it says.
#[test]
fn a_tuning_changes_nothing_of_the_package() {
    let folder = tempfile::tempdir().unwrap();
    common::write(folder.path());
    let before = open(folder.path()).unwrap();
    assert!(before.tuning().unwrap().is_none());
    let file = folder.path().join("tuning.json");
    let text = r#"{"measured_on": {"backend": "cpu", "device": "d", "precision": "fast", "engine": "1"}, "algorithms": {"s": "a"}}"#;
    fs::write(&file, text).unwrap();
    let package = open(folder.path()).unwrap();
    assert_eq!(package.identity(), before.identity());
    assert!(package.warnings().is_empty(), "{:?}", package.warnings());
    assert_eq!(package.folder(), Some(folder.path()));
    let tuning = package.tuning().unwrap().unwrap();
    assert_eq!((tuning.tuning.algorithms["s"].as_str(), tuning.digest), ("a", Sha256::of(text.as_bytes())));
    assert!(
        netra_package::digests::describe(folder.path(), &Limits::default())
            .unwrap()
            .iter()
            .all(|f| f.path.as_str() != "tuning.json")
    );

    fs::write(&file, "{}").unwrap();
    let error = open(folder.path()).unwrap().tuning().unwrap_err();
    assert!(error.kind() == ErrorKind::Malformed && error.to_string().contains("tuning.json"), "{error}");
    fs::write(&file, vec![b' '; (4 << 20) + 1]).unwrap();
    assert_eq!(open(folder.path()).unwrap().tuning().unwrap_err().kind(), ErrorKind::Limit);
}

#[test]
fn sizes_meet_their_limits_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    common::write(folder.path());
    let mut limits = Limits::default();
    limits.file_bytes = 10;
    let error = Package::open(folder.path(), &limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");

    let huge = vec![b'#'; MAX_BYTES as usize + 1];
    assert_eq!(Manifest::parse(&huge).unwrap_err().kind(), ErrorKind::Limit);
    fs::write(folder.path().join("netra.toml"), &huge).unwrap();
    assert_eq!(open(folder.path()).unwrap_err().kind(), ErrorKind::Limit);
    // Nesting that would exhaust the stack of a careless parser.
    let deep = format!("x = {}", "[".repeat(500_000));
    assert_eq!(Manifest::parse(deep.as_bytes()).unwrap_err().kind(), ErrorKind::Malformed);
}

#[test]
fn a_file_changed_after_opening_is_found_when_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    common::write(folder.path());
    let package = open(folder.path()).unwrap();
    let path = folder.path().join("golden/ramp.npz");
    let mut bytes = fs::read(&path).unwrap();
    bytes[40] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(package.golden().unwrap_err().kind(), ErrorKind::Integrity);
}
