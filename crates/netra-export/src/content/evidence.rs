//! The instances that a document refers to, by study and series (PS3.3 table C.17-3a).

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_dicom::write::element::{first_text, sequence, text};

use crate::planes::refer_to_instance;

/// Instances of the source's study, series by series.
#[derive(Default)]
pub(crate) struct Evidence(Vec<InMemDicomObject>);

impl Evidence {
    /// Adds a series with instances of it: (SOP Class UID, SOP Instance UID).
    pub fn add<'u>(&mut self, series: &str, instances: impl IntoIterator<Item = (&'u str, &'u str)>) {
        let references = instances.into_iter().map(|(class, instance)| {
            let mut reference = InMemDicomObject::new_empty();
            refer_to_instance(&mut reference, class, instance);
            reference
        });
        let mut item = InMemDicomObject::new_empty();
        sequence(&mut item, tags::REFERENCED_SOP_SEQUENCE, references.collect());
        text(&mut item, tags::SERIES_INSTANCE_UID, VR::UI, series);
        self.0.push(item);
    }

    /// Puts the sequence `tag`, of the study that `header` belongs to, when there is anything to list.
    pub fn put(self, object: &mut InMemDicomObject, tag: Tag, header: &InMemDicomObject) {
        if self.0.is_empty() {
            return;
        }
        let mut study = InMemDicomObject::new_empty();
        let uid = first_text(header, tags::STUDY_INSTANCE_UID).unwrap_or_default();
        text(&mut study, tags::STUDY_INSTANCE_UID, VR::UI, &uid);
        sequence(&mut study, tags::REFERENCED_SERIES_SEQUENCE, self.0);
        sequence(object, tag, vec![study]);
    }
}
