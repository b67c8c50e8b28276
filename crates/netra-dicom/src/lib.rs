//! Reading of scans under [`Limits`], and strict DICOM writing blocks.
//!
//! [`open`] takes a file, a folder or a `.zip` of DICOM Part 10 files, NIfTI files or PNG, JPEG and TIFF pictures, and
//! returns a [`Collection`] of [`Scan`]s. A scan becomes a [`Volume`](netra_core::Volume) when its frames lie on a regular
//! grid (else it is refused with the reason), or a list of [`Image`](netra_core::Image)s.
//!
//! Reading is tolerant: departures from the standard that leave no doubt about the values become [`Warning`]s, whose codes
//! are those of [`Code`] (`docs/reading.md`). It is also bounded: every length, dimension and depth is compared with
//! [`Limits`] and with the bytes that are really there before memory is taken for it. Messages name tags, sizes and files,
//! never a patient.
#![forbid(unsafe_code)]

mod archive;
mod attributes;
mod audit;
mod charset;
mod code;
mod collection;
mod dataset;
mod deidentify;
mod digest;
mod duplicates;
mod file;
mod fragments;
mod frames;
mod header;
mod images;
mod meta;
mod nifti;
mod picture;
mod pixels;
mod prescan;
mod quantities;
mod regrid;
mod repair;
mod scan;
mod series;
mod source;
mod space;
mod stream;
mod summary;
mod syntax;
mod token;
mod value;
mod volume;
pub mod write;

pub use audit::{Aspect, Audit, Gap, Irregularity, Stack};
pub use code::Code;
pub use collection::{Collection, open};
pub use deidentify::Deidentifier;
pub use digest::{FileDigest, sha256};
pub use images::{ImageOptions, Voi};
pub use netra_core::{Limits, Warning};
pub use nifti::NiftiFile;
pub use picture::PictureFile;
pub use pixels::{PixelFormat, SampleKind};
pub use quantities::{RealWorldMap, RealWorldValue, SuvFactors};
pub use regrid::{GeometryPolicy, ReadOptions};
pub use scan::Scan;
pub use series::{Instance, Series};
pub use summary::{GeometryVerdict, Summary};
pub use syntax::TransferSyntax;
