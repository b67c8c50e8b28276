//! What the header says of each frame: place, rescale, window. Functional groups of multi-frame objects (PS3.3 C.7.6.16)
//! come before the attributes of the data set.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::Result;

use crate::attributes::{array, items, number, numbers, text};
use crate::pixels::{ModalityMap, VoiMap};
use crate::space::{along, cross, unit};

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

    /// The first value of these attributes: in the frame's functional group, among its converted attributes, in the data set.
    pub fn any(&self, attributes: &[(Tag, Tag)]) -> Option<String> {
        let converted = [
            (self.own, tags::UNASSIGNED_PER_FRAME_CONVERTED_ATTRIBUTES_SEQUENCE),
            (self.shared, tags::UNASSIGNED_SHARED_CONVERTED_ATTRIBUTES_SEQUENCE),
        ];
        let converted = || {
            let item = |(groups, sequence): (Option<&'a InMemDicomObject>, Tag)| items(groups?, sequence).first();
            converted.into_iter().filter_map(item)
        };
        attributes.iter().find_map(|&(sequence, tag)| {
            let grouped = self.group(sequence).and_then(|group| text(group, tag));
            grouped.or_else(|| converted().find_map(|item| text(item, tag))).or_else(|| text(self.root, tag))
        })
    }

    /// The plane, when position, orientation and spacing are all there.
    pub fn plane(&self) -> Option<Plane> {
        self.plane_in_patient().or_else(|| self.plane_in_volume()).or_else(|| self.plane_of_detector())
    }

    fn plane_in_patient(&self) -> Option<Plane> {
        let [a, b, c, d, e, f] =
            array(self.group_or_root(tags::PLANE_ORIENTATION_SEQUENCE), tags::IMAGE_ORIENTATION_PATIENT)?;
        let (row_cosines, column_cosines) = ([a, b, c], [d, e, f]);
        let position = match self.group(tags::PLANE_POSITION_SEQUENCE) {
            Some(group) => array(group, tags::IMAGE_POSITION_PATIENT)?,
            None => self.shifted(array(self.root, tags::IMAGE_POSITION_PATIENT)?, row_cosines, column_cosines)?,
        };
        Some(Plane { position, row_cosines, column_cosines, spacing: self.measured_spacing()? })
    }

    /// Enhanced ultrasound volumes place their frames relative to the transducer (C.8.24.3, C.7.6.16.2.21).
    fn plane_in_volume(&self) -> Option<Plane> {
        let [a, b, c, d, e, f] =
            array(self.group(tags::PLANE_ORIENTATION_VOLUME_SEQUENCE)?, tags::IMAGE_ORIENTATION_VOLUME)?;
        let position = array(self.group(tags::PLANE_POSITION_VOLUME_SEQUENCE)?, tags::IMAGE_POSITION_VOLUME)?;
        let spacing = self.measured_spacing()?;
        Some(Plane { position, row_cosines: [a, b, c], column_cosines: [d, e, f], spacing })
    }

    /// Reconstructed tomographic frames of nuclear medicine: the first has a place with its detector, the others follow along
    /// the normal by Spacing Between Slices, which may be negative (C.8.4.11, C.8.4.15).
    fn plane_of_detector(&self) -> Option<Plane> {
        let [detector] = items(self.root, tags::DETECTOR_INFORMATION_SEQUENCE) else { return None };
        let [a, b, c, d, e, f] = array(detector, tags::IMAGE_ORIENTATION_PATIENT)?;
        let (row_cosines, column_cosines) = ([a, b, c], [d, e, f]);
        let position = array(detector, tags::IMAGE_POSITION_PATIENT)?;
        let slices = numbers(self.root, tags::SLICE_VECTOR)?;
        let step =
            number(self.root, tags::SPACING_BETWEEN_SLICES).or_else(|| number(self.root, tags::SLICE_THICKNESS))?;
        let steps = slices.get(self.frame)? - 1.0;
        let position = along(position, steps * step, unit(cross(row_cosines, column_cosines)));
        Some(Plane { position, row_cosines, column_cosines, spacing: self.measured_spacing()? })
    }

    fn measured_spacing(&self) -> Option<[f64; 2]> {
        array(self.group_or_root(tags::PIXEL_MEASURES_SEQUENCE), tags::PIXEL_SPACING)
    }

    /// The one position of a classic object, moved along the normal by Grid Frame Offset Vector (RT Dose, C.8.8.3.2) when
    /// there are several frames.
    fn shifted(&self, position: [f64; 3], row: [f64; 3], column: [f64; 3]) -> Option<[f64; 3]> {
        if self.frames == 1 {
            return Some(position);
        }
        let offsets = numbers(self.root, tags::GRID_FRAME_OFFSET_VECTOR)?;
        let (first, own) = (offsets.first()?, offsets.get(self.frame)?);
        // Relative offsets start at 0; absolute ones start at the z of the first position.
        Some(along(position, own - first, cross(row, column)))
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
        let [slope, intercept] = self.rescale();
        Ok(ModalityMap::Linear { slope, intercept })
    }

    /// Slope and intercept of Rescale, or of Dose Grid Scaling; 1 and 0 where there is none.
    pub fn rescale(&self) -> [f64; 2] {
        let transform = self.group_or_root(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
        let slope = number(transform, tags::RESCALE_SLOPE).or_else(|| number(self.root, tags::DOSE_GRID_SCALING));
        let intercept = number(transform, tags::RESCALE_INTERCEPT);
        [slope.unwrap_or(1.0), intercept.unwrap_or(0.0)]
    }

    /// Real World Value Mappings: the frame's own, else the data set's.
    pub fn real_world_value_mappings(&self) -> &'a [InMemDicomObject] {
        let tag = tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE;
        let groups = [self.own, self.shared, Some(self.root)].into_iter().flatten();
        groups.map(|group| items(group, tag)).find(|items| !items.is_empty()).unwrap_or_default()
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
        let group = [
            tags::MR_IMAGE_FRAME_TYPE_SEQUENCE,
            tags::CT_IMAGE_FRAME_TYPE_SEQUENCE,
            tags::PET_FRAME_TYPE_SEQUENCE,
            tags::XAXRF_FRAME_CHARACTERISTICS_SEQUENCE,
            tags::X_RAY3_D_FRAME_TYPE_SEQUENCE,
            tags::US_IMAGE_DESCRIPTION_SEQUENCE,
        ]
        .into_iter()
        .find_map(|sequence| self.group(sequence));
        let own = group.map(|group| crate::attributes::texts(group, tags::FRAME_TYPE)).unwrap_or_default();
        if own.is_empty() { crate::attributes::texts(self.root, tags::IMAGE_TYPE) } else { own }
    }
}
