//! From scan to tensor: the manifest's steps, each a small function.

pub mod colour;
pub mod geometry;
pub mod intensity;
mod map;
mod moments;

use netra_core::{Error, Limits, Result};
use netra_package::manifest::Preprocess;

use crate::{Input, Sample};

pub(crate) use map::{Map, Statistics};
pub(crate) use moments::Moments;

/// Runs all steps on a scan; steps that change values alone and follow each other are done together. Fails with the
/// step's name and number.
pub fn run<'a>(steps: &[Preprocess], input: Input<'a>, limits: &Limits) -> Result<Sample<'a>> {
    resume(steps, 0, Sample::new(input)?, limits)
}

/// Runs `steps[first..]` on what the steps before made.
pub(crate) fn resume<'a>(
    steps: &[Preprocess],
    first: usize,
    mut sample: Sample<'a>,
    limits: &Limits,
) -> Result<Sample<'a>> {
    let mut done = first;
    let together = |a: &Preprocess, b: &Preprocess| intensity::is_intensity(a) && intensity::is_intensity(b);
    for chain in steps[first..].chunk_by(together) {
        let at = |i: usize, e: Error| e.at(format!("preprocess[{}] {}", done + i, name(&chain[i])));
        sample = match chain {
            [step] => apply(step, sample, limits).map_err(|e| at(0, e))?,
            steps => {
                intensity::apply(steps, &mut sample).map_err(|(i, e)| at(i, e))?;
                sample
            }
        };
        done += chain.len();
    }
    Ok(sample)
}

/// Runs one step. `limits` bounds the grid that it may ask for.
pub fn apply<'a>(step: &Preprocess, mut sample: Sample<'a>, limits: &Limits) -> Result<Sample<'a>> {
    match step {
        Preprocess::Orientation { axcodes } => return geometry::orientation(sample, axcodes),
        Preprocess::Spacing { mode, .. } => return geometry::spacing(sample, step, *mode, limits),
        Preprocess::Conform { mode, .. } => return geometry::conform(sample, step, *mode, limits),
        Preprocess::Resize { spatial_size, mode, anti_aliasing, align_corners } => {
            let how = geometry::ResizeMode::new(*mode, *anti_aliasing, *align_corners)?;
            return geometry::resize(sample, spatial_size, how, limits);
        }
        Preprocess::ResizeWithPadOrCrop { spatial_size, value } => {
            return geometry::pad_or_crop(sample, spatial_size, *value, limits);
        }
        Preprocess::CropForeground { threshold, margin } => {
            return geometry::crop_foreground(sample, *threshold, *margin);
        }
        Preprocess::CropFieldOfView { threshold } => return geometry::crop_field_of_view(sample, *threshold),
        Preprocess::Grayscale {} => return colour::grayscale(sample),
        Preprocess::ToRgb {} => return colour::to_rgb(sample),
        step => intensity::apply(std::slice::from_ref(step), &mut sample).map_err(|(_, e)| e)?,
    }
    Ok(sample)
}

/// The step's name in the manifest.
pub fn name(step: &Preprocess) -> &'static str {
    match step {
        Preprocess::Orientation { .. } => "Orientation",
        Preprocess::Spacing { .. } => "Spacing",
        Preprocess::Conform { .. } => "Conform",
        Preprocess::Resize { .. } => "Resize",
        Preprocess::ResizeWithPadOrCrop { .. } => "ResizeWithPadOrCrop",
        Preprocess::CropForeground { .. } => "CropForeground",
        Preprocess::CropFieldOfView { .. } => "CropFieldOfView",
        Preprocess::ScaleIntensityRange { .. } => "ScaleIntensityRange",
        Preprocess::ScaleValueRange { .. } => "ScaleValueRange",
        Preprocess::ScaleIntensityRangePercentiles { .. } => "ScaleIntensityRangePercentiles",
        Preprocess::ScaleIntensity { .. } => "ScaleIntensity",
        Preprocess::NormalizeIntensity { .. } => "NormalizeIntensity",
        Preprocess::ClipIntensityPercentiles { .. } => "ClipIntensityPercentiles",
        Preprocess::Grayscale {} => "Grayscale",
        Preprocess::ToRgb {} => "ToRgb",
    }
}

#[cfg(test)]
mod tests;
