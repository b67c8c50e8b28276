//! Where bytes come from: a file or a member of an archive, read as a forward stream that knows what is left.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind as IoKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::bufread::DeflateDecoder;
use netra_core::{Error, ErrorKind, Limits, Result};

const BUFFER: usize = 64 << 10;

/// A place that can be opened again and again; nothing is kept in memory between two openings.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The file, or the archive that holds the member.
    path: Arc<Path>,
    member: Option<Arc<Member>>,
}

/// One member of a `.zip`, as its central directory describes it.
#[derive(Debug)]
pub(crate) struct Member {
    pub name: PathBuf,
    pub start: u64,
    pub compressed: u64,
    pub size: u64,
    pub deflated: bool,
}

impl Source {
    pub fn file(path: &Path) -> Self {
        Self { path: path.into(), member: None }
    }

    pub fn member(archive: Arc<Path>, member: Member) -> Self {
        Self { path: archive, member: Some(Arc::new(member)) }
    }

    /// The path for messages and for [`Collection::refused`](crate::Collection): a member's is `archive/member`.
    pub fn path(&self) -> PathBuf {
        match &self.member {
            Some(member) => self.path.join(&member.name),
            None => self.path.to_path_buf(),
        }
    }

    /// File name without folders.
    pub fn name(&self) -> String {
        self.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Opens a stream at the first byte.
    pub fn open(&self, limits: &Limits) -> Result<Stream> {
        let failed = |e: io::Error| Error::io(&self.path(), e);
        let mut file = File::open(&self.path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let Some(member) = &self.member else {
            if len > limits.file_bytes {
                return Err(Error::limit(format!("the file has {len} bytes, the limit is {}", limits.file_bytes)));
            }
            return Ok(Stream { inner: Inner::File(BufReader::with_capacity(BUFFER, file)), len: Some(len), pos: 0 });
        };
        if member.size > limits.file_bytes {
            let text = format!("the member has {} bytes, the limit is {}", member.size, limits.file_bytes);
            return Err(Error::limit(text));
        }
        file.seek(SeekFrom::Start(member.start)).map_err(failed)?;
        let raw = BufReader::with_capacity(BUFFER, file.take(member.compressed));
        let inner: Box<dyn BufRead + Send> = if member.deflated {
            Box::new(BufReader::with_capacity(BUFFER, DeflateDecoder::new(raw).take(member.size)))
        } else {
            Box::new(raw)
        };
        Ok(Stream { inner: Inner::Read(inner), len: Some(member.size), pos: 0 })
    }
}

/// Bytes in order, with the position and, where it is known, the length.
pub(crate) struct Stream {
    inner: Inner,
    len: Option<u64>,
    pos: u64,
}

enum Inner {
    File(BufReader<File>),
    Read(Box<dyn BufRead + Send>),
}

impl Stream {
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

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        let read = match &mut self.inner {
            Inner::File(reader) => reader.read_exact(bytes),
            Inner::Read(reader) => reader.read_exact(bytes),
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
        reader.by_ref().take(n).read_to_end(&mut bytes).map_err(|e| self.failed(e))?;
        self.pos = self.pos.saturating_add(bytes.len() as u64);
        if (bytes.len() as u64) < n {
            return Err(Error::malformed(format!("{n} bytes are declared, {} are there", bytes.len())));
        }
        Ok(bytes)
    }

    /// Reads at most `n` bytes: fewer at the end of the stream.
    pub fn up_to(&mut self, n: u64) -> Result<Vec<u8>> {
        let n = self.remaining().map_or(n, |left| n.min(left));
        let mut bytes = Vec::new();
        let read = match &mut self.inner {
            Inner::File(reader) => reader.by_ref().take(n).read_to_end(&mut bytes),
            Inner::Read(reader) => reader.by_ref().take(n).read_to_end(&mut bytes),
        };
        read.map_err(|e| self.failed(e))?;
        self.pos = self.pos.saturating_add(bytes.len() as u64);
        Ok(bytes)
    }

    /// Skips exactly `n` bytes: a seek in a file, a read elsewhere.
    pub fn skip(&mut self, n: u64) -> Result<()> {
        self.expect(n)?;
        let skipped = match (&mut self.inner, i64::try_from(n)) {
            (Inner::File(reader), Ok(step)) => reader.seek_relative(step),
            (Inner::File(_), Err(_)) => Err(io::Error::from(IoKind::UnexpectedEof)),
            (Inner::Read(reader), _) => match io::copy(&mut reader.by_ref().take(n), &mut io::sink()) {
                Ok(read) if read < n => Err(io::Error::from(IoKind::UnexpectedEof)),
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
        let raw: Box<dyn BufRead + Send> = match self.inner {
            Inner::File(reader) => Box::new(reader),
            Inner::Read(reader) => reader,
        };
        let inner = Inflate { decoder: DeflateDecoder::new(raw), bytes: limits.file_bytes, ratio: limits.inflation };
        Stream { inner: Inner::Read(Box::new(BufReader::with_capacity(BUFFER, inner))), len: None, pos: 0 }
    }

    /// A stream over anything readable, of unknown length.
    pub fn of(reader: Box<dyn BufRead + Send>) -> Stream {
        Stream { inner: Inner::Read(reader), len: None, pos: 0 }
    }

    /// Whether nothing is left.
    pub fn at_end(&mut self) -> Result<bool> {
        if self.remaining() == Some(0) {
            return Ok(true);
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
        match self.inner {
            Inner::File(reader) => Box::new(reader),
            Inner::Read(reader) => reader,
        }
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
