//! How grey values are shown: Modality LUT, Softcopy VOI LUT and Softcopy Presentation LUT (PS3.3 C.11.1, C.11.8, C.11.6), as the
//! source has them. A presentation state replaces all three.

use dicom_core::value::PrimitiveValue;
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{Error, Result, SourceFrame};
use netra_dicom::write::element::{ds, first_text, items, numbers, sequence, text};

use super::Frame;
use crate::planes::{SourcePlanes, group_or_root};

/// Fails as [`Modality::of_all`] does.
pub(super) fn put(object: &mut InMemDicomObject, planes: &SourcePlanes<'_>, frames: &[Frame<'_>]) -> Result<()> {
    Modality::of_all(frames)?.put(object);

    let mut shown: Vec<(Voi, Vec<&SourceFrame>)> = Vec::new();
    for frame in frames {
        let Some(own) = Voi::of(frame)? else { continue };
        match shown.iter_mut().find(|(voi, _)| *voi == own) {
            Some((_, frames)) => frames.push(frame.source),
            None => shown.push((own, vec![frame.source])),
        }
    }
    let item = |(voi, shown): (Voi, Vec<&SourceFrame>)| {
        let mut item = voi.item();
        if shown.len() < frames.len() {
            sequence(&mut item, tags::REFERENCED_IMAGE_SEQUENCE, planes.references(shown));
        }
        item
    };
    if !shown.is_empty() {
        sequence(object, tags::SOFTCOPY_VOILUT_SEQUENCE, shown.into_iter().map(item).collect());
    }

    let inverse = first_text(planes.header, tags::PHOTOMETRIC_INTERPRETATION).as_deref() == Some("MONOCHROME1");
    text(object, tags::PRESENTATION_LUT_SHAPE, VR::CS, if inverse { "INVERSE" } else { "IDENTITY" });
    Ok(())
}

/// Stored values to modality values.
#[derive(PartialEq)]
pub(super) enum Modality {
    Stored,
    Linear { slope: f64, intercept: f64, unit: String },
    Table { lut: Lut, unit: String },
}

impl Modality {
    /// What all frames share. Fails with `Unsupported` when they do not: a state has one for all of its images.
    pub fn of_all(frames: &[Frame<'_>]) -> Result<Self> {
        let mut shared = None;
        for frame in frames {
            let own = Self::of(frame)?;
            if shared.as_ref().is_some_and(|shared| *shared != own) {
                let text = "the frames are rescaled each by its own factor, and a presentation state has one for all";
                return Err(Error::unsupported(text).at(&frame.source.sop_instance_uid));
            }
            shared = Some(own);
        }
        shared.ok_or_else(|| Error::invalid("a source without frames"))
    }

    fn of(frame: &Frame<'_>) -> Result<Self> {
        if let Some(item) = items(frame.header, tags::MODALITY_LUT_SEQUENCE).first() {
            let unit = first_text(item, tags::MODALITY_LUT_TYPE).unwrap_or_else(|| "US".to_owned());
            let lut = Lut::read(item)?;
            // C.11.1.1.1; to write it with more would move its values in their range, which is all of the display without a window.
            if !matches!(lut.bits, 8 | 16) {
                let text = format!("a modality table of {} bits, and a presentation state has 8 or 16", lut.bits);
                return Err(Error::unsupported(text).at(&frame.source.sop_instance_uid));
            }
            return Ok(Self::Table { lut, unit });
        }
        let group = |tag| {
            let sequence = tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE;
            group_or_root(frame.header, frame.source.frame, sequence, |group| first_text(group, tag).is_some())
        };
        let number = |tag| group(tag).and_then(|group| numbers(group, tag)).map(|values| values[0]);
        let (slope, intercept) = (number(tags::RESCALE_SLOPE), number(tags::RESCALE_INTERCEPT));
        if slope.is_none() && intercept.is_none() {
            return Ok(Self::Stored);
        }
        let stated = group(tags::RESCALE_TYPE).and_then(|group| first_text(group, tags::RESCALE_TYPE));
        // Hounsfield units are the default of CT, nothing specified that of all else (C.11.1.1.2).
        let is_ct = first_text(frame.header, tags::MODALITY).as_deref() == Some("CT");
        let unit = stated.unwrap_or_else(|| if is_ct { "HU" } else { "US" }.to_owned());
        Ok(Self::Linear { slope: slope.unwrap_or(1.0), intercept: intercept.unwrap_or(0.0), unit })
    }

    fn put(self, object: &mut InMemDicomObject) {
        match self {
            Self::Stored => {}
            Self::Linear { slope, intercept, unit } => {
                ds(object, tags::RESCALE_SLOPE, &[slope]);
                ds(object, tags::RESCALE_INTERCEPT, &[intercept]);
                text(object, tags::RESCALE_TYPE, VR::LO, &unit);
            }
            Self::Table { lut, unit } => {
                let mut item = lut.item();
                text(&mut item, tags::MODALITY_LUT_TYPE, VR::LO, &unit);
                sequence(object, tags::MODALITY_LUT_SEQUENCE, vec![item]);
            }
        }
    }
}

/// Modality values to those of the display.
#[derive(PartialEq)]
enum Voi {
    Table(Lut),
    Window { centre: f64, width: f64, function: Option<String> },
}

impl Voi {
    /// The VOI LUT of a frame, else its first window; none where that is too narrow to be one.
    fn of(frame: &Frame<'_>) -> Result<Option<Self>> {
        let holds = |group: &InMemDicomObject| {
            !items(group, tags::VOILUT_SEQUENCE).is_empty() || numbers(group, tags::WINDOW_CENTER).is_some()
        };
        let Some(group) = group_or_root(frame.header, frame.source.frame, tags::FRAME_VOILUT_SEQUENCE, holds) else {
            return Ok(None);
        };
        if let Some(item) = items(group, tags::VOILUT_SEQUENCE).first() {
            return Ok(Some(Self::Table(Lut::read(item)?)));
        }
        let first = |tag| numbers(group, tag).map(|values| values[0]);
        let window = first(tags::WINDOW_CENTER).zip(first(tags::WINDOW_WIDTH));
        let function = first_text(group, tags::VOILUT_FUNCTION);
        let narrowest = if function.as_deref().is_none_or(|name| name == "LINEAR") { 1.0 } else { f64::MIN_POSITIVE };
        let window = window.filter(|(_, width)| *width >= narrowest);
        Ok(window.map(|(centre, width)| Self::Window { centre, width, function }))
    }

    fn item(self) -> InMemDicomObject {
        let mut item = InMemDicomObject::new_empty();
        match self {
            Self::Table(lut) => sequence(&mut item, tags::VOILUT_SEQUENCE, vec![lut.spread().item()]),
            Self::Window { centre, width, function } => {
                ds(&mut item, tags::WINDOW_CENTER, &[centre]);
                ds(&mut item, tags::WINDOW_WIDTH, &[width]);
                if let Some(function) = function {
                    text(&mut item, tags::VOILUT_FUNCTION, VR::CS, &function);
                }
            }
        }
        item
    }
}

/// A look-up table, without what its maker says of it.
#[derive(PartialEq)]
pub(super) struct Lut {
    /// The stored value that the first number is for, and its VR: US, or SS where stored values have a sign.
    first: (VR, i32),
    /// Bits of a number: their range is that of the output.
    bits: u16,
    numbers: Vec<u16>,
}

impl Lut {
    fn read(item: &InMemDicomObject) -> Result<Self> {
        let malformed = |what: &str| Error::malformed(format!("a look-up table {what}")).at(tags::LUT_DESCRIPTOR);
        let descriptor = item.get(tags::LUT_DESCRIPTOR).and_then(|e| Some((e.vr(), e.to_multi_int::<i32>().ok()?)));
        let Some((vr, [count, first, bits])) = descriptor.and_then(|(vr, d)| Some((vr, <[i32; 3]>::try_from(d).ok()?)))
        else {
            return Err(malformed("without descriptor"));
        };
        // 16 bits, whatever their sign; 0 stands for 65,536.
        let count = match count & 0xFFFF {
            0 => 65_536,
            count => count as usize,
        };
        let words = match item.get(tags::LUT_DATA).and_then(|element| element.value().primitive()) {
            Some(PrimitiveValue::U16(words)) => words.to_vec(),
            Some(PrimitiveValue::I16(words)) => words.iter().map(|&word| word as u16).collect(),
            Some(PrimitiveValue::U8(bytes)) => {
                bytes.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect()
            }
            _ => return Err(malformed("without numbers")),
        };
        // Numbers of 8 bits may stand two in a word, the first in its low byte (PS3.3 C.11.1.1.1).
        let mut numbers = if words.len() < count {
            words.iter().flat_map(|word| word.to_le_bytes()).map(u16::from).collect()
        } else {
            words
        };
        let bits = u16::try_from(bits).ok().filter(|bits| (1..=16).contains(bits));
        let Some(bits) = bits.filter(|_| numbers.len() >= count) else { return Err(malformed("of another length")) };
        numbers.truncate(count);
        Ok(Self { first: (vr, first), bits, numbers })
    }

    /// With numbers of 16 bits, as a presentation state has them next to 8 (C.11.2.1.1): their range is the display's.
    fn spread(mut self) -> Self {
        let scale = 65_535.0 / f64::from((1u32 << self.bits) - 1);
        self.bits = 16;
        self.numbers.iter_mut().for_each(|number| *number = (f64::from(*number) * scale).round() as u16);
        self
    }

    /// The numbers are written as OW: 65,536 of them have no 16-bit length, as US asks for.
    fn item(self) -> InMemDicomObject {
        let (vr, first) = self.first;
        // Truncated to 16 bits: 65,536 numbers are written as 0, a sign as its bits.
        let descriptor = [self.numbers.len() as u16, first as u16, self.bits];
        let descriptor = match vr {
            VR::SS => PrimitiveValue::I16(descriptor.map(|word| word as i16).as_slice().into()),
            _ => PrimitiveValue::U16(descriptor.as_slice().into()),
        };
        let vr = if vr == VR::SS { VR::SS } else { VR::US };
        let mut item = InMemDicomObject::new_empty();
        item.put(DataElement::new(tags::LUT_DESCRIPTOR, vr, descriptor));
        item.put(DataElement::new(tags::LUT_DATA, VR::OW, PrimitiveValue::U16(self.numbers.into())));
        item
    }
}
