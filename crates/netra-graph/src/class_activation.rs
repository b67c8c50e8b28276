//! Class activation maps (Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016): where a classifier
//! ends in global average pooling and a linear layer, a class's score is the mean over places of its weights times the
//! features there, plus a bias. What is summed at one place is what that place adds.

use crate::{DataView, Error, Graph, Node, Op, Reduction, Result, Tensor, TensorView, ValueId};

/// The end of a classifier whose class activation maps are exact.
#[derive(Clone, Debug)]
pub struct ClassActivation {
    /// The value that is pooled: `(1, channel, spatial ...)`.
    pub features: ValueId,
    /// One number a class, before any activation: what the linear layer gives.
    pub scores: ValueId,
    linear: Option<Linear>,
}

/// A linear layer over channels; without one, channels are the classes.
#[derive(Clone, Debug)]
struct Linear {
    /// A row a class.
    weights: Vec<f32>,
    channels: usize,
    /// One a class, or none.
    bias: Vec<f32>,
}

impl Graph {
    /// The end of this classifier, where `output` is made from a linear layer over pooled features by element-wise
    /// operators alone, so that the classes keep their places. `None` for any other network. Sizes are not known here:
    /// [`ClassActivation::map`] checks that the maps really add up to the scores.
    pub fn class_activation(&self, output: ValueId) -> Option<ClassActivation> {
        let scores = self.behind_elementwise(output)?;
        let end = self.producer(scores)?;
        let Some((pooled, linear)) = self.linear(end) else {
            return Some(ClassActivation { features: self.pooled(end)?, scores, linear: None });
        };
        let features = self.pooled(self.producer(self.behind_views(pooled)?)?)?;
        Some(ClassActivation { features, scores, linear: Some(linear) })
    }

    fn producer(&self, id: ValueId) -> Option<&Node> {
        self.nodes.iter().rev().find(|node| node.outputs.contains(&Some(id)))
    }

    /// The one value that element-wise operators, and views, make `output` of.
    fn behind_elementwise(&self, output: ValueId) -> Option<ValueId> {
        let (mut open, mut found) = (vec![output], None);
        while let Some(id) = open.pop() {
            if self.value(id).constant.is_some() || found == Some(id) {
                continue;
            }
            let node = self.producer(id)?;
            if is_elementwise(&node.op) {
                open.extend(node.inputs.iter().flatten());
            } else if is_view(&node.op) {
                open.push(node.inputs.first().copied().flatten()?);
            } else if found.replace(id).is_some() {
                return None;
            }
        }
        found
    }

    /// The value before operators that change its shape alone.
    fn behind_views(&self, mut id: ValueId) -> Option<ValueId> {
        while let Some(node) = self.producer(id).filter(|node| is_view(&node.op)) {
            id = node.inputs.first().copied().flatten()?;
        }
        Some(id)
    }

    /// The input and the parameters of a linear layer over channels.
    fn linear(&self, node: &Node) -> Option<(ValueId, Linear)> {
        let input = |i: usize| node.inputs.get(i).copied().flatten();
        let constant = |i: usize| {
            let tensor = self.value(input(i)?).constant.as_deref()?;
            match tensor.view().data() {
                DataView::F32(values) => Some((tensor.shape(), values)),
                _ => None,
            }
        };
        let (shape, values) = constant(1)?;
        let (by_class, scale, bias_scale) = match &node.op {
            Op::Gemm { alpha, beta, trans_a: false, trans_b } if shape.len() == 2 => (*trans_b, *alpha, *beta),
            Op::MatMul if shape.len() == 2 => (false, 1.0, 1.0),
            Op::Conv { group: 1, .. } if shape.len() > 2 && shape[2..].iter().all(|&side| side == 1) => {
                (true, 1.0, 1.0)
            }
            _ => return None,
        };
        let (rows, columns) = (*shape.first()?, *shape.get(1)?);
        let (classes, channels) = if by_class { (rows, columns) } else { (columns, rows) };
        let weight = |class: usize, channel: usize| {
            values[if by_class { class * channels + channel } else { channel * classes + class }] * scale
        };
        let weights = (0..classes).flat_map(|class| (0..channels).map(move |channel| (class, channel)));
        let bias = match (input(2), constant(2)) {
            (None, _) => vec![0.0; classes],
            (Some(_), Some((_, values))) if values.len() == classes => values.iter().map(|v| v * bias_scale).collect(),
            _ => return None,
        };
        let weights = weights.map(|(class, channel)| weight(class, channel)).collect();
        Some((input(0)?, Linear { weights, channels, bias }))
    }

    /// What a global average is taken of.
    fn pooled(&self, node: &Node) -> Option<ValueId> {
        let input = |i: usize| node.inputs.get(i).copied().flatten();
        match &node.op {
            Op::GlobalAveragePool | Op::AveragePool { .. } => input(0),
            Op::Reduce { reduction: Reduction::Mean, log: false, .. } => {
                let tensor = self.value(input(1)?).constant.as_deref()?;
                let DataView::I64(axes) = tensor.view().data() else { return None };
                let mut axes = axes.to_vec();
                axes.sort_unstable();
                let count = axes.len() as i64;
                (axes.iter().copied().eq(2..2 + count) || axes.iter().copied().eq(-count..0)).then(|| input(0))?
            }
            _ => None,
        }
    }
}

/// Operators that give each class's number by itself, or keep their order (Softmax).
fn is_elementwise(op: &Op) -> bool {
    matches!(
        op,
        Op::Unary(_)
            | Op::Binary(_)
            | Op::Variadic(_)
            | Op::Clip
            | Op::Where
            | Op::Softmax { .. }
            | Op::Celu { .. }
            | Op::ThresholdedRelu { .. }
            | Op::Swish { .. }
            | Op::Shrink { .. }
            | Op::Cast { .. }
    )
}

/// Operators that leave every element in its order.
fn is_view(op: &Op) -> bool {
    matches!(
        op,
        Op::Flatten { .. } | Op::Reshape { .. } | Op::Squeeze | Op::Unsqueeze | Op::Identity | Op::Dropout { .. }
    )
}

impl ClassActivation {
    /// What each place adds to the score of `class`, row-major over the spatial axes of `features`; its mean is the score
    /// without the bias. `features` and `scores` are the values of that name from one run.
    ///
    /// Fails (`Unsupported`) when the map does not add up to the score within `tolerance` of its range: then the network
    /// does not end as it seemed to.
    pub fn map(
        &self,
        features: TensorView<'_>,
        scores: TensorView<'_>,
        class: usize,
        tolerance: f32,
    ) -> Result<Tensor> {
        let other = |what: String| Error::unsupported(format!("no class activation map: {what}"));
        let (DataView::F32(values), DataView::F32(scores)) = (features.data(), scores.data()) else {
            return Err(other("the features are not float32".into()));
        };
        let [1, channels, space @ ..] = features.shape() else {
            return Err(other(format!("features of shape {:?}", features.shape())));
        };
        let places: usize = space.iter().product();
        let score = *scores.get(class).ok_or_else(|| Error::invalid(format!("class {class} of {}", scores.len())))?;
        if space.is_empty() || places == 0 {
            return Err(other("the features have no places".into()));
        }
        let of_channel = |channel: usize| &values[channel * places..][..places];
        let (map, bias) = match &self.linear {
            None if class < *channels => (of_channel(class).to_vec(), 0.0),
            Some(linear) if linear.channels == *channels && class < linear.bias.len() => {
                let mut map = vec![0.0; places];
                let weights = &linear.weights[class * channels..][..*channels];
                for (channel, &weight) in weights.iter().enumerate() {
                    map.iter_mut().zip(of_channel(channel)).for_each(|(sum, &value)| *sum += weight * value);
                }
                (map, linear.bias[class])
            }
            _ => return Err(other(format!("{channels} channels are pooled, the linear layer takes others"))),
        };
        let mean = map.iter().map(|&v| f64::from(v)).sum::<f64>() / places as f64;
        let range = map.iter().fold(score.abs(), |most, v| most.max(v.abs()));
        let apart = (mean as f32 + bias - score).abs();
        if apart.is_nan() || apart > tolerance * range {
            return Err(other(format!("the map adds up to {:.4e}, the score is {score:.4e}", mean as f32 + bias)));
        }
        Tensor::from_f32(space, map)
    }
}
