//! EfficientNet B0 to B7, as torchvision and MONAI have it
//! (Tan and Le 2019; torchvision 0.29, MONAI 1.6 after lukemelas/EfficientNet-PyTorch).

use super::block::Conv;
use super::builder::{Axes, Builder, Feature};
use super::spec::{Act, Norm};
use crate::{Binary, Error, Result};

/// Configuration of an EfficientNet.
#[derive(Clone, Debug, PartialEq)]
pub struct EfficientNet {
    /// 0 to 7 for B0 to B7 (MONAI also B8).
    pub variant: usize,
    /// 2 for torchvision.
    pub spatial_dims: usize,
    /// Input channels.
    pub in_channels: usize,
    /// Class scores.
    pub num_classes: usize,
    /// Whose names and padding.
    pub form: EfficientForm,
    /// Normalisation; `None` for the default: batch, with epsilon 1e-3 for MONAI and for B5 to B7 of torchvision, else 1e-5.
    pub norm: Option<Norm>,
}

/// The two forms of an [`EfficientNet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EfficientForm {
    /// `features.1.0.block.0.0`; symmetric padding.
    Torchvision,
    /// `_blocks.0.0._expand_conv`; TensorFlow's padding for the variant's nominal input size, whatever the real one.
    Monai,
}

/// One row of Table 1: expansion, kernel, stride, output channels, repeats.
struct Row(usize, usize, usize, usize, usize);

const STEM: usize = 32;
const HEAD: usize = 1280;
const ROWS: [Row; 7] = [
    Row(1, 3, 1, 16, 1),
    Row(6, 3, 2, 24, 2),
    Row(6, 5, 2, 40, 2),
    Row(6, 3, 2, 80, 3),
    Row(6, 5, 1, 112, 3),
    Row(6, 5, 2, 192, 4),
    Row(6, 3, 1, 320, 1),
];
/// Width and depth coefficients and nominal input size of B0 to B8.
const VARIANTS: [(f64, f64, usize); 9] = [
    (1.0, 1.0, 224),
    (1.0, 1.1, 240),
    (1.1, 1.2, 260),
    (1.2, 1.4, 300),
    (1.4, 1.8, 380),
    (1.6, 2.2, 456),
    (1.8, 2.6, 528),
    (2.0, 3.1, 600),
    (2.2, 3.6, 672),
];

impl EfficientNet {
    pub(super) fn build(&self, b: &mut Builder) -> Result<()> {
        let most = if self.form == EfficientForm::Monai { 8 } else { 7 };
        let variant = VARIANTS.get(self.variant).filter(|_| self.variant <= most);
        let Some(&(width, depth, size)) = variant else {
            return Err(Error::invalid(format!("EfficientNet B{}; B0 to B{most} are possible", self.variant)));
        };
        if self.form == EfficientForm::Torchvision && self.spatial_dims != 2 {
            return Err(Error::invalid("torchvision's EfficientNet has 2 spatial dimensions"));
        }
        let x = b.input(self.spatial_dims, self.in_channels)?;
        let wide = self.form == EfficientForm::Monai || self.variant >= 5;
        let norm = self.norm.unwrap_or(Norm::Batch { epsilon: if wide { 1e-3 } else { 1e-5 }, affine: true });
        let mut net = Net { b, norm, form: self.form, size };
        let names = net.names();
        let mut x = net.conv_norm(x, &names.stem, Conv::new(round(STEM, width), [3; 3]).stride([2; 3]), true)?;
        let mut index = 0;
        for (stage, row) in ROWS.iter().enumerate() {
            let out = round(row.3, width);
            let repeats = (row.4 as f64 * depth).ceil() as usize;
            for i in 0..repeats {
                let stride = if i == 0 { row.2 } else { 1 };
                let name = match self.form {
                    EfficientForm::Torchvision => format!("features.{}.{i}.block", stage + 1),
                    EfficientForm::Monai => format!("_blocks.{stage}.{index}"),
                };
                x = net.block(x, &name, Row(row.0, row.1, stride, out, 1))?;
                index += 1;
            }
        }
        let head = match self.form {
            // torchvision multiplies the rounded last width, which is the same for every variant but may not be.
            EfficientForm::Torchvision => 4 * x.channels,
            EfficientForm::Monai => round(HEAD, width),
        };
        let x = net.conv_norm(x, &names.head, Conv::point(head), true)?;
        let x = b.global_average(x)?;
        let x = b.flatten(x)?;
        let x = b.linear(x, names.classifier, self.num_classes)?;
        b.output(x, false)
    }
}

/// To the nearest multiple of 8, never below 0.9 of the value.
fn round(channels: usize, factor: f64) -> usize {
    let exact = channels as f64 * factor;
    let rounded = (((exact + 4.0) as usize) / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * exact { rounded + 8 } else { rounded }
}

/// Names of a convolution and its normalisation.
type ConvNorm = (String, String);

struct Names {
    stem: ConvNorm,
    head: ConvNorm,
    classifier: &'static str,
}

struct Net<'a> {
    b: &'a mut Builder,
    norm: Norm,
    form: EfficientForm,
    /// The nominal size of each spatial axis at this point.
    size: usize,
}

impl Net<'_> {
    fn names(&self) -> Names {
        let pair = |conv: &str, norm: &str| (conv.to_owned(), norm.to_owned());
        match self.form {
            EfficientForm::Torchvision => Names {
                stem: pair("features.0.0", "features.0.1"),
                head: pair("features.8.0", "features.8.1"),
                classifier: "classifier.1",
            },
            EfficientForm::Monai => {
                Names { stem: pair("_conv_stem", "_bn0"), head: pair("_conv_head", "_bn1"), classifier: "_fc" }
            }
        }
    }

    /// Inverted residual block with squeeze and excitation.
    fn block(&mut self, x: Feature, name: &str, row: Row) -> Result<Feature> {
        let Row(expansion, kernel, stride, out, _) = row;
        let expanded = x.channels * expansion;
        let mut position = 0;
        // torchvision counts the parts that are there; MONAI names them.
        let mut layer = |conv: &str, norm: &str| match self.form {
            EfficientForm::Torchvision => {
                position += 1;
                (format!("{name}.{}.0", position - 1), format!("{name}.{}.1", position - 1))
            }
            EfficientForm::Monai => (format!("{name}.{conv}"), format!("{name}.{norm}")),
        };
        let expand = (expansion != 1).then(|| layer("_expand_conv", "_bn0"));
        let depthwise = layer("_depthwise_conv", "_bn1");
        let squeeze = layer("_se_reduce", "_se_expand");
        let project = layer("_project_conv", "_bn2");
        let (reduce, excite) = match self.form {
            EfficientForm::Torchvision => {
                let base = squeeze.0.trim_end_matches(".0");
                (format!("{base}.fc1"), format!("{base}.fc2"))
            }
            EfficientForm::Monai => squeeze,
        };

        let mut y = x;
        if let Some(names) = expand {
            y = self.conv_norm(y, &names, Conv::point(expanded), true)?;
        }
        let conv = Conv::new(expanded, [kernel; 3]).stride([stride; 3]).groups(expanded);
        y = self.conv_norm(y, &depthwise, conv, true)?;
        let squeezed = self.b.global_average(y)?;
        let squeezed = self.b.conv(squeezed, &reduce, &Conv::point((x.channels / 4).max(1)).bias(true))?;
        let squeezed = self.b.act(squeezed, &reduce, &Act::Silu)?;
        let gate = self.b.conv(squeezed, &excite, &Conv::point(expanded).bias(true))?;
        let gate = self.b.act(gate, &excite, &Act::Sigmoid)?;
        y = Feature { id: self.b.binary(Binary::Mul, y.id, gate.id)?, ..y };
        y = self.conv_norm(y, &project, Conv::point(out), false)?;
        if stride == 1 && x.channels == out { self.b.add(y, x) } else { Ok(y) }
    }

    fn conv_norm(&mut self, x: Feature, names: &ConvNorm, conv: Conv, act: bool) -> Result<Feature> {
        let conv = self.padded(conv);
        let x = self.b.conv(x, &names.0, &conv)?;
        let x = self.b.norm(x, &names.1, &self.norm)?;
        if act { self.b.act(x, &names.1, &Act::Silu) } else { Ok(x) }
    }

    /// MONAI pads by what TensorFlow would for the nominal size, the odd element at the end.
    fn padded(&mut self, conv: Conv) -> Conv {
        let ([kernel, ..], [stride, ..]): (Axes, Axes) = conv.geometry();
        if self.form == EfficientForm::Torchvision {
            return conv;
        }
        let output = self.size.div_ceil(stride);
        let total = ((output - 1) * stride + kernel).saturating_sub(self.size);
        self.size = output;
        conv.pads_around([total / 2; 3], [total - total / 2; 3])
    }
}
