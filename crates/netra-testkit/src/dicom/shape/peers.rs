//! What two other readers do with the shapes, as `tests/validate/shapes.py` measured it.

use super::Shape::{self, *};

/// pydicom 3.0.2, with `force=True` and its default configuration, does not give these texts and frames.
const NOT_PYDICOM: &[Shape] = &[];

/// `dcmdump` of DCMTK 3.6.7 reports an error. Where it reports none, its values may still be others.
const NOT_DCMTK: &[Shape] = &[];

impl Shape {
    /// Whether pydicom reads the same texts and frames.
    pub fn pydicom_reads(self) -> bool {
        !NOT_PYDICOM.contains(&self)
    }

    /// Whether DCMTK reads the file without an error.
    pub fn dcmtk_reads(self) -> bool {
        !NOT_DCMTK.contains(&self)
    }
}
