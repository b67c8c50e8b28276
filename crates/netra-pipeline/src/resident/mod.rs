//! Inference that stays on the device: the scan goes up once and labels come back once, so that neither a window's output
//! nor a blend of them is ever in the host's memory. Labels are those of the host's way ([`inferer`](crate::inferer) and
//! [`postprocess`](crate::postprocess)), but for pixels whose decision hangs on a rounding error.

mod plan;
mod prepare;
mod steps;

use ndarray::Array3;
use netra_core::{Error, ErrorKind, Geometry, Result};
use netra_graph::volumes::{ChannelActivation, Decision, LabelGrid, Labelling, Meeting};
use netra_graph::{Data, DataView, TensorView, Volumes};
use netra_package::from_graph;
use netra_package::manifest::{Activation, AsDiscrete, Interpolation};

use crate::infer::Told;
use crate::inferer::{Outcome, Placed};
use crate::postprocess::{Postprocessed, invert_labels};
use crate::{Model, Placement, Sample, Stage};
use steps::{Back, Decided};

/// A backend with volumes, and the steps that it does: the last of preprocessing and the first of postprocessing.
pub(crate) struct Resident<'a> {
    pub volumes: &'a dyn Volumes,
    /// Bytes of the largest buffer of the backend's device.
    pub largest_buffer: Option<u64>,
    pub decided: Decided<'a>,
    /// Preprocessing steps before those of the device.
    pub head: usize,
}

/// What came of a try.
pub(crate) enum Attempt<'a> {
    /// Labels, and how the sample lay.
    Done(Postprocessed, Placement),
    /// The device cannot hold it: the sample as it was, for the host.
    Refused(Sample<'a>, Error),
}

impl<'a> Resident<'a> {
    /// `None` where the backend has no volumes, or the steps are not those of a device. `volume` tells a volume from an image.
    pub fn of(model: &'a Model, volume: bool) -> Option<Self> {
        let (backend, manifest) = (model.network().backend(), model.manifest());
        let (volumes, largest_buffer) = (backend.volumes()?, backend.device().max_buffer_bytes);
        let decided = steps::decided(&manifest.postprocess)?;
        let head = manifest.preprocess.len() - steps::tail(&manifest.preprocess, volume);
        Some(Self { volumes, largest_buffer, decided, head })
    }

    /// From a sample that the host's preprocessing made to labels.
    pub fn run<'s>(&self, model: &Model, mut sample: Sample<'s>, told: &Told<'_>) -> Result<Attempt<'s>> {
        let steps = &model.manifest().preprocess[self.head..];
        let (channels, clock) = (sample.channels(), told.clock);
        let grid = prepare::grid_after(steps, &sample, told.limits)?;
        let fits = |window: [usize; 3]| model.window_fits(channels, window, told.network_bytes);
        let placed = Placed::of(&model.manifest().inferer, grid.shape(), &fits)?;
        let executable = |[slices, rows, columns]: [usize; 3]| {
            let shape = model.network().input_shape([channels, slices, rows, columns])?;
            clock.borrow_mut().time("compile", || model.executable(&shape, told.network_bytes))
        };
        let first = executable(placed.first_size()?)?;
        let program = first.program();
        let outputs = program.value(program.outputs[model.network().output()]).shape.get(1).copied().unwrap_or(0);
        let labelling = self.labelling(&placed, &grid, &sample.place, outputs)?;
        let shapes = [sample.place.geometry.shape(), grid.shape()];
        let both = || {
            self.bytes(&labelling, &placed, channels, shapes, told.resident_bytes)?;
            let labeller = self.volumes.labelling(&labelling).map_err(from_graph)?;
            Ok((labeller, prepare::upload(self.volumes, &sample, steps)?))
        };
        let (mut labeller, volume) = match clock.borrow_mut().time(Stage::Preprocess.name(), both) {
            Ok(both) => both,
            Err(why) if is_refusal(&why) => {
                return Ok(Attempt::Refused(sample, why));
            }
            Err(error) => return Err(error),
        };
        sample.place.geometry = grid;
        let place = sample.place;
        // The scan is on the device.
        drop(sample.values);
        for (done, (size, window)) in placed.windows.iter().enumerate() {
            let executable = executable(*size)?;
            clock
                .borrow_mut()
                .time(Stage::Network.name(), || labeller.add(&*executable, model.network().output(), &volume, window))
                .map_err(from_graph)?;
            (told.progress)(Stage::Network, done + 1, placed.windows.len());
        }
        drop(volume);
        // Windows were only launched: this waits for them.
        let labels = clock.borrow_mut().time(Stage::Network.name(), || labeller.finish()).map_err(from_graph)?.labels;
        let shape: [usize; 3] = labels.shape().try_into().map_err(|_| broken())?;
        let Data::U16(labels) = labels.into_data() else { return Err(broken()) };
        let labels = Array3::from_shape_vec(shape, labels).map_err(|e| broken().with_source(e))?;
        Ok(Attempt::Done(self.on_its_grid(labels, &place)?, place))
    }

    /// What the device took back to the source grid still has to meet the field of view.
    fn on_its_grid(&self, labels: Array3<u16>, place: &Placement) -> Result<Postprocessed> {
        if self.decided.back == Back::Nothing {
            return Ok(Postprocessed { outcome: Outcome::Labels(labels), geometry: place.geometry.clone() });
        }
        let labels = invert_labels(labels, &place.source, place)?;
        Ok(Postprocessed { outcome: Outcome::Labels(labels), geometry: place.source.clone() })
    }

    /// How windows over `grid`, with outputs of `channels`, become labels.
    pub fn labelling<'l>(
        &self,
        placed: &'l Placed,
        grid: &Geometry,
        place: &Placement,
        channels: usize,
    ) -> Result<Labelling<'l>> {
        let meeting = match &placed.weights {
            None => Meeting::Beside { windows: placed.windows.len() },
            Some(weights) => {
                let block = DataView::F32(weights.as_slice().unwrap_or_default());
                Meeting::Blended(TensorView::new(weights.shape(), block).map_err(from_graph)?)
            }
        };
        let back = || prepare::way_back(grid, place);
        let label_grid = match self.decided.back {
            Back::Nothing => LabelGrid::Own,
            _ if *grid == place.source => LabelGrid::Own,
            Back::Values(Interpolation::Bilinear) => LabelGrid::Linear(back()),
            Back::Labels | Back::Values(_) => LabelGrid::Nearest(back()),
        };
        let decision = match self.decided.how {
            AsDiscrete::Argmax => Decision::Greatest,
            AsDiscrete::Threshold { value, .. } => Decision::Reaching(*value),
        };
        // Values are 0 outside, and a threshold may be that low; labels are background there.
        let reached = matches!(decision, Decision::Reaching(least) if 0.0 >= least);
        let outside = u16::from(reached && matches!(self.decided.back, Back::Values(_)));
        Ok(Labelling {
            channels,
            chosen: self.decided.chosen.map(<[usize]>::to_vec),
            shape: grid.shape(),
            window_slices: placed.slices(),
            meeting,
            activation: self.decided.activation.map(|activation| match activation {
                Activation::Sigmoid => ChannelActivation::Sigmoid,
                Activation::Softmax => ChannelActivation::Softmax,
            }),
            decision,
            grid: label_grid,
            outside,
            confidence: false,
        })
    }
}

/// Whether an error tells that the device cannot hold volumes, and the host has to.
fn is_refusal(why: &Error) -> bool {
    matches!(why.kind(), ErrorKind::Limit | ErrorKind::Unsupported)
}

fn broken() -> Error {
    Error::new(ErrorKind::Backend, "labels of another kind came back")
}
