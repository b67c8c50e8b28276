//! Scans as plain data: a [`Volume`] on a regular grid, or a single [`Image`].

use ndarray::{Array3, ArrayView3};

use crate::{Error, Geometry, Result, SliceSource, Warning};

/// What the pixel values measure.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IntensityUnit {
    /// Hounsfield units (CT after rescale).
    Hounsfield,
    /// Stored or rescaled values with no physical unit (MR signal, radiograph grey).
    Arbitrary,
    /// Display colour, 0 to 255 a channel.
    Display,
    /// Another unit, named as the file names it (Rescale Type, UCUM).
    Other(String),
}

/// How and of what a scan was taken. Every field holds the standard's own value and is `None` when unknown.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Acquisition {
    /// SOP Class UID of the source.
    pub sop_class_uid: Option<String>,
    /// Modality: CT, MR, DX, CR, XC ...
    pub modality: Option<String>,
    /// Body Part Examined.
    pub body_part: Option<String>,
    /// View Position: PA, AP, LL ...
    pub view_position: Option<String>,
    /// Photometric Interpretation as stored, before any inversion or colour conversion.
    pub photometric_interpretation: Option<String>,
    /// Manufacturer.
    pub manufacturer: Option<String>,
    /// Study Instance UID.
    pub study_instance_uid: Option<String>,
    /// Series Instance UID.
    pub series_instance_uid: Option<String>,
    /// Frame of Reference UID.
    pub frame_of_reference_uid: Option<String>,
}

/// One frame of one stored instance: what a result voxel is traced back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFrame {
    /// SOP Class UID of the instance.
    pub sop_class_uid: String,
    /// SOP Instance UID of the instance.
    pub sop_instance_uid: String,
    /// Frame number, counted from 1 as in the standard.
    pub frame: u32,
}

/// Voxels `(slice, row, column)` on a regular grid.
#[derive(Clone, Debug)]
pub struct Volume {
    voxels: Array3<f32>,
    geometry: Geometry,
    /// What the values measure.
    pub unit: IntensityUnit,
    /// How the scan was taken.
    pub acquisition: Acquisition,
    /// The stored frames of each slice; empty when the scan did not come from DICOM.
    pub slices: Vec<SliceSource>,
    /// What was done to frames that lie on no regular grid; empty where the voxels are the stored ones.
    pub corrections: Vec<Warning>,
}

impl Volume {
    /// A volume without provenance. Fails when the array's shape is not the geometry's.
    pub fn new(voxels: Array3<f32>, geometry: Geometry, unit: IntensityUnit) -> Result<Self> {
        if voxels.shape() != geometry.shape() {
            return Err(Error::invalid(format!(
                "voxels of shape {:?} on a grid of shape {:?}",
                voxels.shape(),
                geometry.shape()
            )));
        }
        Ok(Self {
            voxels,
            geometry,
            unit,
            acquisition: Acquisition::default(),
            slices: Vec::new(),
            corrections: Vec::new(),
        })
    }

    /// The voxels, `(slice, row, column)`.
    pub fn voxels(&self) -> ArrayView3<'_, f32> {
        self.voxels.view()
    }

    /// The grid.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Takes the voxels out.
    pub fn into_voxels(self) -> Array3<f32> {
        self.voxels
    }
}

/// Pixels `(channel, row, column)` of one picture: 1 channel (grey) or 3 (red, green, blue).
#[derive(Clone, Debug)]
pub struct Image {
    pixels: Array3<f32>,
    /// Millimetres between pixel centres along (row, column), when the file states them.
    pub spacing: Option<[f64; 2]>,
    /// What the values measure.
    pub unit: IntensityUnit,
    /// The range that the stored bits can hold after rescale, window and inversion: what 0 and 1 mean to a
    /// step that scales by bit depth.
    pub value_range: [f32; 2],
    /// How the picture was taken.
    pub acquisition: Acquisition,
    /// The frame it came from; `None` when the picture did not come from DICOM.
    pub frame: Option<SourceFrame>,
}

impl Image {
    /// A picture without provenance. Fails unless it has 1 or 3 channels and at least one pixel.
    pub fn new(pixels: Array3<f32>, unit: IntensityUnit, value_range: [f32; 2]) -> Result<Self> {
        let (channels, rows, columns) = pixels.dim();
        if !matches!(channels, 1 | 3) || rows == 0 || columns == 0 {
            return Err(Error::invalid(format!("{channels} channels of {rows} x {columns} pixels are no picture")));
        }
        Ok(Self { pixels, spacing: None, unit, value_range, acquisition: Acquisition::default(), frame: None })
    }

    /// The pixels, `(channel, row, column)`.
    pub fn pixels(&self) -> ArrayView3<'_, f32> {
        self.pixels.view()
    }

    /// Rows and columns.
    pub fn size(&self) -> [usize; 2] {
        [self.pixels.dim().1, self.pixels.dim().2]
    }
}
