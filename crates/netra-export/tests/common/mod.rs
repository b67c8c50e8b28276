//! Sources made in code, a label map for each, and the folder that holds them.
// Each test crate uses its own part of this.
#![allow(dead_code, clippy::unwrap_used)]

pub mod peers;

use std::path::{Path, PathBuf};

use dicom_core::value::PrimitiveValue;
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use ndarray::{Array2, Array3};
use netra_core::{
    BackendIdentity, CodedConcept, ExtentMeasure, Finding, Findings, Image, LabelMap, Limits, ModelIdentity, Segment,
    SourceFrame, StageTiming, Volume, Warning,
};
use netra_dicom::write::element::{ds, empty, is, sequence, text, texts, us};
use netra_dicom::write::{Moment, Uids, dx::Radiograph, module, write_part10};
use netra_dicom::{Deidentifier, GeometryPolicy, ImageOptions, ReadOptions, Scan};
use netra_export::{NAMES, Pixels, ResultSet, Source};

pub const PATIENT: &str = "Prüfung^Export";
pub const PATIENT_ID: &str = "PHI-4711";

/// A scan with its pixels and the folder of its files.
pub struct Case {
    pub name: &'static str,
    pub folder: PathBuf,
    pub scan: Scan,
    pub pixels: Owned,
}

pub enum Owned {
    Image(Box<Image>),
    Volume(Box<Volume>),
}

impl Case {
    pub fn source(&self) -> Source<'_> {
        let pixels = match &self.pixels {
            Owned::Image(image) => Pixels::Image(image),
            Owned::Volume(volume) => Pixels::Volume(volume),
        };
        Source { scan: &self.scan, pixels }
    }

    pub fn frames(&self) -> Vec<SourceFrame> {
        match &self.pixels {
            Owned::Image(image) => image.frame.iter().cloned().collect(),
            Owned::Volume(volume) => volume.frames().cloned().collect(),
        }
    }

    /// Opens `folder` and takes its first scan as a volume, or its first image.
    pub fn open(name: &'static str, folder: &Path) -> Self {
        let limits = Limits::default();
        let mut collection = netra_dicom::open(folder, &limits).expect("opens");
        assert!(!collection.scans.is_empty(), "{name}: {:?}", collection.refused);
        let scan = collection.scans.remove(0);
        let pixels = if scan.is_volume() {
            Owned::Volume(Box::new(scan.volume(&limits).expect("a volume")))
        } else {
            let images = scan.images(&ImageOptions::default(), &limits).expect("images");
            Owned::Image(Box::new(images.into_iter().next().expect("one image")))
        };
        Self { name, folder: folder.to_owned(), scan, pixels }
    }

    /// Opens `folder` and takes its first scan as a volume on a regular grid that its frames do not lie on.
    pub fn open_corrected(name: &'static str, folder: &Path) -> Self {
        let scan = netra_dicom::open(folder, &Limits::default()).expect("opens").scans.remove(0);
        let volumes = scan.volumes(&ReadOptions::new(GeometryPolicy::Correct)).expect("corrected");
        let volume = volumes.into_iter().next().expect("a volume");
        assert!(volume.slices.iter().any(|slice| !slice.is_whole()), "{name} needed no correction");
        Self { name, folder: folder.to_owned(), scan, pixels: Owned::Volume(Box::new(volume)) }
    }

    /// Blocks of the labels 1, 2 and `last`, different in every slice; the first slice of a volume stays empty, and its last has no label 2.
    pub fn findings(&self, last: u16) -> Findings {
        let [slices, rows, columns] = self.source().pixels.shape();
        let labels = Array3::from_shape_fn((slices, rows, columns), |(s, r, c)| {
            let label = [0, 1, 2, last][(r * 4 / rows + c * 3 / columns + s) % 4];
            let left_out = slices > 1 && (s == 0 || (s == slices - 1 && label == 2));
            if left_out { 0 } else { label }
        });
        findings(labels, &[1, 2, last])
    }

    /// Gives the segments their true sizes.
    pub fn measure(&self, findings: &mut Findings) {
        let Finding::Segmentation { labels, extents } = &mut findings.finding else { panic!("labels") };
        let size = |n: u64| match &self.pixels {
            Owned::Volume(volume) => ExtentMeasure::VolumeMm3(n as f64 * volume.geometry().voxel_volume()),
            Owned::Image(image) => match image.spacing {
                Some([row, column]) => ExtentMeasure::AreaMm2(n as f64 * row * column),
                None => ExtentMeasure::PixelShare(n as f64 / labels.labels().len() as f64),
            },
        };
        *extents = labels.counts().into_iter().map(|n| (n, size(n))).collect();
    }

    /// As exporters are handed it when results must name nobody.
    pub fn deidentified(&self) -> Self {
        let nobody = Deidentifier::new(Uids::derived("nobody"));
        let pixels = match &self.pixels {
            Owned::Volume(volume) => Owned::Volume(Box::new(nobody.volume((**volume).clone()))),
            Owned::Image(image) => {
                let mut image = (**image).clone();
                image.acquisition = nobody.acquisition(image.acquisition);
                image.frame.iter_mut().for_each(|frame| nobody.frame(frame));
                Owned::Image(Box::new(image))
            }
        };
        Self { name: self.name, folder: self.folder.clone(), scan: nobody.scan(&self.scan), pixels }
    }

    /// Whether a slice is something else than a stored frame, pixel by pixel.
    pub fn is_corrected(&self) -> bool {
        matches!(&self.pixels, Owned::Volume(volume) if volume.slices.iter().any(|slice| !slice.is_whole()))
    }

    /// The files that it was read from; none of an archive.
    pub fn files(&self) -> Vec<PathBuf> {
        if self.folder.is_dir() {
            std::fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path()).collect()
        } else {
            Some(self.folder.clone())
                .filter(|path| path.extension().is_none_or(|end| end != "zip"))
                .into_iter()
                .collect()
        }
    }
}

/// A set with fresh identifiers.
pub fn set() -> ResultSet {
    ResultSet::new(&NAMES).unwrap()
}

pub fn findings(labels: Array3<u16>, numbers: &[u16]) -> Findings {
    let concept = |value: &str, meaning: &str| CodedConcept {
        value: value.to_owned(),
        scheme: "SCT".to_owned(),
        meaning: meaning.to_owned(),
    };
    let types = [("39607008", "Lung"), ("80891009", "Heart"), ("12738006", "Brain")];
    let colours = [[66, 165, 245], [239, 108, 0], [102, 187, 106]];
    let segments: Vec<Segment> = numbers
        .iter()
        .enumerate()
        .map(|(i, &number)| Segment {
            number,
            label: format!("Segment {number}"),
            category: concept("91723000", "Anatomical Structure"),
            property_type: concept(types[i % 3].0, types[i % 3].1),
            colour: colours[i % 3],
        })
        .collect();
    let map = LabelMap::new(labels, segments).expect("valid labels");
    let extents = map.counts().into_iter().map(|n| (n, ExtentMeasure::VolumeMm3(n as f64))).collect();
    let model = ModelIdentity {
        id: "test-blocks".to_owned(),
        name: "Test blocks".to_owned(),
        version: "1.2.3".to_owned(),
        digest: "0123456789abcdef".repeat(4),
    };
    let backend = BackendIdentity {
        name: "cpu".to_owned(),
        device: "test".to_owned(),
        precision: "fast".to_owned(),
        tuning: None,
        resident: false,
    };
    let mut findings = Findings::new(model, backend, Finding::Segmentation { labels: map, extents });
    findings.timings.push(StageTiming { stage: "network".to_owned(), seconds: 0.25 });
    findings.warnings.push(Warning { code: "test".to_owned(), message: "Only a test".to_owned() });
    findings
}

/// The sources of the tests, written under `root` and read back.
pub fn cases(root: &Path) -> Vec<Case> {
    let make = |name: &'static str, write: fn(&Path)| {
        let folder = root.join(name);
        std::fs::create_dir(&folder).expect("folder");
        write(&folder);
        Case::open(name, &folder)
    };
    vec![
        make("ct", write_ct),
        make("enhanced", |folder| write_multi_frame(folder, uids::ENHANCED_MR_IMAGE_STORAGE, "MR")),
        make("dx", write_dx),
        make("photo", write_photo),
        make("legacy", |folder| write_multi_frame(folder, uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE, "CT")),
    ]
}

/// A series that lacks its third slice, which is put in between its neighbours.
pub fn corrected(root: &Path) -> Case {
    let folder = root.join("corrected");
    std::fs::create_dir(&folder).expect("folder");
    write_ct(&folder);
    std::fs::remove_file(folder.join("2.dcm")).unwrap();
    Case::open_corrected("corrected", &folder)
}

fn record(object: &mut InMemDicomObject, class: &str, modality: &str, uids: &Uids, instance: &str) {
    let now = Moment::now();
    module::sop_common(object, class, &uids.uid(instance), &now);
    text(object, tags::PATIENT_NAME, VR::PN, PATIENT);
    text(object, tags::PATIENT_ID, VR::LO, PATIENT_ID);
    text(object, tags::PATIENT_BIRTH_DATE, VR::DA, "19700131");
    text(object, tags::PATIENT_SEX, VR::CS, "O");
    text(object, tags::STUDY_INSTANCE_UID, VR::UI, &uids.uid("study"));
    text(object, tags::STUDY_DATE, VR::DA, "20240501");
    text(object, tags::STUDY_TIME, VR::TM, "101500");
    empty(object, tags::REFERRING_PHYSICIAN_NAME, VR::PN);
    text(object, tags::STUDY_ID, VR::SH, "7");
    empty(object, tags::ACCESSION_NUMBER, VR::SH);
    module::series(object, modality, &uids.uid("series"), 4, "source", &now);
    text(object, tags::MANUFACTURER, VR::LO, "Maker");
    text(object, tags::CONTENT_DATE, VR::DA, &now.date);
    text(object, tags::CONTENT_TIME, VR::TM, &now.time);
    text(object, tags::FRAME_OF_REFERENCE_UID, VR::UI, &uids.uid("space"));
    empty(object, tags::POSITION_REFERENCE_INDICATOR, VR::LO);
}

fn grey(object: &mut InMemDicomObject, rows: u16, columns: u16, pixels: Vec<u16>) {
    us(object, tags::SAMPLES_PER_PIXEL, &[1]);
    text(object, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    us(object, tags::ROWS, &[rows]);
    us(object, tags::COLUMNS, &[columns]);
    us(object, tags::BITS_ALLOCATED, &[16]);
    us(object, tags::BITS_STORED, &[12]);
    us(object, tags::HIGH_BIT, &[11]);
    us(object, tags::PIXEL_REPRESENTATION, &[0]);
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into())));
}

/// Row and column directions of an oblique plane, and its normal.
pub fn oblique() -> [[f64; 3]; 3] {
    let (s, c) = 0.3f64.sin_cos();
    let (t, d) = (-0.2f64).sin_cos();
    // Turned about the head axis, then tilted about the row.
    let row = [c, s, 0.0];
    let column = [-s * d, c * d, t];
    let normal = [
        row[1] * column[2] - row[2] * column[1],
        row[2] * column[0] - row[0] * column[2],
        row[0] * column[1] - row[1] * column[0],
    ];
    [row, column, normal]
}

pub fn position(slice: usize) -> Vec<f64> {
    let normal = oblique()[2];
    (0..3).map(|i| [-40.25, -30.5, 12.125][i] + normal[i] * 2.5 * slice as f64).collect()
}

fn write_ct(folder: &Path) {
    write_series(folder, [5, 12, 17]);
}

/// A CT series of so many slices, rows and columns.
pub fn write_series(folder: &Path, [slices, rows, columns]: [u16; 3]) {
    let uids = Uids::derived("ct");
    let [row, column, _] = oblique();
    for slice in 0..slices {
        let mut object = InMemDicomObject::new_empty();
        record(&mut object, uids::CT_IMAGE_STORAGE, "CT", &uids, &format!("instance/{slice}"));
        texts(&mut object, tags::IMAGE_TYPE, VR::CS, &["ORIGINAL", "PRIMARY", "AXIAL"]);
        // Numbered against the geometry, so that only the positions give the order.
        is(&mut object, tags::INSTANCE_NUMBER, i32::from(slices - slice));
        is(&mut object, tags::ACQUISITION_NUMBER, 1);
        ds(&mut object, tags::KVP, &[120.0]);
        ds(&mut object, tags::SLICE_THICKNESS, &[2.0]);
        ds(&mut object, tags::PIXEL_SPACING, &[0.7, 0.9]);
        ds(&mut object, tags::IMAGE_POSITION_PATIENT, &position(slice.into()));
        ds(&mut object, tags::IMAGE_ORIENTATION_PATIENT, &[row, column].concat());
        ds(&mut object, tags::RESCALE_INTERCEPT, &[-1024.0]);
        ds(&mut object, tags::RESCALE_SLOPE, &[1.0]);
        text(&mut object, tags::RESCALE_TYPE, VR::LO, "HU");
        let count = u32::from(rows) * u32::from(columns);
        let pixels = (0..count).map(|i| ((i * 9 + u32::from(slice) * 50) % 4096) as u16).collect();
        grey(&mut object, rows, columns, pixels);
        write_part10(object, uids::EXPLICIT_VR_LITTLE_ENDIAN, &folder.join(format!("{slice}.dcm"))).unwrap();
    }
}

fn group(tag: dicom_core::Tag, fill: impl FnOnce(&mut InMemDicomObject)) -> impl FnOnce(&mut InMemDicomObject) {
    move |groups| {
        let mut item = InMemDicomObject::new_empty();
        fill(&mut item);
        sequence(groups, tag, vec![item]);
    }
}

fn write_multi_frame(folder: &Path, class: &str, modality: &str) {
    let uids = Uids::derived(format!("multi-frame {modality}"));
    let [row, column, _] = oblique();
    let mut object = InMemDicomObject::new_empty();
    record(&mut object, class, modality, &uids, "instance");
    texts(&mut object, tags::IMAGE_TYPE, VR::CS, &["ORIGINAL", "PRIMARY", "ANATOMY", "NONE"]);
    is(&mut object, tags::INSTANCE_NUMBER, 1);
    is(&mut object, tags::NUMBER_OF_FRAMES, 4);
    let mut shared = InMemDicomObject::new_empty();
    group(tags::PIXEL_MEASURES_SEQUENCE, |item| {
        ds(item, tags::PIXEL_SPACING, &[1.5, 1.25]);
        ds(item, tags::SLICE_THICKNESS, &[2.5]);
    })(&mut shared);
    group(tags::PLANE_ORIENTATION_SEQUENCE, |item| {
        ds(item, tags::IMAGE_ORIENTATION_PATIENT, &[row, column].concat());
    })(&mut shared);
    sequence(&mut object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]);
    // Stored from the last position to the first.
    let frames = (0..4usize).rev().map(|slice| {
        let mut groups = InMemDicomObject::new_empty();
        group(tags::PLANE_POSITION_SEQUENCE, |item| ds(item, tags::IMAGE_POSITION_PATIENT, &position(slice)))(
            &mut groups,
        );
        groups
    });
    sequence(&mut object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames.collect());
    text(&mut object, tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01");
    ds(&mut object, tags::LOSSY_IMAGE_COMPRESSION_RATIO, &[10.0]);
    text(&mut object, tags::LOSSY_IMAGE_COMPRESSION_METHOD, VR::CS, "ISO_10918_1");
    grey(&mut object, 10, 9, (0..4 * 90).map(|i| (i * 5) as u16).collect());
    write_part10(object, uids::EXPLICIT_VR_LITTLE_ENDIAN, &folder.join("frames.dcm")).unwrap();
}

pub fn write_dx(folder: &Path) {
    let pixels = Array2::from_shape_fn((40, 32), |(r, c)| ((r * 61 + c * 37) % 4096) as u16);
    let object = Radiograph::chest_phantom(pixels.view(), 0.4).data_set(&Uids::derived("dx"), &Moment::now()).unwrap();
    write_part10(object, uids::EXPLICIT_VR_LITTLE_ENDIAN, &folder.join("dx.dcm")).unwrap();
}

/// A colour photograph as Secondary Capture, without spacing or place.
fn write_photo(folder: &Path) {
    let mut object = InMemDicomObject::new_empty();
    record(&mut object, uids::SECONDARY_CAPTURE_IMAGE_STORAGE, "XC", &Uids::derived("photo"), "instance");
    object.remove_element(tags::FRAME_OF_REFERENCE_UID);
    object.remove_element(tags::POSITION_REFERENCE_INDICATOR);
    text(&mut object, tags::CONVERSION_TYPE, VR::CS, "DI");
    is(&mut object, tags::INSTANCE_NUMBER, 1);
    empty(&mut object, tags::PATIENT_ORIENTATION, VR::CS);
    us(&mut object, tags::SAMPLES_PER_PIXEL, &[3]);
    text(&mut object, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
    us(&mut object, tags::PLANAR_CONFIGURATION, &[0]);
    us(&mut object, tags::ROWS, &[20]);
    us(&mut object, tags::COLUMNS, &[31]);
    us(&mut object, tags::BITS_ALLOCATED, &[8]);
    us(&mut object, tags::BITS_STORED, &[8]);
    us(&mut object, tags::HIGH_BIT, &[7]);
    us(&mut object, tags::PIXEL_REPRESENTATION, &[0]);
    let pixels: Vec<u8> = (0..20 * 31 * 3).map(|i| (i % 251) as u8).collect();
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(pixels.into())));
    write_part10(object, uids::EXPLICIT_VR_LITTLE_ENDIAN, &folder.join("photo.dcm")).unwrap();
}

/// The folder of the npm packages of `tests/validate/package.json`: what NETRA_NODE_MODULES names, else where `tests/setup` puts
/// them.
pub fn node_modules() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/validate/node_modules");
    let folder = std::env::var_os("NETRA_NODE_MODULES").map_or(beside, PathBuf::from);
    folder.join("fhir").exists().then_some(folder)
}
