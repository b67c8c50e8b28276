//! Golden cases: does this backend give what the original framework gave?

use std::fmt;
use std::time::Instant;

use netra_core::{Error, Result};
use netra_graph::{Precision, Tensor};
use netra_package::GoldenCase;
use netra_package::manifest::{Activation, AsDiscrete, Golden, Postprocess};
use serde::Serialize;

use crate::Network;

/// How one golden case came out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GoldenReport {
    /// The case's name.
    pub name: String,
    /// Greatest absolute difference from the recorded output; infinite when the network gave something not a number.
    pub max_abs: f64,
    /// Greatest minus least recorded value.
    pub range: f64,
    /// `max_abs / range`, which must not be over `tolerance`.
    pub error: f64,
    /// The bound of `error`.
    pub tolerance: f64,
    /// Share of pixels whose decision is the recorded one; `None` when the case records no decision.
    pub agreement: Option<f64>,
    /// The least `agreement` allowed.
    pub least_agreement: Option<f64>,
    /// Whether both bounds hold.
    pub passed: bool,
    /// Seconds of the network's run, compiling not included.
    pub seconds: f64,
}

impl fmt::Display for GoldenReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed = if self.passed { "passed" } else { "FAILED" };
        let (error, tolerance) = (self.error, self.tolerance);
        write!(f, "{} {passed}: error {error:.2e} of the output's range (at most {tolerance:.0e})", self.name)?;
        if let Some(agreement) = self.agreement {
            write!(f, ", decisions agree {agreement:.6}")?;
        }
        if let Some(least) = self.least_agreement {
            write!(f, " (at least {least})")?;
        }
        Ok(())
    }
}

/// Runs one case through the network, whole. `steps` say how a single channel is decided. Fails (`Malformed`) when the
/// recorded arrays do not fit the network's output.
pub fn case(network: &Network, case: &GoldenCase, steps: &[Postprocess]) -> Result<GoldenReport> {
    let at = |e: Error| e.at(format!("golden case '{}'", case.spec.name));
    network.executable(case.input.shape()).map_err(at)?;
    let start = Instant::now();
    let output = network.run(case.input.view()).map_err(at)?;
    let seconds = start.elapsed().as_secs_f64();
    compare(&output, case, steps, network.precision(), seconds).map_err(at)
}

fn compare(
    output: &Tensor,
    case: &GoldenCase,
    steps: &[Postprocess],
    precision: Precision,
    seconds: f64,
) -> Result<GoldenReport> {
    let spec = &case.spec;
    let shape = output.shape();
    let (Some(values), Some(recorded)) = (output.as_f32(), case.output.as_f32()) else {
        return Err(Error::malformed("an output that is not float32"));
    };
    let kept = Kept::new(shape, spec)?;
    if recorded.len() != kept.len() {
        let given = case.output.shape();
        return Err(Error::malformed(format!("recorded output of shape {given:?} for a network output of {shape:?}")));
    }
    let ours: Vec<f32> = kept.indices().map(|i| values[i]).collect();
    let (mut max_abs, mut low, mut high) = (0.0f64, f64::INFINITY, f64::NEG_INFINITY);
    for (&x, &y) in ours.iter().zip(recorded) {
        let difference = (f64::from(x) - f64::from(y)).abs();
        max_abs = if difference.is_nan() { f64::INFINITY } else { max_abs.max(difference) };
        (low, high) = (low.min(y.into()), high.max(y.into()));
    }
    // A constant output is compared with its own size.
    let range = if high > low { high - low } else { high.abs().max(1.0) };
    let agreement = match &case.argmax {
        Some(decisions) => Some(against_argmax(values, shape, decisions)?),
        None if kept.channels.len() > 1 => {
            let (a, b) = (kept.decide(&ours), kept.decide(recorded));
            Some(share(a.iter().zip(&b).filter(|(a, b)| a == b).count(), a.len()))
        }
        None => decision(steps).map(|(activation, least)| {
            let over = |v: f32| activated(v, activation) >= least;
            share(ours.iter().zip(recorded).filter(|(a, b)| over(**a) == over(**b)).count(), ours.len())
        }),
    };
    let error = max_abs / range;
    let (tolerance, least_agreement) = if precision.is_reduced() {
        let bounds = spec.reduced.unwrap_or_default();
        (bounds.tolerance, agreement.or(spec.agreement).map(|_| bounds.agreement))
    } else {
        (spec.tolerance, spec.agreement)
    };
    let agrees = least_agreement.is_none_or(|least| agreement.is_some_and(|a| a >= least));
    Ok(GoldenReport {
        name: spec.name.clone(),
        max_abs,
        range,
        error,
        tolerance,
        agreement,
        least_agreement,
        passed: error <= tolerance && agrees,
        seconds,
    })
}

/// Which elements of the output were recorded.
struct Kept {
    batch: usize,
    all_channels: usize,
    channels: std::ops::Range<usize>,
    /// Sizes of the spatial axes and the stride along each.
    axes: Vec<(usize, usize)>,
}

impl Kept {
    fn new(shape: &[usize], spec: &Golden) -> Result<Self> {
        let [batch, all_channels, ref space @ ..] = *shape else {
            return Err(Error::malformed(format!("a network output of shape {shape:?}")));
        };
        if !spec.stride.is_empty() && spec.stride.len() != space.len() {
            let given = spec.stride.len();
            return Err(Error::malformed(format!("{given} strides for {} spatial axes", space.len())));
        }
        let channels = match spec.channel {
            Some(channel) if channel >= all_channels => {
                return Err(Error::malformed(format!("recorded channel {channel} of {all_channels}")));
            }
            Some(channel) => channel..channel + 1,
            None => 0..all_channels,
        };
        let stride = |axis: usize| spec.stride.get(axis).copied().unwrap_or(1).max(1);
        let axes = space.iter().enumerate().map(|(axis, &size)| (size, stride(axis))).collect();
        Ok(Self { batch, all_channels, channels, axes })
    }

    /// Offsets of the kept pixels within one channel.
    fn pixels(&self) -> Vec<usize> {
        self.axes.iter().fold(vec![0], |offsets, &(size, stride)| {
            offsets.iter().flat_map(|o| (0..size).step_by(stride).map(move |i| o * size + i)).collect()
        })
    }

    fn len(&self) -> usize {
        let pixels: usize = self.axes.iter().map(|&(size, stride)| size.div_ceil(stride)).product();
        self.batch * self.channels.len() * pixels
    }

    /// Offsets of the kept elements, in the recorded order.
    fn indices(&self) -> impl Iterator<Item = usize> {
        let plane: usize = self.axes.iter().map(|(size, _)| size).product();
        let pixels = self.pixels();
        let (all, channels) = (self.all_channels, self.channels.clone());
        (0..self.batch)
            .flat_map(move |n| channels.clone().map(move |c| (n * all + c) * plane))
            .flat_map(move |start| pixels.clone().into_iter().map(move |pixel| start + pixel))
    }

    /// The greatest of the kept channels at every kept pixel, the first of equals.
    fn decide(&self, kept: &[f32]) -> Vec<usize> {
        let channels = self.channels.len();
        let plane = kept.len() / (self.batch * channels).max(1);
        greatest(kept, self.batch, channels, plane)
    }
}

fn greatest(values: &[f32], batch: usize, channels: usize, plane: usize) -> Vec<usize> {
    let at = |n: usize, c: usize, i: usize| values[(n * channels + c) * plane + i];
    (0..batch)
        .flat_map(|n| (0..plane).map(move |i| (n, i)))
        .map(|(n, i)| (1..channels).fold(0, |best, c| if at(n, c, i) > at(n, best, i) { c } else { best }))
        .collect()
}

fn against_argmax(values: &[f32], shape: &[usize], decisions: &Tensor) -> Result<f64> {
    let decisions = decisions.to_i64s().ok_or_else(|| Error::malformed("recorded decisions that are no integers"))?;
    let plane: usize = shape[2..].iter().product();
    if decisions.len() != shape[0] * plane {
        return Err(Error::malformed(format!("{} decisions for a network output of {shape:?}", decisions.len())));
    }
    let ours = greatest(values, shape[0], shape[1], plane);
    let agree = ours.iter().zip(&decisions).filter(|(a, b)| i64::try_from(**a) == Ok(**b)).count();
    Ok(share(agree, ours.len()))
}

/// The activation and threshold that decide a single channel.
fn decision(steps: &[Postprocess]) -> Option<(Option<Activation>, f32)> {
    let activation = steps.iter().find_map(|step| match step {
        Postprocess::Activations(activation) => Some(*activation),
        _ => None,
    });
    steps.iter().find_map(|step| match step {
        Postprocess::AsDiscrete(AsDiscrete::Threshold { value, .. }) => Some((activation, *value)),
        _ => None,
    })
}

fn activated(value: f32, activation: Option<Activation>) -> f32 {
    match activation {
        Some(Activation::Sigmoid) => 1.0 / (1.0 + (-value).exp()),
        // Of a single channel.
        Some(Activation::Softmax) => 1.0,
        None => value,
    }
}

fn share(part: usize, all: usize) -> f64 {
    part as f64 / all.max(1) as f64
}
