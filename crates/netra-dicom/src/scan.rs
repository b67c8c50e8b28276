//! Any scan, whatever its format.

use netra_core::{Acquisition, Error, Image, Limits, Result, Volume, Warning};

use crate::images::ImageOptions;
use crate::nifti::NiftiFile;
use crate::picture::PictureFile;
use crate::regrid::ReadOptions;
use crate::series::Series;
use crate::summary::Summary;

/// One scan of a [`Collection`](crate::Collection).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Scan {
    /// A DICOM series.
    Dicom(Series),
    /// A NIfTI-1 or NIfTI-2 volume.
    Nifti(NiftiFile),
    /// A PNG, JPEG or TIFF picture.
    Picture(PictureFile),
}

impl Scan {
    /// A name that is safe as a file name and holds no patient data: the Series Instance UID, or the file's stem.
    pub fn id(&self) -> String {
        let raw = match self {
            Self::Dicom(series) => series.uid().unwrap_or_else(|| series.stem()),
            Self::Nifti(file) => file.stem(),
            Self::Picture(file) => file.stem(),
        };
        let safe = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
        let name: String = raw.chars().take(128).map(safe).collect();
        let trimmed = name.trim_matches('.');
        if trimmed.is_empty() { "scan".to_owned() } else { trimmed.to_owned() }
    }

    /// How the scan was taken; empty but for DICOM.
    pub fn acquisition(&self) -> Acquisition {
        match self {
            Self::Dicom(series) => series.acquisition(),
            Self::Nifti(_) | Self::Picture(_) => Acquisition::default(),
        }
    }

    /// Whether the scan is meant as a volume. [`volume`](Self::volume) may still refuse it, with the reason.
    pub fn is_volume(&self) -> bool {
        match self {
            Self::Dicom(series) => series.is_volume(),
            Self::Nifti(_) => true,
            Self::Picture(_) => false,
        }
    }

    /// The voxels `(slice, row, column)` with their affine in LPS mm.
    ///
    /// # Errors
    /// `InvalidInput` when the frames form no regular grid, `Unsupported` for colour, 4-D and undecoded syntaxes,
    /// `Malformed` and `Limit` for bad bytes.
    pub fn volume(&self, limits: &Limits) -> Result<Volume> {
        match self {
            Self::Dicom(series) => series.volume(limits),
            Self::Nifti(file) => file.volume(limits),
            Self::Picture(_) => Err(Error::invalid("a single picture is not a volume")),
        }
    }

    /// The volumes of the scan under a geometry policy, with progress: see [`Series::volumes`]. A NIfTI file is one volume
    /// under every policy.
    pub fn volumes(&self, options: &ReadOptions<'_>) -> Result<Vec<Volume>> {
        match self {
            Self::Dicom(series) => series.volumes(options),
            Self::Nifti(_) | Self::Picture(_) => self.volume(&options.limits).map(|volume| vec![volume]),
        }
    }

    /// The frames as images `(channel, row, column)`.
    ///
    /// # Errors
    /// `Unsupported` for a scan without pictures or in an undecoded syntax, `Malformed` and `Limit` for bad bytes.
    pub fn images(&self, options: &ImageOptions, limits: &Limits) -> Result<Vec<Image>> {
        match self {
            Self::Dicom(series) => series.images(options, limits),
            Self::Nifti(_) => Err(Error::invalid("a NIfTI volume is not a set of images")),
            Self::Picture(file) => file.image(limits).map(|image| vec![image]),
        }
    }

    /// What `netra inspect` shows.
    pub fn summary(&self) -> Summary {
        Summary::of(self)
    }

    /// What reading had to tolerate.
    pub fn warnings(&self) -> Vec<Warning> {
        match self {
            Self::Dicom(series) => series.warnings(),
            Self::Nifti(file) => file.warnings().to_vec(),
            Self::Picture(file) => file.warnings().to_vec(),
        }
    }
}
