//! Measurement groups (PS3.16 TID 1410, 1411 and 1501): one for each segment, or one for each class.

use dicom_dictionary_std::{tags, uids};
use netra_core::{Classification, CodedConcept, ExtentMeasure, LabelMap, Segment, SourceFrame};
use netra_dicom::write::element::is;

use super::Report;
use super::extent;
use super::library::{MILLIMETRE, SOURCE};
use crate::content::{Is, Item, Term, refer_to_segment};
use crate::planes::refer_to_instance;
use crate::seg::{BinaryPlace, binary_places};
use crate::{Pixels, quantity};

const GROUP: Term = Term("125007", "DCM", "Measurement Group");
const FINDING: Term = Term("121071", "DCM", "Finding");

/// A group for each segment that any voxel has: an absent one is no finding, and the report names it in a comment.
pub(super) fn of_segments(report: &Report<'_>, map: &LabelMap, extents: &[(u64, ExtentMeasure)]) -> Vec<Item> {
    let corners = extent::corners(map.labels(), map.segments());
    let places = if report.set.holds("seg-binary") { binary_places(map) } else { Vec::new() };
    let segments = map.segments().iter().zip(extents).zip(&corners);
    segments
        .filter(|((_, (voxels, _)), _)| *voxels > 0)
        .map(|((segment, (_, extent)), corners)| {
            let place = places.iter().find(|place| place.label == segment.number);
            let (template, region) = region(report, place, corners);
            let identifier = format!("{}/{}", report.findings.model.id, segment.label);
            let mut items = tracking(&identifier, &report.set.tracking_uid(segment));
            items.extend(meaning(segment));
            items.extend(algorithm(report, None));
            items.extend(measurements(report, extent, corners));
            items.extend(region);
            Item::template(Is::Contained, GROUP, template).with(items)
        })
        .collect()
}

/// A group for each class: its probability as the certainty of that finding, and, where the package states a threshold, whether
/// the finding is present. The class is no Finding of the group itself, since a reader who stops there would take an unlikely
/// class for one that was found.
pub(super) fn of_classes(report: &Report<'_>, classes: &[Classification]) -> Vec<Item> {
    let certainty = Term("111012", "DCM", "Certainty of Finding");
    let percent = Term("%", "UCUM", "Percent");
    let group = |(index, class): (usize, &Classification)| {
        let identifier = format!("{}/{}", report.findings.model.id, class.label);
        let mut items = tracking(&identifier, &report.set.uid(&format!("tracking/class/{index}")));
        items.extend(algorithm(report, class.threshold));
        let of = match coded(&class.concept) {
            Some(concept) => Item::code(Is::ConceptModifier, FINDING, concept),
            None => Item::text(Is::ConceptModifier, FINDING, &class.label),
        };
        let probability = quantity::decimal(class.probability) * 100.0;
        items.push(Item::number(Is::Contained, certainty, probability, percent).with(vec![of]));
        if let Some(positive) = class.positive {
            let (answer, word) = match positive {
                true => (Term("52101004", "SCT", "Present"), "present"),
                false => (Term("272519000", "SCT", "Absent"), "absent"),
            };
            items.push(match coded(&class.concept) {
                Some(concept) => Item::code(Is::Contained, concept, answer),
                None => Item::text(Is::Contained, FINDING, &format!("{}: {word}", class.label)),
            });
        }
        if let Pixels::Image(image) = report.pixels {
            let source = Term("121112", "DCM", "Source of Measurement");
            items.extend(image.frame.iter().map(|frame| source_image(report, Is::Contained, source, frame)));
        }
        Item::template(Is::Contained, GROUP, "1501").with(items)
    };
    classes.iter().enumerate().map(group).collect()
}

fn tracking(identifier: &str, uid: &str) -> Vec<Item> {
    vec![
        Item::text(Is::ObservationContext, Term("112039", "DCM", "Tracking Identifier"), identifier),
        Item::uid(Is::ObservationContext, Term("112040", "DCM", "Tracking Unique Identifier"), uid),
    ]
}

/// Finding category, finding, and site: a segment that is an anatomical structure is its own site, another has none.
fn meaning(segment: &Segment) -> Vec<Item> {
    let mut items = Vec::new();
    if let Some(category) = coded(&segment.category) {
        items.push(Item::code(Is::Contained, Term("276214006", "SCT", "Finding category"), category));
    }
    match coded(&segment.property_type) {
        Some(concept) => {
            items.push(Item::code(Is::Contained, FINDING, concept.clone()));
            if segment.category.scheme == "SCT" && segment.category.value == "91723000" {
                items.push(Item::code(Is::ConceptModifier, Term("363698007", "SCT", "Finding Site"), concept));
            }
        }
        None => items.push(Item::text(Is::Contained, FINDING, &segment.label)),
    }
    items
}

/// Which model, in which version (TID 4019), and above which probability it says yes.
fn algorithm(report: &Report<'_>, threshold: Option<f32>) -> Vec<Item> {
    let model = &report.findings.model;
    let term = |value, meaning| Term(value, "DCM", meaning);
    let parameter = |value: &str| Item::text(Is::ConceptModifier, term("111002", "Algorithm Parameters"), value);
    let mut items = vec![
        Item::text(Is::ConceptModifier, term("111001", "Algorithm Name"), &model.name),
        Item::text(Is::ConceptModifier, term("111003", "Algorithm Version"), &model.version),
        parameter(&format!("package={} sha256={}", model.id, model.digest)),
    ];
    items.extend(threshold.map(|threshold| parameter(&format!("threshold={threshold}"))));
    let intelligence = term("123110", "Artificial Intelligence");
    items.push(Item::code(Is::ConceptModifier, term("111000", "Algorithm Family"), intelligence));
    items
}

/// Size and long axis in units of length. A photograph without spacing has neither.
fn measurements(report: &Report<'_>, extent: &ExtentMeasure, corners: &[[i64; 3]]) -> Vec<Item> {
    let (name, size, unit) = match extent {
        ExtentMeasure::VolumeMm3(size) => (Term("118565006", "SCT", "Volume"), *size, ("mm3", "cubic millimeter")),
        ExtentMeasure::AreaMm2(size) => (Term("42798000", "SCT", "Area"), *size, ("mm2", "square millimeter")),
        ExtentMeasure::PixelShare(_) => return Vec::new(),
    };
    let mut items = vec![Item::number(Is::Contained, name, size, Term(unit.0, "UCUM", unit.1))];
    let step = match report.pixels {
        Pixels::Volume(volume) => Some([0, 1, 2].map(|axis| volume.geometry().affine().step(axis))),
        Pixels::Image(image) => image.spacing.map(|[row, column]| [[0.0; 3], [0.0, row, 0.0], [column, 0.0, 0.0]]),
    };
    if let Some(step) = step {
        let axis = Term("103339001", "SCT", "Long axis");
        items.push(Item::number(Is::Contained, axis, extent::longest(corners, step), MILLIMETRE));
    }
    items
}

/// Where the segment lies, and the template that this makes of its group.
fn region(report: &Report<'_>, place: Option<&BinaryPlace>, corners: &[[i64; 3]]) -> (&'static str, Vec<Item>) {
    let instance = report.set.instance_uid("seg-binary");
    let segmentation = uids::SEGMENTATION_STORAGE;
    match (report.pixels, place) {
        (Pixels::Volume(_), Some(place)) => {
            let name = Term("121191", "DCM", "Referenced Segment");
            let segment = Item::image(Is::Contained, name, |reference| {
                refer_to_segment(reference, segmentation, &instance, place.number);
            });
            let series = Term("121232", "DCM", "Source series for segmentation");
            ("1411", vec![segment, Item::uid(Is::Contained, series, &report.planes.series)])
        }
        (Pixels::Volume(_), None) => ("1501", Vec::new()),
        (Pixels::Image(image), Some(place)) => {
            let name = Term("121214", "DCM", "Referenced Segmentation Frame");
            // The frame alone: it belongs to one segment, and a reference has either a frame or a segment.
            let frame = Item::image(Is::Contained, name, |reference| {
                refer_to_instance(reference, segmentation, &instance);
                is(reference, tags::REFERENCED_FRAME_NUMBER, place.first_frame.unwrap_or(1));
            });
            let name = Term("121233", "DCM", "Source image for segmentation");
            let sources = image.frame.iter().map(|source| source_image(report, Is::Contained, name, source));
            ("1410", std::iter::once(frame).chain(sources).collect())
        }
        (Pixels::Image(image), None) => {
            let sources = image.frame.iter().map(|source| source_image(report, Is::SelectedFrom, SOURCE, source));
            let name = Term("111030", "DCM", "Image Region");
            let outline = Item::outline(Is::Contained, name, &extent::outline(corners));
            ("1410", vec![outline.with(sources.collect())])
        }
    }
}

fn source_image(report: &Report<'_>, is: Is, name: Term, frame: &SourceFrame) -> Item {
    Item::image(is, name, |reference| report.planes.refer_to(frame, reference))
}

/// The concept, when the package states one; a report never makes one up.
fn coded(concept: &CodedConcept) -> Option<CodedConcept> {
    let stated = [&concept.value, &concept.scheme, &concept.meaning].iter().all(|part| !part.trim().is_empty());
    stated.then(|| concept.clone())
}
