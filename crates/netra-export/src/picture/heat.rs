//! Classes with heat maps: the source, the maps over it in grey, and the probabilities.

use ndarray::{Array2, ArrayView2, Axis};
use netra_core::{Classification, Findings, Image, SaliencyMethod};

use super::canvas::{Canvas, shortened, text_width, wrapped};
use super::grey::Window;
use super::montage::{Montage, Over};
use super::page::{MARGIN, MUTED, Page, ROOM, TEXT};
use super::resize::{SPLINE, resize};
use super::{bars, grey, panels, ramp};
use crate::Pixels;
use crate::details::{Heat, HeatMaps};

/// Maps that are shown; the others are counted.
pub(crate) const MOST_MAPS: usize = 4;
const GAP: usize = 24;
const MOST_HEIGHT: f64 = 560.0;
/// Of a volume: one row, and all rows together.
const MOST_ROW: f64 = 460.0;
const MOST_ROWS: f64 = 1150.0;
/// What a map is of, with its colour bar: below a picture, or beside a row of planes.
const LEGEND: usize = 68;
const LEGEND_WIDTH: usize = 270;
const NOTE: f32 = 9.5;
const NOTE_LINE: usize = 19;
const NOTE_LINES: usize = 3;
/// Below the notes.
const SPACE: usize = 26;
/// What the colour bar is painted over.
const GREY: f32 = 0.35;

/// Each map over the source, the probabilities of all classes below.
pub(super) fn classes(
    findings: &Findings,
    classes: &[Classification],
    maps: &HeatMaps<'_>,
    pixels: Pixels<'_>,
    window: Option<Window>,
) -> Canvas {
    let shown = &maps.maps[..maps.maps.len().min(MOST_MAPS)];
    let notes = wrapped(NOTE, &notes(maps, matches!(pixels, Pixels::Volume(_))), ROOM as f32, NOTE_LINES);
    let sorted = bars::sorted(classes);
    let below = notes.len() * NOTE_LINE + SPACE + bars::height(&sorted);
    let unit = unit(maps.method);
    let (mut page, end) = match pixels {
        Pixels::Image(image) => over_image(findings, shown, image, unit, below),
        Pixels::Volume(volume) => {
            let height = MOST_ROW.min(MOST_ROWS / shown.len() as f64);
            let montage = Montage::in_rows(volume, window, ROOM - LEGEND_WIDTH - GAP, height);
            over_volume(findings, shown, &montage, unit, below)
        }
    };
    for (i, line) in notes.iter().enumerate() {
        page.canvas.text((MARGIN as f32, (end + 12 + i * NOTE_LINE) as f32), NOTE, MUTED, 1.0, line);
    }
    bars::draw(&mut page.canvas, (MARGIN, end + notes.len() * NOTE_LINE + SPACE), &sorted);
    page.canvas
}

/// The source, and each map over it. Gives the page and where its body is free.
fn over_image(findings: &Findings, maps: &[Heat<'_>], image: &Image, unit: &str, below: usize) -> (Page, usize) {
    let tiles = maps.len() + 1;
    let columns = if tiles > 4 { 3 } else { tiles };
    let room = (ROOM - (columns - 1) * GAP) / columns;
    let size = panels::fitted(image, room, MOST_HEIGHT);
    let width = size[1].max(LEGEND_WIDTH.min(room));
    let pitch = [width + GAP, size[0] + LEGEND + GAP / 2];
    let height = tiles.div_ceil(columns) * pitch[1];
    let mut page = Page::new(findings, height + below, &[]);
    let place = |tile: usize| (MARGIN + tile % columns * pitch[0], page.top + tile / columns * pitch[1]);
    let places: Vec<(usize, usize)> = (0..tiles).map(place).collect();

    let colours = grey::colours(image, size);
    panels::place(&mut page.canvas, places[0], &colours, "Source");
    let grey = (&colours[0] * 0.2126) + (&colours[1] * 0.7152) + (&colours[2] * 0.0722);
    let [rows, columns] = image.size();
    for (heat, &at) in maps.iter().zip(&places[1..]) {
        let plane = heat.values.index_axis(Axis(0), 0);
        let painted = painted(&grey, plane, [0.0; 2], [rows as f32, columns as f32], heat.maximum);
        page.canvas.picture(at, [painted[0].view(), painted[1].view(), painted[2].view()]);
        legend(&mut page.canvas, (at.0, at.1 + size[0]), width, heat, unit);
    }
    let end = page.top + height;
    (page, end)
}

/// A row a map: the axial, the coronal and the sagittal plane through its maximum. Gives the page and where its body is free.
fn over_volume(
    findings: &Findings,
    maps: &[Heat<'_>],
    montage: &Montage<'_>,
    unit: &str,
    below: usize,
) -> (Page, usize) {
    let rows = maps.len();
    let pitch = montage.row_height().max(2 * LEGEND);
    let mut page = Page::new(findings, rows * pitch + below, &[]);
    for (row, heat) in maps.iter().enumerate() {
        let top = page.top + row * pitch;
        let end = montage.draw_row(&mut page.canvas, (MARGIN, top), heat.maximum_at, Over::Heat(heat));
        legend(&mut page.canvas, (end + GAP, top + LEGEND / 2), LEGEND_WIDTH, heat, unit);
    }
    let end = page.top + rows * pitch;
    (page, end)
}

/// A grey picture with the part `from..from + extent` of a map over it.
pub(super) fn painted(
    grey: &Array2<f32>,
    plane: ArrayView2<'_, f32>,
    from: [f32; 2],
    extent: [f32; 2],
    maximum: f32,
) -> [Array2<f32>; 3] {
    let size = [grey.nrows(), grey.ncols()];
    let values = resize(plane, from, extent, size, SPLINE);
    let mut out = [grey.clone(), grey.clone(), grey.clone()];
    for ((place, &grey), &value) in grey.indexed_iter().zip(&values) {
        // Where nothing speaks for the class there is nothing to paint.
        let share = if maximum > 0.0 { value / maximum } else { 0.0 };
        for (plane, channel) in out.iter_mut().zip(ramp::over(grey, share)) {
            plane[place] = channel;
        }
    }
    out
}

/// The class with its probability, and the colours from 0 to the maximum as they look over grey.
fn legend(canvas: &mut Canvas, at: (usize, usize), width: usize, heat: &Heat<'_>, unit: &str) {
    let (left, right) = (at.0 as f32, (at.0 + width) as f32);
    let probability = format!("{:.1} %", heat.class.probability * 100.0);
    let number_width = text_width(11.0, &probability);
    let label = shortened(11.0, &heat.class.label, width as f32 - number_width - 16.0);
    let baseline = at.1 as f32 + 20.0;
    canvas.text((left, baseline), 11.0, TEXT, 1.0, &label);
    canvas.text((right - number_width, baseline), 11.0, TEXT, 1.0, &probability);
    if heat.maximum <= 0.0 {
        canvas.text((left, baseline + 22.0), 9.0, MUTED, 1.0, "Nothing speaks for this class");
        return;
    }
    let bar: [Array2<f32>; 3] = std::array::from_fn(|channel| {
        Array2::from_shape_fn((10, width), |(_, x)| ramp::over(GREY, (x as f32 + 0.5) / width as f32)[channel])
    });
    canvas.picture((at.0, at.1 + 30), [bar[0].view(), bar[1].view(), bar[2].view()]);
    let most = figure(heat.maximum);
    let baseline = at.1 as f32 + 54.0;
    canvas.text((left, baseline), 9.0, TEXT, 1.0, "0");
    canvas.text((right - text_width(9.0, &most), baseline), 9.0, TEXT, 1.0, &most);
    canvas.text((left + (width as f32 - text_width(9.0, unit)) / 2.0, baseline), 9.0, MUTED, 1.0, unit);
}

/// A positive number with about three digits.
fn figure(value: f32) -> String {
    match value {
        v if !(0.001..10_000.0).contains(&v) => format!("{v:.1e}"),
        v if v < 1.0 => format!("{v:.3}"),
        v if v < 10.0 => format!("{v:.2}"),
        v => format!("{v:.1}"),
    }
}

/// What the numbers of the colour bar count.
fn unit(method: SaliencyMethod) -> &'static str {
    match method {
        SaliencyMethod::ClassActivation => "class output (no unit)",
        SaliencyMethod::Occlusion => "fall of the probability",
    }
}

/// What the maps are, what is not painted, and what they are not.
fn notes(maps: &HeatMaps<'_>, volume: bool) -> String {
    let (name, meaning) = (maps.method.name(), maps.method.meaning());
    let planes = if volume { " Planes through the highest value." } else { "" };
    let more = match maps.maps.len() {
        0..=MOST_MAPS => String::new(),
        all => format!(" The first {MOST_MAPS} of {all} maps."),
    };
    format!(
        "{}{}: {meaning}. What speaks against a class is not painted. The maps show what the network used, not where \
         disease is.{planes}{more}",
        name[..1].to_uppercase(),
        &name[1..],
    )
}
