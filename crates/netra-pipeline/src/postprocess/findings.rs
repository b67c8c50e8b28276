//! From arrays to findings, by the output contract.

use ndarray::{Array3, Array4, Axis};
use netra_core::{Classification, Error, ErrorKind, ExtentMeasure, Finding, LabelMap, Result, Segment};
use netra_package::manifest::{Class, ClassificationAbstain, SegmentationAbstain};

use super::discrete::not_a_number;
use crate::Input;

/// How large a pixel is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spacing {
    /// Cubic millimetres a voxel.
    Volume(f64),
    /// Square millimetres a pixel.
    Area(f64),
    /// Not known: extents are shares of the image.
    Unknown,
}

impl Spacing {
    /// The size of a pixel of a scan.
    pub fn of(input: Input<'_>) -> Self {
        match input {
            Input::Volume(volume) => Spacing::Volume(volume.geometry().voxel_volume()),
            Input::Image(image) => image.spacing.map_or(Spacing::Unknown, |[row, column]| Spacing::Area(row * column)),
        }
    }
}

/// A segmentation with the extent of each segment. Fails with `Malformed` when a label has no segment, with `OutOfScope`
/// when the foreground is a share of the grid that `abstain` excludes.
pub fn segmentation(
    labels: Array3<u16>,
    segments: &[Segment],
    abstain: Option<&SegmentationAbstain>,
    spacing: Spacing,
) -> Result<Finding> {
    let pixels = labels.len().max(1) as f64;
    let labels = LabelMap::new(labels, segments.to_vec()).map_err(|e| {
        Error::malformed("the network gives a label that the package has no segment for").with_source(e)
    })?;
    let extents: Vec<(u64, ExtentMeasure)> = labels
        .counts()
        .into_iter()
        .map(|count| {
            let measure = match spacing {
                Spacing::Volume(mm3) => ExtentMeasure::VolumeMm3(count as f64 * mm3),
                Spacing::Area(mm2) => ExtentMeasure::AreaMm2(count as f64 * mm2),
                Spacing::Unknown => ExtentMeasure::PixelShare(count as f64 / pixels),
            };
            (count, measure)
        })
        .collect();
    if let Some(SegmentationAbstain { foreground_below, foreground_above }) = abstain {
        let share = extents.iter().map(|(count, _)| count).sum::<u64>() as f64 / pixels;
        if share < *foreground_below || share > *foreground_above {
            let message = format!(
                "the result is withheld: {:.2} % of the scan would be foreground, outside the {:.2} to {:.2} % that \
                 are plausible for this model",
                100.0 * share,
                100.0 * foreground_below,
                100.0 * foreground_above
            );
            return Err(Error::new(ErrorKind::OutOfScope, message));
        }
    }
    Ok(Finding::Segmentation { labels, extents })
}

/// Class probabilities from an output of one number a class. Fails with `Malformed` when their numbers differ, with
/// `OutOfScope` when no class is as probable as `abstain` asks.
pub fn classification(
    values: Array4<f32>,
    classes: &[Class],
    abstain: Option<&ClassificationAbstain>,
) -> Result<Finding> {
    if values.len() != classes.len() || values.len_of(Axis(0)) != classes.len() {
        let shape = values.shape();
        return Err(Error::malformed(format!("an output of shape {shape:?} for {} classes", classes.len())));
    }
    if values.iter().any(|v| v.is_nan()) {
        return Err(not_a_number());
    }
    let top = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if let Some(least) = abstain.map(|a| a.top_probability_below).filter(|least| top < *least) {
        let message = format!("the result is withheld: no class is more probable than {top:.3}, {least:.3} is needed");
        return Err(Error::new(ErrorKind::OutOfScope, message));
    }
    let of = |(class, &probability): (&Class, &f32)| {
        let threshold = class.threshold.as_ref().map(|t| t.value);
        Classification {
            label: class.label.clone(),
            concept: class.concept.clone(),
            probability,
            threshold,
            positive: threshold.map(|t| probability >= t),
        }
    };
    Ok(Finding::Classes(classes.iter().zip(&values).map(of).collect()))
}

/// A picture that the network made. Fails when it has other channels than declared, or several slices.
pub fn generated(values: Array4<f32>, channels: usize) -> Result<Finding> {
    let (found, slices, _, _) = values.dim();
    if found != channels {
        return Err(Error::malformed(format!("{found} channels came out, the package declares {channels}")));
    }
    if slices != 1 {
        return Err(Error::unsupported(format!("a generated volume of {slices} slices")));
    }
    Ok(Finding::Generated(values.index_axis_move(Axis(1), 0)))
}
