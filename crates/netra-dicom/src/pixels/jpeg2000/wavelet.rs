//! The inverse wavelet transforms, 5/3 and 9/7, by lifting (ITU-T T.800 Annex F).

use super::codestream::Area;

/// Coefficients of one of the two transforms.
pub(super) trait Sample: Copy + Default + Send {
    /// Steps of lifting. Even ones change the low coefficients, odd ones the high ones.
    const STEPS: usize;
    /// What low and high coefficients are multiplied by first, where that is not 1.
    const SCALES: Option<[f32; 2]>;
    /// From twice a magnitude, a sign and a quantisation step.
    fn new(magnitude: u32, negative: bool, step: f32) -> Self;
    fn scaled(self, by: f32) -> Self;
    /// A high coefficient that stands alone.
    fn halved(self) -> Self;
    /// A step for a coefficient between two others.
    fn lifted(self, step: usize, before: Self, after: Self) -> Self;
}

/// 5/3, reversible (F.3.8.1). Sums wrap: no sound codestream gets there.
impl Sample for i32 {
    const STEPS: usize = 2;
    const SCALES: Option<[f32; 2]> = None;

    #[inline(always)]
    fn new(magnitude: u32, negative: bool, _: f32) -> Self {
        let value = (magnitude >> 1) as i32;
        if negative { -value } else { value }
    }

    fn scaled(self, _: f32) -> Self {
        self
    }

    fn halved(self) -> Self {
        self >> 1
    }

    #[inline(always)]
    fn lifted(self, step: usize, before: Self, after: Self) -> Self {
        let sum = before.wrapping_add(after);
        match step {
            0 => self.wrapping_sub(sum.wrapping_add(2) >> 2),
            _ => self.wrapping_add(sum >> 1),
        }
    }
}

/// 9/7, irreversible (F.3.8.2).
impl Sample for f32 {
    const STEPS: usize = 4;
    const SCALES: Option<[f32; 2]> = Some([1.230_174_1, 1.0 / 1.230_174_1]);

    #[inline(always)]
    fn new(magnitude: u32, negative: bool, step: f32) -> Self {
        let value = magnitude as f32 * (0.5 * step);
        if negative { -value } else { value }
    }

    fn scaled(self, by: f32) -> Self {
        self * by
    }

    fn halved(self) -> Self {
        0.5 * self
    }

    #[inline(always)]
    fn lifted(self, step: usize, before: Self, after: Self) -> Self {
        const WEIGHTS: [f32; 4] = [0.443_506_85, 0.882_911_1, -0.052_980_12, -1.586_134_3];
        self - WEIGHTS[step] * (before + after)
    }
}

/// Joins four bands, row by row without gaps, to the resolution `area`. `low` is low both ways; `bands` are high across, high
/// down, high both ways.
pub(super) fn joined<S: Sample>(area: Area, low: &[S], bands: [&[S]; 3]) -> Vec<S> {
    let (width, height) = (area.width(), area.height());
    let mut rows = vec![S::default(); width * height];
    if rows.is_empty() {
        return rows;
    }
    // Whether the first column and the first row are high ones.
    let (odd_x, odd_y) = (area.x0 as usize & 1, area.y0 as usize & 1);
    let lows = (width + 1 - odd_x) / 2;
    let highs = width - lows;
    let (mut l, mut h) = (vec![S::default(); lows], vec![S::default(); highs]);
    for (y, row) in rows.chunks_exact_mut(width).enumerate() {
        let (a, b) = if (y + odd_y) % 2 == 0 { (low, bands[0]) } else { (bands[1], bands[2]) };
        let n = y / 2;
        l.copy_from_slice(&a[n * lows..][..lows]);
        h.copy_from_slice(&b[n * highs..][..highs]);
        across(&mut l, &mut h, odd_x);
        let (first, second) = if odd_x == 0 { (&l, &h) } else { (&h, &l) };
        for (pair, (&a, &b)) in row.chunks_exact_mut(2).zip(first.iter().zip(second)) {
            pair.copy_from_slice(&[a, b]);
        }
        if width % 2 == 1 {
            row[width - 1] = first[width / 2];
        }
    }
    down(&mut rows, width, odd_y);
    rows
}

/// Lifts a row, its low and its high coefficients apart; `odd` is 1 where the first one is high.
fn across<S: Sample>(low: &mut [S], high: &mut [S], odd: usize) {
    if low.len() + high.len() == 1 {
        return high.iter_mut().for_each(|v| *v = v.halved());
    }
    if let Some(scales) = S::SCALES {
        low.iter_mut().for_each(|v| *v = v.scaled(scales[0]));
        high.iter_mut().for_each(|v| *v = v.scaled(scales[1]));
    }
    for step in 0..S::STEPS {
        match step % 2 {
            0 => between(low, high, odd, step),
            _ => between(high, low, 1 - odd, step),
        }
    }
}

/// A step for each of `targets`: the one at `i` stands between the others at `i - 1` and `i`, or where `ahead` is 1 at `i` and
/// `i + 1`. At either end the one neighbour counts twice.
fn between<S: Sample>(targets: &mut [S], others: &[S], ahead: usize, step: usize) {
    let (Some(&first), Some(&last)) = (others.first(), others.last()) else { return };
    let (start, rest) = targets.split_at_mut(targets.len().min(1 - ahead));
    start.iter_mut().for_each(|v| *v = v.lifted(step, first, first));
    let (inner, end) = rest.split_at_mut(rest.len().min(others.len() - 1));
    for ((v, &before), &after) in inner.iter_mut().zip(others).zip(&others[1..]) {
        *v = v.lifted(step, before, after);
    }
    end.iter_mut().for_each(|v| *v = v.lifted(step, last, last));
}

/// Lifts all columns, whole rows at a time; `odd` is 1 where the first row is high. Each step follows the one before it a row
/// behind, so that rows are still in the cache.
fn down<S: Sample>(rows: &mut [S], width: usize, odd: usize) {
    let height = rows.len() / width;
    if height == 1 {
        if odd == 1 {
            rows.iter_mut().for_each(|v| *v = v.halved());
        }
        return;
    }
    for at in (odd..height + S::STEPS).step_by(2) {
        if let Some(scales) = S::SCALES {
            // The rows that the first step meets here for the first time.
            scale(rows, width, at, scales[0]);
            scale(rows, width, at + 1, scales[1]);
            if at == 1 {
                scale(rows, width, 0, scales[1]);
            }
        }
        for step in 0..S::STEPS.min(at + 1) {
            if at - step < height {
                lift(rows, width, at - step, step);
            }
        }
    }
}

fn scale<S: Sample>(rows: &mut [S], width: usize, y: usize, by: f32) {
    if let Some(row) = rows.chunks_exact_mut(width).nth(y) {
        row.iter_mut().for_each(|v| *v = v.scaled(by));
    }
}

/// A step for the row `y`, from those above and below.
fn lift<S: Sample>(rows: &mut [S], width: usize, y: usize, step: usize) {
    let (above, rest) = rows.split_at_mut(y * width);
    let (row, below) = rest.split_at_mut(width);
    let above = above.rchunks_exact(width).next();
    let below = below.chunks_exact(width).next();
    let (Some(before), Some(after)) = (above.or(below), below.or(above)) else { return };
    for ((v, &before), &after) in row.iter_mut().zip(before).zip(after) {
        *v = v.lifted(step, before, after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forward 5/3 transform of a line whose first sample is at `odd`, after the equations of F.4.8.1: low, then high.
    fn forward(line: &[i32], odd: usize) -> [Vec<i32>; 2] {
        let mirrored = |i: isize, line: &[i32]| {
            let last = line.len() as isize - 1;
            line[if i < 0 {
                -i
            } else if i > last {
                2 * last - i
            } else {
                i
            } as usize]
        };
        let mut line = line.to_vec();
        let is_high = |i: &usize| (i + odd) % 2 == 1;
        if line.len() == 1 {
            return if odd == 1 { [vec![], vec![2 * line[0]]] } else { [line, vec![]] };
        }
        for i in (0..line.len()).filter(is_high) {
            line[i] -= (mirrored(i as isize - 1, &line) + mirrored(i as isize + 1, &line)) >> 1;
        }
        for i in (0..line.len()).filter(|i| !is_high(i)) {
            line[i] += (mirrored(i as isize - 1, &line) + mirrored(i as isize + 1, &line) + 2) >> 2;
        }
        [false, true].map(|high| (0..line.len()).filter(|i| is_high(i) == high).map(|i| line[i]).collect())
    }

    /// Bands of an image, each row by row: columns are transformed first (F.4.2).
    fn bands(image: &[i32], width: usize, odd: [usize; 2]) -> [Vec<i32>; 4] {
        let column = |x: usize| image.iter().skip(x).step_by(width).copied().collect::<Vec<_>>();
        let columns: Vec<[Vec<i32>; 2]> = (0..width).map(|x| forward(&column(x), odd[1])).collect();
        let half = |across: usize, down: usize| {
            let row = |y: usize| columns.iter().map(|column| column[down][y]).collect::<Vec<_>>();
            (0..columns[0][down].len()).flat_map(|y| forward(&row(y), odd[0])[across].clone()).collect()
        };
        [half(0, 0), half(1, 0), half(0, 1), half(1, 1)]
    }

    #[test]
    fn every_size_and_origin_comes_back() {
        for (width, height) in (1..8).flat_map(|w| (1..8).map(move |h| (w, h))) {
            for odd in [[0, 0], [1, 0], [0, 1], [1, 1]] {
                let image: Vec<i32> = (0..width * height).map(|i| (i * i * 7919 % 509) as i32 - 200).collect();
                let [low, across, down, both] = bands(&image, width, odd);
                let [x0, y0] = odd.map(|v| v as u64 + 2);
                let area = Area { x0, y0, x1: x0 + width as u64, y1: y0 + height as u64 };
                assert_eq!(joined(area, &low, [&across, &down, &both]), image, "{width} x {height} from {odd:?}");
            }
        }
    }

    #[test]
    fn a_flat_image_stays_flat() {
        let area = Area { x0: 1, y0: 0, x1: 12, y1: 7 };
        // Five columns and four rows are low ones.
        let flat = joined(area, &[50.0f32; 20], [&[0.0; 24], &[0.0; 15], &[0.0; 18]]);
        assert!(flat.iter().all(|v| (v - 50.0).abs() < 1e-3), "{flat:?}");
    }
}
