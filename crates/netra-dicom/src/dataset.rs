//! Builds dicom-rs' in-memory object from the bounded walk, without the pixel data.

use dicom_core::header::Header;
use dicom_core::value::{DataSetSequence, PixelFragmentSequence, Value};
use dicom_core::{DataElement, Length, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;
use netra_core::{Error, Limits, Result};

use crate::charset::CharacterSet;
use crate::code::{Code, Notes};
use crate::fragments::{Ending, PixelElement, Place};
use crate::prescan::Scanner;
use crate::source::Stream;
use crate::syntax::Encoding;
use crate::token::{Element, Token};
use crate::value;

/// Bytes of all values kept as header of one instance.
const HEADER_BYTES: u64 = 64 << 20;
/// Longer binary values (documents, waveforms, private blobs) are passed over: no header attribute needs them.
const BLOB_BYTES: u32 = 1 << 20;

/// A data set without its pixels.
pub(crate) struct DataSet {
    pub header: InMemDicomObject,
    pub pixels: Option<PixelElement>,
    pub notes: Notes,
}

/// A refused data set, and its series where the walk came that far: the series then has a hole.
pub(crate) struct Rejected {
    pub error: Error,
    pub series: Option<String>,
}

impl From<Error> for Rejected {
    fn from(error: Error) -> Self {
        Self { error, series: None }
    }
}

/// Reads a data set up to its pixel data.
pub(crate) fn read(stream: Stream, encoding: Encoding, limits: &Limits) -> std::result::Result<DataSet, Rejected> {
    let mut scanner = Scanner::new(stream, encoding, limits);
    let mut builder = Builder { open: vec![Open::elements()], kept: 0, rows: false };
    let pixels = match fill(&mut builder, &mut scanner) {
        Ok(pixels) => pixels,
        Err(error) => return Err(Rejected { error, series: builder.series() }),
    };
    let mut notes = scanner.notes;
    let header = builder.finish(&mut notes)?;
    Ok(DataSet { header, pixels, notes })
}

/// Walks up to the pixel data. What comes after it (signatures, padding) is read only where the image's size is still
/// missing, which elements out of order make possible.
fn fill(builder: &mut Builder, scanner: &mut Scanner<'_>) -> Result<Option<PixelElement>> {
    let mut pixels = None;
    while let Some(token) = scanner.next()? {
        let Token::Pixels { tag, vr, len } = token else {
            builder.take(token, scanner)?;
            continue;
        };
        let (place, ending) = scanner.place(len).map_err(|e| e.at(tag))?;
        let stop = builder.rows || ending == Ending::Cut;
        if let (Place::Native { len, .. }, false) = (&place, stop) {
            scanner.stream.skip(*len)?;
        }
        pixels = pixels.or(Some(PixelElement { tag, vr, place, ending }));
        if stop {
            break;
        }
    }
    Ok(pixels)
}

/// An item or a sequence that is being filled.
enum Open {
    Items { tag: Tag, items: Vec<InMemDicomObject> },
    Elements { raw: Vec<Raw>, charset: Option<CharacterSet>, signed: Option<bool> },
}

impl Open {
    fn elements() -> Self {
        Self::Elements { raw: Vec::new(), charset: None, signed: None }
    }
}

/// An element whose value waits for the character set and the signedness of its data set, which may come after it.
enum Raw {
    Bytes(Element, Vec<u8>),
    Ready(InMemElement),
}

impl Raw {
    fn tag(&self) -> Tag {
        match self {
            Self::Bytes(element, _) => element.tag,
            Self::Ready(element) => element.tag(),
        }
    }
}

struct Builder {
    open: Vec<Open>,
    kept: u64,
    /// Rows of the image was met.
    rows: bool,
}

impl Builder {
    fn take(&mut self, token: Token, scanner: &mut Scanner<'_>) -> Result<()> {
        match token {
            Token::Value(element) => self.value(element, scanner).map_err(|e| e.at(element.tag)),
            Token::Fragments { tag, vr } => {
                scanner.fragments()?;
                scanner.notes.add(Code::LargeValuesSkipped, || format!("the fragments of {tag} were not read"));
                let empty = PixelFragmentSequence::<Vec<u8>>::new_fragments(Vec::new());
                self.add(Raw::Ready(DataElement::new(tag, vr, empty)))
            }
            Token::SequenceStart { tag } => {
                self.open.push(Open::Items { tag, items: Vec::new() });
                Ok(())
            }
            Token::ItemStart => {
                self.open.push(Open::elements());
                Ok(())
            }
            Token::ItemEnd | Token::SequenceEnd => self.close(&mut scanner.notes),
            Token::Pixels { .. } => Ok(()),
        }
    }

    fn value(&mut self, element: Element, scanner: &mut Scanner<'_>) -> Result<()> {
        let Element { tag, vr, len, .. } = element;
        let is_blob = matches!(vr, VR::OB | VR::OD | VR::OF | VR::OL | VR::OV | VR::OW | VR::UN);
        if is_blob && len > BLOB_BYTES && tag != tags::EXTENDED_OFFSET_TABLE {
            scanner.notes.add(Code::LargeValuesSkipped, || format!("the {len} bytes of {tag} were not read"));
            return scanner.stream.skip(len.into());
        }
        self.kept = self.kept.saturating_add(len.into());
        if self.kept > HEADER_BYTES {
            return Err(Error::limit(format!("the header holds more than {HEADER_BYTES} bytes")));
        }
        let bytes = scanner.stream.bytes(len.into())?;
        if let Some(Open::Elements { charset, signed, .. }) = self.open.last_mut() {
            match tag {
                tags::SPECIFIC_CHARACTER_SET => *charset = Some(CharacterSet::read(&bytes, &mut scanner.notes)),
                tags::PIXEL_REPRESENTATION => *signed = value::integer(&element, &bytes).map(|v| v == 1),
                _ => {}
            }
        }
        if scanner.depth() == 0 {
            self.root(&element, &bytes, scanner);
        }
        self.add(Raw::Bytes(element, bytes))
    }

    /// What elements of the outermost level change in the walk.
    fn root(&mut self, element: &Element, bytes: &[u8], scanner: &mut Scanner<'_>) {
        match element.tag {
            tags::ROWS => self.rows = true,
            // Retired since DICOM: the group of the pixel data in ACR-NEMA.
            Tag(0x0028, 0x0200) => {
                if let Some(group) = value::integer(element, bytes).filter(|group| *group != 0x7FE0) {
                    scanner.notes.add(Code::PixelDataInOldGroup, || format!("the image lies in group {group:04X}"));
                    scanner.pixel_group = group as u16;
                }
            }
            Tag(0x0008, 0x0010) => {
                scanner.notes.add(Code::AcrNema, || "the data set has a Recognition Code".to_owned());
            }
            _ => {}
        }
    }

    fn add(&mut self, element: Raw) -> Result<()> {
        match self.open.last_mut() {
            Some(Open::Elements { raw, .. }) => {
                raw.push(element);
                Ok(())
            }
            _ => Err(Error::malformed("an element outside any item").at(element.tag())),
        }
    }

    fn close(&mut self, notes: &mut Notes) -> Result<()> {
        match self.open.pop() {
            Some(Open::Elements { raw, charset, signed }) => {
                let object = self.object(raw, charset, signed, notes);
                match self.open.last_mut() {
                    Some(Open::Items { items, .. }) => {
                        items.push(object);
                        Ok(())
                    }
                    _ => Err(Error::malformed("an item outside any sequence")),
                }
            }
            Some(Open::Items { tag, items }) => {
                let sequence = DataSetSequence::new(items, Length::UNDEFINED);
                self.add(Raw::Ready(DataElement::new(tag, VR::SQ, Value::Sequence(sequence))))
            }
            None => Err(Error::malformed("an end without a start")),
        }
    }

    /// Decodes the values of one data set or item, sorts them, and keeps the last of elements that stand twice, as pydicom does.
    fn object(
        &self,
        mut raw: Vec<Raw>,
        charset: Option<CharacterSet>,
        signed: Option<bool>,
        notes: &mut Notes,
    ) -> InMemDicomObject {
        if raw.windows(2).any(|pair| pair[0].tag() > pair[1].tag()) {
            let at = raw.windows(2).find(|pair| pair[0].tag() > pair[1].tag()).map(|pair| pair[1].tag());
            notes.add(Code::ElementsOutOfOrder, || format!("{} stands after a higher tag", at.unwrap_or(Tag(0, 0))));
            raw.sort_by_key(Raw::tag);
        }
        let before = raw.len();
        let mut twice = None;
        raw.dedup_by(|later, earlier| {
            let same = later.tag() == earlier.tag();
            if same {
                twice = twice.or(Some(later.tag()));
                std::mem::swap(later, earlier);
            }
            same
        });
        if let Some(tag) = twice {
            let more = before - raw.len();
            notes.add(Code::ElementDuplicated, || format!("{tag} stands twice ({more} elements in excess)"));
        }
        let charset = charset.or_else(|| {
            self.inherited(|open| match open {
                Open::Elements { charset, .. } => charset.clone(),
                Open::Items { .. } => None,
            })
        });
        let signed = signed.or_else(|| {
            self.inherited(|open| match open {
                Open::Elements { signed, .. } => *signed,
                Open::Items { .. } => None,
            })
        });
        let context = value::Context { charset: charset.unwrap_or_default(), signed: signed.unwrap_or(false) };
        InMemDicomObject::from_element_iter(raw.into_iter().map(|element| match element {
            Raw::Ready(element) => element,
            Raw::Bytes(element, bytes) => value::decode(&element, bytes, &context, notes),
        }))
    }

    /// What the nearest enclosing data set says.
    fn inherited<T>(&self, get: impl FnMut(&Open) -> Option<T>) -> Option<T> {
        self.open.iter().rev().find_map(get)
    }

    /// Series Instance UID, if it was read.
    fn series(&self) -> Option<String> {
        let Some(Open::Elements { raw, .. }) = self.open.first() else { return None };
        raw.iter().find_map(|element| match element {
            Raw::Bytes(Element { tag: tags::SERIES_INSTANCE_UID, .. }, bytes) => {
                Some(String::from_utf8_lossy(bytes).trim_matches([' ', '\0']).to_owned())
            }
            _ => None,
        })
    }

    /// The outermost object. Pixel data in the root may leave nothing else open.
    fn finish(mut self, notes: &mut Notes) -> Result<InMemDicomObject> {
        match (self.open.pop(), self.open.is_empty()) {
            (Some(Open::Elements { raw, charset, signed }), true) => Ok(self.object(raw, charset, signed, notes)),
            _ => Err(Error::malformed("the data set ends inside a sequence")),
        }
    }
}
