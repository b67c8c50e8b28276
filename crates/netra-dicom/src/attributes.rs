//! Typed, tolerant access to attributes: absent, empty and unreadable values are `None` alike.

use dicom_core::Tag;
use dicom_object::InMemDicomObject;

/// The first value as trimmed text.
pub(crate) fn text(object: &InMemDicomObject, tag: Tag) -> Option<String> {
    texts(object, tag).into_iter().next().filter(|text| !text.is_empty())
}

/// All values as trimmed text.
pub(crate) fn texts(object: &InMemDicomObject, tag: Tag) -> Vec<String> {
    let trimmed = |s: &String| s.trim_matches([' ', '\0']).to_owned();
    object
        .get(tag)
        .and_then(|e| e.value().to_multi_str().ok())
        .map(|s| s.iter().map(trimmed).collect())
        .unwrap_or_default()
}

/// The first value as a finite number.
pub(crate) fn number(object: &InMemDicomObject, tag: Tag) -> Option<f64> {
    numbers(object, tag).and_then(|numbers| numbers.into_iter().next())
}

/// All values as finite numbers; `None` when one of them is none.
pub(crate) fn numbers(object: &InMemDicomObject, tag: Tag) -> Option<Vec<f64>> {
    let numbers: Option<Vec<f64>> =
        texts(object, tag).iter().map(|text| text.parse().ok().filter(|v: &f64| v.is_finite())).collect();
    numbers.filter(|numbers| !numbers.is_empty())
}

/// `N` finite numbers.
pub(crate) fn array<const N: usize>(object: &InMemDicomObject, tag: Tag) -> Option<[f64; N]> {
    numbers(object, tag)?.try_into().ok()
}

/// The first value as an unsigned integer; `12.0` is one.
pub(crate) fn integer(object: &InMemDicomObject, tag: Tag) -> Option<u32> {
    let text = text(object, tag)?;
    let whole = |v: &f64| v.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(v);
    text.parse().ok().or_else(|| text.parse().ok().filter(whole).map(|v| v as u32))
}

/// The items of a sequence.
pub(crate) fn items(object: &InMemDicomObject, tag: Tag) -> &[InMemDicomObject] {
    object.get(tag).and_then(|element| element.value().items()).unwrap_or_default()
}

/// 16-bit table entries (LUT data of VR US, SS or OW; 8-bit ones when the file wrote OB).
pub(crate) fn table(object: &InMemDicomObject, tag: Tag) -> Option<Vec<u16>> {
    use dicom_core::PrimitiveValue as P;
    match object.get(tag)?.value().primitive()? {
        P::U16(words) => Some(words.to_vec()),
        P::I16(words) => Some(words.iter().map(|&w| w as u16).collect()),
        P::U8(bytes) => Some(bytes.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect()),
        _ => None,
    }
}
