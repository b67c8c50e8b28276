//! Medical-imaging inference: a scan in, a published model run on any GPU or the CPU, a standard result out.
//!
//! ```no_run
//! # fn main() -> netra::Result<()> {
//! let engine = netra::Model::open("models/lung-fields")?.on(netra::Device::Auto)?; // verified, backend chosen
//! let scans = netra::open("chest.dcm")?; // file, folder or zip
//! for scan in &scans.scans {
//!     for reading in engine.run(scan)? {
//!         // Refused with a reason when the scan is outside what the model was made for.
//!         reading.write("seg", "chest-lungs.dcm".as_ref())?;
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The rooms behind this door are public too, under their own names: [`core`], [`dicom`], [`graph`],
//! [`package`], [`pipeline`] and [`export`]. Nothing here is for diagnosis; results are for research unless
//! whoever embeds the crate has cleared a model for more.
#![forbid(unsafe_code)]

mod device;
mod model;
pub mod phantom;
pub mod receipt;
mod spread;

pub use device::{Adapter, Chosen, Device, Devices, adapters};
pub use model::{Engine, Model, Pixels, Reading};
pub use netra_core::{Detail, Error, ErrorKind, Finding, Findings, Limits, Result};
pub use netra_dicom::{Collection, Scan};
pub use netra_pipeline::RunOptions;
pub use spread::{Event, spread};

pub use netra_core as core;
pub use netra_dicom as dicom;
pub use netra_export as export;
pub use netra_graph as graph;
pub use netra_package as package;
pub use netra_pipeline as pipeline;

/// Reads a scan, a folder of scans or a `.zip` of them under the default [`Limits`].
/// A file that cannot be read lands in [`Collection::refused`] and does not stop the others.
pub fn open(path: impl AsRef<std::path::Path>) -> Result<Collection> {
    netra_dicom::open(path.as_ref(), &Limits::default())
}
