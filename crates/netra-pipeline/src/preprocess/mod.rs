//! From scan to tensor: the manifest's steps, each a small function.

pub mod colour;
pub mod geometry;
pub mod intensity;

use netra_core::{Limits, Result};
use netra_package::manifest::Preprocess;

use crate::{Input, Sample};

/// Runs all steps on a scan. Fails with the step's name and number.
pub fn run<'a>(steps: &[Preprocess], input: Input<'a>, limits: &Limits) -> Result<Sample<'a>> {
    steps.iter().enumerate().try_fold(Sample::new(input)?, |sample, (i, step)| {
        apply(step, sample, limits).map_err(|e| e.at(format!("preprocess[{i}] {}", name(step))))
    })
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
        Preprocess::ScaleIntensityRange { a_min, a_max, b_min, b_max, clip } => {
            intensity::scale_range(&mut sample.values, [*a_min, *a_max], [*b_min, *b_max], *clip);
        }
        Preprocess::ScaleValueRange { b_min, b_max } => intensity::scale_value_range(&mut sample, [*b_min, *b_max])?,
        Preprocess::ScaleIntensityRangePercentiles { lower, upper, b_min, b_max, clip } => {
            let range = intensity::percentile_range(&sample.values, *lower, *upper)?;
            intensity::scale_range(&mut sample.values, range, [*b_min, *b_max], *clip);
        }
        Preprocess::ScaleIntensity { minv, maxv } => intensity::scale(&mut sample.values, [*minv, *maxv]),
        Preprocess::NormalizeIntensity { nonzero, channel_wise, subtrahend, divisor } => {
            let stated = (subtrahend.as_deref(), divisor.as_deref());
            intensity::normalize(&mut sample.values, *nonzero, *channel_wise, stated)?;
        }
        Preprocess::ClipIntensityPercentiles { lower, upper } => {
            let [low, high] = intensity::percentile_range(&sample.values, *lower, *upper)?;
            sample.values.mapv_inplace(|v| v.clamp(low, high));
        }
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
