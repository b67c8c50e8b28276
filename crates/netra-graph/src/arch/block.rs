//! Layers as PyTorch has them, each one or two nodes of a graph. Layers with weights are named by their module path.

use super::builder::{Axes, Builder, Feature, check_size};
use super::spec::{Act, Norm};
use crate::{
    Activation, Binary, Coordinates, Error, Op, PadFill, ResizeMode, ResizeOptions, Result, Tensor, Unary, ValueId,
    Window,
};

/// A convolution or transposed convolution.
#[derive(Clone, Copy)]
pub(super) struct Conv {
    out: usize,
    kernel: Axes,
    stride: Axes,
    before: Axes,
    after: Axes,
    dilation: Axes,
    groups: usize,
    bias: bool,
}

impl Conv {
    /// Stride 1, padding `(kernel - 1) / 2`, no dilation, one group, no bias.
    pub fn new(out: usize, kernel: Axes) -> Self {
        let half = kernel.map(|k| k.saturating_sub(1) / 2);
        let one = [1; 3];
        Self { out, kernel, stride: one, before: half, after: half, dilation: one, groups: 1, bias: false }
    }

    /// Of kernel size 1.
    pub fn point(out: usize) -> Self {
        Self::new(out, [1; 3])
    }

    pub fn stride(self, stride: Axes) -> Self {
        Self { stride, ..self }
    }

    /// Padding on both sides of each axis.
    pub fn pads(self, pads: Axes) -> Self {
        self.pads_around(pads, pads)
    }

    pub fn pads_around(self, before: Axes, after: Axes) -> Self {
        Self { before, after, ..self }
    }

    pub fn dilation(self, dilation: Axes) -> Self {
        Self { dilation, ..self }
    }

    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    pub fn bias(self, bias: bool) -> Self {
        Self { bias, ..self }
    }

    /// Kernel and stride.
    pub fn geometry(&self) -> (Axes, Axes) {
        (self.kernel, self.stride)
    }

    fn check(&self) -> Result<()> {
        check_size("number of channels", self.out)?;
        for (what, axes) in [("kernel size", self.kernel), ("stride", self.stride), ("dilation", self.dilation)] {
            for size in axes {
                check_size(what, size)?;
            }
        }
        for pad in self.before.into_iter().chain(self.after) {
            check_size("padding", pad.max(1))?;
        }
        Ok(())
    }

    fn window(&self, b: &Builder) -> Window {
        Window {
            kernel_shape: Some(b.spatial(self.kernel)),
            strides: Some(b.spatial(self.stride)),
            pads: Some([b.spatial(self.before), b.spatial(self.after)].concat()),
            dilations: Some(b.spatial(self.dilation)),
            ..Window::default()
        }
    }
}

impl Builder {
    /// Convolution with weight `[out, in / groups, kernel...]`.
    pub fn conv(&mut self, x: Feature, layer: &str, conv: &Conv) -> Result<Feature> {
        conv.check().map_err(|e| e.at(format!("layer '{layer}'")))?;
        if conv.groups == 0 || !x.channels.is_multiple_of(conv.groups) || !conv.out.is_multiple_of(conv.groups) {
            let what = format!("{} groups for {} and {} channels", conv.groups, x.channels, conv.out);
            return Err(Error::invalid(what).at(format!("layer '{layer}'")));
        }
        let shape = [vec![conv.out, x.channels / conv.groups], self.spatial(conv.kernel)].concat();
        let weight = self.weight(format!("{layer}.weight"), shape)?;
        let bias = conv.bias.then(|| self.weight(format!("{layer}.bias"), vec![conv.out])).transpose()?;
        let op = Op::Conv { window: conv.window(self), group: conv.groups };
        let inputs = [Some(x.id), Some(weight)].into_iter().chain(bias.map(Some)).collect();
        Ok(Feature { id: self.node(Some(layer), op, inputs)?, channels: conv.out })
    }

    /// Transposed convolution with weight `[in, out, kernel...]`; `extra` is added to the end of each output axis.
    pub fn conv_transpose(&mut self, x: Feature, layer: &str, conv: &Conv, extra: Axes) -> Result<Feature> {
        conv.check().map_err(|e| e.at(format!("layer '{layer}'")))?;
        let shape = [vec![x.channels, conv.out], self.spatial(conv.kernel)].concat();
        let weight = self.weight(format!("{layer}.weight"), shape)?;
        let bias = conv.bias.then(|| self.weight(format!("{layer}.bias"), vec![conv.out])).transpose()?;
        let output_padding = Some(self.spatial(extra));
        let op = Op::ConvTranspose { window: conv.window(self), group: 1, output_padding, output_shape: None };
        let inputs = [Some(x.id), Some(weight)].into_iter().chain(bias.map(Some)).collect();
        Ok(Feature { id: self.node(Some(layer), op, inputs)?, channels: conv.out })
    }

    /// Transposed convolution whose kernel is its stride: enlarges by `factor`.
    pub fn deconv(&mut self, x: Feature, layer: &str, out: usize, factor: Axes, bias: bool) -> Result<Feature> {
        let conv = Conv::new(out, factor).stride(factor).pads([0; 3]).bias(bias);
        self.conv_transpose(x, layer, &conv, [0; 3])
    }

    /// Normalisation over the channels of `x`.
    pub fn norm(&mut self, x: Feature, layer: &str, norm: &Norm) -> Result<Feature> {
        let (op, affine) = match *norm {
            Norm::None => return Ok(x),
            Norm::Batch { epsilon, affine } => (Op::BatchNormalization { epsilon }, affine),
            Norm::Instance { epsilon, affine } => (Op::InstanceNormalization { epsilon }, affine),
            Norm::Group { num_groups, epsilon, affine } => {
                if num_groups == 0 || !x.channels.is_multiple_of(num_groups) {
                    let what = format!("{num_groups} groups of {} channels", x.channels);
                    return Err(Error::invalid(what).at(format!("layer '{layer}'")));
                }
                (Op::GroupNormalization { num_groups, epsilon, per_group: false }, affine)
            }
        };
        let c = vec![x.channels];
        let (scale, bias) = if affine {
            (self.weight(format!("{layer}.weight"), c.clone())?, self.weight(format!("{layer}.bias"), c.clone())?)
        } else {
            check_size("number of channels", x.channels)?;
            let full = |v: f32| Tensor::from_f32(c.clone(), vec![v; x.channels]);
            (self.constant(full(1.0)?)?, self.constant(full(0.0)?)?)
        };
        let mut inputs = vec![Some(x.id), Some(scale), Some(bias)];
        if matches!(norm, Norm::Batch { .. }) {
            inputs.push(Some(self.weight(format!("{layer}.running_mean"), c.clone())?));
            inputs.push(Some(self.weight(format!("{layer}.running_var"), c)?));
        }
        Ok(Feature { id: self.node(Some(layer), op, inputs)?, channels: x.channels })
    }

    /// Activation; only PReLU has a weight, `layer.weight`.
    pub fn act(&mut self, x: Feature, layer: &str, act: &Act) -> Result<Feature> {
        let unary = |u| Op::Unary(u);
        let op = match *act {
            Act::None => return Ok(x),
            Act::Relu => unary(Unary::Activation(Activation::Relu)),
            Act::LeakyRelu { negative_slope } => unary(Unary::Activation(Activation::LeakyRelu(negative_slope))),
            Act::Relu6 => unary(Unary::Activation(Activation::Clip(0.0, 6.0))),
            Act::Elu { alpha } => unary(Unary::Activation(Activation::Elu(alpha))),
            Act::Celu { alpha } => Op::Celu { alpha },
            // The constants of Klambauer et al. 2017, which PyTorch fixes.
            Act::Selu => unary(Unary::Selu(1.673_263_2, 1.050_701)),
            Act::Gelu => unary(Unary::Gelu),
            Act::Sigmoid => unary(Unary::Activation(Activation::Sigmoid)),
            Act::Tanh => unary(Unary::Tanh),
            Act::Mish => unary(Unary::Mish),
            Act::Silu => unary(Unary::Activation(Activation::Silu)),
            Act::Prelu { num_parameters } => return self.prelu(x, layer, num_parameters),
        };
        Ok(Feature { id: self.node(None, op, vec![Some(x.id)])?, channels: x.channels })
    }

    fn prelu(&mut self, x: Feature, layer: &str, parameters: usize) -> Result<Feature> {
        if parameters != 1 && parameters != x.channels {
            let what = format!("{parameters} slopes for {} channels", x.channels);
            return Err(Error::invalid(what).at(format!("layer '{layer}'")));
        }
        let mut slope = self.weight(format!("{layer}.weight"), vec![parameters])?;
        if parameters > 1 {
            // One a channel: the channels stand before the spatial axes.
            let shape: Vec<i64> = [-1].into_iter().chain(vec![1; self.rank()]).collect();
            let shape = self.constant(Tensor::from_i64s(&shape))?;
            slope = self.node(None, Op::Reshape { allowzero: false }, vec![Some(slope), Some(shape)])?;
        }
        let id = self.node(None, Op::Binary(Binary::PRelu), vec![Some(x.id), Some(slope)])?;
        Ok(Feature { id, channels: x.channels })
    }

    /// Max pooling.
    pub fn max_pool(&mut self, x: Feature, kernel: Axes, stride: Axes, pads: Axes) -> Result<Feature> {
        let window = Conv::new(x.channels, kernel).stride(stride).pads(pads).window(self);
        let id = self.node(None, Op::MaxPool { window, ceil_mode: false, column_major: false }, vec![Some(x.id)])?;
        Ok(Feature { id, ..x })
    }

    /// Average pooling without padding.
    pub fn average_pool(&mut self, x: Feature, kernel: Axes, stride: Axes) -> Result<Feature> {
        for size in kernel.into_iter().chain(stride) {
            check_size("pooling window", size)?;
        }
        let window = Conv::new(x.channels, kernel).stride(stride).pads([0; 3]).window(self);
        let op = Op::AveragePool { window, ceil_mode: false, count_include_pad: false };
        Ok(Feature { id: self.node(None, op, vec![Some(x.id)])?, ..x })
    }

    /// Mean over the spatial axes, which stay with size 1.
    pub fn global_average(&mut self, x: Feature) -> Result<Feature> {
        Ok(Feature { id: self.node(None, Op::GlobalAveragePool, vec![Some(x.id)])?, ..x })
    }

    /// `[N, C, 1...]` to `[N, C]`.
    pub fn flatten(&mut self, x: Feature) -> Result<Feature> {
        Ok(Feature { id: self.node(None, Op::Flatten { axis: 1 }, vec![Some(x.id)])?, ..x })
    }

    /// `x weight^T + bias` with weight `[out, in]`.
    pub fn linear(&mut self, x: Feature, layer: &str, out: usize) -> Result<Feature> {
        let weight = self.weight(format!("{layer}.weight"), vec![out, x.channels])?;
        let bias = self.weight(format!("{layer}.bias"), vec![out])?;
        let op = Op::Gemm { alpha: 1.0, beta: 1.0, trans_a: false, trans_b: true };
        let id = self.node(Some(layer), op, vec![Some(x.id), Some(weight), Some(bias)])?;
        Ok(Feature { id, channels: out })
    }

    /// Joins along the channels.
    pub fn concat(&mut self, parts: &[Feature]) -> Result<Feature> {
        let inputs = parts.iter().map(|p| Some(p.id)).collect();
        let id = self.node(None, Op::Concat { axis: 1 }, inputs)?;
        let channels = parts.iter().fold(0usize, |n, p| n.saturating_add(p.channels));
        Ok(Feature { id, channels })
    }

    /// Element-wise sum of two values of the same shape.
    pub fn add(&mut self, a: Feature, b: Feature) -> Result<Feature> {
        if a.channels != b.channels {
            return Err(Error::invalid(format!("a sum of {} and {} channels", a.channels, b.channels)));
        }
        Ok(Feature { id: self.binary(Binary::Add, a.id, b.id)?, ..a })
    }

    pub fn binary(&mut self, op: Binary, a: ValueId, b: ValueId) -> Result<ValueId> {
        self.node(None, Op::Binary(op), vec![Some(a), Some(b)])
    }

    /// Zeros or copies of the edge around `x`; `pads` is an int64 value, all beginnings and then all ends.
    pub fn pad(&mut self, x: Feature, pads: ValueId, mode: PadFill) -> Result<ValueId> {
        self.node(None, Op::Pad { mode }, vec![Some(x.id), Some(pads)])
    }

    /// Linear interpolation to twice the size.
    pub fn double(&mut self, x: Feature, coordinates: Coordinates) -> Result<Feature> {
        let scales: Vec<f32> = [1.0, 1.0].into_iter().chain(vec![2.0; self.rank()]).collect();
        let scales = self.constant(Tensor::from_f32(vec![scales.len()], scales)?)?;
        let options = ResizeOptions::default();
        let op = Op::Resize { mode: ResizeMode::Linear, coordinates, axes: None, legacy: false, options };
        Ok(Feature { id: self.node(None, op, vec![Some(x.id), None, Some(scales)])?, ..x })
    }
}
