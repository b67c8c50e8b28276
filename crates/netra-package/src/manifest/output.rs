//! The output contract: what the numbers mean.

use netra_core::{CodedConcept, Segment};
use serde::{Deserialize, Serialize};

/// What comes out, after postprocessing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum OutputContract {
    /// A label map on the source grid.
    Segmentation {
        /// One entry a label; labels that have none are an error of the package and refuse to run.
        segments: Vec<Segment>,
        /// When the result is withheld.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        abstain: Option<SegmentationAbstain>,
    },
    /// Probabilities of classes.
    Classification {
        /// One entry a channel, in the network's order.
        classes: Vec<Class>,
        /// When the result is withheld.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        abstain: Option<ClassificationAbstain>,
    },
    /// A picture or map that the network makes.
    Generated {
        /// Channels.
        channels: usize,
        /// What the picture is, for people.
        label: String,
    },
}

/// One class of a classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// A short name for people.
    pub label: String,
    /// What it means.
    pub concept: CodedConcept,
    /// Operating point: reaching it (`>=`) is positive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Threshold>,
}

/// A versioned operating point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Probability, 0 to 1.
    pub value: f32,
    /// Version of the operating point.
    pub version: String,
}

/// A segmentation is withheld (`OutOfScope`, with this reason) when its foreground, all segments together, is a share
/// of the source grid outside these bounds: the input was hardly what the model was made for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentationAbstain {
    /// Least share of foreground, 0 to 1.
    pub foreground_below: f64,
    /// Greatest share of foreground, 0 to 1.
    pub foreground_above: f64,
}

/// A classification is withheld (`OutOfScope`, with this reason) when no class is probable enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassificationAbstain {
    /// The greatest probability must reach this.
    pub top_probability_below: f32,
}
