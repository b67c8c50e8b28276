//! PNG pictures for people: a finding as overlay, montage or bars; the frames of a scan; one picture of each scan. No
//! patient's name or number.

mod bars;
mod canvas;
mod font;
mod frame;
mod grey;
mod heat;
mod montage;
mod overlay;
mod page;
mod panels;
mod ramp;
mod resize;
mod sheet;
mod view;
mod voi;

use std::path::Path;

use netra_core::{Error, Finding, Findings, Result};

use crate::details::HeatMaps;
use crate::{Exporter, Pixels, ResultSet, Source, label_map};

pub(crate) use canvas::Canvas;
pub(crate) use frame::{Mapping, png, rgb};
pub(crate) use grey::Window;
pub(crate) use heat::MOST_MAPS;
pub(crate) use sheet::frames;
pub use sheet::{Thumbnail, Verdict};
pub(crate) use view::{Axes, View};

/// Writes a contact sheet: each picture with its scan's id, kind and verdict below.
pub fn write_thumbnails(thumbnails: &[Thumbnail], out: &Path) -> Result<()> {
    sheet::contact(thumbnails).write(out)
}

/// A picture of about 1400 pixels' width. A segmentation of an image: the source beside the overlay. A segmentation of
/// a volume: rows of axial, coronal and sagittal planes through the labelled extent, head up, the patient's right on the
/// left. Classes: the source beside their probabilities; with heat maps the source, at most four maps over it, and the probabilities
/// below. A CT volume has the window that its files state; other grey values are windowed from the 0.5th to the 99.5th percentile.
#[derive(Clone, Copy, Debug)]
pub struct Png;

impl Exporter for Png {
    fn name(&self) -> &'static str {
        "png"
    }

    fn file_name(&self, stem: &str) -> String {
        format!("{stem}.png")
    }

    fn write(&self, findings: &Findings, source: &Source<'_>, _: &ResultSet, out: &Path) -> Result<()> {
        drawn(findings, source)?.write(out)
    }
}

/// A finding as a picture for people.
pub(crate) fn drawn(findings: &Findings, source: &Source<'_>) -> Result<Canvas> {
    let window = voi::window(source);
    Ok(match (&findings.finding, source.pixels) {
        (Finding::Segmentation { extents, .. }, pixels) => {
            let map = label_map(findings, source, "a picture")?;
            match pixels {
                Pixels::Image(image) => panels::segmentation(findings, map, extents, image),
                Pixels::Volume(volume) => montage::segmentation(findings, map, extents, volume, window),
            }
        }
        (Finding::Classes(classes), pixels) => match HeatMaps::of(findings, source)? {
            Some(maps) => heat::classes(findings, classes, &maps, pixels, window),
            None => bars::classes(findings, classes, pixels, window),
        },
        (Finding::Generated(map), _) => panels::generated(findings, map)?,
        _ => return Err(Error::unsupported("no picture of this kind of finding is known")),
    })
}
