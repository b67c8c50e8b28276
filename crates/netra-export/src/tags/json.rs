//! The DICOM JSON model (PS3.18 Annex F).

use dicom_core::VR;
use dicom_core::header::Header;
use dicom_core::value::PrimitiveValue;
use dicom_object::InMemDicomObject;
use serde_json::{Map, Number, Value, json};

use super::identifying::withheld;
use crate::base64;

/// Bytes beyond which a binary value is left out, its length told instead (`"length"`, an extension of the model).
const INLINE: usize = 4096;

/// A header as one object of the DICOM JSON model. A withheld value is an attribute with `"withheld": true` and no value.
pub fn json(header: &InMemDicomObject, show_patient: bool) -> Value {
    let mut object = Map::new();
    for element in header {
        let (tag, vr) = (element.tag(), element.vr());
        let mut attribute = Map::new();
        attribute.insert("vr".to_owned(), vr.to_string().into());
        if !show_patient && withheld(tag, vr) {
            attribute.insert("withheld".to_owned(), true.into());
        } else if let Some(items) = element.value().items() {
            let items: Vec<Value> = items.iter().map(|item| json(item, show_patient)).collect();
            attribute.insert("Value".to_owned(), items.into());
        } else if let Some(value) = element.value().primitive() {
            attribute.extend(primitive(vr, value));
        }
        object.insert(format!("{:04X}{:04X}", tag.group(), tag.element()), attribute.into());
    }
    object.into()
}

/// `Value` or `InlineBinary`; nothing for an empty value.
fn primitive(vr: VR, value: &PrimitiveValue) -> Option<(String, Value)> {
    let is_binary = matches!(vr, VR::OB | VR::OD | VR::OF | VR::OL | VR::OV | VR::OW | VR::UN);
    if value.multiplicity() == 0 {
        return None;
    }
    if is_binary {
        let bytes = value.to_bytes();
        return Some(if bytes.len() > INLINE {
            ("length".to_owned(), bytes.len().into())
        } else {
            ("InlineBinary".to_owned(), base64::encode(&bytes).into())
        });
    }
    let texts = value.to_multi_str();
    let values: Vec<Value> = texts.iter().map(|text| one(vr, text.trim_matches([' ', '\0']))).collect();
    Some(("Value".to_owned(), values.into()))
}

fn one(vr: VR, text: &str) -> Value {
    let number = || match text.parse::<i64>() {
        // JSON knows a negative zero, an integer does not.
        Ok(whole) if whole != 0 || !text.starts_with('-') => Some(whole.into()),
        _ => text.parse().ok().and_then(Number::from_f64),
    };
    match vr {
        _ if text.is_empty() => Value::Null,
        VR::DS | VR::IS | VR::FL | VR::FD | VR::SL | VR::SS | VR::SV | VR::UL | VR::US | VR::UV => {
            // Not a number as the standard means it: its text, as Annex F.2.3 allows.
            number().map_or_else(|| text.into(), Value::Number)
        }
        VR::PN => {
            let groups = ["Alphabetic", "Ideographic", "Phonetic"].into_iter().zip(text.split('='));
            groups.filter(|(_, name)| !name.is_empty()).map(|(group, name)| (group.to_owned(), json!(name))).collect()
        }
        VR::AT => text.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_uppercase().into(),
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use dicom_core::{DataElement, dicom_value};
    use dicom_dictionary_std::tags;

    use super::*;

    #[test]
    fn values_have_the_form_of_the_model() {
        let header = InMemDicomObject::from_element_iter([
            DataElement::new(tags::PATIENT_NAME, VR::PN, dicom_value!(Str, "A^B=C")),
            DataElement::new(tags::ROWS, VR::US, dicom_value!(U16, [512])),
            DataElement::new(tags::PIXEL_SPACING, VR::DS, dicom_value!(Strs, ["0.5", "1 "])),
            DataElement::new(tags::ICC_PROFILE, VR::OB, dicom_value!(U8, [1, 2, 3, 255])),
            DataElement::new(tags::MODALITY, VR::CS, dicom_core::PrimitiveValue::Empty),
        ]);
        let expected = json!({
            "00080060": {"vr": "CS"},
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B", "Ideographic": "C"}]},
            "00280010": {"vr": "US", "Value": [512]},
            "00280030": {"vr": "DS", "Value": [0.5, 1]},
            "00282000": {"vr": "OB", "InlineBinary": "AQID/w=="},
        });
        assert_eq!(super::json(&header, true), expected);
    }
}
