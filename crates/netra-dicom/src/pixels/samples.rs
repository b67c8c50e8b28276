//! Grey or colour (PS3.3 C.7.6.3.1.1 and .2): what Samples per Pixel and Photometric Interpretation say together, and the
//! length of the pixel data where they contradict each other.

use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{Error, Result};

use crate::attributes::{integer, text};
use crate::code::{Code, Notes};
use crate::fragments::{Ending, PixelElement, Place};

/// Samples per pixel, 1 or 3, and the photometric interpretation, of an image of rows, columns, frames and bits.
pub(super) fn settle(
    header: &InMemDicomObject,
    element: &PixelElement,
    image: [u32; 4],
    notes: &mut Notes,
) -> Result<(u32, String)> {
    let declared = integer(header, tags::SAMPLES_PER_PIXEL);
    if let Some(samples) = declared.filter(|samples| !matches!(samples, 1 | 3)) {
        return Err(Error::unsupported(format!("{samples} samples per pixel")).at(tags::SAMPLES_PER_PIXEL));
    }
    let photometric = text(header, tags::PHOTOMETRIC_INTERPRETATION);
    let implied = photometric.as_deref().map(|name| if is_grey(name) { 1 } else { 3 });
    let samples = match (declared, implied) {
        (Some(declared), Some(implied)) if declared != implied => counted(element, image).unwrap_or(declared),
        (None, Some(3)) => counted(element, image).unwrap_or(3),
        (declared, implied) => declared.or(implied).unwrap_or(1),
    };
    match declared {
        None => notes.add(Code::PixelAttributeMissing, || format!("Samples per Pixel is missing, {samples} was taken")),
        Some(declared) if declared != samples => {
            notes.add(Code::SamplesRepaired, || format!("{declared} samples a pixel declared, {samples} stored"));
        }
        Some(_) => {}
    }
    let usual = if samples == 1 { "MONOCHROME2" } else { "RGB" };
    let photometric = match photometric {
        Some(name) if implied == Some(samples) => name,
        Some(name) => {
            notes.add(Code::PhotometricRepaired, || format!("{name} with {samples} samples a pixel, read as {usual}"));
            usual.to_owned()
        }
        None => {
            notes
                .add(Code::PixelAttributeMissing, || format!("Photometric Interpretation is missing, read as {usual}"));
            usual.to_owned()
        }
    };
    Ok((samples, photometric))
}

/// One sample a pixel: grey, or an index of a palette.
fn is_grey(photometric: &str) -> bool {
    matches!(photometric, "MONOCHROME1" | "MONOCHROME2" | "PALETTE COLOR")
}

/// The samples a pixel for which the native pixel data has room; `None` for encapsulated or cut data.
fn counted(element: &PixelElement, image: [u32; 4]) -> Option<u32> {
    let Place::Native { len, .. } = element.place else { return None };
    let bits = image.iter().try_fold(1u64, |n, &factor| n.checked_mul(factor.into()))?;
    let colour = bits.checked_mul(3)?.div_ceil(8);
    (element.ending == Ending::Whole).then_some(if len >= colour { 3 } else { 1 })
}
