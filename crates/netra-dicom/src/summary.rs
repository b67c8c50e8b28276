//! What `netra inspect` shows of a scan. No patient name, no identifier but UIDs, no dates.

use dicom_core::dictionary::{UidDictionary, UidDictionaryEntry};
use dicom_dictionary_std::StandardSopClassDictionary;
use netra_core::Warning;
use serde::Serialize;

use crate::audit::Audit;
use crate::quantities::{RealWorldValue, SuvFactors};
use crate::scan::Scan;
use crate::series::Series;

/// Whether a scan is a volume, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GeometryVerdict {
    /// The frames lie on a regular grid.
    Regular,
    /// The frames are slices, but not on a regular grid, for this reason.
    Refused(String),
    /// Not a stack of slices: single images.
    Images,
}

/// A scan at a glance.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// [`Scan::id`].
    pub id: String,
    /// `dicom`, `nifti`, `png`, `jpeg` or `tiff`.
    pub kind: String,
    /// Modality.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modality: Option<String>,
    /// Body Part Examined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_part: Option<String>,
    /// View Position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view_position: Option<String>,
    /// SOP Class UID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sop_class_uid: Option<String>,
    /// SOP class by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sop_class: Option<String>,
    /// Transfer syntaxes by name and UID, each once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transfer_syntaxes: Vec<String>,
    /// Photometric Interpretation, or the channels of a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub photometric_interpretation: Option<String>,
    /// Bits Stored, or the data type of a NIfTI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<String>,
    /// Stored instances (files).
    pub instances: usize,
    /// Frames of all instances, slices of a volume.
    pub frames: usize,
    /// Rows and columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
    /// Millimetres between voxels along (slice, row, column), or between pixels along (row, column).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spacing: Vec<f64>,
    /// Regular grid, refused with the reason, or single images.
    pub geometry: GeometryVerdict,
    /// The audit behind it, for slices of DICOM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    /// Real World Value Mappings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub real_world_values: Vec<RealWorldValue>,
    /// SUV factors of PET, or why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suv_factors: Option<Result<SuvFactors, String>>,
    /// What reading had to tolerate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

impl Summary {
    pub(crate) fn of(scan: &Scan) -> Self {
        let blank = Self {
            id: scan.id(),
            kind: String::new(),
            modality: None,
            body_part: None,
            view_position: None,
            sop_class_uid: None,
            sop_class: None,
            transfer_syntaxes: Vec::new(),
            photometric_interpretation: None,
            sample: None,
            instances: 1,
            frames: 1,
            size: None,
            spacing: Vec::new(),
            geometry: GeometryVerdict::Images,
            audit: None,
            real_world_values: Vec::new(),
            suv_factors: None,
            warnings: scan.warnings(),
        };
        match scan {
            Scan::Dicom(series) => of_series(series, blank),
            Scan::Nifti(file) => {
                let [slices, rows, columns] = file.geometry().shape();
                Self {
                    kind: "nifti".to_owned(),
                    sample: Some(file.data_type().to_owned()),
                    frames: slices,
                    size: Some([rows, columns]),
                    spacing: file.geometry().spacing().to_vec(),
                    geometry: GeometryVerdict::Regular,
                    ..blank
                }
            }
            Scan::Picture(file) => Self {
                kind: file.format().to_lowercase(),
                photometric_interpretation: Some(file.colour()),
                size: Some(file.size()),
                ..blank
            },
        }
    }
}

fn of_series(series: &Series, blank: Summary) -> Summary {
    let acquisition = series.acquisition();
    let mut syntaxes: Vec<String> = series.instances.iter().map(|i| i.transfer_syntax().to_string()).collect();
    syntaxes.sort();
    syntaxes.dedup();
    let first = series.instances.iter().find_map(|i| i.pixel_format());
    let mut spacing: Vec<f64> =
        series.refs().next().and_then(|r| series.header(r).pixel_spacing()).map(Vec::from).unwrap_or_default();
    let audit = series.is_volume().then(|| series.audit());
    let geometry = if let Some(audit) = &audit {
        match audit.refusal() {
            None => {
                spacing = audit.stacks.iter().filter_map(|s| s.geometry.as_ref()).flat_map(|g| g.spacing()).collect();
                GeometryVerdict::Regular
            }
            Some(reasons) => GeometryVerdict::Refused(reasons),
        }
    } else {
        GeometryVerdict::Images
    };
    Summary {
        kind: "dicom".to_owned(),
        modality: acquisition.modality,
        body_part: acquisition.body_part,
        view_position: acquisition.view_position,
        sop_class: acquisition.sop_class_uid.as_deref().and_then(sop_class_name),
        sop_class_uid: acquisition.sop_class_uid,
        transfer_syntaxes: syntaxes,
        photometric_interpretation: first.map(|f| f.photometric.clone()),
        sample: first.map(|f| format!("{} {} bits", if f.signed { "signed" } else { "unsigned" }, f.bits_stored)),
        instances: series.instances.len(),
        frames: series.frames(),
        size: first.map(|f| [f.rows, f.columns]),
        spacing,
        geometry,
        audit,
        real_world_values: series.real_world_values(),
        suv_factors: series.suv_factors(),
        ..blank
    }
}

fn sop_class_name(uid: &str) -> Option<String> {
    StandardSopClassDictionary.by_uid(uid).map(|entry| entry.name().to_owned())
}
