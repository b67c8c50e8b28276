//! What a run computes only when it is asked: where a classifier looked, and how probable each segment is at each pixel.

use ndarray::{Array3, Array4};
use serde::Serialize;

/// Which of it a run is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Heat maps of a classifier. They cost one more run of the network, or hundreds where it takes occlusions.
    pub saliency: bool,
    /// Probabilities of segments. They cost a byte a voxel and segment, and four while they are computed.
    pub probabilities: bool,
}

impl Detail {
    /// What either asks for.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { saliency: self.saliency || other.saliency, probabilities: self.probabilities || other.probabilities }
    }
}

/// How a heat map was made, and with that what its values mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SaliencyMethod {
    /// Class activation map (Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016): what each place
    /// adds to the class's output before its activation. The mean over the network's input is that output without its bias:
    /// exact, for a network that ends in global average pooling and a linear layer.
    ClassActivation,
    /// Occlusion (Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014): by how much the class's
    /// probability falls when the place is covered with the input's mean; the mean over all patches that cover it.
    Occlusion,
}

impl SaliencyMethod {
    /// The method's name for people.
    pub fn name(self) -> &'static str {
        match self {
            SaliencyMethod::ClassActivation => "class activation map",
            SaliencyMethod::Occlusion => "occlusion map",
        }
    }

    /// What the values are, in a sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            SaliencyMethod::ClassActivation => "what each place adds to the class's output before its activation",
            SaliencyMethod::Occlusion => "by how much the class's probability falls when the place is covered",
        }
    }
}

/// Where a classifier looked.
#[derive(Clone, Debug)]
pub struct Saliency {
    /// How it was found out.
    pub method: SaliencyMethod,
    /// A map for each class that is positive, or for the most probable one where none is; the most probable first.
    pub maps: Vec<HeatMap>,
}

/// What speaks for one class, place by place.
#[derive(Clone, Debug)]
pub struct HeatMap {
    /// The class's place among the classifications.
    pub class: usize,
    /// `(slice, row, column)` on the source grid; positive values speak for the class, negative ones against it, and what the
    /// network did not see has 0.
    pub values: Array3<f32>,
}

/// The probability of each segment at each pixel, before labels were decided: steps that mend labels (largest component, holes)
/// have not touched it.
#[derive(Clone, Debug)]
pub struct Probabilities {
    /// `(segment, slice, row, column)` on the source grid, segments in the label map's order; in units of
    /// 1 / [`MAXIMUM`](Self::MAXIMUM), rounded.
    pub values: Array4<u8>,
}

impl Probabilities {
    /// The value of probability 1.
    pub const MAXIMUM: u8 = 255;
}
