//! Value bytes to dicom-rs' primitive values (PS3.5 section 6.2).

use dicom_core::value::{C, PrimitiveValue};
use dicom_core::{Tag, VR};
use dicom_encoding::text::{SpecificCharacterSet, TextCodec};

/// Decodes the value of one element. Bytes that do not fill a last number are dropped: a tolerant reading of odd lengths.
pub(crate) fn decode(vr: VR, bytes: Vec<u8>, big: bool, charset: &SpecificCharacterSet) -> PrimitiveValue {
    if bytes.is_empty() {
        return PrimitiveValue::Empty;
    }
    match vr {
        VR::AT => PrimitiveValue::Tags(
            numbers::<2, u16>(&bytes, big, u16::from_le_bytes, u16::from_be_bytes)
                .chunks_exact(2)
                .map(|pair| Tag(pair[0], pair[1]))
                .collect(),
        ),
        VR::US | VR::OW => PrimitiveValue::U16(numbers(&bytes, big, u16::from_le_bytes, u16::from_be_bytes)),
        VR::SS => PrimitiveValue::I16(numbers(&bytes, big, i16::from_le_bytes, i16::from_be_bytes)),
        VR::UL | VR::OL => PrimitiveValue::U32(numbers(&bytes, big, u32::from_le_bytes, u32::from_be_bytes)),
        VR::SL => PrimitiveValue::I32(numbers(&bytes, big, i32::from_le_bytes, i32::from_be_bytes)),
        VR::UV | VR::OV => PrimitiveValue::U64(numbers(&bytes, big, u64::from_le_bytes, u64::from_be_bytes)),
        VR::SV => PrimitiveValue::I64(numbers(&bytes, big, i64::from_le_bytes, i64::from_be_bytes)),
        VR::FL | VR::OF => PrimitiveValue::F32(numbers(&bytes, big, f32::from_le_bytes, f32::from_be_bytes)),
        VR::FD | VR::OD => PrimitiveValue::F64(numbers(&bytes, big, f64::from_le_bytes, f64::from_be_bytes)),
        VR::OB | VR::UN | VR::SQ => PrimitiveValue::U8(bytes.into()),
        // One value that may hold backslashes.
        VR::LT | VR::ST | VR::UT => PrimitiveValue::Str(text(&bytes, charset)),
        VR::UR => PrimitiveValue::Str(text(&bytes, &SpecificCharacterSet::ISO_IR_6)),
        VR::LO | VR::SH | VR::PN | VR::UC => strings(&bytes, charset),
        // AE AS CS DA DS DT IS TM UI: the default repertoire.
        _ => strings(&bytes, &SpecificCharacterSet::ISO_IR_6),
    }
}

fn numbers<const N: usize, T>(bytes: &[u8], big: bool, little: fn([u8; N]) -> T, be: fn([u8; N]) -> T) -> C<T> {
    let read = if big { be } else { little };
    bytes.chunks_exact(N).filter_map(|chunk| chunk.try_into().ok()).map(read).collect()
}

fn text(bytes: &[u8], charset: &SpecificCharacterSet) -> String {
    charset.decode(bytes).unwrap_or_else(|_| bytes.iter().map(|&b| char::from(b)).collect())
}

fn strings(bytes: &[u8], charset: &SpecificCharacterSet) -> PrimitiveValue {
    let whole = text(bytes, charset);
    if whole.contains('\\') {
        PrimitiveValue::Strs(whole.split('\\').map(str::to_owned).collect())
    } else {
        PrimitiveValue::Str(whole)
    }
}
