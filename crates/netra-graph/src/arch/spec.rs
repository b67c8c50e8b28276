//! The words that configurations share: sizes, normalisations, activations.

use super::builder::Axes;
use crate::{Error, Result};

/// One number for every spatial axis, or one an axis (outermost first).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// The same for every axis.
    All(usize),
    /// One an axis.
    Each(Vec<usize>),
}

impl Sizes {
    /// One size for each of `rank` axes. Error: `InvalidInput` for a list of another length.
    pub(super) fn axes(&self, what: &str, rank: usize) -> Result<Axes> {
        match self {
            Sizes::All(size) => Ok([*size; 3]),
            Sizes::Each(list) if list.len() == rank && rank <= 3 => {
                let mut axes = [1; 3];
                axes.iter_mut().zip(list).for_each(|(to, &from)| *to = from);
                Ok(axes)
            }
            Sizes::Each(list) => Err(Error::invalid(format!("{what} {list:?} for {rank} spatial axes"))),
        }
    }
}

/// Normalisation over channels. `affine` ones have a weight and a bias a channel.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // Fields as in PyTorch.
pub enum Norm {
    /// The identity.
    None,
    /// With running statistics, as in `eval()`.
    Batch { epsilon: f32, affine: bool },
    /// Statistics of each instance and channel, always of the input.
    Instance { epsilon: f32, affine: bool },
    /// Statistics of each instance over groups of channels.
    Group { num_groups: usize, epsilon: f32, affine: bool },
}

impl Norm {
    /// PyTorch's default: epsilon 1e-5, affine.
    pub const BATCH: Self = Norm::Batch { epsilon: 1e-5, affine: true };
    /// PyTorch's default: epsilon 1e-5, not affine.
    pub const INSTANCE: Self = Norm::Instance { epsilon: 1e-5, affine: false };
    /// As nnU-Net has it: epsilon 1e-5, affine.
    pub const INSTANCE_AFFINE: Self = Norm::Instance { epsilon: 1e-5, affine: true };
}

/// Activation.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // Named as in PyTorch, with its arguments.
pub enum Act {
    /// The identity.
    None,
    Relu,
    LeakyRelu {
        negative_slope: f32,
    },
    /// With one learned slope, or one a channel.
    Prelu {
        num_parameters: usize,
    },
    Relu6,
    Elu {
        alpha: f32,
    },
    Celu {
        alpha: f32,
    },
    Selu,
    /// Exact, with the error function.
    Gelu,
    Sigmoid,
    Tanh,
    Mish,
    /// Also called Swish.
    Silu,
}
