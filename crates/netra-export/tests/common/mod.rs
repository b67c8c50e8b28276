//! Sources made in code, a label map for each, and the folder that holds them.
// Each test crate uses its own part of this.
#![allow(dead_code, unused_imports, clippy::unwrap_used)]

pub mod details;
pub mod peers;
mod sources;

use std::path::{Path, PathBuf};

use dicom_dictionary_std::uids;
use ndarray::Array3;
use netra_core::{
    BackendIdentity, CodedConcept, ExtentMeasure, Finding, Findings, Image, LabelMap, Limits, ModelIdentity, Segment,
    SourceFrame, StageTiming, Volume, Warning,
};
use netra_dicom::write::Uids;
use netra_dicom::{Deidentifier, GeometryPolicy, ImageOptions, ReadOptions, Scan};
use netra_export::{NAMES, Pixels, ResultSet, Source};

pub use sources::{oblique, position, write_dx, write_photo, write_series};
use sources::{write_ct, write_multi_frame};

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

    pub fn is_colour(&self) -> bool {
        matches!(&self.pixels, Owned::Image(image) if image.pixels().dim().0 == 3)
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
            anatomic_region: (i % 3 == 1).then(|| concept("816094009", "Chest")),
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

/// The folder of the npm packages of `tests/validate/package.json`: what NETRA_NODE_MODULES names, else where `tests/setup` puts
/// them.
pub fn node_modules() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/validate/node_modules");
    let folder = std::env::var_os("NETRA_NODE_MODULES").map_or(beside, PathBuf::from);
    folder.join("fhir").exists().then_some(folder)
}
