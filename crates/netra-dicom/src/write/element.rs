//! Small functions that put one attribute into a data set.

use dicom_core::value::{PrimitiveValue, Value};
use dicom_core::{DataElement, Length, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::CodedConcept;

use super::value::{decimal, fitted, obeys};

/// Puts text of any textual representation; what does not fit `vr` is cut, and an empty text gives an empty value.
pub fn text(object: &mut InMemDicomObject, tag: Tag, vr: VR, value: &str) {
    let value = fitted(vr, value);
    let value = if value.is_empty() { PrimitiveValue::Empty } else { PrimitiveValue::from(value) };
    object.put(DataElement::new(tag, vr, value));
}

/// Puts several values of text, each cut to fit `vr`.
pub fn texts<S: AsRef<str>>(object: &mut InMemDicomObject, tag: Tag, vr: VR, values: &[S]) {
    let values: Vec<String> = values.iter().map(|value| fitted(vr, value.as_ref())).collect();
    object.put(DataElement::new(tag, vr, PrimitiveValue::Strs(values.into())));
}

/// Puts an attribute without value, as type 2 asks when nothing is known.
pub fn empty(object: &mut InMemDicomObject, tag: Tag, vr: VR) {
    object.put(DataElement::new(tag, vr, PrimitiveValue::Empty));
}

/// Puts unsigned 16-bit numbers (US).
pub fn us(object: &mut InMemDicomObject, tag: Tag, values: &[u16]) {
    object.put(DataElement::new(tag, VR::US, PrimitiveValue::U16(values.into())));
}

/// Puts unsigned 32-bit numbers (UL).
pub fn ul(object: &mut InMemDicomObject, tag: Tag, values: &[u32]) {
    object.put(DataElement::new(tag, VR::UL, PrimitiveValue::U32(values.into())));
}

/// Puts signed 32-bit numbers (SL).
pub fn sl(object: &mut InMemDicomObject, tag: Tag, values: &[i32]) {
    object.put(DataElement::new(tag, VR::SL, PrimitiveValue::I32(values.into())));
}

/// Puts decimal strings (DS) of at most 16 characters each.
pub fn ds(object: &mut InMemDicomObject, tag: Tag, values: &[f64]) {
    let values: Vec<String> = values.iter().map(|&value| decimal(value)).collect();
    object.put(DataElement::new(tag, VR::DS, PrimitiveValue::Strs(values.into())));
}

/// Puts floating-point numbers of 32 bits (FL).
pub fn fl(object: &mut InMemDicomObject, tag: Tag, values: &[f32]) {
    object.put(DataElement::new(tag, VR::FL, PrimitiveValue::F32(values.into())));
}

/// Puts floating-point numbers of 64 bits (FD).
pub fn fd(object: &mut InMemDicomObject, tag: Tag, values: &[f64]) {
    object.put(DataElement::new(tag, VR::FD, PrimitiveValue::F64(values.into())));
}

/// Puts an integer string (IS).
pub fn is(object: &mut InMemDicomObject, tag: Tag, value: i32) {
    text(object, tag, VR::IS, &value.to_string());
}

/// Puts a pointer to an attribute (AT).
pub fn at(object: &mut InMemDicomObject, tag: Tag, value: Tag) {
    object.put(DataElement::new(tag, VR::AT, PrimitiveValue::Tags([value].as_slice().into())));
}

/// Puts a sequence of items (SQ).
pub fn sequence(object: &mut InMemDicomObject, tag: Tag, items: Vec<InMemDicomObject>) {
    object.put(DataElement::new(tag, VR::SQ, Value::new_sequence(items, Length::UNDEFINED)));
}

/// Puts a code sequence of one item (PS3.3 8.8).
pub fn code(object: &mut InMemDicomObject, tag: Tag, concept: &CodedConcept) {
    sequence(object, tag, vec![code_item(concept)]);
}

/// One item of a code sequence. A code value over 16 characters goes to Long Code Value, as PS3.3 table 8.8-1 asks.
pub fn code_item(concept: &CodedConcept) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    if concept.value.chars().count() <= 16 {
        text(&mut item, tags::CODE_VALUE, VR::SH, &concept.value);
    } else {
        text(&mut item, tags::LONG_CODE_VALUE, VR::UC, &concept.value);
    }
    text(&mut item, tags::CODING_SCHEME_DESIGNATOR, VR::SH, &concept.scheme);
    text(&mut item, tags::CODE_MEANING, VR::LO, &concept.meaning);
    item
}

/// A concept of the DICOM Controlled Terminology (PS3.16 annex D).
pub fn dcm(value: &str, meaning: &str) -> CodedConcept {
    CodedConcept { value: value.to_owned(), scheme: "DCM".to_owned(), meaning: meaning.to_owned() }
}

/// The first value of `tag` as trimmed text; `None` when the attribute is absent or empty.
pub fn first_text(object: &InMemDicomObject, tag: Tag) -> Option<String> {
    let values = object.get(tag)?.to_multi_str().ok()?;
    let value = values.first()?.trim_matches([' ', '\0']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// The values of `tag` as numbers; `None` when absent, empty or not numbers.
pub fn numbers(object: &InMemDicomObject, tag: Tag) -> Option<Vec<f64>> {
    let values = object.get(tag)?.to_multi_float64().ok()?;
    (!values.is_empty() && values.iter().all(|v| v.is_finite())).then_some(values)
}

/// The items of the sequence `tag`; none when it is absent.
pub fn items(object: &InMemDicomObject, tag: Tag) -> &[InMemDicomObject] {
    object.get(tag).and_then(|element| element.items()).unwrap_or_default()
}

/// Copies the text of `tag` when every value of the source obeys `vr`; says whether it did.
pub fn copy(target: &mut InMemDicomObject, source: &InMemDicomObject, tag: Tag, vr: VR) -> bool {
    let Some(Ok(values)) = source.get(tag).map(|element| element.to_multi_str()) else { return false };
    let values: Vec<String> = values.iter().map(|v| v.trim_end_matches([' ', '\0']).to_owned()).collect();
    if values.iter().all(String::is_empty) || !values.iter().all(|value| obeys(vr, value)) {
        return false;
    }
    target.put(DataElement::new(tag, vr, PrimitiveValue::Strs(values.into())));
    true
}

/// Copies a type 2 attribute: empty when the source has none, or one that does not obey `vr`.
pub fn copy_or_empty(target: &mut InMemDicomObject, source: &InMemDicomObject, tag: Tag, vr: VR) {
    if !copy(target, source, tag, vr) {
        empty(target, tag, vr);
    }
}

/// Copies a sequence as it stands; says whether the source has it with at least one item.
pub fn copy_sequence(target: &mut InMemDicomObject, source: &InMemDicomObject, tag: Tag) -> bool {
    match source.get(tag) {
        Some(element) if element.vr() == VR::SQ && element.items().is_some_and(|items| !items.is_empty()) => {
            target.put(element.clone());
            true
        }
        _ => false,
    }
}
