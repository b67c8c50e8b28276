//! MONAI `BasicUNet`: five levels of two convolutions, max pooling down
//! (Falk et al. 2019; `monai.networks.nets.BasicUNet` of MONAI 1.6).

use super::block::Conv;
use super::builder::{Builder, Feature, check_length};
use super::monai::{Adn, Upsample};
use super::spec::{Act, Norm};
use crate::{Binary, Coordinates, Error, Op, PadFill, Result, Tensor};

/// Configuration of MONAI's `BasicUNet`, its arguments under their names.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The arguments of the same names.
pub struct BasicUNet {
    pub spatial_dims: usize,
    pub in_channels: usize,
    pub out_channels: usize,
    /// Six: the five levels of the encoder, and the last level of the decoder.
    pub features: Vec<usize>,
    pub act: Act,
    pub norm: Norm,
    pub bias: bool,
    pub upsample: Upsample,
}

impl Default for BasicUNet {
    /// MONAI's defaults.
    fn default() -> Self {
        Self {
            spatial_dims: 3,
            in_channels: 1,
            out_channels: 2,
            features: vec![32, 32, 64, 128, 256, 32],
            act: Act::LeakyRelu { negative_slope: 0.1 },
            norm: Norm::INSTANCE_AFFINE,
            bias: true,
            upsample: Upsample::Deconv,
        }
    }
}

impl BasicUNet {
    pub(super) fn build(&self, b: &mut Builder) -> Result<()> {
        check_length("features", self.features.len(), 6)?;
        let &[f0, f1, f2, f3, f4, f5] = &self.features[..] else {
            return Err(Error::invalid("features"));
        };
        let x = b.input(self.spatial_dims, self.in_channels)?;
        let mut skips = vec![self.two_conv(b, x, "conv_0", f0)?];
        let mut x = skips[0];
        for (i, features) in [f1, f2, f3, f4].into_iter().enumerate() {
            let level = i + 1;
            let pooled = b.max_pool(x, [2; 3], [2; 3], [0; 3])?;
            x = self.two_conv(b, pooled, &format!("down_{level}.convs"), features)?;
            skips.push(x);
        }
        skips.pop();
        for (level, out) in [(4, f3), (3, f2), (2, f1), (1, f5)] {
            let Some(skip) = skips.pop() else { return Err(Error::invalid("features")) };
            // The last level keeps its channels while it is enlarged.
            let channels = if level == 1 { x.channels } else { x.channels / 2 };
            let name = format!("upcat_{level}");
            let up = b.upsample(x, &format!("{name}.upsample"), channels, self.upsample, Coordinates::AlignCorners)?;
            let up = fit(b, up, skip)?;
            let joined = b.concat(&[skip, up])?;
            x = self.two_conv(b, joined, &format!("{name}.convs"), out)?;
        }
        let x = b.conv(x, "final_conv", &Conv::point(self.out_channels).bias(true))?;
        b.output(x, true)
    }

    fn two_conv(&self, b: &mut Builder, mut x: Feature, name: &str, out: usize) -> Result<Feature> {
        let adn = Adn { ordering: "NDA", norm: &self.norm, act: &self.act };
        for i in 0..2 {
            let name = format!("{name}.conv_{i}");
            x = b.conv(x, &format!("{name}.conv"), &Conv::new(out, [3; 3]).bias(self.bias))?;
            x = adn.apply(b, x, &format!("{name}.adn"))?;
        }
        Ok(x)
    }
}

/// Repeats the far edge of `x` where pooling of an odd size lost an element that `like` still has.
fn fit(b: &mut Builder, x: Feature, like: Feature) -> Result<Feature> {
    let mut size = |id| b.node(None, Op::Shape { start: 2, end: None }, vec![Some(id)]);
    let (have, need) = (size(x.id)?, size(like.id)?);
    let lost = b.binary(Binary::Sub, need, have)?;
    let none = b.constant(Tensor::from_i64s(&vec![0; 4 + b.rank()]))?;
    let pads = b.node(None, Op::Concat { axis: 0 }, vec![Some(none), Some(lost)])?;
    Ok(Feature { id: b.pad(x, pads, PadFill::Edge)?, ..x })
}
