//! The command lines about scans themselves, without a model.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use netra::dicom::GeometryPolicy;

/// What to do about slices that lie on no regular grid.
#[derive(Clone, Copy, Debug, Args)]
pub struct PolicyArg {
    /// refuse; correct: a volume for each stack of a mixed series, tilted and shifted slices moved to their places, gaps filled
    /// by linear interpolation; or nearest: the same, but every voxel keeps the value of the nearest stored pixel. What was done
    /// is among the warnings of the result.
    #[arg(long, default_value_t, value_name = "POLICY")]
    pub policy: GeometryPolicy,
}

/// `netra inspect`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netra inspect series.zip
  netra inspect --tags chest.dcm
  netra inspect --thumbnail overview.png folder-of-scans")]
pub struct InspectArgs {
    /// A scan (file, folder, zip) or a package folder.
    pub path: PathBuf,
    /// Show every element of the headers of DICOM files (with --json in the DICOM JSON model) instead of a summary. What may
    /// identify the patient is withheld (PS3.15 Table E.1-1).
    #[arg(long, conflicts_with = "thumbnail")]
    pub tags: bool,
    /// Show what --tags withholds.
    #[arg(long, requires = "tags")]
    pub show_patient: bool,
    /// Write a picture of each scan, with its id and verdict, on one sheet.
    #[arg(long, value_name = "PNG")]
    pub thumbnail: Option<PathBuf>,
}

/// `netra convert`.
#[derive(Debug, Args)]
#[command(after_help = "\
Several scans (or stacks of one) in INPUT become out-1.nii.gz, out-2.nii.gz ...; each file has its report beside it, as
out-1.nii.gz.audit.json.

Examples:
  netra convert series.zip brain.nii.gz
  netra convert chest.dcm chest.png
  netra convert chest.dcm chest16.png --voi ignore")]
pub struct ConvertArgs {
    /// A file, folder or zip: DICOM, NIfTI, PNG, JPEG, TIFF.
    pub input: PathBuf,
    /// The file to write. .nii or .nii.gz: voxels in modality units with their place in the patient; .png: the frame at its size,
    /// or a montage of all frames; .zip: a PNG of each frame.
    pub out: PathBuf,
    #[command(flatten)]
    pub policy: PolicyArg,
    /// Grey values of pictures: apply the file's window (8 bits), or ignore it and keep modality values (16 bits; the report tells
    /// slope and offset).
    #[arg(long, value_enum, default_value_t)]
    pub voi: VoiArg,
    /// Replace files that exist.
    #[arg(long)]
    pub force: bool,
}

/// Whether a window is applied.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum VoiArg {
    /// Display values.
    #[default]
    Apply,
    /// Modality values.
    Ignore,
}
