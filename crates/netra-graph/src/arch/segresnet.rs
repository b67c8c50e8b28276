//! MONAI `SegResNet`: residual blocks with normalisation first, sums for skips
//! (Myronenko 2018, without the autoencoder; `monai.networks.nets.SegResNet` of MONAI 1.6).

use super::block::Conv;
use super::builder::{Builder, Feature, check_length, check_size, check_stages};
use super::monai::Upsample;
use super::spec::{Act, Norm};
use crate::{Coordinates, Error, Result};

/// Configuration of MONAI's `SegResNet`, its arguments under their names.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The arguments of the same names.
pub struct SegResNet {
    /// 2 or 3.
    pub spatial_dims: usize,
    /// Features of the first level; each next one has twice as many.
    pub init_filters: usize,
    pub in_channels: usize,
    pub out_channels: usize,
    pub act: Act,
    pub norm: Norm,
    /// Without it the output is the features of the last level.
    pub use_conv_final: bool,
    /// Residual blocks in each level of the encoder.
    pub blocks_down: Vec<usize>,
    /// Residual blocks in each level of the decoder, one level less.
    pub blocks_up: Vec<usize>,
    pub upsample_mode: Upsample,
}

impl Default for SegResNet {
    /// MONAI's defaults.
    fn default() -> Self {
        Self {
            spatial_dims: 3,
            init_filters: 8,
            in_channels: 1,
            out_channels: 2,
            act: Act::Relu,
            norm: Norm::Group { num_groups: 8, epsilon: 1e-5, affine: true },
            use_conv_final: true,
            blocks_down: vec![1, 2, 2, 4],
            blocks_up: vec![1, 1, 1],
            upsample_mode: Upsample::Nontrainable,
        }
    }
}

impl SegResNet {
    pub(super) fn build(&self, b: &mut Builder) -> Result<()> {
        check_stages("entries of blocks_down", self.blocks_down.len(), 1)?;
        check_length("blocks_up", self.blocks_up.len(), self.blocks_down.len() - 1)?;
        if !(2..=3).contains(&self.spatial_dims) {
            return Err(Error::invalid(format!("{} spatial dimensions; 2 or 3 are possible", self.spatial_dims)));
        }
        // One activation of the last layers is registered twice.
        b.rename(|name| name.strip_prefix("act_mod.").map(|rest| format!("conv_final.1.{rest}")))?;
        let x = b.input(self.spatial_dims, self.in_channels)?;
        let mut x = b.conv(x, "convInit.conv", &Conv::new(self.init_filters, [3; 3]))?;
        let mut skips = Vec::with_capacity(self.blocks_down.len());
        for (i, &blocks) in self.blocks_down.iter().enumerate() {
            if i > 0 {
                let features = x.channels.saturating_mul(2);
                let conv = Conv::new(features, [3; 3]).stride([2; 3]);
                x = b.conv(x, &format!("down_layers.{i}.0.conv"), &conv)?;
            }
            x = self.blocks(b, x, &format!("down_layers.{i}"), 1, blocks)?;
            skips.push(x);
        }
        skips.pop();
        for (i, (&blocks, &skip)) in self.blocks_up.iter().zip(skips.iter().rev()).enumerate() {
            let name = format!("up_samples.{i}");
            x = b.conv(x, &format!("{name}.0.conv"), &Conv::point(skip.channels))?;
            x = b.upsample(x, &format!("{name}.1"), skip.channels, self.upsample_mode, Coordinates::HalfPixel)?;
            x = b.add(x, skip)?;
            x = self.blocks(b, x, &format!("up_layers.{i}"), 0, blocks)?;
        }
        if self.use_conv_final {
            x = b.norm(x, "conv_final.0", &self.norm)?;
            x = b.act(x, "conv_final.1", &self.act)?;
            x = b.conv(x, "conv_final.2.conv", &Conv::point(self.out_channels).bias(true))?;
        } else {
            b.skip(|name| name.starts_with("conv_final."));
        }
        b.output(x, true)
    }

    /// Residual blocks under `name.first`, `name.first + 1` and so on.
    fn blocks(&self, b: &mut Builder, mut x: Feature, name: &str, first: usize, blocks: usize) -> Result<Feature> {
        check_size("number of blocks", blocks.max(1))?;
        for i in first..first + blocks {
            let mut y = x;
            for half in 1..=2 {
                y = b.norm(y, &format!("{name}.{i}.norm{half}"), &self.norm)?;
                y = b.act(y, &format!("{name}.{i}.act"), &self.act)?;
                y = b.conv(y, &format!("{name}.{i}.conv{half}.conv"), &Conv::new(x.channels, [3; 3]))?;
            }
            x = b.add(y, x)?;
        }
        Ok(x)
    }
}
