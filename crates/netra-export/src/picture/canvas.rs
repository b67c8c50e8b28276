//! A picture to draw on: rectangles, lines and text, with smooth edges.

use std::io::Write;
use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use ndarray::ArrayView2;
use netra_core::{Error, ErrorKind, Result, Rgb};

use super::font::{GAP, Stroke, glyph};
use crate::atomic;

/// Rows of 8-bit RGB pixels; coordinates are pixels from the upper left corner, and what lies outside is not drawn.
pub(crate) struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<Rgb>,
}

impl Canvas {
    pub fn new(width: usize, height: usize, colour: Rgb) -> Self {
        Self { width, height, pixels: vec![colour; width * height] }
    }

    /// Mixes `colour` over the pixel at `(x, y)`: 0 leaves it, 1 replaces it.
    pub fn blend(&mut self, x: usize, y: usize, colour: Rgb, opacity: f32) {
        if x >= self.width || y >= self.height {
            return;
        }
        let pixel = &mut self.pixels[y * self.width + x];
        for (under, over) in pixel.iter_mut().zip(colour) {
            *under =
                (f32::from(*under) + (f32::from(over) - f32::from(*under)) * opacity.clamp(0.0, 1.0)).round() as u8;
        }
    }

    pub fn rectangle(&mut self, at: (usize, usize), size: (usize, usize), colour: Rgb, opacity: f32) {
        for y in at.1..(at.1 + size.1).min(self.height) {
            for x in at.0..(at.0 + size.0).min(self.width) {
                self.blend(x, y, colour, opacity);
            }
        }
    }

    /// A picture of three planes (red, green, blue), each `(row, column)` with values 0 to 1.
    pub fn picture(&mut self, at: (usize, usize), planes: [ArrayView2<'_, f32>; 3]) {
        for ((row, column), &red) in planes[0].indexed_iter() {
            let value = |v: f32| (v.clamp(0.0, 1.0) * 255.0).round() as u8;
            let colour = [value(red), value(planes[1][(row, column)]), value(planes[2][(row, column)])];
            self.blend(at.0 + column, at.1 + row, colour, 1.0);
        }
    }

    /// Text whose capitals are `size` pixels high, with its baseline's left end at `at`.
    pub fn text(&mut self, at: (f32, f32), size: f32, colour: Rgb, opacity: f32, text: &str) {
        self.glyphs(at, size, 0.0, colour, opacity, text);
    }

    /// Text over a picture: a dark halo keeps it legible on white.
    pub fn text_on_picture(&mut self, at: (f32, f32), size: f32, colour: Rgb, text: &str) {
        self.glyphs(at, size, 1.8, [0; 3], 0.75, text);
        self.glyphs(at, size, 0.0, colour, 1.0, text);
    }

    /// Draws glyphs whose strokes are `wider` pixels wider on each side than the typeface's own.
    fn glyphs(&mut self, at: (f32, f32), size: f32, wider: f32, colour: Rgb, opacity: f32, text: &str) {
        let unit = size / 10.0;
        let half_width = (0.58 * unit).max(0.62) + wider;
        let mut x = at.0;
        for character in text.chars() {
            let shape = glyph(character);
            let segments: Vec<[(f32, f32); 2]> =
                shape.strokes.iter().flat_map(|stroke| segments(stroke, (x, at.1), unit)).collect();
            self.strokes(&segments, half_width, colour, opacity);
            x += (shape.width + GAP) * unit;
        }
    }

    /// Line segments drawn as one shape with round ends, so that crossings are not darker.
    fn strokes(&mut self, segments: &[[(f32, f32); 2]], half_width: f32, colour: Rgb, opacity: f32) {
        let points = || segments.iter().flatten();
        let reach = half_width + 1.0;
        let low = |values: f32| (values - reach).max(0.0) as usize;
        let high = |values: f32| (values + reach).max(0.0) as usize;
        let (mut left, mut right, mut top, mut bottom) = (f32::INFINITY, 0.0f32, f32::INFINITY, 0.0f32);
        for &(x, y) in points() {
            (left, right, top, bottom) = (left.min(x), right.max(x), top.min(y), bottom.max(y));
        }
        if segments.is_empty() {
            return;
        }
        for y in low(top)..=high(bottom).min(self.height.saturating_sub(1)) {
            for x in low(left)..=high(right).min(self.width.saturating_sub(1)) {
                let centre = (x as f32 + 0.5, y as f32 + 0.5);
                let nearest = segments.iter().map(|s| distance(centre, s[0], s[1])).fold(f32::INFINITY, f32::min);
                let coverage = (half_width + 0.5 - nearest).clamp(0.0, 1.0);
                if coverage > 0.0 {
                    self.blend(x, y, colour, coverage * opacity);
                }
            }
        }
    }

    /// The same picture below a strip of one colour with a line of text.
    pub fn under_banner(self, colour: Rgb, ink: Rgb, text: &str) -> Self {
        const HEIGHT: usize = 46;
        let mut taller = Self::new(self.width, self.height + HEIGHT, colour);
        taller.pixels[self.width * HEIGHT..].copy_from_slice(&self.pixels);
        let room = self.width as f32 - 72.0;
        taller.text((36.0, 30.0), 14.0, ink, 1.0, &shortened(14.0, text, room));
        taller
    }

    /// Rows and columns.
    pub fn size(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// Red, green and blue of each pixel, row by row.
    pub fn rgb(&self) -> &[u8] {
        self.pixels.as_flattened()
    }

    /// The canvas as the bytes of a PNG file.
    pub fn png(&self) -> Result<Vec<u8>> {
        let too_large = || Error::limit(format!("{} x {} pixels make no PNG", self.width, self.height));
        let width = u32::try_from(self.width).map_err(|_| too_large())?;
        let height = u32::try_from(self.height).map_err(|_| too_large())?;
        let mut bytes = Vec::new();
        PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive)
            .write_image(self.rgb(), width, height, ExtendedColorType::Rgb8)
            .map_err(|e| Error::new(ErrorKind::Io, e.to_string()).with_source(e))?;
        Ok(bytes)
    }

    /// Writes the canvas as PNG.
    pub fn write(&self, out: &Path) -> Result<()> {
        let bytes = self.png().map_err(|e| e.at(out.display()))?;
        atomic::write(out, |file| file.write_all(&bytes).map_err(|e| Error::io(out, e)))
    }
}

/// Width in pixels of a text whose capitals are `size` pixels high.
pub(super) fn text_width(size: f32, text: &str) -> f32 {
    let units: f32 = text.chars().map(|character| glyph(character).width + GAP).sum();
    (units - GAP).max(0.0) * size / 10.0
}

/// `text`, or its beginning and an ellipsis when it is wider than `width` pixels.
pub(super) fn shortened(size: f32, text: &str, width: f32) -> String {
    if text_width(size, text) <= width {
        return text.to_owned();
    }
    let mut kept: Vec<char> = text.chars().collect();
    while kept.pop().is_some() {
        let candidate: String = kept.iter().collect::<String>().trim_end().to_owned() + "\u{2026}";
        if text_width(size, &candidate) <= width {
            return candidate;
        }
    }
    String::new()
}

/// `text` in lines of at most `width` pixels, broken at spaces where there are some; what `most` lines do not hold is cut.
pub(super) fn wrapped(size: f32, text: &str, width: f32, most: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() && lines.len() < most {
        if lines.len() + 1 == most || text_width(size, rest) <= width {
            lines.push(shortened(size, rest, width));
            break;
        }
        let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
        let fits = ends.take_while(|&end| text_width(size, &rest[..end]) <= width).last().unwrap_or(rest.len());
        let end = rest[..fits].rfind(' ').filter(|at| *at > 0).unwrap_or(fits);
        lines.push(rest[..end].trim_end().to_owned());
        rest = rest[end..].trim_start();
    }
    lines
}

fn segments(stroke: &Stroke, origin: (f32, f32), unit: f32) -> Vec<[(f32, f32); 2]> {
    let place = |(x, y): (f32, f32)| (origin.0 + x * unit, origin.1 - y * unit);
    let points: Vec<(f32, f32)> = match *stroke {
        Stroke::Line(points) => points.iter().map(|&p| place(p)).collect(),
        Stroke::Arc(centre, radii, from, to) => {
            let steps = ((from - to).abs() / 12.0).ceil().max(1.0) as usize;
            (0..=steps)
                .map(|i| {
                    let angle = (from + (to - from) * i as f32 / steps as f32).to_radians();
                    place((centre.0 + radii.0 * angle.cos(), centre.1 + radii.1 * angle.sin()))
                })
                .collect()
        }
    };
    points.windows(2).map(|pair| [pair[0], pair[1]]).collect()
}

fn distance(p: (f32, f32), a: (f32, f32), b: (f32, f32)) -> f32 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let squared = dx * dx + dy * dy;
    let t = if squared > 0.0 { (((p.0 - a.0) * dx + (p.1 - a.1) * dy) / squared).clamp(0.0, 1.0) } else { 0.0 };
    (p.0 - a.0 - t * dx).hypot(p.1 - a.1 - t * dy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_shortened_to_its_width() {
        let text = "Left lateral ventricle, temporal horn";
        let short = shortened(12.0, text, 120.0);
        assert!(short.ends_with('\u{2026}') && text_width(12.0, &short) <= 120.0, "{short}");
        assert_eq!(shortened(12.0, "Lung", 120.0), "Lung");
    }

    #[test]
    fn text_is_wrapped_at_spaces_and_where_it_must() {
        let lines = wrapped(10.0, "gantry tilt: the slices are stacked off their normal", 150.0, 9);
        assert_eq!(lines.join(" "), "gantry tilt: the slices are stacked off their normal");
        let lines = wrapped(10.0, "1.2.840.113619.2.30.1.1762295590.1623.978668949.886", 150.0, 2);
        assert!(lines.len() == 2 && lines[1].ends_with('\u{2026}'), "{lines:?}");
        assert!(lines.iter().all(|line| text_width(10.0, line) <= 150.0), "{lines:?}");
    }

    #[test]
    fn drawing_outside_the_canvas_does_nothing() {
        let mut canvas = Canvas::new(4, 3, [0; 3]);
        canvas.text((-50.0, 200.0), 20.0, [255; 3], 1.0, "Out");
        canvas.rectangle((3, 2), (10, 10), [9; 3], 1.0);
        assert_eq!(canvas.pixels.iter().filter(|p| **p == [9; 3]).count(), 1);
    }
}
