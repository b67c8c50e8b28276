//! A simulated scan for trying things out without anybody's data.

use std::path::Path;

use netra_core::{Result, phantom};
use netra_dicom::write::dx::Radiograph;
use netra_dicom::write::{Moment, Uids, write_part10};

const EXPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";

/// Rows and columns of [`write_chest_radiograph`].
pub const SIZE: usize = 1024;

/// Writes a simulated frontal chest radiograph as a DICOM Digital X-Ray Image (For Presentation): 12 bits, patient
/// `Phantom^Chest`. The same seed gives the same pixels and the same UIDs.
pub fn write_chest_radiograph(path: &Path, seed: u64) -> Result<()> {
    let pixels = phantom::chest_radiograph(SIZE, SIZE, seed);
    let radiograph = Radiograph::chest_phantom(pixels.view(), phantom::chest_pixel_spacing(SIZE, SIZE));
    let uids = Uids::derived(format!("netra chest phantom {SIZE} {seed}"));
    write_part10(radiograph.data_set(&uids, &Moment::now())?, EXPLICIT_VR_LITTLE_ENDIAN, path)
}
