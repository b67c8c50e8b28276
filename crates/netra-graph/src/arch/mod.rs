//! Networks from a configuration and a state dict: the published architectures for which PyTorch files hold weights
//! and nothing else.
//!
//! An [`Architecture`] is a configuration in the words of its origin (MONAI's argument names, nnU-Net's
//! `plans.json`); [`build`] makes the [`Graph`] and takes every tensor out of the state dict by name, checking its
//! shape. The builders speak ONNX operators only, so what follows is the way of any other network. Which fields each
//! configuration has, its source and what is left out: `docs/architectures.md`.

mod basic_unet;
mod block;
mod builder;
mod densenet;
mod dynunet;
mod efficientnet;
mod json;
mod meshnet;
mod monai;
mod nnunet;
pub mod plans;
mod read;
mod resnet;
mod segresnet;
mod spec;
mod unet;
mod xrv;

pub use basic_unet::BasicUNet;
pub use densenet::{DenseNaming, DenseNet};
pub use dynunet::DynUNet;
pub use efficientnet::{EfficientForm, EfficientNet};
pub use meshnet::{MeshForm, MeshLayer, MeshNet};
pub use monai::Upsample;
pub use nnunet::{Encoder, NnUNet};
pub use resnet::{ResNet, ResNetBlock, Shortcut};
pub use segresnet::SegResNet;
pub use spec::{Act, Norm, Sizes};
pub use unet::UNet;
pub use xrv::XrvDenseNet;

use crate::{Graph, Result, StateDict};
use builder::Builder;

/// A network without its weights.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Architecture {
    /// MONAI `UNet`.
    UNet(UNet),
    /// MONAI `BasicUNet`.
    BasicUNet(BasicUNet),
    /// MONAI `DynUNet`.
    DynUNet(DynUNet),
    /// nnU-Net's plain and residual encoder networks.
    NnUNet(NnUNet),
    /// MONAI `SegResNet`.
    SegResNet(SegResNet),
    /// MeshNet.
    MeshNet(MeshNet),
    /// DenseNet of torchvision and MONAI.
    DenseNet(DenseNet),
    /// ResNet of torchvision and MONAI.
    ResNet(ResNet),
    /// EfficientNet of torchvision and MONAI.
    EfficientNet(EfficientNet),
    /// torchxrayvision's DenseNet.
    XrvDenseNet(XrvDenseNet),
}

/// Builds the network and gives it the weights: one input `input` of shape `[batch, channels, spatial...]`, one output
/// `output`; batch and spatial sizes are symbolic. What only training uses (dropout, deep supervision) is left out.
///
/// Errors: `InvalidInput` for a configuration that makes no network, `Limit` for one beyond any published network,
/// `Unsupported` by name, and `Malformed` with the names of the tensors when one is missing, left over or not a float32
/// tensor of the right shape.
pub fn build(architecture: &Architecture, state: StateDict) -> Result<Graph> {
    assemble(architecture, state)?.finish()
}

/// Names and shapes of the tensors that [`build`] needs, in the order of the network. Errors: as for [`build`].
pub fn expected(architecture: &Architecture) -> Result<Vec<(String, Vec<usize>)>> {
    Ok(assemble(architecture, StateDict::new())?.wanted())
}

impl Architecture {
    /// The name of the network.
    pub fn name(&self) -> &'static str {
        match self {
            Architecture::UNet(_) => "UNet",
            Architecture::BasicUNet(_) => "BasicUNet",
            Architecture::DynUNet(_) => "DynUNet",
            Architecture::NnUNet(net) => net.name(),
            Architecture::SegResNet(_) => "SegResNet",
            Architecture::MeshNet(_) => "MeshNet",
            Architecture::DenseNet(_) => "DenseNet",
            Architecture::ResNet(_) => "ResNet",
            Architecture::EfficientNet(_) => "EfficientNet",
            Architecture::XrvDenseNet(_) => "XrvDenseNet",
        }
    }
}

fn assemble(architecture: &Architecture, state: StateDict) -> Result<Builder> {
    let mut b = Builder::new(architecture.name(), state);
    let made = match architecture {
        Architecture::UNet(net) => net.build(&mut b),
        Architecture::BasicUNet(net) => net.build(&mut b),
        Architecture::DynUNet(net) => net.build(&mut b),
        Architecture::NnUNet(net) => net.build(&mut b),
        Architecture::SegResNet(net) => net.build(&mut b),
        Architecture::MeshNet(net) => net.build(&mut b),
        Architecture::DenseNet(net) => net.build(&mut b),
        Architecture::ResNet(net) => net.build(&mut b),
        Architecture::EfficientNet(net) => net.build(&mut b),
        Architecture::XrvDenseNet(net) => net.build(&mut b),
    };
    made.map_err(|e| e.at(architecture.name()))?;
    Ok(b)
}
