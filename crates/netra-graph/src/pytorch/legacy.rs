//! The pickle stream of PyTorch 0.1.10 to 1.5: five pickles, then the storages one after the other.
//!
//! The pickles are a magic number, the protocol version, facts about the machine, the saved object, and the list of
//! storage keys; each storage is a count of elements in eight bytes and the elements.

use std::collections::BTreeMap;

use super::value::{Objects, Value};
use super::{Budget, machine};
use crate::{Error, Result};

/// 0x1950a86a20f9469cfc6c, little-endian.
const MAGIC: &[u8] = &[0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const PROTOCOL: i64 = 1001;

/// Whether a file begins as a pickle of protocol 2 or later.
pub fn is_pickle(bytes: &[u8]) -> bool {
    matches!(bytes, [0x80, 2..=5, ..])
}

/// The saved object, and the bytes of each storage.
pub struct Stream<'a> {
    pub root: Value<'a>,
    pub storages: BTreeMap<&'a str, &'a [u8]>,
}

/// Reads the stream. Its objects are added to `objects`.
pub fn read<'a>(bytes: &'a [u8], objects: &mut Objects<'a>, budget: &mut Budget) -> Result<Stream<'a>> {
    let mut rest = bytes;
    let mut next = |objects: &mut Objects<'a>, what: &str| -> Result<(Value<'a>, &'a [u8])> {
        let (value, read) = machine::run(rest, objects, budget).map_err(|e| e.at(what))?;
        rest = rest.get(read..).unwrap_or_default();
        Ok((value, rest))
    };
    let (magic, _) = next(objects, "the magic number")?;
    if !matches!(magic, Value::Long(bytes) if bytes == MAGIC) {
        return Err(Error::unsupported("a pickle that torch.save did not write"));
    }
    match next(objects, "the protocol version")?.0 {
        Value::Int(PROTOCOL) => {}
        other => return Err(Error::unsupported(format!("PyTorch stream version {other:?}, not {PROTOCOL}"))),
    }
    let (system, _) = next(objects, "the facts about the machine")?;
    match objects.entry(system, "little_endian") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Err(Error::unsupported("big-endian data")),
        _ => return Err(Error::malformed("the file does not say its byte order")),
    }
    let (root, _) = next(objects, "the saved object")?;
    let (keys, mut data) = next(objects, "the list of storages")?;
    let mut sizes = BTreeMap::new();
    for storage in objects.storages() {
        let size = storage.element.size();
        if sizes.insert(storage.key, size).is_some_and(|other| other != size) {
            return Err(Error::malformed(format!("storage '{}' has two element types", storage.key)));
        }
    }
    let keys = objects.items(keys).ok_or_else(|| Error::malformed("the list of storages is none"))?;
    let mut storages = BTreeMap::new();
    for &key in keys {
        let Value::Text(key) = key else { return Err(Error::malformed("a storage key that is no text")) };
        let Some(size) = sizes.get(key) else {
            return Err(Error::malformed(format!("storage '{key}' belongs to no tensor")));
        };
        let raw = storage(&mut data, *size).ok_or_else(|| Error::malformed(format!("storage '{key}' is cut off")))?;
        if storages.insert(key, raw).is_some() {
            return Err(Error::malformed(format!("storage '{key}' is there twice")));
        }
    }
    Ok(Stream { root, storages })
}

/// The bytes of the next storage, whose elements have `size` bytes each.
fn storage<'a>(data: &mut &'a [u8], size: usize) -> Option<&'a [u8]> {
    let (count, rest) = data.split_first_chunk::<8>()?;
    let bytes = usize::try_from(i64::from_le_bytes(*count)).ok()?.checked_mul(size)?;
    let (raw, rest) = rest.split_at_checked(bytes)?;
    *data = rest;
    Some(raw)
}
