//! The directory of a zip archive whose entries are stored as they are, as `torch.save` writes them.
//!
//! The crate `zip` is not used here: an entry of its directory takes ten times the bytes it takes in the file, and of two
//! entries with one name it silently keeps one. Check sums are not compared: PyTorch can be told to write none, and what a
//! package holds has a digest.
//!
//! Source: PKWARE's APPNOTE 6.3.10, sections 4.3 and 4.5.3 (zip64).

use std::collections::BTreeMap;

use super::Budget;
use crate::{Error, Result};

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const END64: &[u8] = b"PK\x06\x06";
const LOCATOR64: &[u8] = b"PK\x06\x07";
/// Bytes of the end record without its comment.
const END_SIZE: usize = 22;
/// Memory of one entry of the map, with the share of its node.
const ENTRY: usize = 64;

/// Whether a file begins as a zip archive that is not empty.
pub fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(LOCAL)
}

/// An archive whose directory is read.
pub struct Archive<'a> {
    bytes: &'a [u8],
    entries: BTreeMap<&'a str, Entry>,
}

struct Entry {
    compressed: bool,
    encrypted: bool,
    size: u64,
    /// Where its local header begins.
    header: u64,
}

impl<'a> Archive<'a> {
    /// Reads the directory. Two entries of one name are `Malformed`.
    pub fn new(bytes: &'a [u8], budget: &mut Budget) -> Result<Self> {
        let (count, mut rest) = directory(bytes)?;
        let mut entries = BTreeMap::new();
        for _ in 0..count {
            budget.take(ENTRY)?;
            let (name, entry) = central(&mut rest)?;
            if entries.insert(name, entry).is_some() {
                return Err(Error::malformed(format!("two entries '{name}' in the zip archive")));
            }
        }
        Ok(Self { bytes, entries })
    }

    /// Names of all entries.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.entries.keys().copied()
    }

    /// The bytes of an entry, when there is one of this name.
    pub fn entry(&self, name: &str) -> Result<Option<&'a [u8]>> {
        let Some((name, entry)) = self.entries.get_key_value(name) else { return Ok(None) };
        self.stored(name, entry).map(Some).map_err(|e| e.at(format!("entry '{name}'")))
    }

    fn stored(&self, name: &str, entry: &Entry) -> Result<&'a [u8]> {
        if entry.encrypted {
            return Err(Error::unsupported("an encrypted zip entry"));
        }
        if entry.compressed {
            return Err(Error::unsupported("a compressed zip entry: PyTorch stores them as they are"));
        }
        let mut rest = slice(self.bytes, entry.header, usize::MAX)?;
        let mut field = |n: usize| take(&mut rest, n);
        let good = field(4)? == LOCAL;
        field(22)?;
        let (names, extra) = (u16_at(field(2)?), u16_at(field(2)?));
        if !good || field(names.into())? != name.as_bytes() {
            return Err(Error::malformed("the directory of the zip archive points to something else"));
        }
        field(extra.into())?;
        let size = usize::try_from(entry.size).map_err(|_| truncated())?;
        take(&mut rest, size)
    }
}

fn truncated() -> Error {
    Error::malformed("the zip archive is cut off or its directory is wrong")
}

/// Bytes `at..`, at most `count` of them.
fn slice(bytes: &[u8], at: u64, count: usize) -> Result<&[u8]> {
    let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).ok_or_else(truncated)?;
    Ok(rest.get(..count).unwrap_or(rest))
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count).ok_or_else(truncated)?;
    *rest = left;
    Ok(taken)
}

fn u16_at(bytes: &[u8]) -> u16 {
    bytes.first_chunk().map_or(0, |b| u16::from_le_bytes(*b))
}

fn u32_at(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |b| u32::from_le_bytes(*b))
}

fn u64_at(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
}

/// Number of entries, and the bytes of the central directory.
fn directory(bytes: &[u8]) -> Result<(u64, &[u8])> {
    // The end record is last, but for a comment of at most 65,535 bytes whose length it names.
    let earliest = bytes.len().saturating_sub(END_SIZE + usize::from(u16::MAX));
    let latest = bytes.len().checked_sub(END_SIZE).ok_or_else(truncated)?;
    let ends_here = |&at: &usize| {
        let end = bytes.get(at..).unwrap_or_default();
        end.starts_with(END) && end.get(20..).is_some_and(|n| usize::from(u16_at(n)) + END_SIZE == end.len())
    };
    let at = (earliest..=latest).rev().find(ends_here).ok_or_else(truncated)?;
    let mut end = slice(bytes, at as u64, END_SIZE)?;
    let mut field = |n: usize| take(&mut end, n);
    field(10)?;
    let (mut count, mut size) = (u64::from(u16_at(field(2)?)), u64::from(u32_at(field(4)?)));
    let mut start = u64::from(u32_at(field(4)?));
    let locator = at.checked_sub(20).and_then(|at| bytes.get(at..)).filter(|b| b.starts_with(LOCATOR64));
    if let Some(locator) = locator {
        let mut end = slice(bytes, u64_at(locator.get(8..).unwrap_or_default()), 56)?;
        let mut field = |n: usize| take(&mut end, n);
        if field(4)? != END64 {
            return Err(truncated());
        }
        field(28)?;
        (count, size, start) = (u64_at(field(8)?), u64_at(field(8)?), u64_at(field(8)?));
    }
    let mut rest = slice(bytes, start, usize::MAX)?;
    let size = usize::try_from(size).map_err(|_| truncated())?;
    Ok((count, take(&mut rest, size)?))
}

/// One entry of the central directory.
fn central<'a>(rest: &mut &'a [u8]) -> Result<(&'a str, Entry)> {
    let mut field = |n: usize| take(rest, n);
    if field(4)? != CENTRAL {
        return Err(truncated());
    }
    field(4)?;
    let (flags, method) = (u16_at(field(2)?), u16_at(field(2)?));
    field(8)?;
    let (mut packed, mut size) = (u64::from(u32_at(field(4)?)), u64::from(u32_at(field(4)?)));
    let lengths = [u16_at(field(2)?), u16_at(field(2)?), u16_at(field(2)?)].map(usize::from);
    field(8)?;
    let mut header = u64::from(u32_at(field(4)?));
    let [name, extra, comment] = lengths;
    let name = std::str::from_utf8(field(name)?)
        .map_err(|e| Error::malformed("a zip entry whose name is no UTF-8").with_source(e))?;
    let mut extra = field(extra)?;
    field(comment)?;
    while extra.len() >= 4 {
        let (kind, length) = (u16_at(take(&mut extra, 2)?), u16_at(take(&mut extra, 2)?));
        let mut body = take(&mut extra, length.into())?;
        if kind == 1 {
            // Zip64: the fields that do not fit in 32 bits, in this order.
            for wide in [&mut size, &mut packed, &mut header] {
                if *wide == u64::from(u32::MAX) {
                    *wide = u64_at(take(&mut body, 8)?);
                }
            }
        }
    }
    let compressed = method != 0;
    if !compressed && packed != size {
        return Err(Error::malformed(format!("zip entry '{name}' has two sizes")));
    }
    Ok((name, Entry { compressed, encrypted: flags & 1 != 0, size, header }))
}
