//! The stages that are timed, each on the inputs that `peers.py` gives to the others as well.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use ndarray::{Array, Array4, ArrayView4, Axis, CowArray, Dimension, IntoDimension, Ix4};
use netra_core::components::{Components, Connectivity, fill_holes, keep_largest};
use netra_core::resample::{self, Padding};
use netra_core::{Affine, Geometry, IntensityUnit, Limits, Volume};
use netra_package::manifest::{self, Activation, AsDiscrete, Blend, Inferer, Interpolation, Postprocess, Preprocess};
use netra_pipeline::inferer::{self, Outcome};
use netra_pipeline::{Input, Placement, postprocess, preprocess};

use crate::Error;
use crate::memory::Peak;

/// The scan: slices, rows, columns.
const SCAN: [usize; 3] = [300, 512, 512];
/// Its voxels in millimetres.
const SPACING: [f64; 3] = [1.0, 0.7, 0.7];
/// What it is resampled to, in millimetres along each axis.
const TARGET: f64 = 1.5;
/// The grid that [`TARGET`] makes of [`SCAN`], by MONAI's rule.
const SMALL: [usize; 3] = [200, 239, 239];
const CLASSES: usize = 14;
/// What windows are merged to, and what classes are chosen on.
const MERGED: [usize; 3] = [192, 256, 256];
const WINDOW: [usize; 3] = [96; 3];
/// Channels and size of the scan whose channels are normalised each by itself.
const CHANNELS: (usize, usize, usize, usize) = (4, 155, 240, 240);

/// One run: its time and memory without the preparation of its input, and its result.
pub type Stage = Box<dyn Fn() -> Result<Run, Error>>;

pub struct Run {
    pub time: Duration,
    /// Bytes by which it raised the process' memory at most.
    pub peak: u64,
    pub made: Outcomes,
}

/// What a stage makes.
pub enum Outcomes {
    Values(Vec<f32>),
    Labels(Vec<u16>),
    Sizes(Vec<u64>),
}

impl Outcomes {
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Values(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::Labels(labels) => labels.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::Sizes(sizes) => sizes.iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
    }
}

impl<D: Dimension> From<Array<f32, D>> for Outcomes {
    fn from(values: Array<f32, D>) -> Self {
        Self::Values(row_major(values))
    }
}

impl<D: Dimension> From<Array<u16, D>> for Outcomes {
    fn from(labels: Array<u16, D>) -> Self {
        Self::Labels(row_major(labels))
    }
}

fn row_major<T: Clone, D: Dimension>(array: Array<T, D>) -> Vec<T> {
    if array.is_standard_layout() { array.into_raw_vec_and_offset().0 } else { array.iter().cloned().collect() }
}

/// Times `work` alone: not the conversion of its result, nor giving back its memory.
fn timed<T: Into<Outcomes>>(work: impl FnOnce() -> Result<T, netra_core::Error>) -> Result<Run, Error> {
    let memory = Peak::start()?;
    let start = Instant::now();
    let made = work()?;
    let time = start.elapsed();
    Ok(Run { time, peak: memory.end()?, made: made.into() })
}

/// A stage by its name, with its inputs read from `folder`.
pub fn load(name: &str, folder: &Path) -> Result<Stage, Error> {
    let floats = |file: &str| read(folder, file, f32::from_le_bytes);
    let labels = |file: &str| read(folder, file, u16::from_le_bytes);
    let (source, small) = (grid(SCAN, SPACING)?, grid(SMALL, [TARGET; 3])?);
    let place = Placement { geometry: small.clone(), source: source.clone(), field_of_view: None };
    Ok(match name {
        "resample_linear" => {
            let scan = shaped(SCAN, floats("scan.f32")?)?;
            Box::new(move || timed(|| resample::linear(scan.view(), &source, &small, Padding::Border)))
        }
        "resample_nearest" => {
            let mask = shaped(SCAN, labels("mask.u16")?)?;
            Box::new(move || timed(|| resample::nearest(mask.view(), &source, &small, Padding::Border)))
        }
        "prepare" => {
            let scan = Volume::new(shaped(SCAN, floats("scan.f32")?)?, source, IntensityUnit::Hounsfield)?;
            let steps = prepare_steps();
            Box::new(move || {
                timed(|| Ok(preprocess::run(&steps, Input::Volume(&scan), &Limits::default())?.into_array().0))
            })
        }
        "scale_range" | "normalize" | "normalize_nonzero" | "percentiles" | "intensity_chain" => {
            let scan = shaped(SCAN, floats("scan.f32")?)?;
            let scan = Volume::new(scan, source, IntensityUnit::Hounsfield)?;
            let steps = intensity_steps(name);
            Box::new(move || intensity(&steps, scan.voxels().insert_axis(Axis(0)).into()))
        }
        "scale_range_in_place" => {
            let scan = shaped((1, SCAN[0], SCAN[1], SCAN[2]), floats("scan.f32")?)?;
            Box::new(move || intensity(&[scale_range()], scan.clone().into()))
        }
        "normalize_channels" => {
            let channels = shaped(CHANNELS, floats("channels.f32")?)?;
            let steps = intensity_steps(name);
            Box::new(move || intensity(&steps, channels.view().into()))
        }
        "merge" | "merge_argmax" => {
            let output = shaped((CLASSES, WINDOW[0], WINDOW[1], WINDOW[2]), floats("window.f32")?)?;
            let argmax = name == "merge_argmax";
            Box::new(move || merge(&output, argmax))
        }
        "argmax" | "softmax_threshold" => {
            let values = shaped((CLASSES, MERGED[0], MERGED[1], MERGED[2]), floats("logits.f32")?)?;
            let steps = discrete_steps(name == "softmax_threshold");
            Box::new(move || timed(|| postprocess::labels(&steps, values.view())))
        }
        "invert_labels" => {
            let mask = shaped(SMALL, labels("small_mask.u16")?)?;
            Box::new(move || {
                let mask = mask.clone();
                timed(|| postprocess::invert_labels(mask, &small, &place))
            })
        }
        "invert_argmax" => {
            let values = shaped((CLASSES, SMALL[0], SMALL[1], SMALL[2]), floats("small_logits.f32")?)?;
            Box::new(move || {
                let values = values.clone();
                let (mode, how) = (Interpolation::Bilinear, AsDiscrete::Argmax);
                timed(|| postprocess::invert_to_labels(values, &small, &place, mode, &how))
            })
        }
        "components" => {
            let mask = shaped(SCAN, labels("mask.u16")?)?;
            Box::new(move || {
                timed(|| {
                    let found = Components::find(mask.view(), Connectivity::Corners, |l| (l != 0).then_some(l))?;
                    Ok(Outcomes::Sizes(found.sizes().into_iter().map(|(_, size)| size).collect()))
                })
            })
        }
        "keep_largest" | "fill_holes" => {
            let mask = shaped(SCAN, labels("mask.u16")?)?;
            let largest = name == "keep_largest";
            Box::new(move || {
                let mut mask = mask.clone();
                timed(|| {
                    if largest {
                        keep_largest(&mut mask, Connectivity::Corners, 1, true, |_| true)?;
                    } else {
                        fill_holes(&mut mask, Connectivity::Faces, |_| true)?;
                    }
                    Ok(mask)
                })
            })
        }
        other => return Err(format!("no stage {other}").into()),
    })
}

/// The numbers of a file of raw little-endian values.
fn read<T, const N: usize>(folder: &Path, file: &str, of: impl Fn([u8; N]) -> T) -> Result<Vec<T>, Error> {
    let bytes = std::fs::read(folder.join(file)).map_err(|e| format!("{file}: {e}"))?;
    Ok(bytes.as_chunks().0.iter().map(|&bytes| of(bytes)).collect())
}

fn shaped<T, S: IntoDimension>(shape: S, values: Vec<T>) -> Result<Array<T, S::Dim>, Error> {
    Ok(Array::from_shape_vec(shape.into_dimension(), values)?)
}

/// An axial grid: slices to the head, rows to the back, columns to the left.
fn grid(shape: [usize; 3], spacing: [f64; 3]) -> Result<Geometry, Error> {
    let [slice, row, column] = spacing;
    let affine = Affine::from_steps([0.0, 0.0, slice], [0.0, row, 0.0], [column, 0.0, 0.0], [0.0; 3]);
    Ok(Geometry::new(shape, affine)?)
}

fn scale_range() -> Preprocess {
    Preprocess::ScaleIntensityRange { a_min: -175.0, a_max: 250.0, b_min: 0.0, b_max: 1.0, clip: true }
}

fn normalize(nonzero: bool, channel_wise: bool) -> Preprocess {
    Preprocess::NormalizeIntensity { nonzero, channel_wise, subtrahend: None, divisor: None }
}

fn prepare_steps() -> Vec<Preprocess> {
    let axcodes = "RAS".to_owned();
    let spacing = Preprocess::Spacing { pixdim: vec![TARGET; 3], mode: Interpolation::Bilinear };
    vec![Preprocess::Orientation { axcodes }, spacing, scale_range()]
}

fn intensity_steps(name: &str) -> Vec<Preprocess> {
    let percentiles =
        Preprocess::ScaleIntensityRangePercentiles { lower: 0.5, upper: 99.5, b_min: 0.0, b_max: 1.0, clip: true };
    match name {
        "scale_range" => vec![scale_range()],
        "normalize_nonzero" => vec![normalize(true, false)],
        "normalize_channels" => vec![normalize(true, true)],
        "percentiles" => vec![percentiles],
        "intensity_chain" => vec![scale_range(), normalize(false, false)],
        _ => vec![normalize(false, false)],
    }
}

fn discrete_steps(softmax: bool) -> Vec<Postprocess> {
    if softmax {
        let threshold = AsDiscrete::Threshold { value: 0.5, version: String::new() };
        vec![Postprocess::Activations(Activation::Softmax), Postprocess::AsDiscrete(threshold)]
    } else {
        vec![Postprocess::AsDiscrete(AsDiscrete::Argmax)]
    }
}

/// Intensity steps, together, on the caller's array, which they leave alone, or on an own one.
fn intensity(steps: &[Preprocess], values: CowArray<'_, f32, Ix4>) -> Result<Run, Error> {
    let geometry = grid(SCAN, SPACING)?;
    let place = Placement { geometry: geometry.clone(), source: geometry, field_of_view: None };
    let mut sample = netra_pipeline::Sample { values, place, value_range: None };
    timed(|| {
        preprocess::intensity::apply(steps, &mut sample).map_err(|(_, e)| e)?;
        Ok(sample.into_array().0)
    })
}

/// A sliding window whose network gives one output whatever it sees; the network's time is not counted.
fn merge(output: &Array4<f32>, argmax: bool) -> Result<Run, Error> {
    let inferer = Inferer::SlidingWindow {
        roi_size: WINDOW.to_vec(),
        overlap: 0.5,
        mode: Blend::Gaussian,
        sigma_scale: 0.125,
        padding_mode: manifest::Padding::Constant,
        cval: 0.0,
        semantics: manifest::Semantics::Monai,
    };
    let values = Array4::zeros((1, MERGED[0], MERGED[1], MERGED[2]));
    let network = Cell::new(Duration::ZERO);
    let predict = |window: Array4<f32>| {
        let start = Instant::now();
        let made = output.clone();
        let other = output.clone();
        drop(window);
        let freeing = Instant::now();
        drop(other);
        // The output's memory is the network's matter: its freeing, which comes later, takes as long as this one's.
        network.set(network.get() + start.elapsed() + freeing.elapsed());
        Ok(made)
    };
    let discretise = |values: ArrayView4<'_, f32>| postprocess::argmax(values);
    let steps: Option<inferer::Discretise<'_>> = argmax.then_some(&discretise);
    let run = timed(|| {
        Ok(match inferer::run(&inferer, values, &predict, steps, &|_| Ok(true), &|_, _| ())? {
            Outcome::Values(values) => values.into(),
            Outcome::Labels(labels) => Outcomes::from(labels),
        })
    })?;
    Ok(Run { time: run.time.saturating_sub(network.get()), ..run })
}
