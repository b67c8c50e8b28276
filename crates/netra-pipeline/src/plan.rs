//! Memory of a run before it runs.
//!
//! The stages are those of [`Model::run`]. What each keeps alive is written down here a second time, so that planning
//! needs no data: whoever changes what a stage holds changes it here too. Small things (tables, rows, runs of
//! components) are left out.

mod detail;
mod prepared;

use netra_core::Result;
use netra_package::manifest::{Inferer, OutputContract, Postprocess};
use serde::Serialize;

use crate::inferer::{SlidingWindow, Tiling, three};
use crate::resident::Resident;
use crate::{InputSize, Model, RunOptions, postprocess};

pub(crate) use prepared::{Prepared, bytes, elements};

/// What a run will take.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunPlan {
    /// Each stage with the most bytes alive during it, the caller's scan included.
    pub stages: Vec<StagePlan>,
    /// Shape of the tensor that preprocessing gives.
    pub tensor_shape: Vec<usize>,
    /// Shape of the largest window that the network sees.
    pub window_shape: Vec<usize>,
    /// Number of windows.
    pub windows: usize,
    /// Weights, values and scratch of the network itself: on the adapter where the backend is a GPU, else part of the
    /// stage `network`.
    pub network_bytes: u64,
    /// What stays on the adapter beside the network where windows become labels there: the scan, sums of windows, labels.
    /// `None` where windows go through the host's memory.
    pub resident_bytes: Option<u64>,
}

/// The most bytes alive during a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StagePlan {
    /// `source`, `preprocess`, `network`, `postprocess`; `probabilities` and `saliency` where a run is asked for them.
    pub stage: String,
    /// Bytes.
    pub bytes: u64,
}

impl RunPlan {
    /// The most bytes alive at any time; the network's own included, but not where it runs resident: then it is the
    /// adapter that holds them.
    pub fn peak(&self) -> u64 {
        self.stages.iter().map(|s| s.bytes).max().unwrap_or(0)
    }
}

/// Plans a run on a scan of `size`; `cropped` is the tensor's size where content decides it.
pub(crate) fn plan(
    model: &Model,
    size: &InputSize,
    cropped: Option<[usize; 3]>,
    options: &RunOptions<'_>,
) -> Result<RunPlan> {
    let manifest = model.manifest();
    let source = size.bytes();
    // For their probabilities the network's output is kept whole.
    let kept_segments = model.asked_segments(options).map(<[_]>::len);
    let resident = match kept_segments {
        None => Resident::of(model, matches!(size, InputSize::Volume(_))),
        Some(_) => None,
    };
    let prepared = Prepared::trace(&manifest.preprocess, size, cropped, options)?;
    let [slices, rows, columns] = prepared.shape();
    let tensor_shape = model.network().input_shape([prepared.channels, slices, rows, columns])?;
    let tensor = bytes(prepared.channels, prepared.shape());

    let decided = postprocess::pointwise(&manifest.postprocess).is_some();
    let pointwise = decided && kept_segments.is_none();
    let windows = Windows::of(model, &manifest.inferer, &prepared, options)?;
    let window_shape =
        model.network().input_shape([prepared.channels, windows.size[0], windows.size[1], windows.size[2]])?;
    let network_bytes = model.network().executable(&window_shape)?.plan().peak();
    let output = model.network().output_shape(&window_shape)?;
    let output_channels = output.get(1).copied().unwrap_or(1);
    let output_space = output.get(2..).filter(|space| !space.is_empty());
    let window_output = output.iter().map(|&n| n as u64).product::<u64>() * 4;

    let spatial = output_space.is_some();
    let values = if spatial { bytes(output_channels, prepared.shape()) } else { window_output };
    let labels = elements(prepared.shape()) * 2;
    // Single windows hand their tensor over; several are cut from it.
    let (network, result) = match windows.kind {
        WindowKind::Single => {
            let padded = bytes(prepared.channels, windows.size);
            let padding = if padded == tensor { 0 } else { tensor };
            let run = padded + network_bytes.max(padding);
            let after = window_output + if pointwise { labels } else { 0 };
            (run.max(after), if pointwise { labels } else { values })
        }
        WindowKind::Tiles => {
            let result = if pointwise { labels } else { values };
            let window = bytes(prepared.channels, windows.size) + network_bytes;
            (tensor + result + window, result)
        }
        WindowKind::Blended(padded) => {
            // Slices that become labels one by one are summed only as high as a window is; one is taken aside.
            let high = if pointwise { windows.size[0] } else { padded[0] };
            let summed = [high, padded[1], padded[2]];
            let sum = bytes(output_channels, summed) + bytes(1, summed) + bytes(1, windows.size);
            let aside = if pointwise { bytes(output_channels, [1, padded[1], padded[2]]) + labels } else { 0 };
            let input = bytes(prepared.channels, padded);
            let window = bytes(prepared.channels, windows.size) + network_bytes;
            let cropping = if pointwise || padded == prepared.shape() { 0 } else { values };
            let blend = input + sum + aside + window;
            (blend.max(sum + cropping), if pointwise { labels } else { values })
        }
    };
    let (stages, resident_bytes) = match resident {
        Some(resident) => resident.plan(model, size, &prepared, output_channels, options)?,
        None => None,
    }
    .map_or_else(
        || {
            let post = match spatial {
                true => {
                    let result = if decided { labels } else { result };
                    postprocess_bytes(&manifest.postprocess, decided, result, output_channels, size)
                }
                false => result,
            };
            ([prepared.peak, prepared.kept + network, prepared.kept + post], None)
        },
        |held| (held.stages, Some(held.device)),
    );
    let measured = match manifest.output {
        // A label map is counted once more where its segments are measured; classes weigh nothing.
        OutputContract::Segmentation { .. } => prepared.kept + elements(size.geometry()?.shape()) * 2,
        OutputContract::Classification { .. } | OutputContract::Generated { .. } => 0,
    };
    let stage = |stage: &str, bytes: u64| StagePlan { stage: stage.to_owned(), bytes };
    let mut stages = vec![
        stage("source", source),
        stage("preprocess", source + stages[0]),
        stage("network", source + stages[1]),
        stage("postprocess", source + stages[2].max(measured)),
    ];
    if let Some(segments) = kept_segments {
        // The backend keeps what a run took for the next one.
        let held = source + network_bytes;
        let of = detail::probabilities_stage(model, segments, &prepared, values, size)?;
        stages[3].bytes += network_bytes + detail::probabilities(segments, size)?;
        stages.insert(3, stage("probabilities", held + of));
    }
    if let Some(bytes) = detail::saliency_stage(model, options, &prepared, network_bytes, size)? {
        stages.push(stage("saliency", source + bytes));
    }
    Ok(RunPlan { stages, tensor_shape, window_shape, windows: windows.count, network_bytes, resident_bytes })
}

enum WindowKind {
    /// One run; the tensor is handed over (padded, perhaps).
    Single,
    /// Several, put side by side.
    Tiles,
    /// Several, summed over an input padded to this size.
    Blended([usize; 3]),
}

struct Windows {
    kind: WindowKind,
    /// The largest.
    size: [usize; 3],
    count: usize,
}

impl Windows {
    fn of(model: &Model, inferer: &Inferer, prepared: &Prepared, options: &RunOptions<'_>) -> Result<Self> {
        let shape = prepared.shape();
        Ok(match inferer {
            Inferer::Whole { pad_to_multiple } => {
                let size = shape.map(|n| if n == 1 { 1 } else { n.next_multiple_of((*pad_to_multiple).max(1)) });
                Self { kind: WindowKind::Single, size, count: 1 }
            }
            Inferer::SlidingWindow { .. } => {
                let window = SlidingWindow::from_manifest(inferer)?;
                let padded = window.padded(shape);
                let count = window.starts(padded).len();
                Self { kind: WindowKind::Blended(padded), size: window.roi_size, count }
            }
            Inferer::Tiled { roi_size, halo } => {
                let fits = |window| model.window_fits(prepared.channels, window, options.network_bytes);
                let tiling = Tiling::fitting(shape, three(roi_size)?, *halo, &fits)?;
                let count = tiling.tiles().len();
                let kind = if count == 1 { WindowKind::Single } else { WindowKind::Tiles };
                Self { kind, size: tiling.largest_window(), count }
            }
        })
    }
}

/// Most bytes that the steps after inference take, `result` included, which is labels when `pointwise`.
pub(crate) fn postprocess_bytes(
    steps: &[Postprocess],
    pointwise: bool,
    result: u64,
    channels: usize,
    size: &InputSize,
) -> u64 {
    let source = size.bytes() / (4 * size.channels().max(1) as u64);
    let fused = steps.windows(2).any(|pair| matches!(pair, [Postprocess::Invert { .. }, Postprocess::AsDiscrete(_)]));
    let inverts = steps.iter().any(|step| matches!(step, Postprocess::Invert { .. }));
    let back = match (inverts, pointwise, fused) {
        (false, _, _) => 0,
        (true, true, _) => 2 * source,
        // The labels.
        (true, false, true) => 2 * source,
        // All channels, and one more before it is put in its place.
        (true, false, false) => 4 * (channels as u64 + 1) * source,
    };
    result + back
}
