//! From coefficients to pixels: the samples of each component, and those between them where it has fewer than the frame.

use netra_core::{Error, Result};

use super::header::Frame;
use super::idct;
use super::scan::{Coefficients, largest};

/// The samples of one component.
struct Plane {
    /// Samples across and down that belong to the picture.
    size: [usize; 2],
    stride: usize,
    samples: Vec<u16>,
    /// How many samples of the frame, across and down, share one: fractions of the largest sampling factors.
    ratio: [[usize; 2]; 2],
}

/// Makes samples of the coefficients and shows each line of `rows` to `done` with its component and its number.
pub(super) fn compose(
    frame: &Frame,
    rows: usize,
    components: Vec<Coefficients>,
    mut done: impl FnMut(usize, usize, &[u16]),
) -> Result<()> {
    let most = largest(frame);
    let mut line = vec![0; frame.columns];
    for (i, coefficients) in components.into_iter().enumerate() {
        let sampling = frame.components[i].sampling;
        let size = [(frame.columns * sampling[0]).div_ceil(most[0]), (rows * sampling[1]).div_ceil(most[1])];
        let plane = samples(&coefficients, size, frame.precision, [0, 1].map(|i| [sampling[i], most[i]]))?;
        drop(coefficients);
        let mut blend = Vec::new();
        for y in 0..rows {
            if sampling == most {
                done(i, y, &plane.row(y)[..frame.columns]);
            } else {
                plane.between(y, &mut blend, &mut line);
                done(i, y, &line);
            }
        }
    }
    Ok(())
}

fn samples(of: &Coefficients, size: [usize; 2], precision: u32, ratio: [[usize; 2]; 2]) -> Result<Plane> {
    let quantiser = of.quantiser.ok_or_else(|| Error::malformed("a JPEG component without quantisation table"))?;
    let factors = idct::factors(&quantiser);
    // Samples are signed in the transform (A.3.1); the half makes a cut a rounding.
    let centre = (1u32 << (precision - 1)) as f32 + 0.5;
    let highest = ((1u32 << precision) - 1) as f32;
    let [across, down] = of.blocks;
    let stride = 8 * across;
    let mut samples = vec![0u16; stride * 8 * down];
    for (blocks, rows) in of.values.chunks_exact(of.stride).zip(samples.chunks_exact_mut(8 * stride)) {
        for (x, coefficients) in blocks[..across].iter().enumerate() {
            let block = idct::inverse(coefficients, &factors);
            for (values, row) in block.iter().zip(rows.chunks_exact_mut(stride)) {
                for (slot, value) in row[8 * x..8 * x + 8].iter_mut().zip(values) {
                    *slot = (value + centre).clamp(0.0, highest) as u16;
                }
            }
        }
    }
    Ok(Plane { size, stride, samples, ratio })
}

impl Plane {
    /// The samples of a row of this plane.
    fn row(&self, y: usize) -> &[u16] {
        let start = y.min(self.size[1] - 1) * self.stride;
        &self.samples[start..start + self.size[0]]
    }

    /// Row `y` of the frame. Where this plane has half the samples, those of the frame lie a quarter off them and take
    /// three parts of the nearer and one of the farther; other ratios repeat the sample.
    fn between(&self, y: usize, blend: &mut Vec<u32>, out: &mut [u16]) {
        let [[h, most_h], [v, most_v]] = self.ratio;
        let near = self.row(y * v / most_v);
        let far = match (2 * v == most_v, y % 2) {
            (false, _) => near,
            (true, 0) => self.row((y / 2).saturating_sub(1)),
            (true, _) => self.row(y / 2 + 1),
        };
        blend.clear();
        blend.extend(near.iter().zip(far).map(|(&n, &f)| 3 * u32::from(n) + u32::from(f)));
        let last = blend.len() - 1;
        for (x, slot) in out.iter_mut().enumerate() {
            let at = (x * h / most_h).min(last);
            let other = match (2 * h == most_h, x % 2) {
                (false, _) => at,
                (true, 0) => at.saturating_sub(1),
                (true, _) => (at + 1).min(last),
            };
            let rounding = 8 - (x % 2) as u32;
            *slot = ((3 * blend[at] + blend[other] + rounding) >> 4) as u16;
        }
    }
}
