//! NIfTI-1: label maps (`.nii.gz`), and scans as they were read (`.nii`, `.nii.gz`).

mod header;
mod quaternion;
mod scan;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};
use netra_core::{Error, Findings, Result};

use crate::{Exporter, Pixels, ResultSet, Source, atomic, label_map};
use header::{DataType, Header, Place};

pub(crate) use header::ras;
pub(crate) use scan::{Stored, write_images, write_volume};

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

    fn write(&self, findings: &Findings, source: &Source<'_>, _: &ResultSet, out: &Path) -> Result<()> {
        let map = label_map(findings, source, "NIfTI")?;
        let wide = map.segments().iter().any(|segment| segment.number > 255);
        let (slices, rows, columns) = map.labels().dim();
        let header = Header {
            shape: [slices, rows, columns],
            data_type: if wide { DataType::Uint16 } else { DataType::Uint8 },
            // NIFTI_INTENT_LABEL
            intent: (1002, "Netra labels"),
            place: match source.pixels {
                Pixels::Volume(volume) => Place::Patient(volume.geometry()),
                Pixels::Image(image) => Place::Nowhere(flat(image.spacing)),
            },
            display: [0.0; 2],
            description: format!("Netra {} {}", env!("CARGO_PKG_VERSION"), findings.model.id),
        };
        write(out, &header, |sink| {
            for slice in map.labels().outer_iter() {
                let bytes: Vec<u8> = if wide {
                    slice.iter().flat_map(|label| label.to_le_bytes()).collect()
                } else {
                    slice.iter().map(|&label| label as u8).collect()
                };
                sink.write_all(&bytes)?;
            }
            Ok(())
        })
    }
}

/// Slices 1 mm apart, pixels as an image states them.
fn flat(spacing: Option<[f64; 2]>) -> [f64; 3] {
    spacing.map_or([1.0; 3], |[row, column]| [1.0, row, column])
}

/// Writes the header, then what `voxels` writes; gzipped when the name ends in `.gz`.
fn write(out: &Path, header: &Header<'_>, voxels: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let header = header.bytes()?;
    let gzipped = out.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("gz"));
    atomic::write(out, |file: &mut File| {
        let mut plain = BufWriter::new(file);
        let all = |sink: &mut dyn Write| sink.write_all(&header).and_then(|()| voxels(sink));
        let written = if gzipped {
            // No time stamp and no name inside: the same voxels give the same bytes.
            let mut gz = GzBuilder::new().write(&mut plain, Compression::new(6));
            all(&mut gz).and_then(|()| gz.finish().map(|_| ()))
        } else {
            all(&mut plain)
        };
        written.and_then(|()| plain.flush()).map_err(|e| Error::io(out, e))
    })
}
