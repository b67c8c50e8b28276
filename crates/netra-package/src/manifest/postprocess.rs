//! The closed list of postprocessing steps, in MONAI's words.

use serde::{Deserialize, Serialize};

use super::Interpolation;

/// One postprocessing step, from the network's output towards the result. Steps run in the manifest's order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", deny_unknown_fields)]
pub enum Postprocess {
    /// Keeps these channels of the network's output, in this order, and drops the rest.
    SelectChannels {
        /// Channel indices, counted from 0.
        channels: Vec<usize>,
    },
    /// Turns logits into probabilities: `sigmoid = true` or `softmax = true`. Left out when the network does so itself.
    Activations(Activation),
    /// Turns channels into one label map: `argmax = true`, or `threshold = 0.5` with `version`.
    AsDiscrete(AsDiscrete),
    /// Keeps the largest connected components of labels and makes the rest background.
    KeepLargestConnectedComponent {
        /// Labels it applies to; all segments when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        applied_labels: Option<Vec<u16>>,
        /// Each label for itself (`true`), or all of them as one foreground.
        #[serde(default = "yes")]
        independent: bool,
        /// Most steps along axes that neighbours may differ by: 1 is sides only, the number of axes is corners too.
        /// The number of axes when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connectivity: Option<u8>,
        /// How many components stay.
        #[serde(default = "one")]
        num_components: usize,
    },
    /// Gives background that a label encloses to that label. Enclosed means not connected, side by side, to the border.
    FillHoles {
        /// Labels it applies to, in this order; all segments when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        applied_labels: Option<Vec<u16>>,
    },
    /// Makes connected components of one label with fewer pixels than `min_size` background.
    RemoveSmallObjects {
        /// Pixels (on the grid at this point of the list) that a component must have to stay.
        min_size: usize,
        /// As in `KeepLargestConnectedComponent`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connectivity: Option<u8>,
    },
    /// Takes the result back to the source grid: every geometric preprocessing step is undone; what a crop removed
    /// becomes background (label or probability 0).
    Invert {
        /// `nearest-exact` after `AsDiscrete`; `bilinear` only before it.
        mode: Interpolation,
    },
    /// Maps the least and greatest value of a generated picture to `minv..maxv`.
    ScaleIntensity {
        /// Output for the least value.
        minv: f32,
        /// Output for the greatest value.
        maxv: f32,
    },
}

/// From logits to probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ActivationFields", into = "ActivationFields")]
pub enum Activation {
    /// Each channel for itself.
    Sigmoid,
    /// Over the channels.
    Softmax,
}

/// How channels become labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "AsDiscreteFields", into = "AsDiscreteFields")]
pub enum AsDiscrete {
    /// The label is the index of the channel with the greatest value (the first of equals); channel 0 is background.
    Argmax,
    /// Channel `c` reaching the threshold (`>=`) gives label `c + 1`; of several channels, the one with the greatest
    /// value.
    Threshold {
        /// The operating point.
        value: f32,
        /// Version of the operating point: results must say which one made them.
        version: String,
    },
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActivationFields {
    #[serde(default, skip_serializing_if = "is_no")]
    sigmoid: bool,
    #[serde(default, skip_serializing_if = "is_no")]
    softmax: bool,
}

impl TryFrom<ActivationFields> for Activation {
    type Error = &'static str;

    fn try_from(fields: ActivationFields) -> Result<Self, Self::Error> {
        match (fields.sigmoid, fields.softmax) {
            (true, false) => Ok(Activation::Sigmoid),
            (false, true) => Ok(Activation::Softmax),
            _ => Err("Activations needs exactly one of `sigmoid = true` and `softmax = true`"),
        }
    }
}

impl From<Activation> for ActivationFields {
    fn from(activation: Activation) -> Self {
        Self { sigmoid: activation == Activation::Sigmoid, softmax: activation == Activation::Softmax }
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AsDiscreteFields {
    #[serde(default, skip_serializing_if = "is_no")]
    argmax: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    threshold: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

impl TryFrom<AsDiscreteFields> for AsDiscrete {
    type Error = &'static str;

    fn try_from(fields: AsDiscreteFields) -> Result<Self, Self::Error> {
        match fields {
            AsDiscreteFields { argmax: true, threshold: None, version: None } => Ok(AsDiscrete::Argmax),
            AsDiscreteFields { argmax: false, threshold: Some(value), version: Some(version) } => {
                Ok(AsDiscrete::Threshold { value, version })
            }
            _ => Err("AsDiscrete needs either `argmax = true`, or `threshold` with `version`"),
        }
    }
}

impl From<AsDiscrete> for AsDiscreteFields {
    fn from(discrete: AsDiscrete) -> Self {
        match discrete {
            AsDiscrete::Argmax => Self { argmax: true, threshold: None, version: None },
            AsDiscrete::Threshold { value, version } => {
                Self { argmax: false, threshold: Some(value), version: Some(version) }
            }
        }
    }
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}

fn is_no(value: &bool) -> bool {
    !value
}
