//! Slices of a CT series.

use super::build::{Bytes, EXPLICIT};

/// One slice of a CT series, up to its pixel data.
pub struct Slice {
    /// Instance Number, and the last part of the SOP Instance UID.
    pub number: usize,
    /// Image Position (Patient), LPS mm.
    pub position: [f64; 3],
    /// Image Orientation (Patient): row cosines, then column cosines.
    pub orientation: [f64; 6],
    /// Pixel Spacing: between rows, then between columns, mm.
    pub spacing: [f64; 2],
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
    /// Rescale Slope.
    pub slope: f64,
    /// Rescale Intercept.
    pub intercept: f64,
    /// Image Type.
    pub image_type: &'static str,
}

impl Slice {
    /// An axial slice at height `z`, mm.
    pub fn at(number: usize, z: f64) -> Self {
        Self {
            number,
            position: [-10.0, -20.0, z],
            orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            spacing: [0.7, 0.5],
            rows: 3,
            columns: 4,
            slope: 1.0,
            intercept: 0.0,
            image_type: "ORIGINAL\\PRIMARY\\AXIAL",
        }
    }

    /// The file: pixel `(row, column)` holds `100 * number + 10 * row + column`.
    pub fn file(&self) -> Vec<u8> {
        let join = |v: &[f64]| {
            v.iter().map(|x| format!("{x:.9}").chars().take(16).collect()).collect::<Vec<String>>().join("\\")
        };
        let pixels: Vec<u8> = (0..self.rows)
            .flat_map(|r| (0..self.columns).map(move |c| (r, c)))
            .flat_map(|(r, c)| (100 * self.number as u16 + 10 * r + c).to_le_bytes())
            .collect();
        Bytes::default()
            .text(0x08, 0x08, "CS", self.image_type)
            .text(0x08, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.2")
            .text(0x08, 0x18, "UI", &format!("1.2.3.{}", self.number))
            .text(0x08, 0x60, "CS", "CT")
            .text(0x20, 0x0D, "UI", "1.2.3")
            .text(0x20, 0x0E, "UI", "1.2.3.4")
            .text(0x20, 0x13, "IS", &self.number.to_string())
            .text(0x20, 0x32, "DS", &join(&self.position))
            .text(0x20, 0x37, "DS", &join(&self.orientation))
            .short(0x28, 0x02, 1)
            .text(0x28, 0x04, "CS", "MONOCHROME2")
            .short(0x28, 0x10, self.rows)
            .short(0x28, 0x11, self.columns)
            .text(0x28, 0x30, "DS", &join(&self.spacing))
            .short(0x28, 0x100, 16)
            .short(0x28, 0x101, 16)
            .short(0x28, 0x102, 15)
            .short(0x28, 0x103, 0)
            .text(0x28, 0x1052, "DS", &self.intercept.to_string())
            .text(0x28, 0x1053, "DS", &self.slope.to_string())
            .put(0x7FE0, 0x10, "OW", &pixels)
            .file(EXPLICIT)
    }
}
