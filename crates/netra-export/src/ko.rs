//! Key Object Selection Documents (PS3.3 A.35.4, C.17.6; PS3.16 TID 2010): which images of a study to look at, and which results
//! lie beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use netra_core::{Error, Finding, Findings, LabelMap, ModelIdentity, Result, SourceFrame};
use netra_dicom::write::element::sequence;
use netra_dicom::write::write_part10;

use crate::content::{Evidence, Is, Item, Term, device_observer, language, person_observer};
use crate::identity::NOT_FOR_DIAGNOSIS;
use crate::planes::{SourcePlanes, refer_to_instance};
use crate::{Exporter, Pixels, ResultSet, Source, identity, label_map, pr};

/// A selection titled Of Interest (113000, DCM): for each segment that was found the frame that shows most of it, of a picture the
/// picture, then the results of the same set that a viewer can open. Label maps are not among these: to DCMTK 3.6 they are no
/// images, and it refuses a document that refers to one. Where nothing was found, there is nothing to point at and the
/// selection is refused; so it is of classes in a whole volume, which no frame of it stands for.
#[derive(Clone, Copy, Debug)]
pub struct Ko;

impl Exporter for Ko {
    fn name(&self) -> &'static str {
        "ko"
    }

    fn file_name(&self, stem: &str) -> String {
        format!("{stem}.ko.dcm")
    }

    fn shows(&self, finding: &Finding) -> bool {
        !finding.is_negative()
    }

    fn write(&self, findings: &Findings, source: &Source<'_>, set: &ResultSet, out: &Path) -> Result<()> {
        let planes = SourcePlanes::of(source)?;
        let frames = frames(findings, source, &planes)?;
        let object = data_set(findings, &planes, &frames, set)?;
        write_part10(object, uids::EXPLICIT_VR_LITTLE_ENDIAN, out)
    }
}

/// The source frames that show what was found, each once, in the order of the planes.
fn frames<'p>(findings: &Findings, source: &Source<'_>, planes: &'p SourcePlanes<'_>) -> Result<Vec<&'p SourceFrame>> {
    let shown: Vec<usize> = match (&findings.finding, source.pixels) {
        (Finding::Segmentation { .. }, _) => {
            fullest_planes(label_map(findings, source, "a key object selection")?).into_iter().collect()
        }
        (finding @ Finding::Classes(_), Pixels::Image(_)) if finding.is_negative() => Vec::new(),
        // A class without a threshold may well be there.
        (Finding::Classes(_), Pixels::Image(_)) => vec![0],
        (Finding::Classes(_), Pixels::Volume(_)) => {
            return Err(Error::unsupported("classes of a whole volume point at no frame of it"));
        }
        _ => return Err(Error::unsupported("a generated picture is no finding to point at")),
    };
    let mut frames: Vec<&SourceFrame> =
        shown.into_iter().filter_map(|plane| planes.planes.get(plane)).map(|plane| &plane.source.main.frame).collect();
    frames.dedup();
    if frames.is_empty() {
        return Err(Error::unsupported("nothing was found, so that a key object selection has nothing to point at"));
    }
    Ok(frames)
}

/// For each segment that any voxel has, the plane with most of its voxels; the first of equals.
fn fullest_planes(map: &LabelMap) -> BTreeSet<usize> {
    let mut fullest: BTreeMap<u16, (u64, usize)> = BTreeMap::new();
    let mut counts = vec![0u64; usize::from(u16::MAX) + 1];
    for (plane, labels) in map.labels().outer_iter().enumerate() {
        counts.fill(0);
        labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
        for segment in map.segments() {
            let count = counts[usize::from(segment.number)];
            let most = fullest.entry(segment.number).or_insert((0, plane));
            if count > most.0 {
                *most = (count, plane);
            }
        }
    }
    fullest.into_values().filter(|(count, _)| *count > 0).map(|(_, plane)| plane).collect()
}

fn data_set(
    findings: &Findings,
    planes: &SourcePlanes<'_>,
    frames: &[&SourceFrame],
    set: &ResultSet,
) -> Result<InMemDicomObject> {
    let model = &findings.model;
    let mut object = InMemDicomObject::new_empty();
    let series = identity::Series {
        class: uids::KEY_OBJECT_SELECTION_DOCUMENT_STORAGE,
        modality: "KO",
        description: &format!("{NOT_FOR_DIAGNOSIS}: {}", model.name),
    };
    identity::put(&mut object, "ko", &series, model, planes.header, set)?;
    identity::put_content(&mut object, set);
    sequence(&mut object, tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, Vec::new());

    let results = results(findings, planes, set);
    let mut evidence = Evidence::default();
    let named: BTreeSet<&str> = frames.iter().map(|frame| &*frame.sop_instance_uid).collect();
    let instances = planes.instances.iter().filter(|instance| named.contains(&*instance.uid));
    evidence.add(&planes.series, instances.map(|instance| (&*instance.class, &*instance.uid)));
    for result in &results {
        evidence.add(&set.series_uid(result.format), [(result.class, &*set.instance_uid(result.format))]);
    }
    evidence.put(&mut object, tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, planes.header);

    let mut below = vec![language()];
    below.extend(person_observer(set));
    below.extend(device_observer(model));
    below.push(description(model));
    below.extend(frames.iter().map(|frame| Item::key_image(|reference| planes.refer_to(frame, reference))));
    below.extend(results.iter().map(|result| {
        let uid = set.instance_uid(result.format);
        let refer = |reference: &mut InMemDicomObject| refer_to_instance(reference, result.class, &uid);
        if result.is_image { Item::key_image(refer) } else { Item::key_object(refer) }
    }));
    let title = Term("113000", "DCM", "Of Interest");
    Item::template(Is::Contained, title, "2010").with(below).put_as_root(&mut object);
    Ok(object)
}

fn description(model: &ModelIdentity) -> Item {
    let name = Term("113012", "DCM", "Key Object Description");
    Item::text(Is::Contained, name, &format!("{NOT_FOR_DIAGNOSIS}: {} {}", model.name, model.version))
}

/// A file of the set that a viewer can open.
struct Opened {
    format: &'static str,
    class: &'static str,
    /// Whether it has pixels: then it is an IMAGE in the tree.
    is_image: bool,
}

/// The results to list: of a classifier there is no segmentation and no presentation state, whatever the set was asked for.
fn results(findings: &Findings, planes: &SourcePlanes<'_>, set: &ResultSet) -> Vec<Opened> {
    let mut results = vec![
        Opened { format: "sc", class: uids::SECONDARY_CAPTURE_IMAGE_STORAGE, is_image: true },
        Opened { format: "sr", class: uids::COMPREHENSIVE3_DSR_STORAGE, is_image: false },
    ];
    if let Finding::Segmentation { labels, .. } = &findings.finding {
        results.push(Opened { format: "seg-binary", class: uids::SEGMENTATION_STORAGE, is_image: true });
        if pr::can_show(labels, planes) {
            results.push(Opened { format: "pr", class: pr::class(planes), is_image: false });
        }
    }
    results.retain(|result| set.holds(result.format));
    results
}
