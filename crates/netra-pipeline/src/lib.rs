//! The call most users make: a scan and a model in, findings out.
//!
//! [`Model::run`] checks the scan against the package's input contract, prepares the tensor ([`preprocess`]), brings
//! the network to it ([`inferer`]), turns the network's output into findings on the source grid ([`postprocess`]), and
//! times each stage. Every stage is a public function with a plain value before and after it.
//!
//! Arrays in here are `(channel, slice, row, column)` for images too: an image has one slice. The network itself
//! sees `N, C, H, W` or `N, C, D, H, W`.
//!
//! This crate names no backend: it takes any [`Backend`](netra_graph::Backend).
#![forbid(unsafe_code)]

mod clock;
mod infer;
pub mod inferer;
mod input;
mod model;
mod network;
mod options;
pub mod plan;
pub mod postprocess;
pub mod preprocess;
mod resident;
mod saliency;
mod sample;
mod vector;
pub mod verify;

pub use input::{Input, InputSize};
pub use model::Model;
pub use network::Network;
pub use options::{Progress, RunOptions, Stage};
pub use plan::{RunPlan, StagePlan};
pub use sample::{Placement, Sample};
pub use verify::GoldenReport;
