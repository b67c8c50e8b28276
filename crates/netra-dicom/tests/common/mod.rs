//! Shared by the tests of this crate.

#[allow(unused_imports, reason = "each test file uses its share")]
pub use netra_testkit::dicom::{Bytes, EXPLICIT, Slice};
