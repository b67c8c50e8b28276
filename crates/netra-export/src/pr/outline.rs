//! The outlines of labels on the borders of their pixels.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView2};

/// A closed line through `(column, row)` corners of pixels, whose first point is its last; pixel 0 lies between 0 and 1.
pub(super) type Outline = Vec<[f32; 2]>;

/// Steps of a walk in (row, column): to the right, down, to the left, up.
const STEPS: [[isize; 2]; 4] = [[0, 1], [1, 0], [0, -1], [-1, 0]];

/// Where the pixel ahead on the right lies, seen from the corner that a walk has come to.
const AHEAD_RIGHT: [[isize; 2]; 4] = [[0, 0], [0, -1], [-1, -1], [-1, 0]];

/// The outlines of every label of a plane but 0, with corners only where they turn. An outline has its label on the right hand, so
/// that holes are outlines of their own, and pixels that touch in a corner are apart: outlines never cross, no border is walked
/// twice, and the even-odd rule fills them to the label's pixels.
pub(super) fn outlines(labels: ArrayView2<'_, u16>) -> BTreeMap<u16, Vec<Outline>> {
    let mut found: BTreeMap<u16, Vec<Outline>> = BTreeMap::new();
    // Every outline, of a hole too, walks to the right along the upper border of some pixel.
    let mut walked = Array2::from_elem(labels.raw_dim(), false);
    for ((row, column), &label) in labels.indexed_iter() {
        let is_border = label != 0 && (row == 0 || labels[(row - 1, column)] != label);
        if is_border && !walked[(row, column)] {
            found.entry(label).or_default().push(walk(labels, label, [row as isize, column as isize], &mut walked));
        }
    }
    found
}

/// Walks once round from the upper left corner of a pixel, to the right first. The first such pixel in the order of rows has no
/// border of this outline on its left that is in line with its upper one, so that the walk begins at a turn.
fn walk(labels: ArrayView2<'_, u16>, label: u16, start: [isize; 2], walked: &mut Array2<bool>) -> Outline {
    let index = |[row, column]: [isize; 2]| Some((usize::try_from(row).ok()?, usize::try_from(column).ok()?));
    let is_inside = |[row, column]: [isize; 2], [down, right]: [isize; 2]| {
        index([row + down, column + right]).and_then(|at| labels.get(at)) == Some(&label)
    };
    let point = |[row, column]: [isize; 2]| [column as f32, row as f32];
    let mut outline = vec![point(start)];
    let (mut at, mut direction) = (start, 0);
    loop {
        if direction == 0
            && let Some(upper) = index(at).and_then(|at| walked.get_mut(at))
        {
            *upper = true;
        }
        at = [at[0] + STEPS[direction][0], at[1] + STEPS[direction][1]];
        let (right, left) = (AHEAD_RIGHT[direction], AHEAD_RIGHT[(direction + 3) % 4]);
        let turn = match (is_inside(at, right), is_inside(at, left)) {
            (false, _) => 1,
            (true, true) => 3,
            (true, false) => 0,
        };
        direction = (direction + turn) % 4;
        if turn != 0 {
            outline.push(point(at));
        }
        if at == start && direction == 0 {
            return outline;
        }
    }
}

/// The most points of one Graphic Data: a value has at most 65,534 bytes in Explicit VR (PS3.5 7.1.2), a point has 8.
const MOST_POINTS: usize = 8191;

/// The lines that draw an outline: itself, or where it has too many points several open ones, each from the end of the last.
pub(super) fn lines(outline: &[[f32; 2]]) -> impl Iterator<Item = &[[f32; 2]]> {
    let starts = (0..outline.len().saturating_sub(1)).step_by(MOST_POINTS - 1);
    starts.map(|start| &outline[start..outline.len().min(start + MOST_POINTS)])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Even-odd filling: a pixel is inside when an odd number of vertical borders lie left of it. Counts the borders too.
    fn fill(outlines: &[Outline], [rows, columns]: [usize; 2]) -> (Array2<bool>, usize) {
        let mut filled = Array2::from_elem((rows, columns), false);
        let mut borders = 0;
        for outline in outlines {
            assert_eq!(outline.first(), outline.last());
            for (i, [a, b]) in outline.array_windows().enumerate() {
                assert!((a[0] == b[0]) != (a[1] == b[1]), "a line along an axis");
                let next = outline.get(i + 2).unwrap_or(&outline[1]);
                assert!((a[0] == b[0]) != (b[0] == next[0]), "a turn at every point");
                let [top, bottom] = [a[1].min(b[1]) as usize, a[1].max(b[1]) as usize];
                borders += bottom - top + (a[0] - b[0]).abs() as usize;
                for row in top..bottom {
                    (a[0] as usize..columns).for_each(|column| filled[(row, column)] ^= true);
                }
            }
        }
        (filled, borders)
    }

    fn borders(mask: &Array2<bool>) -> usize {
        let (rows, columns) = mask.dim();
        let at =
            |row: usize, column: usize| row > 0 && column > 0 && *mask.get((row - 1, column - 1)).unwrap_or(&false);
        let corners = (0..rows + 2).flat_map(|row| (0..columns + 2).map(move |column| (row, column)));
        corners
            .map(|(row, column)| {
                usize::from(at(row, column) != at(row, column + 1))
                    + usize::from(at(row, column) != at(row + 1, column))
            })
            .sum()
    }

    #[test]
    fn outlines_fill_to_their_labels() {
        let mut state = 7u32;
        let mut random = |n: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % n
        };
        for _ in 0..300 {
            let size = [1 + random(12) as usize, 1 + random(12) as usize];
            let (dense, kinds) = (random(10), 1 + random(3));
            let labels = Array2::from_shape_fn(size, |_| if random(10) < dense { 1 + random(kinds) as u16 } else { 0 });
            let found = outlines(labels.view());
            for label in 1..=3 {
                let mask = labels.mapv(|l| l == label);
                let (filled, walked) = fill(found.get(&label).map_or(&[], Vec::as_slice), size);
                assert_eq!(filled, mask, "{labels}");
                assert_eq!(walked, borders(&mask), "a border left out or walked twice: {labels}");
            }
        }
    }

    #[test]
    fn a_ring_has_two_outlines_and_corners_hold_nothing_together() {
        let ring = Array2::from_shape_fn((3, 3), |at| u16::from(at != (1, 1)));
        let outer = vec![[0., 0.], [3., 0.], [3., 3.], [0., 3.], [0., 0.]];
        // The other way round.
        let hole = vec![[1., 2.], [2., 2.], [2., 1.], [1., 1.], [1., 2.]];
        assert_eq!(outlines(ring.view())[&1], [outer, hole]);
        let diagonal = Array2::from_shape_fn((2, 2), |(row, column)| u16::from(row == column));
        assert_eq!(outlines(diagonal.view())[&1].len(), 2);
    }

    #[test]
    fn long_outlines_are_drawn_by_lines_that_meet() {
        let points: Outline = (0..20_000).map(|i| [i as f32, 0.0]).collect();
        let drawn: Vec<&[[f32; 2]]> = lines(&points).collect();
        assert_eq!(drawn.iter().map(|line| line.len()).collect::<Vec<_>>(), [8191, 8191, 3620]);
        assert!(drawn.array_windows().all(|[a, b]| a.last() == b.first()));
        assert_eq!(drawn[2].last(), points.last());
        assert_eq!(lines(&points[..8191]).count(), 1);
        assert_eq!(lines(&points[..8192]).map(<[_]>::len).collect::<Vec<_>>(), [8191, 2]);
    }
}
