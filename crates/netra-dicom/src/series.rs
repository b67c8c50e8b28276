//! A DICOM series: instances that share a Series Instance UID.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{Acquisition, Error, Limits, Result, SourceFrame, Warning};

use crate::attributes::{number, text};
use crate::file::DicomFile;
use crate::frames::FrameHeader;
use crate::pixels::{FrameReader, PixelFormat, decode_frame};
use crate::syntax::TransferSyntax;

/// One stored instance: its header in memory, its pixels still in the file.
#[derive(Clone, Debug)]
pub struct Instance {
    pub(crate) file: DicomFile,
}

impl Instance {
    /// The data set without its pixel data (and without binary values longer than 1 MiB).
    pub fn header(&self) -> &InMemDicomObject {
        &self.file.header
    }

    /// The transfer syntax in which the file is really encoded.
    pub fn transfer_syntax(&self) -> &TransferSyntax {
        &self.file.syntax
    }

    /// Where the instance was read from; a member of an archive is `archive/member`.
    pub fn path(&self) -> std::path::PathBuf {
        self.file.source.path()
    }

    /// Size and layout of the frames; `None` for an instance without pixels.
    pub fn pixel_format(&self) -> Option<&PixelFormat> {
        self.file.pixels.as_ref().map(|(format, _)| format)
    }

    /// Number of frames; 0 for an instance without pixels.
    pub fn frames(&self) -> usize {
        self.pixel_format().map_or(0, |format| format.frames)
    }

    /// What reading had to tolerate.
    pub fn warnings(&self) -> &[Warning] {
        &self.file.warnings
    }

    /// The decoded stored samples of every frame before any meaning is given to them: little endian, `(row, column,
    /// sample)`, Bits Allocated each (one byte for one bit). Fails like the decoding of the frames does.
    pub fn raw_frames(&self, limits: &Limits) -> Result<Vec<Vec<u8>>> {
        let mut reader = FrameReader::new(&self.file, limits).map_err(|e| self.at(e))?;
        let mut frames = Vec::new();
        for frame in 0..self.frames() {
            let place = |e: Error| self.at(e.at(format!("frame {}", frame + 1)));
            let encoded = reader.read(frame).map_err(place)?;
            frames.push(decode_frame(&self.file, encoded, limits).map_err(place)?.bytes);
        }
        Ok(frames)
    }

    pub(crate) fn at(&self, error: Error) -> Error {
        error.at(self.path().display())
    }

    pub(crate) fn frame_header(&self, frame: usize) -> FrameHeader<'_> {
        FrameHeader::new(&self.file.header, frame, self.frames())
    }

    pub(crate) fn source_frame(&self, frame: usize) -> SourceFrame {
        let value = |tag| text(&self.file.header, tag).unwrap_or_default();
        SourceFrame {
            sop_class_uid: value(tags::SOP_CLASS_UID),
            sop_instance_uid: value(tags::SOP_INSTANCE_UID),
            frame: frame as u32 + 1,
        }
    }
}

/// The instances of one series, in the order of their Instance Numbers and names.
#[derive(Clone, Debug)]
pub struct Series {
    /// The instances, at least one.
    pub instances: Vec<Instance>,
    /// Files of this series that were refused: without them it is no volume.
    pub(crate) damaged: Vec<String>,
}

/// One frame of a series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameRef {
    pub instance: usize,
    pub frame: usize,
}

impl Series {
    pub(crate) fn new(mut instances: Vec<Instance>, damaged: Vec<String>) -> Self {
        let number = |instance: &Instance| number(instance.header(), tags::INSTANCE_NUMBER).unwrap_or(f64::MAX);
        instances.sort_by(|a, b| number(a).total_cmp(&number(b)).then_with(|| a.path().cmp(&b.path())));
        Self { instances, damaged }
    }

    /// Series Instance UID; `None` when the first instance has none.
    pub fn uid(&self) -> Option<String> {
        self.text(tags::SERIES_INSTANCE_UID)
    }

    /// The name of its first file, for a series without UID.
    pub(crate) fn stem(&self) -> String {
        self.instances.first().map(|instance| instance.file.source.name()).unwrap_or_default()
    }

    /// Has its files go by `name` and their number.
    pub(crate) fn hide(&mut self, name: &str) {
        for (instance, number) in self.instances.iter_mut().zip(1..) {
            instance.file.source.hide(|| format!("{name} {number}"));
        }
        for (damaged, number) in self.damaged.iter_mut().zip(1..) {
            *damaged = format!("damaged file {number}");
        }
    }

    /// How the series was taken, from its first instance.
    pub fn acquisition(&self) -> Acquisition {
        self.acquisition_of(0)
    }

    pub(crate) fn acquisition_of(&self, instance: usize) -> Acquisition {
        let value = |tag| self.instances.get(instance).and_then(|instance| text(instance.header(), tag));
        let mut acquisition = Acquisition::default();
        acquisition.sop_class_uid = value(tags::SOP_CLASS_UID);
        acquisition.modality = value(tags::MODALITY);
        acquisition.body_part = value(tags::BODY_PART_EXAMINED);
        acquisition.view_position = value(tags::VIEW_POSITION);
        acquisition.photometric_interpretation = value(tags::PHOTOMETRIC_INTERPRETATION);
        acquisition.manufacturer = value(tags::MANUFACTURER);
        acquisition.study_instance_uid = value(tags::STUDY_INSTANCE_UID);
        acquisition.series_instance_uid = value(tags::SERIES_INSTANCE_UID);
        acquisition.frame_of_reference_uid = value(tags::FRAME_OF_REFERENCE_UID);
        acquisition
    }

    /// Number of frames of all instances.
    pub fn frames(&self) -> usize {
        self.instances.iter().map(Instance::frames).sum()
    }

    /// Whether the frames are slices of the patient: several of them, most with a plane. What has none keeps them from being
    /// one regular grid, not from being slices.
    pub fn is_volume(&self) -> bool {
        let placed = self.refs().filter(|r| self.header(*r).plane().is_some()).count();
        self.frames() > 1 && 2 * placed > self.frames()
    }

    pub(crate) fn text(&self, tag: Tag) -> Option<String> {
        self.instances.first().and_then(|instance| text(instance.header(), tag))
    }

    pub(crate) fn refs(&self) -> impl Iterator<Item = FrameRef> + '_ {
        let frames = |(instance, i): (usize, &Instance)| (0..i.frames()).map(move |frame| FrameRef { instance, frame });
        self.instances.iter().enumerate().flat_map(frames)
    }

    pub(crate) fn header(&self, r: FrameRef) -> FrameHeader<'_> {
        self.instances[r.instance].frame_header(r.frame)
    }
}
