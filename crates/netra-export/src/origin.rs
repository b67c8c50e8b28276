//! Where the pixels of a result come from, for the formats that only name it.

use std::collections::HashSet;

use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{Acquisition, SourceFrame};
use netra_dicom::Scan;
use netra_dicom::write::element::first_text;

use crate::{Pixels, Source};

/// A source, by its identifiers and its grid.
pub(crate) struct Origin<'a> {
    /// `image` or `volume`.
    pub kind: &'static str,
    pub acquisition: &'a Acquisition,
    /// Millimetres along (slice, row, column) or (row, column); `None` when unknown.
    pub spacing: Option<Vec<f64>>,
    /// The stored frames, in the order of the slices; none when the source is not DICOM.
    pub frames: Vec<&'a SourceFrame>,
    /// Header of the first frame's instance.
    pub header: Option<&'a InMemDicomObject>,
}

/// The header of the instance that a frame is stored in; `None` when the scan is not DICOM or has no such instance.
pub(crate) fn header_of<'a>(scan: &'a Scan, frame: &SourceFrame) -> Option<&'a InMemDicomObject> {
    let Scan::Dicom(series) = scan else { return None };
    let uid = Some(frame.sop_instance_uid.as_str());
    let mut headers = series.instances.iter().map(|instance| instance.header());
    headers.find(|header| first_text(header, tags::SOP_INSTANCE_UID).as_deref() == uid)
}

impl<'a> Origin<'a> {
    pub fn of(source: &Source<'a>) -> Self {
        let (kind, acquisition, spacing, frames): (_, _, _, Vec<&SourceFrame>) = match source.pixels {
            Pixels::Image(image) => {
                ("image", &image.acquisition, image.spacing.map(|s| s.to_vec()), image.frame.iter().collect())
            }
            Pixels::Volume(volume) => {
                ("volume", &volume.acquisition, Some(volume.geometry().spacing().to_vec()), volume.frames().collect())
            }
        };
        let header = frames.first().and_then(|frame| header_of(source.scan, frame));
        Self { kind, acquisition, spacing, frames, header }
    }

    /// The stored instances of the frames, each once, in order.
    pub fn instances(&self) -> Vec<&'a SourceFrame> {
        let mut seen = HashSet::new();
        self.frames.iter().copied().filter(|frame| seen.insert(frame.sop_instance_uid.as_str())).collect()
    }
}
