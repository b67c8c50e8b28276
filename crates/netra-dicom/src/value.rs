//! Value bytes to dicom-rs' primitive values (PS3.5 section 6.2), by the VR that fits them.

use dicom_core::dictionary::VirtualVr;
use dicom_core::value::{C, PrimitiveValue};
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::mem::InMemElement;

use crate::charset::CharacterSet;
use crate::code::{Code, Notes};
use crate::header;
use crate::token::Element;

/// What a data set says about the values of its elements.
pub(crate) struct Context {
    pub charset: CharacterSet,
    /// Pixel Representation is 1: attributes of VR "US or SS" are SS.
    pub signed: bool,
}

/// Decodes one element. Bytes that do not fill a last number are dropped: a tolerant reading of odd lengths.
pub(crate) fn decode(element: &Element, bytes: Vec<u8>, context: &Context, notes: &mut Notes) -> InMemElement {
    let tag = element.tag;
    let vr = resolve(element, &bytes, context.signed, notes);
    // What once was UN was written in little endian (PS3.5 6.2.2).
    let big = element.big && element.vr != VR::UN;
    let value = if bytes.is_empty() {
        PrimitiveValue::Empty
    } else if let Some(numbers) = binary(vr, &bytes, big) {
        numbers
    } else {
        text(tag, vr, bytes, context, notes)
    };
    DataElement::new(tag, vr, value)
}

/// An integer of any kind, as attributes that steer the walk need it before the character set is known.
pub(crate) fn integer(element: &Element, bytes: &[u8]) -> Option<u32> {
    match element.vr {
        VR::DS | VR::IS => std::str::from_utf8(bytes).ok()?.trim_matches([' ', '\0']).parse().ok(),
        _ if element.big => bytes.get(..2)?.try_into().ok().map(u16::from_be_bytes).map(u32::from),
        _ => bytes.get(..2)?.try_into().ok().map(u16::from_le_bytes).map(u32::from),
    }
}

/// The VR to decode with: that of the file unless the dictionary and the bytes say otherwise.
fn resolve(element: &Element, bytes: &[u8], signed: bool, notes: &mut Notes) -> VR {
    let tag = element.tag;
    let vr = if element.explicit { element.vr } else { header::implicit_vr(tag, signed) };
    // Rows and its like as two words: one number of 32 bits.
    if vr == VR::US && bytes.len() == 4 && is_single(tag) {
        notes.add(Code::VrWrong, || format!("{tag} has VR US and 4 bytes"));
        return VR::UL;
    }
    if !element.explicit {
        return vr;
    }
    let known = match header::dictionary(tag) {
        Some(VirtualVr::Exact(known)) if vr == VR::UN => {
            notes.add(Code::VrUnknown, || format!("{tag} has VR UN, not {}", known.to_string()));
            return if known == VR::SQ { VR::UN } else { known };
        }
        Some(VirtualVr::Exact(known)) => known,
        Some(VirtualVr::Xs) if vr == VR::UN => {
            notes.add(Code::VrUnknown, || format!("{tag} has VR UN, not US or SS"));
            return header::implicit_vr(tag, signed);
        }
        _ => return vr,
    };
    if kind(vr) == kind(known) {
        return vr;
    }
    notes.add(Code::VrWrong, || format!("{tag} has VR {}, not {}", vr.to_string(), known.to_string()));
    let is_number = |text: &[u8]| {
        text.iter().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E' | b' ' | b'\\' | 0))
    };
    match (kind(vr), kind(known)) {
        (Kind::Bytes, _) if known != VR::SQ => known,
        // Digits stay digits, whatever the attribute should be; a binary number under the VR of a text does not.
        (Kind::Text | Kind::Decimal, Kind::Integer | Kind::Float) if !is_number(bytes) || bytes.contains(&0) => known,
        _ => vr,
    }
}

/// Attributes of the image pixel module with one value of VR US.
fn is_single(tag: Tag) -> bool {
    matches!(
        tag,
        tags::ROWS
            | tags::COLUMNS
            | tags::SAMPLES_PER_PIXEL
            | tags::PLANAR_CONFIGURATION
            | tags::BITS_ALLOCATED
            | tags::BITS_STORED
            | tags::HIGH_BIT
            | tags::PIXEL_REPRESENTATION
    )
}

#[derive(PartialEq, Eq)]
enum Kind {
    Text,
    Decimal,
    Integer,
    Float,
    Tags,
    Bytes,
    Items,
}

fn kind(vr: VR) -> Kind {
    use VR::*;
    match vr {
        DS | IS => Kind::Decimal,
        US | SS | UL | SL | UV | SV => Kind::Integer,
        FL | FD => Kind::Float,
        AT => Kind::Tags,
        OB | OW | OF | OD | OL | OV | UN => Kind::Bytes,
        SQ => Kind::Items,
        _ => Kind::Text,
    }
}

/// Numbers and bytes; `None` for text.
fn binary(vr: VR, bytes: &[u8], big: bool) -> Option<PrimitiveValue> {
    Some(match vr {
        VR::AT => PrimitiveValue::Tags(
            numbers::<2, u16>(bytes, big, u16::from_le_bytes, u16::from_be_bytes)
                .chunks_exact(2)
                .map(|pair| Tag(pair[0], pair[1]))
                .collect(),
        ),
        VR::US | VR::OW => PrimitiveValue::U16(numbers(bytes, big, u16::from_le_bytes, u16::from_be_bytes)),
        VR::SS => PrimitiveValue::I16(numbers(bytes, big, i16::from_le_bytes, i16::from_be_bytes)),
        VR::UL | VR::OL => PrimitiveValue::U32(numbers(bytes, big, u32::from_le_bytes, u32::from_be_bytes)),
        VR::SL => PrimitiveValue::I32(numbers(bytes, big, i32::from_le_bytes, i32::from_be_bytes)),
        VR::UV | VR::OV => PrimitiveValue::U64(numbers(bytes, big, u64::from_le_bytes, u64::from_be_bytes)),
        VR::SV => PrimitiveValue::I64(numbers(bytes, big, i64::from_le_bytes, i64::from_be_bytes)),
        VR::FL | VR::OF => PrimitiveValue::F32(numbers(bytes, big, f32::from_le_bytes, f32::from_be_bytes)),
        VR::FD | VR::OD => PrimitiveValue::F64(numbers(bytes, big, f64::from_le_bytes, f64::from_be_bytes)),
        VR::OB | VR::UN | VR::SQ => PrimitiveValue::U8(bytes.into()),
        _ => return None,
    })
}

fn numbers<const N: usize, T>(bytes: &[u8], big: bool, little: fn([u8; N]) -> T, be: fn([u8; N]) -> T) -> C<T> {
    let read = if big { be } else { little };
    bytes.chunks_exact(N).filter_map(|chunk| chunk.try_into().ok()).map(read).collect()
}

fn text(tag: Tag, vr: VR, bytes: Vec<u8>, context: &Context, notes: &mut Notes) -> PrimitiveValue {
    match vr {
        // One value that may hold backslashes.
        VR::LT | VR::ST | VR::UT => PrimitiveValue::Str(context.charset.decode(tag, vr, &bytes, notes)),
        VR::LO | VR::SH | VR::PN | VR::UC => values(context.charset.decode(tag, vr, &bytes, notes)),
        VR::UR => PrimitiveValue::Str(latin(&bytes)),
        VR::DS | VR::IS => values(repair(latin(&bytes), number, Code::NumberRepaired, tag, notes)),
        VR::UI => values(repair(latin(&bytes), uid, Code::UidRepaired, tag, notes)),
        // AE AS CS DA DT TM: the default repertoire.
        _ => values(latin(&bytes)),
    }
}

fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|&b| char::from(b)).collect()
}

fn values(whole: String) -> PrimitiveValue {
    if whole.contains('\\') {
        PrimitiveValue::Strs(whole.split('\\').map(str::to_owned).collect())
    } else {
        PrimitiveValue::Str(whole)
    }
}

/// Every value of `whole` after `fix`, which returns `None` for one that needs none.
fn repair(whole: String, fix: fn(&str) -> Option<String>, code: Code, tag: Tag, notes: &mut Notes) -> String {
    let fixed: Vec<Option<String>> = whole.split('\\').map(fix).collect();
    if fixed.iter().all(Option::is_none) {
        return whole;
    }
    notes.add(code, || format!("{tag} was read as meant"));
    let pairs = whole.split('\\').zip(fixed);
    pairs.map(|(raw, fixed)| fixed.unwrap_or_else(|| raw.to_owned())).collect::<Vec<_>>().join("\\")
}

/// A number with a decimal comma, a blank behind its sign, control characters around it, or the exponent of Fortran;
/// `None` when it is fine or hopeless.
fn number(raw: &str) -> Option<String> {
    let trimmed = raw.trim_matches([' ', '\0']);
    if trimmed.is_empty() || trimmed.parse::<f64>().is_ok() {
        return None;
    }
    let inner = trimmed.trim_matches(['\t', '\r', '\n', ' ', '\0']);
    let (sign, digits) = inner.split_at(usize::from(inner.starts_with(['+', '-'])));
    let mut text = format!("{sign}{}", digits.trim_start()).replace(['d', 'D'], "E");
    if text.matches(',').count() == 1 && !text.contains('.') {
        text = text.replace(',', ".");
    }
    text.parse::<f64>().is_ok().then_some(text)
}

/// A UID with blanks around or inside; padding with one NUL is as it should be.
fn uid(raw: &str) -> Option<String> {
    let body = raw.strip_suffix('\0').unwrap_or(raw);
    let is_blank = |c: char| matches!(c, ' ' | '\0' | '\t' | '\r' | '\n');
    body.contains(is_blank).then(|| body.replace(is_blank, ""))
}
