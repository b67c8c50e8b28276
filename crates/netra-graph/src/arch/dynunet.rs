//! MONAI `DynUNet`: nnU-Net's plan with free kernels, strides and features
//! (Isensee et al. 2021; `monai.networks.nets.DynUNet` of MONAI 1.6).

use super::block::Conv;
use super::builder::{Axes, Builder, Feature, check_length, check_stages};
use super::spec::{Act, Norm, Sizes};
use crate::{Error, Result};

/// Configuration of MONAI's `DynUNet`, its arguments under their names.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The arguments of the same names.
pub struct DynUNet {
    pub spatial_dims: usize,
    pub in_channels: usize,
    pub out_channels: usize,
    /// One a level, three or more.
    pub kernel_size: Vec<Sizes>,
    /// As many as `kernel_size`.
    pub strides: Vec<Sizes>,
    /// One less; kernel and stride of the transposed convolutions.
    pub upsample_kernel_size: Vec<Sizes>,
    /// Features of each level; none for nnU-Net's rule (32, doubled to 320 in 3-D and 512 else).
    pub filters: Option<Vec<usize>>,
    pub norm_name: Norm,
    pub act_name: Act,
    pub res_block: bool,
    /// Whether the transposed convolutions have a bias.
    pub trans_bias: bool,
}

impl DynUNet {
    /// MONAI's defaults: affine instance normalisation, leaky ReLU of slope 0.01, plain blocks.
    pub fn new(
        spatial_dims: usize,
        in_channels: usize,
        out_channels: usize,
        kernel_size: Vec<Sizes>,
        strides: Vec<Sizes>,
        upsample_kernel_size: Vec<Sizes>,
    ) -> Self {
        Self {
            spatial_dims,
            in_channels,
            out_channels,
            kernel_size,
            strides,
            upsample_kernel_size,
            filters: None,
            norm_name: Norm::INSTANCE_AFFINE,
            act_name: Act::LeakyRelu { negative_slope: 0.01 },
            res_block: false,
            trans_bias: false,
        }
    }

    pub(super) fn build(&self, b: &mut Builder) -> Result<()> {
        let levels = self.strides.len();
        check_stages("strides", levels, 3)?;
        check_length("kernel_size", self.kernel_size.len(), levels)?;
        check_length("upsample_kernel_size", self.upsample_kernel_size.len(), levels - 1)?;
        let filters = self.features(levels)?;
        let axes = |what: &str, list: &[Sizes]| {
            list.iter().map(|s| s.axes(what, self.spatial_dims)).collect::<Result<Vec<Axes>>>()
        };
        let kernels = axes("kernel_size", &self.kernel_size)?;
        let strides = axes("strides", &self.strides)?;
        let enlarge = axes("upsample_kernel_size", &self.upsample_kernel_size)?;

        b.rename(|name| plain_name(name, levels))?;
        b.skip(|name| name.starts_with("deep_supervision_heads."));
        let mut x = b.input(self.spatial_dims, self.in_channels)?;
        let mut skips = Vec::with_capacity(levels);
        for (level, ((&kernel, &stride), &out)) in kernels.iter().zip(&strides).zip(&filters).enumerate() {
            let name = match level {
                0 => "input_block".to_owned(),
                _ if level + 1 == levels => "bottleneck".to_owned(),
                _ => format!("downsamples.{}", level - 1),
            };
            x = self.block(b, x, &name, out, (kernel, stride), self.res_block)?;
            skips.push(x);
        }
        skips.pop();
        let ups = skips.iter().rev().zip(enlarge.iter().rev()).zip(kernels.iter().rev());
        for (i, ((&skip, &factor), &kernel)) in ups.enumerate() {
            let name = format!("upsamples.{i}");
            let up = b.deconv(x, &format!("{name}.transp_conv.conv"), skip.channels, factor, self.trans_bias)?;
            let joined = b.concat(&[up, skip])?;
            x = self.block(b, joined, &format!("{name}.conv_block"), skip.channels, (kernel, [1; 3]), false)?;
        }
        let x = b.conv(x, "output_block.conv.conv", &Conv::point(self.out_channels).bias(true))?;
        b.output(x, true)
    }

    fn features(&self, levels: usize) -> Result<Vec<usize>> {
        let most = if self.spatial_dims == 3 { 320 } else { 512 };
        match &self.filters {
            Some(given) if given.len() >= levels => Ok(given.iter().take(levels).copied().collect()),
            Some(given) => Err(Error::invalid(format!("{} entries of filters for {levels} strides", given.len()))),
            None => Ok((0..levels).map(|i| if i < 4 { 32 << i } else { most }.min(most)).collect()),
        }
    }

    fn block(
        &self,
        b: &mut Builder,
        x: Feature,
        name: &str,
        out: usize,
        (kernel, stride): (Axes, Axes),
        residual: bool,
    ) -> Result<Feature> {
        let act = format!("{name}.lrelu");
        let conv_norm = |b: &mut Builder, x, i: usize, kernel, stride| {
            let conv = Conv::new(out, kernel).stride(stride).pads(padding(kernel, stride)?);
            let x = b.conv(x, &format!("{name}.conv{i}.conv"), &conv)?;
            b.norm(x, &format!("{name}.norm{i}"), &self.norm_name)
        };
        let y = conv_norm(b, x, 1, kernel, stride)?;
        let y = b.act(y, &act, &self.act_name)?;
        let mut y = conv_norm(b, y, 2, kernel, [1; 3])?;
        if residual {
            let strided = b.spatial(stride).iter().any(|&s| s != 1);
            let skip = if strided || x.channels != out { conv_norm(b, x, 3, [1; 3], stride)? } else { x };
            y = b.add(y, skip)?;
        }
        b.act(y, &act, &self.act_name)
    }
}

/// `(kernel - stride + 1) / 2`, which MONAI refuses when it is negative.
fn padding(kernel: Axes, stride: Axes) -> Result<Axes> {
    let mut pads = [0; 3];
    for ((pad, k), s) in pads.iter_mut().zip(kernel).zip(stride) {
        let twice = k.checked_add(1).and_then(|k| k.checked_sub(s));
        *pad = twice.ok_or_else(|| Error::invalid(format!("stride {s} of a kernel of {k}")))? / 2;
    }
    Ok(pads)
}

/// The blocks are registered a second time in a nested chain: `skip_layers.downsample` is `input_block`,
/// `skip_layers.next_layer.downsample` is `downsamples.0`, and the innermost `next_layer` is `bottleneck`.
fn plain_name(name: &str, levels: usize) -> Option<String> {
    let mut rest = name.strip_prefix("skip_layers.")?;
    let mut depth = 0;
    while let Some(inner) = rest.strip_prefix("next_layer.") {
        (rest, depth) = (inner, depth + 1);
    }
    if depth + 1 == levels {
        return Some(format!("bottleneck.{rest}"));
    }
    let (part, rest) = rest.split_once('.')?;
    match part {
        "downsample" if depth == 0 => Some(format!("input_block.{rest}")),
        "downsample" => Some(format!("downsamples.{}.{rest}", depth - 1)),
        "upsample" => Some(format!("upsamples.{}.{rest}", (levels - 1).checked_sub(depth + 1)?)),
        "super_head" => Some(format!("deep_supervision_heads.{}.{rest}", depth.checked_sub(1)?)),
        _ => None,
    }
}
