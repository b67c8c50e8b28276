//! Which of a manifest's steps a device can do.

use netra_package::manifest::{Activation, AsDiscrete, Interpolation, Postprocess, Preprocess};

use crate::preprocess::intensity::is_intensity;

/// How many of the last preprocessing steps a device does: those that resample volumes (`volume`), and change values by no
/// more than moments and ranges.
pub(super) fn tail(steps: &[Preprocess], volume: bool) -> usize {
    let can = |step: &&Preprocess| match step {
        Preprocess::Spacing { mode, .. } | Preprocess::Conform { mode, .. } => volume && goes_back(*mode),
        Preprocess::Resize { mode, anti_aliasing, .. } => volume && !anti_aliasing && goes_back(*mode),
        // Percentiles need values in order, and the range of storable values is the picture's own.
        Preprocess::ScaleIntensityRangePercentiles { .. }
        | Preprocess::ClipIntensityPercentiles { .. }
        | Preprocess::ScaleValueRange { .. } => false,
        step => is_intensity(step),
    };
    steps.iter().rev().take_while(can).count()
}

/// Whether a step of the device changes the grid.
pub(super) fn resamples(step: &Preprocess) -> bool {
    !is_intensity(step)
}

fn goes_back(mode: Interpolation) -> bool {
    matches!(mode, Interpolation::Bilinear | Interpolation::NearestExact)
}

/// The postprocessing steps up to the labels, in the one order that a device does them: channels chosen, activated, taken
/// back to the source grid, and decided, the last two in any order.
pub(crate) struct Decided<'a> {
    pub chosen: Option<&'a [usize]>,
    pub activation: Option<Activation>,
    pub how: &'a AsDiscrete,
    pub back: Back,
    /// How many steps these are.
    pub steps: usize,
}

/// What is taken back to the source grid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Back {
    Nothing,
    Labels,
    Values(Interpolation),
}

/// `None` where the list does not begin like that.
pub(super) fn decided(steps: &[Postprocess]) -> Option<Decided<'_>> {
    let (mut chosen, mut activation, mut inverted) = (None, None, None);
    for (i, step) in steps.iter().enumerate() {
        match step {
            Postprocess::SelectChannels { channels } if i == 0 => chosen = Some(channels.as_slice()),
            Postprocess::Activations(wanted) if activation.is_none() && inverted.is_none() => {
                activation = Some(*wanted)
            }
            Postprocess::Invert { mode } if inverted.is_none() && goes_back(*mode) => inverted = Some(*mode),
            Postprocess::AsDiscrete(how) => {
                let next = matches!(steps.get(i + 1), Some(Postprocess::Invert { .. }));
                let (back, steps) = match inverted {
                    Some(mode) => (Back::Values(mode), i + 1),
                    None if next => (Back::Labels, i + 2),
                    None => (Back::Nothing, i + 1),
                };
                // Neither activation changes which channel is greatest; the host leaves it out as well.
                if inverted.is_none() && *how == AsDiscrete::Argmax {
                    activation = None;
                }
                return Some(Decided { chosen, activation, how, back, steps });
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_steps_are_the_devices() {
        let spacing = Preprocess::Spacing { pixdim: vec![1.0; 3], mode: Interpolation::Bilinear };
        let scale = Preprocess::ScaleIntensity { minv: 0.0, maxv: 1.0 };
        let clip = Preprocess::ClipIntensityPercentiles { lower: 1.0, upper: 99.0 };
        let orient = Preprocess::Orientation { axcodes: "RAS".into() };
        let steps = [orient, spacing, scale.clone()];
        assert_eq!((tail(&steps, true), tail(&steps, false)), (2, 1));
        assert_eq!(tail(&[scale.clone(), clip, scale], true), 1);
        assert!(steps.iter().map(resamples).eq([true, true, false]));
    }

    #[test]
    fn lists_in_another_order_stay_on_the_host() {
        let (softmax, argmax) = (Postprocess::Activations(Activation::Softmax), AsDiscrete::Argmax);
        let (argmax, back) = (Postprocess::AsDiscrete(argmax), Postprocess::Invert { mode: Interpolation::Bilinear });
        let select = Postprocess::SelectChannels { channels: vec![1] };
        let count = |steps: &[&Postprocess]| {
            let steps: Vec<Postprocess> = steps.iter().map(|&step| step.clone()).collect();
            decided(&steps).map(|decided| (decided.steps, decided.activation.is_some()))
        };
        assert_eq!(count(&[&select, &softmax, &back, &argmax]), Some((4, true)));
        assert_eq!(count(&[&softmax, &argmax, &back]), Some((3, false)));
        assert_eq!(count(&[&argmax]), Some((1, false)));
        // Channels chosen among probabilities of all, activated after the way back, never decided.
        assert_eq!(count(&[&softmax, &select, &argmax]), None);
        assert_eq!(count(&[&back, &softmax, &argmax]), None);
        assert_eq!(count(&[&softmax, &back]), None);
    }
}
