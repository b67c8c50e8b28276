//! DICOM structured reports: Comprehensive 3D SR (PS3.3 A.35.13) with the Imaging Measurement Report of PS3.16 TID 1500.
//!
//! A segmentation gives a measurement group for each segment that any voxel has; a classifier one for each class. Of a segment in
//! a binary segmentation of the same set, the group refers to that (TID 1411 for a volume, TID 1410 for a picture). Readers of
//! today do not take a Label Map Segmentation for a segmentation that a report may refer to: DCMTK 3.6 then refuses the whole
//! report. Next to a label map alone, a picture's group refers to the convex outline of the segment in its frame, and a volume's
//! group is without a region (TID 1501); the label map is named as pertinent evidence, and the Tracking UID ties both together.

mod groups;
mod library;
mod report;

use std::path::Path;

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use netra_core::{Error, Finding, Findings, Result};
use netra_dicom::write::element::{sequence, text};
use netra_dicom::write::write_part10;

use crate::content::{Evidence, Item};
use crate::identity::NOT_FOR_DIAGNOSIS;
use crate::planes::SourcePlanes;
use crate::{Exporter, Pixels, ResultSet, Source, identity, label_map};

/// What a report is made of.
struct Report<'a> {
    findings: &'a Findings,
    pixels: Pixels<'a>,
    planes: SourcePlanes<'a>,
    set: &'a ResultSet,
}

/// A structured report in the study of its source: partial, unverified and preliminary, even where the [`ResultSet`] names the
/// person who has read the result. That person is an observer; to verify a report is to sign it, which only they can do.
#[derive(Clone, Copy, Debug)]
pub struct Sr;

impl Exporter for Sr {
    fn name(&self) -> &'static str {
        "sr"
    }

    fn file_name(&self, stem: &str) -> String {
        format!("{stem}.sr.dcm")
    }

    fn write(&self, findings: &Findings, source: &Source<'_>, set: &ResultSet, out: &Path) -> Result<()> {
        let planes = SourcePlanes::of(source)?;
        let report = Report { findings, pixels: source.pixels, planes, set };
        let groups = match &findings.finding {
            Finding::Segmentation { extents, .. } => {
                let map = label_map(findings, source, "DICOM SR")?;
                groups::of_segments(&report, map, extents)
            }
            Finding::Classes(classes) => groups::of_classes(&report, classes),
            _ => return Err(Error::unsupported("DICOM SR holds measurements, and this finding has none")),
        };
        let object = data_set(&report, groups)?;
        write_part10(object, uids::EXPLICIT_VR_LITTLE_ENDIAN, out)
    }
}

fn data_set(report: &Report<'_>, groups: Vec<Item>) -> Result<InMemDicomObject> {
    let (set, model, planes) = (report.set, &report.findings.model, &report.planes);
    let mut object = InMemDicomObject::new_empty();
    let series = identity::Series {
        class: uids::COMPREHENSIVE3_DSR_STORAGE,
        modality: "SR",
        description: &format!("{NOT_FOR_DIAGNOSIS}: {}", model.name),
    };
    identity::put(&mut object, "sr", &series, model, planes.header, set)?;
    put_document(&mut object, report);
    report::tree(report, groups).put_as_root(&mut object);
    Ok(object)
}

/// SR Document Series and SR Document General (C.17.1, C.17.2).
fn put_document(object: &mut InMemDicomObject, report: &Report<'_>) {
    identity::put_content(object, report.set);
    text(object, tags::COMPLETION_FLAG, VR::CS, "PARTIAL");
    text(object, tags::COMPLETION_FLAG_DESCRIPTION, VR::LO, NOT_FOR_DIAGNOSIS);
    text(object, tags::VERIFICATION_FLAG, VR::CS, "UNVERIFIED");
    text(object, tags::PRELIMINARY_FLAG, VR::CS, "PRELIMINARY");
    sequence(object, tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, Vec::new());
    sequence(object, tags::PERFORMED_PROCEDURE_CODE_SEQUENCE, Vec::new());

    let planes = &report.planes;
    let mut evidence = Evidence::default();
    evidence.add(&planes.series, planes.instances.iter().map(|i| (&*i.class, &*i.uid)));
    let mut pertinent = Evidence::default();
    if matches!(report.findings.finding, Finding::Segmentation { .. }) {
        for (format, class) in [
            ("seg-binary", uids::SEGMENTATION_STORAGE),
            ("seg", uids::LABEL_MAP_SEGMENTATION_STORAGE),
            ("seg-native", uids::LABEL_MAP_SEGMENTATION_STORAGE),
        ] {
            if report.set.holds(format) {
                let instance = report.set.instance_uid(format);
                let list = if format == "seg-binary" { &mut evidence } else { &mut pertinent };
                list.add(&report.set.series_uid(format), [(class, &*instance)]);
            }
        }
    }
    evidence.put(object, tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, planes.header);
    pertinent.put(object, tags::PERTINENT_OTHER_EVIDENCE_SEQUENCE, planes.header);
}
