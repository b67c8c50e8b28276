//! How the network meets an input that may be larger than its window.

use serde::{Deserialize, Serialize};

/// The way of inference over one preprocessed input. Sizes are those of the tensor's spatial axes, outermost first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Inferer {
    /// The whole input at once.
    Whole {
        /// Each axis is padded with zeros, evenly on both sides (of an odd difference the larger half at the end), to a
        /// multiple of this, and the output is cropped back. 1 pads nothing.
        #[serde(default = "one")]
        pad_to_multiple: usize,
    },
    /// Overlapping windows whose outputs (before any activation) are blended.
    SlidingWindow {
        /// Size of the window.
        roi_size: Vec<usize>,
        /// Share of the window that neighbours share, at least 0 and under 1.
        overlap: f64,
        /// Weight of a window's pixels.
        mode: Blend,
        /// Standard deviation of the Gaussian weight as a share of the window's size.
        #[serde(default = "eighth")]
        sigma_scale: f64,
        /// What fills an input smaller than the window.
        #[serde(default)]
        padding_mode: Padding,
        /// The value of `constant` padding.
        #[serde(default)]
        cval: f32,
        /// Whose placement, weights and padding are followed where conventions differ.
        #[serde(default)]
        semantics: Semantics,
    },
    /// Tiles that together give exactly what the whole input would give, for networks that are fully convolutional with
    /// stride 1 and zero padding: each tile is seen with `halo` more pixels on every side, as far as the input goes,
    /// and only its own part of the output is kept. Because the result does not depend on the tiles, a run may take
    /// smaller ones than stated when a device's memory asks for it.
    Tiled {
        /// Greatest size of a tile without its halo.
        roi_size: Vec<usize>,
        /// Pixels of context on every side: at least the network's receptive radius.
        halo: usize,
    },
}

/// Weight of a window's pixels in the blend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blend {
    /// All the same.
    Constant,
    /// A Gaussian centred on the window.
    Gaussian,
}

/// What fills an input smaller than the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// One value.
    #[default]
    Constant,
    /// Mirrored at the border pixel, which is not repeated.
    Reflect,
    /// The border pixel repeated.
    Replicate,
    /// The opposite side.
    Circular,
}

/// Whose reference semantics a sliding window follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Semantics {
    /// `monai.inferers.sliding_window_inference`.
    #[default]
    Monai,
}

impl Default for Inferer {
    fn default() -> Self {
        Inferer::Whole { pad_to_multiple: 1 }
    }
}

fn one() -> usize {
    1
}

fn eighth() -> f64 {
    0.125
}
