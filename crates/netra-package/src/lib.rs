//! Model packages: the manifest `netra.toml`, digests, input contract, golden cases, and the catalogue of published
//! models.
//!
//! A package is a folder: `netra.toml`, the network (`model.onnx`), `card.md`, `LICENSE` and golden cases. It is data,
//! never code: preprocessing and postprocessing are closed lists of steps. [`Package::open`] loads nothing whose
//! SHA-256 is not the one that the manifest states; [`scope::check`] refuses a scan that the model was not made for.
#![forbid(unsafe_code)]

pub mod add;
pub mod catalogue;
pub mod digests;
mod error;
pub mod manifest;
mod package;
pub mod scope;
mod store;
mod tuning;

pub use error::from_graph;
pub use manifest::Manifest;
pub use package::{GoldenCase, Package};
pub use tuning::{FILE_NAME as TUNING_FILE_NAME, TuningFile};
