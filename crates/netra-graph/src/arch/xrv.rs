//! The chest X-ray classifiers of torchxrayvision: a DenseNet whose scores are scaled to operating points
//! (Cohen et al. 2022; `torchxrayvision.models.DenseNet` 1.5).

use super::builder::{Builder, Feature, check_length};
use super::densenet::{DenseNaming, DenseNet};
use super::spec::{Act, Norm};
use crate::{Activation, Binary, Data, Error, Op, Result, Tensor, Unary, ValueId};

/// Configuration of torchxrayvision's `DenseNet`, its arguments under their names.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The arguments of the same names.
pub struct XrvDenseNet {
    pub growth_rate: usize,
    pub block_config: Vec<usize>,
    pub num_init_features: usize,
    pub bn_size: usize,
    pub num_classes: usize,
    pub in_channels: usize,
    /// The operating point of each class: outputs become probabilities, scaled so that it lies at 0.5. NaN where a class
    /// has none, which gives 0.5 always. The weight files do not hold them (the package's table does), but a state
    /// dict may, as `op_threshs`.
    pub op_threshs: Option<Vec<f32>>,
    /// Outputs are probabilities. Without effect where there are operating points.
    pub apply_sigmoid: bool,
    /// Height and width of the input where they are fixed: 224 for all published weights.
    pub input_resolution: Option<usize>,
}

impl Default for XrvDenseNet {
    /// The network of the published weights: DenseNet-121, 1 channel, 18 classes, 224 x 224.
    fn default() -> Self {
        Self {
            growth_rate: 32,
            block_config: vec![6, 12, 24, 16],
            num_init_features: 64,
            bn_size: 4,
            num_classes: 18,
            in_channels: 1,
            op_threshs: None,
            apply_sigmoid: false,
            input_resolution: Some(224),
        }
    }
}

impl XrvDenseNet {
    pub(super) fn build(&self, b: &mut Builder) -> Result<()> {
        let net = DenseNet {
            spatial_dims: 2,
            in_channels: self.in_channels,
            out_channels: self.num_classes,
            init_features: self.num_init_features,
            growth_rate: self.growth_rate,
            block_config: self.block_config.clone(),
            bn_size: self.bn_size,
            act: Act::Relu,
            norm: Norm::BATCH,
            naming: DenseNaming::Torchvision,
        };
        if let Some(points) = &self.op_threshs {
            check_length("op_threshs", points.len(), self.num_classes)?;
        }
        let x = b.input_of(2, self.in_channels, self.input_resolution)?;
        let x = net.classify(b, x)?;
        let x = match self.operating_points(b)? {
            Some(points) => scale(b, x, &points)?,
            None if self.apply_sigmoid => sigmoid(b, x)?,
            None => x,
        };
        b.output(x, false)
    }

    /// From the state dict or the configuration; both must agree.
    fn operating_points(&self, b: &mut Builder) -> Result<Option<Vec<f32>>> {
        if !b.has("op_threshs") {
            return Ok(self.op_threshs.clone());
        }
        let id = b.weight("op_threshs".into(), vec![self.num_classes])?;
        let Some(Data::F32(stored)) = b.tensor(id).map(Tensor::data) else { return Ok(self.op_threshs.clone()) };
        let same = |a: &f32, b: &f32| a == b || a.is_nan() && b.is_nan();
        match &self.op_threshs {
            Some(given) if given.len() != stored.len() || !given.iter().zip(stored).all(|(a, b)| same(a, b)) => {
                Err(Error::malformed("op_threshs of the state dict differ from those of the configuration"))
            }
            _ => Ok(Some(stored.clone())),
        }
    }
}

fn sigmoid(b: &mut Builder, x: Feature) -> Result<Feature> {
    let op = Op::Unary(Unary::Activation(Activation::Sigmoid));
    Ok(Feature { id: b.node(None, op, vec![Some(x.id)])?, ..x })
}

/// `p / 2t` below the operating point t, `1 - (1 - p) / 2(1 - t)` from it on, 0.5 where there is none.
fn scale(b: &mut Builder, x: Feature, points: &[f32]) -> Result<Feature> {
    let row = |v: Vec<f32>| Tensor::from_f32(vec![1, points.len()], v);
    let known = |t: f32| if t.is_nan() { 0.5 } else { t };
    let each = |f: fn(f32) -> f32| row(points.iter().map(|&t| f(known(t))).collect());
    let nowhere = Tensor::new(vec![1, points.len()], Data::Bool(points.iter().map(|t| t.is_nan()).collect()))?;

    let p = sigmoid(b, x)?.id;
    let at = b.constant(each(|t| t)?)?;
    let twice = b.constant(each(|t| 2.0 * t)?)?;
    let twice_rest = b.constant(each(|t| 2.0 * (1.0 - t))?)?;
    let one = b.constant(row(vec![1.0; points.len()])?)?;
    let half = b.constant(row(vec![0.5; points.len()])?)?;
    let nowhere = b.constant(nowhere)?;

    let is_below = b.binary(Binary::Less, p, at)?;
    let below = b.binary(Binary::Div, p, twice)?;
    let rest = b.binary(Binary::Sub, one, p)?;
    let rest = b.binary(Binary::Div, rest, twice_rest)?;
    let above = b.binary(Binary::Sub, one, rest)?;
    let mut choose =
        |c: ValueId, yes: ValueId, no: ValueId| b.node(None, Op::Where, vec![Some(c), Some(yes), Some(no)]);
    let scaled = choose(is_below, below, above)?;
    Ok(Feature { id: choose(nowhere, half, scaled)?, ..x })
}
