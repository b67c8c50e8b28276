//! Which regular grid a stack goes to, and which stored frames each slice of it is made of. Nothing is decoded here.

use netra_core::{Affine, Error, Geometry, Result, Warning};

use super::GeometryPolicy;
use crate::audit::{Basis, Irregularity, Slice, Stack, same_depth};
use crate::file::warning;
use crate::space::{Vector, along, dot, minus};

/// Slice steps that may be bridged: further apart, neighbours say nothing of what lies between them.
const BRIDGED: f64 = 5.0;
/// Cosines farther from an orthonormal pair (about a degree) are no rounding, and no policy mends them.
const MENDED: f64 = 0.02;

/// A regular grid and what each of its slices is made of.
#[derive(Clone, Debug)]
pub(crate) struct Regrid {
    pub geometry: Geometry,
    pub slices: Vec<SlicePlan>,
    /// What was done to come to this grid, for people.
    pub corrections: Vec<Warning>,
    /// Slices that share a place: the kept one and one that must hold the same pixels.
    pub twins: Vec<[usize; 2]>,
}

/// What one slice is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SlicePlan {
    /// The larger share.
    pub main: Part,
    pub other: Option<Part>,
}

/// The share of one stored frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Part {
    /// Index among the stack's slices.
    pub source: usize,
    pub weight: f64,
    /// What to add to (row, column) of the grid to come to (row, column) of the frame.
    pub offset: [f64; 2],
}

impl Regrid {
    /// Whether slice `k` of the grid is slice `k` of the stack, pixel by pixel.
    pub fn is_identity(&self) -> bool {
        let whole = |(k, plan): (usize, &SlicePlan)| {
            plan.main == Part { source: k, weight: 1.0, offset: [0.0; 2] } && plan.other.is_none()
        };
        self.twins.is_empty() && self.slices.iter().enumerate().all(whole)
    }
}

/// Plans the grid of a stack. Fails with `InvalidInput` and the reason where the policy does not mend what the audit found.
pub(crate) fn plan(stack: &Stack, policy: GeometryPolicy) -> Result<Regrid> {
    if let Some(geometry) = &stack.geometry {
        let whole = |source| SlicePlan { main: Part { source, weight: 1.0, offset: [0.0; 2] }, other: None };
        let slices = (0..stack.frames()).map(whole).collect();
        return Ok(Regrid { geometry: geometry.clone(), slices, corrections: Vec::new(), twins: Vec::new() });
    }
    let reasons: Vec<String> = stack.faults().map(Irregularity::to_string).collect();
    let refused = |why: &str| Error::invalid(format!("{}{why}", reasons.join("; ")));
    if policy == GeometryPolicy::Refuse {
        return Err(refused(""));
    }
    let Some(basis) = stack.basis else { return Err(refused("")) };
    if stack.faults().any(|f| matches!(f, Irregularity::CosinesNotOrthonormal { deviation, .. } if *deviation > MENDED))
    {
        return Err(refused(": no policy mends that"));
    }
    let places = Places::of(stack, basis);
    let depths = Depths::of(stack, &places).ok_or_else(|| refused(": the gap is too wide to be bridged"))?;
    let plane = PlaneGrid::of(stack, &places, basis, policy);
    let slices = (0..depths.count).map(|j| slice(&places, &plane, depths.depth(j), depths.step, policy)).collect();
    let first = &stack.slices[places.kept[0]].plane;
    let [between_rows, between_columns] = first.spacing;
    let step = if plane.moved {
        basis.normal.map(|n| n * depths.step)
    } else {
        let last = places.kept[places.kept.len() - 1];
        let whole = minus(stack.slices[last].plane.position, first.position);
        if depths.count > 1 {
            whole.map(|v| v / (depths.count - 1) as f64)
        } else {
            basis.normal.map(|n| n * depths.step)
        }
    };
    let (down, across) = (basis.column.map(|c| c * between_rows), basis.row.map(|c| c * between_columns));
    let origin = along(along(first.position, plane.start[0], basis.column), plane.start[1], basis.row);
    let [rows, columns] = plane.size;
    let geometry = Geometry::new([depths.count, rows, columns], Affine::from_steps(step, down, across, origin))?;
    let corrections = corrections(stack, &geometry, policy);
    Ok(Regrid { geometry, slices, corrections, twins: places.twins })
}

/// The slices that have a place of their own.
struct Places {
    /// Indices among the stack's slices, from the lowest to the highest.
    kept: Vec<usize>,
    depths: Vec<f64>,
    twins: Vec<[usize; 2]>,
}

impl Places {
    fn of(stack: &Stack, basis: Basis) -> Self {
        let depth = |slice: &Slice| dot(slice.plane.position, basis.normal);
        let all: Vec<f64> = stack.slices.iter().map(depth).collect();
        let largest = all.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0f64, f64::max);
        let (mut kept, mut depths, mut twins): (Vec<usize>, Vec<f64>, Vec<[usize; 2]>) = Default::default();
        for (i, depth) in all.into_iter().enumerate() {
            match kept.last().zip(depths.last()) {
                Some((&twin, last)) if depth - last < same_depth(largest) => twins.push([twin, i]),
                _ => {
                    kept.push(i);
                    depths.push(depth);
                }
            }
        }
        Self { kept, depths, twins }
    }
}

/// Where the slices of the grid lie along the normal.
struct Depths {
    start: f64,
    step: f64,
    count: usize,
}

impl Depths {
    /// `None` when a gap is too wide to be bridged.
    fn of(stack: &Stack, places: &Places) -> Option<Self> {
        let gaps: Vec<f64> = places.depths.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let start = *places.depths.first()?;
        let most = gaps.iter().fold(0.0f64, |a, gap| a.max(*gap));
        if gaps.is_empty() {
            return Some(Self { start, step: stack.thickness.unwrap_or(1.0), count: 1 });
        }
        let whole: f64 = gaps.iter().sum();
        let mut wanted = whole / gaps.len() as f64;
        for fault in stack.faults() {
            match fault {
                Irregularity::MissingSlices { spacing_mm, .. } => wanted = *spacing_mm,
                Irregularity::UnevenSpacing { .. } => wanted = small(&gaps),
                _ => {}
            }
        }
        let steps = (whole / wanted).round().max(1.0);
        let step = whole / steps;
        (most <= (BRIDGED + 0.5) * step).then_some(Self { start, step, count: steps as usize + 1 })
    }

    fn depth(&self, slice: usize) -> f64 {
        self.start + slice as f64 * self.step
    }
}

/// A gap that keeps slices apart: the smallest but for a tenth of them, so that an odd pair does not multiply the slices.
fn small(gaps: &[f64]) -> f64 {
    let mut ranked = gaps.to_vec();
    ranked.sort_by(f64::total_cmp);
    ranked[ranked.len() / 10]
}

/// Rows and columns of the grid, and where those of each stored frame lie on it.
struct PlaneGrid {
    /// Whether slices lie aside each other.
    moved: bool,
    size: [usize; 2],
    /// Millimetres from the first frame's first pixel to the grid's, along rows' and columns' directions of growth.
    start: [f64; 2],
    /// Of each kept slice.
    offsets: Vec<[f64; 2]>,
}

impl PlaneGrid {
    fn of(stack: &Stack, places: &Places, basis: Basis, policy: GeometryPolicy) -> Self {
        let first = &stack.slices[places.kept[0]];
        let moves =
            |f: &Irregularity| matches!(f, Irregularity::GantryTilt { .. } | Irregularity::ShiftedInPlane { .. });
        if !stack.faults().any(moves) {
            let offsets = vec![[0.0; 2]; places.kept.len()];
            return Self { moved: false, size: first.size, start: [0.0; 2], offsets };
        }
        let axis = |direction: Vector, spacing: f64| -> (f64, usize, Vec<f64>) {
            let place = |&i: &usize| dot(minus(stack.slices[i].plane.position, first.plane.position), direction);
            let places: Vec<f64> = places.kept.iter().map(place).collect();
            let [least, most] = places.iter().fold([0.0f64; 2], |r, p| [r[0].min(*p), r[1].max(*p)]);
            // A hair less, so that rounding adds no empty line.
            let more = ((most - least) / spacing - 1e-6).ceil().max(0.0) as usize;
            let offset = |place: f64| {
                let pixels = (least - place) / spacing;
                if policy == GeometryPolicy::Nearest { pixels.round() } else { pixels }
            };
            (least, more, places.into_iter().map(offset).collect())
        };
        let [between_rows, between_columns] = first.plane.spacing;
        let (top, more_rows, down) = axis(basis.column, between_rows);
        let (left, more_columns, across) = axis(basis.row, between_columns);
        Self {
            moved: true,
            size: [first.size[0].saturating_add(more_rows), first.size[1].saturating_add(more_columns)],
            start: [top, left],
            offsets: down.into_iter().zip(across).map(|(d, a)| [d, a]).collect(),
        }
    }
}

/// The slice of the grid at `depth`: a stored one when it is near enough, else a blend of its neighbours, or the nearer one.
fn slice(places: &Places, plane: &PlaneGrid, depth: f64, step: f64, policy: GeometryPolicy) -> SlicePlan {
    let part = |k: usize, weight| Part { source: places.kept[k], weight, offset: plane.offsets[k] };
    let above = places.depths.partition_point(|d| *d < depth).clamp(1, places.depths.len().max(2) - 1);
    let below = above - 1;
    if places.kept.len() == 1 {
        return SlicePlan { main: part(0, 1.0), other: None };
    }
    let (low, high) = (places.depths[below], places.depths[above]);
    let share = ((depth - low) / (high - low)).clamp(0.0, 1.0);
    let (near, far, rest) = if share <= 0.5 + 1e-6 { (below, above, share) } else { (above, below, 1.0 - share) };
    // A hundredth of a step is the tolerance of the audit.
    if policy == GeometryPolicy::Nearest || rest * (high - low) <= 0.01 * step {
        return SlicePlan { main: part(near, 1.0), other: None };
    }
    SlicePlan { main: part(near, 1.0 - rest), other: Some(part(far, rest)) }
}

fn corrections(stack: &Stack, geometry: &Geometry, policy: GeometryPolicy) -> Vec<Warning> {
    let first = &stack.slices[0];
    let [slices, rows, columns] = geometry.shape();
    let (more_rows, more_columns) = (rows - first.size[0], columns - first.size[1]);
    let how = if policy == GeometryPolicy::Nearest { "the nearest stored pixels" } else { "linear interpolation" };
    let done = |fault: &Irregularity| match fault {
        Irregularity::GantryTilt { .. } | Irregularity::ShiftedInPlane { .. } => format!(
            "the slices were moved in their planes by {how}, {more_rows} rows and {more_columns} columns were added"
        ),
        Irregularity::MissingSlices { .. } | Irregularity::UnevenSpacing { .. } => {
            format!("{slices} slices {:.4} mm apart were made of {} by {how}", geometry.spacing()[0], stack.frames())
        }
        Irregularity::DuplicatePositions { .. } => "frames with the same pixels were left out".to_owned(),
        _ => "the cosines were made orthonormal, the row's kept".to_owned(),
    };
    let note =
        |fault: &Irregularity| warning(format!("{}-corrected", fault.code()), format!("{fault}: {}", done(fault)));
    stack.faults().map(note).collect()
}
