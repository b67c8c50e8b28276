//! Connected components of label maps, and what is done with them: keeping the largest, removing small ones, filling
//! holes. Arrays are `(slice, row, column)`; an array of one slice is an image and has no neighbours across slices.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;

use ndarray::{Array3, ArrayView1, ArrayView3, Axis, Slice};

use crate::{Error, Result};

/// Which voxels touch: those that differ by at most one along each axis, and along no more axes than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Connectivity {
    /// One axis, a shared face: 6 neighbours in a volume, 4 in an image.
    Faces = 1,
    /// Two axes, a shared edge: 18 neighbours in a volume, 8 in an image.
    Edges = 2,
    /// Three axes, a shared corner: 26 neighbours in a volume, 8 in an image.
    Corners = 3,
}

/// A stretch of voxels of one class within one row. Numbers are small, since the worst mask has a run a voxel.
struct Run {
    line: u32,
    start: u32,
    /// One past the last column.
    end: u32,
    /// Index of a run of the same component, never larger than the own index; the root points to itself.
    parent: u32,
    class: u16,
}

/// The connected components of the classes of an array.
///
/// Voxels are gathered into runs along the rows, and runs are joined by union-find while the array is walked once, so
/// the memory is a few words a run (a smooth mask has two or three runs a row), not a word a voxel.
pub struct Components {
    shape: [usize; 3],
    runs: Vec<Run>,
    /// Voxels of the component whose root is this run; 0 for runs that are no root.
    sizes: Vec<u64>,
}

impl Components {
    /// Finds the components of `labels`. `class` gives the class of a label, or `None` for what belongs to no
    /// component; only voxels of one class are joined. Fails (`Limit`) for arrays of 2^32 voxels and more.
    pub fn find(
        labels: ArrayView3<'_, u16>,
        connectivity: Connectivity,
        class: impl Fn(u16) -> Option<u16>,
    ) -> Result<Self> {
        let (slices, rows, columns) = labels.dim();
        // Lines, columns and runs are all counted by numbers no larger than that of the voxels.
        if u32::try_from(labels.len()).is_err() {
            return Err(Error::limit(format!("components of {} voxels", labels.len())));
        }
        let mut found = Self { shape: [slices, rows, columns], runs: Vec::new(), sizes: Vec::new() };
        // Index of the first run of each line; a line is a (slice, row).
        let mut lines = Vec::with_capacity(slices * rows + 1);
        for (line, row) in labels.rows().into_iter().enumerate() {
            let first = found.runs.len();
            lines.push(first);
            found.push_runs(line, row.iter().map(|&label| class(label)));
            let own = first..found.runs.len();
            for (earlier, reach) in earlier_lines(line, rows, connectivity) {
                found.join_lines(own.clone(), lines[earlier]..lines[earlier + 1], reach);
            }
        }
        found.sizes = vec![0; found.runs.len()];
        for index in 0..found.runs.len() {
            let root = found.root(index);
            found.sizes[root] += u64::from(found.runs[index].end - found.runs[index].start);
        }
        Ok(found)
    }

    fn push_runs(&mut self, line: usize, classes: impl Iterator<Item = Option<u16>>) {
        let mut open = None;
        for (column, class) in (0u32..).zip(classes) {
            if class == open
                && let Some(run) = self.runs.last_mut()
                && class.is_some()
            {
                run.end = column + 1;
            } else if let Some(class) = class {
                let parent = self.runs.len() as u32;
                self.runs.push(Run { line: line as u32, start: column, end: column + 1, parent, class });
            }
            open = class;
        }
    }

    /// Joins the runs of two lines that overlap, or come within `reach` columns of each other.
    fn join_lines(&mut self, own: Range<usize>, others: Range<usize>, reach: u32) {
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

    /// Class and number of voxels of each component, in the order of their first voxels.
    pub fn sizes(&self) -> Vec<(u16, u64)> {
        self.runs.iter().zip(&self.sizes).filter(|(_, size)| **size > 0).map(|(run, &size)| (run.class, size)).collect()
    }

    /// Writes `value(component)` to every voxel of each component for which it is not `None`; components are
    /// numbered as in [`sizes`](Self::sizes). The array must be of the shape that was searched.
    fn relabel(&mut self, labels: &mut Array3<u16>, value: impl Fn(usize) -> Option<u16>) {
        let numbers = self.numbers();
        let rows = self.shape[1];
        for index in 0..self.runs.len() {
            let root = self.root(index);
            let run = &self.runs[index];
            if let Some(value) = value(numbers[root]) {
                labels
                    .index_axis_mut(Axis(0), run.line as usize / rows)
                    .row_mut(run.line as usize % rows)
                    .slice_axis_mut(Axis(0), Slice::from(run.start as usize..run.end as usize))
                    .fill(value);
            }
        }
    }

    /// For each root its component's number.
    fn numbers(&self) -> Vec<usize> {
        self.sizes
            .iter()
            .scan(0, |next, &size| {
                let number = *next;
                *next += usize::from(size > 0);
                Some(number)
            })
            .collect()
    }
}

/// The lines already walked whose voxels may touch those of `line`, and by how many columns they may then differ.
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

/// Of each label that `applies`, keeps the `count` largest components (the first of equals) and sets the others to 0.
/// With `joined`, the labels count as one foreground.
pub fn keep_largest(
    labels: &mut Array3<u16>,
    connectivity: Connectivity,
    count: usize,
    joined: bool,
    applies: impl Fn(u16) -> bool,
) -> Result<()> {
    let class = |label: u16| (label != 0 && applies(label)).then_some(if joined { 1 } else { label });
    let mut components = Components::find(labels.view(), connectivity, class)?;
    let sizes = components.sizes();
    // For each class its largest components so far, largest first.
    let mut largest: HashMap<u16, Vec<usize>> = HashMap::new();
    for (number, &(class, size)) in sizes.iter().enumerate() {
        let kept = largest.entry(class).or_default();
        let rank = kept.partition_point(|&other| sizes[other].1 >= size);
        if rank < count {
            kept.insert(rank, number);
            kept.truncate(count);
        }
    }
    let mut stays = vec![false; sizes.len()];
    for &number in largest.values().flatten() {
        stays[number] = true;
    }
    components.relabel(labels, |number| (!stays[number]).then_some(0));
    Ok(())
}

/// Sets components of fewer than `voxels` voxels to 0; each label is looked at by itself.
pub fn remove_small(labels: &mut Array3<u16>, connectivity: Connectivity, voxels: u64) -> Result<()> {
    let mut components = Components::find(labels.view(), connectivity, |label| (label != 0).then_some(label))?;
    let sizes = components.sizes();
    components.relabel(labels, |number| (sizes[number].1 < voxels).then_some(0));
    Ok(())
}

/// Fills holes: background that no path through `connectivity` joins with the array's border, and that a single
/// label surrounds, takes that label when it `applies`. For a map of one label this is SciPy's `binary_fill_holes`
/// with the same structure; holes between two labels are left alone, since nothing says whose they are.
pub fn fill_holes(labels: &mut Array3<u16>, connectivity: Connectivity, applies: impl Fn(u16) -> bool) -> Result<()> {
    let mut components = Components::find(labels.view(), connectivity, |label| (label == 0).then_some(0))?;
    let numbers = components.numbers();
    let mut holes = vec![Hole::Unseen; components.sizes().len()];
    for index in 0..components.runs.len() {
        let root = components.root(index);
        let hole = &mut holes[numbers[root]];
        *hole = hole.and(surroundings(labels, &components.runs[index], components.shape));
    }
    components.relabel(labels, |number| match holes[number] {
        Hole::Within(label) if applies(label) => Some(label),
        _ => None,
    });
    Ok(())
}

/// What surrounds a stretch of background.
#[derive(Clone, Copy, PartialEq)]
enum Hole {
    /// Nothing seen yet.
    Unseen,
    /// One label so far.
    Within(u16),
    /// The border of the array, or several labels.
    Open,
}

impl Hole {
    fn and(self, other: Hole) -> Hole {
        match (self, other) {
            (Hole::Unseen, x) | (x, Hole::Unseen) => x,
            (Hole::Within(a), Hole::Within(b)) if a == b => self,
            _ => Hole::Open,
        }
    }
}

/// The labels that share a face with a run of background.
fn surroundings(labels: &Array3<u16>, run: &Run, [slices, rows, columns]: [usize; 3]) -> Hole {
    let (line, start, end) = (run.line as usize, run.start as usize, run.end as usize);
    let (slice, row) = (line / rows, line % rows);
    let at_border = row == 0 || row + 1 == rows || start == 0 || end == columns;
    if at_border || (slices > 1 && (slice == 0 || slice + 1 == slices)) {
        return Hole::Open;
    }
    let ends = [[slice, row, start - 1], [slice, row, end]];
    let mut hole = ends.iter().fold(Hole::Unseen, |hole, &at| hole.and(Hole::Within(labels[at])));
    let mut neighbours = vec![(slice, row - 1), (slice, row + 1)];
    if slices > 1 {
        neighbours.extend([(slice - 1, row), (slice + 1, row)]);
    }
    for (slice, row) in neighbours {
        let line: ArrayView1<'_, u16> = labels.index_axis(Axis(0), slice).index_axis_move(Axis(0), row);
        for &label in line.slice_axis(Axis(0), Slice::from(start..end)) {
            if label != 0 {
                hole = hole.and(Hole::Within(label));
            }
        }
    }
    hole
}

#[cfg(test)]
mod tests;
