//! One frame as the audit sees it.

use dicom_dictionary_std::tags;

use crate::attributes::text;
use crate::frames::Plane;
use crate::series::{FrameRef, Series};

/// One frame with a place in the patient.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    pub at: FrameRef,
    pub plane: Plane,
    /// Rows and columns.
    pub size: [usize; 2],
    pub samples: usize,
    /// Instance Number or frame, for messages.
    pub name: String,
    /// Instance Number of a single-frame instance.
    pub number: Option<i64>,
    pub frame_of_reference: String,
    pub is_localiser: bool,
    /// Slope and intercept.
    pub rescale: [f64; 2],
}

impl Slice {
    /// The frame, or its name when it has no place in the patient. `None` when the instance has no pixels.
    pub fn of(series: &Series, at: FrameRef) -> Option<Result<Self, String>> {
        let instance = &series.instances[at.instance];
        let format = instance.pixel_format()?;
        let number = text(instance.header(), tags::INSTANCE_NUMBER);
        let mut name = number.as_ref().map_or_else(|| instance.file.source.name(), |n| format!("instance {n}"));
        if instance.frames() > 1 {
            name = format!("frame {} of {name}", at.frame + 1);
        }
        let header = instance.frame_header(at.frame);
        let Some(plane) = header.plane() else { return Some(Err(name)) };
        Some(Ok(Self {
            at,
            plane,
            size: [format.rows, format.columns],
            samples: format.samples,
            name,
            number: number.filter(|_| instance.frames() == 1).and_then(|n| n.parse().ok()),
            frame_of_reference: text(instance.header(), tags::FRAME_OF_REFERENCE_UID).unwrap_or_default(),
            is_localiser: header.image_type().iter().any(|value| value == "LOCALIZER"),
            rescale: header.rescale(),
        }))
    }
}
