//! Checks of the preprocessing, inference and postprocessing lists.

use netra_core::Result;

use super::validate::{require, wrong};
use super::{AsDiscrete, Inferer, InputKind, Interpolation, Manifest, OutputContract, Postprocess, Preprocess};

/// Longest list of steps.
const MAX_STEPS: usize = 64;
/// Greatest size of one axis, and most pixels of all axes, that a step may ask for: 1024^3 voxels are 4 GiB.
const MAX_AXIS: usize = 1 << 16;
const MAX_PIXELS: usize = 1 << 30;

/// Checks all steps of a manifest.
pub(super) fn check(manifest: &Manifest) -> Result<()> {
    let kind = manifest.input.kind;
    require(manifest.preprocess.len() <= MAX_STEPS, "preprocess", "holds more than 64 steps")?;
    require(manifest.postprocess.len() <= MAX_STEPS, "postprocess", "holds more than 64 steps")?;
    if kind == InputKind::Array {
        require(manifest.preprocess.is_empty(), "preprocess", "is not for `input.kind = \"array\"`")?;
        require(matches!(manifest.inferer, Inferer::Whole { .. }), "inferer", "must be `whole` for an array")?;
        let generated = matches!(manifest.output, OutputContract::Generated { .. });
        require(generated, "output.kind", "must be `generated` for an array")?;
    }
    for (i, step) in manifest.preprocess.iter().enumerate() {
        preprocess(&format!("preprocess[{i}]"), step, kind)?;
    }
    inferer(&manifest.inferer, kind.axes())?;
    postprocess(manifest)
}

/// One positive, sane number an axis.
pub(super) fn sizes(key: &str, sizes: &[usize], axes: usize) -> Result<()> {
    require(sizes.len() == axes, key, &format!("needs {axes} numbers, one a spatial axis"))?;
    let sound = sizes.iter().all(|s| (1..=MAX_AXIS).contains(s));
    let pixels = sizes.iter().try_fold(1usize, |n, &s| n.checked_mul(s));
    require(sound && pixels.is_some_and(|n| n <= MAX_PIXELS), key, "is 0 or too large")
}

fn preprocess(key: &str, step: &Preprocess, kind: InputKind) -> Result<()> {
    let axes = kind.axes();
    let at = |field: &str| format!("{key}.{field}");
    let volume_only = || require(kind == InputKind::Volume, key, "is a step for volumes");
    let image_only = || require(kind == InputKind::Image, key, "is a step for images");
    match step {
        Preprocess::Orientation { axcodes } => {
            volume_only()?;
            orientation(&at("axcodes"), axcodes)
        }
        Preprocess::Spacing { pixdim, mode } => {
            volume_only()?;
            spacing(&at("pixdim"), pixdim)?;
            grid_mode(&at("mode"), *mode)
        }
        Preprocess::Conform { axcodes, pixdim, spatial_size, mode } => {
            volume_only()?;
            orientation(&at("axcodes"), axcodes)?;
            spacing(&at("pixdim"), pixdim)?;
            sizes(&at("spatial_size"), spatial_size, axes)?;
            grid_mode(&at("mode"), *mode)
        }
        Preprocess::Resize { spatial_size, mode, anti_aliasing, align_corners } => {
            sizes(&at("spatial_size"), spatial_size, axes)?;
            let linear = *mode == Interpolation::Bilinear;
            require(linear || !anti_aliasing, &at("anti_aliasing"), "goes with `mode = \"bilinear\"`")?;
            require(!anti_aliasing || axes == 2, &at("anti_aliasing"), "is for images")?;
            require(linear || !align_corners, &at("align_corners"), "goes with `mode = \"bilinear\"`")?;
            require(!(*anti_aliasing && *align_corners), &at("align_corners"), "does not go with `anti_aliasing`")?;
            require(*mode != Interpolation::Area || axes == 2, &at("mode"), "`area` is for images")
        }
        Preprocess::ResizeWithPadOrCrop { spatial_size, value } => {
            sizes(&at("spatial_size"), spatial_size, axes)?;
            finite(&at("value"), &[*value])
        }
        Preprocess::CropForeground { threshold, margin } => {
            finite(&at("threshold"), &[*threshold])?;
            require(*margin <= MAX_AXIS, &at("margin"), "is too large")
        }
        Preprocess::CropFieldOfView { threshold } => {
            image_only()?;
            require(*threshold > 0.0 && *threshold < 1.0, &at("threshold"), "is not over 0 and under 1")
        }
        Preprocess::ScaleIntensityRange { a_min, a_max, b_min, b_max, .. } => {
            finite(key, &[*a_min, *a_max, *b_min, *b_max])?;
            require(a_min < a_max, &at("a_max"), "is not over `a_min`")
        }
        Preprocess::ScaleValueRange { b_min, b_max } => {
            image_only()?;
            finite(key, &[*b_min, *b_max])
        }
        Preprocess::ScaleIntensityRangePercentiles { lower, upper, b_min, b_max, .. } => {
            percentiles(key, *lower, *upper)?;
            finite(key, &[*b_min, *b_max])
        }
        Preprocess::ScaleIntensity { minv, maxv } => finite(key, &[*minv, *maxv]),
        Preprocess::NormalizeIntensity { subtrahend, divisor, .. } => {
            for (field, numbers) in [("subtrahend", subtrahend), ("divisor", divisor)] {
                if let Some(numbers) = numbers {
                    require(matches!(numbers.len(), 1 | 3), &at(field), "needs one number, or one a channel")?;
                    finite(&at(field), numbers)?;
                }
            }
            let zero = divisor.as_ref().is_some_and(|d| d.contains(&0.0));
            require(!zero, &at("divisor"), "holds a 0")
        }
        Preprocess::ClipIntensityPercentiles { lower, upper } => percentiles(key, *lower, *upper),
        Preprocess::Grayscale {} | Preprocess::ToRgb {} => image_only(),
    }
}

fn orientation(key: &str, axcodes: &str) -> Result<()> {
    let pairs = ["RL", "AP", "SI"];
    let once = |pair: &str| axcodes.chars().filter(|&c| pair.contains(c)).count() == 1;
    require(axcodes.chars().count() == 3 && pairs.into_iter().all(once), key, "is not one each of R/L, A/P and S/I")
}

fn spacing(key: &str, pixdim: &[f64]) -> Result<()> {
    require(pixdim.len() == 3, key, "needs 3 numbers")?;
    require(pixdim.iter().all(|p| (1e-3..=1e3).contains(p)), key, "is not 0.001 to 1000 mm")
}

fn grid_mode(key: &str, mode: Interpolation) -> Result<()> {
    let known = matches!(mode, Interpolation::NearestExact | Interpolation::Bilinear);
    require(known, key, "must be `nearest-exact` or `bilinear` here")
}

fn percentiles(key: &str, lower: f64, upper: f64) -> Result<()> {
    require(0.0 <= lower && lower < upper && upper <= 100.0, key, "needs 0 <= lower < upper <= 100")
}

fn finite(key: &str, numbers: &[f32]) -> Result<()> {
    require(numbers.iter().all(|n| n.is_finite()), key, "holds a number that is not finite")
}

fn inferer(inferer: &Inferer, axes: usize) -> Result<()> {
    match inferer {
        Inferer::Whole { pad_to_multiple } => {
            require((1..=4096).contains(pad_to_multiple), "inferer.pad_to_multiple", "is not 1 to 4096")
        }
        Inferer::SlidingWindow { roi_size, overlap, sigma_scale, cval, .. } => {
            sizes("inferer.roi_size", roi_size, axes)?;
            // Over 0.95 a volume would meet each voxel thousands of times.
            require((0.0..=0.95).contains(overlap), "inferer.overlap", "is not 0 to 0.95")?;
            require(*sigma_scale > 0.0 && *sigma_scale <= 10.0, "inferer.sigma_scale", "is not over 0 and at most 10")?;
            finite("inferer.cval", &[*cval])
        }
        Inferer::Tiled { roi_size, halo } => {
            sizes("inferer.roi_size", roi_size, axes)?;
            require(*halo <= 4096, "inferer.halo", "is over 4096")
        }
    }
}

/// The order that makes sense: channels and activation, then labels, then their clean-up; one way back to the source
/// grid.
fn postprocess(manifest: &Manifest) -> Result<()> {
    let segmentation = matches!(manifest.output, OutputContract::Segmentation { .. });
    let generated = matches!(manifest.output, OutputContract::Generated { .. });
    let (mut activated, mut discrete, mut inverted) = (false, false, false);
    for (i, step) in manifest.postprocess.iter().enumerate() {
        let key = format!("postprocess[{i}]");
        let first = |done: bool| require(!done, &key, "stands twice");
        let on_labels = |discrete: bool| require(discrete, &key, "works on labels: it must follow `AsDiscrete`");
        let before = |discrete: bool| require(!discrete, &key, "must stand before `AsDiscrete`");
        match step {
            Postprocess::SelectChannels { channels } => {
                before(discrete)?;
                require(
                    !channels.is_empty() && channels.len() <= 4096,
                    &format!("{key}.channels"),
                    "is empty or too long",
                )?;
            }
            Postprocess::Activations(_) => {
                first(activated)?;
                before(discrete)?;
                activated = true;
            }
            Postprocess::AsDiscrete(how) => {
                first(discrete)?;
                require(segmentation, &key, "is for `output.kind = \"segmentation\"`")?;
                if let AsDiscrete::Threshold { value, version } = how {
                    finite(&format!("{key}.threshold"), &[*value])?;
                    require(!version.trim().is_empty(), &format!("{key}.version"), "is empty")?;
                }
                discrete = true;
            }
            Postprocess::KeepLargestConnectedComponent { applied_labels, connectivity, num_components, .. } => {
                on_labels(discrete)?;
                labels(manifest, &key, applied_labels.as_deref())?;
                neighbours(manifest, &key, *connectivity)?;
                require(*num_components > 0, &format!("{key}.num_components"), "is 0")?;
            }
            Postprocess::FillHoles { applied_labels } => {
                on_labels(discrete)?;
                labels(manifest, &key, applied_labels.as_deref())?;
            }
            Postprocess::RemoveSmallObjects { connectivity, .. } => {
                on_labels(discrete)?;
                neighbours(manifest, &key, *connectivity)?;
            }
            Postprocess::Invert { mode } => {
                first(inverted)?;
                require(manifest.input.kind != InputKind::Array, &key, "has no source grid to go back to")?;
                let fits = match mode {
                    Interpolation::NearestExact => true,
                    Interpolation::Bilinear => !discrete,
                    Interpolation::Nearest | Interpolation::Area => false,
                };
                require(fits, &format!("{key}.mode"), "must be `nearest-exact`, or `bilinear` before `AsDiscrete`")?;
                inverted = true;
            }
            Postprocess::ScaleIntensity { minv, maxv } => {
                require(generated, &key, "is for `output.kind = \"generated\"`")?;
                finite(&key, &[*minv, *maxv])?;
            }
        }
    }
    if segmentation && !(discrete && inverted) {
        return Err(wrong("postprocess", "of a segmentation needs `AsDiscrete` and `Invert`"));
    }
    Ok(())
}

fn labels(manifest: &Manifest, key: &str, labels: Option<&[u16]>) -> Result<()> {
    let OutputContract::Segmentation { segments, .. } = &manifest.output else { return Ok(()) };
    let known = |label: &u16| segments.iter().any(|s| s.number == *label);
    require(
        labels.is_none_or(|labels| !labels.is_empty() && labels.iter().all(known)),
        &format!("{key}.applied_labels"),
        "is empty or names a label that has no segment",
    )
}

fn neighbours(manifest: &Manifest, key: &str, connectivity: Option<u8>) -> Result<()> {
    let most = manifest.input.kind.axes();
    require(
        connectivity.is_none_or(|c| (1..=most).contains(&usize::from(c))),
        &format!("{key}.connectivity"),
        &format!("is not 1 to {most}"),
    )
}
