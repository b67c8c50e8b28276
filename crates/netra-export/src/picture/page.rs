//! What every picture has around its body: heading, legend and footer.

use netra_core::{ExtentMeasure, Findings, LabelMap, Rgb};

use super::canvas::{Canvas, shortened, text_width};
use crate::quantity::readable;

pub(super) const WIDTH: usize = 1400;
pub(super) const MARGIN: usize = 36;
/// Between the margins.
pub(super) const ROOM: usize = WIDTH - 2 * MARGIN;
pub(super) const BACKGROUND: Rgb = [15, 18, 23];
pub(super) const TEXT: Rgb = [236, 239, 244];
pub(super) const MUTED: Rgb = [150, 160, 174];

/// From the upper edge to the body.
const HEADING: usize = 92;
const FOOTER: usize = 52;
const LEGEND_LINE: usize = 27;
const LEGEND_TEXT: f32 = 11.0;
/// More entries than this many lines hold are counted, not listed.
const LEGEND_LINES: usize = 36;

/// One line of the legend.
pub(super) struct Entry {
    pub colour: Rgb,
    pub label: String,
    pub value: String,
}

/// Where the body lies on a fresh page.
pub(super) struct Page {
    pub canvas: Canvas,
    /// First row of pixels of the body.
    pub top: usize,
}

impl Page {
    /// A page with everything but its body, which takes `body_height` rows of pixels between the margins.
    pub fn new(findings: &Findings, body_height: usize, legend: &[Entry]) -> Self {
        let columns = Columns::of(legend);
        let legend_height = if legend.is_empty() { 0 } else { columns.lines * LEGEND_LINE + 30 };
        let height = HEADING + body_height + legend_height + FOOTER;
        let mut canvas = Canvas::new(WIDTH, height, BACKGROUND);
        let model = &findings.model;
        let left = MARGIN as f32;
        let room = ROOM as f32;
        canvas.text((left, 49.0), 17.0, TEXT, 1.0, &shortened(17.0, &model.name, room * 0.75));
        let version = format!("version {}", model.version);
        let right = left + room - text_width(11.0, &version);
        canvas.text((right, 49.0), 11.0, MUTED, 1.0, &version);
        canvas.rectangle((MARGIN, 66), (ROOM, 1), MUTED, 0.35);

        columns.draw(&mut canvas, legend, HEADING + body_height + 30);

        let digest: String = model.digest.chars().take(12).collect();
        let footer = format!(
            "Netra {}  \u{b7}  {} {}  \u{b7}  sha256 {digest}\u{2026}  \u{b7}  {}",
            env!("CARGO_PKG_VERSION"),
            model.id,
            model.version,
            findings.backend.device
        );
        let note = "Machine output, not reviewed";
        let note_width = text_width(9.0, note);
        let baseline = height as f32 - 22.0;
        canvas.text((left, baseline), 9.0, MUTED, 0.9, &shortened(9.0, &footer, room - note_width - 30.0));
        canvas.text((left + room - note_width, baseline), 9.0, MUTED, 0.9, note);
        Self { canvas, top: HEADING }
    }
}

/// How the legend is broken into columns, filled from top to bottom.
struct Columns {
    count: usize,
    lines: usize,
    width: usize,
    label_width: f32,
}

impl Columns {
    fn of(legend: &[Entry]) -> Self {
        let widest = |text: fn(&Entry) -> &str| {
            legend.iter().map(|entry| text_width(LEGEND_TEXT, text(entry))).fold(0.0, f32::max)
        };
        let (label_width, value_width) = (widest(|e| &e.label).min(360.0), widest(|e| &e.value));
        let width = (26.0 + label_width + 22.0 + value_width + 48.0) as usize;
        let most = ((ROOM + 48) / width).max(1);
        // A short legend reads best as one line; a long one as full columns.
        let count = if legend.len() <= most { legend.len().max(1) } else { most };
        let lines = legend.len().div_ceil(count).min(LEGEND_LINES);
        Self { count, lines, width, label_width }
    }

    fn draw(&self, canvas: &mut Canvas, legend: &[Entry], top: usize) {
        let room = self.count * self.lines;
        for (i, entry) in legend.iter().take(room).enumerate() {
            let (column, line) = (i / self.lines.max(1), i % self.lines.max(1));
            let (x, y) = (MARGIN + column * self.width, top + line * LEGEND_LINE);
            canvas.rectangle((x, y), (14, 14), entry.colour, 1.0);
            let baseline = y as f32 + 12.5;
            let text_x = (x + 26) as f32;
            if i + 1 == room && legend.len() > room {
                let more = format!("and {} more", legend.len() - room + 1);
                canvas.rectangle((x, y), (14, 14), BACKGROUND, 1.0);
                canvas.text((text_x, baseline), LEGEND_TEXT, MUTED, 1.0, &more);
                continue;
            }
            let label = shortened(LEGEND_TEXT, &entry.label, self.label_width);
            canvas.text((text_x, baseline), LEGEND_TEXT, TEXT, 1.0, &label);
            let value_x = text_x + self.label_width + 22.0;
            canvas.text((value_x, baseline), LEGEND_TEXT, MUTED, 1.0, &entry.value);
        }
    }
}

/// One entry for each segment that the map holds at least one voxel of.
pub(super) fn legend(map: &LabelMap, extents: &[(u64, ExtentMeasure)]) -> Vec<Entry> {
    let present = map.segments().iter().zip(extents).filter(|(_, (voxels, _))| *voxels > 0);
    present
        .map(|(segment, (_, extent))| Entry {
            colour: segment.colour,
            label: segment.label.clone(),
            value: readable(extent),
        })
        .collect()
}
