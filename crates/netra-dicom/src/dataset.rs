//! Builds dicom-rs' in-memory object from the bounded walk, without the pixel data.

use dicom_core::header::Header;
use dicom_core::value::{DataSetSequence, PixelFragmentSequence, Value};
use dicom_core::{DataElement, Length, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_encoding::text::SpecificCharacterSet;
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;
use netra_core::{Error, Limits, Result};

use crate::prescan::{Fragment, Scanner, Token};
use crate::source::Stream;
use crate::syntax::Encoding;

/// Bytes of all values kept as header of one instance.
const HEADER_BYTES: u64 = 64 << 20;
/// Longer binary values (documents, waveforms, private blobs) are passed over: no header attribute needs them.
const BLOB_BYTES: u32 = 1 << 20;

/// A data set without its pixels.
pub(crate) struct DataSet {
    pub header: InMemDicomObject,
    pub pixels: Option<PixelElement>,
    /// Words for warnings: `(code, message)`.
    pub notes: Vec<(&'static str, String)>,
}

/// The pixel data element: where its bytes lie in the data set's stream.
#[derive(Clone, Debug)]
pub(crate) struct PixelElement {
    pub tag: Tag,
    pub vr: VR,
    pub place: Place,
}

/// Where pixel bytes lie.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Native { offset: u64, len: u64 },
    Encapsulated { offsets: Vec<u32>, fragments: Vec<Fragment> },
}

/// An item or a sequence that is being filled.
enum Open {
    Items { tag: Tag, vr: VR, items: Vec<InMemDicomObject> },
    Elements { elements: Vec<InMemElement>, charset: SpecificCharacterSet },
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
    let mut builder = Builder { open: Vec::new(), kept: 0, skipped: 0 };
    builder.open.push(Open::Elements { elements: Vec::new(), charset: SpecificCharacterSet::ISO_IR_6 });
    let pixels = match fill(&mut builder, &mut scanner, limits) {
        Ok(pixels) => pixels,
        Err(error) => return Err(Rejected { error, series: builder.series() }),
    };
    let mut notes = Vec::new();
    if builder.skipped > 0 {
        notes.push(("large-values-skipped", format!("{} long binary values were not read", builder.skipped)));
    }
    if scanner.ragged {
        notes.push(("ragged-end", "the data set does not end where its last element ends".to_owned()));
    }
    Ok(DataSet { header: builder.finish()?, pixels, notes })
}

/// Walks up to the pixel data. What comes after it (signatures, padding) is not read.
fn fill(builder: &mut Builder, scanner: &mut Scanner<'_>, limits: &Limits) -> Result<Option<PixelElement>> {
    while let Some(token) = scanner.next()? {
        if let Token::Pixels { tag, vr, len } = token {
            let place = place(scanner, len, limits).map_err(|e| e.at(tag))?;
            return Ok(Some(PixelElement { tag, vr, place }));
        }
        builder.take(token, scanner)?;
    }
    Ok(None)
}

fn place(scanner: &mut Scanner<'_>, len: Option<u32>, limits: &Limits) -> Result<Place> {
    if let Some(len) = len {
        let (offset, len) = (scanner.stream.position(), u64::from(len));
        if len > limits.file_bytes {
            return Err(Error::limit(format!("{len} bytes of pixel data, the limit is {}", limits.file_bytes)));
        }
        return Ok(Place::Native { offset, len });
    }
    let (offsets, fragments) = scanner.fragments()?;
    Ok(Place::Encapsulated { offsets, fragments })
}

struct Builder {
    open: Vec<Open>,
    kept: u64,
    skipped: usize,
}

impl Builder {
    fn take(&mut self, token: Token, scanner: &mut Scanner<'_>) -> Result<()> {
        match token {
            Token::Value { tag, vr, len } => self.value(tag, vr, len, scanner).map_err(|e| e.at(tag)),
            Token::ItemPixels { tag, vr } => {
                scanner.fragments()?;
                self.skipped += 1;
                self.add(DataElement::new(tag, vr, PixelFragmentSequence::<Vec<u8>>::new_fragments(Vec::new())))
            }
            Token::SequenceStart { tag, vr } => {
                self.open.push(Open::Items { tag, vr, items: Vec::new() });
                Ok(())
            }
            Token::ItemStart => {
                let charset = self.charset();
                self.open.push(Open::Elements { elements: Vec::new(), charset });
                Ok(())
            }
            Token::ItemEnd | Token::SequenceEnd => self.close(),
            Token::Pixels { .. } => Ok(()),
        }
    }

    fn value(&mut self, tag: Tag, vr: VR, len: u32, scanner: &mut Scanner<'_>) -> Result<()> {
        let is_blob = matches!(vr, VR::OB | VR::OD | VR::OF | VR::OL | VR::OV | VR::OW | VR::UN);
        if is_blob && len > BLOB_BYTES && tag != tags::EXTENDED_OFFSET_TABLE {
            self.skipped += 1;
            return scanner.stream.skip(len.into());
        }
        self.kept = self.kept.saturating_add(len.into());
        if self.kept > HEADER_BYTES {
            return Err(Error::limit(format!("the header holds more than {HEADER_BYTES} bytes")));
        }
        let big = scanner.encoding() == Encoding::ExplicitBig;
        let bytes = scanner.stream.bytes(len.into())?;
        let value = crate::value::decode(vr, bytes, big, &self.charset());
        if tag == tags::SPECIFIC_CHARACTER_SET {
            self.set_charset(&value);
        }
        if tag == tags::PIXEL_REPRESENTATION && scanner.depth() == 0 {
            scanner.signed = value.to_int::<u16>().is_ok_and(|v| v == 1);
        }
        self.add(DataElement::new(tag, vr, value))
    }

    fn charset(&self) -> SpecificCharacterSet {
        let inner = self.open.iter().rev().find_map(|open| match open {
            Open::Elements { charset, .. } => Some(charset.clone()),
            Open::Items { .. } => None,
        });
        inner.unwrap_or(SpecificCharacterSet::ISO_IR_6)
    }

    /// Only the first value counts: dicom-encoding does not switch sets inside a value (ISO 2022).
    fn set_charset(&mut self, value: &PrimitiveValue) {
        let strings = value.to_multi_str();
        let code = strings.iter().map(|code| code.trim()).find(|code| !code.is_empty());
        if let (Some(Open::Elements { charset, .. }), Some(code)) = (self.open.last_mut(), code)
            && let Some(known) = SpecificCharacterSet::from_code(code)
        {
            *charset = known;
        }
    }

    fn add(&mut self, element: InMemElement) -> Result<()> {
        match self.open.last_mut() {
            Some(Open::Elements { elements, .. }) => {
                elements.push(element);
                Ok(())
            }
            _ => Err(Error::malformed("an element outside any item").at(element.tag())),
        }
    }

    fn close(&mut self) -> Result<()> {
        match self.open.pop() {
            Some(Open::Elements { elements, .. }) => match self.open.last_mut() {
                Some(Open::Items { items, .. }) => {
                    items.push(InMemDicomObject::from_element_iter(elements));
                    Ok(())
                }
                _ => Err(Error::malformed("an item outside any sequence")),
            },
            Some(Open::Items { tag, vr, items }) => {
                let sequence = DataSetSequence::new(items, Length::UNDEFINED);
                self.add(DataElement::new(tag, vr, Value::Sequence(sequence)))
            }
            None => Err(Error::malformed("an end without a start")),
        }
    }

    /// Series Instance UID, if it was read.
    fn series(&self) -> Option<String> {
        let Some(Open::Elements { elements, .. }) = self.open.first() else { return None };
        let element = elements.iter().find(|element| element.tag() == tags::SERIES_INSTANCE_UID)?;
        Some(element.to_str().ok()?.trim_matches([' ', '\0']).to_owned())
    }

    /// The outermost object. Pixel data in the root may leave nothing else open.
    fn finish(mut self) -> Result<InMemDicomObject> {
        match (self.open.pop(), self.open.is_empty()) {
            (Some(Open::Elements { elements, .. }), true) => Ok(InMemDicomObject::from_element_iter(elements)),
            _ => Err(Error::malformed("the data set ends inside a sequence")),
        }
    }
}
