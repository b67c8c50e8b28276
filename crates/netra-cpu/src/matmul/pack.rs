//! Panels: the columns of `b` in runs of whole vectors, the way tiles read them.

use super::tile::Tiles;

/// How `n` columns are cut into panels: as few as the registers allow, and as equal.
#[derive(Clone, Copy)]
pub struct Panels {
    /// Columns.
    pub n: usize,
    /// How many panels.
    pub count: usize,
    lanes: usize,
    base: usize,
    larger: usize,
}

impl Panels {
    /// Panels of `n` columns.
    pub fn new(n: usize, tiles: &Tiles) -> Self {
        let vectors = n.div_ceil(tiles.lanes);
        let count = vectors.div_ceil(tiles.vectors).max(1);
        Self { n, count, lanes: tiles.lanes, base: vectors / count, larger: vectors % count }
    }

    /// Vectors of panel `p`.
    pub fn vectors(&self, p: usize) -> usize {
        self.base + usize::from(p < self.larger)
    }

    /// First column of panel `p`; for `p == count`, the number of columns with the padding of the last.
    pub fn start(&self, p: usize) -> usize {
        (p * self.base + p.min(self.larger)) * self.lanes
    }

    /// Columns of panel `p` that are not padding.
    pub fn columns(&self, p: usize) -> usize {
        self.start(p + 1).min(self.n) - self.start(p)
    }
}

/// A matrix of `k` rows and `n` columns: element `(p, j)` is `values[p row + j column]`.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    /// The elements.
    pub values: &'a [f32],
    /// Between neighbours in a column.
    pub row: usize,
    /// Between neighbours in a row.
    pub column: usize,
}

impl Matrix<'_> {
    /// Writes rows `from..from + to.len() / width` of `columns` columns from `first` on, as runs of `width`, padded with
    /// zeros.
    pub fn pack(&self, from: usize, first: usize, columns: usize, width: usize, to: &mut [f32]) {
        if self.column == 1 {
            for (p, run) in to.chunks_exact_mut(width).enumerate() {
                let (values, padding) = run.split_at_mut(columns);
                values.copy_from_slice(&self.values[(from + p) * self.row + first..][..columns]);
                padding.fill(0.0);
            }
            return;
        }
        if columns < width {
            to.fill(0.0);
        }
        // Columns lie in memory one after another: a few lines at a time, so that what is written stays in the cache.
        const LINE: usize = 16;
        for (block, runs) in to.chunks_mut(LINE * width).enumerate() {
            let p = from + block * LINE;
            let terms = runs.len() / width;
            for j in 0..columns {
                let column = (first + j) * self.column + p * self.row;
                if self.row == 1 {
                    let column = &self.values[column..column + terms];
                    for (to, &v) in runs[j..].iter_mut().step_by(width).zip(column) {
                        *to = v;
                    }
                } else {
                    for (p, to) in runs[j..].iter_mut().step_by(width).enumerate() {
                        *to = self.values[column + p * self.row];
                    }
                }
            }
        }
    }

    /// Packs all `panels` of `k` rows, one panel after another: panel `p` starts at element `panels.start(p) k`.
    pub fn pack_all(&self, k: usize, panels: &Panels, to: &mut [f32]) {
        for p in 0..panels.count {
            let (start, end) = (panels.start(p), panels.start(p + 1));
            if k > 0 && end > start {
                self.pack(0, start, panels.columns(p), end - start, &mut to[start * k..end * k]);
            }
        }
    }
}
