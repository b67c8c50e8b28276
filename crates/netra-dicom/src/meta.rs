//! The start of a file: preamble, file meta information (PS3.10 section 7.1), and how the data set behind it is encoded.

use std::io::Read;

use dicom_core::VR;
use flate2::bufread::DeflateDecoder;
use netra_core::{Error, Result};

use crate::code::{Code, Notes};
use crate::header::{self, Header};
use crate::syntax::{self, Encoding, TransferSyntax};

/// Media Storage Directory Storage.
const DIRECTORY: &str = "1.2.840.10008.1.3.10";

/// Where and how the data set lies in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body {
    pub start: u64,
    pub encoding: Encoding,
    pub deflated: bool,
}

/// Whether `head`, the first bytes of a file, starts a DICOM file, with or without preamble.
pub(crate) fn is_dicom(head: &[u8]) -> bool {
    start(head).is_some()
}

/// Whether a DICOM file that starts with `head` is a DICOMDIR: an index without pixels.
pub(crate) fn is_directory(head: &[u8]) -> bool {
    Meta::read(head, &mut Notes::default()).is_ok_and(|meta| meta.class.as_deref() == Some(DIRECTORY))
}

/// What the file meta information says.
pub(crate) struct Meta {
    /// Where the data set starts.
    end: usize,
    class: Option<String>,
    pub instance: Option<String>,
    syntax: Option<String>,
}

impl Meta {
    pub fn read(head: &[u8], notes: &mut Notes) -> Result<Self> {
        let start = start(head).unwrap_or(0);
        if start != 132 {
            notes.add(Code::PreambleMissing, || "the file does not start with a preamble and DICM".to_owned());
        }
        let mut meta = Meta { end: start, class: None, instance: None, syntax: None };
        let mut length = None;
        // The group length is often wrong, so the group's end decides.
        while let Some(header) = meta.element(head, notes)? {
            let (tag, value_at) = (header.tag, meta.end + header.size);
            let Some(value) = slice(head, value_at, header.len as usize) else {
                return Err(Error::malformed(format!("{} bytes are declared, fewer are left", header.len)).at(tag));
            };
            let uid = || Some(String::from_utf8_lossy(value).trim_matches([' ', '\0']).to_owned());
            meta.end = value_at + value.len();
            match tag.element() {
                0x0000 => {
                    length = value.try_into().ok().map(|n| meta.end.saturating_add(u32::from_le_bytes(n) as usize))
                }
                0x0002 => meta.class = uid().filter(|s| !s.is_empty()),
                0x0003 => meta.instance = uid().filter(|s| !s.is_empty()),
                0x0010 => meta.syntax = uid().filter(|s| !s.is_empty()),
                _ => {}
            }
        }
        if meta.end == start {
            notes.add(Code::MetaMissing, || "the file has no file meta information".to_owned());
        }
        if length.is_some_and(|length| length != meta.end) {
            notes.add(Code::MetaGroupLength, || "the file meta information has another length than it says".to_owned());
        }
        Ok(meta)
    }

    /// The next header of group 2: Explicit VR Little Endian, as the standard says, or Implicit.
    fn element(&self, head: &[u8], notes: &mut Notes) -> Result<Option<Header>> {
        let rest = head.get(self.end..).unwrap_or_default();
        let Some(tag) = header::tag(rest, Encoding::ExplicitLittle).filter(|tag| tag.group() == 2) else {
            return Ok(None);
        };
        if let Some(header) = header::read(rest, Encoding::ExplicitLittle) {
            return Ok(Some(header));
        }
        let implicit = header::read(rest, Encoding::ImplicitLittle).filter(|h| h.total().is_some());
        let no_vr = || Error::malformed("the file meta information is in neither Explicit nor Implicit VR").at(tag);
        let header = implicit.ok_or_else(no_vr)?;
        notes.add(Code::MetaImplicit, || "the file meta information is in Implicit VR".to_owned());
        Ok(Some(header))
    }

    /// The transfer syntax and the place of the data set; the bytes decide where they contradict the UID.
    pub fn body(&self, head: &[u8], notes: &mut Notes) -> Result<(TransferSyntax, Body)> {
        let bytes = head.get(self.end..).unwrap_or_default();
        let body = |encoding, deflated, skipped: usize| Body { start: (self.end + skipped) as u64, encoding, deflated };
        let declared = self.syntax.clone().map(TransferSyntax::new);
        let said = declared.as_ref().map_or_else(|| "no transfer syntax".to_owned(), TransferSyntax::to_string);
        let is_deflated = declared.as_ref().is_some_and(TransferSyntax::is_deflated);
        let seen = seen(bytes, declared.as_ref().map_or(Encoding::ImplicitLittle, TransferSyntax::encoding));
        // Deflated bytes show no element, or one by chance.
        if let Some((encoding, _)) = seen.filter(|(_, run)| !is_deflated || *run > 1) {
            let difference = || format!("declared as {said}, encoded as {}", native(encoding));
            let syntax = match declared {
                None => {
                    notes.add(Code::TransferSyntaxMissing, || format!("read as {}", native(encoding)));
                    native(encoding)
                }
                Some(_) if is_deflated => {
                    notes.add(Code::DeflateNotApplied, difference);
                    native(encoding)
                }
                Some(syntax) if syntax.encoding() != encoding => {
                    notes.add(Code::TransferSyntaxMismatch, difference);
                    if native(syntax.encoding()) == syntax { native(encoding) } else { syntax }
                }
                Some(syntax) => syntax,
            };
            return Ok((syntax, body(encoding, false, 0)));
        }
        if let Some(skipped) = inflates(bytes) {
            if skipped > 0 {
                notes.add(Code::DeflateHeader, || "the deflated data set has a zlib header".to_owned());
            }
            if !is_deflated {
                notes.add(Code::DeflateNotDeclared, || format!("{said} is declared, the data set is deflated"));
            }
            // How the pixels are compressed is another matter.
            let compressed = declared.filter(|syntax| native(syntax.encoding()) != *syntax);
            let syntax = compressed.unwrap_or_else(|| TransferSyntax::new(syntax::DEFLATED));
            return Ok((syntax, body(Encoding::ExplicitLittle, true, skipped)));
        }
        let syntax = declared.ok_or_else(|| Error::malformed("the file names no transfer syntax and shows none"))?;
        let encoding = syntax.encoding();
        Ok((syntax, body(encoding, is_deflated, 0)))
    }
}

/// The transfer syntax of uncompressed data in `encoding`.
pub(crate) fn native(encoding: Encoding) -> TransferSyntax {
    TransferSyntax::new(match encoding {
        Encoding::ImplicitLittle => syntax::IMPLICIT_LITTLE,
        Encoding::ExplicitLittle => syntax::EXPLICIT_LITTLE,
        Encoding::ExplicitBig => syntax::EXPLICIT_BIG,
    })
}

/// The encoding in which most elements at the start of `bytes` make sense, and how many do; `declared` where several are
/// equal, `None` where none does.
fn seen(bytes: &[u8], declared: Encoding) -> Option<(Encoding, usize)> {
    let all = [declared, Encoding::ExplicitLittle, Encoding::ImplicitLittle, Encoding::ExplicitBig];
    let runs = all.map(|encoding| (encoding, header::run(bytes, encoding)));
    let best = runs.iter().map(|(_, run)| *run).max().filter(|run| *run > 0)?;
    runs.into_iter().find(|(_, run)| *run == best)
}

/// How many bytes come before a deflated data set in `bytes`: none, or the two of a zlib header; `None` when nothing is
/// deflated.
fn inflates(bytes: &[u8]) -> Option<usize> {
    let shows = |skipped: usize| {
        let mut out = Vec::new();
        // An error after some bytes leaves these: the head of the file ends somewhere in the stream.
        let _ = DeflateDecoder::new(bytes.get(skipped..)?).take(1024).read_to_end(&mut out);
        (header::run(&out, Encoding::ExplicitLittle) > 0).then_some(skipped)
    };
    let is_zlib = matches!(bytes, [0x78, flags, ..] if (0x7800 + u16::from(*flags)).is_multiple_of(31));
    shows(0).or_else(|| if is_zlib { shows(2) } else { None })
}

/// Where the file meta information or the data set starts; `None` for what is no DICOM file.
fn start(head: &[u8]) -> Option<usize> {
    let is_magic = |at: usize| slice(head, at, 4) == Some(b"DICM");
    if is_magic(128) {
        Some(132)
    } else if is_magic(0) {
        Some(4)
    } else if starts_data_set(head) {
        Some(0)
    } else if slice(head, 0, 128).is_some_and(|preamble| preamble.iter().all(|b| *b == 0)) {
        head.get(128..).is_some_and(starts_data_set).then_some(128)
    } else {
        None
    }
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
