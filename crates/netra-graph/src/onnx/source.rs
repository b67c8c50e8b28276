//! Where the data of tensors come from: the model itself, or files inside its own folder.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use rten_onnx::onnx::StringStringEntryProto;

use super::wire::{Hole, Input, unreadable};
use crate::{Error, Result};

/// Where the data of tensors are read from.
pub trait TensorData {
    /// Raw data inside the model, from their first byte on.
    fn raw(&mut self, hole: Hole) -> Result<&mut dyn Read>;
    /// A file that has `bytes` more where `entries` point.
    fn external(&mut self, entries: &[StringStringEntryProto], bytes: usize) -> Result<File>;
}

/// The model and its folder.
pub struct Source<'a> {
    model: Box<dyn Input + 'a>,
    folder: Option<PathBuf>,
    bytes_left: u64,
}

impl<'a> Source<'a> {
    /// A model whose external data are files in `folder`, of at most `max_bytes` in all; without a folder there are none.
    pub fn new(model: Box<dyn Input + 'a>, folder: Option<&Path>, max_bytes: u64) -> Self {
        Self { model, folder: folder.map(Path::to_owned), bytes_left: max_bytes }
    }
}

impl TensorData for Source<'_> {
    fn raw(&mut self, hole: Hole) -> Result<&mut dyn Read> {
        self.model.seek(SeekFrom::Start(hole.at)).map_err(unreadable)?;
        Ok(&mut self.model)
    }

    fn external(&mut self, entries: &[StringStringEntryProto], bytes: usize) -> Result<File> {
        let get = |key: &str| {
            entries.iter().find(|e| e.key.as_deref() == Some(key)).map(|e| e.value.as_deref().unwrap_or_default())
        };
        let number = |key: &str| -> Result<Option<u64>> {
            let Some(text) = get(key) else { return Ok(None) };
            text.parse().map(Some).map_err(|_| Error::malformed(format!("external data: {key} is '{text}'")))
        };
        let location = get("location").ok_or_else(|| Error::malformed("external data without a location"))?;
        let Some(folder) = &self.folder else {
            return Err(Error::unsupported(format!("external data '{location}' of a model in memory")));
        };
        if number("length")?.is_some_and(|length| length != bytes as u64) {
            return Err(Error::malformed(format!("external data '{location}' do not fill the tensor's {bytes} bytes")));
        }
        self.bytes_left = (self.bytes_left)
            .checked_sub(bytes as u64)
            .ok_or_else(|| Error::limit("external data over the limit of bytes"))?;
        let path = inside(folder, location)?;
        let mut file = File::open(&path).map_err(|e| Error::io(&path, e))?;
        let size = file.metadata().map_err(|e| Error::io(&path, e))?.len();
        let offset = number("offset")?.unwrap_or(0);
        if offset.checked_add(bytes as u64).is_none_or(|end| end > size) {
            return Err(Error::malformed(format!("external data '{location}' end before the tensor does")));
        }
        file.seek(SeekFrom::Start(offset)).map_err(|e| Error::io(&path, e))?;
        Ok(file)
    }
}

/// The regular file at `location` below `folder`; refused when the name or a link leads out.
fn inside(folder: &Path, location: &str) -> Result<PathBuf> {
    let refuse = || Error::malformed(format!("external data '{location}' outside the model's folder"));
    let relative = Path::new(location);
    let plain = relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if location.is_empty() || location.contains(['\0', '\\']) || !plain {
        return Err(refuse());
    }
    let folder = folder.canonicalize().map_err(|e| Error::io(folder, e))?;
    let joined = folder.join(relative);
    let path = joined.canonicalize().map_err(|e| Error::io(&joined, e))?;
    if !path.starts_with(&folder) || !path.is_file() {
        return Err(refuse());
    }
    Ok(path)
}
