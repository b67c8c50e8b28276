//! Where the bytes of a package come from: a folder, or memory. Every read is bounded and checked against the manifest.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use netra_core::{Error, ErrorKind, Limits, Result};

use crate::manifest::{self, FileEntry, RelativePath, Sha256};
use crate::tuning;

/// A source of files.
#[derive(Debug)]
pub(crate) enum Store {
    /// A folder on disk.
    Folder(PathBuf),
    /// Names and contents.
    Memory(BTreeMap<String, Cow<'static, [u8]>>),
}

impl Store {
    /// The bytes of the manifest.
    pub fn manifest(&self) -> Result<Cow<'_, [u8]>> {
        match self {
            Store::Folder(folder) => {
                let path = folder.join(manifest::FILE_NAME);
                plain_file(folder, Path::new(manifest::FILE_NAME))?.ok_or_else(|| {
                    Error::new(ErrorKind::Io, "no model package: it has no netra.toml").at(folder.display())
                })?;
                read(&path, manifest::MAX_BYTES).map(Cow::Owned)
            }
            Store::Memory(files) => files
                .get(manifest::FILE_NAME)
                .map(|bytes| Cow::Borrowed(bytes.as_ref()))
                .ok_or_else(|| Error::invalid("no model package: it has no netra.toml")),
        }
    }

    /// The bytes of a listed file, checked; `None` when an optional file is absent.
    pub fn read(&self, entry: &FileEntry, limits: &Limits) -> Result<Option<Cow<'_, [u8]>>> {
        if entry.bytes > limits.file_bytes {
            let message =
                format!("`{}` is stated to have {} bytes (at most {})", entry.path, entry.bytes, limits.file_bytes);
            return Err(Error::limit(message));
        }
        let found = match self {
            Store::Folder(folder) => match plain_file(folder, &entry.path.to_path())? {
                Some(bytes) if bytes != entry.bytes => return Err(wrong_size(entry, bytes)),
                Some(_) => Some(Cow::Owned(read(&folder.join(entry.path.to_path()), entry.bytes)?)),
                None => None,
            },
            Store::Memory(files) => files.get(entry.path.as_str()).map(|bytes| Cow::Borrowed(bytes.as_ref())),
        };
        let Some(bytes) = found else {
            return if entry.optional { Ok(None) } else { Err(missing(entry)) };
        };
        if bytes.len() as u64 != entry.bytes {
            return Err(wrong_size(entry, bytes.len() as u64));
        }
        let digest = Sha256::of(&bytes);
        if digest != entry.sha256 {
            let message =
                format!("`{}` was changed: its SHA-256 is {digest}, netra.toml states {}", entry.path, entry.sha256);
            return Err(Error::new(ErrorKind::Integrity, message));
        }
        Ok(Some(bytes))
    }

    /// The bytes of the tuning beside the manifest, which nothing vouches for.
    pub fn tuning(&self) -> Result<Option<Cow<'_, [u8]>>> {
        match self {
            Store::Folder(folder) => match plain_file(folder, Path::new(tuning::FILE_NAME))? {
                Some(_) => {
                    read(&folder.join(tuning::FILE_NAME), tuning::MAX_BYTES).map(|bytes| Some(Cow::Owned(bytes)))
                }
                None => Ok(None),
            },
            Store::Memory(files) => Ok(files.get(tuning::FILE_NAME).map(|bytes| Cow::Borrowed(bytes.as_ref()))),
        }
    }

    /// The folder, when it is one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Store::Folder(folder) => Some(folder),
            Store::Memory(_) => None,
        }
    }

    /// Files that `listed` does not know, at most `most` of them; the manifest and a tuning are never listed.
    pub fn unlisted(&self, listed: impl Fn(&str) -> bool, limits: &Limits, most: usize) -> Result<Vec<String>> {
        let known = |name: &str| [manifest::FILE_NAME, tuning::FILE_NAME].contains(&name) || listed(name);
        match self {
            Store::Memory(files) => Ok(files.keys().filter(|name| !known(name)).take(most).cloned().collect()),
            Store::Folder(folder) => {
                let mut names = walk(folder, limits)?;
                names.retain(|name| !known(name));
                names.sort();
                names.truncate(most);
                Ok(names)
            }
        }
    }
}

fn wrong_size(entry: &FileEntry, bytes: u64) -> Error {
    let message = format!("`{}` was changed: it has {bytes} bytes, netra.toml states {}", entry.path, entry.bytes);
    Error::new(ErrorKind::Integrity, message)
}

fn missing(entry: &FileEntry) -> Error {
    Error::new(ErrorKind::Integrity, format!("`{}` is listed in netra.toml but is not in the package", entry.path))
}

/// Size of the file at `relative`, `None` when there is none. Links are refused on the whole way inside the folder:
/// what was verified must be what lies there.
fn plain_file(folder: &Path, relative: &Path) -> Result<Option<u64>> {
    let mut path = folder.to_owned();
    let mut size = 0;
    let parts = relative.components().count();
    for (i, part) in relative.components().enumerate() {
        path.push(part);
        let meta = match fs::symlink_metadata(&path) {
            Ok(meta) => meta,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(&path, e)),
        };
        let sound = if i + 1 == parts { meta.is_file() } else { meta.is_dir() };
        if !sound {
            let what = if meta.is_symlink() { "is a link" } else { "is no regular file" };
            return Err(Error::new(ErrorKind::Integrity, format!("`{}` {what}", relative.display())));
        }
        size = meta.len();
    }
    Ok(Some(size))
}

/// Reads a file of at most `most` bytes.
pub(crate) fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let io = |e| Error::io(path, e);
    let file = fs::File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > most {
        return Err(Error::limit(format!("more than {most} bytes")).at(path.display()));
    }
    Ok(bytes)
}

/// Names of all files below a folder, `/` between parts; links are named, not followed.
fn walk(folder: &Path, limits: &Limits) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut open = vec![(folder.to_owned(), String::new(), 0)];
    let mut seen = 0;
    while let Some((path, prefix, depth)) = open.pop() {
        for entry in fs::read_dir(&path).map_err(|e| Error::io(&path, e))? {
            let entry = entry.map_err(|e| Error::io(&path, e))?;
            seen += 1;
            if seen > limits.files || depth > limits.nesting {
                return Err(Error::limit("the package folder holds too many files or folders").at(folder.display()));
            }
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type().map_err(|e| Error::io(&path, e))?.is_dir() {
                open.push((entry.path(), format!("{name}/"), depth + 1));
            } else {
                names.push(name);
            }
        }
    }
    Ok(names)
}

/// Whether a name can stand in a manifest: what a folder's files are checked with when their digests are made.
pub(crate) fn relative(name: &str) -> Result<RelativePath> {
    RelativePath::try_from(name.to_owned()).map_err(Error::invalid)
}
