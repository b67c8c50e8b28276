//! The header of a NIfTI-1 file (nifti1.h).

use netra_core::{Affine, Error, Geometry, Result};

use super::quaternion::Quaternion;

/// Bytes before the voxels: 348 of header and 4 that say there is no extension.
const SIZE: usize = 352;

/// How a voxel is stored, little endian. The number is the format's own code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataType {
    Uint8 = 2,
    Int16 = 4,
    Int32 = 8,
    Float32 = 16,
    /// Red, green and blue, a byte each.
    Rgb24 = 128,
    Uint16 = 512,
}

impl DataType {
    pub fn name(self) -> &'static str {
        match self {
            Self::Uint8 => "uint8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Float32 => "float32",
            Self::Rgb24 => "rgb24",
            Self::Uint16 => "uint16",
        }
    }

    pub fn bytes(self) -> usize {
        match self {
            Self::Uint8 => 1,
            Self::Int16 | Self::Uint16 => 2,
            Self::Rgb24 => 3,
            Self::Int32 | Self::Float32 => 4,
        }
    }
}

/// Where the voxels lie.
pub(super) enum Place<'a> {
    /// On a grid in the patient: sform, and qform where the axes are orthogonal.
    Patient(&'a Geometry),
    /// Nowhere in the patient (both codes 0), with millimetres between (slice, row, column).
    Nowhere([f64; 3]),
}

/// What a header says. No patient's data: nothing here comes from a text of the file.
pub(super) struct Header<'a> {
    /// Slices, rows and columns.
    pub shape: [usize; 3],
    pub data_type: DataType,
    /// NIFTI_INTENT code and its name.
    pub intent: (i16, &'static str),
    pub place: Place<'a>,
    /// Values that black and white stand for (`cal_min`, `cal_max`); equal ones say nothing.
    pub display: [f32; 2],
    pub description: String,
}

impl Header<'_> {
    /// The bytes before the voxels. Fails with `Limit` for an axis longer than the format can count.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let [slices, rows, columns] = self.shape;
        let mut dim = [3i16, 1, 1, 1, 1, 1, 1, 1];
        for (slot, size) in dim[1..4].iter_mut().zip([columns, rows, slices]) {
            *slot = i16::try_from(size)
                .map_err(|_| Error::limit(format!("{size} voxels along one axis are more than NIfTI-1 can count")))?;
        }
        let (affine, spacing) = match self.place {
            Place::Patient(geometry) => (Some(ras(geometry.affine())), geometry.spacing()),
            Place::Nowhere(spacing) => (None, spacing),
        };
        let quaternion = affine.as_ref().and_then(|m| Quaternion::of(m, spacing));

        let mut h = vec![0u8; SIZE];
        put(&mut h, 0, &348i32.to_le_bytes());
        put(&mut h, 38, b"r");
        for (i, size) in dim.iter().enumerate() {
            put(&mut h, 40 + 2 * i, &size.to_le_bytes());
        }
        put(&mut h, 68, &self.intent.0.to_le_bytes());
        put(&mut h, 70, &(self.data_type as i16).to_le_bytes());
        put(&mut h, 72, &(8 * self.data_type.bytes() as i16).to_le_bytes());
        let handedness = quaternion.as_ref().map_or(1.0, |q| q.handedness);
        let pixdim = [handedness, spacing[2], spacing[1], spacing[0], 1.0, 1.0, 1.0, 1.0];
        for (i, size) in pixdim.iter().enumerate() {
            put_f32(&mut h, 76 + 4 * i, *size);
        }
        put_f32(&mut h, 108, SIZE as f64);
        put_f32(&mut h, 112, 1.0);
        // Units: millimetres.
        put(&mut h, 123, &[2]);
        put_f32(&mut h, 124, self.display[1].into());
        put_f32(&mut h, 128, self.display[0].into());
        put(&mut h, 148, &self.description.as_bytes()[..self.description.len().min(79)]);
        put(&mut h, 328, &self.intent.1.as_bytes()[..self.intent.1.len().min(15)]);
        if let Some(m) = &affine {
            put(&mut h, 254, &1i16.to_le_bytes());
            for (r, row) in m.0.iter().take(3).enumerate() {
                for (c, value) in row.iter().enumerate() {
                    put_f32(&mut h, 280 + 16 * r + 4 * c, *value);
                }
            }
            if let Some(q) = &quaternion {
                put(&mut h, 252, &1i16.to_le_bytes());
                for (i, value) in q.bcd.iter().chain(&[m.0[0][3], m.0[1][3], m.0[2][3]]).enumerate() {
                    put_f32(&mut h, 256 + 4 * i, *value);
                }
            }
        }
        put(&mut h, 344, b"n+1\0");
        Ok(h)
    }
}

fn put(header: &mut [u8], at: usize, bytes: &[u8]) {
    // Every field of the fixed layout lies inside the header.
    header[at..at + bytes.len()].copy_from_slice(bytes);
}

fn put_f32(header: &mut [u8], at: usize, value: f64) {
    put(header, at, &(value as f32).to_le_bytes());
}

/// `(slice, row, column)` to LPS becomes `(column, row, slice)` to RAS.
pub(crate) fn ras(lps: &Affine) -> Affine {
    let flip = |[x, y, z]: [f64; 3]| [-x, -y, z];
    // `from_steps` takes the steps of the three index axes in order, here i, j and k.
    Affine::from_steps(flip(lps.step(2)), flip(lps.step(1)), flip(lps.step(0)), flip(lps.origin()))
}
