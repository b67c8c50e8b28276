//! ResNet, as torchvision and MONAI have it; both name their tensors alike
//! (He et al. 2016; torchvision 0.29, MONAI 1.6).

use super::block::Conv;
use super::builder::{Axes, Builder, Feature, check_size};
use super::spec::{Act, Norm, Sizes};
use crate::{Error, PadFill, Result, Tensor};

/// Configuration of a ResNet, MONAI's arguments under their names.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The arguments of the same names.
pub struct ResNet {
    pub block: ResNetBlock,
    /// Blocks of each of the four levels.
    pub layers: [usize; 4],
    /// Width of each level before `widen_factor`.
    pub block_inplanes: [usize; 4],
    pub spatial_dims: usize,
    pub n_input_channels: usize,
    pub conv1_t_size: Sizes,
    pub conv1_t_stride: Sizes,
    pub no_max_pool: bool,
    pub shortcut_type: Shortcut,
    pub widen_factor: f64,
    pub num_classes: usize,
    /// Without it the output is the pooled features.
    pub feed_forward: bool,
    /// Whether the convolutions of the shortcuts have a bias.
    pub bias_downsample: bool,
    /// Behind the first convolution; MONAI's blocks have ReLU whatever this is.
    pub act: Act,
    /// Behind the first convolution; MONAI's blocks have batch normalisation whatever this is.
    pub norm: Norm,
    /// Of the middle convolution of a bottleneck (torchvision's ResNeXt).
    pub groups: usize,
    /// Width of a group, 64 in a plain ResNet (torchvision's ResNeXt and wide ResNet).
    pub width_per_group: usize,
}

/// The block of a [`ResNet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResNetBlock {
    /// Two convolutions of kernel 3.
    Basic,
    /// Kernels 1, 3 (with the stride) and 1; four times as many features come out.
    Bottleneck,
}

/// The shortcut of a [`ResNet`] where the shape changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortcut {
    /// Every stride-th element, zeros for the new channels.
    A,
    /// Convolution of kernel 1 and normalisation.
    B,
}

impl ResNet {
    /// ResNet-10, -18, -34, -50, -101, -152 or -200 with MONAI's defaults: 3-D, 3 input channels, 400 classes; `None` for
    /// other depths.
    pub fn monai(depth: usize) -> Option<Self> {
        let (block, layers) = match depth {
            10 => (ResNetBlock::Basic, [1, 1, 1, 1]),
            18 => (ResNetBlock::Basic, [2, 2, 2, 2]),
            34 => (ResNetBlock::Basic, [3, 4, 6, 3]),
            50 => (ResNetBlock::Bottleneck, [3, 4, 6, 3]),
            101 => (ResNetBlock::Bottleneck, [3, 4, 23, 3]),
            152 => (ResNetBlock::Bottleneck, [3, 8, 36, 3]),
            200 => (ResNetBlock::Bottleneck, [3, 24, 36, 3]),
            _ => return None,
        };
        Some(Self {
            block,
            layers,
            block_inplanes: [64, 128, 256, 512],
            spatial_dims: 3,
            n_input_channels: 3,
            conv1_t_size: Sizes::All(7),
            conv1_t_stride: Sizes::All(1),
            no_max_pool: false,
            shortcut_type: Shortcut::B,
            widen_factor: 1.0,
            num_classes: 400,
            feed_forward: true,
            bias_downsample: true,
            act: Act::Relu,
            norm: Norm::BATCH,
            groups: 1,
            width_per_group: 64,
        })
    }

    /// The same depths as torchvision has them: 2-D, 3 input channels, 1000 classes, first stride 2, shortcuts without
    /// a bias.
    pub fn torchvision(depth: usize) -> Option<Self> {
        let net = Self::monai(depth)?;
        let stride = Sizes::All(2);
        Some(Self { spatial_dims: 2, conv1_t_stride: stride, num_classes: 1000, bias_downsample: false, ..net })
    }

    pub(super) fn build(&self, b: &mut Builder) -> Result<()> {
        let x = b.input(self.spatial_dims, self.n_input_channels)?;
        let kernel = self.conv1_t_size.axes("conv1_t_size", self.spatial_dims)?;
        let stride = self.conv1_t_stride.axes("conv1_t_stride", self.spatial_dims)?;
        let mut planes = [0; 4];
        for (to, &width) in planes.iter_mut().zip(&self.block_inplanes) {
            *to = (width as f64 * self.widen_factor) as usize;
            check_size("width of a level", *to)?;
        }
        let stem = Conv::new(planes[0], kernel).stride(stride).pads(kernel.map(|k| k / 2));
        let x = b.conv(x, "conv1", &stem)?;
        let x = b.norm(x, "bn1", &self.norm)?;
        let mut x = b.act(x, "act", &self.act)?;
        if !self.no_max_pool {
            x = b.max_pool(x, [3; 3], [2; 3], [1; 3])?;
        }
        for (level, (&planes, &blocks)) in planes.iter().zip(&self.layers).enumerate() {
            if blocks == 0 {
                return Err(Error::invalid("a level of no blocks"));
            }
            for i in 0..blocks {
                let stride = if level > 0 && i == 0 { [2; 3] } else { [1; 3] };
                x = self.block(b, x, &format!("layer{}.{i}", level + 1), planes, stride)?;
            }
        }
        let x = b.global_average(x)?;
        let x = b.flatten(x)?;
        let x = if self.feed_forward { b.linear(x, "fc", self.num_classes)? } else { x };
        b.output(x, false)
    }

    fn block(&self, b: &mut Builder, x: Feature, name: &str, planes: usize, stride: Axes) -> Result<Feature> {
        let (convs, out) = match self.block {
            ResNetBlock::Basic if self.groups != 1 || self.width_per_group != 64 => {
                return Err(Error::invalid("groups or width_per_group of a basic block"));
            }
            ResNetBlock::Basic => (vec![Conv::new(planes, [3; 3]).stride(stride), Conv::new(planes, [3; 3])], planes),
            ResNetBlock::Bottleneck => {
                let width = planes.saturating_mul(self.width_per_group) / 64;
                let width = width.saturating_mul(self.groups);
                let out = planes.saturating_mul(4);
                let middle = Conv::new(width, [3; 3]).stride(stride).groups(self.groups);
                (vec![Conv::point(width), middle, Conv::point(out)], out)
            }
        };
        let mut y = x;
        let last = convs.len() - 1;
        for (i, conv) in convs.iter().enumerate() {
            y = b.conv(y, &format!("{name}.conv{}", i + 1), conv)?;
            y = b.norm(y, &format!("{name}.bn{}", i + 1), &Norm::BATCH)?;
            if i < last {
                y = b.act(y, name, &Act::Relu)?;
            }
        }
        let same = stride == [1; 3] && x.channels == out;
        let shortcut = match self.shortcut_type {
            _ if same => x,
            Shortcut::A => pad_channels(b, x, out, stride)?,
            Shortcut::B => {
                let conv = Conv::point(out).stride(stride).bias(self.bias_downsample);
                let x = b.conv(x, &format!("{name}.downsample.0"), &conv)?;
                b.norm(x, &format!("{name}.downsample.1"), &Norm::BATCH)?
            }
        };
        let sum = b.add(y, shortcut)?;
        b.act(sum, name, &Act::Relu)
    }
}

/// Takes every stride-th element and adds channels of zeros behind those of `x`.
fn pad_channels(b: &mut Builder, x: Feature, out: usize, stride: Axes) -> Result<Feature> {
    let x = if stride == [1; 3] { x } else { b.average_pool(x, [1; 3], stride)? };
    let more = out.checked_sub(x.channels).and_then(|n| i64::try_from(n).ok());
    let more = more.ok_or_else(|| Error::invalid(format!("shortcut A from {} to {out} channels", x.channels)))?;
    let rank = 2 + b.rank();
    let mut pads = vec![0; 2 * rank];
    if let Some(channel_end) = pads.get_mut(rank + 1) {
        *channel_end = more;
    }
    let pads = b.constant(Tensor::from_i64s(&pads))?;
    Ok(Feature { id: b.pad(x, pads, PadFill::Constant)?, channels: out })
}
