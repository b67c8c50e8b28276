//! The geometry audit: which stacks a series consists of, and in which ways each is, or is not, a regular grid. It only tells;
//! [`regrid`](crate::regrid) acts.

mod aspect;
mod irregularity;
mod slice;
mod split;
mod stack;

use netra_core::Geometry;
use serde::{Serialize, Serializer};

pub use irregularity::{Aspect, Gap, Irregularity};
pub(crate) use slice::Slice;
pub(crate) use stack::{Basis, same_depth};

use crate::series::Series;

/// How the frames of a series lie in the patient.
#[derive(Clone, Debug, Serialize)]
pub struct Audit {
    /// What is one volume each, in the order of their first frames; empty for frames without a place in the patient.
    pub stacks: Vec<Stack>,
    /// What concerns the series as a whole: why it is several stacks, what of it could not be read.
    pub irregularities: Vec<Irregularity>,
}

/// Slices of one size, orientation, spacing and kind.
#[derive(Clone, Debug, Serialize)]
pub struct Stack {
    /// What tells it from the other stacks of its series; empty when it is the only one.
    pub label: String,
    /// Its frames.
    #[serde(rename = "frames", serialize_with = "count")]
    pub(crate) slices: Vec<Slice>,
    /// The grid on which the frames lie as they are; `None` when they lie on none.
    #[serde(serialize_with = "grid")]
    pub geometry: Option<Geometry>,
    /// What was found; without a [fault](Irregularity::is_fault) the stack is a regular grid.
    pub irregularities: Vec<Irregularity>,
    /// The directions of the slices.
    #[serde(skip)]
    pub(crate) basis: Option<Basis>,
    /// Slice step of a single slice, mm.
    #[serde(skip)]
    pub(crate) thickness: Option<f64>,
}

impl Stack {
    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.slices.len()
    }

    /// Whether these are localisers (scouts), which planned the series.
    pub fn is_localiser(&self) -> bool {
        self.slices.iter().any(|slice| slice.is_localiser)
    }

    /// What keeps the frames from being a regular grid.
    pub fn faults(&self) -> impl Iterator<Item = &Irregularity> {
        self.irregularities.iter().filter(|found| found.is_fault())
    }
}

impl Audit {
    /// Whether the series is one stack on a regular grid.
    pub fn is_regular(&self) -> bool {
        matches!(self.stacks.as_slice(), [stack] if stack.geometry.is_some()) && self.faults().next().is_none()
    }

    /// What keeps the series from being one regular grid, of the series first, then stack by stack.
    pub fn faults(&self) -> impl Iterator<Item = &Irregularity> {
        self.all().filter(|found| found.is_fault())
    }

    /// Everything that was found.
    pub fn all(&self) -> impl Iterator<Item = &Irregularity> {
        self.irregularities.iter().chain(self.stacks.iter().flat_map(|stack| &stack.irregularities))
    }

    /// The faults in one sentence; `None` when the series is one regular grid.
    pub fn refusal(&self) -> Option<String> {
        if self.is_regular() {
            return None;
        }
        let mut reasons: Vec<String> = Vec::new();
        for reason in self.faults().map(Irregularity::to_string) {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        if reasons.is_empty() {
            reasons.push("no frames with a place in the patient".to_owned());
        }
        Some(reasons.join("; "))
    }
}

impl Series {
    /// Audits the geometry: reads the headers, decodes nothing.
    pub fn audit(&self) -> Audit {
        let (mut slices, mut placeless) = (Vec::new(), Vec::new());
        for slice in self.refs().filter_map(|at| Slice::of(self, at)) {
            match slice {
                Ok(slice) => slices.push(slice),
                Err(name) => placeless.push(name),
            }
        }
        let mut irregularities = Vec::new();
        if !self.damaged.is_empty() {
            irregularities.push(Irregularity::DamagedFiles { files: self.damaged.clone() });
        }
        if slices.is_empty() {
            return Audit { stacks: Vec::new(), irregularities };
        }
        if !placeless.is_empty() {
            irregularities.push(Irregularity::Mixed { aspect: Aspect::Plane, values: placeless });
        }
        let (groups, mixed) = split::split(self, slices);
        irregularities.extend(mixed);
        let stacks = groups.into_iter().map(|group| self.stack(group)).collect();
        Audit { stacks, irregularities }
    }

    fn stack(&self, group: split::Group) -> Stack {
        let thickness = group.slices.first().and_then(|slice| self.header(slice.at).thickness());
        let examined = stack::examine(&group.slices, thickness);
        let mut slices: Vec<Option<Slice>> = group.slices.into_iter().map(Some).collect();
        Stack {
            label: group.label.join(", "),
            slices: examined.order.iter().filter_map(|&i| slices.get_mut(i).and_then(Option::take)).collect(),
            geometry: examined.geometry,
            irregularities: examined.irregularities,
            basis: examined.basis,
            thickness,
        }
    }
}

fn count<S: Serializer>(slices: &[Slice], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(slices.len() as u64)
}

fn grid<S: Serializer>(geometry: &Option<Geometry>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Grid {
        /// Slices, rows, columns.
        shape: [usize; 3],
        spacing_mm: [f64; 3],
        /// Voxel index (slice, row, column, 1) to LPS millimetres.
        affine_lps: [[f64; 4]; 4],
    }
    let grid = |g: &Geometry| Grid { shape: g.shape(), spacing_mm: g.spacing(), affine_lps: g.affine().0 };
    geometry.as_ref().map(grid).serialize(serializer)
}
