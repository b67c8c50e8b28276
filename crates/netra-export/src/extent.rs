//! How far a segment reaches: the longest straight line between two points of it.
//!
//! A voxel is a body, not a point: the line runs between outer corners of voxels, as calipers do on the edges of a picture.
//! Only corners of the convex hull can be its ends. Each pass over the planes of one axis drops the corners that are none, and
//! the few thousand that stay are compared pair by pair, so that the result is exact.

use ndarray::Array3;
use netra_core::Segment;

use crate::Pixels;

/// A corner of voxels, `(slice, row, column)`: voxel 0 lies between corners 0 and 1.
pub(crate) type Corner = [i64; 3];

/// One row of one slice, as far as a segment reaches in it.
struct Reach {
    slice: usize,
    row: usize,
    first: usize,
    /// One past the last column.
    end: usize,
}

/// The corners that may be ends of the longest line, for each segment; none for a segment without voxels.
pub(crate) fn corners(labels: &Array3<u16>, segments: &[Segment]) -> Vec<Vec<Corner>> {
    let reaches = reaches(labels, segments);
    reaches.iter().map(|reaches| (0..3).fold(all_corners(reaches), hulls)).collect()
}

/// The convex outline of a segment in a picture of one slice: `(column, row)` corners, once round.
pub(crate) fn outline(corners: &[Corner]) -> Vec<[f32; 2]> {
    let mut flat: Vec<Corner> = corners.iter().filter(|corner| corner[0] == 0).copied().collect();
    flat.sort_unstable();
    let mut hull = Vec::new();
    push_hull(&flat, 1, 2, &mut hull);
    hull.iter().map(|corner| [corner[2] as f32, corner[1] as f32]).collect()
}

/// The longest straight line through a segment of `pixels`, in millimetres; none without corners, or of pixels without a size.
pub(crate) fn long_axis(corners: &[Corner], pixels: Pixels<'_>) -> Option<f64> {
    let step = match pixels {
        Pixels::Volume(volume) => [0, 1, 2].map(|axis| volume.geometry().affine().step(axis)),
        Pixels::Image(image) => image.spacing.map(|[row, column]| [[0.0; 3], [0.0, row, 0.0], [column, 0.0, 0.0]])?,
    };
    (!corners.is_empty()).then(|| longest(corners, step))
}

/// The greatest distance between two corners, in millimetres; `step` is the way from one voxel to the next along slice, row and
/// column. 0 without corners.
fn longest(corners: &[Corner], step: [[f64; 3]; 3]) -> f64 {
    let place = |corner: &Corner| -> [f64; 3] {
        std::array::from_fn(|i| (0..3).map(|axis| corner[axis] as f64 * step[axis][i]).sum())
    };
    let points: Vec<[f64; 3]> = corners.iter().map(place).collect();
    let centre: [f64; 3] =
        std::array::from_fn(|i| points.iter().map(|point| point[i]).sum::<f64>() / points.len().max(1) as f64);
    let mut far: Vec<(f64, [f64; 3])> = points.into_iter().map(|point| (distance(point, centre), point)).collect();
    far.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let mut best = 0.0f64;
    for (i, (radius, point)) in far.iter().enumerate() {
        // Two points are no further apart than the sum of their distances to any third.
        let partners = far[i + 1..].iter().take_while(|(other, _)| radius + other > best);
        let reached = partners.fold(0.0f64, |most, (_, other)| most.max(distance(*point, *other)));
        best = best.max(reached);
    }
    best
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}

fn reaches(labels: &Array3<u16>, segments: &[Segment]) -> Vec<Vec<Reach>> {
    let index_of = Segment::places(segments);
    let mut reaches: Vec<Vec<Reach>> = segments.iter().map(|_| Vec::new()).collect();
    for (slice, plane) in labels.outer_iter().enumerate() {
        for (row, line) in plane.outer_iter().enumerate() {
            for (column, &label) in line.iter().enumerate() {
                let Some(index) = index_of[usize::from(label)] else { continue };
                let of_segment: &mut Vec<Reach> = &mut reaches[index];
                match of_segment.last_mut().filter(|last| last.slice == slice && last.row == row) {
                    Some(last) => last.end = column + 1,
                    None => of_segment.push(Reach { slice, row, first: column, end: column + 1 }),
                }
            }
        }
    }
    reaches
}

/// The eight corners of each row's reach.
fn all_corners(reaches: &[Reach]) -> Vec<Corner> {
    let of_row = |reach: &Reach| -> [Corner; 8] {
        std::array::from_fn(|i| {
            let column = if i & 1 == 0 { reach.first } else { reach.end };
            [(reach.slice + (i >> 2)) as i64, (reach.row + (i >> 1 & 1)) as i64, column as i64]
        })
    };
    reaches.iter().flat_map(of_row).collect()
}

/// The corners of the convex hulls in the planes across `axis`.
fn hulls(mut corners: Vec<Corner>, axis: usize) -> Vec<Corner> {
    let (a, b) = ((axis + 1) % 3, (axis + 2) % 3);
    corners.sort_unstable_by_key(|corner| [corner[axis], corner[a], corner[b]]);
    corners.dedup();
    let mut kept = Vec::new();
    for plane in corners.chunk_by(|one, next| one[axis] == next[axis]) {
        push_hull(plane, a, b, &mut kept);
    }
    kept
}

/// Appends the convex hull of a plane's corners, which ascend along `a`, then `b`, once round without points on its edges
/// (Andrew's monotone chain).
fn push_hull(plane: &[Corner], a: usize, b: usize, out: &mut Vec<Corner>) {
    let turn = |o: &Corner, p: &Corner, q: &Corner| (p[a] - o[a]) * (q[b] - o[b]) - (p[b] - o[b]) * (q[a] - o[a]);
    let mut chain = |points: &mut dyn Iterator<Item = &Corner>| {
        let start = out.len();
        for point in points {
            while out.len() >= start + 2 && turn(&out[out.len() - 2], &out[out.len() - 1], point) <= 0 {
                out.pop();
            }
            out.push(*point);
        }
        // The last point begins the chain back.
        if out.len() > start + 1 {
            out.pop();
        }
    };
    chain(&mut plane.iter());
    if plane.len() > 1 {
        chain(&mut plane.iter().rev());
    }
}

#[cfg(test)]
mod tests {
    use netra_core::CodedConcept;

    use super::*;

    fn segment(number: u16) -> Segment {
        let concept = || CodedConcept { value: "1".into(), scheme: "SCT".into(), meaning: "x".into() };
        Segment {
            number,
            label: "s".into(),
            category: concept(),
            property_type: concept(),
            anatomic_region: None,
            colour: [0; 3],
        }
    }

    const MILLIMETRE: [[f64; 3]; 3] = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]];

    #[test]
    fn one_voxel_reaches_from_corner_to_corner() {
        let mut labels = Array3::zeros((3, 4, 5));
        labels[(1, 2, 3)] = 7;
        let found = corners(&labels, &[segment(7), segment(9)]);
        assert_eq!(found[0].len(), 8);
        assert!((longest(&found[0], MILLIMETRE) - 3f64.sqrt()).abs() < 1e-12);
        assert!(found[1].is_empty());
        assert_eq!(longest(&found[1], MILLIMETRE), 0.0);
    }

    #[test]
    fn the_outline_of_a_picture_runs_on_pixel_edges() {
        let mut labels = Array3::zeros((1, 6, 6));
        for (row, column) in [(1, 2), (2, 1), (2, 2), (2, 3), (3, 2)] {
            labels[(0, row, column)] = 1;
        }
        let mut outline = outline(&corners(&labels, &[segment(1)])[0]);
        // The hull of a cross of five pixels is an octagon.
        outline.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let octagon = [[1.0, 2.0], [1.0, 3.0], [2.0, 1.0], [2.0, 4.0], [3.0, 1.0], [3.0, 4.0], [4.0, 2.0], [4.0, 3.0]];
        assert_eq!(outline, octagon);
    }

    /// Every voxel's corners against every other's, on an oblique grid of unequal steps.
    #[test]
    fn the_longest_line_is_that_of_all_pairs() {
        let step = [[0.3, -0.1, 2.5], [0.1, 0.8, 0.0], [0.9, -0.2, 0.1]];
        let mut state = 9u32;
        let mut random = |n: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % n
        };
        for _ in 0..40 {
            let mut labels = Array3::<u16>::zeros((5, 6, 7));
            for _ in 0..1 + random(30) {
                labels[(random(5) as usize, random(6) as usize, random(7) as usize)] = 1 + random(2) as u16;
            }
            let found = corners(&labels, &[segment(1), segment(2)]);
            for (found, number) in found.iter().zip([1, 2]) {
                let voxels = labels.indexed_iter().filter(|(_, label)| **label == number);
                let all: Vec<Corner> = voxels
                    .flat_map(|((s, r, c), _)| (0..8).map(move |i| [s + (i >> 2), r + (i >> 1 & 1), c + (i & 1)]))
                    .map(|corner| corner.map(|index| index as i64))
                    .collect();
                let place = |p: &Corner| -> [f64; 3] {
                    std::array::from_fn(|i| (0..3).map(|axis| p[axis] as f64 * step[axis][i]).sum())
                };
                let pairs = all.iter().flat_map(|p| all.iter().map(move |q| (p, q)));
                let want = pairs.map(|(p, q)| distance(place(p), place(q))).fold(0.0, f64::max);
                assert!((longest(found, step) - want).abs() < 1e-12, "{want}");
            }
        }
    }
}
