//! Opening: what lies at a path, recognised by content, one bad file never stopping the rest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dicom_dictionary_std::tags;
use netra_core::{Error, Limits, Result, Warning};
use rayon::prelude::*;

use crate::attributes::text;
use crate::code::{Code, warning};
use crate::dataset::Rejected;
use crate::duplicates;
use crate::file::{self, DicomFile};
use crate::meta;
use crate::nifti::{self, NiftiFile};
use crate::picture::{self, PictureFile};
use crate::scan::Scan;
use crate::series::{Instance, Series};
use crate::source::Source;

/// First bytes of a file that recognition and file meta information may need.
const HEAD: u64 = 64 << 10;

/// Everything found at a path.
#[derive(Debug)]
pub struct Collection {
    /// The scans, in the order of the names of their first files.
    pub scans: Vec<Scan>,
    /// What was refused, and why.
    pub refused: Vec<(PathBuf, Error)>,
    /// What the collection as a whole had to tolerate.
    pub warnings: Vec<Warning>,
}

/// What one file turned out to be.
enum Content {
    Dicom(Box<DicomFile>),
    Other(Box<Scan>),
    /// Not a scan, and nothing claims that it is one.
    Ignored,
    /// A DICOMDIR.
    Directory,
}

/// Opens a file, a folder (with its subfolders) or a `.zip`.
///
/// # Errors
/// `Io` when `path` cannot be read, `Limit` when it holds too many files, `Malformed` for a damaged archive. Single bad
/// files are listed in [`Collection::refused`] instead.
pub fn open(path: &Path, limits: &Limits) -> Result<Collection> {
    let meta = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    let mut refused = Vec::new();
    let (sources, named) = if meta.is_dir() {
        (walk(path, limits, &mut refused)?, false)
    } else if is_zip(path, limits)? {
        (listed(path, limits, &mut refused)?, false)
    } else {
        (vec![Source::file(path)], true)
    };
    let (mut flat, mut archives) = (Vec::new(), Vec::new());
    for source in sources {
        // Archives inside a folder are opened; archives inside an archive are not.
        if meta.is_dir() && is_zip(&source.path(), limits).unwrap_or(false) {
            archives.push(source.path());
        } else {
            flat.push(source);
        }
    }
    for archive in archives {
        match listed(&archive, limits, &mut refused) {
            Ok(members) => flat.extend(members),
            Err(e) => refused.push((archive, e)),
        }
    }
    if flat.len() > limits.files {
        return Err(Error::limit(format!("{} files, the limit is {}", flat.len(), limits.files)).at(path.display()));
    }
    flat.sort_by_key(Source::path);
    let contents: Vec<_> = flat.par_iter().map(|source| (source, read(source, named, limits))).collect();
    Ok(collect(contents, refused, limits))
}

/// Files below a folder: sorted, hidden ones left out, links not followed.
fn walk(root: &Path, limits: &Limits, refused: &mut Vec<(PathBuf, Error)>) -> Result<Vec<Source>> {
    let mut files = Vec::new();
    let mut folders = vec![(root.to_path_buf(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if depth == 0 => return Err(Error::io(&folder, e)),
            Err(e) => {
                refused.push((folder.clone(), Error::io(&folder, e)));
                continue;
            }
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if is_hidden(&path) {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth >= limits.nesting => {
                    refused.push((path, Error::limit(format!("folders nested more than {} deep", limits.nesting))));
                }
                Ok(kind) if kind.is_dir() => folders.push((path, depth + 1)),
                Ok(kind) if kind.is_file() => files.push(Source::file(&path)),
                _ => {}
            }
            if files.len() + folders.len() > limits.files {
                return Err(Error::limit(format!("more than {} files", limits.files)).at(root.display()));
            }
        }
    }
    Ok(files)
}

fn listed(path: &Path, limits: &Limits, refused: &mut Vec<(PathBuf, Error)>) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for (name, source) in crate::archive::members(path, limits)? {
        match source {
            _ if name.strip_prefix(path).is_ok_and(|inner| inner.iter().any(|part| is_hidden(Path::new(part)))) => {}
            Ok(source) => sources.push(source),
            Err(e) => refused.push((name, e)),
        }
    }
    Ok(sources)
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    name.starts_with('.') || name == "__MACOSX"
}

fn is_zip(path: &Path, limits: &Limits) -> Result<bool> {
    Ok(Source::file(path).open(limits).and_then(|mut stream| stream.up_to(4)).is_ok_and(|head| is_zip_head(&head)))
}

fn is_zip_head(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

/// Reads one file. `named_file`: the caller asked for this very file, so it must be a scan.
fn read(source: &Source, named_file: bool, limits: &Limits) -> std::result::Result<Content, Rejected> {
    let head = source.open(limits)?.up_to(HEAD)?;
    if is_zip_head(&head) {
        return Err(Error::unsupported("an archive inside an archive").into());
    }
    if nifti::is_nifti(&head) {
        return Ok(Content::Other(Box::new(Scan::Nifti(NiftiFile::open(source, limits)?))));
    }
    if head.get(128..132).is_none_or(|magic| magic != b"DICM") && picture::is_picture(&head) {
        return Ok(Content::Other(Box::new(Scan::Picture(PictureFile::open(source, limits)?))));
    }
    if meta::is_dicom(&head) {
        if meta::is_directory(&head) {
            let index = || Error::unsupported("a DICOMDIR is an index: open the folder that it describes").into();
            return if named_file { Err(index()) } else { Ok(Content::Directory) };
        }
        return file::read(source, &head, limits).map(|file| Content::Dicom(Box::new(file)));
    }
    if named_file || claims_to_be_a_scan(&source.path()) {
        return Err(Error::unsupported("neither DICOM nor NIfTI nor PNG, JPEG or TIFF").into());
    }
    Ok(Content::Ignored)
}

fn claims_to_be_a_scan(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    [".dcm", ".dicom", ".ima", ".nii", ".nii.gz", ".png", ".jpg", ".jpeg", ".tif", ".tiff"]
        .iter()
        .any(|e| name.ends_with(e))
}

type Contents<'a> = Vec<(&'a Source, std::result::Result<Content, Rejected>)>;

/// Groups instances by study and series, in the order of their first files.
fn collect(contents: Contents<'_>, mut refused: Vec<(PathBuf, Error)>, limits: &Limits) -> Collection {
    let mut groups: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut found: Vec<Found> = Vec::new();
    let mut damaged: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut ignored, mut directories) = (0usize, 0usize);
    for (source, content) in contents {
        match content {
            Ok(Content::Dicom(file)) => {
                let uid = |tag| text(&file.header, tag).unwrap_or_default();
                let mut key = (uid(tags::STUDY_INSTANCE_UID), uid(tags::SERIES_INSTANCE_UID));
                let mut instance = Instance { file: *file };
                if key.1.is_empty() {
                    // Stripped of its UIDs: the files of one folder are taken as one series, and the audit decides.
                    key.1 = source.path().parent().map(|folder| folder.display().to_string()).unwrap_or_default();
                    let text = "the instance has no Series Instance UID: its folder stands for the series";
                    instance.file.warnings.push(warning(Code::SeriesUidMissing, text));
                }
                match groups.get(&key).and_then(|&at| found.get_mut(at)) {
                    Some(Found::Series(instances)) => instances.push(instance),
                    _ => {
                        groups.insert(key, found.len());
                        found.push(Found::Series(vec![instance]));
                    }
                }
            }
            Ok(Content::Other(scan)) => found.push(Found::Other(scan)),
            Ok(Content::Ignored) => ignored += 1,
            Ok(Content::Directory) => directories += 1,
            Err(Rejected { error, series }) => {
                if let Some(series) = series {
                    damaged.entry(series).or_default().push(source.name());
                }
                refused.push((source.path(), error.at(source.path().display())));
            }
        }
    }
    let mut warnings = Vec::new();
    if ignored > 0 {
        warnings.push(warning(Code::FilesIgnored, format!("{ignored} files that are no scans were passed over")));
    }
    if directories > 0 {
        warnings.push(warning(Code::DicomdirIgnored, "a DICOMDIR was passed over: the files themselves were read"));
    }
    let scan = |found| match found {
        Found::Other(scan) => *scan,
        Found::Series(instances) => {
            let uid = instances.first().and_then(|i: &Instance| text(i.header(), tags::SERIES_INSTANCE_UID));
            let mut damaged = uid.and_then(|uid| damaged.get(&uid).cloned()).unwrap_or_default();
            // Frames are missing: what is left is no volume without further ado.
            damaged.extend(instances.iter().filter(|i| i.file.is_cut).map(|i| i.file.source.name()));
            Scan::Dicom(Series::new(duplicates::settle(instances, limits), damaged))
        }
    };
    let scans = found.into_iter().map(scan).collect();
    refused.sort_by(|a, b| a.0.cmp(&b.0));
    Collection { scans, refused, warnings }
}

enum Found {
    Series(Vec<Instance>),
    Other(Box<Scan>),
}
