//! One picture that stands for a scan.

use netra_core::{Image, Limits, Result};
use netra_dicom::{GeometryVerdict, ImageOptions, Scan, Voi};

use super::content;
use crate::picture::{Thumbnail, Verdict};

/// The picture of a scan, its id, what it is, and its verdict. The middle frame of many stands for all; only its instance is
/// decoded.
pub fn thumbnail(mut scan: Scan, limits: &Limits) -> Thumbnail {
    let summary = scan.summary();
    let kind = [summary.modality.as_deref().unwrap_or(&summary.kind), summary.body_part.as_deref().unwrap_or("")];
    let mut kind = kind.join(" ").trim().to_owned();
    if let Some([rows, columns]) = summary.size {
        kind.push_str(&format!("  {} \u{d7} {rows} \u{d7} {columns}", summary.frames));
    }
    let verdict = match summary.geometry {
        GeometryVerdict::Regular => (Verdict::Regular, "regular grid".to_owned()),
        GeometryVerdict::Refused(reason) => (Verdict::Refused, reason),
        GeometryVerdict::Images if summary.frames == 1 => (Verdict::Images, "single image".to_owned()),
        GeometryVerdict::Images => (Verdict::Images, "single images".to_owned()),
    };
    if let Scan::Dicom(series) = &mut scan {
        let middle = series.instances.len() / 2;
        series.instances = series.instances.drain(..).skip(middle).take(1).collect();
    }
    let (image, verdict) = match middle(&scan, limits) {
        Ok(image) => (image, verdict),
        Err(error) => (None, (Verdict::Refused, error.to_string())),
    };
    Thumbnail { image, id: summary.id, kind, verdict }
}

fn middle(scan: &Scan, limits: &Limits) -> Result<Option<Image>> {
    let mut images = match scan {
        Scan::Nifti(_) => content::axial(&scan.volume(limits)?)?,
        _ => scan.images(&ImageOptions { voi: Voi::Apply }, limits)?,
    };
    let at = images.len() / 2;
    Ok((at < images.len()).then(|| images.swap_remove(at)))
}
