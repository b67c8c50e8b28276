//! Connected components of label maps, and what is done with them: keeping the largest, removing small ones, filling
//! holes. Arrays are `(slice, row, column)`; an array of one slice is an image and has no neighbours across slices.

mod slab;

use std::collections::HashMap;

use ndarray::parallel::prelude::*;
use ndarray::{Array3, ArrayView1, ArrayView3, Axis, Slice};

use crate::{Error, Result};
use slab::Slab;

/// More slabs than threads, since some hold more runs than others.
const SLABS_A_THREAD: usize = 4;

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
    /// Index of a run of the same component, never larger than the own index. While components are found the root points
    /// to itself; afterwards every run points to its root.
    parent: u32,
    class: u16,
}

/// The connected components of the classes of an array.
///
/// Voxels are gathered into runs along the rows, and runs are joined by union-find while the array is walked once, so
/// the memory is a few words a run (a smooth mask has two or three runs a row), not a word a voxel. Slabs of lines are
/// walked in parallel, then joined where they meet; a component's root is its first run, however the array is divided.
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
        class: impl Fn(u16) -> Option<u16> + Sync,
    ) -> Result<Self> {
        Self::find_in_slabs(labels, connectivity, class, SLABS_A_THREAD * rayon::current_num_threads())
    }

    fn find_in_slabs(
        labels: ArrayView3<'_, u16>,
        connectivity: Connectivity,
        class: impl Fn(u16) -> Option<u16> + Sync,
        slabs: usize,
    ) -> Result<Self> {
        let (slices, rows, columns) = labels.dim();
        // Lines, columns and runs are all counted by numbers no larger than that of the voxels.
        if u32::try_from(labels.len()).is_err() {
            return Err(Error::limit(format!("components of {} voxels", labels.len())));
        }
        let lines = slices * rows;
        let slabs = slabs.clamp(1, lines.max(1));
        let found: Vec<Slab> = (0..slabs)
            .into_par_iter()
            .map(|slab| Slab::find(labels, slab * lines / slabs..(slab + 1) * lines / slabs, connectivity, &class))
            .collect();
        let mut all = Slab { from: 0, runs: Vec::new(), firsts: vec![0] };
        for slab in found {
            all.append(slab, rows, connectivity);
        }
        let mut runs = all.runs;
        let mut sizes = vec![0; runs.len()];
        for index in 0..runs.len() {
            // The parent comes earlier, so that it points to its root already.
            let root = runs[runs[index].parent as usize].parent;
            runs[index].parent = root;
            sizes[root as usize] += u64::from(runs[index].end - runs[index].start);
        }
        Ok(Self { shape: [slices, rows, columns], runs, sizes })
    }

    /// Class and number of voxels of each component, in the order of their first voxels.
    pub fn sizes(&self) -> Vec<(u16, u64)> {
        self.runs.iter().zip(&self.sizes).filter(|(_, size)| **size > 0).map(|(run, &size)| (run.class, size)).collect()
    }

    /// Writes `value(component)` to every voxel of each component for which it is not `None`; components are
    /// numbered as in [`sizes`](Self::sizes). The array must be of the shape that was searched.
    fn relabel(&self, labels: &mut Array3<u16>, value: impl Fn(usize) -> Option<u16> + Sync) {
        let numbers = self.numbers();
        let rows = self.shape[1];
        labels.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(slice, mut plane)| {
            let of = |line: usize| self.runs.partition_point(|run| (run.line as usize) < line);
            for run in &self.runs[of(slice * rows)..of((slice + 1) * rows)] {
                if let Some(value) = value(numbers[run.parent as usize]) {
                    plane
                        .row_mut(run.line as usize % rows)
                        .slice_axis_mut(Axis(0), Slice::from(run.start as usize..run.end as usize))
                        .fill(value);
                }
            }
        });
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

/// Of each label that `applies`, keeps the `count` largest components (the first of equals) and sets the others to 0.
/// With `joined`, the labels count as one foreground.
pub fn keep_largest(
    labels: &mut Array3<u16>,
    connectivity: Connectivity,
    count: usize,
    joined: bool,
    applies: impl Fn(u16) -> bool + Sync,
) -> Result<()> {
    let class = |label: u16| (label != 0 && applies(label)).then_some(if joined { 1 } else { label });
    let components = Components::find(labels.view(), connectivity, class)?;
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
    let components = Components::find(labels.view(), connectivity, |label| (label != 0).then_some(label))?;
    let sizes = components.sizes();
    components.relabel(labels, |number| (sizes[number].1 < voxels).then_some(0));
    Ok(())
}

/// Fills holes: background that no path through `connectivity` joins with the array's border, and that a single
/// label surrounds, takes that label when it `applies`. For a map of one label this is SciPy's `binary_fill_holes`
/// with the same structure; holes between two labels are left alone, since nothing says whose they are.
pub fn fill_holes(
    labels: &mut Array3<u16>,
    connectivity: Connectivity,
    applies: impl Fn(u16) -> bool + Sync,
) -> Result<()> {
    let components = Components::find(labels.view(), connectivity, |label| (label == 0).then_some(0))?;
    let numbers = components.numbers();
    let mut holes = vec![Hole::Unseen; components.sizes().len()];
    // What reaches the border, nearly all background in most scans, need not be looked around.
    for run in components.runs.iter().filter(|run| at_border(run, components.shape)) {
        holes[numbers[run.parent as usize]] = Hole::Open;
    }
    for run in &components.runs {
        let hole = &mut holes[numbers[run.parent as usize]];
        if *hole != Hole::Open {
            *hole = hole.and(surroundings(labels, run, components.shape));
        }
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

fn at_border(run: &Run, [slices, rows, columns]: [usize; 3]) -> bool {
    let (slice, row) = (run.line as usize / rows, run.line as usize % rows);
    let outermost = |index: usize, size: usize| index == 0 || index + 1 == size;
    let ends = run.start == 0 || run.end as usize == columns;
    ends || outermost(row, rows) || (slices > 1 && outermost(slice, slices))
}

/// The labels that share a face with a run of background that is not at the border.
fn surroundings(labels: &Array3<u16>, run: &Run, [slices, rows, _]: [usize; 3]) -> Hole {
    let (line, start, end) = (run.line as usize, run.start as usize, run.end as usize);
    let (slice, row) = (line / rows, line % rows);
    let ends = [[slice, row, start - 1], [slice, row, end]];
    let mut hole = ends.iter().fold(Hole::Unseen, |hole, &at| hole.and(Hole::Within(labels[at])));
    let across = if slices > 1 { &[(0, 1), (2, 1), (1, 0), (1, 2)][..] } else { &[(1, 0), (1, 2)] };
    for &(slices_on, rows_on) in across {
        let line: ArrayView1<'_, u16> =
            labels.index_axis(Axis(0), slice + slices_on - 1).index_axis_move(Axis(0), row + rows_on - 1);
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
