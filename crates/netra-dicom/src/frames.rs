//! What the header says of each frame: place, rescale, window. Functional groups of multi-frame objects (PS3.3 C.7.6.16)
//! come before the attributes of the data set.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::Result;

use crate::attributes::{array, items, number, numbers, text};
use crate::pixels::{ModalityMap, VoiMap};

/// The attributes of one frame.
#[derive(Clone, Copy)]
pub(crate) struct FrameHeader<'a> {
    root: &'a InMemDicomObject,
    shared: Option<&'a InMemDicomObject>,
    own: Option<&'a InMemDicomObject>,
    frame: usize,
    frames: usize,
}

/// Where a frame lies in the patient (PS3.3 C.7.6.2.1.1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Plane {
    /// Centre of the first pixel, LPS mm.
    pub position: [f64; 3],
    /// Direction in which the column index grows.
    pub row_cosines: [f64; 3],
    /// Direction in which the row index grows.
    pub column_cosines: [f64; 3],
    /// Millimetres between rows, then between columns: the order of Pixel Spacing.
    pub spacing: [f64; 2],
}

impl<'a> FrameHeader<'a> {
    /// Frame `frame` (from 0) of `frames`.
    pub fn new(root: &'a InMemDicomObject, frame: usize, frames: usize) -> Self {
        let shared = items(root, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first();
        let own = items(root, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).get(frame);
        Self { root, shared, own, frame, frames }
    }

    /// The first item of a functional group: the frame's own, else the shared one.
    fn group(&self, sequence: Tag) -> Option<&'a InMemDicomObject> {
        [self.own, self.shared].into_iter().flatten().find_map(|groups| items(groups, sequence).first())
    }

    /// The group's item, else the data set itself.
    fn group_or_root(&self, sequence: Tag) -> &'a InMemDicomObject {
        self.group(sequence).unwrap_or(self.root)
    }

    /// The plane, when position, orientation and spacing are all there.
    pub fn plane(&self) -> Option<Plane> {
        let [a, b, c, d, e, f] =
            array(self.group_or_root(tags::PLANE_ORIENTATION_SEQUENCE), tags::IMAGE_ORIENTATION_PATIENT)?;
        let (row_cosines, column_cosines) = ([a, b, c], [d, e, f]);
        let spacing = array(self.group_or_root(tags::PIXEL_MEASURES_SEQUENCE), tags::PIXEL_SPACING)?;
        let position = match self.group(tags::PLANE_POSITION_SEQUENCE) {
            Some(group) => array(group, tags::IMAGE_POSITION_PATIENT)?,
            None => self.shifted(array(self.root, tags::IMAGE_POSITION_PATIENT)?, row_cosines, column_cosines)?,
        };
        Some(Plane { position, row_cosines, column_cosines, spacing })
    }

    /// The one position of a classic object, moved along the normal by Grid Frame Offset Vector (RT Dose, C.8.8.3.2) when
    /// there are several frames.
    fn shifted(&self, position: [f64; 3], row: [f64; 3], column: [f64; 3]) -> Option<[f64; 3]> {
        if self.frames == 1 {
            return Some(position);
        }
        let offsets = numbers(self.root, tags::GRID_FRAME_OFFSET_VECTOR)?;
        let (first, own) = (offsets.first()?, offsets.get(self.frame)?);
        let normal = crate::geometry::cross(row, column);
        // Relative offsets start at 0; absolute ones start at the z of the first position.
        Some(std::array::from_fn(|i| position[i] + (own - first) * normal[i]))
    }

    /// Slice Thickness or Spacing Between Slices, for a grid of a single slice.
    pub fn thickness(&self) -> Option<f64> {
        let measures = self.group_or_root(tags::PIXEL_MEASURES_SEQUENCE);
        [tags::SPACING_BETWEEN_SLICES, tags::SLICE_THICKNESS]
            .into_iter()
            .find_map(|tag| number(measures, tag).or_else(|| number(self.root, tag)))
            .map(f64::abs)
            .filter(|v| *v > 0.0)
    }

    /// Millimetres between rows and between columns: Pixel Spacing, else Imager Pixel Spacing (at the detector).
    pub fn pixel_spacing(&self) -> Option<[f64; 2]> {
        let measures = self.group_or_root(tags::PIXEL_MEASURES_SEQUENCE);
        array(measures, tags::PIXEL_SPACING)
            .or_else(|| array(self.root, tags::PIXEL_SPACING))
            .or_else(|| array(self.root, tags::IMAGER_PIXEL_SPACING))
            .or_else(|| array(self.root, tags::NOMINAL_SCANNED_PIXEL_SPACING))
            .filter(|spacing: &[f64; 2]| spacing.iter().all(|v| *v > 0.0))
    }

    /// Stored values to modality values: Modality LUT, Rescale, or Dose Grid Scaling; else unchanged.
    pub fn modality(&self, signed: bool) -> Result<ModalityMap> {
        if let Some(table) = ModalityMap::table(self.root, signed)? {
            return Ok(table);
        }
        let transform = self.group_or_root(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
        let slope = number(transform, tags::RESCALE_SLOPE).or_else(|| number(self.root, tags::DOSE_GRID_SCALING));
        let intercept = number(transform, tags::RESCALE_INTERCEPT);
        Ok(ModalityMap::Linear { slope: slope.unwrap_or(1.0), intercept: intercept.unwrap_or(0.0) })
    }

    /// Rescale Type, else Units (PET), else Dose Units.
    pub fn rescale_type(&self) -> Option<String> {
        let transform = self.group_or_root(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
        text(transform, tags::RESCALE_TYPE)
            .or_else(|| text(self.root, tags::UNITS))
            .or_else(|| text(self.root, tags::DOSE_UNITS))
    }

    /// Modality values to display values.
    pub fn voi(&self, signed: bool) -> Result<Option<VoiMap>> {
        VoiMap::read(self.group_or_root(tags::FRAME_VOILUT_SEQUENCE), signed)
    }

    /// Image Type, the frame's own first.
    pub fn image_type(&self) -> Vec<String> {
        let group = [tags::MR_IMAGE_FRAME_TYPE_SEQUENCE, tags::CT_IMAGE_FRAME_TYPE_SEQUENCE]
            .into_iter()
            .find_map(|sequence| self.group(sequence));
        let own = group.map(|group| crate::attributes::texts(group, tags::FRAME_TYPE)).unwrap_or_default();
        if own.is_empty() { crate::attributes::texts(self.root, tags::IMAGE_TYPE) } else { own }
    }
}
