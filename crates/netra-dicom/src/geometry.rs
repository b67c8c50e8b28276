//! The geometry audit: frames become a regular grid, or are refused with the reason. Nothing is bent to fit.

use netra_core::{Affine, Error, Geometry, Result, Warning};

use crate::file::warning;
use crate::frames::Plane;

/// Relative deviation of one gap between slices (the tolerance of highdicom).
const SPACING: f64 = 0.01;
/// Deviation of a cosine, and of the product of two that should be orthogonal: rounding to three decimals.
const COSINE: f64 = 1e-3;
/// Angle in degrees between the stacking direction and the normal.
const TILT: f64 = 0.1;
/// How far a slice may lie from its place on the line of the stack, in pixels.
const SHIFT: f64 = 0.1;

/// One frame as the audit sees it.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    pub plane: Plane,
    /// Rows and columns.
    pub size: [usize; 2],
    /// Instance Number or frame, for messages.
    pub name: String,
    pub is_localiser: bool,
}

/// A regular grid and the order of the slices on it.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    pub geometry: Geometry,
    /// `order[k]` is the index of the slice at position `k`.
    pub order: Vec<usize>,
    pub warnings: Vec<Warning>,
}

/// Audits `slices`. `thickness` is the slice step of a single slice.
pub(crate) fn audit(slices: &[Slice], thickness: Option<f64>) -> Result<Grid> {
    let Some(first) = slices.first() else { return Err(Error::invalid("no frames")) };
    same_kind(slices, first)?;
    let mut warnings = Vec::new();
    let (row, column) = orthonormal(&first.plane, &mut warnings)?;
    let normal = cross(row, column);
    let mut order: Vec<usize> = (0..slices.len()).collect();
    let depth = |i: usize| dot(slices[i].plane.position, normal);
    order.sort_by(|&a, &b| depth(a).total_cmp(&depth(b)).then(a.cmp(&b)));
    let sorted: Vec<&Slice> = order.iter().map(|&i| &slices[i]).collect();
    let step = if sorted.len() == 1 {
        let thickness = thickness.unwrap_or_else(|| {
            let text = "a single slice without thickness: 1 mm is assumed".to_owned();
            warnings.push(warning("slice-thickness-missing", text));
            1.0
        });
        normal.map(|n| n * thickness)
    } else {
        slice_step(&sorted, normal)?
    };
    let origin = sorted.first().map_or([0.0; 3], |slice| slice.plane.position);
    // Pixel Spacing: between rows first. The row index runs along the column cosines.
    let [between_rows, between_columns] = first.plane.spacing;
    let affine = Affine::from_steps(step, column.map(|c| c * between_rows), row.map(|c| c * between_columns), origin);
    let geometry = Geometry::new([slices.len(), first.size[0], first.size[1]], affine)?;
    Ok(Grid { geometry, order, warnings })
}

/// Size, orientation and spacing must be those of the first slice, and no localiser may lie among the others.
fn same_kind(slices: &[Slice], first: &Slice) -> Result<()> {
    if let Some(scout) = slices.iter().find(|s| s.is_localiser != first.is_localiser) {
        let name = if scout.is_localiser { &scout.name } else { &first.name };
        return Err(Error::invalid(format!("{name} is a localiser among other images")));
    }
    for slice in slices {
        if slice.size != first.size {
            let [[a, b], [c, d]] = [first.size, slice.size];
            return Err(Error::invalid(format!("mixed sizes: {a} x {b} and {c} x {d} ({})", slice.name)));
        }
        let (a, b) = (&first.plane, &slice.plane);
        let near = |x: [f64; 3], y: [f64; 3]| x.iter().zip(y).all(|(x, y)| (x - y).abs() <= COSINE);
        if !near(a.row_cosines, b.row_cosines) || !near(a.column_cosines, b.column_cosines) {
            let angle = degrees(cross(a.row_cosines, a.column_cosines), cross(b.row_cosines, b.column_cosines));
            let text = format!(
                "mixed orientations: {} and {} differ ({angle:.1} degrees between normals)",
                first.name, slice.name
            );
            return Err(Error::invalid(text));
        }
        if a.spacing.iter().zip(b.spacing).any(|(x, y)| (x - y).abs() > 1e-3 * x.abs()) {
            let text = format!("mixed pixel spacings: {:?} and {:?} mm ({})", a.spacing, b.spacing, slice.name);
            return Err(Error::invalid(text));
        }
    }
    Ok(())
}

/// Unit row and column cosines at a right angle. What rounding spoilt is repaired, anything more is refused.
fn orthonormal(plane: &Plane, warnings: &mut Vec<Warning>) -> Result<([f64; 3], [f64; 3])> {
    if plane.spacing.iter().any(|s| *s <= 0.0) {
        return Err(Error::invalid(format!("pixel spacing of {:?} mm", plane.spacing)));
    }
    let (row, column) = (plane.row_cosines, plane.column_cosines);
    let errors = [norm(row) - 1.0, norm(column) - 1.0, dot(row, column)];
    let worst = errors.iter().fold(0.0f64, |a, e| a.max(e.abs()));
    if worst > COSINE {
        let text = format!("the row and column cosines {row:?} and {column:?} are not orthonormal (off by {worst:.4})");
        return Err(Error::invalid(text));
    }
    if worst > 1e-4 {
        let text = format!("row and column cosines off by {worst:.1e} were made orthonormal");
        warnings.push(warning("cosines-orthonormalised", text));
    }
    let row = unit(row);
    let along = dot(row, column);
    Ok((row, unit(std::array::from_fn(|i| column[i] - along * row[i]))))
}

/// The step between neighbouring slices, after every way of not being a regular stack was ruled out.
fn slice_step(sorted: &[&Slice], normal: [f64; 3]) -> Result<[f64; 3]> {
    let depths: Vec<f64> = sorted.iter().map(|s| dot(s.plane.position, normal)).collect();
    let gaps: Vec<f64> = depths.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mut ranked = gaps.clone();
    ranked.sort_by(f64::total_cmp);
    let median = ranked[ranked.len() / 2];
    let largest = ranked[ranked.len() - 1];
    let doubles = gaps.iter().filter(|gap| **gap < 1e-3 * largest.max(0.1)).count();
    if doubles > 0 {
        let at = gaps.iter().position(|gap| *gap < 1e-3 * largest.max(0.1)).unwrap_or(0);
        let distinct = sorted.len() - doubles;
        let kind = if distinct > 1 && sorted.len().is_multiple_of(distinct) {
            format!(": {distinct} positions, {} frames at each: more than one volume", sorted.len() / distinct)
        } else {
            String::new()
        };
        let (a, b) = (&sorted[at].name, &sorted[at + 1].name);
        return Err(Error::invalid(format!("duplicate positions: {a} and {b} lie at {:.2} mm{kind}", depths[at])));
    }
    let last = sorted.len() - 1;
    let (start, end) = (sorted[0].plane.position, sorted[last].plane.position);
    let step: [f64; 3] = std::array::from_fn(|i| (end[i] - start[i]) / last as f64);
    let tilt = degrees(step, normal);
    if tilt > TILT {
        let text = format!("gantry tilt: the slices are stacked {tilt:.2} degrees off their normal");
        return Err(Error::invalid(text));
    }
    regular_gaps(sorted, &depths, &gaps, median)?;
    let pixel = sorted[0].plane.spacing.into_iter().fold(f64::INFINITY, f64::min);
    let gap = norm(step);
    for (k, slice) in sorted.iter().enumerate() {
        let off: [f64; 3] = std::array::from_fn(|i| slice.plane.position[i] - start[i] - k as f64 * step[i]);
        let along = dot(off, normal);
        let across = norm(std::array::from_fn(|i| off[i] - along * normal[i]));
        if across > SHIFT * pixel {
            return Err(Error::invalid(format!("{} is shifted by {across:.2} mm in its plane", slice.name)));
        }
        if along.abs() > SHIFT * gap {
            let text = format!("uneven spacing: {} lies {:.2} mm from its place on the grid", slice.name, along.abs());
            return Err(Error::invalid(text));
        }
    }
    Ok(step)
}

/// Every gap is the median one; gaps of a whole multiple of it are missing slices.
fn regular_gaps(sorted: &[&Slice], depths: &[f64], gaps: &[f64], median: f64) -> Result<()> {
    let odd: Vec<usize> = (0..gaps.len()).filter(|&i| (gaps[i] - median).abs() > SPACING * median).collect();
    let Some(&at) = odd.first() else { return Ok(()) };
    let times = |i: usize| (gaps[i] / median).round();
    let is_multiple =
        |&i: &usize| times(i) >= 2.0 && (gaps[i] - times(i) * median).abs() <= SPACING * times(i) * median;
    if odd.iter().all(is_multiple) {
        let missing: f64 = odd.iter().map(|&i| times(i) - 1.0).sum();
        let (a, b) = (&sorted[at].name, &sorted[at + 1].name);
        let text = format!(
            "missing slices: {missing} in all, first between {a} at {:.2} mm and {b} at {:.2} mm",
            depths[at],
            depths[at + 1]
        );
        return Err(Error::invalid(format!("{text} (spacing {median:.3} mm)")));
    }
    let range = gaps.iter().fold([f64::INFINITY, 0.0f64], |r, g| [r[0].min(*g), r[1].max(*g)]);
    let text = format!("uneven spacing: gaps from {:.3} to {:.3} mm, mostly {median:.3} mm", range[0], range[1]);
    Err(Error::invalid(format!("{text}, first at {}", sorted[at].name)))
}

pub(crate) fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn norm(v: [f64; 3]) -> f64 {
    dot(v, v).sqrt()
}

fn unit(v: [f64; 3]) -> [f64; 3] {
    let length = norm(v);
    v.map(|x| x / length)
}

/// Angle between two directions.
fn degrees(a: [f64; 3], b: [f64; 3]) -> f64 {
    // atan2 keeps its precision at small angles, where acos has none.
    norm(cross(a, b)).atan2(dot(a, b)).to_degrees()
}
