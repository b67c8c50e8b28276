//! Who and where: the modules that a DICOM result shares with every other one.

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{ModelIdentity, Result};
use netra_dicom::write::element::{is, text};
use netra_dicom::write::module;

use crate::ResultSet;

/// What stands over every result of a model.
pub(crate) const NOT_FOR_DIAGNOSIS: &str = "AI result, not for diagnosis";

/// Puts Instance Number, Content Date and Content Time: the one instance of its series, of the time of the set.
pub(crate) fn put_content(object: &mut InMemDicomObject, set: &ResultSet) {
    is(object, tags::INSTANCE_NUMBER, 1);
    text(object, tags::CONTENT_DATE, VR::DA, &set.now().date);
    text(object, tags::CONTENT_TIME, VR::TM, &set.now().time);
}

/// What the results of one format have of their own.
pub(crate) struct Series<'a> {
    /// SOP Class UID.
    pub class: &'a str,
    /// Modality.
    pub modality: &'a str,
    /// Series Description.
    pub description: &'a str,
}

/// Puts SOP Common, the record of the source's patient and study, a series of the result's own, and the equipment: the model
/// with its digest, and what acquired the source. `header` is the source's, `format` is the name under which `set` knows the file.
pub(crate) fn put(
    object: &mut InMemDicomObject,
    format: &str,
    series: &Series<'_>,
    model: &ModelIdentity,
    header: &InMemDicomObject,
    set: &ResultSet,
) -> Result<()> {
    let now = set.now();
    module::sop_common(object, series.class, &set.instance_uid(format), now);
    module::patient_and_study_from(object, header)?;
    let number = module::result_series_number(header);
    module::series(object, series.modality, &set.series_uid(format), number, series.description, now);
    module::equipment(
        object,
        &module::Equipment {
            model_name: &model.name,
            serial_number: &model.digest,
            versions: &[&format!("{} {}", model.id, model.version)],
        },
    );
    module::contributing_equipment(object, header, now);
    Ok(())
}
