//! What a frame says of the ways in which volumes of one series differ: classic attributes, functional groups of enhanced
//! objects (PS3.3 C.7.6.16), and the converted attributes of Legacy Converted ones (C.7.6.16.2.25).

use dicom_dictionary_std::tags;

use super::irregularity::Aspect;
use crate::frames::FrameHeader;

impl FrameHeader<'_> {
    /// The frame's value, in words.
    pub(super) fn aspect(&self, aspect: Aspect) -> Option<String> {
        let content = tags::FRAME_CONTENT_SEQUENCE;
        match aspect {
            Aspect::Stack => self.any(&[(content, tags::STACK_ID)]).map(|id| format!("stack {id}")),
            Aspect::Segment => {
                let number = [(tags::SEGMENT_IDENTIFICATION_SEQUENCE, tags::REFERENCED_SEGMENT_NUMBER)];
                self.any(&number).map(|number| format!("segment {number}"))
            }
            Aspect::ImageType => self.image_kind(),
            Aspect::Echo => {
                let times =
                    [(tags::MR_ECHO_SEQUENCE, tags::EFFECTIVE_ECHO_TIME), (tags::MR_ECHO_SEQUENCE, tags::ECHO_TIME)];
                let time = self.any(&times).map(|ms| format!("echo time {ms} ms"));
                time.or_else(|| self.any(&[(tags::MR_ECHO_SEQUENCE, tags::ECHO_NUMBERS)]).map(|n| format!("echo {n}")))
            }
            Aspect::InversionTime => {
                let time = [(tags::MR_MODIFIER_SEQUENCE, tags::INVERSION_TIME)];
                self.any(&time).map(|ms| format!("inversion time {ms} ms"))
            }
            Aspect::TemporalPosition => {
                let places = [(content, tags::TEMPORAL_POSITION_INDEX), (content, tags::TEMPORAL_POSITION_IDENTIFIER)];
                self.any(&places).map(|index| format!("temporal position {index}"))
            }
            Aspect::DiffusionBValue => {
                let value = [(tags::MR_DIFFUSION_SEQUENCE, tags::DIFFUSION_B_VALUE)];
                self.any(&value).map(|b| format!("b-value {b} s/mm2"))
            }
            Aspect::Kernel => {
                let kernel = [(tags::CT_RECONSTRUCTION_SEQUENCE, tags::CONVOLUTION_KERNEL)];
                self.any(&kernel).map(|kernel| format!("kernel {kernel}"))
            }
            Aspect::TriggerTime => {
                let cardiac = tags::CARDIAC_SYNCHRONIZATION_SEQUENCE;
                let times = [(cardiac, tags::NOMINAL_CARDIAC_TRIGGER_DELAY_TIME), (cardiac, tags::TRIGGER_TIME)];
                self.any(&times).map(|ms| format!("trigger time {ms} ms"))
            }
            Aspect::Acquisition => {
                let numbers = [(content, tags::FRAME_ACQUISITION_NUMBER), (content, tags::ACQUISITION_NUMBER)];
                self.any(&numbers).map(|number| format!("acquisition {number}"))
            }
            Aspect::Plane
            | Aspect::FrameOfReference
            | Aspect::Localiser
            | Aspect::Size
            | Aspect::Orientation
            | Aspect::PixelSpacing
            | Aspect::Repetition => None,
        }
    }

    /// Image or Frame Type without ORIGINAL or DERIVED, with the complex component of enhanced MR.
    fn image_kind(&self) -> Option<String> {
        let mut kind: Vec<String> = self.image_type().into_iter().skip(1).collect();
        kind.extend(self.any(&[(tags::MR_IMAGE_FRAME_TYPE_SEQUENCE, tags::COMPLEX_IMAGE_COMPONENT)]));
        Some(kind.join("\\")).filter(|kind| !kind.is_empty())
    }
}
