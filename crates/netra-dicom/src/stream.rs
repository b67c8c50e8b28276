//! Bytes in order: a forward stream that knows where it is, what is left, and what comes next.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind as IoKind, Read};

use flate2::bufread::DeflateDecoder;
use netra_core::{Error, ErrorKind, Limits, Result};

const BUFFER: usize = 64 << 10;
/// How far the reading of a damaged element looks ahead.
pub(crate) const LOOK_AHEAD: usize = 64 << 10;

/// Bytes in order, with the position and, where it is known, the length.
pub(crate) struct Stream {
    inner: Inner,
    len: Option<u64>,
    pos: u64,
    ahead: Ahead,
}

/// Bytes that were looked at and not yet taken.
#[derive(Default)]
struct Ahead {
    bytes: Vec<u8>,
    taken: usize,
}

impl Ahead {
    fn left(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }

    /// Takes up to `n` bytes.
    fn take(&mut self, n: usize) -> &[u8] {
        let start = self.taken;
        self.taken = self.bytes.len().min(start.saturating_add(n));
        self.bytes.get(start..self.taken).unwrap_or_default()
    }

    /// Takes bytes into `bytes` and tells how many there were.
    fn fill(&mut self, bytes: &mut [u8]) -> usize {
        let taken = self.take(bytes.len());
        let n = taken.len();
        bytes[..n].copy_from_slice(taken);
        n
    }
}

pub(crate) enum Inner {
    File(BufReader<File>),
    Read(Box<dyn BufRead + Send>),
}

impl Stream {
    pub fn new(inner: Inner, len: Option<u64>) -> Self {
        Self { inner, len, pos: 0, ahead: Ahead::default() }
    }

    /// Bytes read or skipped so far.
    pub fn position(&self) -> u64 {
        self.pos
    }

    /// Bytes that are left, when the length is known (a file's size, an archive's claim).
    pub fn remaining(&self) -> Option<u64> {
        self.len.map(|len| len.saturating_sub(self.pos))
    }

    /// Fails when fewer than `n` bytes are known to be left.
    pub fn expect(&self, n: u64) -> Result<()> {
        match self.remaining() {
            Some(left) if n > left => {
                Err(Error::malformed(format!("{n} bytes are declared, {left} are left"))
                    .at(format!("byte {}", self.pos)))
            }
            _ => Ok(()),
        }
    }

    /// Reads exactly `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// The next `n` bytes, fewer at the end of the stream, without taking them. Callers ask for a few and never for more
    /// than [`LOOK_AHEAD`].
    pub fn peek(&mut self, n: usize) -> Result<&[u8]> {
        let missing = n.min(LOOK_AHEAD).saturating_sub(self.ahead.left().len());
        if missing > 0 {
            if self.ahead.taken >= LOOK_AHEAD || self.ahead.left().is_empty() {
                self.ahead.bytes.drain(..self.ahead.taken);
                self.ahead.taken = 0;
            }
            let read = match &mut self.inner {
                Inner::File(reader) => reader.by_ref().take(missing as u64).read_to_end(&mut self.ahead.bytes),
                Inner::Read(reader) => reader.by_ref().take(missing as u64).read_to_end(&mut self.ahead.bytes),
            };
            read.map_err(|e| self.failed(e))?;
        }
        let left = self.ahead.left();
        Ok(&left[..n.min(left.len())])
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        let known = self.ahead.fill(bytes);
        let read = match &mut self.inner {
            Inner::File(reader) => reader.read_exact(&mut bytes[known..]),
            Inner::Read(reader) => reader.read_exact(&mut bytes[known..]),
        };
        read.map_err(|e| self.failed(e))?;
        self.pos = self.pos.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// Reads exactly `n` bytes. Memory grows with what really arrives, not with what was declared.
    pub fn bytes(&mut self, n: u64) -> Result<Vec<u8>> {
        self.expect(n)?;
        let Inner::Read(reader) = &mut self.inner else {
            // So many bytes are in the file.
            let mut bytes = vec![0; n as usize];
            self.fill(&mut bytes)?;
            return Ok(bytes);
        };
        let mut bytes = Vec::with_capacity(n.min(1 << 20) as usize);
        bytes.extend_from_slice(self.ahead.take(n.min(LOOK_AHEAD as u64) as usize));
        let missing = n - bytes.len() as u64;
        reader.by_ref().take(missing).read_to_end(&mut bytes).map_err(|e| self.failed(e))?;
        self.pos = self.pos.saturating_add(bytes.len() as u64);
        if (bytes.len() as u64) < n {
            return Err(Error::malformed(format!("{n} bytes are declared, {} are there", bytes.len())));
        }
        Ok(bytes)
    }

    /// Reads at most `n` bytes: fewer at the end of the stream.
    pub fn up_to(&mut self, n: u64) -> Result<Vec<u8>> {
        let n = self.remaining().map_or(n, |left| n.min(left));
        let mut bytes = self.ahead.take(n.min(LOOK_AHEAD as u64) as usize).to_vec();
        let missing = n - bytes.len() as u64;
        let read = match &mut self.inner {
            Inner::File(reader) => reader.by_ref().take(missing).read_to_end(&mut bytes),
            Inner::Read(reader) => reader.by_ref().take(missing).read_to_end(&mut bytes),
        };
        read.map_err(|e| self.failed(e))?;
        self.pos = self.pos.saturating_add(bytes.len() as u64);
        Ok(bytes)
    }

    /// Skips exactly `n` bytes: a seek in a file, a read elsewhere.
    pub fn skip(&mut self, n: u64) -> Result<()> {
        self.expect(n)?;
        let missing = n - self.ahead.take(n.min(LOOK_AHEAD as u64) as usize).len() as u64;
        let skipped = match (&mut self.inner, i64::try_from(missing)) {
            (Inner::File(reader), Ok(step)) => reader.seek_relative(step),
            (Inner::File(_), Err(_)) => Err(io::Error::from(IoKind::UnexpectedEof)),
            (Inner::Read(reader), _) => match io::copy(&mut reader.by_ref().take(missing), &mut io::sink()) {
                Ok(read) if read < missing => Err(io::Error::from(IoKind::UnexpectedEof)),
                other => other.map(|_| ()),
            },
        };
        skipped.map_err(|e| self.failed(e))?;
        self.pos = self.pos.saturating_add(n);
        Ok(())
    }

    /// Skips to absolute position `to`, which must not lie behind.
    pub fn skip_to(&mut self, to: u64) -> Result<()> {
        match to.checked_sub(self.pos) {
            Some(n) => self.skip(n),
            None => Err(Error::malformed(format!("byte {to} lies before byte {}", self.pos))),
        }
    }

    /// The rest of the stream inflated (raw deflate, PS3.5 A.5), its length unknown.
    pub fn inflate(self, limits: &Limits) -> Stream {
        let decoder = DeflateDecoder::new(self.into_read());
        let inner = Inflate { decoder, bytes: limits.file_bytes, ratio: limits.inflation };
        Stream::new(Inner::Read(Box::new(BufReader::with_capacity(BUFFER, inner))), None)
    }

    /// A stream over anything readable, of unknown length.
    pub fn of(reader: Box<dyn BufRead + Send>) -> Stream {
        Stream::new(Inner::Read(reader), None)
    }

    /// Whether nothing is left.
    pub fn at_end(&mut self) -> Result<bool> {
        if self.remaining() == Some(0) {
            return Ok(true);
        }
        if !self.ahead.left().is_empty() {
            return Ok(false);
        }
        let buffer = match &mut self.inner {
            Inner::File(reader) => reader.fill_buf(),
            Inner::Read(reader) => reader.fill_buf(),
        };
        match buffer.map(<[u8]>::is_empty) {
            Ok(empty) => Ok(empty),
            Err(e) => Err(self.failed(e)),
        }
    }

    /// The stream as a plain reader.
    pub fn into_read(self) -> Box<dyn BufRead + Send> {
        let rest: Box<dyn BufRead + Send> = match self.inner {
            Inner::File(reader) => Box::new(reader),
            Inner::Read(reader) => reader,
        };
        if self.ahead.left().is_empty() {
            return rest;
        }
        Box::new(io::Cursor::new(self.ahead.left().to_vec()).chain(rest))
    }

    fn failed(&self, e: io::Error) -> Error {
        let error = match e.kind() {
            IoKind::UnexpectedEof => Error::malformed("the data ends early"),
            IoKind::InvalidData | IoKind::InvalidInput => Error::malformed("the compressed data is damaged"),
            IoKind::FileTooLarge => Error::limit("the data inflates beyond the limit"),
            _ => Error::new(ErrorKind::Io, e.to_string()),
        };
        error.at(format!("byte {}", self.pos)).with_source(e)
    }
}

/// A deflate decoder that stops at an absolute size and at a ratio.
struct Inflate {
    decoder: DeflateDecoder<Box<dyn BufRead + Send>>,
    bytes: u64,
    ratio: u64,
}

impl Read for Inflate {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let (out, input) = (self.decoder.total_out(), self.decoder.total_in());
        if out > self.bytes || out > input.saturating_add(BUFFER as u64).saturating_mul(self.ratio) {
            return Err(IoKind::FileTooLarge.into());
        }
        self.decoder.read(buf)
    }
}
