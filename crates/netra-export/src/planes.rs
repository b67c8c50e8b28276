//! The planes of the source: where each lies and which stored frame it came from. What every DICOM result refers to.

use std::collections::{HashMap, HashSet};

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{Error, Image, Result, SliceSource, SourceFrame, Volume};
use netra_dicom::Scan;
use netra_dicom::write::element::{first_text, is, items, numbers, text, texts, us};

use crate::{Pixels, Source};

/// One plane of the label map.
pub(crate) struct Plane {
    /// The stored frames it came from.
    pub source: SliceSource,
    /// Image Position (Patient); `None` for a picture outside any patient space.
    pub position: Option<[f64; 3]>,
}

/// One stored object of the source.
pub(crate) struct Instance<'a> {
    /// SOP Class UID.
    pub class: String,
    /// SOP Instance UID.
    pub uid: String,
    /// Its header.
    pub header: &'a InMemDicomObject,
}

impl Instance<'_> {
    fn frames(&self) -> usize {
        numbers(self.header, tags::NUMBER_OF_FRAMES).map_or(1, |n| n[0] as usize)
    }
}

/// The source of a result, as DICOM objects describe it.
pub(crate) struct SourcePlanes<'a> {
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
    /// Every instance that a plane came from, each once, in the order of the planes.
    pub instances: Vec<Instance<'a>>,
    /// Series Instance UID of the source.
    pub series: String,
    /// Number of frames of each instance with more than one, so that a reference to one of them must name it.
    multi_frame: HashMap<String, usize>,
}

impl<'a> SourcePlanes<'a> {
    /// Fails when the source is not DICOM, or has no identifiers to refer to.
    pub fn of(source: &Source<'a>) -> Result<Self> {
        let Scan::Dicom(series) = source.scan else {
            return Err(Error::unsupported("a DICOM result refers to DICOM images, and this source is none"));
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
        let mut headers = HashMap::new();
        for header in series.instances.iter().map(|instance| instance.header()) {
            if let Some(uid) = first_text(header, tags::SOP_INSTANCE_UID) {
                headers.entry(uid).or_insert(header);
            }
        }
        let mut seen = HashSet::new();
        let frames = slices.iter().flat_map(SliceSource::parts).map(|part| &part.frame);
        let instances: Vec<Instance<'a>> = frames
            .filter(|frame| seen.insert(frame.sop_instance_uid.as_str()))
            .map(|frame| instance(frame, &headers))
            .collect::<Result<_>>()?;
        let Some(header) = instances.iter().find(|i| i.uid == first.sop_instance_uid).map(|i| i.header) else {
            return Err(Error::invalid("a source without instances"));
        };
        let series_uid = acquisition
            .series_instance_uid
            .clone()
            .ok_or_else(|| Error::malformed("the source has no Series Instance UID (0020,000E)"))?;
        let multi_frame = instances.iter().map(|i| (i.uid.clone(), i.frames())).filter(|(_, n)| *n > 1).collect();
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
            multi_frame,
        };
        planes.planes = slices.into_iter().map(|source| Plane { source, position: None }).collect();
        match source.pixels {
            Pixels::Volume(volume) => planes.place_volume(volume),
            Pixels::Image(image) => planes.place_image(image),
        }
        Ok(planes)
    }

    /// Puts the reference to a stored frame (PS3.3 table 10-3): class, instance, and the frame's number where there are several.
    pub fn refer_to(&self, frame: &SourceFrame, reference: &mut InMemDicomObject) {
        refer_to_instance(reference, &frame.sop_class_uid, &frame.sop_instance_uid);
        if self.multi_frame.contains_key(&frame.sop_instance_uid) {
            // Frame numbers are 32 bits in our types and an integer string, at most 2^31 - 1, in the standard.
            is(reference, tags::REFERENCED_FRAME_NUMBER, i32::try_from(frame.frame).unwrap_or(i32::MAX));
        }
    }

    /// References to stored frames, an instance each; with the numbers of the frames where these are not all that it has.
    pub fn references<'f>(&self, frames: impl IntoIterator<Item = &'f SourceFrame>) -> Vec<InMemDicomObject> {
        let mut places = HashMap::new();
        let mut instances: Vec<(&SourceFrame, Vec<u32>)> = Vec::new();
        for frame in frames {
            let place = *places.entry(&*frame.sop_instance_uid).or_insert(instances.len());
            if place == instances.len() {
                instances.push((frame, Vec::new()));
            }
            instances[place].1.push(frame.frame);
        }
        let mut references = Vec::with_capacity(instances.len());
        for (frame, mut numbers) in instances {
            numbers.sort_unstable();
            let all = self.multi_frame.get(&frame.sop_instance_uid).is_none_or(|count| *count == numbers.len());
            // A value has at most 65,534 bytes: more frames are named in a reference of their own.
            for numbers in numbers.chunks(if all { numbers.len() } else { 8000 }) {
                let mut reference = InMemDicomObject::new_empty();
                refer_to_instance(&mut reference, &frame.sop_class_uid, &frame.sop_instance_uid);
                if !all {
                    let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
                    texts(&mut reference, tags::REFERENCED_FRAME_NUMBER, VR::IS, &numbers);
                }
                references.push(reference);
            }
        }
        references
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

/// Puts Rows and Columns. Fails with `Limit` when either has no 16 bits.
pub(crate) fn put_size(object: &mut InMemDicomObject, [rows, columns]: [usize; 2]) -> Result<()> {
    let (Ok(height), Ok(width)) = (u16::try_from(rows), u16::try_from(columns)) else {
        return Err(Error::limit(format!("{rows} x {columns} pixels do not fit Rows and Columns")));
    };
    us(object, tags::ROWS, &[height]);
    us(object, tags::COLUMNS, &[width]);
    Ok(())
}

/// Puts class and instance into a reference (PS3.3 table 10-11).
pub(crate) fn refer_to_instance(reference: &mut InMemDicomObject, class: &str, instance: &str) {
    text(reference, tags::REFERENCED_SOP_CLASS_UID, VR::UI, class);
    text(reference, tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, instance);
}

/// The instance that a frame belongs to. Fails when it cannot be referred to, or is not of this scan.
fn instance<'a>(frame: &SourceFrame, headers: &HashMap<String, &'a InMemDicomObject>) -> Result<Instance<'a>> {
    let (class, uid) = (frame.sop_class_uid.clone(), frame.sop_instance_uid.clone());
    if class.is_empty() || uid.is_empty() {
        return Err(Error::malformed("a source instance without SOP Class or Instance UID cannot be referred to"));
    }
    let header = headers.get(&uid).ok_or_else(|| Error::invalid("a source frame of another scan").at(&uid))?;
    Ok(Instance { class, uid, header })
}

/// Numbers of `tag` for frame `frame` (from 1): from its functional group, the shared one, or the data set itself.
pub(crate) fn functional(header: &InMemDicomObject, frame: u32, sequence: Tag, tag: Tag) -> Option<Vec<f64>> {
    group_or_root(header, frame, sequence, |group| numbers(group, tag).is_some()).and_then(|group| numbers(group, tag))
}

/// The functional group `sequence` of frame `frame` (from 1), the shared one, or the data set itself: the first that `holds` what
/// is asked for.
pub(crate) fn group_or_root(
    header: &InMemDicomObject,
    frame: u32,
    sequence: Tag,
    holds: impl Fn(&InMemDicomObject) -> bool,
) -> Option<&InMemDicomObject> {
    let index = usize::try_from(frame).ok()?.checked_sub(1)?;
    let own = items(header, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).get(index);
    let shared = items(header, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first();
    let groups = [own, shared].into_iter().flatten().filter_map(|groups| items(groups, sequence).first());
    groups.chain([header]).find(|group| holds(group))
}
