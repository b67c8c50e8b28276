//! One DICOM file (PS3.10 section 7): read tolerantly, its pixels left on disk.

use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{Error, Limits, Result, Warning};
use sha2::{Digest, Sha256};

use crate::attributes::{integer, text};
pub(crate) use crate::code::warning;
use crate::code::{Code, Notes};
use crate::dataset::{self, DataSet, Rejected};
use crate::fragments::Place;
use crate::frames::FrameHeader;
use crate::meta::{self, Body, Meta};
use crate::pixels::PixelFormat;
use crate::source::{Source, Stream};
use crate::syntax::{Codec, TransferSyntax};

/// A parsed file.
#[derive(Clone, Debug)]
pub(crate) struct DicomFile {
    pub source: Source,
    pub header: InMemDicomObject,
    pub syntax: TransferSyntax,
    pub body: Body,
    pub pixels: Option<(PixelFormat, Place)>,
    /// The file ends inside the pixel data: frames are missing, or the last pixels of a single one.
    pub is_cut: bool,
    pub warnings: Vec<Warning>,
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

impl DicomFile {
    /// SHA-256 of the data set as it lies in the file.
    pub fn digest(&self, limits: &Limits) -> Result<[u8; 32]> {
        let mut stream = self.body.open(&self.source, limits)?;
        let mut hash = Sha256::new();
        loop {
            let bytes = stream.up_to(1 << 20)?;
            if bytes.is_empty() {
                return Ok(hash.finalize().into());
            }
            hash.update(&bytes);
        }
    }
}

/// Reads a file whose first bytes are `head`.
pub(crate) fn read(source: &Source, head: &[u8], limits: &Limits) -> std::result::Result<DicomFile, Rejected> {
    let mut notes = Notes::default();
    let meta = Meta::read(head, &mut notes)?;
    let (mut syntax, body) = meta.body(head, &mut notes)?;
    let DataSet { header, pixels, notes: more } = dataset::read(body.open(source, limits)?, body.encoding, limits)?;
    notes.extend(more);
    let instance = text(&header, tags::SOP_INSTANCE_UID);
    if meta.instance.is_some() && instance.is_some() && meta.instance != instance {
        let text = "the SOP Instance UID of the file meta information is not that of the data set, which counts";
        notes.add(Code::MetaUidDiffers, || text.to_owned());
    }
    if instance.is_none() {
        notes.add(Code::SopInstanceUidMissing, || "the instance has no SOP Instance UID".to_owned());
    }
    let is_native = pixels.as_ref().is_some_and(|element| matches!(element.place, Place::Native { .. }));
    if is_native && syntax.codec() != Some(Codec::Native) {
        notes.add(Code::PixelDataNotCompressed, || format!("{syntax} is declared, the pixel data is native"));
        syntax = meta::native(body.encoding);
    }
    if let Some(uid) = pixels.as_ref().and_then(|element| codestream(&element.place, &syntax, &body, source, limits)) {
        notes.add(Code::PixelDataCompressed, || format!("{syntax} is declared, the pixel data is encapsulated"));
        syntax = TransferSyntax::new(uid);
    }
    let rejected = |error: Error| Rejected { error, series: text(&header, tags::SERIES_INSTANCE_UID) };
    let pixels = match pixels {
        Some(element) => Some(PixelFormat::read(&header, element, &syntax, limits, &mut notes).map_err(rejected)?),
        None => None,
    };
    let is_cut = notes.has(Code::PixelDataTruncated);
    let is_single = integer(&header, tags::NUMBER_OF_FRAMES).is_none_or(|frames| frames <= 1);
    if is_cut && is_single && FrameHeader::new(&header, 0, 1).plane().is_some() {
        // What is missing of a slice would be a hole in the patient, filled with zeros.
        return Err(rejected(Error::malformed("the file ends inside the pixel data of a slice")));
    }
    Ok(DicomFile { source: source.clone(), header, syntax, body, pixels, is_cut, warnings: notes.into_warnings() })
}

/// The transfer syntax that the first fragment shows where the declared one is native: that of a JPEG, JPEG-LS or JPEG 2000
/// codestream. `None` where there is nothing to correct.
fn codestream(
    place: &Place,
    syntax: &TransferSyntax,
    body: &Body,
    source: &Source,
    limits: &Limits,
) -> Option<&'static str> {
    let Place::Encapsulated { fragments, .. } = place else { return None };
    if meta::native(syntax.encoding()) != *syntax {
        return None;
    }
    let mut stream = body.open(source, limits).ok()?;
    stream.skip_to(fragments.first()?.offset).ok()?;
    match stream.array::<4>().ok()? {
        [0xFF, 0xD8, 0xFF, 0xF7] => Some("1.2.840.10008.1.2.4.81"),
        [0xFF, 0xD8, 0xFF, _] => Some("1.2.840.10008.1.2.4.50"),
        [0xFF, 0x4F, 0xFF, 0x51] => Some("1.2.840.10008.1.2.4.91"),
        _ => None,
    }
}
