//! Classes: the source beside a bar for each probability.

use netra_core::{Classification, Findings, Rgb};

use super::canvas::{Canvas, shortened, text_width};
use super::grey::Window;
use super::montage::{Montage, Over};
use super::page::{MARGIN, MUTED, Page, TEXT, WIDTH};
use super::{grey, panels};
use crate::Pixels;

const LINE: usize = 44;
/// Classes beyond these are counted, not listed.
const MOST: usize = 20;
const BAR: Rgb = [96, 156, 222];
const POSITIVE: Rgb = [240, 160, 80];
const PANEL: usize = 600;
const GAP: usize = 40;

/// An image beside the bars; a volume's planes above them.
pub(super) fn classes(
    findings: &Findings,
    classes: &[Classification],
    pixels: Pixels<'_>,
    window: Option<Window>,
) -> Canvas {
    let sorted = sorted(classes);
    match pixels {
        Pixels::Image(image) => {
            let size = panels::fitted(image, PANEL, 900.0);
            let mut page = Page::new(findings, size[0].max(height(&sorted)), &[]);
            let colours = grey::colours(image, size);
            let top = page.top;
            page.canvas.picture((MARGIN, top), [colours[0].view(), colours[1].view(), colours[2].view()]);
            draw(&mut page.canvas, (MARGIN + size[1] + GAP, top), &sorted);
            page.canvas
        }
        Pixels::Volume(volume) => {
            let montage = Montage::new(volume, window, None);
            let mut page = Page::new(findings, montage.height() + height(&sorted), &[]);
            let top = page.top;
            montage.draw(&mut page.canvas, (MARGIN, top), Over::Nothing);
            draw(&mut page.canvas, (MARGIN, top + montage.height() + 8), &sorted);
            page.canvas
        }
    }
}

/// The most probable first.
pub(super) fn sorted(classes: &[Classification]) -> Vec<&Classification> {
    let mut sorted: Vec<&Classification> = classes.iter().collect();
    sorted.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    sorted
}

/// Rows of pixels that [`draw`] takes.
pub(super) fn height(sorted: &[&Classification]) -> usize {
    (sorted.len().min(MOST) + usize::from(sorted.len() > MOST)) * LINE + 12
}

/// Label and number above a bar, with a tick at the threshold; classes over theirs stand out.
pub(super) fn draw(canvas: &mut Canvas, at: (usize, usize), sorted: &[&Classification]) {
    let width = WIDTH - MARGIN - at.0;
    for (i, class) in sorted.iter().take(MOST).enumerate() {
        let (x, y) = (at.0, at.1 + i * LINE);
        let baseline = y as f32 + 14.0;
        let number = format!("{:.1} %", class.probability * 100.0);
        let number_width = text_width(11.5, &number);
        let label = shortened(11.5, &class.label, width as f32 - number_width - 24.0);
        canvas.text((x as f32, baseline), 11.5, TEXT, 1.0, &label);
        canvas.text(((x + width) as f32 - number_width, baseline), 11.5, TEXT, 1.0, &number);
        canvas.rectangle((x, y + 23), (width, 6), MUTED, 0.2);
        let length = |share: f32| (share.clamp(0.0, 1.0) * width as f32).round() as usize;
        let colour = if class.positive == Some(true) { POSITIVE } else { BAR };
        canvas.rectangle((x, y + 23), (length(class.probability), 6), colour, 1.0);
        if let Some(threshold) = class.threshold {
            canvas.rectangle((x + length(threshold).min(width - 2), y + 20), (2, 12), TEXT, 0.8);
        }
    }
    if sorted.len() > MOST {
        let more = format!("and {} more", sorted.len() - MOST);
        canvas.text((at.0 as f32, (at.1 + MOST * LINE) as f32 + 14.0), 11.0, MUTED, 1.0, &more);
    }
}
