//! What a scan holds: volumes, or images that lie nowhere in particular.

use ndarray::{Array3, Axis};
use netra_core::{Image, Result, Volume};
use netra_dicom::{ImageOptions, ReadOptions, Scan, Series, Voi};

use super::{Options, Stage};
use crate::picture::{Axes, View};

pub(super) enum Content {
    Volumes(Vec<Volume>),
    Images(Vec<Image>),
}

/// The voxels of a scan for a format that has a place for geometry. Slices of a patient are a volume, or refused with the
/// reason. A single frame is a slice where it states its place. All else, and colour, is images of modality values.
pub(super) fn grid(scan: &Scan, options: &Options<'_>) -> Result<Content> {
    let images = || images(scan, Voi::Ignore, options).map(Content::Images);
    let reading = |done, total| (options.progress)(Stage::Reading, done, total);
    let read = ReadOptions::new(options.policy).limits(&options.limits).progress(&reading);
    let volumes = || scan.volumes(&read).map(Content::Volumes);
    match scan {
        Scan::Dicom(series) if is_colour(series) => images(),
        Scan::Dicom(series) if series.is_volume() => volumes(),
        // What has no place, or is no plain slice, is an image as long as it is a picture at all.
        Scan::Dicom(series) if series.frames() == 1 => volumes().or_else(|_| images()),
        Scan::Nifti(_) => volumes(),
        _ => images(),
    }
}

/// Every frame as an image; of a NIfTI volume, its axial planes.
pub(super) fn images(scan: &Scan, voi: Voi, options: &Options<'_>) -> Result<Vec<Image>> {
    match scan {
        Scan::Nifti(_) => axial(&scan.volume(&options.limits)?),
        _ => scan.images(&ImageOptions { voi }, &options.limits),
    }
}

/// The axial planes of a volume, feet to head, as a radiologist sees them.
pub(super) fn axial(volume: &Volume) -> Result<Vec<Image>> {
    let axes = Axes::of(volume.geometry());
    let [through, down, across] = View::Axial.axes().map(|world| axes.array[world]);
    let spacing = volume.geometry().spacing();
    let voxels = volume.voxels();
    let mut planes: Vec<usize> = (0..volume.geometry().shape()[through]).collect();
    if axes.reversed[View::Axial.axes()[0]] {
        planes.reverse();
    }
    let image = |index| {
        let plane = axes.plane(&voxels, View::Axial, index).insert_axis(Axis(0));
        let pixels: Array3<f32> = plane.to_owned();
        let values = pixels.iter().copied().filter(|v| v.is_finite());
        let range = values.fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], v| [low.min(v), high.max(v)]);
        let mut image = Image::new(pixels, volume.unit.clone(), range)?;
        image.spacing = Some([spacing[down], spacing[across]]);
        Ok(image)
    };
    planes.into_iter().map(image).collect()
}

/// Images of one size, number of channels and spacing together, in the order of the first of each.
pub(super) fn stacks(images: Vec<Image>) -> Vec<Vec<Image>> {
    let mut stacks: Vec<Vec<Image>> = Vec::new();
    for image in images {
        let alike = |other: &Image| other.pixels().dim() == image.pixels().dim() && other.spacing == image.spacing;
        match stacks.iter_mut().find(|stack| stack.first().is_some_and(alike)) {
            Some(stack) => stack.push(image),
            None => stacks.push(vec![image]),
        }
    }
    stacks
}

/// Images, rows and columns of the first.
pub(super) fn shape(images: &[Image]) -> [usize; 3] {
    let [rows, columns] = images.first().map_or([0; 2], Image::size);
    [images.len(), rows, columns]
}

fn is_colour(series: &Series) -> bool {
    let mut formats = series.instances.iter().filter_map(|instance| instance.pixel_format());
    formats.any(|format| format.samples == 3 || format.photometric == "PALETTE COLOR")
}
