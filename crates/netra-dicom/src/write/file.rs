//! The Part 10 file (PS3.10 7).

use std::io::Write;
use std::path::Path;

use dicom_dictionary_std::tags;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use netra_core::{Error, ErrorKind, Result};

use super::{atomic, element};

/// Implementation Class UID of files that Netra writes.
pub const IMPLEMENTATION_CLASS_UID: &str = "2.25.331427063771957618807307076182559320311";

/// Implementation Version Name, at most 16 characters.
const IMPLEMENTATION_VERSION_NAME: &str = concat!("NETRA_", env!("CARGO_PKG_VERSION"));

/// Writes a data set as a Part 10 file in `transfer_syntax`, whole or not at all
/// (see [`atomic::write`]). The file meta information names the data set's own SOP Class and SOP Instance UID;
/// a data set without them is refused. Pixel data must already be in the form that the transfer syntax
/// asks for: native values, or encapsulated fragments.
pub fn write_part10(object: InMemDicomObject, transfer_syntax: &str, out: &Path) -> Result<()> {
    let required = |tag, name: &str| {
        element::first_text(&object, tag)
            .ok_or_else(|| Error::invalid(format!("a data set without {name} makes no file")).at(out.display()))
    };
    let class = required(tags::SOP_CLASS_UID, "SOP Class UID")?;
    let instance = required(tags::SOP_INSTANCE_UID, "SOP Instance UID")?;
    let failed = |message: String| Error::new(ErrorKind::InvalidInput, message).at(out.display());
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(class)
        .media_storage_sop_instance_uid(instance)
        .transfer_syntax(transfer_syntax)
        .implementation_class_uid(IMPLEMENTATION_CLASS_UID)
        .implementation_version_name(IMPLEMENTATION_VERSION_NAME)
        .build()
        .map_err(|e| failed(format!("file meta information: {e}")))?;
    let file = object.with_exact_meta(meta);
    atomic::write(out, |sink| {
        let mut buffered = std::io::BufWriter::with_capacity(1 << 20, sink);
        file.write_all(&mut buffered).map_err(|e| {
            Error::new(ErrorKind::Io, format!("the data set could not be written: {e}"))
                .at(out.display())
                .with_source(e)
        })?;
        buffered.flush().map_err(|e| Error::io(out, e))
    })
}
