//! The planes of the source: where each lies and which stored frame it came from.

use std::collections::HashSet;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{Error, Image, Result, SliceSource, SourceFrame, Volume};
use netra_dicom::Scan;
use netra_dicom::write::element::{first_text, items, numbers};

use crate::{Pixels, Source};

/// One plane of the label map.
pub(super) struct Plane {
    /// The stored frames it came from.
    pub source: SliceSource,
    /// Whether the instance has more than one frame, so that a reference must name the frame.
    pub multi_frame: bool,
    /// Image Position (Patient); `None` for a picture outside any patient space.
    pub position: Option<[f64; 3]>,
}

/// The source of a segmentation, as its object describes it.
pub(super) struct SourcePlanes<'a> {
    /// Header of the instance that the first plane came from.
    pub header: &'a InMemDicomObject,
    /// The planes in the order of the label map; at least one.
    pub planes: Vec<Plane>,
    /// Image Orientation (Patient); present exactly when every plane has a position.
    pub orientation: Option<[f64; 6]>,
    /// Millimetres between (rows, columns); present whenever the planes have positions.
    pub spacing: Option<[f64; 2]>,
    /// Millimetres between slices, for a volume.
    pub between_slices: Option<f64>,
    /// Slice Thickness of the source, when stated.
    pub thickness: Option<f64>,
    /// Frame of Reference UID of the source.
    pub frame_of_reference: Option<String>,
    /// Every instance of the source: SOP Class UID and SOP Instance UID, each once, in order.
    pub instances: Vec<(String, String)>,
    /// Series Instance UID of the source.
    pub series: String,
}

impl<'a> SourcePlanes<'a> {
    /// Fails when the source is not DICOM, or has no identifiers to refer to.
    pub fn of(source: &Source<'a>) -> Result<Self> {
        let Scan::Dicom(series) = source.scan else {
            return Err(Error::unsupported("DICOM SEG refers to DICOM images, and this source is none"));
        };
        let (slices, acquisition) = match source.pixels {
            Pixels::Image(image) => (image.frame.iter().cloned().map(SliceSource::whole).collect(), &image.acquisition),
            Pixels::Volume(volume) => (volume.slices.clone(), &volume.acquisition),
        };
        let slices: Vec<SliceSource> = slices;
        let count = source.pixels.shape()[0];
        let Some(first) = slices.first().map(|slice| slice.main.frame.clone()).filter(|_| slices.len() == count) else {
            return Err(Error::invalid(format!("{count} planes with {} source frames", slices.len())));
        };
        let frames = || slices.iter().flat_map(SliceSource::parts).map(|part| &part.frame);
        let header_of = |frame: &SourceFrame| {
            series
                .instances
                .iter()
                .map(|instance| instance.header())
                .find(|header| {
                    first_text(header, tags::SOP_INSTANCE_UID).as_deref() == Some(frame.sop_instance_uid.as_str())
                })
                .ok_or_else(|| Error::invalid("a source frame of another scan").at(&frame.sop_instance_uid))
        };
        let header = header_of(&first)?;
        for frame in frames() {
            if frame.sop_class_uid.is_empty() || frame.sop_instance_uid.is_empty() {
                return Err(Error::malformed(
                    "a source instance without SOP Class or Instance UID cannot be referred to",
                ));
            }
        }
        let mut seen = HashSet::new();
        let instances = frames()
            .filter(|frame| seen.insert(frame.sop_instance_uid.as_str()))
            .map(|frame| (frame.sop_class_uid.clone(), frame.sop_instance_uid.clone()))
            .collect();
        let series_uid = acquisition
            .series_instance_uid
            .clone()
            .ok_or_else(|| Error::malformed("the source has no Series Instance UID (0020,000E)"))?;
        let multi_frame = numbers(header, tags::NUMBER_OF_FRAMES).is_some_and(|n| n[0] > 1.0);
        let mut planes = Self {
            header,
            planes: Vec::new(),
            orientation: None,
            spacing: None,
            between_slices: None,
            thickness: functional(header, first.frame, tags::PIXEL_MEASURES_SEQUENCE, tags::SLICE_THICKNESS)
                .map(|values| values[0])
                .filter(|&mm| mm > 0.0),
            frame_of_reference: acquisition.frame_of_reference_uid.clone(),
            instances,
            series: series_uid,
        };
        planes.planes = slices.into_iter().map(|source| Plane { source, multi_frame, position: None }).collect();
        match source.pixels {
            Pixels::Volume(volume) => planes.place_volume(volume),
            Pixels::Image(image) => planes.place_image(image),
        }
        Ok(planes)
    }

    /// The grid of a volume gives every plane its place.
    fn place_volume(&mut self, volume: &Volume) {
        let geometry = volume.geometry();
        let spacing = geometry.spacing();
        // Image Orientation: direction of growing column index, then of growing row index (C.7.6.2.1.1).
        let [_, down, across] = geometry.direction();
        self.orientation = Some([across[0], across[1], across[2], down[0], down[1], down[2]]);
        self.spacing = Some([spacing[1], spacing[2]]);
        self.between_slices = (self.planes.len() > 1).then_some(spacing[0]);
        for (slice, plane) in self.planes.iter_mut().enumerate() {
            plane.position = Some(geometry.affine().apply([slice as f64, 0.0, 0.0]));
        }
    }

    /// A single image lies in the patient when its header says where, and in which frame of reference; a radiograph or a
    /// photograph does not.
    fn place_image(&mut self, image: &Image) {
        self.spacing = image.spacing;
        let Some(plane) = self.planes.first_mut() else { return };
        let find = |sequence, tag| functional(self.header, plane.source.main.frame.frame, sequence, tag);
        let position = find(tags::PLANE_POSITION_SEQUENCE, tags::IMAGE_POSITION_PATIENT);
        let orientation = find(tags::PLANE_ORIENTATION_SEQUENCE, tags::IMAGE_ORIENTATION_PATIENT);
        let placed = position.and_then(|p| p.try_into().ok()).zip(orientation.and_then(|o| o.try_into().ok()));
        if let Some((position, orientation)) =
            placed.filter(|_| image.spacing.is_some() && self.frame_of_reference.is_some())
        {
            plane.position = Some(position);
            self.orientation = Some(orientation);
        }
    }
}

/// Numbers of `tag` for frame `frame` (from 1): from its functional group, the shared one, or the data set itself.
fn functional(header: &InMemDicomObject, frame: u32, sequence: Tag, tag: Tag) -> Option<Vec<f64>> {
    let in_group = |group: &InMemDicomObject| items(group, sequence).first().and_then(|item| numbers(item, tag));
    let index = usize::try_from(frame).ok()?.checked_sub(1)?;
    items(header, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)
        .get(index)
        .and_then(in_group)
        .or_else(|| items(header, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first().and_then(in_group))
        .or_else(|| numbers(header, tag))
}
