//! What may identify a patient: the attributes of PS3.15 Table E.1-1 but its UIDs (which this program shows everywhere), and
//! some more, since a table that is too long harms nobody.

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;

/// Groups of which everything is withheld: patient, clinical trial, study, visit, interpretation.
const GROUPS: [u16; 5] = [0x0010, 0x0012, 0x0032, 0x0038, 0x4008];

/// The rest of the table by group; what its VR gives away already (see [`withheld`]) is left out. References to other
/// instances and the content of reports are shown: what they hold is judged element by element.
#[rustfmt::skip]
const LISTED: &[(u16, &[u16])] = &[
    (0x0008, &[
        0x0050, 0x0080, 0x0082, 0x0094, 0x0096, 0x009D, 0x0201, 0x1010, 0x1030, 0x103E, 0x1040, 0x1041, 0x1049, 0x1052,
        0x1062, 0x1072, 0x1080, 0x1084, 0x1088, 0x1120, 0x1301, 0x1302, 0x1303, 0x1304
    ]),
    (0x0016, &[
        0x002B, 0x004B, 0x004E, 0x0070, 0x0071, 0x0072, 0x0073, 0x0074, 0x0075, 0x0076, 0x0079, 0x007A, 0x007B, 0x007C,
        0x007D, 0x007E, 0x007F, 0x0080, 0x0081, 0x0083, 0x0084, 0x0085, 0x0086, 0x0087, 0x0088, 0x0089, 0x008A, 0x008B,
        0x008C, 0x008E
    ]),
    (0x0018, &[
        0x0010, 0x1000, 0x1004, 0x1005, 0x1007, 0x1008, 0x100A, 0x1010, 0x1011, 0x1030, 0x11BB, 0x1400, 0x5011, 0x700A,
        0x9937
    ]),
    (0x0020, &[0x0010, 0x0027, 0x3401, 0x3406]),
    (0x0034, &[0x0001, 0x0002, 0x0005, 0x0007]),
    (0x003A, &[0x0020, 0x0203, 0x020C]),
    (0x0040, &[
        0x0007, 0x0009, 0x000B, 0x0010, 0x0011, 0x0012, 0x0242, 0x0243, 0x0253, 0x0254, 0x0275, 0x050A, 0x0512, 0x0513,
        0x051A, 0x0551, 0x0555, 0x0562, 0x0600, 0x0610, 0x06FA, 0x1001, 0x1002, 0x1004, 0x1005, 0x100A, 0x1011, 0x1101,
        0x1103, 0x2001, 0x2009, 0x2010, 0x2016, 0x2017, 0x3001, 0x4025, 0x4027, 0x4028, 0x4030, 0x4034, 0x4035, 0x4036,
        0xA027, 0xA034, 0xA035, 0xA073, 0xA078, 0xA07A, 0xA07C, 0xA088, 0xA354, 0xA358, 0xB020, 0xB034, 0xB036, 0xB03B,
        0xB03F, 0xE012
    ]),
    (0x0042, &[0x0011]),
    (0x0050, &[0x001B, 0x0020]),
    (0x006A, &[0x0005]),
    (0x0070, &[0x0001, 0x0086]),
    (0x0072, &[0x0065, 0x0066, 0x006C, 0x006D]),
    (0x0088, &[0x0200, 0x0904, 0x0910, 0x0912]),
    (0x0400, &[0x0115, 0x0310, 0x0402, 0x0403, 0x0404, 0x0550, 0x0551, 0x0552, 0x0561, 0x0563, 0x0564, 0x0565, 0x0600]),
    (0x2030, &[0x0020]),
    (0x3002, &[0x0121]),
    (0x3006, &[0x0002, 0x0004, 0x0026, 0x0038, 0x004D, 0x004E, 0x0085]),
    (0x3008, &[0x0105]),
    (0x300A, &[
        0x0002, 0x0003, 0x000B, 0x0016, 0x0072, 0x00B2, 0x0216, 0x0608, 0x0611, 0x0615, 0x0619, 0x0623, 0x062A, 0x067C,
        0x079A
    ]),
    (0x300C, &[0x0113]),
    (0x3010, &[0x002D, 0x0033, 0x0034, 0x0035, 0x0036, 0x0038, 0x0054, 0x0056, 0x0077, 0x0081]),
    (0xFFFA, &[0xFFFA]),
    (0xFFFC, &[0xFFFC]),
];

/// Whether the value of an element, and all below it, is withheld. Names, dates, times, ages, addresses of applications and
/// free text always are; so is text under a private tag, of which nobody knows what it holds.
pub(super) fn withheld(tag: Tag, vr: VR) -> bool {
    // A file may call a name UN: the dictionary knows better.
    let standard = StandardDataDictionary.by_tag(tag).map(|entry| entry.vr().relaxed());
    let by_vr = tells(vr) || standard.is_some_and(tells);
    by_vr || GROUPS.contains(&tag.group()) || is_listed(tag) || (is_private(tag) && may_hold_text(vr))
}

/// Whether a VR alone tells that values may identify.
fn tells(vr: VR) -> bool {
    matches!(vr, VR::PN | VR::DA | VR::DT | VR::TM | VR::AS | VR::AE | VR::LT | VR::ST | VR::UT | VR::UC | VR::UR)
}

/// A private element, but not the reservation of a block, which names its creator (PS3.5 section 7.8.1).
fn is_private(tag: Tag) -> bool {
    tag.group() % 2 == 1 && !is_creator(tag)
}

/// The reservation of a block of private elements.
pub(super) fn is_creator(tag: Tag) -> bool {
    tag.group() % 2 == 1 && (0x0010..=0x00FF).contains(&tag.element())
}

fn is_listed(tag: Tag) -> bool {
    let group = LISTED.iter().find(|(group, _)| *group == tag.group());
    group.is_some_and(|(_, elements)| elements.contains(&tag.element()))
}

fn may_hold_text(vr: VR) -> bool {
    matches!(vr, VR::LO | VR::SH | VR::CS | VR::OB | VR::OW | VR::UN)
}

#[cfg(test)]
mod tests {
    use dicom_dictionary_std::tags;

    use super::*;

    #[test]
    fn who_and_when_is_withheld_and_how_is_shown() {
        for (tag, vr) in [
            (tags::PATIENT_NAME, VR::PN),
            (tags::PATIENT_ID, VR::LO),
            (tags::PATIENT_SEX, VR::CS),
            (tags::STUDY_DATE, VR::DA),
            (tags::ACCESSION_NUMBER, VR::SH),
            (tags::INSTITUTION_NAME, VR::LO),
            (tags::STATION_NAME, VR::SH),
            (tags::STUDY_DESCRIPTION, VR::LO),
            (tags::REQUEST_ATTRIBUTES_SEQUENCE, VR::SQ),
            (tags::IMAGE_COMMENTS, VR::LT),
            (tags::REFERRING_PHYSICIAN_NAME, VR::UN),
            (Tag(0x0029, 0x1020), VR::OB),
            (Tag(0x0009, 0x1001), VR::LO),
        ] {
            assert!(withheld(tag, vr), "{tag} {vr:?}");
        }
        for (tag, vr) in [
            (tags::MODALITY, VR::CS),
            (tags::MANUFACTURER, VR::LO),
            (tags::SERIES_INSTANCE_UID, VR::UI),
            (tags::REFERENCED_IMAGE_SEQUENCE, VR::SQ),
            (tags::IMAGE_POSITION_PATIENT, VR::DS),
            (Tag(0x0029, 0x0010), VR::LO),
            (Tag(0x0043, 0x1030), VR::SS),
        ] {
            assert!(!withheld(tag, vr), "{tag} {vr:?}");
        }
    }
}
