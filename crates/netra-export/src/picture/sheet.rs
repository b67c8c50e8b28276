//! Sheets of small pictures: every frame of a scan, or one picture of each scan.

use ndarray::{Array2, Axis};
use netra_core::{Image, Rgb};

use super::canvas::{Canvas, shortened, text_width, wrapped};
use super::frame::Mapping;
use super::page::{BACKGROUND, MARGIN, MUTED, ROOM, TEXT, WIDTH};
use super::panels::fitted;
use super::resize::{CUBIC, resize};

const GAP: usize = 12;
/// Above the pictures: a title and a line of notes.
const HEADING: usize = 96;
const FOOTER: usize = 52;
const NOTE: f32 = 9.5;
const CAPTION: f32 = 9.0;
const LINE: usize = 19;
/// Lines below a picture of a contact sheet, at most.
const LINES: usize = 6;
/// A box of a contact sheet; those of a montage get smaller as they get more.
const BOX: usize = 320;
const LEAST: usize = 64;
/// Around a picture that does not fill its box.
const SURROUND: Rgb = [0, 0, 0];
const GOOD: Rgb = [122, 196, 140];
const BAD: Rgb = [240, 160, 80];

/// How a scan fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A regular grid.
    Regular,
    /// Single images.
    Images,
    /// Refused, or no picture could be made.
    Refused,
}

/// One scan of a contact sheet.
pub struct Thumbnail {
    /// The picture, in the proportions of the patient; `None` when there is none.
    pub image: Option<Image>,
    /// The scan's id.
    pub id: String,
    /// What it is.
    pub kind: String,
    /// Its verdict in words.
    pub verdict: (Verdict, String),
}

/// A montage of all frames, numbered from 1 in reading order. `notes` are told under the title.
pub(crate) fn frames(images: &[Image], mapping: Mapping, title: &str, notes: &str) -> Canvas {
    // As many columns as make the sheet about as high as wide.
    let columns = ((images.len() as f64 * 1.3).sqrt().ceil() as usize).clamp(2, (ROOM + GAP) / (LEAST + GAP));
    let side = (ROOM + GAP) / columns - GAP;
    let sizes: Vec<[usize; 2]> = images.iter().map(|image| fitted(image, side, side as f64)).collect();
    let tallest = sizes.iter().map(|size| size[0]).max().unwrap_or(1);
    let height = HEADING + images.len().div_ceil(columns) * (tallest + GAP) - GAP + FOOTER;
    let mut canvas = page(height, title, notes);
    for (i, (image, size)) in images.iter().zip(&sizes).enumerate() {
        let at = (MARGIN + i % columns * (side + GAP), HEADING + i / columns * (tallest + GAP));
        canvas.rectangle(at, (side, tallest), SURROUND, 1.0);
        let inner = (at.0 + (side - size[1]) / 2, at.1 + (tallest - size[0]) / 2);
        let planes = planes(image, *size, mapping);
        canvas.picture(inner, [planes[0].view(), planes[1].view(), planes[2].view()]);
        let number = (i + 1).to_string();
        let (text, inset) = if side < 100 { (7.0, 4.0) } else { (9.0, 7.0) };
        canvas.text_on_picture((at.0 as f32 + inset, at.1 as f32 + text + inset), text, TEXT, &number);
        if i == 0 && side >= 100 {
            scale_bar(&mut canvas, image, *size, (inner.0 + 10, inner.1 + size[0].saturating_sub(12)));
        }
    }
    canvas
}

/// A length in the patient below the first picture's lower edge, where the pixel spacing is known.
fn scale_bar(canvas: &mut Canvas, image: &Image, size: [usize; 2], at: (usize, usize)) {
    let Some([_, across]) = image.spacing else { return };
    let width = image.size()[1] as f64 * across;
    let Some(mm) = [100.0, 50.0, 20.0, 10.0, 5.0, 2.0].into_iter().find(|mm| *mm <= 0.5 * width) else { return };
    let length = (mm / width * size[1] as f64).round() as usize;
    canvas.rectangle((at.0 - 2, at.1 - 2), (length + 4, 6), [0; 3], 0.6);
    canvas.rectangle(at, (length, 2), TEXT, 1.0);
    let name = if mm >= 10.0 { format!("{} cm", mm / 10.0) } else { format!("{mm} mm") };
    canvas.text_on_picture((at.0 as f32, at.1 as f32 - 7.0), 8.0, TEXT, &name);
}

/// A sheet of one picture a scan.
pub(super) fn contact(thumbnails: &[Thumbnail]) -> Canvas {
    let columns = (ROOM + GAP) / (BOX + GAP);
    let cell = BOX + LINES * LINE + 2 * GAP;
    let title = if thumbnails.len() == 1 { "1 scan".to_owned() } else { format!("{} scans", thumbnails.len()) };
    let notes = "One picture a scan, the middle slice of a volume; grey by the file's window, else from the 0.5th to the \
                 99.5th percentile";
    let height = HEADING + thumbnails.len().div_ceil(columns) * cell + FOOTER;
    let mut canvas = page(height, &title, notes);
    for (i, thumbnail) in thumbnails.iter().enumerate() {
        let at = (MARGIN + i % columns * (BOX + GAP), HEADING + i / columns * cell);
        canvas.rectangle(at, (BOX, BOX), SURROUND, 1.0);
        match &thumbnail.image {
            Some(image) => {
                let size = fitted(image, BOX, BOX as f64);
                let mapping = Mapping::of(std::slice::from_ref(image), netra_dicom::Voi::Apply);
                let planes = planes(image, size, mapping);
                let inner = (at.0 + (BOX - size[1]) / 2, at.1 + (BOX - size[0]) / 2);
                canvas.picture(inner, [planes[0].view(), planes[1].view(), planes[2].view()]);
            }
            None => {
                let text = "no picture";
                let x = at.0 as f32 + (BOX as f32 - text_width(NOTE, text)) / 2.0;
                canvas.text((x, (at.1 + BOX / 2) as f32), NOTE, MUTED, 1.0, text);
            }
        }
        caption(&mut canvas, (at.0, at.1 + BOX + 19), thumbnail);
    }
    canvas
}

fn caption(canvas: &mut Canvas, at: (usize, usize), thumbnail: &Thumbnail) {
    let colour = match thumbnail.verdict.0 {
        Verdict::Regular => GOOD,
        Verdict::Images => MUTED,
        Verdict::Refused => BAD,
    };
    let width = BOX as f32;
    let id = wrapped(CAPTION, &thumbnail.id, width, 2).into_iter().map(|line| (line, TEXT));
    let kind = [(shortened(CAPTION, &thumbnail.kind, width), MUTED)];
    let verdict = wrapped(CAPTION, &thumbnail.verdict.1, width, 3).into_iter().map(|line| (line, colour));
    for (i, (line, colour)) in id.chain(kind).chain(verdict).take(LINES).enumerate() {
        canvas.text((at.0 as f32, (at.1 + i * LINE) as f32), CAPTION, colour, 1.0, &line);
    }
}

/// A page with heading and footer.
fn page(height: usize, title: &str, notes: &str) -> Canvas {
    let mut canvas = Canvas::new(WIDTH, height, BACKGROUND);
    let (left, room) = (MARGIN as f32, ROOM as f32);
    canvas.text((left, 44.0), 14.0, TEXT, 1.0, &shortened(14.0, title, room));
    canvas.text((left, 70.0), NOTE, MUTED, 1.0, &shortened(NOTE, notes, room));
    let footer = format!("Netra {}", env!("CARGO_PKG_VERSION"));
    canvas.text((left, height as f32 - 20.0), 9.0, MUTED, 0.9, &footer);
    canvas
}

/// An image as `size` pixels of red, green and blue, 0 to 1.
fn planes(image: &Image, size: [usize; 2], mapping: Mapping) -> [Array2<f32>; 3] {
    let pixels = image.pixels();
    let [rows, columns] = image.size();
    let colour = pixels.dim().0 == 3;
    let shown = mapping.shown(image);
    let plane = |channel: usize| {
        // Values that are not finite would spread over their neighbours.
        let grey = pixels.index_axis(Axis(0), channel).mapv(|v| match v.is_finite() {
            true if colour => v / 255.0,
            true => shown(v),
            false => 0.0,
        });
        resize(grey.view(), [0.0; 2], [rows as f32, columns as f32], size, CUBIC)
    };
    if colour {
        return [plane(0), plane(1), plane(2)];
    }
    let grey = plane(0);
    [grey.clone(), grey.clone(), grey]
}
