//! The header of an instance, as rows for people and as DICOM JSON (PS3.18 Annex F) for programs. What may identify the
//! patient is withheld unless asked for.

mod identifying;
mod json;

use dicom_core::Tag;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::header::Header;
use dicom_core::value::PrimitiveValue;
use dicom_dictionary_std::StandardDataDictionary;
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;

pub use json::json;

/// Characters of a value that are shown.
const SHOWN: usize = 64;
/// Stands for a value that may identify the patient.
const WITHHELD: &str = "(withheld)";

/// One element of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Sequences around the element.
    pub depth: usize,
    /// `(gggg,eeee)`.
    pub tag: String,
    /// Value Representation.
    pub vr: &'static str,
    /// The standard's keyword; the creator's name for a private element.
    pub keyword: String,
    /// The value, shortened to one line.
    pub value: String,
}

/// Every element of a header in the order of tags, items of sequences after their sequence.
pub fn rows(header: &InMemDicomObject, show_patient: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    collect(header, 0, show_patient, &mut rows);
    rows
}

fn collect(object: &InMemDicomObject, depth: usize, show_patient: bool, rows: &mut Vec<Row>) {
    for element in object {
        let (tag, vr) = (element.tag(), element.vr());
        let withheld = !show_patient && identifying::withheld(tag, vr);
        let items = element.value().items();
        let value = match items {
            _ if withheld => WITHHELD.to_owned(),
            Some([_]) => "1 item".to_owned(),
            Some(items) => format!("{} items", items.len()),
            None => element.value().primitive().map_or_else(String::new, shown),
        };
        rows.push(Row { depth, tag: tag.to_string(), vr: vr.to_string(), keyword: keyword(object, tag), value });
        if withheld {
            continue;
        }
        for (i, item) in items.unwrap_or_default().iter().enumerate() {
            let keyword = format!("item {}", i + 1);
            rows.push(Row { depth: depth + 1, tag: String::new(), vr: "", keyword, value: String::new() });
            collect(item, depth + 2, show_patient, rows);
        }
    }
}

/// The keyword of a standard attribute, or who a private one belongs to.
fn keyword(object: &InMemDicomObject, tag: Tag) -> String {
    if identifying::is_creator(tag) {
        return "PrivateCreator".to_owned();
    }
    if tag.group() % 2 == 1 {
        let creator = object.get(Tag(tag.group(), tag.element() >> 8)).and_then(text);
        return creator.map_or_else(|| "private".to_owned(), |name| format!("[{}]", name.trim()));
    }
    let known = StandardDataDictionary.by_tag(tag);
    known.map_or_else(|| "unknown".to_owned(), |entry| entry.alias().to_owned())
}

fn text(element: &InMemElement) -> Option<String> {
    element.value().to_str().ok().map(|text| one_line(&text))
}

/// A value on one line: numbers and text, or the number of bytes.
fn shown(value: &PrimitiveValue) -> String {
    if let PrimitiveValue::U8(bytes) = value {
        return format!("{} bytes", bytes.len());
    }
    // A table of thousands of numbers is not worth their text.
    if value.multiplicity() > SHOWN as u32 {
        return format!("{} values", value.multiplicity());
    }
    let parts = value.to_multi_str();
    let text = one_line(&parts.join("\\"));
    if text.chars().count() <= SHOWN {
        return text;
    }
    text.chars().take(SHOWN - 1).collect::<String>() + "\u{2026}"
}

/// Without what would move a terminal's cursor.
fn one_line(text: &str) -> String {
    let plain = text.trim_matches([' ', '\0']).chars();
    plain.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use dicom_core::{DataElement, VR, dicom_value};
    use dicom_dictionary_std::tags;
    use dicom_object::mem::InMemElement;

    use super::*;

    fn header() -> InMemDicomObject {
        let text = |tag, vr, value: &str| -> InMemElement { DataElement::new(tag, vr, value) };
        let item = InMemDicomObject::from_element_iter([
            text(tags::CODE_VALUE, VR::SH, "T-11"),
            text(tags::PERSON_NAME, VR::PN, "Inner^Name"),
        ]);
        InMemDicomObject::from_element_iter([
            text(tags::MODALITY, VR::CS, "MR"),
            text(tags::PATIENT_NAME, VR::PN, "Outer^Name"),
            text(Tag(0x0029, 0x0010), VR::LO, "SIEMENS CSA"),
            text(Tag(0x0029, 0x1008), VR::CS, "Private^Name"),
            DataElement::new(
                tags::ANATOMIC_REGION_SEQUENCE,
                VR::SQ,
                dicom_core::value::DataSetSequence::from(vec![item]),
            ),
            DataElement::new(tags::PIXEL_SPACING, VR::DS, dicom_value!(Strs, ["0.5", "0.25\u{1b}[2J"])),
        ])
    }

    #[test]
    fn no_name_is_shown_until_it_is_asked_for() {
        let all = |show| format!("{:?}{}", rows(&header(), show), json(&header(), show));
        let text = all(false);
        assert!(!text.contains('\u{1b}'), "no escape reaches a terminal");
        for name in ["Outer^Name", "Inner^Name", "Private^Name"] {
            assert!(!text.contains(name) && all(true).contains(name), "{name}");
        }
    }

    #[test]
    fn sequences_and_private_blocks_are_named() {
        let rows = rows(&header(), false);
        let find = |keyword: &str| rows.iter().find(|row| row.keyword == keyword).expect(keyword);
        assert_eq!(find("PixelSpacing").value, "0.5\\0.25 [2J");
        assert_eq!((find("CodeValue").depth, find("CodeValue").value.as_str()), (2, "T-11"));
        assert_eq!(find("PrivateCreator").value, "SIEMENS CSA");
        assert_eq!(find("[SIEMENS CSA]").value, WITHHELD);
        assert_eq!(find("PatientName").tag, "(0010,0010)");
    }
}
