//! Labels over a picture: a translucent fill and a smooth outline for each segment.

use ndarray::{Array2, ArrayView2};
use netra_core::{LabelMap, Rgb};

use super::resize::{SPLINE, resize};

const FILL: f32 = 0.26;
const OUTLINE_WIDTH: f32 = 2.0;
/// A coverage this flat has no border worth drawing.
const FLAT: f32 = 0.02;

/// Draws the labels of the part `from..from + extent` over red, green and blue planes of the display's size.
pub(super) fn draw(
    colours: &mut [Array2<f32>; 3],
    labels: ArrayView2<'_, u16>,
    map: &LabelMap,
    from: [f32; 2],
    extent: [f32; 2],
) {
    let mut present = vec![false; usize::from(u16::MAX) + 1];
    labels.iter().for_each(|&label| present[usize::from(label)] = true);
    let size = [colours[0].nrows(), colours[0].ncols()];
    for segment in map.segments().iter().filter(|segment| present[usize::from(segment.number)]) {
        let mask = labels.mapv(|label| f32::from(u8::from(label == segment.number)));
        let coverage = resize(mask.view(), from, extent, size, SPLINE);
        draw_segment(colours, &coverage, segment.colour);
    }
}

/// `coverage` is the share of a display pixel that the segment takes; its border lies where it is one half.
fn draw_segment(colours: &mut [Array2<f32>; 3], coverage: &Array2<f32>, colour: Rgb) {
    let (rows, columns) = coverage.dim();
    let at = |row: usize, column: usize| coverage[(row.min(rows - 1), column.min(columns - 1))];
    for row in 0..rows {
        for column in 0..columns {
            let here = coverage[(row, column)];
            let down = (at(row + 1, column) - at(row.saturating_sub(1), column)) / 2.0;
            let across = (at(row, column + 1) - at(row, column.saturating_sub(1))) / 2.0;
            let slope = down.hypot(across);
            let outline = if slope > FLAT {
                (OUTLINE_WIDTH / 2.0 + 0.5 - (here - 0.5).abs() / slope).clamp(0.0, 1.0)
            } else {
                0.0
            };
            let opacity = (FILL * here.clamp(0.0, 1.0)).max(0.95 * outline);
            if opacity > 0.0 {
                for (plane, channel) in colours.iter_mut().zip(colour) {
                    let value = &mut plane[(row, column)];
                    *value += (f32::from(channel) / 255.0 - *value) * opacity;
                }
            }
        }
    }
}
