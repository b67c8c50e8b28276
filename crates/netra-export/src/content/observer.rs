//! The context of a document: its language and who observed.

use netra_core::ModelIdentity;
use netra_dicom::write::{MANUFACTURER, Uids};

use super::item::{Is, Item, Term};

/// Language of the document (PS3.16 TID 1204).
pub(crate) fn language() -> Item {
    let language = Term("121049", "DCM", "Language of Content Item and Descendants");
    Item::code(Is::ConceptModifier, language, Term("en-US", "RFC5646", "English (United States)"))
}

/// Observation context of a device (TID 1002, 1004). The model observes: its UID follows from its digest, so that the same model
/// has the same UID everywhere.
pub(crate) fn observer(model: &ModelIdentity) -> Vec<Item> {
    let attribute = |value, meaning, text: &str| Item::text(Is::ObservationContext, Term(value, "DCM", meaning), text);
    let device = Term("121007", "DCM", "Device");
    let uid = Uids::derived(format!("model {}", model.digest)).uid("device");
    vec![
        Item::code(Is::ObservationContext, Term("121005", "DCM", "Observer Type"), device),
        Item::uid(Is::ObservationContext, Term("121012", "DCM", "Device Observer UID"), &uid),
        attribute("121013", "Device Observer Name", &format!("{} {}", model.name, model.version)),
        attribute("121014", "Device Observer Manufacturer", MANUFACTURER),
        attribute("121015", "Device Observer Model Name", &format!("{} {}", model.id, model.version)),
        attribute("121016", "Device Observer Serial Number", &model.digest),
    ]
}
