//! A DICOM series: instances that share a Series Instance UID.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::{Acquisition, Error, Limits, Result, SourceFrame, Warning};

use crate::attributes::{number, text};
use crate::file::DicomFile;
use crate::frames::FrameHeader;
use crate::geometry::{Grid, Slice, audit};
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
#[derive(Clone, Copy)]
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

    /// How the series was taken, from its first instance.
    pub fn acquisition(&self) -> Acquisition {
        let mut acquisition = Acquisition::default();
        acquisition.sop_class_uid = self.text(tags::SOP_CLASS_UID);
        acquisition.modality = self.text(tags::MODALITY);
        acquisition.body_part = self.text(tags::BODY_PART_EXAMINED);
        acquisition.view_position = self.text(tags::VIEW_POSITION);
        acquisition.photometric_interpretation = self.text(tags::PHOTOMETRIC_INTERPRETATION);
        acquisition.manufacturer = self.text(tags::MANUFACTURER);
        acquisition.study_instance_uid = self.text(tags::STUDY_INSTANCE_UID);
        acquisition.series_instance_uid = self.text(tags::SERIES_INSTANCE_UID);
        acquisition.frame_of_reference_uid = self.text(tags::FRAME_OF_REFERENCE_UID);
        acquisition
    }

    /// Number of frames of all instances.
    pub fn frames(&self) -> usize {
        self.instances.iter().map(Instance::frames).sum()
    }

    /// Whether the frames are slices of the patient: several of them, each with its plane.
    pub fn is_volume(&self) -> bool {
        self.frames() > 1 && self.refs().all(|r| self.header(r).plane().is_some())
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

    /// The audited grid of all frames.
    pub(crate) fn grid(&self) -> Result<Grid> {
        if !self.damaged.is_empty() {
            let text =
                format!("{} files of the series could not be read: {}", self.damaged.len(), self.damaged.join(", "));
            return Err(Error::invalid(text));
        }
        let frame_of_reference = |i: &Instance| text(i.header(), tags::FRAME_OF_REFERENCE_UID);
        if self.instances.windows(2).any(|pair| frame_of_reference(&pair[0]) != frame_of_reference(&pair[1])) {
            return Err(Error::invalid("the series has more than one frame of reference"));
        }
        let slices = self.refs().map(|r| self.slice(r)).collect::<Result<Vec<_>>>()?;
        let thickness = self.refs().next().and_then(|r| self.header(r).thickness());
        audit(&slices, thickness)
    }

    fn slice(&self, r: FrameRef) -> Result<Slice> {
        let instance = &self.instances[r.instance];
        let number = text(instance.header(), tags::INSTANCE_NUMBER);
        let mut name = number.map_or_else(|| instance.file.source.name(), |number| format!("instance {number}"));
        if instance.frames() > 1 {
            name = format!("frame {} of {name}", r.frame + 1);
        }
        let header = instance.frame_header(r.frame);
        let Some(plane) = header.plane() else {
            let text = format!("{name} has no position, orientation or pixel spacing in the patient");
            return Err(Error::invalid(text));
        };
        let format = instance.pixel_format().ok_or_else(|| Error::unsupported("the instance has no pixel data"))?;
        let is_localiser = header.image_type().iter().any(|value| value == "LOCALIZER");
        Ok(Slice { plane, size: [format.rows, format.columns], name, is_localiser })
    }
}
