//! For authors of packages: the `[[files]]` of a manifest.

use std::fs;
use std::path::Path;

use netra_core::{Error, Limits, Result};

use crate::manifest::{FILE_NAME, FileEntry, MAX_BYTES, Manifest, Sha256};
use crate::store::{self, Store};

/// The entries that a manifest needs for the files below a folder, sorted by path. `netra.toml` and a tuning are left out.
pub fn describe(folder: &Path, limits: &Limits) -> Result<Vec<FileEntry>> {
    let names = Store::Folder(folder.to_owned()).unlisted(|_| false, limits, limits.files)?;
    names.iter().map(|name| entry(folder, name, limits)).collect()
}

/// Brings `bytes` and `sha256` of every listed file that is there up to date, and leaves the rest of the manifest as it
/// is written. Gives the paths whose entries changed. The manifest must be valid before and is valid after.
pub fn refresh(folder: &Path, limits: &Limits) -> Result<Vec<String>> {
    let path = folder.join(FILE_NAME);
    let bytes = store::read(&path, MAX_BYTES)?;
    let manifest = Manifest::parse(&bytes)?;
    let text = String::from_utf8(bytes).map_err(|e| Error::malformed("the manifest is not UTF-8").with_source(e))?;
    let mut changed = Vec::new();
    let mut text = text;
    for old in manifest.files.iter().filter(|old| folder.join(old.path.to_path()).is_file()) {
        let new = entry(folder, old.path.as_str(), limits)?;
        if (new.bytes, new.sha256) != (old.bytes, old.sha256) {
            text = replaced(&text, old, &new)?;
            changed.push(new.path.to_string());
        }
    }
    if !changed.is_empty() {
        Manifest::parse(text.as_bytes())?;
        fs::write(&path, text).map_err(|e| Error::io(&path, e))?;
    }
    Ok(changed)
}

fn entry(folder: &Path, name: &str, limits: &Limits) -> Result<FileEntry> {
    let path = store::relative(name)?;
    let bytes = store::read(&folder.join(path.to_path()), limits.file_bytes)?;
    Ok(FileEntry { path, bytes: bytes.len() as u64, sha256: Sha256::of(&bytes), optional: false })
}

/// The text with the two values of one `[[files]]` table exchanged: comments and order stay.
fn replaced(text: &str, old: &FileEntry, new: &FileEntry) -> Result<String> {
    let stated = format!("path = \"{}\"", old.path);
    let mut inside = false;
    let mut done = 0;
    let lines = text.split_inclusive('\n').map(|line| {
        let key = line.trim();
        if key.starts_with('[') {
            inside = false;
        } else if key == stated {
            inside = true;
        } else if inside && key.starts_with("bytes =") {
            done += 1;
            return format!("bytes = {}\n", new.bytes);
        } else if inside && key.starts_with("sha256 =") {
            done += 1;
            return format!("sha256 = \"{}\"\n", new.sha256);
        }
        line.to_owned()
    });
    let text = lines.collect();
    if done == 2 {
        return Ok(text);
    }
    let message = format!("the entry of `{}` is not written as `path`, `bytes`, `sha256`, one a line", old.path);
    Err(Error::unsupported(message).at(FILE_NAME))
}
