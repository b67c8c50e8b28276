//! The picture of a finding as a DICOM Secondary Capture (PS3.3 A.8.1): what a viewer shows that knows no segmentations.

use std::collections::HashSet;
use std::path::Path;

use dicom_core::value::PrimitiveValue;
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use netra_core::{Error, Findings, Result, Rgb, SourceFrame};
use netra_dicom::Scan;
use netra_dicom::write::element::{code, copy_or_empty, dcm, sequence, text, texts, us};
use netra_dicom::write::{module, write_part10};

use crate::colour::AMBER;
use crate::identity::NOT_FOR_DIAGNOSIS;
use crate::planes::{put_size, refer_to_instance};
use crate::{Exporter, Pixels, ResultSet, Source, identity, picture};

const INK: Rgb = [20, 20, 20];

/// The picture of [`Png`](crate::Png) under a banner that says what it is and which model made it, in true colour. It refers to
/// every instance of its source.
#[derive(Clone, Copy, Debug)]
pub struct SecondaryCapture;

impl Exporter for SecondaryCapture {
    fn name(&self) -> &'static str {
        "sc"
    }

    fn file_name(&self, stem: &str) -> String {
        format!("{stem}.sc.dcm")
    }

    fn write(&self, findings: &Findings, source: &Source<'_>, set: &ResultSet, out: &Path) -> Result<()> {
        let Scan::Dicom(series) = source.scan else {
            return Err(Error::unsupported("a Secondary Capture belongs to a DICOM study, and this source is none"));
        };
        let header = series.instances.first().map(netra_dicom::Instance::header);
        let header = header.ok_or_else(|| Error::invalid("a series without instances"))?;
        let object = data_set(self, findings, source, set, header)?;
        write_part10(object, uids::EXPLICIT_VR_LITTLE_ENDIAN, out)
    }
}

fn data_set(
    exporter: &SecondaryCapture,
    findings: &Findings,
    source: &Source<'_>,
    set: &ResultSet,
    header: &InMemDicomObject,
) -> Result<InMemDicomObject> {
    let model = &findings.model;
    let banner = format!("{NOT_FOR_DIAGNOSIS}  \u{b7}  {} {}", model.name, model.version);
    let canvas = picture::drawn(findings, source)?.under_banner(AMBER, INK, &banner);
    let mut object = InMemDicomObject::new_empty();
    let description = format!("{} picture", model.name);
    let series =
        identity::Series { class: uids::SECONDARY_CAPTURE_IMAGE_STORAGE, modality: "OT", description: &description };
    identity::put(&mut object, exporter.name(), &series, model, header, set)?;
    // Type 2C of the series, asked for where the body part has two sides.
    copy_or_empty(&mut object, header, tags::LATERALITY, VR::CS);
    text(&mut object, tags::CONVERSION_TYPE, VR::CS, "WSD");

    texts(&mut object, tags::IMAGE_TYPE, VR::CS, &["DERIVED", "SECONDARY"]);
    identity::put_content(&mut object, set);
    text(&mut object, tags::PATIENT_ORIENTATION, VR::CS, "");
    text(&mut object, tags::DERIVATION_DESCRIPTION, VR::ST, &banner);
    // The words burnt in name a model and no patient (PS3.3 C.7.6.1.1.8 asks whether the patient could be told).
    text(&mut object, tags::BURNED_IN_ANNOTATION, VR::CS, "NO");
    module::lossy_compression_from(&mut object, header);
    sequence(&mut object, tags::SOURCE_IMAGE_SEQUENCE, instances(source).into_iter().map(reference).collect());

    us(&mut object, tags::SAMPLES_PER_PIXEL, &[3]);
    text(&mut object, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
    us(&mut object, tags::PLANAR_CONFIGURATION, &[0]);
    put_size(&mut object, canvas.size())?;
    us(&mut object, tags::BITS_ALLOCATED, &[8]);
    us(&mut object, tags::BITS_STORED, &[8]);
    us(&mut object, tags::HIGH_BIT, &[7]);
    us(&mut object, tags::PIXEL_REPRESENTATION, &[0]);
    let mut pixels = canvas.rgb().to_vec();
    pixels.resize(pixels.len().next_multiple_of(2), 0);
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(pixels.into())));
    Ok(object)
}

/// Each source instance once, in the order of the pixels.
fn instances<'a>(source: &Source<'a>) -> Vec<&'a SourceFrame> {
    let mut seen = HashSet::new();
    let all: Vec<&SourceFrame> = match source.pixels {
        Pixels::Image(image) => image.frame.iter().collect(),
        Pixels::Volume(volume) => {
            volume.slices.iter().flat_map(netra_core::SliceSource::parts).map(|part| &part.frame).collect()
        }
    };
    let named = all.into_iter().filter(|frame| !frame.sop_class_uid.is_empty() && !frame.sop_instance_uid.is_empty());
    named.filter(|frame| seen.insert(frame.sop_instance_uid.as_str())).collect()
}

fn reference(frame: &SourceFrame) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    refer_to_instance(&mut item, &frame.sop_class_uid, &frame.sop_instance_uid);
    let purpose = dcm("121322", "Source image for image processing operation");
    code(&mut item, tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &purpose);
    item
}
