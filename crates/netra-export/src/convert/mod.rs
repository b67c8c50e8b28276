//! Scans in the formats of other programs: NIfTI, PNG, or a zip of PNGs, each with a report beside it.
//!
//! Geometry is never guessed: what `.nii` holds is the audited grid of a volume, or images that lie nowhere in a patient and
//! say so. Every slice is traced to its SOP instance and frame in the report.

mod content;
mod pictures;
mod report;
mod target;
mod thumbnail;

use std::path::{Path, PathBuf};

use netra_core::{Image, IntensityUnit, Limits, Result, Volume, Warning};
use netra_dicom::{GeometryPolicy, Scan, Voi};

use crate::nifti;
use content::Content;
use report::{Grid, Report, Values};

pub use target::{Format, numbered};
pub use thumbnail::thumbnail;

/// What a conversion is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Decoding frames.
    Reading,
    /// Writing slices or pictures.
    Writing,
}

/// How a scan is converted.
pub struct Options<'a> {
    /// What to do about slices on no regular grid, where the format has a place for the grid.
    pub policy: GeometryPolicy,
    /// Whether pictures show display values or hold modality values. NIfTI always holds modality values.
    pub voi: Voi,
    /// Whether files that exist are replaced.
    pub force: bool,
    /// Bounds of reading.
    pub limits: Limits,
    /// Told how much of a stage is done, and of how much.
    pub progress: &'a (dyn Fn(Stage, usize, usize) + Sync),
}

/// One file that was written.
#[derive(Clone, Debug)]
pub struct Converted {
    /// The file.
    pub file: PathBuf,
    /// The report beside it: `FILE.audit.json`.
    pub report: PathBuf,
    /// Slices, rows and columns.
    pub shape: [usize; 3],
    /// How the values are stored, for people.
    pub values: String,
    /// What reading had to tolerate.
    pub warnings: Vec<Warning>,
    /// What was done to frames that lie on no regular grid.
    pub corrections: Vec<Warning>,
}

/// Writes `scan` to `out`, in the format of its suffix: `.nii`, `.nii.gz`, `.png` or `.zip`. A scan of several stacks, or of
/// images of several sizes, becomes several NIfTI files, numbered from 1 before the suffix.
///
/// # Errors
/// `InvalidInput` for another suffix, a file that exists (unless forced) and frames on no regular grid; else as
/// [`Scan::volume`] and [`Scan::images`].
pub fn convert(scan: &Scan, out: &Path, options: &Options<'_>) -> Result<Vec<Converted>> {
    let job = Job { scan, options };
    match Format::of(out)? {
        Format::Nifti => job.nifti(out),
        Format::Png => job.png(out).map(|done| vec![done]),
        Format::Zip => job.zip(out).map(|done| vec![done]),
    }
}

struct Job<'a> {
    scan: &'a Scan,
    options: &'a Options<'a>,
}

impl Job<'_> {
    fn nifti(&self, out: &Path) -> Result<Vec<Converted>> {
        target::check_free(out, self.options.force)?;
        let writing = |done, total| (self.options.progress)(Stage::Writing, done, total);
        match content::grid(self.scan, self.options)? {
            Content::Volumes(volumes) => {
                let several = volumes.len() > 1;
                let each = volumes.iter().enumerate();
                each.map(|(i, volume)| self.volume(volume, &place(out, several, i), &writing)).collect()
            }
            Content::Images(images) => {
                let stacks = content::stacks(images);
                let several = stacks.len() > 1;
                let each = stacks.iter().enumerate();
                each.map(|(i, images)| self.images(images, &place(out, several, i), &writing)).collect()
            }
        }
    }

    fn volume(&self, volume: &Volume, out: &Path, writing: crate::Progress<'_>) -> Result<Converted> {
        target::check_free(out, self.options.force)?;
        let stored = nifti::write_volume(volume, out, writing)?;
        let values = Values::nifti(&volume.unit, &stored);
        let mut report = Report::new(self.scan, out, self.options.policy, volume.geometry().shape(), values);
        report.grid = Some(Grid::of(volume.geometry()));
        report.slices = report::slices(volume);
        report.corrections = volume.corrections.clone();
        self.done(out, report)
    }

    fn images(&self, images: &[Image], out: &Path, writing: crate::Progress<'_>) -> Result<Converted> {
        target::check_free(out, self.options.force)?;
        let stored = nifti::write_images(images, out, writing)?;
        let unit = images.first().map_or(&IntensityUnit::Arbitrary, |image| &image.unit);
        let mut report =
            Report::new(self.scan, out, self.options.policy, content::shape(images), Values::nifti(unit, &stored));
        report.pixel_spacing_mm = images.first().and_then(|image| image.spacing);
        report.slices = images.iter().map(report::Slice::of_image).collect();
        self.done(out, report)
    }

    /// Writes the report of what lies at `out`.
    fn done(&self, out: &Path, report: Report) -> Result<Converted> {
        let path = report::beside(out);
        report.write(&path)?;
        Ok(Converted {
            file: out.to_owned(),
            report: path,
            shape: report.shape,
            values: report.values.to_string(),
            warnings: report.warnings,
            corrections: report.corrections,
        })
    }
}

fn place(out: &Path, several: bool, i: usize) -> PathBuf {
    if several { numbered(out, i + 1) } else { out.to_owned() }
}
