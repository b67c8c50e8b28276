//! NIfTI-1 and NIfTI-2 volumes in one file, plain or gzipped.

mod header;

use std::io::BufReader;

use flate2::bufread::MultiGzDecoder;
use ndarray::Array3;
use netra_core::{Error, Geometry, IntensityUnit, Limits, Result, Volume, Warning};

use crate::source::{Source, Stream};
use header::Header;
use header::is_nifti_header;

/// A NIfTI file whose header was read; the voxels stay in the file.
#[derive(Clone, Debug)]
pub struct NiftiFile {
    source: Source,
    gzipped: bool,
    header: Header,
    warnings: Vec<Warning>,
}

/// Whether `head`, the first bytes of a file, starts a NIfTI file, plain or gzipped.
pub(crate) fn is_nifti(head: &[u8]) -> bool {
    if !is_gzip(head) {
        return is_nifti_header(head);
    }
    let mut inner = Stream::of(Box::new(BufReader::new(MultiGzDecoder::new(std::io::Cursor::new(head.to_vec())))));
    inner.up_to(header::LONGEST as u64).is_ok_and(|head| is_nifti_header(&head))
}

impl NiftiFile {
    pub(crate) fn open(source: &Source, limits: &Limits) -> Result<Self> {
        let gzipped = is_gzip(&source.open(limits)?.up_to(2)?);
        let head = stream(source, gzipped, limits)?.up_to(header::LONGEST as u64)?;
        let (header, warnings) = Header::read(&head)?;
        let file = Self { source: source.clone(), gzipped, header, warnings };
        file.check(limits)?;
        Ok(file)
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// Where the file lies.
    pub fn path(&self) -> std::path::PathBuf {
        self.source.path()
    }

    /// The grid `(slice, row, column)`: NIfTI's k, j, i.
    pub fn geometry(&self) -> &Geometry {
        &self.header.geometry
    }

    /// The stored data type by its NIfTI name.
    pub fn data_type(&self) -> &'static str {
        self.header.data_type.name()
    }

    /// What reading had to tolerate.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Has its file go by `alias`.
    pub(crate) fn hide(&mut self, alias: &str) {
        self.source.hide(|| alias.to_owned());
    }

    pub(crate) fn stem(&self) -> String {
        let name = self.source.name();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        name.strip_suffix(".nii").unwrap_or(name).to_owned()
    }

    /// The voxels, scaled by `scl_slope` and `scl_inter`; not-a-number stays what it is.
    pub(crate) fn volume(&self, limits: &Limits) -> Result<Volume> {
        let place = |e: Error| e.at(self.path().display());
        self.check(limits).map_err(place)?;
        let [slices, rows, columns] = self.header.geometry.shape();
        let mut stream = stream(&self.source, self.gzipped, limits).map_err(place)?;
        stream.skip(self.header.offset).map_err(place)?;
        let mut voxels = Vec::new();
        let slice_bytes = (rows * columns * self.header.data_type.bytes()) as u64;
        for slice in 0..slices {
            let bytes = stream.bytes(slice_bytes).map_err(|e| place(e.at(format!("slice {slice}"))))?;
            self.header.decode(&bytes, &mut voxels);
        }
        let voxels = Array3::from_shape_vec((slices, rows, columns), voxels)
            .map_err(|e| place(Error::malformed("voxels of the wrong number").with_source(e)))?;
        Volume::new(voxels, self.header.geometry.clone(), IntensityUnit::Arbitrary)
    }

    /// Compares the declared size with the limits and with the bytes that are there.
    fn check(&self, limits: &Limits) -> Result<()> {
        let shape = self.header.geometry.shape();
        let product = |size: usize| shape.iter().try_fold(size as u64, |n, &d| n.checked_mul(d as u64));
        if product(4).is_none_or(|bytes| bytes > limits.volume_bytes) {
            return Err(Error::limit(format!(
                "a volume of shape {shape:?}, the limit is {} bytes",
                limits.volume_bytes
            )));
        }
        let needed = product(self.header.data_type.bytes()).and_then(|bytes| bytes.checked_add(self.header.offset));
        let stored = self.source.open(limits)?.remaining().unwrap_or(u64::MAX);
        let there = if self.gzipped { stored.saturating_mul(limits.inflation).min(limits.file_bytes) } else { stored };
        match needed {
            Some(needed) if needed <= there => Ok(()),
            _ => Err(Error::malformed(format!("the header declares shape {shape:?}, {stored} bytes are stored"))),
        }
    }
}

fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(&[0x1F, 0x8B])
}

fn stream(source: &Source, gzipped: bool, limits: &Limits) -> Result<Stream> {
    let plain = source.open(limits)?;
    Ok(if gzipped { Stream::of(Box::new(BufReader::new(MultiGzDecoder::new(plain.into_read())))) } else { plain })
}
