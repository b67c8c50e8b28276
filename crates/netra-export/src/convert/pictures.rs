//! Frames as pictures: one PNG, a montage, or a zip.

use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::path::Path;

use netra_core::{Error, ErrorKind, Image, Result};
use netra_dicom::Scan;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::report::{Report, Slice, Values};
use super::{Converted, Job, Stage, content, target};
use crate::atomic;
use crate::picture::{self, Mapping};

impl Job<'_> {
    /// One frame at its size, or a montage of all.
    pub(super) fn png(&self, out: &Path) -> Result<Converted> {
        target::check_free(out, self.options.force)?;
        let images = content::images(self.scan, self.options.voi, self.options)?;
        let mapping = Mapping::of(&images, self.options.voi);
        let mut report = self.report_of(&images, mapping, out);
        match images.as_slice() {
            [] => return Err(Error::unsupported("the scan has no frames")),
            [image] => {
                let bytes = picture::png(image, mapping)?;
                atomic::write(out, |file| file.write_all(&bytes).map_err(|e| Error::io(out, e)))?;
            }
            several => {
                let mapping = match mapping {
                    // A montage is to be looked at, whatever was asked for single frames.
                    Mapping::Values { .. } => Mapping::of(&images, netra_dicom::Voi::Apply),
                    display => display,
                };
                report.values = Values::picture(several, mapping);
                report.montage = true;
                picture::frames(several, mapping, &self.scan.id(), &notes(several, mapping)).write(out)?;
            }
        }
        (self.options.progress)(Stage::Writing, 1, 1);
        self.done(out, report)
    }

    /// A PNG of each frame, named by its place, Instance Number and frame, and the report.
    pub(super) fn zip(&self, out: &Path) -> Result<Converted> {
        target::check_free(out, self.options.force)?;
        let images = content::images(self.scan, self.options.voi, self.options)?;
        if images.is_empty() {
            return Err(Error::unsupported("the scan has no frames"));
        }
        let mapping = Mapping::of(&images, self.options.voi);
        let mut report = self.report_of(&images, mapping, out);
        let names = names(self.scan, &images);
        for (slice, name) in report.slices.iter_mut().zip(&names) {
            slice.picture = Some(name.clone());
        }
        let text = report.text()?;
        atomic::write(out, |file| {
            let failed = |e: zip::result::ZipError| Error::new(ErrorKind::Io, e.to_string()).at(out.display());
            let mut archive = ZipWriter::new(BufWriter::new(file));
            // PNG is compressed already. No time stamp: the same frames give the same bytes.
            let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
            for (done, (image, name)) in images.iter().zip(&names).enumerate() {
                archive.start_file(name.as_str(), stored).map_err(failed)?;
                archive.write_all(&picture::png(image, mapping)?).map_err(|e| Error::io(out, e))?;
                (self.options.progress)(Stage::Writing, done + 1, images.len());
            }
            let deflated = stored.compression_method(CompressionMethod::Deflated);
            archive.start_file("audit.json", deflated).map_err(failed)?;
            archive.write_all(text.as_bytes()).map_err(|e| Error::io(out, e))?;
            let mut inner = archive.finish().map_err(failed)?;
            inner.flush().map_err(|e| Error::io(out, e))
        })?;
        self.done(out, report)
    }

    fn report_of(&self, images: &[Image], mapping: Mapping, out: &Path) -> Report {
        let values = Values::picture(images, mapping);
        let mut report = Report::new(self.scan, out, self.options.policy, content::shape(images), values);
        report.pixel_spacing_mm = images.first().and_then(|image| image.spacing);
        report.slices = images.iter().map(Slice::of_image).collect();
        report
    }
}

/// What stands under the title of a montage.
fn notes(images: &[Image], mapping: Mapping) -> String {
    let [count, rows, columns] = content::shape(images);
    let mut parts = vec![format!("{count} frames"), format!("{columns} \u{d7} {rows} pixels")];
    if let Some([down, across]) = images.first().and_then(|image| image.spacing) {
        let size = format!("{:.0} \u{d7} {:.0} mm", across * columns as f64, down * rows as f64);
        parts.push(format!("{size}, a pixel {across:.3} \u{d7} {down:.3} mm"));
    }
    parts.push(match mapping {
        Mapping::Display { window: Some([low, high]) } => format!("black is {low}, white is {high}"),
        Mapping::Display { window: None } => "grey and colour as the file asks for".to_owned(),
        Mapping::Values { .. } => String::new(),
    });
    parts.retain(|part| !part.is_empty());
    parts.join("  \u{b7}  ")
}

/// `0003-instance7-frame1.png`: place in the scan, Instance Number where there is one, frame.
fn names(scan: &Scan, images: &[Image]) -> Vec<String> {
    let numbers: HashMap<String, String> = match scan {
        Scan::Dicom(series) => series.instances.iter().filter_map(super::report::instance_number).collect(),
        _ => HashMap::new(),
    };
    let name = |(i, image): (usize, &Image)| {
        let mut name = format!("{:04}", i + 1);
        if let Some(frame) = &image.frame {
            if let Some(number) = numbers.get(&frame.sop_instance_uid) {
                name.push_str(&format!("-instance{number}"));
            }
            name.push_str(&format!("-frame{}", frame.frame));
        }
        name + ".png"
    };
    images.iter().enumerate().map(name).collect()
}
