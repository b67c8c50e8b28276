//! Softcopy Presentation States (PS3.3 A.33.1 for grey images, A.33.2 for colour ones): segments as outlines over the source's own
//! images, for workstations that know no segmentations.

mod graphics;
mod grey;
mod icc;
mod outline;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use dicom_core::value::PrimitiveValue;
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use ndarray::Axis;
use netra_core::{Error, Finding, Findings, LabelMap, ModelIdentity, Result, SourceFrame};
use netra_dicom::write::element::{copy_or_empty, ds, empty, first_text, is, numbers, sequence, sl, text, texts};
use netra_dicom::write::{Moment, write_part10};

use self::outline::Outline;
use crate::identity::NOT_FOR_DIAGNOSIS;
use crate::planes::{Plane, SourcePlanes, functional};
use crate::{Exporter, ResultSet, Source, identity, label_map};

/// A presentation state of every source frame: the outlines of each segment in a layer of its own and in its colour, a line of text
/// that says what this is, and the source's own window. Refused where no segment was found, where the slices are not the stored
/// frames pixel by pixel, and where the frames do not share one rescale.
#[derive(Clone, Copy, Debug)]
pub struct Pr;

/// Each is an object of some hundred bytes; a hundred organs in a large scan have about a hundred thousand.
const MOST_OUTLINES: usize = 1_000_000;

/// A stored frame that is a plane of the label map.
struct Frame<'a> {
    /// Index of the plane.
    plane: usize,
    source: &'a SourceFrame,
    header: &'a InMemDicomObject,
}

/// The outlines on a frame, by label.
type Drawn<'a> = (&'a SourceFrame, BTreeMap<u16, Vec<Outline>>);

impl Exporter for Pr {
    fn name(&self) -> &'static str {
        "pr"
    }

    fn file_name(&self, stem: &str) -> String {
        format!("{stem}.pr.dcm")
    }

    fn shows(&self, finding: &Finding) -> bool {
        !finding.is_negative()
    }

    fn write(&self, findings: &Findings, source: &Source<'_>, set: &ResultSet, out: &Path) -> Result<()> {
        let map = label_map(findings, source, "a presentation state")?;
        let planes = SourcePlanes::of(source)?;
        let frames = frames(&planes)?;
        let mut count = 0;
        let mut drawn: Vec<Drawn<'_>> = Vec::with_capacity(frames.len());
        for frame in &frames {
            let outlines = outline::outlines(map.labels().index_axis(Axis(0), frame.plane));
            count += outlines.values().map(Vec::len).sum::<usize>();
            if count > MOST_OUTLINES {
                return Err(Error::limit(format!("more than {MOST_OUTLINES} outlines to draw")));
            }
            drawn.push((frame.source, outlines));
        }
        if count == 0 {
            return Err(Error::unsupported("no segment was found on a stored frame, so that there is nothing to draw"));
        }

        let [_, rows, columns] = source.pixels.shape();
        let mut object = InMemDicomObject::new_empty();
        let series = identity::Series {
            class: class(&planes),
            modality: "PR",
            description: &format!("{} outlines", findings.model.name),
        };
        identity::put(&mut object, self.name(), &series, &findings.model, planes.header, set)?;
        // Type 2C of the series, asked for where the body part has two sides.
        copy_or_empty(&mut object, planes.header, tags::LATERALITY, VR::CS);
        put_identification(&mut object, &findings.model, set.now());
        put_relationship(&mut object, &planes, &frames);
        put_displayed_area(&mut object, &planes, [rows, columns])?;
        graphics::put(&mut object, &planes, &drawn, map, &findings.model, set)?;
        if is_colour(&planes) {
            put_profile(&mut object, planes.header);
        } else {
            grey::put(&mut object, &planes, &frames)?;
        }
        write_part10(object, uids::EXPLICIT_VR_LITTLE_ENDIAN, out)
    }
}

/// SOP Class UID of the presentation state of a source.
pub(crate) fn class(planes: &SourcePlanes<'_>) -> &'static str {
    match is_colour(planes) {
        true => uids::COLOR_SOFTCOPY_PRESENTATION_STATE_STORAGE,
        false => uids::GRAYSCALE_SOFTCOPY_PRESENTATION_STATE_STORAGE,
    }
}

/// Whether there will be a presentation state of these labels, for whoever refers to it.
pub(crate) fn can_show(map: &LabelMap, planes: &SourcePlanes<'_>) -> bool {
    frames(planes).is_ok_and(|frames| {
        let is_found =
            |frame: &Frame<'_>| map.labels().index_axis(Axis(0), frame.plane).iter().any(|&label| label != 0);
        frames.iter().any(is_found) && (is_colour(planes) || grey::Modality::of_all(&frames).is_ok())
    })
}

/// Three samples a pixel, or a palette's indices.
fn is_colour(planes: &SourcePlanes<'_>) -> bool {
    numbers(planes.header, tags::SAMPLES_PER_PIXEL).is_some_and(|samples| samples[0] > 1.0)
        || first_text(planes.header, tags::PHOTOMETRIC_INTERPRETATION).as_deref() == Some("PALETTE COLOR")
}

/// The stored frames in the order of the planes. Fails unless each is a plane of its own, pixel by pixel: one that was shifted or
/// blended has labels beside its pixels or none at all, and without outlines it would look like one without findings.
fn frames<'p>(planes: &'p SourcePlanes<'_>) -> Result<Vec<Frame<'p>>> {
    let headers: HashMap<&str, &InMemDicomObject> = planes.instances.iter().map(|i| (&*i.uid, i.header)).collect();
    let whole = planes.planes.iter().enumerate().filter(|(_, plane)| plane.source.is_whole());
    let frames: Vec<Frame<'_>> = whole
        .filter_map(|(plane, Plane { source, .. })| {
            let source = &source.main.frame;
            headers.get(&*source.sop_instance_uid).map(|header| Frame { plane, source, header })
        })
        .collect();
    let known: HashSet<(&str, u32)> = frames.iter().map(|frame| key(frame.source)).collect();
    let mut all = planes.planes.iter().flat_map(|plane| plane.source.parts());
    match all.find(|part| !known.contains(&key(&part.frame))) {
        Some(part) => {
            Err(Error::unsupported("the slices were resampled, so that outlines would not lie on stored frames")
                .at(&part.frame.sop_instance_uid))
        }
        None => Ok(frames),
    }
}

fn key(frame: &SourceFrame) -> (&str, u32) {
    (&frame.sop_instance_uid, frame.frame)
}

/// Presentation State Identification (C.11.10).
fn put_identification(object: &mut InMemDicomObject, model: &ModelIdentity, now: &Moment) {
    is(object, tags::INSTANCE_NUMBER, 1);
    text(object, tags::CONTENT_LABEL, VR::CS, "AI_OUTLINES");
    let description = format!("{NOT_FOR_DIAGNOSIS}: {} {}", model.name, model.version);
    text(object, tags::CONTENT_DESCRIPTION, VR::LO, &description);
    empty(object, tags::CONTENT_CREATOR_NAME, VR::PN);
    text(object, tags::PRESENTATION_CREATION_DATE, VR::DA, &now.date);
    text(object, tags::PRESENTATION_CREATION_TIME, VR::TM, &now.time);
}

/// Presentation State Relationship (C.11.11): every frame that was read, with findings or without.
fn put_relationship(object: &mut InMemDicomObject, planes: &SourcePlanes<'_>, frames: &[Frame<'_>]) {
    let mut series = InMemDicomObject::new_empty();
    text(&mut series, tags::SERIES_INSTANCE_UID, VR::UI, &planes.series);
    let references = planes.references(frames.iter().map(|frame| frame.source));
    sequence(&mut series, tags::REFERENCED_IMAGE_SEQUENCE, references);
    sequence(object, tags::REFERENCED_SERIES_SEQUENCE, vec![series]);
}

/// Displayed Area (C.10.4): all of each image, as large as fits. Only a Pixel Spacing becomes the presentation's own, since
/// measures taken on the screen are by it; of other spacings the shape of a pixel alone is kept.
fn put_displayed_area(
    object: &mut InMemDicomObject,
    planes: &SourcePlanes<'_>,
    [rows, columns]: [usize; 2],
) -> Result<()> {
    let (Ok(rows), Ok(columns)) = (i32::try_from(rows), i32::try_from(columns)) else {
        return Err(Error::limit(format!("{rows} x {columns} pixels do not fit a displayed area")));
    };
    let mut area = InMemDicomObject::new_empty();
    sl(&mut area, tags::DISPLAYED_AREA_TOP_LEFT_HAND_CORNER, &[1, 1]);
    sl(&mut area, tags::DISPLAYED_AREA_BOTTOM_RIGHT_HAND_CORNER, &[columns, rows]);
    text(&mut area, tags::PRESENTATION_SIZE_MODE, VR::CS, "SCALE TO FIT");
    let frame = planes.planes.first().map_or(1, |plane| plane.source.main.frame.frame);
    let in_patient = functional(planes.header, frame, tags::PIXEL_MEASURES_SEQUENCE, tags::PIXEL_SPACING);
    match in_patient.filter(|spacing| spacing.len() == 2 && spacing.iter().all(|mm| *mm > 0.0)) {
        Some(spacing) => ds(&mut area, tags::PRESENTATION_PIXEL_SPACING, &spacing),
        None => {
            let stated = numbers(planes.header, tags::PIXEL_ASPECT_RATIO).and_then(|ratio| ratio.try_into().ok());
            let [down, across]: [f64; 2] = stated.or(planes.spacing).filter(|r| r[0] != r[1]).unwrap_or([1.0, 1.0]);
            // Whole numbers, so that a spacing in millimetres is told in nanometres.
            let scale = if down.fract() == 0.0 && across.fract() == 0.0 { 1.0 } else { 1e6 };
            let ratio = [down, across].map(|v| ((v * scale).round().clamp(1.0, 2e9) as i32).to_string());
            texts(&mut area, tags::PRESENTATION_PIXEL_ASPECT_RATIO, VR::IS, &ratio);
        }
    }
    sequence(object, tags::DISPLAYED_AREA_SELECTION_SEQUENCE, vec![area]);
    Ok(())
}

/// ICC Profile (C.11.15): the image's own, else sRGB, which its pixels are taken for.
fn put_profile(object: &mut InMemDicomObject, header: &InMemDicomObject) {
    match header.get(tags::ICC_PROFILE) {
        Some(profile) if !profile.value().to_bytes().map_or(true, |bytes| bytes.is_empty()) => {
            object.put(profile.clone());
        }
        _ => {
            object.put(DataElement::new(tags::ICC_PROFILE, VR::OB, PrimitiveValue::U8(icc::srgb().into())));
            text(object, tags::COLOR_SPACE, VR::CS, "SRGB");
        }
    }
}
