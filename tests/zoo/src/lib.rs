//! Real architectures against float64 references.
//!
//! `export.py` leaves a folder a network: the ONNX file, an input, the outputs of the torch module in double precision, and
//! ONNX Runtime's own float32 error against them. What stands here runs the same file on a backend ([`measure`]), keeps
//! the figures beside it ([`Case`]), and writes them as one page ([`table`]).
#![forbid(unsafe_code)]

mod case;
mod measure;
mod steps;
mod table;

pub use case::{Case, Errors, Outcome, Run, folders};
pub use measure::{backend, measure};
pub use steps::{Rounding, rounding};
pub use table::{BARS, table};

/// What can go wrong here, in words.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
