//! The members of a `.zip`, bounded before any of them is inflated.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use netra_core::{Error, Limits, Result};
use zip::{CompressionMethod, ZipArchive};

use crate::source::{Member, Source};

/// Archives may inflate to this much whatever their size, and to so many bytes for each of theirs: single members may be all but
/// empty, whole archives of scans are not.
const SMALL: u64 = 512 << 20;
const INFLATION: u64 = 200;

/// A member that can be read, or the reason why it cannot.
pub(crate) type Listed = (std::path::PathBuf, Result<Source>);

/// Lists the files of an archive. Fails as a whole when the archive is malformed or promises more than the limits allow.
pub(crate) fn members(path: &Path, limits: &Limits) -> Result<Vec<Listed>> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let size = file.metadata().map_err(|e| Error::io(path, e))?.len();
    let most = limits.archive_bytes.min(SMALL.max(size.saturating_mul(INFLATION)));
    let bad =
        |e: zip::result::ZipError| Error::malformed("the zip archive is damaged").at(path.display()).with_source(e);
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(bad)?;
    if archive.len() > limits.files {
        let text = format!("the archive has {} members, the limit is {}", archive.len(), limits.files);
        return Err(Error::limit(text).at(path.display()));
    }
    let shared: Arc<Path> = path.into();
    let mut listed = Vec::new();
    let (mut total, mut ranges) = (0u64, Vec::new());
    for index in 0..archive.len() {
        let member = match archive.by_index_raw(index) {
            Ok(member) => member,
            Err(e) => {
                listed.push((path.join(format!("member {index}")), Err(bad(e))));
                continue;
            }
        };
        if member.is_dir() {
            continue;
        }
        // The name is used in messages only, never as a path on disk; names that point outside are refused all the same.
        let Some(name) = member.enclosed_name() else {
            let text = "the member's name points outside the archive";
            listed.push((path.join(format!("member {index}")), Err(Error::malformed(text))));
            continue;
        };
        let full = path.join(&name);
        total = total.saturating_add(member.size());
        if total > most {
            let text = format!("the members inflate to more than {most} bytes");
            return Err(Error::limit(text).at(path.display()));
        }
        let deflated = member.compression() == CompressionMethod::Deflated;
        let ratio_allows = member.compressed_size().saturating_add(1).saturating_mul(limits.inflation);
        let source = if member.encrypted() {
            Err(Error::unsupported("the member is encrypted"))
        } else if member.is_symlink() {
            Err(Error::unsupported("the member is a symbolic link"))
        } else if !deflated && member.compression() != CompressionMethod::Stored {
            Err(Error::unsupported(format!("the member is compressed with {}", member.compression())))
        } else if member.size() > limits.file_bytes {
            let text = format!("the member has {} bytes, the limit is {}", member.size(), limits.file_bytes);
            Err(Error::limit(text))
        } else if member.size() > ratio_allows || (!deflated && member.size() != member.compressed_size()) {
            Err(Error::limit(format!("{} bytes inflate to {}", member.compressed_size(), member.size())))
        } else if let Some(start) = member.data_start() {
            let (compressed, size) = (member.compressed_size(), member.size());
            ranges.push((start, start.saturating_add(compressed)));
            Ok(Source::member(shared.clone(), Member { name, start, compressed, size, deflated }))
        } else {
            Err(Error::malformed("the member has no data"))
        };
        listed.push((full, source));
    }
    ranges.sort_unstable();
    if ranges.windows(2).any(|pair| pair[0].1 > pair[1].0) || ranges.last().is_some_and(|last| last.1 > size) {
        return Err(Error::malformed("the members overlap, or reach behind the end").at(path.display()));
    }
    Ok(listed)
}
