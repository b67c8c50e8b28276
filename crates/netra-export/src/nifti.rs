//! The label map as NIfTI-1, gzipped (`.nii.gz`).

use std::io::{BufWriter, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};
use netra_core::{Affine, Error, Findings, LabelMap, Result};

use crate::{Exporter, Pixels, Source, atomic, label_map};

/// The label map on the source grid: voxel `(i, j, k)` is (column, row, slice), the affine is in RAS
/// millimetres, and the type is the smallest unsigned integer that holds the labels. An image lies in no patient space:
/// its file says so (both codes 0) and keeps the pixel spacing.
#[derive(Clone, Copy, Debug)]
pub struct Nifti;

impl Exporter for Nifti {
    fn name(&self) -> &'static str {
        "nii"
    }

    fn file_name(&self, stem: &str) -> String {
        format!("{stem}.nii.gz")
    }

    fn write(&self, findings: &Findings, source: &Source<'_>, out: &Path) -> Result<()> {
        let map = label_map(findings, source, "NIfTI")?;
        let wide = map.segments().iter().any(|segment| segment.number > 255);
        let header = header(map, source, &findings.model.id, wide)?;
        atomic::write(out, |file| {
            let failed = |e| Error::io(out, e);
            // No time stamp and no name inside: the same labels give the same bytes.
            let mut gz = GzBuilder::new().write(BufWriter::new(file), Compression::new(6));
            gz.write_all(&header).map_err(failed)?;
            for slice in map.labels().outer_iter() {
                let bytes: Vec<u8> = if wide {
                    slice.iter().flat_map(|label| label.to_le_bytes()).collect()
                } else {
                    slice.iter().map(|&label| label as u8).collect()
                };
                gz.write_all(&bytes).map_err(failed)?;
            }
            gz.finish().and_then(|mut inner| inner.flush()).map_err(failed)
        })
    }
}

/// 348 bytes of header and 4 that say there is no extension (nifti1.h).
fn header(map: &LabelMap, source: &Source<'_>, model: &str, wide: bool) -> Result<Vec<u8>> {
    let (slices, rows, columns) = map.labels().dim();
    let mut dim = [3i16, 1, 1, 1, 1, 1, 1, 1];
    for (slot, size) in dim[1..4].iter_mut().zip([columns, rows, slices]) {
        *slot = i16::try_from(size)
            .map_err(|_| Error::limit(format!("{size} voxels along one axis are more than NIfTI-1 can count")))?;
    }
    let (affine, spacing) = match source.pixels {
        Pixels::Volume(volume) => (Some(ras(volume.geometry().affine())), volume.geometry().spacing()),
        Pixels::Image(image) => (None, image.spacing.map_or([1.0; 3], |[row, column]| [1.0, row, column])),
    };
    let quaternion = affine.as_ref().and_then(|m| Quaternion::of(m, spacing));

    let mut h = vec![0u8; 352];
    put(&mut h, 0, &348i32.to_le_bytes());
    put(&mut h, 38, b"r");
    for (i, size) in dim.iter().enumerate() {
        put(&mut h, 40 + 2 * i, &size.to_le_bytes());
    }
    // Intent: label (1002). Data type: uint8 (2) or uint16 (512).
    put(&mut h, 68, &1002i16.to_le_bytes());
    let (data_type, bits) = if wide { (512i16, 16i16) } else { (2, 8) };
    put(&mut h, 70, &data_type.to_le_bytes());
    put(&mut h, 72, &bits.to_le_bytes());
    let handedness = quaternion.as_ref().map_or(1.0, |q| q.handedness);
    let pixdim = [handedness, spacing[2], spacing[1], spacing[0], 1.0, 1.0, 1.0, 1.0];
    for (i, size) in pixdim.iter().enumerate() {
        put_f32(&mut h, 76 + 4 * i, *size);
    }
    put_f32(&mut h, 108, 352.0);
    put_f32(&mut h, 112, 1.0);
    // Units: millimetres.
    put(&mut h, 123, &[2]);
    let description = format!("Netra {} {model}", env!("CARGO_PKG_VERSION"));
    put(&mut h, 148, &description.as_bytes()[..description.len().min(79)]);
    put(&mut h, 328, b"Netra labels");
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

fn put(header: &mut [u8], at: usize, bytes: &[u8]) {
    // Every field of the fixed layout lies inside the header.
    header[at..at + bytes.len()].copy_from_slice(bytes);
}

fn put_f32(header: &mut [u8], at: usize, value: f64) {
    put(header, at, &(value as f32).to_le_bytes());
}

/// `(slice, row, column)` to LPS becomes `(column, row, slice)` to RAS.
fn ras(lps: &Affine) -> Affine {
    let flip = |[x, y, z]: [f64; 3]| [-x, -y, z];
    // `from_steps` takes the steps of the three index axes in order, here i, j and k.
    Affine::from_steps(flip(lps.step(2)), flip(lps.step(1)), flip(lps.step(0)), flip(lps.origin()))
}

/// The rotation as NIfTI's qform stores it.
struct Quaternion {
    bcd: [f64; 3],
    /// -1 when the third axis must be flipped to make the rotation proper (`qfac`).
    handedness: f64,
}

impl Quaternion {
    /// The rotation of an affine whose steps are orthogonal; `None` for a sheared one, which only the sform can hold.
    fn of(ras: &Affine, spacing: [f64; 3]) -> Option<Self> {
        let sizes = [spacing[2], spacing[1], spacing[0]];
        let mut axes: [[f64; 3]; 3] = std::array::from_fn(|i| ras.step(i).map(|v| v / sizes[i]));
        let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
        if [(0, 1), (0, 2), (1, 2)].iter().any(|&(a, b)| dot(axes[a], axes[b]).abs() > 1e-4) {
            return None;
        }
        let [x, y, z] = axes;
        let cross = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]];
        let handedness = if dot(cross, z) < 0.0 { -1.0 } else { 1.0 };
        axes[2] = z.map(|v| v * handedness);
        // r[row][column], with the axes as columns.
        let r = |row: usize, column: usize| axes[column][row];
        let squares = [
            1.0 + r(0, 0) + r(1, 1) + r(2, 2),
            1.0 + r(0, 0) - r(1, 1) - r(2, 2),
            1.0 - r(0, 0) + r(1, 1) - r(2, 2),
            1.0 - r(0, 0) - r(1, 1) + r(2, 2),
        ];
        // Divide by the largest component, so that no rotation loses precision.
        let largest = (0..4).max_by(|&a, &b| squares[a].total_cmp(&squares[b]))?;
        let root = 2.0 * squares[largest].max(0.0).sqrt();
        let (sum, difference) = (|a, b| (r(a, b) + r(b, a)) / root, |a, b| (r(a, b) - r(b, a)) / root);
        let own = root / 4.0;
        let [a, b, c, d] = match largest {
            0 => [own, difference(2, 1), difference(0, 2), difference(1, 0)],
            1 => [difference(2, 1), own, sum(0, 1), sum(0, 2)],
            2 => [difference(0, 2), sum(0, 1), own, sum(1, 2)],
            _ => [difference(1, 0), sum(0, 2), sum(1, 2), own],
        };
        // A quaternion and its negative are one rotation; the format stores the one with a >= 0.
        let sign = if a < 0.0 { -1.0 } else { 1.0 };
        Some(Self { bcd: [b * sign, c * sign, d * sign], handedness })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The matrix that a reader builds from the stored quaternion (nifti1.h, METHOD 2).
    fn matrix(q: &Quaternion) -> [[f64; 3]; 3] {
        let [b, c, d] = q.bcd;
        let a = (1.0 - b * b - c * c - d * d).max(0.0).sqrt();
        let k = q.handedness;
        [
            [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), k * 2.0 * (b * d + a * c)],
            [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, k * 2.0 * (c * d - a * b)],
            [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), k * (a * a + d * d - b * b - c * c)],
        ]
    }

    #[test]
    fn the_quaternion_rebuilds_rotations_and_reflections() {
        let (s, c) = 0.4f64.sin_cos();
        let cases = [
            [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]],
            [[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]],
            [[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, -1.0]],
            [[0.0, c, s], [1.0, 0.0, 0.0], [0.0, -s, c]],
        ];
        for axes in cases {
            let scaled: Vec<[f64; 3]> = (0..3).map(|i| axes[i].map(|v| v * (i as f64 + 0.5))).collect();
            let affine = Affine::from_steps(scaled[0], scaled[1], scaled[2], [1.0, 2.0, 3.0]);
            let q = Quaternion::of(&affine, [2.5, 1.5, 0.5]).expect("orthogonal");
            let rebuilt = matrix(&q);
            for (axis, unit) in axes.iter().enumerate() {
                for (row, want) in unit.iter().enumerate() {
                    assert!((rebuilt[row][axis] - want).abs() < 1e-9, "{axes:?} became {rebuilt:?}");
                }
            }
        }
    }

    #[test]
    fn a_sheared_grid_has_no_quaternion() {
        let affine = Affine::from_steps([1.0, 0.0, 0.0], [0.1, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0; 3]);
        assert!(Quaternion::of(&affine, [1.0, 1.01f64.sqrt(), 1.0]).is_none());
    }
}
