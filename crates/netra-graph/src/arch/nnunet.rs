//! nnU-Net v2's two networks: plain convolutions, and a residual encoder
//! (Isensee et al. 2021 and 2024; `dynamic_network_architectures` 0.4, `PlainConvUNet` and `ResidualEncoderUNet`).

use super::block::Conv;
use super::builder::{Axes, Builder, Feature, check_length, check_stages};
use super::spec::{Act, Norm, Sizes};
use crate::{Error, Result};

/// What both networks have: `arch_kwargs` of a `plans.json` under their names, and what the data set gives.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The arguments of the same names.
pub struct NnUNet {
    /// 1 to 3: the rank of `conv_op`.
    pub spatial_dims: usize,
    pub input_channels: usize,
    pub num_classes: usize,
    /// One entry a stage, two or more.
    pub features_per_stage: Vec<usize>,
    /// One a stage.
    pub kernel_sizes: Vec<Sizes>,
    /// One a stage.
    pub strides: Vec<Sizes>,
    pub encoder: Encoder,
    /// One less than stages, the lowest resolution first.
    pub n_conv_per_stage_decoder: Vec<usize>,
    pub conv_bias: bool,
    /// `norm_op` with `norm_op_kwargs`.
    pub norm: Norm,
    /// `nonlin` with `nonlin_kwargs`.
    pub nonlin: Act,
    /// Activation before normalisation; plain encoder only.
    pub nonlin_first: bool,
    /// Whether there is a `dropout_op`. It does nothing here, but shifts the layers that a convolution block registers
    /// a second time by position.
    pub dropout: bool,
}

/// The encoder of [`NnUNet`], with the number of its convolutions or blocks in each stage.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The arguments of the same names.
pub enum Encoder {
    /// `PlainConvUNet`.
    Plain { n_conv_per_stage: Vec<usize> },
    /// `ResidualEncoderUNet` of `BasicBlockD`; `stem_channels` as the first stage's features where none are given.
    Residual { n_blocks_per_stage: Vec<usize>, stem_channels: Option<usize> },
}

impl NnUNet {
    pub(super) fn name(&self) -> &'static str {
        match self.encoder {
            Encoder::Plain { .. } => "PlainConvUNet",
            Encoder::Residual { .. } => "ResidualEncoderUNet",
        }
    }

    pub(super) fn build(&self, b: &mut Builder) -> Result<()> {
        let stages = self.features_per_stage.len();
        check_stages("stages", stages, 2)?;
        check_length("kernel_sizes", self.kernel_sizes.len(), stages)?;
        check_length("strides", self.strides.len(), stages)?;
        check_length("n_conv_per_stage_decoder", self.n_conv_per_stage_decoder.len(), stages - 1)?;
        let axes = |what: &str, list: &[Sizes]| {
            list.iter().map(|s| s.axes(what, self.spatial_dims)).collect::<Result<Vec<Axes>>>()
        };
        let kernels = axes("a kernel size", &self.kernel_sizes)?;
        let strides = axes("a stride", &self.strides)?;

        if self.dropout {
            b.skip(|name| name.contains(".all_modules."));
        }
        let position = match self.norm {
            Norm::None => "none",
            _ if self.nonlin_first => "2",
            _ => "1",
        };
        b.rename(|name| plain_name(name, position))?;
        // A head a stage; training supervises all, inference reads the last.
        let head = format!("decoder.seg_layers.{}", stages - 2);
        b.skip(|name| name.starts_with("decoder.seg_layers.") && !name.starts_with(&format!("{head}.")));
        let x = b.input(self.spatial_dims, self.input_channels)?;
        let plan: Vec<Stage> = self
            .features_per_stage
            .iter()
            .zip(&kernels)
            .zip(&strides)
            .map(|((&out, &kernel), &stride)| Stage { out, kernel, stride })
            .collect();
        let mut skips = match &self.encoder {
            Encoder::Plain { n_conv_per_stage } => self.plain(b, x, &plan, n_conv_per_stage)?,
            Encoder::Residual { n_blocks_per_stage, stem_channels } => {
                self.residual(b, x, &plan, n_blocks_per_stage, *stem_channels)?
            }
        };
        let Some(mut x) = skips.pop() else { return Err(Error::invalid("no stages")) };
        let ups = skips.iter().rev().zip(strides.iter().rev()).zip(kernels.iter().rev().skip(1));
        for (i, (((&skip, &factor), &kernel), &convs)) in ups.zip(&self.n_conv_per_stage_decoder).enumerate() {
            let up = b.deconv(x, &format!("decoder.transpconvs.{i}"), skip.channels, factor, self.conv_bias)?;
            x = b.concat(&[up, skip])?;
            let stage = Stage { out: skip.channels, kernel, stride: [1; 3] };
            x = self.stacked(b, x, &format!("decoder.stages.{i}"), stage, convs)?;
        }
        let x = b.conv(x, &head, &Conv::point(self.num_classes).bias(true))?;
        b.output(x, true)
    }

    /// Features of every stage.
    fn plain(&self, b: &mut Builder, mut x: Feature, plan: &[Stage], convs: &[usize]) -> Result<Vec<Feature>> {
        check_length("n_conv_per_stage", convs.len(), plan.len())?;
        let mut skips = Vec::with_capacity(plan.len());
        for (s, (&stage, &convs)) in plan.iter().zip(convs).enumerate() {
            x = self.stacked(b, x, &format!("encoder.stages.{s}.0"), stage, convs)?;
            skips.push(x);
        }
        Ok(skips)
    }

    /// Features of every stage, behind a stem of one convolution at full resolution.
    fn residual(
        &self,
        b: &mut Builder,
        x: Feature,
        plan: &[Stage],
        blocks: &[usize],
        stem_channels: Option<usize>,
    ) -> Result<Vec<Feature>> {
        check_length("n_blocks_per_stage", blocks.len(), plan.len())?;
        if self.nonlin_first {
            return Err(Error::invalid("nonlin_first with a residual encoder"));
        }
        let Some(first) = plan.first() else { return Err(Error::invalid("no stages")) };
        let stem = Stage { out: stem_channels.unwrap_or(first.out), kernel: first.kernel, stride: [1; 3] };
        let mut x = self.stacked(b, x, "encoder.stem", stem, 1)?;
        let mut skips = Vec::with_capacity(plan.len());
        for (s, (&stage, &blocks)) in plan.iter().zip(blocks).enumerate() {
            some(blocks)?;
            for i in 0..blocks {
                let stride = if i == 0 { stage.stride } else { [1; 3] };
                x = self.block(b, x, &format!("encoder.stages.{s}.blocks.{i}"), Stage { stride, ..stage })?;
            }
            skips.push(x);
        }
        Ok(skips)
    }

    /// `StackedConvBlocks`: the first convolution has the stride.
    fn stacked(&self, b: &mut Builder, mut x: Feature, name: &str, stage: Stage, convs: usize) -> Result<Feature> {
        some(convs)?;
        for i in 0..convs {
            let stride = if i == 0 { stage.stride } else { [1; 3] };
            x = self.conv_norm_act(b, x, &format!("{name}.convs.{i}"), Stage { stride, ..stage })?;
        }
        Ok(x)
    }

    /// `BasicBlockD` (He et al. 2018): the shortcut is pooled, and projected where the number of features changes.
    fn block(&self, b: &mut Builder, x: Feature, name: &str, stage: Stage) -> Result<Feature> {
        let y = self.conv_norm_act(b, x, &format!("{name}.conv1"), stage)?;
        let second = Stage { stride: [1; 3], ..stage };
        let y = self.conv_norm(b, y, &format!("{name}.conv2"), second, self.conv_bias)?;
        let strided = b.spatial(stage.stride).iter().any(|&s| s != 1);
        let mut skip = if strided { b.average_pool(x, stage.stride, stage.stride)? } else { x };
        if x.channels != stage.out {
            let point = Stage { out: stage.out, kernel: [1; 3], stride: [1; 3] };
            skip = self.conv_norm(b, skip, &format!("{name}.skip.{}", usize::from(strided)), point, false)?;
        }
        let sum = b.add(y, skip)?;
        b.act(sum, &format!("{name}.nonlin2"), &self.nonlin)
    }

    fn conv_norm_act(&self, b: &mut Builder, x: Feature, name: &str, stage: Stage) -> Result<Feature> {
        let act = format!("{name}.nonlin");
        if self.nonlin_first {
            let x = b.conv(x, &format!("{name}.conv"), &stage.conv().bias(self.conv_bias))?;
            let x = b.act(x, &act, &self.nonlin)?;
            return b.norm(x, &format!("{name}.norm"), &self.norm);
        }
        let x = self.conv_norm(b, x, name, stage, self.conv_bias)?;
        b.act(x, &act, &self.nonlin)
    }

    fn conv_norm(&self, b: &mut Builder, x: Feature, name: &str, stage: Stage, bias: bool) -> Result<Feature> {
        let x = b.conv(x, &format!("{name}.conv"), &stage.conv().bias(bias))?;
        b.norm(x, &format!("{name}.norm"), &self.norm)
    }
}

#[derive(Clone, Copy)]
struct Stage {
    out: usize,
    kernel: Axes,
    stride: Axes,
}

impl Stage {
    fn conv(&self) -> Conv {
        Conv::new(self.out, self.kernel).stride(self.stride)
    }
}

fn some(layers: usize) -> Result<()> {
    if layers == 0 { Err(Error::invalid("a stage of no layers")) } else { Ok(()) }
}

/// A tensor appears up to four times: the decoder holds the encoder (`decoder.encoder.`), and a convolution block its
/// layers both by name and by position (`all_modules`), where 0 is the convolution and `norm` the normalisation.
fn plain_name(name: &str, norm: &str) -> Option<String> {
    let short = name.strip_prefix("decoder.encoder.").map(|rest| format!("encoder.{rest}"));
    let full = short.as_deref().unwrap_or(name);
    let Some((block, inner)) = full.split_once(".all_modules.") else { return short };
    let (index, leaf) = inner.split_once('.')?;
    let layer = match index {
        "0" => "conv",
        _ if index == norm => "norm",
        _ => "nonlin",
    };
    Some(format!("{block}.{layer}.{leaf}"))
}
