//! Results in the formats others read: JSON, PNG, HTML, CSV, NIfTI, FHIR, DICOM SEG, Parametric Map, SR, Secondary Capture, Key
//! Object Selection, Presentation State. One file or folder a format, each behind [`Exporter`]. And scans themselves: [`convert`]
//! to NIfTI and pictures.
//!
//! Every exporter writes to a temporary name and renames (see [`atomic`]), and every result refers to its source by UID and to
//! its model by digest. Only DICOM objects carry a patient's name or number, since they must be filed in the patient's record.
#![forbid(unsafe_code)]

mod base64;
mod capture;
mod colour;
mod content;
pub mod convert;
mod details;
mod extent;
pub mod fhir;
mod functional;
mod identity;
mod interpreter;
mod json;
mod ko;
mod nifti;
mod origin;
mod parametric;
mod picture;
mod planes;
mod pr;
mod quantity;
mod report;
mod seg;
mod set;
mod sr;
pub mod table;
pub mod tags;

use std::path::Path;

use netra_core::{Detail, Error, Finding, Findings, Image, LabelMap, Result, Volume};
use netra_dicom::Scan;

pub use capture::SecondaryCapture;
pub use fhir::Fhir;
pub use interpreter::{Identifier, Interpreter, PersonName};
pub use json::{Json, write as write_json};
pub use ko::Ko;
pub use netra_dicom::write::atomic;
pub use nifti::Nifti;
pub use parametric::ParametricMap;
pub use picture::{Png, Thumbnail, Verdict, write_thumbnails};
pub use pr::Pr;
pub use report::Html;
pub use seg::{Encoding, Seg, SegKind};
pub use set::ResultSet;
pub use sr::Sr;
pub use table::Csv;

/// Told how much is done, and of how much.
pub(crate) type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// The names that [`exporter`] knows, in the order in which a user should read them.
pub const NAMES: [&str; 16] = [
    "json",
    "png",
    "html",
    "csv",
    "nii",
    "seg",
    "seg-native",
    "seg-binary",
    "seg-fractional",
    "pm",
    "sr",
    "sc",
    "ko",
    "pr",
    "fhir",
    "fhir-midas",
];

/// One output format.
pub trait Exporter {
    /// The name by which users ask for it.
    fn name(&self) -> &'static str;

    /// The file name of a result called `stem`, with the format's own suffix.
    fn file_name(&self, stem: &str) -> String;

    /// What it shows that a run computes only when it is asked.
    fn needs(&self) -> Detail {
        Detail::default()
    }

    /// Whether it has anything to show of a finding: what points at things has nothing to point at where nothing was found, and
    /// [`write`](Self::write) refuses.
    fn shows(&self, _finding: &Finding) -> bool {
        true
    }

    /// Writes `findings` on `source` to `out`, one file of `set`, whole or not at all. Fails with
    /// [`Unsupported`](netra_core::ErrorKind::Unsupported) when the format cannot hold this kind of finding or source.
    fn write(&self, findings: &Findings, source: &Source<'_>, set: &ResultSet, out: &Path) -> Result<()>;
}

/// What a result was computed from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The scan as read: headers and identifiers.
    pub scan: &'a Scan,
    /// The pixels that the model saw, on the grid of the label map.
    pub pixels: Pixels<'a>,
}

/// The pixels of a [`Source`].
#[derive(Clone, Copy)]
pub enum Pixels<'a> {
    /// One picture of the scan.
    Image(&'a Image),
    /// The whole scan on a regular grid.
    Volume(&'a Volume),
}

impl Pixels<'_> {
    /// Slices, rows and columns; an image has one slice.
    pub fn shape(&self) -> [usize; 3] {
        match self {
            Pixels::Image(image) => [1, image.size()[0], image.size()[1]],
            Pixels::Volume(volume) => volume.geometry().shape(),
        }
    }
}

/// The exporter called `name`, one of [`NAMES`].
pub fn exporter(name: &str) -> Result<Box<dyn Exporter>> {
    Ok(match name {
        "json" => Box::new(Json),
        "png" => Box::new(Png),
        "html" => Box::new(Html),
        "csv" => Box::new(Csv),
        "nii" => Box::new(Nifti),
        "seg" => Box::new(Seg::new(SegKind::LabelMap(Encoding::RunLengths))),
        "seg-native" => Box::new(Seg::new(SegKind::LabelMap(Encoding::Native))),
        "seg-binary" => Box::new(Seg::new(SegKind::Binary)),
        "seg-fractional" => Box::new(Seg::new(SegKind::Fractional)),
        "pm" => Box::new(ParametricMap),
        "sr" => Box::new(Sr),
        "sc" => Box::new(SecondaryCapture),
        "ko" => Box::new(Ko),
        "pr" => Box::new(Pr),
        "fhir" => Box::new(Fhir::new(fhir::Profile::R4)),
        "fhir-midas" => Box::new(Fhir::new(fhir::Profile::Midas)),
        _ => return Err(Error::invalid(format!("no output format {name:?}; there are {}", NAMES.join(", ")))),
    })
}

/// What these formats show that a run computes only when it is asked. Fails when one is not of [`NAMES`].
pub fn needs<S: AsRef<str>>(names: &[S]) -> Result<Detail> {
    names.iter().try_fold(Detail::default(), |all, name| Ok(all.and(exporter(name.as_ref())?.needs())))
}

/// The label map of `findings`, checked to lie on the grid of `source`.
fn label_map<'f>(findings: &'f Findings, source: &Source<'_>, format: &str) -> Result<&'f LabelMap> {
    let Finding::Segmentation { labels, .. } = &findings.finding else {
        return Err(Error::unsupported(format!("{format} holds a label map, and this finding has none")));
    };
    let shape = source.pixels.shape();
    if labels.labels().shape() != shape {
        return Err(Error::invalid(format!(
            "labels of shape {:?} on a source of shape {shape:?}",
            labels.labels().shape()
        )));
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_exporter() {
        for name in NAMES {
            assert_eq!(exporter(name).unwrap().name(), name);
        }
        let error = exporter("pdf").err().expect("refused");
        assert!(error.to_string().contains("seg-binary"), "{error}");
    }
}
