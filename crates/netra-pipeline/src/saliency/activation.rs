//! Class activation maps: one run of the network, whose pooled features are an output as well.

use ndarray::Array4;
use netra_core::{Error, ErrorKind, Result, SaliencyMethod};
use netra_graph::{ClassActivation, Tensor};
use netra_package::from_graph;
use netra_package::manifest::Postprocess;

use super::Maps;
use crate::network::{Network, into_values};
use crate::{Model, postprocess};

/// By how much of its range a map may miss the score that it adds up to: float32 sums of thousands of features.
const TOLERANCE: f32 = 1e-3;

/// A network that gives the features and the scores of a classifier.
pub(crate) struct Explained {
    pub end: ClassActivation,
    pub network: Network,
}

/// The maps of these classes. Fails (`Unsupported`) where they do not add up to the scores.
pub(super) fn maps(model: &Model, explained: &Explained, values: &Array4<f32>, chosen: &[usize]) -> Result<Maps> {
    let channels = channels_of(&model.manifest().postprocess, model.classes()?)?;
    let mut outputs = explained.network.outputs(values.clone())?.into_iter();
    let (Some(features), Some(scores)) = (outputs.next(), outputs.next()) else {
        return Err(Error::new(ErrorKind::Backend, "features and scores were asked for"));
    };
    let mut maps = Vec::new();
    for &class in chosen {
        let map = explained.end.map(features.view(), scores.view(), channels[class], TOLERANCE).map_err(from_graph)?;
        maps.extend_from_slice(map.as_f32().unwrap_or_default());
    }
    let shape = [&[1, chosen.len()], features.shape().get(2..).unwrap_or_default()].concat();
    let values = into_values(Tensor::from_f32(shape, maps).map_err(from_graph)?)?;
    Ok(Maps { method: SaliencyMethod::ClassActivation, values })
}

/// The channel of the network's output that each class is.
fn channels_of(steps: &[Postprocess], classes: usize) -> Result<Vec<usize>> {
    let mut channels: Option<Vec<usize>> = None;
    for step in steps {
        if let Postprocess::SelectChannels { channels: chosen } = step {
            channels = Some(match channels {
                None => chosen.clone(),
                Some(from) => postprocess::select(&from, chosen)?,
            });
        }
    }
    let channels = channels.unwrap_or_else(|| (0..classes).collect());
    if channels.len() != classes {
        return Err(Error::malformed(format!("{} channels for {classes} classes", channels.len())));
    }
    Ok(channels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_followed_through_the_channels_chosen() {
        let select = |channels: &[usize]| Postprocess::SelectChannels { channels: channels.to_vec() };
        assert_eq!(channels_of(&[], 3).expect("all"), [0, 1, 2]);
        assert_eq!(channels_of(&[select(&[4, 2, 7]), select(&[2, 0])], 2).expect("two"), [7, 4]);
        assert!(channels_of(&[select(&[4, 2])], 3).is_err());
    }
}
