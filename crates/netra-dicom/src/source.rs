//! Where bytes come from: a file or a member of an archive.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::bufread::DeflateDecoder;
use netra_core::{Error, Limits, Result};

use crate::stream::Inner;
pub(crate) use crate::stream::Stream;

const BUFFER: usize = 64 << 10;

/// A place that can be opened again and again; nothing is kept in memory between two openings.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The file, or the archive that holds the member.
    path: Arc<Path>,
    member: Option<Arc<Member>>,
    /// What it goes by where nobody may learn its name.
    alias: Option<Arc<str>>,
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
        Self { path: path.into(), member: None, alias: None }
    }

    pub fn member(archive: Arc<Path>, member: Member) -> Self {
        Self { path: archive, member: Some(Arc::new(member)), alias: None }
    }

    /// Has it go by `alias` in whatever is said of it. It keeps the first alias that it is given.
    pub fn hide(&mut self, alias: impl FnOnce() -> String) {
        self.alias.get_or_insert_with(|| alias().into());
    }

    /// The path for messages and for [`Collection::refused`](crate::Collection): a member's is `archive/member`. The alias of
    /// one that has an alias.
    pub fn path(&self) -> PathBuf {
        match (&self.alias, &self.member) {
            (Some(alias), _) => PathBuf::from(&**alias),
            (None, Some(member)) => self.path.join(&member.name),
            (None, None) => self.path.to_path_buf(),
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
            return Ok(Stream::new(Inner::File(BufReader::with_capacity(BUFFER, file)), Some(len)));
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
        Ok(Stream::new(Inner::Read(inner), Some(member.size)))
    }
}
