//! A Digital X-Ray Image For Presentation (PS3.3 A.26) made from pixels: how the chest phantom becomes a file.

use dicom_core::value::PrimitiveValue;
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use ndarray::ArrayView2;
use netra_core::{CodedConcept, Error, Result};

use super::element::{self, ds, empty, text, texts, us};
use super::module::{self, Equipment};
use super::{Moment, Uids};

/// Bits Stored of the pixels.
const BITS: u16 = 12;

/// A grey picture and what a DX object must say about it.
#[derive(Clone, Debug)]
pub struct Radiograph<'a> {
    /// `(row, column)`, 12 bits; more absorption is brighter (MONOCHROME2).
    pub pixels: ArrayView2<'a, u16>,
    /// Millimetres between pixel centres on the detector along (row, column).
    pub spacing: [f64; 2],
    /// Patient's Name, components separated by `^`.
    pub patient_name: &'a str,
    /// Patient ID.
    pub patient_id: &'a str,
    /// Body Part Examined, a defined term.
    pub body_part: &'a str,
    /// The same as a code of Anatomic Region (context group 4009).
    pub anatomic_region: CodedConcept,
    /// View Position: PA, AP, LL, RL ...
    pub view_position: &'a str,
    /// The same as a code of View (context group 4010).
    pub view: CodedConcept,
    /// Directions of the first row and first column, for example `["L", "F"]`.
    pub patient_orientation: [&'a str; 2],
    /// Series Description.
    pub description: &'a str,
    /// Whether this is a picture of a phantom (Quality Control Image) instead of a person.
    pub quality_control: bool,
}

impl<'a> Radiograph<'a> {
    /// A frontal chest phantom: `Phantom^Chest`, `NETRA-PHANTOM`, Quality Control Image YES.
    pub fn chest_phantom(pixels: ArrayView2<'a, u16>, spacing: f64) -> Self {
        Self {
            pixels,
            spacing: [spacing, spacing],
            patient_name: "Phantom^Chest",
            patient_id: "NETRA-PHANTOM",
            body_part: "CHEST",
            anatomic_region: sct("816094009", "Chest"),
            view_position: "PA",
            view: sct("272479007", "postero-anterior"),
            patient_orientation: ["L", "F"],
            description: "Simulated chest radiograph",
            quality_control: true,
        }
    }

    /// The data set, ready for [`write_part10`](super::write_part10) in Explicit VR Little Endian. Fails when a pixel
    /// has more than 12 bits, a side is empty or over 65535 pixels, or the spacing is not positive.
    pub fn data_set(&self, uids: &Uids, now: &Moment) -> Result<InMemDicomObject> {
        let (rows, columns) = self.pixels.dim();
        let (Ok(rows), Ok(columns)) = (u16::try_from(rows), u16::try_from(columns)) else {
            return Err(Error::limit(format!("{rows} x {columns} pixels do not fit Rows and Columns")));
        };
        if rows == 0 || columns == 0 || !self.spacing.iter().all(|mm| mm.is_finite() && *mm > 0.0) {
            return Err(Error::invalid(format!(
                "{rows} x {columns} pixels, {:?} mm apart, are no radiograph",
                self.spacing
            )));
        }
        if let Some(value) = self.pixels.iter().find(|&&value| value >> BITS != 0) {
            return Err(Error::invalid(format!("pixel value {value} has more than {BITS} bits")));
        }

        let mut object = InMemDicomObject::new_empty();
        let class = uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION;
        module::sop_common(&mut object, class, &uids.uid("instance"), now);
        self.put_patient_and_study(&mut object, &uids.uid("study"), now);
        module::series(&mut object, "DX", &uids.uid("series"), 1, self.description, now);
        text(&mut object, tags::PRESENTATION_INTENT_TYPE, VR::CS, "FOR PRESENTATION");
        let made_by = Equipment { model_name: "Netra phantom", serial_number: "simulated", versions: &[] };
        module::equipment(&mut object, &made_by);
        self.put_image(&mut object, now);
        self.put_x_ray(&mut object);
        us(&mut object, tags::ROWS, &[rows]);
        us(&mut object, tags::COLUMNS, &[columns]);
        let pixels: Vec<u16> = self.pixels.iter().copied().collect();
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into())));
        Ok(object)
    }

    fn put_patient_and_study(&self, object: &mut InMemDicomObject, study: &str, now: &Moment) {
        text(object, tags::PATIENT_NAME, VR::PN, self.patient_name);
        text(object, tags::PATIENT_ID, VR::LO, self.patient_id);
        empty(object, tags::PATIENT_BIRTH_DATE, VR::DA);
        empty(object, tags::PATIENT_SEX, VR::CS);
        text(object, tags::STUDY_INSTANCE_UID, VR::UI, study);
        text(object, tags::STUDY_DATE, VR::DA, &now.date);
        text(object, tags::STUDY_TIME, VR::TM, &now.time);
        empty(object, tags::REFERRING_PHYSICIAN_NAME, VR::PN);
        text(object, tags::STUDY_ID, VR::SH, "1");
        empty(object, tags::ACCESSION_NUMBER, VR::SH);
    }

    /// General Image, Image Pixel and DX Image (C.7.6.1, C.7.6.3, C.8.11.3).
    fn put_image(&self, object: &mut InMemDicomObject, now: &Moment) {
        texts(object, tags::IMAGE_TYPE, VR::CS, &["ORIGINAL", "PRIMARY"]);
        element::is(object, tags::INSTANCE_NUMBER, 1);
        for (date, time) in [(tags::CONTENT_DATE, tags::CONTENT_TIME), (tags::ACQUISITION_DATE, tags::ACQUISITION_TIME)]
        {
            text(object, date, VR::DA, &now.date);
            text(object, time, VR::TM, &now.time);
        }
        texts(object, tags::PATIENT_ORIENTATION, VR::CS, &self.patient_orientation);
        text(object, tags::BURNED_IN_ANNOTATION, VR::CS, "NO");
        text(object, tags::QUALITY_CONTROL_IMAGE, VR::CS, if self.quality_control { "YES" } else { "NO" });
        text(object, tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00");
        us(object, tags::SAMPLES_PER_PIXEL, &[1]);
        text(object, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
        us(object, tags::BITS_ALLOCATED, &[16]);
        us(object, tags::BITS_STORED, &[BITS]);
        us(object, tags::HIGH_BIT, &[BITS - 1]);
        us(object, tags::PIXEL_REPRESENTATION, &[0]);
        text(object, tags::PRESENTATION_LUT_SHAPE, VR::CS, "IDENTITY");
        ds(object, tags::RESCALE_INTERCEPT, &[0.0]);
        ds(object, tags::RESCALE_SLOPE, &[1.0]);
        text(object, tags::RESCALE_TYPE, VR::LO, "US");
        ds(object, tags::WINDOW_CENTER, &[2048.0]);
        ds(object, tags::WINDOW_WIDTH, &[4096.0]);
        ds(object, tags::PIXEL_SPACING, &self.spacing);
    }

    /// DX Anatomy Imaged, DX Detector, DX Positioning and Acquisition Context (C.8.11.2, C.8.11.4, C.8.11.5, C.7.6.14).
    fn put_x_ray(&self, object: &mut InMemDicomObject) {
        text(object, tags::BODY_PART_EXAMINED, VR::CS, self.body_part);
        element::code(object, tags::ANATOMIC_REGION_SEQUENCE, &self.anatomic_region);
        text(object, tags::IMAGE_LATERALITY, VR::CS, "U");
        text(object, tags::VIEW_POSITION, VR::CS, self.view_position);
        element::code(object, tags::VIEW_CODE_SEQUENCE, &self.view);
        empty(object, tags::POSITIONER_TYPE, VR::CS);
        text(object, tags::PIXEL_INTENSITY_RELATIONSHIP, VR::CS, "LOG");
        // -1: a higher value means less X-ray reached the detector.
        object.put(DataElement::new(
            tags::PIXEL_INTENSITY_RELATIONSHIP_SIGN,
            VR::SS,
            PrimitiveValue::I16([-1].as_slice().into()),
        ));
        text(object, tags::DETECTOR_TYPE, VR::CS, "DIRECT");
        ds(object, tags::IMAGER_PIXEL_SPACING, &self.spacing);
        element::sequence(object, tags::ACQUISITION_CONTEXT_SEQUENCE, Vec::new());
    }
}

fn sct(value: &str, meaning: &str) -> CodedConcept {
    CodedConcept { value: value.to_owned(), scheme: "SCT".to_owned(), meaning: meaning.to_owned() }
}
