//! From frames that lie on no regular grid to a volume that does, by an explicit policy, and with a note of all that was done.

mod plan;
mod sample;

use std::fmt;
use std::str::FromStr;

use netra_core::{Error, Limits};
use serde::{Deserialize, Serialize};

pub(crate) use plan::{Part, Regrid, SlicePlan, plan};
pub(crate) use sample::sample;

/// What to do about frames that lie on no regular grid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GeometryPolicy {
    /// Refuse them, with every reason.
    #[default]
    Refuse,
    /// One volume a stack; tilted and shifted slices are moved to their places and uneven gaps filled by linear interpolation.
    Correct,
    /// As `Correct`, but every voxel keeps the value of the nearest stored pixel.
    Nearest,
}

impl fmt::Display for GeometryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refuse => "refuse",
            Self::Correct => "correct",
            Self::Nearest => "nearest",
        })
    }
}

impl FromStr for GeometryPolicy {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        let all = [Self::Refuse, Self::Correct, Self::Nearest];
        let known = all.into_iter().find(|policy| policy.to_string() == word);
        known.ok_or_else(|| {
            Error::invalid(format!("no geometry policy {word:?}; there are refuse, correct and nearest"))
        })
    }
}

/// How a scan is read to volumes.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct ReadOptions<'a> {
    /// What to do about frames that lie on no regular grid.
    pub policy: GeometryPolicy,
    /// Bounds on what reading may allocate.
    pub limits: Limits,
    /// Told how many frames are decoded, of how many; from several threads.
    pub progress: Option<&'a (dyn Fn(usize, usize) + Sync)>,
}

impl<'a> ReadOptions<'a> {
    /// With this policy and the default limits.
    pub fn new(policy: GeometryPolicy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// Sets the bounds.
    #[must_use]
    pub fn limits(mut self, limits: &Limits) -> Self {
        self.limits = limits.clone();
        self
    }

    /// Sets who is told how far reading is.
    #[must_use]
    pub fn progress(mut self, progress: &'a (dyn Fn(usize, usize) + Sync)) -> Self {
        self.progress = Some(progress);
        self
    }
}
