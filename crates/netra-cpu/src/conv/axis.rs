//! One spatial axis of a convolution: which inputs an output needs, and how a tile of outputs packs them.

/// One axis of a correlation: output `o` reads the inputs `o stride + taps[k]` (those that exist; zero elsewhere) and
/// lands at `out_start + o out_step` in the output tensor.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Input size.
    pub input: usize,
    /// Outputs computed.
    pub outputs: usize,
    /// Inputs between neighbouring outputs.
    pub stride: usize,
    /// Offset of each tap.
    pub taps: Vec<isize>,
    /// Size of the output tensor.
    pub out_size: usize,
    /// Where output 0 lands.
    pub out_start: usize,
    /// Elements between neighbouring outputs there.
    pub out_step: usize,
}

impl Axis {
    /// The axis of an ordinary convolution.
    pub fn forward(input: usize, output: usize, kernel: usize, stride: usize, dilation: usize, before: usize) -> Self {
        Self {
            input,
            outputs: output,
            stride,
            taps: (0..kernel).map(|k| (k * dilation) as isize - before as isize).collect(),
            out_size: output,
            out_start: 0,
            out_step: 1,
        }
    }

    /// An axis of one element that nothing happens on.
    pub fn unit() -> Self {
        Self::forward(1, 1, 1, 1, 1, 0)
    }

    /// The tap furthest in front.
    pub fn first_tap(&self) -> isize {
        self.taps.iter().copied().min().unwrap_or(0)
    }

    /// Distance from the first tap to the last.
    pub fn reach(&self) -> usize {
        self.taps.iter().max().map_or(0, |last| (last - self.first_tap()) as usize)
    }

    /// Inputs from the first to the last that `outputs` neighbours read.
    pub fn window(&self, outputs: usize) -> usize {
        (outputs - 1) * self.stride + self.reach() + 1
    }

    /// Where in a line of input `i` lies, when it exists.
    pub fn existing(&self, i: isize) -> Option<usize> {
        usize::try_from(i).ok().filter(|&i| i < self.input)
    }

    /// What there is of the `length` inputs from the first on that output `output` reads.
    pub fn stretch(&self, output: usize, length: usize) -> Stretch {
        let first = (output * self.stride) as isize + self.first_tap();
        let before = first.min(0).unsigned_abs().min(length);
        let start = (first.max(0) as usize).min(self.input);
        Stretch { before, start, inside: (self.input - start).min(length - before) }
    }

    /// Taps counted from the first.
    fn shifts(&self) -> Vec<usize> {
        let first = self.first_tap();
        self.taps.iter().map(|t| (t - first) as usize).collect()
    }
}

/// Some inputs in a row: so many before the first that exists, then `inside` from `start` on, then none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Inputs before the axis.
    pub before: usize,
    /// The first input that exists.
    pub start: usize,
    /// How many exist.
    pub inside: usize,
}

/// How an outer axis (depth or height) is tiled. A tile is `count` outputs, `step` apart, so that tiles of a dilated
/// convolution share their input rows: row `i` of the slab serves output `i - k` through tap `k`.
#[derive(Clone, Debug)]
pub struct RowTiling {
    /// Outputs between neighbours in a tile.
    pub step: usize,
    /// Slab rows between neighbouring outputs of a tile.
    pub advance: usize,
    /// Inputs between neighbouring slab rows.
    unit: usize,
    /// Slab row of each tap for output 0 of a tile.
    pub tap_rows: Vec<usize>,
    first: isize,
    stride: usize,
}

impl RowTiling {
    /// The tiling of an axis.
    pub fn new(axis: &Axis) -> Self {
        let shifts = axis.shifts();
        let spread = shifts.iter().fold(0, |g, &s| gcd(g, s));
        let unit = if spread == 0 { axis.stride } else { spread };
        let step = unit / gcd(axis.stride, unit);
        Self {
            step,
            advance: step * axis.stride / unit,
            unit,
            tap_rows: shifts.iter().map(|s| s / unit).collect(),
            first: axis.first_tap(),
            stride: axis.stride,
        }
    }

    /// Slab rows that a tile of `count` outputs reads from the first to the last.
    pub fn span(&self, count: usize) -> usize {
        (count - 1) * self.advance + self.tap_rows.iter().copied().max().unwrap_or(0) + 1
    }

    /// Slab rows of a tile of `count` outputs, rounded up, since rows are stored by their remainder modulo `advance`.
    pub fn rows(&self, count: usize) -> usize {
        self.span(count).next_multiple_of(self.advance)
    }

    /// Where slab row `row` of `rows` is stored: rows that neighbouring outputs use through one tap are neighbours.
    pub fn position(&self, row: usize, rows: usize) -> usize {
        row % self.advance * (rows / self.advance) + row / self.advance
    }

    /// Stored position of each tap's row for output 0; output `i` of the tile is `i` further.
    pub fn tap_positions(&self, rows: usize) -> Vec<usize> {
        self.tap_rows.iter().map(|&r| self.position(r, rows)).collect()
    }

    /// Input index of slab row `row` of the tile that starts at output `start`; may lie outside the input.
    pub fn input(&self, start: usize, row: usize) -> isize {
        (start * self.stride + row * self.unit) as isize + self.first
    }

    /// The tiles of at most `most` outputs: first output and count of each.
    pub fn tiles(&self, outputs: usize, most: usize) -> Vec<(usize, usize)> {
        let mut tiles = Vec::new();
        for class in 0..self.step.min(outputs) {
            let n = (outputs - class).div_ceil(self.step);
            let parts = n.div_ceil(most.max(1));
            // Balanced: sizes differ by one at most.
            for p in 0..parts {
                let (from, to) = (n * p / parts, n * (p + 1) / parts);
                tiles.push((class + from * self.step, to - from));
            }
        }
        tiles
    }

    /// Most outputs that one tile can have.
    pub fn longest(&self, outputs: usize) -> usize {
        outputs.div_ceil(self.step)
    }
}

/// How the innermost axis (width) is packed: outputs of a tile are neighbours; the inputs are split by their remainder
/// modulo the stride, so that what neighbouring outputs read through one tap is contiguous.
#[derive(Clone, Debug)]
pub struct ColumnPacking {
    /// The remainders in use, each a run of the slab.
    pub phases: Vec<usize>,
    /// Run of each tap.
    pub tap_phase: Vec<usize>,
    /// Element of the run at which each tap starts.
    pub tap_shift: Vec<usize>,
    first: isize,
    stride: usize,
}

impl ColumnPacking {
    /// The packing of an axis.
    pub fn new(axis: &Axis) -> Self {
        let shifts = axis.shifts();
        let mut phases: Vec<usize> = shifts.iter().map(|s| s % axis.stride).collect();
        phases.sort_unstable();
        phases.dedup();
        Self {
            tap_phase: shifts.iter().map(|s| phases.partition_point(|&p| p < s % axis.stride)).collect(),
            tap_shift: shifts.iter().map(|s| s / axis.stride).collect(),
            phases,
            first: axis.first_tap(),
            stride: axis.stride,
        }
    }

    /// Elements that a run has beyond the outputs of the tile.
    pub fn reach(&self) -> usize {
        self.tap_shift.iter().copied().max().unwrap_or(0)
    }

    /// Fills `run` with what outputs from `start` on read of `row` in `phase`; zeros outside the row.
    pub fn fill(&self, row: &[f32], start: usize, phase: usize, run: &mut [f32]) {
        let from = (start * self.stride + phase) as isize + self.first;
        let skip = if from < 0 { from.unsigned_abs().div_ceil(self.stride).min(run.len()) } else { 0 };
        run[..skip].fill(0.0);
        let from = from + (skip * self.stride) as isize;
        let available = usize::try_from(from).ok().and_then(|f| row.get(f..)).unwrap_or(&[]);
        let n = available.len().div_ceil(self.stride).min(run.len() - skip);
        let (body, rest) = run[skip..].split_at_mut(n);
        match self.stride {
            1 => body.copy_from_slice(&available[..n]),
            2 => body.iter_mut().zip(available.chunks(2)).for_each(|(to, pair)| *to = pair[0]),
            stride => body.iter_mut().zip(available.iter().step_by(stride)).for_each(|(to, &x)| *to = x),
        }
        rest.fill(0.0);
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stretch names the inputs that the definition reads.
    #[test]
    fn a_stretch_is_what_exists_of_a_row() {
        for (kernel, stride, dilation, before) in [(3, 1, 1, 1), (5, 2, 3, 7), (1, 1, 1, 0), (3, 1, 9, 9)] {
            let axis = Axis::forward(8, 8, kernel, stride, dilation, before);
            for output in 0..8 {
                let length = axis.window(3);
                let Stretch { before, start, inside } = axis.stretch(output, length);
                for i in 0..length {
                    let want = axis.existing((output * stride) as isize + axis.first_tap() + i as isize);
                    let got = i.checked_sub(before).filter(|&i| i < inside).map(|i| start + i);
                    assert_eq!(got, want, "{axis:?}, output {output}, {i}");
                }
            }
        }
    }

    /// Every output of every tile finds, at its tap's position, the input that the definition names.
    #[test]
    fn tiles_hold_what_the_definition_reads() {
        for (kernel, stride, dilation, before) in [
            (3, 1, 1, 1),
            (3, 1, 4, 4),
            (3, 2, 1, 1),
            (1, 2, 1, 0),
            (7, 2, 1, 3),
            (3, 2, 2, 2),
            (3, 2, 4, 3),
            (3, 3, 2, 0),
        ] {
            let input = 40;
            let output = (input + 2 * before - dilation * (kernel - 1) - 1) / stride + 1;
            let axis = Axis::forward(input, output, kernel, stride, dilation, before);
            let tiling = RowTiling::new(&axis);
            let mut seen = vec![0; output];
            for (start, count) in tiling.tiles(output, 5) {
                let rows = tiling.rows(count);
                let mut stored = vec![isize::MIN; rows];
                for row in 0..rows {
                    stored[tiling.position(row, rows)] = tiling.input(start, row);
                }
                for (k, at) in tiling.tap_positions(rows).into_iter().enumerate() {
                    for i in 0..count {
                        let o = start + i * tiling.step;
                        seen[o] += 1;
                        assert_eq!(stored[at + i], (o * stride) as isize + axis.taps[k]);
                    }
                }
            }
            assert!(seen.iter().all(|&n| n == kernel), "every output once");

            let packing = ColumnPacking::new(&axis);
            let row: Vec<f32> = (1..=input).map(|i| i as f32).collect();
            for start in [0, 3] {
                let width = output - start;
                let runs: Vec<Vec<f32>> = packing
                    .phases
                    .iter()
                    .map(|&phase| {
                        let mut run = vec![f32::NAN; width + packing.reach()];
                        packing.fill(&row, start, phase, &mut run);
                        run
                    })
                    .collect();
                for (k, tap) in axis.taps.iter().enumerate() {
                    for o in 0..width {
                        let i = ((start + o) * stride) as isize + tap;
                        let want = if (0..input as isize).contains(&i) { row[i as usize] } else { 0.0 };
                        assert_eq!(runs[packing.tap_phase[k]][packing.tap_shift[k] + o], want);
                    }
                }
            }
        }
    }
}
