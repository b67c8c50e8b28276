//! One stack: whether its slices are a regular grid, and every way in which they are not.

use netra_core::{Affine, Geometry};

use super::irregularity::{Gap, Irregularity};
use super::slice::Slice;
use crate::frames::Plane;
use crate::space::{Vector, along, cross, degrees, dot, minus, norm, unit};

/// Relative deviation of one gap between slices (the tolerance of highdicom).
const SPACING: f64 = 0.01;
/// Deviation of a cosine, and of the product of two that should be orthogonal: rounding to three decimals.
pub(super) const COSINE: f64 = 1e-3;
/// Angle in degrees between the stacking direction and the normal.
const TILT: f64 = 0.1;
/// How far a slice may lie from its place on the line of the stack, in pixels across and in slice steps along.
const SHIFT: f64 = 0.1;

/// An orthonormal frame: the directions of growing column index, row index and slice index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Basis {
    pub row: Vector,
    pub column: Vector,
    pub normal: Vector,
}

impl Basis {
    /// The plane's cosines made orthonormal (row kept), and how far they were off; `None` when they span no plane.
    fn of(plane: &Plane) -> Option<(Self, f64)> {
        let (row, column) = (plane.row_cosines, plane.column_cosines);
        let errors = [norm(row) - 1.0, norm(column) - 1.0, dot(row, column)];
        let deviation = errors.iter().fold(0.0f64, |a, e| a.max(e.abs()));
        let row = Some(unit(row)).filter(|v| v.iter().all(|x| x.is_finite()))?;
        let column = along(column, -dot(row, column), row);
        if norm(column) < 1e-3 {
            return None;
        }
        let column = unit(column);
        Some((Self { row, column, normal: cross(row, column) }, deviation))
    }
}

/// What the audit found of a stack.
pub(crate) struct Examined {
    pub irregularities: Vec<Irregularity>,
    /// The slices from the lowest to the highest along the normal; of those at one place, in the order of the series.
    pub order: Vec<usize>,
    /// `None` when the cosines span no plane or the pixel spacing is impossible.
    pub basis: Option<Basis>,
    /// For a regular stack.
    pub geometry: Option<Geometry>,
}

/// Examines slices of one size, orientation and pixel spacing. `thickness` is the slice step of a single slice.
pub(crate) fn examine(slices: &[Slice], thickness: Option<f64>) -> Examined {
    let mut found = Vec::new();
    let Some(first) = slices.first() else {
        return Examined { irregularities: found, order: Vec::new(), basis: None, geometry: None };
    };
    let basis = basis(&first.plane, &mut found);
    let mut order: Vec<usize> = (0..slices.len()).collect();
    let mut geometry = None;
    if let Some(basis) = basis {
        let depth = |i: usize| dot(slices[i].plane.position, basis.normal);
        order.sort_by(|&a, &b| depth(a).total_cmp(&depth(b)).then(a.cmp(&b)));
        let sorted: Vec<&Slice> = order.iter().map(|&i| &slices[i]).collect();
        let step = if sorted.len() == 1 {
            if thickness.is_none() {
                found.push(Irregularity::ThicknessMissing);
            }
            Some(basis.normal.map(|n| n * thickness.unwrap_or(1.0)))
        } else {
            let distinct = distinct(&sorted, basis.normal, &mut found);
            regular_step(&distinct, &basis, &mut found)
        };
        remarks(slices, &mut found);
        if let Some(step) = step.filter(|_| !found.iter().any(Irregularity::is_fault)) {
            // Pixel Spacing: between rows first. The row index runs along the column cosines.
            let [between_rows, between_columns] = first.plane.spacing;
            let (down, across) = (basis.column.map(|c| c * between_rows), basis.row.map(|c| c * between_columns));
            let affine = Affine::from_steps(step, down, across, sorted[0].plane.position);
            geometry = Geometry::new([slices.len(), first.size[0], first.size[1]], affine).ok();
        }
    }
    Examined { irregularities: found, order, basis, geometry }
}

fn basis(plane: &Plane, found: &mut Vec<Irregularity>) -> Option<Basis> {
    let cosines = [plane.row_cosines, plane.column_cosines];
    let basis = Basis::of(plane);
    match basis {
        Some((_, deviation)) if deviation <= 1e-4 => {}
        Some((_, deviation)) if deviation <= COSINE => found.push(Irregularity::CosinesRounded { deviation }),
        Some((_, deviation)) => found.push(Irregularity::CosinesNotOrthonormal { cosines, deviation }),
        None => found.push(Irregularity::CosinesNotOrthonormal { cosines, deviation: 1.0 }),
    }
    if plane.spacing.iter().any(|s| *s <= 0.0) {
        found.push(Irregularity::PixelSpacingImpossible { spacing_mm: plane.spacing });
        return None;
    }
    basis.map(|(basis, _)| basis)
}

/// How near two depths are that count as one place, for a stack whose gaps are at most `largest`.
pub(crate) fn same_depth(largest: f64) -> f64 {
    1e-3 * largest.max(0.1)
}

/// The first slice of each place.
fn distinct<'a>(sorted: &[&'a Slice], normal: Vector, found: &mut Vec<Irregularity>) -> Vec<&'a Slice> {
    let depth = |slice: &Slice| dot(slice.plane.position, normal);
    let largest = sorted.windows(2).map(|pair| depth(pair[1]) - depth(pair[0])).fold(0.0f64, f64::max);
    let mut kept: Vec<&Slice> = Vec::with_capacity(sorted.len());
    let mut duplicate = None;
    for &slice in sorted {
        match kept.last() {
            Some(last) if depth(slice) - depth(last) < same_depth(largest) => {
                duplicate.get_or_insert(([last.name.clone(), slice.name.clone()], depth(last)));
            }
            _ => kept.push(slice),
        }
    }
    if let Some((frames, depth_mm)) = duplicate {
        let surplus = sorted.len() - kept.len();
        found.push(Irregularity::DuplicatePositions { frames, depth_mm, surplus });
    }
    kept
}

/// The step between neighbouring slices; faults of the stack are added to `found`. `None` for a single place.
fn regular_step(sorted: &[&Slice], basis: &Basis, found: &mut Vec<Irregularity>) -> Option<Vector> {
    let (first, last) = (sorted.first()?, sorted.last()?);
    let steps = sorted.len().checked_sub(1).filter(|n| *n > 0)? as f64;
    let depths: Vec<f64> = sorted.iter().map(|s| dot(s.plane.position, basis.normal)).collect();
    found.extend(gaps(sorted, &depths));
    aside(sorted, &depths, basis, found);
    Some(minus(last.plane.position, first.plane.position).map(|v| v / steps))
}

/// Gaps that are not the median one: missing slices when each is a whole multiple of it, else uneven spacing.
fn gaps(sorted: &[&Slice], depths: &[f64]) -> Option<Irregularity> {
    let gaps: Vec<f64> = depths.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mut ranked = gaps.clone();
    ranked.sort_by(f64::total_cmp);
    let (least, median, most) = (ranked[0], ranked[ranked.len() / 2], ranked[ranked.len() - 1]);
    let odd: Vec<usize> = (0..gaps.len()).filter(|&i| (gaps[i] - median).abs() > SPACING * median).collect();
    let uneven = |at: usize| {
        Some(Irregularity::UnevenSpacing { gaps_mm: [least, median, most], first: sorted[at].name.clone() })
    };
    let Some(&at) = odd.first() else {
        // Each gap alone may be right while their sum drifts.
        let mean = (depths[gaps.len()] - depths[0]) / gaps.len() as f64;
        let drifted = |k: &usize| (depths[*k] - depths[0] - *k as f64 * mean).abs() > SHIFT * mean;
        return (0..depths.len()).find(drifted).and_then(uneven);
    };
    let times = |i: usize| (gaps[i] / median).round();
    let is_multiple =
        |&i: &usize| times(i) >= 2.0 && (gaps[i] - times(i) * median).abs() <= SPACING * times(i) * median;
    if !odd.iter().all(is_multiple) {
        return uneven(at);
    }
    let gap = |&i: &usize| Gap {
        after: sorted[i].name.clone(),
        before: sorted[i + 1].name.clone(),
        depths_mm: [depths[i], depths[i + 1]],
        missing: times(i) as usize - 1,
    };
    Some(Irregularity::MissingSlices { spacing_mm: median, gaps: odd.iter().map(gap).collect() })
}

/// The tilt of the line through the slices, and slices that lie aside of it.
fn aside(sorted: &[&Slice], depths: &[f64], basis: &Basis, found: &mut Vec<Irregularity>) {
    let axes = [basis.row, basis.column];
    let across = |axis: Vector| -> Vec<f64> { sorted.iter().map(|s| dot(s.plane.position, axis)).collect() };
    let lines = axes.map(|axis| Line::through(depths, &across(axis), sorted[0].plane.spacing));
    let [a, b] = [lines[0].slope, lines[1].slope];
    let direction = along(along(basis.normal, a, basis.row), b, basis.column);
    let tilt = degrees(direction, basis.normal);
    if tilt > TILT {
        found.push(Irregularity::GantryTilt { degrees: tilt });
    }
    let distance = |k: usize| lines[0].off[k].hypot(lines[1].off[k]);
    let worst = (0..sorted.len()).max_by(|&a, &b| distance(a).total_cmp(&distance(b)));
    if let Some(k) = worst.filter(|&k| distance(k) > shift(sorted[0].plane.spacing)) {
        found.push(Irregularity::ShiftedInPlane { frame: sorted[k].name.clone(), distance_mm: distance(k) });
    }
}

fn shift(spacing: [f64; 2]) -> f64 {
    SHIFT * spacing[0].min(spacing[1])
}

/// A straight line through places at depths, and how far each place lies off it.
struct Line {
    slope: f64,
    off: Vec<f64>,
}

impl Line {
    /// From the first place to the last; where others are off that line, with the median slope and the median start, so that
    /// a single slice aside does not bend it.
    fn through(depths: &[f64], places: &[f64], spacing: [f64; 2]) -> Self {
        let last = depths.len() - 1;
        let ends = (places[last] - places[0]) / (depths[last] - depths[0]);
        let straight = Self::with(depths, places, ends, places[0] - ends * depths[0]);
        if straight.off.iter().all(|off| off.abs() <= shift(spacing)) {
            return straight;
        }
        let slope = median((0..last).map(|k| (places[k + 1] - places[k]) / (depths[k + 1] - depths[k])).collect());
        let start = median(depths.iter().zip(places).map(|(d, p)| p - slope * d).collect());
        Self::with(depths, places, slope, start)
    }

    fn with(depths: &[f64], places: &[f64], slope: f64, start: f64) -> Self {
        Self { slope, off: depths.iter().zip(places).map(|(d, p)| p - start - slope * d).collect() }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// What does not keep the slices from being a volume.
fn remarks(slices: &[Slice], found: &mut Vec<Irregularity>) {
    let mut pairs: Vec<[u64; 2]> = slices.iter().map(|s| s.rescale.map(f64::to_bits)).collect();
    pairs.sort_unstable();
    pairs.dedup();
    if pairs.len() > 1 {
        found.push(Irregularity::RescaleVaries { pairs: pairs.len() });
    }
    let mut numbers: Vec<i64> = slices.iter().filter_map(|s| s.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    // Where some frames have no number of their own, the numbers count something else.
    if numbers.len() == slices.len() {
        let holes = || numbers.windows(2).filter(|pair| pair[1].saturating_sub(pair[0]) > 1);
        let count: i64 = holes().map(|pair| pair[1].saturating_sub(pair[0]) - 1).fold(0, i64::saturating_add);
        if let Some(pair) = holes().next() {
            found.push(Irregularity::InstanceNumbersMissing { count: count as usize, first: pair[0] + 1 });
        }
    }
}
