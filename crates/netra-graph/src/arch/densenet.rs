//! DenseNet, as torchvision, MONAI and torchxrayvision have it
//! (Huang et al. 2017; torchvision 0.29, MONAI 1.6, torchxrayvision 1.5).

use super::block::Conv;
use super::builder::{Builder, Feature, check_size, check_stages};
use super::spec::{Act, Norm};
use crate::Result;

/// Configuration of a DenseNet, MONAI's arguments under their names.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The arguments of the same names.
pub struct DenseNet {
    pub spatial_dims: usize,
    pub in_channels: usize,
    pub out_channels: usize,
    pub init_features: usize,
    pub growth_rate: usize,
    /// Layers of each block.
    pub block_config: Vec<usize>,
    /// Features of a layer's bottleneck, as a multiple of `growth_rate`.
    pub bn_size: usize,
    pub act: Act,
    pub norm: Norm,
    pub naming: DenseNaming,
}

/// Whose tensor names a [`DenseNet`] has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenseNaming {
    /// `features.denseblock1.denselayer1.layers.norm1`, `class_layers.out`.
    Monai,
    /// `features.denseblock1.denselayer1.norm1` (`norm.1` in old files), `classifier`.
    Torchvision,
}

impl DenseNet {
    /// DenseNet-121, -161, -169, -201 or -264 (Table 1 of the paper; 161 from the authors' code); `None` for others.
    pub fn of_depth(
        depth: usize,
        naming: DenseNaming,
        spatial_dims: usize,
        in_channels: usize,
        out_channels: usize,
    ) -> Option<Self> {
        let (init_features, growth_rate, block_config) = match depth {
            121 => (64, 32, [6, 12, 24, 16]),
            161 => (96, 48, [6, 12, 36, 24]),
            169 => (64, 32, [6, 12, 32, 32]),
            201 => (64, 32, [6, 12, 48, 32]),
            264 => (64, 32, [6, 12, 64, 48]),
            _ => return None,
        };
        Some(Self {
            spatial_dims,
            in_channels,
            out_channels,
            init_features,
            growth_rate,
            block_config: block_config.to_vec(),
            bn_size: 4,
            act: Act::Relu,
            norm: Norm::BATCH,
            naming,
        })
    }

    pub(super) fn build(&self, b: &mut Builder) -> Result<()> {
        let x = b.input(self.spatial_dims, self.in_channels)?;
        let x = self.classify(b, x)?;
        b.output(x, false)
    }

    /// From the input to the class scores, `[N, out_channels]`.
    pub(super) fn classify(&self, b: &mut Builder, x: Feature) -> Result<Feature> {
        check_stages("entries of block_config", self.block_config.len(), 1)?;
        for size in [self.growth_rate, self.bn_size] {
            check_size("growth_rate or bn_size", size)?;
        }
        b.rename(new_name)?;
        let stem = Conv::new(self.init_features, [7; 3]).stride([2; 3]);
        let x = b.conv(x, "features.conv0", &stem)?;
        let x = self.norm_act(b, x, "features", "norm0", "relu0")?;
        let mut x = b.max_pool(x, [3; 3], [2; 3], [1; 3])?;
        let last = self.block_config.len() - 1;
        for (i, &layers) in self.block_config.iter().enumerate() {
            for layer in 1..=layers {
                x = self.layer(b, x, &format!("features.denseblock{}.denselayer{layer}", i + 1))?;
            }
            if i < last {
                let name = format!("features.transition{}", i + 1);
                x = self.norm_act(b, x, &name, "norm", "relu")?;
                x = b.conv(x, &format!("{name}.conv"), &Conv::point(x.channels / 2))?;
                x = b.average_pool(x, [2; 3], [2; 3])?;
            }
        }
        let (act, out) = match self.naming {
            DenseNaming::Monai => ("class_layers.relu", "class_layers.out"),
            DenseNaming::Torchvision => ("relu", "classifier"),
        };
        let x = b.norm(x, "features.norm5", &self.norm)?;
        let x = b.act(x, act, &self.act)?;
        let x = b.global_average(x)?;
        let x = b.flatten(x)?;
        b.linear(x, out, self.out_channels)
    }

    /// Appends `growth_rate` features to `x`.
    fn layer(&self, b: &mut Builder, x: Feature, name: &str) -> Result<Feature> {
        let name = match self.naming {
            DenseNaming::Monai => format!("{name}.layers"),
            DenseNaming::Torchvision => name.to_owned(),
        };
        let y = self.norm_act(b, x, &name, "norm1", "relu1")?;
        let y = b.conv(y, &format!("{name}.conv1"), &Conv::point(self.bn_size.saturating_mul(self.growth_rate)))?;
        let y = self.norm_act(b, y, &name, "norm2", "relu2")?;
        let y = b.conv(y, &format!("{name}.conv2"), &Conv::new(self.growth_rate, [3; 3]))?;
        b.concat(&[x, y])
    }

    fn norm_act(&self, b: &mut Builder, x: Feature, name: &str, norm: &str, act: &str) -> Result<Feature> {
        let x = b.norm(x, &format!("{name}.{norm}"), &self.norm)?;
        b.act(x, &format!("{name}.{act}"), &self.act)
    }
}

/// `norm.1` and the like of files from before PyTorch forbade dots in module names.
fn new_name(name: &str) -> Option<String> {
    let layer = name.find(".denselayer")?;
    let (front, rest) = name.split_at(layer);
    for kind in ["norm", "conv"] {
        for i in 1..=2 {
            let old = format!(".{kind}.{i}.");
            if rest.contains(&old) {
                return Some(format!("{front}{}", rest.replacen(&old, &format!(".{kind}{i}."), 1)));
            }
        }
    }
    None
}
