//! Filling a published model's folder with the weights that its authors publish elsewhere.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use netra_core::{Error, ErrorKind, Limits, Result};

use crate::catalogue::Entry;
use crate::manifest::{self, Manifest, RelativePath, Sha256};
use crate::package::Package;

/// Makes the package `out` of a catalogue entry and of files that the user has: weights, golden cases, or folders that
/// hold them. Files are recognised by size and SHA-256, so that their names do not matter. The package is put together
/// under a temporary name, opened once, and renamed: `out` is either whole or absent.
///
/// Fails with `InvalidInput` when `out` exists, and with `Integrity` naming every needed file that none of the given
/// ones is.
pub fn fill(entry: &Entry, given: &[PathBuf], out: &Path, limits: &Limits) -> Result<Package> {
    let manifest = entry.manifest()?;
    if fs::symlink_metadata(out).is_ok() {
        return Err(Error::invalid("there is something of that name already").at(out.display()));
    }
    let name = out
        .file_name()
        .ok_or_else(|| Error::invalid("no name for a folder").at(out.display()))?
        .to_string_lossy()
        .into_owned();
    let candidates = candidates(given, &manifest, limits)?;
    let temporary = out.with_file_name(format!(".{name}.{}.partial", std::process::id()));
    fs::create_dir_all(&temporary).map_err(|e| Error::io(&temporary, e))?;
    let done = assemble(entry, &manifest, &candidates, &temporary)
        .and_then(|()| Package::open(&temporary, limits))
        .and_then(|_| fs::rename(&temporary, out).map_err(|e| Error::io(out, e)));
    if done.is_err() {
        // The first error is the one to report; a folder that cannot be removed either is left behind.
        let _ = fs::remove_dir_all(&temporary);
    }
    done?;
    Package::open(out, limits)
}

/// Given files of a size that the manifest lists, with their digests.
fn candidates(given: &[PathBuf], manifest: &Manifest, limits: &Limits) -> Result<Vec<(PathBuf, Sha256)>> {
    let mut paths = Vec::new();
    for path in given {
        let meta = fs::metadata(path).map_err(|e| Error::io(path, e))?;
        if meta.is_dir() {
            for entry in fs::read_dir(path).map_err(|e| Error::io(path, e))?.take(limits.files) {
                paths.push(entry.map_err(|e| Error::io(path, e))?.path());
            }
        } else {
            paths.push(path.clone());
        }
    }
    let mut found = Vec::new();
    for path in paths {
        let meta = fs::metadata(&path).map_err(|e| Error::io(&path, e))?;
        let wanted = manifest.files.iter().any(|entry| entry.bytes == meta.len());
        if meta.is_file() && wanted && meta.len() <= limits.file_bytes {
            let digest = copy(&path, &mut std::io::sink(), meta.len())?;
            found.push((path, digest));
        }
    }
    Ok(found)
}

fn assemble(entry: &Entry, manifest: &Manifest, candidates: &[(PathBuf, Sha256)], folder: &Path) -> Result<()> {
    let mut missing = Vec::new();
    for file in &manifest.files {
        let target = place(folder, &file.path)?;
        if let Some(bytes) = entry.file(file.path.as_str()) {
            fs::write(&target, bytes).map_err(|e| Error::io(&target, e))?;
        } else if let Some((source, _)) = candidates.iter().find(|(_, digest)| *digest == file.sha256) {
            let mut out = fs::File::create(&target).map_err(|e| Error::io(&target, e))?;
            // Another process may change the source meanwhile: opening the finished package checks the copy.
            copy(source, &mut out, file.bytes)?;
        } else if !file.optional {
            missing.push(format!("`{}` ({} bytes, SHA-256 {})", file.path, file.bytes, file.sha256));
        }
    }
    if !missing.is_empty() {
        let message = format!("none of the given files is {}", missing.join(", nor "));
        return Err(Error::new(ErrorKind::Integrity, message).at(&manifest.model.id));
    }
    let target = folder.join(manifest::FILE_NAME);
    fs::write(&target, entry.manifest_bytes()).map_err(|e| Error::io(&target, e))
}

fn place(folder: &Path, path: &RelativePath) -> Result<PathBuf> {
    let target = folder.join(path.to_path());
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(|e| Error::io(parent, e))?;
    }
    Ok(target)
}

/// Copies at most `most` bytes in pieces and gives the digest of what was copied.
fn copy(source: &Path, out: &mut dyn Write, most: u64) -> Result<Sha256> {
    let io = |e| Error::io(source, e);
    let mut reader = fs::File::open(source).map_err(io)?.take(most);
    let mut hasher = Sha256::hasher();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = reader.read(&mut buffer).map_err(io)?;
        if count == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(&buffer[..count]);
        out.write_all(&buffer[..count]).map_err(io)?;
    }
}
