//! The runs of a slab of lines, joined among themselves; and slabs joined to one another.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

use ndarray::{ArrayView3, Axis};

use super::{Connectivity, Run};

/// Runs of consecutive lines; a line is a row of a slice, counted through all slices.
pub(super) struct Slab {
    /// The first line.
    pub from: usize,
    pub runs: Vec<Run>,
    /// Index of the first run of each line, and the number of runs.
    pub firsts: Vec<usize>,
}

impl Slab {
    /// The runs of `lines`, joined where they touch one another.
    pub fn find(
        labels: ArrayView3<'_, u16>,
        lines: Range<usize>,
        connectivity: Connectivity,
        class: impl Fn(u16) -> Option<u16>,
    ) -> Self {
        let rows = labels.len_of(Axis(1));
        let mut slab = Self { from: lines.start, runs: Vec::new(), firsts: vec![0] };
        for line in lines {
            let row = labels.index_axis(Axis(0), line / rows).index_axis_move(Axis(0), line % rows);
            let row = row.to_slice().map_or_else(|| Cow::Owned(row.to_vec()), Cow::Borrowed);
            slab.push_runs(line, &row, &class);
            slab.firsts.push(slab.runs.len());
            for (earlier, reach) in earlier_lines(line, rows, connectivity) {
                if earlier >= slab.from {
                    slab.join_lines(line, earlier, reach);
                }
            }
        }
        slab
    }

    /// Puts the slab of the next lines behind this one's, and joins what touches across the seam.
    pub fn append(&mut self, next: Slab, rows: usize, connectivity: Connectivity) {
        let (before, seam) = (self.runs.len(), next.from);
        self.runs.extend(next.runs.into_iter().map(|run| Run { parent: run.parent + before as u32, ..run }));
        self.firsts.extend(next.firsts[1..].iter().map(|first| first + before));
        let end = self.from + self.firsts.len() - 1;
        // No line touches one further back than the row after its own, in the slice before.
        for line in seam..end.min(seam + rows + 1) {
            for (earlier, reach) in earlier_lines(line, rows, connectivity) {
                if earlier < seam {
                    self.join_lines(line, earlier, reach);
                }
            }
        }
    }

    fn push_runs(&mut self, line: usize, row: &[u16], class: &impl Fn(u16) -> Option<u16>) {
        let mut start = 0;
        while let Some(&label) = row.get(start) {
            let end = start + equal(&row[start..], label);
            if let Some(class) = class(label) {
                match self.runs.last_mut() {
                    // Labels of one class make one run.
                    Some(run) if run.line == line as u32 && run.end == start as u32 && run.class == class => {
                        run.end = end as u32;
                    }
                    _ => {
                        let parent = self.runs.len() as u32;
                        self.runs.push(Run { line: line as u32, start: start as u32, end: end as u32, parent, class });
                    }
                }
            }
            start = end;
        }
    }

    fn of_line(&self, line: usize) -> Range<usize> {
        self.firsts[line - self.from]..self.firsts[line - self.from + 1]
    }

    /// Joins the runs of two lines that overlap, or come within `reach` columns of each other.
    fn join_lines(&mut self, line: usize, earlier: usize, reach: u32) {
        let (own, others) = (self.of_line(line), self.of_line(earlier));
        let (mut a, mut b) = (own.start, others.start);
        while a < own.end && b < others.end {
            let (x, y) = (&self.runs[a], &self.runs[b]);
            let (x_end, y_end) = (x.end, y.end);
            if x.class == y.class && x.start < y_end + reach && y.start < x_end + reach {
                self.join(a, b);
            }
            // The run that ends first meets no later run of the other line.
            match x_end.cmp(&y_end) {
                Ordering::Less => a += 1,
                Ordering::Greater => b += 1,
                Ordering::Equal => {
                    if reach > 0 {
                        self.join_diagonal(a, b, &own, &others);
                    }
                    a += 1;
                    b += 1;
                }
            }
        }
    }

    /// Both runs end at one column: each may still touch, across the corner, the other line's next run.
    fn join_diagonal(&mut self, a: usize, b: usize, own: &Range<usize>, others: &Range<usize>) {
        let touches = |x: &Run, y: &Run| x.class == y.class && y.start == x.end;
        if b + 1 < others.end && touches(&self.runs[a], &self.runs[b + 1]) {
            self.join(a, b + 1);
        }
        if a + 1 < own.end && touches(&self.runs[b], &self.runs[a + 1]) {
            self.join(a + 1, b);
        }
    }

    fn root(&mut self, mut index: usize) -> usize {
        while self.runs[index].parent as usize != index {
            let grandparent = self.runs[self.runs[index].parent as usize].parent;
            self.runs[index].parent = grandparent;
            index = grandparent as usize;
        }
        index
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.runs[a.max(b)].parent = a.min(b) as u32;
    }
}

/// How many of the first values are `label`.
fn equal(values: &[u16], label: u16) -> usize {
    // Stretches are compared without a branch a value, which the compiler makes vector code of.
    let (stretches, _) = values.as_chunks::<32>();
    let differs = |stretch: &[u16; 32]| stretch.iter().fold(0, |any, value| any | (value ^ label)) != 0;
    let whole = 32 * stretches.iter().position(differs).unwrap_or(stretches.len());
    whole + values[whole..].iter().position(|&value| value != label).unwrap_or(values.len() - whole)
}

/// The lines before `line` whose voxels may touch its own, and by how many columns they may then differ.
fn earlier_lines(line: usize, rows: usize, connectivity: Connectivity) -> impl Iterator<Item = (usize, u32)> {
    let (slice, row) = (line / rows, line % rows);
    [(0, 0), (1, 0), (1, 1), (1, 2)].into_iter().filter_map(move |(slices_back, row_shift)| {
        // Within the slice only the row before; in the slice before also the rows on both sides.
        let slice = slice.checked_sub(slices_back)?;
        let row = if slices_back == 0 || row_shift == 1 { row.checked_sub(1)? } else { row + row_shift / 2 };
        let axes = if slices_back == 1 && row_shift > 0 { 2 } else { 1 };
        let reach = (connectivity as u32).checked_sub(axes)?.min(1);
        (row < rows).then_some((slice * rows + row, reach))
    })
}
