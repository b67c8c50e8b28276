//! MeshNet: dilated convolutions at full resolution, no pooling
//! (Fedorov et al. 2017; the layer lists of the brainchop models, and the flat form of Catalyst.Neuro).

use super::block::Conv;
use super::builder::{Builder, Feature, check_stages};
use super::spec::{Act, Norm, Sizes};
use crate::Result;

/// Configuration of a MeshNet.
#[derive(Clone, Debug, PartialEq)]
pub struct MeshNet {
    /// Input channels.
    pub in_channels: usize,
    /// Output channels.
    pub n_classes: usize,
    /// Features of every layer but the last.
    pub channels: usize,
    /// Convolutions in order; the last is the classifier and stands alone.
    pub layers: Vec<MeshLayer>,
    /// Normalisation behind every convolution but the last; `Group` with as many groups as channels in newer models.
    pub norm: Norm,
    /// Activation behind every convolution but the last.
    pub act: Act,
    /// Whether the convolutions but the last have a bias. The last always has.
    pub bias: bool,
    /// How layers are nested and named.
    pub form: MeshForm,
}

/// One convolution of a [`MeshNet`], as in its layer list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // PyTorch's names.
pub struct MeshLayer {
    pub kernel_size: Sizes,
    pub padding: Sizes,
    pub stride: Sizes,
    pub dilation: Sizes,
}

/// Order and names of a [`MeshNet`]'s layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeshForm {
    /// `model.I.0` convolution, `model.I.1` normalisation, then the activation; `model.LAST` the classifier.
    Nested,
    /// One sequence: convolution `model.3I`, activation, normalisation `model.3I+2`; without normalisation, as in the
    /// published brainchop weights, convolution `model.2I` and activation.
    Flat,
}

impl MeshNet {
    /// The published form: seven layers of kernel 3 with dilations 1, 1, 1, 2, 4, 8, 1 and a classifier of kernel 1,
    /// batch normalisation, ReLU, biases.
    pub fn new(in_channels: usize, n_classes: usize, channels: usize) -> Self {
        let all = Sizes::All;
        let dilated = [1, 1, 1, 2, 4, 8, 1].into_iter().map(|d| MeshLayer {
            kernel_size: all(3),
            padding: all(d),
            stride: all(1),
            dilation: all(d),
        });
        let last = MeshLayer { kernel_size: all(1), padding: all(0), stride: all(1), dilation: all(1) };
        Self {
            in_channels,
            n_classes,
            channels,
            layers: dilated.chain([last]).collect(),
            norm: Norm::BATCH,
            act: Act::Relu,
            bias: true,
            form: MeshForm::Nested,
        }
    }

    pub(super) fn build(&self, b: &mut Builder) -> Result<()> {
        check_stages("layers", self.layers.len(), 1)?;
        // Files of the sequence alone, without the class around it.
        b.rename(|name| name.starts_with(|c: char| c.is_ascii_digit()).then(|| format!("model.{name}")))?;
        let mut x = b.input(3, self.in_channels)?;
        let last = self.layers.len() - 1;
        for (i, layer) in self.layers.iter().enumerate() {
            x = if i < last { self.layer(b, x, i, layer)? } else { self.classifier(b, x, i, layer)? };
        }
        b.output(x, true)
    }

    fn layer(&self, b: &mut Builder, x: Feature, i: usize, layer: &MeshLayer) -> Result<Feature> {
        let conv = layer.conv(self.channels)?.bias(self.bias);
        match self.form {
            MeshForm::Nested => {
                let x = b.conv(x, &format!("model.{i}.0"), &conv)?;
                let x = b.norm(x, &format!("model.{i}.1"), &self.norm)?;
                let act = if self.norm == Norm::None { 1 } else { 2 };
                b.act(x, &format!("model.{i}.{act}"), &self.act)
            }
            MeshForm::Flat => {
                let first = self.position(i);
                let x = b.conv(x, &format!("model.{first}"), &conv)?;
                let x = b.act(x, &format!("model.{}", first + 1), &self.act)?;
                b.norm(x, &format!("model.{}", first + 2), &self.norm)
            }
        }
    }

    fn classifier(&self, b: &mut Builder, x: Feature, i: usize, layer: &MeshLayer) -> Result<Feature> {
        b.conv(x, &format!("model.{}", self.position(i)), &layer.conv(self.n_classes)?.bias(true))
    }

    /// Where layer `i` begins in `model`.
    fn position(&self, i: usize) -> usize {
        match (self.form, self.norm) {
            (MeshForm::Nested, _) => i,
            (MeshForm::Flat, Norm::None) => 2 * i,
            (MeshForm::Flat, _) => 3 * i,
        }
    }
}

impl MeshLayer {
    fn conv(&self, out: usize) -> Result<Conv> {
        let conv = Conv::new(out, self.kernel_size.axes("kernel_size", 3)?);
        let conv = conv.stride(self.stride.axes("stride", 3)?).dilation(self.dilation.axes("dilation", 3)?);
        Ok(conv.pads(self.padding.axes("padding", 3)?))
    }
}
