//! The window that the source itself states.

use dicom_dictionary_std::tags;
use netra_core::IntensityUnit;

use super::grey::Window;
use crate::origin::header_of;
use crate::planes::functional;
use crate::{Pixels, Source};

/// The first window (PS3.3 C.11.2) of the middle slice of a CT volume: its whole range would leave soft tissue one grey. Other
/// volumes have no unit that a window could be trusted to speak of, and images come windowed.
pub(super) fn window(source: &Source<'_>) -> Option<Window> {
    let Pixels::Volume(volume) = source.pixels else { return None };
    if volume.unit != IntensityUnit::Hounsfield {
        return None;
    }
    let frame = &volume.slices.get(volume.slices.len() / 2)?.main.frame;
    let header = header_of(source.scan, frame)?;
    let value = |tag| functional(header, frame.frame, tags::FRAME_VOILUT_SEQUENCE, tag)?.first().copied();
    let (centre, width) = (value(tags::WINDOW_CENTER)?, value(tags::WINDOW_WIDTH)?);
    Window::stated(centre, width)
}
