//! The author's side: entries of a manifest made and brought up to date.

mod common;

use std::fs;

use netra_core::{ErrorKind, Limits};
use netra_package::{Manifest, Package, digests};

#[test]
fn describe_lists_what_a_manifest_needs() {
    let folder = tempfile::tempdir().unwrap();
    common::write(folder.path());
    let described = digests::describe(folder.path(), &Limits::default()).unwrap();
    let mut listed = Manifest::parse(&fs::read(folder.path().join("netra.toml")).unwrap()).unwrap().files;
    listed.iter_mut().for_each(|file| file.optional = false);
    listed.sort_by(|a, b| a.path.cmp(&b.path));
    assert_eq!(described, listed);
    fs::write(folder.path().join("with space.txt"), b"x").unwrap();
    let error = digests::describe(folder.path(), &Limits::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}

#[test]
fn refresh_changes_the_digests_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    common::write(folder.path());
    let limits = Limits::default();
    let manifest = folder.path().join("netra.toml");
    let before = fs::read_to_string(&manifest).unwrap() + "# the end\n";
    fs::write(&manifest, &before).unwrap();
    assert!(digests::refresh(folder.path(), &limits).unwrap().is_empty());
    assert_eq!(fs::read_to_string(&manifest).unwrap(), before);

    fs::write(folder.path().join("card.md"), b"# Tiny, in more words\n").unwrap();
    assert!(Package::open(folder.path(), &limits).is_err());
    assert_eq!(digests::refresh(folder.path(), &limits).unwrap(), ["card.md"]);
    let after = fs::read_to_string(&manifest).unwrap();
    let differing = before.lines().zip(after.lines()).filter(|(a, b)| a != b).count();
    assert_eq!((differing, before.lines().count()), (2, after.lines().count()));
    assert!(Package::open(folder.path(), &limits).is_ok());
}
