//! From the bytes of a file to its tensors: which container it is, where its pickles and storages lie.

use super::tree::{self, Selection};
use super::value::{Objects, Value};
use super::zip::Archive;
use super::{Budget, Checkpoint, ReadOptions, legacy, machine, zip};
use crate::{Error, Result, StateDict};

/// Most bytes of a pickle: it describes tensors and holds none.
const MAX_PICKLE: usize = 64 << 20;

/// Reads a file of any container.
pub fn checkpoint(bytes: &[u8], options: &ReadOptions) -> Result<Checkpoint> {
    let mut budget = Budget::of_file(bytes.len());
    let checkpoint = if zip::is_zip(bytes) {
        archive(bytes, options, &mut budget)?
    } else if legacy::is_pickle(bytes) {
        stream(bytes, options, &mut budget)?
    } else if is_tar(bytes) {
        return Err(Error::unsupported("the tar format of PyTorch before 0.1.10"));
    } else {
        return Err(Error::malformed("no PyTorch file: neither a zip archive nor a pickle"));
    };
    if checkpoint.tensors.is_empty() && checkpoint.constants.is_empty() {
        return Err(Error::unsupported("a PyTorch file without tensors in dictionaries"));
    }
    Ok(checkpoint)
}

/// Whether a file is a tar archive.
pub fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

fn stream(bytes: &[u8], options: &ReadOptions, budget: &mut Budget) -> Result<Checkpoint> {
    let mut objects = Objects::default();
    let stream = legacy::read(bytes, &mut objects, budget)?;
    let selection = tree::select(stream.root, &objects, options.key.as_deref(), budget)?;
    let tensors = decode(&selection, budget, |key| Ok(stream.storages.get(key).copied()))?;
    Ok(Checkpoint { tensors, constants: StateDict::new(), key: selection.key, skipped: selection.skipped })
}

fn archive(bytes: &[u8], options: &ReadOptions, budget: &mut Budget) -> Result<Checkpoint> {
    let archive = Archive::new(bytes, budget)?;
    let folder = folder(&archive)?;
    match archive.entry(&format!("{folder}byteorder"))? {
        None | Some(b"little") => {}
        Some(b"big") => return Err(Error::unsupported("big-endian data")),
        Some(_) => return Err(Error::malformed("a byte order that is neither little nor big")),
    }
    let constants = constants(&archive, folder, budget)?;
    let mut objects = Objects::default();
    let root = pickle(&archive, &format!("{folder}data.pkl"), &mut objects, budget)?;
    let root = root.ok_or_else(|| Error::malformed("the zip archive has no data.pkl"))?;
    let selection = tree::select(root, &objects, options.key.as_deref(), budget)?;
    let tensors = decode(&selection, budget, |key| archive.entry(&format!("{folder}data/{key}")))?;
    Ok(Checkpoint { tensors, constants, key: selection.key, skipped: selection.skipped })
}

/// The folder that holds the one `data.pkl`, with its slash.
fn folder<'a>(archive: &Archive<'a>) -> Result<&'a str> {
    let mut folders = archive
        .names()
        .filter_map(|name| name.strip_suffix("data.pkl"))
        .filter(|folder| folder.is_empty() || folder.find('/') == Some(folder.len() - 1));
    match (folders.next(), folders.next()) {
        (Some(folder), None) => Ok(folder),
        (None, _) => Err(Error::malformed("a zip archive without data.pkl: no PyTorch file")),
        (Some(_), Some(_)) => Err(Error::malformed("a zip archive with more than one data.pkl")),
    }
}

fn pickle<'a>(
    archive: &Archive<'a>,
    name: &str,
    objects: &mut Objects<'a>,
    budget: &mut Budget,
) -> Result<Option<Value<'a>>> {
    let Some(bytes) = archive.entry(name)? else { return Ok(None) };
    if bytes.len() > MAX_PICKLE {
        return Err(Error::limit(format!("a pickle of {} bytes", bytes.len())).at(name));
    }
    let (value, read) = machine::run(bytes, objects, budget).map_err(|e| e.at(name))?;
    if read != bytes.len() {
        return Err(Error::malformed("bytes after the end of the pickle").at(name));
    }
    Ok(Some(value))
}

/// The tensors of a TorchScript archive's `constants.pkl`, a tuple.
fn constants(archive: &Archive<'_>, folder: &str, budget: &mut Budget) -> Result<StateDict> {
    let mut objects = Objects::default();
    let name = format!("{folder}constants.pkl");
    let Some(root) = pickle(archive, &name, &mut objects, budget)? else { return Ok(StateDict::new()) };
    let selection = tree::constants(root, &objects, budget).map_err(|e| e.at(&name))?;
    decode(&selection, budget, |key| archive.entry(&format!("{folder}constants/{key}")))
}

/// Decodes what was selected; `storage` finds the bytes of a storage by its key.
fn decode<'a>(
    selection: &Selection<'_, '_>,
    budget: &mut Budget,
    storage: impl Fn(&str) -> Result<Option<&'a [u8]>>,
) -> Result<StateDict> {
    let mut tensors = StateDict::new();
    for (name, view) in &selection.tensors {
        let key = view.storage.key;
        let tensor = storage(key)
            .and_then(|raw| raw.ok_or_else(|| Error::malformed(format!("the file has no storage '{key}'"))))
            .and_then(|raw| view.decode(raw, budget))
            .map_err(|e| e.at(format!("tensor '{name}'")))?;
        tensors.insert(name.clone(), tensor);
    }
    Ok(tensors)
}
