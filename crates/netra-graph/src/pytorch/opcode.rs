//! Reading the bytes of a pickle: numbers, counted text, lines; and the names of the opcodes for messages.

use crate::{Error, Result};

/// A pickle's bytes and how far they are read.
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// From the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Bytes still to be read.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..count).ok_or_else(|| {
            Error::malformed(format!("the pickle claims {count} bytes where {} are left", rest.len()))
        })?;
        self.at += count;
        Ok(taken)
    }

    /// The next `N` bytes, for a number of that size.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let taken = self.take(N)?;
        <[u8; N]>::try_from(taken).map_err(|e| Error::malformed("the pickle breaks off").with_source(e))
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    /// A length of four bytes.
    pub fn length4(&mut self) -> Result<usize> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    /// A length of eight bytes.
    pub fn length8(&mut self) -> Result<usize> {
        let length = u64::from_le_bytes(self.array()?);
        usize::try_from(length).map_err(|_| Error::malformed(format!("the pickle claims {length} bytes")))
    }

    /// `count` bytes of UTF-8.
    pub fn text(&mut self, count: usize) -> Result<&'a str> {
        std::str::from_utf8(self.take(count)?)
            .map_err(|e| Error::malformed("text in the pickle that is no UTF-8").with_source(e))
    }

    /// Text up to the end of the line, which is read too.
    pub fn line(&mut self) -> Result<&'a str> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|&b| b == b'\n').ok_or_else(|| Error::malformed("the pickle breaks off"))?;
        let line = self.text(end)?;
        self.at += 1;
        Ok(line)
    }
}

/// A name for an opcode that is refused: that of CPython's `pickletools` where there is one.
pub fn name(opcode: u8) -> String {
    let known = match opcode {
        b'I' => "INT",
        b'L' => "LONG",
        b'F' => "FLOAT",
        b'S' => "STRING",
        b'V' => "UNICODE",
        b'P' => "PERSID",
        b'p' => "PUT",
        b'g' => "GET",
        b'd' => "DICT",
        b'l' => "LIST",
        0x82 => "EXT1",
        0x83 => "EXT2",
        0x84 => "EXT4",
        0x97 => "NEXT_BUFFER",
        0x98 => "READONLY_BUFFER",
        _ => return format!("{opcode:#04x}"),
    };
    known.into()
}
