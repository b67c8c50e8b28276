//! A scan without its patient: what exporters are handed when results must name nobody. Everything that is not on a short list
//! of technical attributes is dropped, so that an attribute nobody thought of cannot slip through, and every identifier is
//! replaced, the same one always by the same. The pixels are not looked at: what is burnt into them stays.

use dicom_core::value::{DataSetSequence, Value};
use dicom_core::{DataElement, Length, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags as t;
use dicom_object::InMemDicomObject;
use netra_core::{Acquisition, SliceSource, SourceFrame, Volume};

use crate::attributes::text;
use crate::scan::Scan;
use crate::write::Uids;

/// Kept as they are, in the data set and in items: what the image is, how it lies, what its values mean, what it shows.
#[rustfmt::skip]
const KEPT: &[Tag] = &[
    t::IMAGE_TYPE, t::SOP_CLASS_UID, t::MODALITY, t::CONVERSION_TYPE, t::PRESENTATION_INTENT_TYPE, t::MANUFACTURER,
    t::CODE_VALUE, t::CODING_SCHEME_DESIGNATOR, t::CODE_MEANING, t::ANATOMIC_REGION_SEQUENCE, t::BODY_PART_EXAMINED,
    t::CONTRAST_BOLUS_AGENT, t::SLICE_THICKNESS, t::KVP, t::ECHO_TIME, t::INVERSION_TIME, t::SPACING_BETWEEN_SLICES,
    t::TRIGGER_TIME, t::VIEW_POSITION, t::CONVOLUTION_KERNEL, t::PATIENT_POSITION, t::GANTRY_DETECTOR_TILT,
    t::IMAGER_PIXEL_SPACING, t::DIFFUSION_B_VALUE, t::SERIES_NUMBER, t::ACQUISITION_NUMBER, t::INSTANCE_NUMBER,
    t::PATIENT_ORIENTATION, t::IMAGE_POSITION_PATIENT, t::IMAGE_ORIENTATION_PATIENT, t::IMAGE_LATERALITY, t::LATERALITY,
    t::TEMPORAL_POSITION_IDENTIFIER, t::SAMPLES_PER_PIXEL, t::PHOTOMETRIC_INTERPRETATION, t::PLANAR_CONFIGURATION,
    t::NUMBER_OF_FRAMES, t::ROWS, t::COLUMNS, t::PIXEL_SPACING, t::PIXEL_ASPECT_RATIO, t::BITS_ALLOCATED, t::BITS_STORED,
    t::HIGH_BIT, t::PIXEL_REPRESENTATION, t::WINDOW_CENTER, t::WINDOW_WIDTH, t::RESCALE_INTERCEPT, t::RESCALE_SLOPE,
    t::RESCALE_TYPE, t::VOILUT_FUNCTION, t::LOSSY_IMAGE_COMPRESSION, t::LOSSY_IMAGE_COMPRESSION_RATIO,
    t::LOSSY_IMAGE_COMPRESSION_METHOD, t::MODALITY_LUT_SEQUENCE, t::MODALITY_LUT_TYPE, t::VOILUT_SEQUENCE,
    t::LUT_DESCRIPTOR, t::LUT_DATA, t::PRESENTATION_LUT_SHAPE, t::UNITS, t::BURNED_IN_ANNOTATION,
    t::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, t::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, t::PLANE_POSITION_SEQUENCE,
    t::PLANE_ORIENTATION_SEQUENCE, t::PIXEL_MEASURES_SEQUENCE, t::FRAME_CONTENT_SEQUENCE, t::STACK_ID, t::IN_STACK_POSITION_NUMBER,
    t::TEMPORAL_POSITION_INDEX, t::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, t::FRAME_VOILUT_SEQUENCE, t::FRAME_ANATOMY_SEQUENCE,
    t::FRAME_LATERALITY, t::FRAME_TYPE, t::CT_IMAGE_FRAME_TYPE_SEQUENCE, t::MR_IMAGE_FRAME_TYPE_SEQUENCE,
    t::PET_FRAME_TYPE_SEQUENCE,
];

/// Replaced.
const IDENTIFIERS: &[Tag] =
    &[t::SOP_INSTANCE_UID, t::STUDY_INSTANCE_UID, t::SERIES_INSTANCE_UID, t::FRAME_OF_REFERENCE_UID];

/// Replaces every identifier of a source by one of ours.
#[derive(Clone, Debug)]
pub struct Deidentifier {
    uids: Uids,
}

impl Deidentifier {
    /// One for a batch: the same source identifier becomes the same fresh one as long as the same `uids` are used.
    pub fn new(uids: Uids) -> Self {
        Self { uids }
    }

    /// The identifier that stands for `uid`.
    pub fn uid(&self, uid: &str) -> String {
        self.uids.uid(&format!("deidentified/{uid}"))
    }

    /// The scan without its patient. Its pixels are read from the same files as before, and their paths are unchanged; a scan
    /// that is not DICOM has no patient to lose but in its file's name.
    pub fn scan(&self, scan: &Scan) -> Scan {
        let mut scan = scan.clone();
        if let Scan::Dicom(series) = &mut scan {
            for instance in &mut series.instances {
                instance.file.header = self.header(&instance.file.header);
            }
        }
        scan
    }

    /// A volume whose slices and acquisition name the fresh identifiers.
    pub fn volume(&self, mut volume: Volume) -> Volume {
        volume.acquisition = self.acquisition(volume.acquisition);
        for SliceSource { main, other } in &mut volume.slices {
            self.frame(&mut main.frame);
            other.iter_mut().for_each(|part| self.frame(&mut part.frame));
        }
        volume
    }

    /// The identifiers of an acquisition.
    pub fn acquisition(&self, mut acquisition: Acquisition) -> Acquisition {
        let identifiers = [
            &mut acquisition.study_instance_uid,
            &mut acquisition.series_instance_uid,
            &mut acquisition.frame_of_reference_uid,
        ];
        for uid in identifiers.into_iter().flatten() {
            *uid = self.uid(uid);
        }
        acquisition
    }

    /// The identifier of a frame's instance.
    pub fn frame(&self, frame: &mut SourceFrame) {
        frame.sop_instance_uid = self.uid(&frame.sop_instance_uid);
    }

    fn header(&self, header: &InMemDicomObject) -> InMemDicomObject {
        let mut kept = technical(header);
        for &tag in IDENTIFIERS {
            if let Some(uid) = text(header, tag) {
                kept.put(DataElement::new(tag, VR::UI, PrimitiveValue::from(self.uid(&uid))));
            }
        }
        kept.put(DataElement::new(t::PATIENT_IDENTITY_REMOVED, VR::CS, PrimitiveValue::from("YES")));
        let method = "Netra: technical attributes only, fresh UIDs, pixels unchanged";
        kept.put(DataElement::new(t::DEIDENTIFICATION_METHOD, VR::LO, PrimitiveValue::from(method)));
        kept
    }
}

/// The kept attributes, in items too.
fn technical(object: &InMemDicomObject) -> InMemDicomObject {
    let kept = object.iter().filter(|element| KEPT.contains(&element.header().tag)).map(|element| {
        let Some(items) = element.value().items() else { return element.clone() };
        let items: Vec<InMemDicomObject> = items.iter().map(technical).collect();
        let header = element.header();
        DataElement::new(header.tag, header.vr, Value::Sequence(DataSetSequence::new(items, Length::UNDEFINED)))
    });
    InMemDicomObject::from_element_iter(kept)
}
