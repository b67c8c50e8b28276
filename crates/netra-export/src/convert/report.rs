//! The report beside a converted file. UIDs, numbers and verdicts; no patient's data.

use std::fmt;
use std::path::{Path, PathBuf};

use dicom_dictionary_std::tags;
use netra_core::{Geometry, Image, IntensityUnit, Result, SlicePart, SliceSource, SourceFrame, Volume, Warning};
use netra_dicom::{Audit, GeometryPolicy, Instance, Scan};
use serde::Serialize;

use crate::json;
use crate::nifti::{Stored, ras};
use crate::picture::Mapping;

/// Names the layout of the document; it changes when a field changes its meaning or goes.
const FORMAT: &str = "netra-conversion/1";

#[derive(Serialize)]
pub(super) struct Report {
    format: &'static str,
    netra_version: &'static str,
    /// The name of the file that this is the report of.
    file: String,
    /// `Scan::id`.
    scan: String,
    modality: Option<String>,
    sop_class_uid: Option<String>,
    study_instance_uid: Option<String>,
    series_instance_uid: Option<String>,
    frame_of_reference_uid: Option<String>,
    /// What was asked for where frames lie on no regular grid.
    policy: String,
    /// What was done for it; empty where the voxels are the stored ones.
    pub corrections: Vec<Warning>,
    /// How the frames of the whole series lie; null for what is no DICOM.
    audit: Option<Audit>,
    /// Slices (or frames), rows and columns.
    pub shape: [usize; 3],
    /// Null for images, which lie nowhere in particular.
    pub grid: Option<Grid>,
    /// Between rows and between columns, of images.
    pub pixel_spacing_mm: Option<[f64; 2]>,
    pub values: Values,
    /// Whether the file is a sheet of small pictures.
    pub montage: bool,
    pub slices: Vec<Slice>,
    pub warnings: Vec<Warning>,
}

/// Where the voxels lie in the patient.
#[derive(Serialize)]
pub(super) struct Grid {
    /// Between neighbours along slice, row and column.
    spacing_mm: [f64; 3],
    /// (column, row, slice) to RAS mm: the matrix in a NIfTI file.
    affine_ras: [[f64; 4]; 4],
    /// (slice, row, column) to LPS mm, as DICOM counts.
    affine_lps: [[f64; 4]; 4],
}

impl Grid {
    pub fn of(geometry: &Geometry) -> Self {
        let affine = geometry.affine();
        Self { spacing_mm: geometry.spacing(), affine_ras: ras(affine).0, affine_lps: affine.0 }
    }
}

/// What the values of the file mean.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Values {
    Nifti {
        unit: String,
        data_type: &'static str,
        least: f32,
        greatest: f32,
    },
    Picture {
        colour: bool,
        bits: u8,
        #[serde(flatten)]
        mapping: Mapping,
    },
}

impl Values {
    pub fn nifti(unit: &IntensityUnit, stored: &Stored) -> Self {
        let unit = match unit {
            IntensityUnit::Hounsfield => "HU",
            IntensityUnit::Display => "display",
            IntensityUnit::Other(name) => name,
            _ => "arbitrary",
        };
        let [least, greatest] = stored.range;
        Self::Nifti { unit: unit.to_owned(), data_type: stored.data_type, least, greatest }
    }

    pub fn picture(images: &[Image], mapping: Mapping) -> Self {
        let colour = images.iter().any(|image| image.pixels().dim().0 == 3);
        let bits = if matches!(mapping, Mapping::Values { .. }) && !colour { 16 } else { 8 };
        Self::Picture { colour, bits, mapping }
    }
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nifti { unit, data_type, least, greatest } => {
                write!(f, "{data_type}, {least} to {greatest} ({unit})")
            }
            Self::Picture { colour: true, bits, .. } => write!(f, "{bits} bits, colour"),
            Self::Picture { bits, mapping, .. } => match mapping {
                Mapping::Values { slope, offset, lossless: true } => {
                    write!(f, "{bits} bits, value = grey x {slope} + {offset}")
                }
                Mapping::Values { slope, offset, .. } => {
                    write!(f, "{bits} bits, value = grey x {slope} + {offset} (rounded)")
                }
                Mapping::Display { .. } => write!(f, "{bits} bits, for display"),
            },
        }
    }
}

/// Where a slice came from.
#[derive(Serialize)]
pub(super) struct Slice {
    /// The picture of the slice in a zip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// The stored frames in it, the largest share first; none when the scan is no DICOM.
    sources: Vec<Source>,
}

#[derive(Serialize)]
struct Source {
    sop_instance_uid: String,
    /// Counted from 1.
    frame: u32,
    /// Its share in the slice, where there are two.
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<f64>,
    /// What to add to (row, column) of the slice to come to those of the frame, where that is anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<[f64; 2]>,
}

impl Slice {
    pub fn of_image(image: &Image) -> Self {
        let source = |frame: &SourceFrame| Source {
            sop_instance_uid: frame.sop_instance_uid.clone(),
            frame: frame.frame,
            weight: None,
            offset: None,
        };
        Self { picture: None, sources: image.frame.iter().map(source).collect() }
    }
}

/// The sources of a volume's slices, in order.
pub(super) fn slices(volume: &Volume) -> Vec<Slice> {
    let source = |part: &SlicePart| Source {
        sop_instance_uid: part.frame.sop_instance_uid.clone(),
        frame: part.frame.frame,
        weight: (part.weight < 1.0).then_some(part.weight),
        offset: (part.offset != [0.0; 2]).then_some(part.offset),
    };
    let slice = |slice: &SliceSource| Slice { picture: None, sources: slice.parts().map(source).collect() };
    volume.slices.iter().map(slice).collect()
}

impl Report {
    pub fn new(scan: &Scan, out: &Path, policy: GeometryPolicy, shape: [usize; 3], values: Values) -> Self {
        let acquisition = scan.acquisition();
        Self {
            format: FORMAT,
            netra_version: env!("CARGO_PKG_VERSION"),
            file: out.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            scan: scan.id(),
            modality: acquisition.modality,
            sop_class_uid: acquisition.sop_class_uid,
            study_instance_uid: acquisition.study_instance_uid,
            series_instance_uid: acquisition.series_instance_uid,
            frame_of_reference_uid: acquisition.frame_of_reference_uid,
            policy: policy.to_string(),
            corrections: Vec::new(),
            audit: match scan {
                Scan::Dicom(series) => Some(series.audit()),
                _ => None,
            },
            shape,
            grid: None,
            pixel_spacing_mm: None,
            values,
            montage: false,
            slices: Vec::new(),
            warnings: scan.warnings(),
        }
    }

    /// The document.
    pub fn text(&self) -> Result<String> {
        json::text(self)
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        json::write(self, path)
    }
}

/// `OUT.audit.json`.
pub(super) fn beside(out: &Path) -> PathBuf {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    out.with_file_name(format!("{name}.audit.json"))
}

/// SOP Instance UID and Instance Number, when the number is one.
pub(super) fn instance_number(instance: &Instance) -> Option<(String, String)> {
    let text = |tag| instance.header().get(tag)?.to_str().ok().map(|s| s.trim_matches([' ', '\0']).to_owned());
    let number = text(tags::INSTANCE_NUMBER)?;
    number.parse::<i64>().is_ok().then_some((text(tags::SOP_INSTANCE_UID)?, number))
}
