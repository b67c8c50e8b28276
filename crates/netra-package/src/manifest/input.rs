//! The input contract: what the model accepts, in a form that a machine checks before every run.

use serde::{Deserialize, Serialize};

/// What a model accepts. A list or range that is left out (or empty) accepts everything; the values of lists are the
/// standard's own, compared without regard to case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputContract {
    /// A picture, a volume, or no scan at all.
    pub kind: InputKind,
    /// Modality (0008,0060).
    #[serde(default)]
    pub modality: Vec<String>,
    /// SOP Class UIDs.
    #[serde(default)]
    pub sop_classes: Vec<String>,
    /// Body Part Examined (0018,0015).
    #[serde(default)]
    pub body_part: Vec<String>,
    /// View Position (0018,5101).
    #[serde(default)]
    pub view: Vec<String>,
    /// Photometric Interpretation (0028,0004) as stored.
    #[serde(default)]
    pub photometric: Vec<String>,
    /// Channels of the picture before preprocessing; a step may change them.
    #[serde(default)]
    pub channels: Vec<usize>,
    /// Slices of a volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slices: Option<Range<usize>>,
    /// Rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Range<usize>>,
    /// Columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Range<usize>>,
    /// Millimetres between pixel centres along rows and columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spacing: Option<Range<f64>>,
    /// Millimetres between the slices of a volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice_spacing: Option<Range<f64>>,
    /// What the values must measure.
    #[serde(default)]
    pub unit: Unit,
    /// Whether the VOI LUT or window of the file is applied before preprocessing (pictures).
    #[serde(default)]
    pub voi: Voi,
}

/// What goes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// A picture: two spatial axes.
    Image,
    /// A volume on a regular grid: three spatial axes.
    Volume,
    /// An array that is no scan (a latent vector): such a model can be verified and run on arrays only.
    Array,
}

impl InputKind {
    /// Number of spatial axes.
    pub fn axes(self) -> usize {
        match self {
            InputKind::Image => 2,
            InputKind::Volume => 3,
            InputKind::Array => 0,
        }
    }
}

/// What the values must measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Anything.
    #[default]
    Any,
    /// Hounsfield units.
    Hounsfield,
    /// Signal without a physical unit.
    Arbitrary,
    /// Display grey or colour, 0 to 255.
    Display,
}

/// Whether the file's own window is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Voi {
    /// VOI LUT or window applied, as a viewer would show the picture.
    #[default]
    Apply,
    /// Modality values, over their whole range.
    Ignore,
}

/// An inclusive range, written `[least, greatest]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[T; 2]", into = "[T; 2]", bound = "T: Copy + PartialOrd + Serialize + serde::de::DeserializeOwned")]
pub struct Range<T> {
    least: T,
    greatest: T,
}

impl<T: Copy + PartialOrd> Range<T> {
    /// A range; `None` unless `least <= greatest`.
    pub fn new(least: T, greatest: T) -> Option<Self> {
        (least <= greatest).then_some(Self { least, greatest })
    }

    /// The least value.
    pub fn least(&self) -> T {
        self.least
    }

    /// The greatest value.
    pub fn greatest(&self) -> T {
        self.greatest
    }

    /// Whether a value lies inside, ends included.
    pub fn contains(&self, value: T) -> bool {
        self.least <= value && value <= self.greatest
    }
}

impl<T: Copy + PartialOrd> TryFrom<[T; 2]> for Range<T> {
    type Error = &'static str;

    fn try_from([least, greatest]: [T; 2]) -> Result<Self, Self::Error> {
        Self::new(least, greatest).ok_or("a range is [least, greatest]")
    }
}

impl<T> From<Range<T>> for [T; 2] {
    fn from(range: Range<T>) -> Self {
        [range.least, range.greatest]
    }
}
