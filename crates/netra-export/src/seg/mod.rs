//! DICOM segmentation objects: Label Map Segmentation and (binary or fractional) Segmentation (PS3.3 A.51, C.8.20).

mod fractional;
mod frames;
mod pixels;
mod segments;

use std::path::Path;

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use netra_core::{Detail, Error, Findings, LabelMap, ModelIdentity, Probabilities, Result, Segment};
use netra_dicom::write::element::{empty, is, sequence, text, texts, us};
use netra_dicom::write::{module, write_part10};

use crate::planes::{SourcePlanes, put_size};
use crate::{Exporter, ResultSet, Source, functional, identity, label_map};
use fractional::Shares;
use pixels::Shown;

/// Label Map Segmentation Storage.
const LABEL_MAP_STORAGE: &str = uids::LABEL_MAP_SEGMENTATION_STORAGE;

/// How the pixels of a label map are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// RLE Lossless: small.
    RunLengths,
    /// As they are, for readers without RLE.
    Native,
}

/// How the labels are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegKind {
    /// One frame a plane, whose pixels are the segment numbers, 8 or 16 bits. Compact, young (2024).
    LabelMap(Encoding),
    /// One frame a plane and segment, one bit a pixel; planes without the segment are left out. Read everywhere.
    Binary,
    /// One frame a plane and segment, eight bits a pixel: the probability of the segment before labels were decided, in 255ths.
    /// Planes on which it rounds to 0 everywhere are left out, and segments overlap.
    Fractional,
}

/// A segmentation object in the study of its source, with identifiers of its own.
#[derive(Clone, Copy, Debug)]
pub struct Seg {
    kind: SegKind,
}

impl Seg {
    /// An exporter of this kind.
    pub fn new(kind: SegKind) -> Self {
        Self { kind }
    }

    /// The data set and its transfer syntax.
    fn data_set(
        &self,
        findings: &Findings,
        source: &Source<'_>,
        set: &ResultSet,
    ) -> Result<(InMemDicomObject, &'static str)> {
        let map = label_map(findings, source, "DICOM SEG")?;
        if map.segments().is_empty() {
            return Err(Error::invalid("a label map without segments makes no segmentation"));
        }
        let planes = SourcePlanes::of(source)?;
        let mut object = InMemDicomObject::new_empty();
        let series = identity::Series {
            class: match self.kind {
                SegKind::LabelMap(_) => LABEL_MAP_STORAGE,
                SegKind::Binary | SegKind::Fractional => uids::SEGMENTATION_STORAGE,
            },
            modality: "SEG",
            description: &format!("{} segmentation", findings.model.name),
        };
        identity::put(&mut object, self.name(), &series, &findings.model, planes.header, set)?;
        put_content_identification(&mut object, &findings.model);
        identity::put_content(&mut object, set);
        put_image(&mut object, planes.header);
        let (_, rows, columns) = map.labels().dim();
        put_size(&mut object, [rows, columns])?;

        let numbered = segments::Numbered::of(map, self.kind);
        let sequence_items = segments::items(&numbered, self.kind, &findings.model, set);
        sequence(&mut object, tags::SEGMENT_SEQUENCE, sequence_items);
        let (kind, overlap) = match self.kind {
            SegKind::LabelMap(_) => ("LABELMAP", "NO"),
            SegKind::Binary => ("BINARY", "NO"),
            SegKind::Fractional => ("FRACTIONAL", "YES"),
        };
        text(&mut object, tags::SEGMENTS_OVERLAP, VR::CS, overlap);
        text(&mut object, tags::SEGMENTATION_TYPE, VR::CS, kind);

        let shown = match self.kind {
            SegKind::LabelMap(encoding) => Shown::Labels(map, encoding),
            SegKind::Binary => Shown::Masks(map),
            SegKind::Fractional => {
                text(&mut object, tags::SEGMENTATION_FRACTIONAL_TYPE, VR::CS, "PROBABILITY");
                us(&mut object, tags::MAXIMUM_FRACTIONAL_VALUE, &[Probabilities::MAXIMUM.into()]);
                Shown::Shares(Shares::of(findings, map)?)
            }
        };
        let frames = shown.frames(&numbered);
        let count = i32::try_from(frames.len())
            .map_err(|_| Error::limit(format!("{} frames do not fit Number of Frames", frames.len())))?;
        is(&mut object, tags::NUMBER_OF_FRAMES, count);
        functional::space(&mut object, &planes, set);
        frames::put(&mut object, &frames, &planes, self.kind, &set.uid(&format!("{}/dimensions", self.name())))?;
        let transfer_syntax = shown.put(&mut object, &numbered, &frames)?;
        Ok((object, transfer_syntax))
    }
}

/// Where a segment stands in the binary segmentation of its map.
pub(crate) struct BinaryPlace {
    /// Label in the map.
    pub label: u16,
    /// Segment Number.
    pub number: u16,
    /// Its first frame, counted from 1; `None` when no voxel has the label.
    pub first_frame: Option<i32>,
}

/// The place of every segment of `map`, for reports that refer to it.
pub(crate) fn binary_places(map: &LabelMap) -> Vec<BinaryPlace> {
    let numbered = segments::Numbered::of(map, SegKind::Binary);
    let frames = Shown::Masks(map).frames(&numbered);
    let mut first = vec![None; numbered.segments.len()];
    for (frame, number) in frames.iter().zip(1i32..) {
        if let Some(slot) = frame.segment.and_then(|index| first.get_mut(index)) {
            slot.get_or_insert(number);
        }
    }
    let place = |((number, segment), first_frame): (&(u16, &Segment), Option<i32>)| BinaryPlace {
        label: segment.number,
        number: *number,
        first_frame,
    };
    numbered.segments.iter().zip(first).map(place).collect()
}

impl Exporter for Seg {
    fn name(&self) -> &'static str {
        match self.kind {
            SegKind::LabelMap(Encoding::RunLengths) => "seg",
            SegKind::LabelMap(Encoding::Native) => "seg-native",
            SegKind::Binary => "seg-binary",
            SegKind::Fractional => "seg-fractional",
        }
    }

    fn file_name(&self, stem: &str) -> String {
        format!("{stem}.{}.dcm", self.name())
    }

    fn needs(&self) -> Detail {
        Detail { probabilities: self.kind == SegKind::Fractional, ..Detail::default() }
    }

    fn write(&self, findings: &Findings, source: &Source<'_>, set: &ResultSet, out: &Path) -> Result<()> {
        let (object, transfer_syntax) = self.data_set(findings, source, set)?;
        write_part10(object, transfer_syntax, out)
    }
}

/// Content Identification (PS3.3 table 10-12).
fn put_content_identification(object: &mut InMemDicomObject, model: &ModelIdentity) {
    text(object, tags::CONTENT_LABEL, VR::CS, "SEGMENTATION");
    text(object, tags::CONTENT_DESCRIPTION, VR::LO, &format!("{} {}", model.name, model.version));
    empty(object, tags::CONTENT_CREATOR_NAME, VR::PN);
}

/// General Image, Image Pixel and Segmentation Image, as far as they do not depend on the labels.
fn put_image(object: &mut InMemDicomObject, header: &InMemDicomObject) {
    texts(object, tags::IMAGE_TYPE, VR::CS, &["DERIVED", "PRIMARY"]);
    us(object, tags::SAMPLES_PER_PIXEL, &[1]);
    text(object, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    us(object, tags::PIXEL_REPRESENTATION, &[0]);
    text(object, tags::PRESENTATION_LUT_SHAPE, VR::CS, "IDENTITY");
    module::lossy_compression_from(object, header);
}
