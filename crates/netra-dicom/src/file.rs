//! One DICOM Part 10 file (PS3.10 section 7): recognised by content, read tolerantly, its pixels left on disk.

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{Error, Limits, Result, Warning};

use crate::attributes::text;
use crate::dataset::{self, DataSet, Place, Rejected};
use crate::pixels::PixelFormat;
use crate::prescan::is_long;
use crate::source::{Source, Stream};
use crate::syntax::{self, Encoding, TransferSyntax};

/// Media Storage Directory Storage.
const DIRECTORY: &str = "1.2.840.10008.1.3.10";

/// A parsed file.
#[derive(Clone, Debug)]
pub(crate) struct DicomFile {
    pub source: Source,
    pub header: InMemDicomObject,
    pub syntax: TransferSyntax,
    pub body: Body,
    pub pixels: Option<(PixelFormat, Place)>,
    pub warnings: Vec<Warning>,
}

/// Where and how the data set lies in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body {
    pub start: u64,
    pub encoding: Encoding,
    pub deflated: bool,
}

impl Body {
    /// Opens the data set's stream. Positions of a plain data set count from the start of the file, those of a deflated
    /// one from its first inflated byte.
    pub fn open(&self, source: &Source, limits: &Limits) -> Result<Stream> {
        let mut stream = source.open(limits)?;
        stream.skip(self.start)?;
        Ok(if self.deflated { stream.inflate(limits) } else { stream })
    }
}

/// Whether `head`, the first bytes of a file, starts a DICOM file, with or without preamble.
pub(crate) fn is_dicom(head: &[u8]) -> bool {
    has_magic(head, 128) || has_magic(head, 0) || starts_data_set(head)
}

/// Whether a DICOM file that starts with `head` is a DICOMDIR: an index without pixels.
pub(crate) fn is_directory(head: &[u8]) -> bool {
    Meta::read(head, &mut Vec::new()).is_ok_and(|meta| meta.class.as_deref() == Some(DIRECTORY))
}

/// Reads a file whose first bytes are `head`.
pub(crate) fn read(source: &Source, head: &[u8], limits: &Limits) -> std::result::Result<DicomFile, Rejected> {
    let mut warnings = Vec::new();
    let meta = Meta::read(head, &mut warnings)?;
    let (syntax, body) = meta.body(head, &mut warnings)?;
    let DataSet { header, pixels, notes } = dataset::read(body.open(source, limits)?, body.encoding, limits)?;
    warnings.extend(notes.into_iter().map(|(code, message)| warning(code, message)));
    let instance = text(&header, tags::SOP_INSTANCE_UID);
    if meta.instance.is_some() && instance.is_some() && meta.instance != instance {
        let message = "the SOP Instance UID of the file meta information is not that of the data set, which counts";
        warnings.push(warning("meta-uid-differs", message));
    }
    if instance.is_none() {
        warnings.push(warning("sop-instance-uid-missing", "the instance has no SOP Instance UID"));
    }
    let rejected = |error: Error| Rejected { error, series: text(&header, tags::SERIES_INSTANCE_UID) };
    let pixels = match pixels {
        Some(element) => {
            let (format, notes) = PixelFormat::read(&header, &element, &syntax, limits).map_err(rejected)?;
            warnings.extend(notes.into_iter().map(|(code, message)| warning(code, message)));
            Some((format, element.place))
        }
        None => None,
    };
    Ok(DicomFile { source: source.clone(), header, syntax, body, pixels, warnings })
}

pub(crate) fn warning(code: &str, message: impl Into<String>) -> Warning {
    Warning { code: code.to_owned(), message: message.into() }
}

/// What the file meta information says.
struct Meta {
    /// Where the data set starts.
    end: usize,
    class: Option<String>,
    instance: Option<String>,
    syntax: Option<String>,
}

impl Meta {
    fn read(head: &[u8], warnings: &mut Vec<Warning>) -> Result<Self> {
        let start = if has_magic(head, 128) {
            132
        } else {
            warnings.push(warning("preamble-missing", "the file does not start with a preamble"));
            if has_magic(head, 0) { 4 } else { 0 }
        };
        let mut meta = Meta { end: start, class: None, instance: None, syntax: None };
        // Always Explicit VR Little Endian. The group length is often wrong, so the group's end decides.
        while let Some(&[0x02, 0x00, e0, e1, v0, v1, l0, l1]) = slice(head, meta.end, 8) {
            let tag = dicom_core::Tag(2, u16::from_le_bytes([e0, e1]));
            let no_vr = || Error::malformed("the file meta information is not in Explicit VR Little Endian").at(tag);
            let vr = VR::from_binary([v0, v1]).ok_or_else(no_vr)?;
            let (value_at, len) = if is_long(vr) {
                let long =
                    slice(head, meta.end + 8, 4).and_then(|b| b.try_into().ok()).map_or(u32::MAX, u32::from_le_bytes);
                (meta.end + 12, long as usize)
            } else {
                (meta.end + 8, usize::from(u16::from_le_bytes([l0, l1])))
            };
            let Some(value) = slice(head, value_at, len) else {
                return Err(Error::malformed(format!("{len} bytes are declared, fewer are left")).at(tag));
            };
            let uid =
                || Some(String::from_utf8_lossy(value).trim_matches([' ', '\0']).to_owned()).filter(|s| !s.is_empty());
            match tag.element() {
                0x0002 => meta.class = uid(),
                0x0003 => meta.instance = uid(),
                0x0010 => meta.syntax = uid(),
                _ => {}
            }
            meta.end = value_at + len;
        }
        if meta.end == start {
            warnings.push(warning("meta-missing", "the file has no file meta information"));
        }
        Ok(meta)
    }

    /// The transfer syntax and the place of the data set; the bytes decide where they contradict the UID.
    fn body(&self, head: &[u8], warnings: &mut Vec<Warning>) -> Result<(TransferSyntax, Body)> {
        let seen = slice(head, self.end, 8).and_then(sniff);
        let Some(uid) = &self.syntax else {
            let encoding = seen.ok_or_else(|| Error::malformed("the file names no transfer syntax and shows none"))?;
            warnings.push(warning("transfer-syntax-missing", format!("read as {}", native(encoding))));
            return Ok((native(encoding), Body { start: self.end as u64, encoding, deflated: false }));
        };
        let mut syntax = TransferSyntax::new(uid.clone());
        let mut encoding = syntax.encoding();
        let deflated = syntax.is_deflated();
        if let Some(seen) = seen.filter(|&seen| !deflated && seen != encoding) {
            warnings.push(warning(
                "transfer-syntax-mismatch",
                format!("declared as {syntax}, encoded as {}", native(seen)),
            ));
            if native(encoding) == syntax {
                syntax = native(seen);
            }
            encoding = seen;
        }
        Ok((syntax, Body { start: self.end as u64, encoding, deflated }))
    }
}

fn native(encoding: Encoding) -> TransferSyntax {
    TransferSyntax::new(match encoding {
        Encoding::ImplicitLittle => syntax::IMPLICIT_LITTLE,
        Encoding::ExplicitLittle => syntax::EXPLICIT_LITTLE,
        Encoding::ExplicitBig => syntax::EXPLICIT_BIG,
    })
}

/// The encoding that the first element header of a data set shows. Groups below 0x0100 come first in any real file.
fn sniff(first: &[u8]) -> Option<Encoding> {
    let &[g0, g1, _, _, v0, v1, ..] = first else { return None };
    let explicit = VR::from_binary([v0, v1]).is_some();
    match (g0, g1, explicit) {
        (0, 1.., true) => Some(Encoding::ExplicitBig),
        (_, _, true) => Some(Encoding::ExplicitLittle),
        (1.., 0, false) => Some(Encoding::ImplicitLittle),
        _ => None,
    }
}

fn has_magic(head: &[u8], at: usize) -> bool {
    slice(head, at, 4) == Some(b"DICM")
}

/// A data set without preamble starts with group 2 or 8 and a credible length.
fn starts_data_set(head: &[u8]) -> bool {
    let Some(&[g0, g1, e0, e1, v0, v1, l0, l1]) = slice(head, 0, 8) else { return false };
    let known = matches!((g0, g1), (2 | 8, 0) | (0, 8));
    let explicit = VR::from_binary([v0, v1]).is_some();
    let element = if g0 == 0 { u16::from_be_bytes([e0, e1]) } else { u16::from_le_bytes([e0, e1]) };
    let short = u32::from_le_bytes([v0, v1, l0, l1]) < 1024 && g0 != 0;
    known && element < 0x0100 && (explicit || short)
}

fn slice(bytes: &[u8], at: usize, len: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(len)?)
}
