//! From a scan to labels or values: on the device where that has volumes and does the steps, else window by window through
//! the host.

use std::cell::RefCell;

use ndarray::{Array4, ArrayView4};
use netra_core::{Error, Limits, Probabilities, Result, Segment, Warning};

use crate::clock::Clock;
use crate::postprocess::{self, Decided, Postprocessed};
use crate::resident::{Attempt, Resident};
use crate::{Input, Model, Placement, Sample, Stage, inferer, preprocess};

/// What a run is told.
pub(crate) struct Told<'a> {
    pub limits: &'a Limits,
    pub network_bytes: Option<u64>,
    pub resident_bytes: Option<u64>,
    /// The segments whose probabilities are asked for; then the network's output is kept whole, in the host's memory.
    pub segments: Option<&'a [Segment]>,
    pub clock: &'a RefCell<Clock>,
    /// Told how much of a stage is done: (stage, done, total).
    pub progress: &'a dyn Fn(Stage, usize, usize),
}

/// What inference leaves.
pub(crate) struct Inferred {
    pub state: Postprocessed,
    pub place: Placement,
    /// How many postprocessing steps are done.
    pub steps: usize,
    /// Whether the device did them.
    pub resident: bool,
    /// Why it did not, where it might have.
    pub warning: Option<Warning>,
    /// Those asked for.
    pub probabilities: Option<Probabilities>,
}

/// Prepares a scan and runs the network on it.
pub(crate) fn run(model: &Model, input: Input<'_>, told: &Told<'_>) -> Result<Inferred> {
    let steps = &model.manifest().preprocess;
    let resident = match told.segments {
        None => Resident::of(model, matches!(input, Input::Volume(_))),
        Some(_) => None,
    };
    let head = resident.as_ref().map_or(steps.len(), |resident| resident.head);
    (told.progress)(Stage::Preprocess, 0, 1);
    let sample = told
        .clock
        .borrow_mut()
        .time(Stage::Preprocess.name(), || preprocess::resume(&steps[..head], 0, Sample::new(input)?, told.limits))?;
    (told.progress)(Stage::Preprocess, 1, 1);
    let Some(resident) = resident else { return on_host(model, sample, told) };
    match resident.run(model, sample, told)? {
        Attempt::Done(state, place) => Ok(Inferred {
            state,
            place,
            steps: resident.decided.steps,
            resident: true,
            warning: None,
            probabilities: None,
        }),
        Attempt::Refused(sample, why) => {
            let sample = told
                .clock
                .borrow_mut()
                .time(Stage::Preprocess.name(), || preprocess::resume(steps, head, sample, told.limits))?;
            Ok(Inferred { warning: Some(refused(&why)), ..on_host(model, sample, told)? })
        }
    }
}

/// Windows go to the network and their outputs come back, one by one.
fn on_host(model: &Model, sample: Sample<'_>, told: &Told<'_>) -> Result<Inferred> {
    let (network, clock) = (model.network(), told.clock);
    let (values, place) = clock.borrow_mut().time(Stage::Preprocess.name(), || sample.into_array());
    let pointwise = postprocess::pointwise(&model.manifest().postprocess);
    let channels = values.dim().0;
    let predict = |window: Array4<f32>| {
        let (channels, slices, rows, columns) = window.dim();
        let shape = network.input_shape([channels, slices, rows, columns])?;
        clock.borrow_mut().time("compile", || model.executable(&shape, told.network_bytes))?;
        clock.borrow_mut().time(Stage::Network.name(), || network.predict(window))
    };
    let discretise = |output: ArrayView4<'_, f32>| {
        let steps = pointwise.unwrap_or_default();
        clock.borrow_mut().time(Stage::Postprocess.name(), || postprocess::labels(steps, output))
    };
    let fits = |window: [usize; 3]| model.window_fits(channels, window, told.network_bytes);
    let outcome = inferer::run(
        &model.manifest().inferer,
        values,
        &predict,
        (pointwise.is_some() && told.segments.is_none()).then_some(&discretise),
        &fits,
        &|done, total| (told.progress)(Stage::Network, done, total),
    )?;
    let (state, steps, probabilities) = match told.segments {
        Some(segments) => {
            let steps = &model.manifest().postprocess;
            let of = || postprocess::probabilities(steps, postprocess::values(outcome)?, &place, segments);
            let Decided { probabilities, state, steps } = clock.borrow_mut().time("probabilities", of)?;
            (state, steps, Some(probabilities))
        }
        None => {
            let state = Postprocessed { outcome, geometry: place.geometry.clone() };
            (state, pointwise.map_or(0, <[_]>::len), None)
        }
    };
    Ok(Inferred { state, place, steps, resident: false, warning: None, probabilities })
}

fn refused(why: &Error) -> Warning {
    Warning {
        code: "not-resident".to_owned(),
        message: format!("windows went through the host's memory, for the device cannot hold the volumes: {why}"),
    }
}
