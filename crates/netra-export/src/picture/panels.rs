//! Pictures of images: the source beside the overlay, or a generated picture alone.

use ndarray::{Array3, Axis};
use netra_core::{Error, ExtentMeasure, Findings, Image, IntensityUnit, LabelMap, Result};

use super::canvas::Canvas;
use super::page::{MARGIN, MUTED, Page, ROOM, legend};
use super::{grey, overlay};

const GAP: usize = 24;
const CAPTION: usize = 24;
const MOST_HEIGHT: f64 = 1000.0;

/// The source beside the same picture with its labels; one above the other when the picture is wide.
pub(super) fn segmentation(
    findings: &Findings,
    map: &LabelMap,
    extents: &[(u64, ExtentMeasure)],
    image: &Image,
) -> Canvas {
    let stacked = aspect(image) > 2.2;
    let size = fitted(image, if stacked { ROOM } else { (ROOM - GAP) / 2 }, MOST_HEIGHT);
    let body = if stacked { 2 * (size[0] + CAPTION) + GAP } else { size[0] + CAPTION };
    let mut page = Page::new(findings, body, &legend(map, extents));
    let second = if stacked {
        (MARGIN, page.top + size[0] + CAPTION + GAP)
    } else {
        (MARGIN + (ROOM - GAP) / 2 + GAP, page.top)
    };

    let mut colours = grey::colours(image, size);
    place(&mut page.canvas, (MARGIN, page.top), &colours, "Source");
    let [rows, columns] = image.size();
    let labels = map.labels().index_axis(Axis(0), 0);
    overlay::draw(&mut colours, labels, map, [0.0; 2], [rows as f32, columns as f32]);
    place(&mut page.canvas, second, &colours, "Overlay");
    page.canvas
}

/// A picture that the network made.
pub(super) fn generated(findings: &Findings, map: &Array3<f32>) -> Result<Canvas> {
    let finite = || map.iter().copied().filter(|v| v.is_finite());
    let range = [finite().fold(f32::INFINITY, f32::min), finite().fold(f32::NEG_INFINITY, f32::max)];
    let image = Image::new(map.clone(), IntensityUnit::Arbitrary, range)
        .map_err(|e| Error::unsupported(format!("only 1 or 3 channels can be shown: {e}")))?;
    let size = fitted(&image, ROOM, MOST_HEIGHT);
    let mut page = Page::new(findings, size[0] + CAPTION, &[]);
    place(&mut page.canvas, (MARGIN, page.top), &grey::colours(&image, size), "Generated");
    Ok(page.canvas)
}

/// A picture with its caption below.
pub(super) fn place(canvas: &mut Canvas, at: (usize, usize), colours: &[ndarray::Array2<f32>; 3], caption: &str) {
    canvas.picture(at, [colours[0].view(), colours[1].view(), colours[2].view()]);
    let baseline = (at.1 + colours[0].nrows() + 19) as f32;
    canvas.text((at.0 as f32, baseline), 9.5, MUTED, 1.0, caption);
}

/// Width over height as the patient is, not as the pixels are.
fn aspect(image: &Image) -> f64 {
    let [rows, columns] = image.size();
    let [down, across] = image.spacing.unwrap_or([1.0, 1.0]);
    (columns as f64 * across) / (rows as f64 * down)
}

/// Rows and columns on the display within `width` and `height`, in the patient's proportions.
pub(super) fn fitted(image: &Image, width: usize, height: f64) -> [usize; 2] {
    let aspect = aspect(image);
    let columns = (width as f64).min(height * aspect);
    [(columns / aspect).round().clamp(1.0, height) as usize, columns.round().max(1.0) as usize]
}
