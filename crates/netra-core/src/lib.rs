//! The vocabulary of Netra as plain data: [`Volume`], [`Image`], [`Geometry`], [`LabelMap`], [`Findings`],
//! [`CodedConcept`], and the pure functions over them.
//!
//! Conventions, fixed once here. Arrays of a volume are `(slice, row, column)`; arrays of an image are
//! `(channel, row, column)`. World coordinates are DICOM's patient coordinates, LPS, in millimetres
//! (PS3.3 C.7.6.2.1.1): x grows to the patient's left, y to the back, z to the head. An affine maps a voxel
//! index `(slice, row, column)` to the world position of that voxel's centre.
//!
//! This crate does no input or output and knows no DICOM tag and no tensor.
#![forbid(unsafe_code)]

pub mod components;
mod detail;
mod error;
mod findings;
mod geometry;
mod image;
mod labels;
mod limits;
pub mod orient;
pub mod percentile;
pub mod phantom;
pub mod resample;
mod trace;

pub use detail::{Detail, HeatMap, Probabilities, Saliency, SaliencyMethod};
pub use error::{Error, ErrorKind, Result};
pub use findings::{
    BackendIdentity, Classification, ExtentMeasure, Finding, Findings, ModelIdentity, ModelStatement, Probability,
    StageTiming, Warning,
};
pub use geometry::{Affine, Geometry};
pub use image::{Acquisition, Image, IntensityUnit, SourceFrame, Volume};
pub use labels::{CodedConcept, LabelMap, Rgb, Segment};
pub use limits::Limits;
pub use trace::{SlicePart, SliceSource, SourcePixel};
