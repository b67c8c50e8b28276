//! The digests of a scan's files: what a receipt names its input by.

use std::io::Read;

use netra_core::{Error, Limits, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::attributes::text;
use crate::scan::Scan;
use crate::source::Source;

const BUFFER: usize = 256 << 10;

/// One file of a scan, or one member of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    /// SOP Instance UID; `None` for what is not DICOM.
    pub sop_instance_uid: Option<String>,
    /// Length; a member's once inflated.
    pub bytes: u64,
    /// SHA-256 of the bytes, lower-case hexadecimal.
    pub sha256: String,
}

impl Scan {
    /// Reads every file of the scan and digests its bytes, several files at a time.
    ///
    /// # Errors
    /// `Io` when a file cannot be read any more, `Malformed` for a member that does not inflate.
    pub fn digests(&self, limits: &Limits) -> Result<Vec<FileDigest>> {
        match self {
            Self::Dicom(series) => series
                .instances
                .par_iter()
                .map(|i| digest(&i.file.source, text(i.header(), dicom_dictionary_std::tags::SOP_INSTANCE_UID), limits))
                .collect(),
            Self::Nifti(file) => Ok(vec![digest(file.source(), None, limits)?]),
            Self::Picture(file) => Ok(vec![digest(file.source(), None, limits)?]),
        }
    }
}

fn digest(source: &Source, sop_instance_uid: Option<String>, limits: &Limits) -> Result<FileDigest> {
    let place = |e: Error| e.at(source.path().display());
    let reader = source.open(limits).map_err(place)?.into_read();
    let (bytes, sha256) = sha256(reader).map_err(|e| Error::io(&source.path(), e))?;
    Ok(FileDigest { sop_instance_uid, bytes, sha256 })
}

/// Length and SHA-256 (lower-case hexadecimal) of all that a reader gives.
pub fn sha256(mut reader: impl Read) -> std::io::Result<(u64, String)> {
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; BUFFER]);
    loop {
        let n = match reader.read(&mut buffer) {
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        if n == 0 {
            return Ok((bytes, hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()));
        }
        bytes += n as u64;
        hash.update(&buffer[..n]);
    }
}
