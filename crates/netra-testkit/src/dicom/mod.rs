//! DICOM files for tests: a builder of well-formed ones, and the shapes of the others that Netra reads all the same.

mod build;
mod shape;
mod slice;
mod subject;

pub use build::{Bytes, DEFLATED, EXPLICIT, EXPLICIT_BIG, Encoding, IMPLICIT, RLE, deflate};
pub use shape::{Case, Shape};
pub use slice::Slice;
pub use subject::{PIXELS, Subject};
