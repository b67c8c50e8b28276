//! Pixel data: from the bytes of one frame to stored values, and from stored values to numbers that mean something.

mod codec;
mod colour;
mod cut;
mod format;
mod jpeg;
#[cfg(feature = "codecs")]
mod jpeg2000;
mod jpegls;
#[cfg(feature = "codecs")]
mod jpegxl;
mod layout;
mod native;
mod palette;
mod rle;
mod samples;
mod segments;
mod stored;
mod voi;

pub(crate) use colour::to_rgb;
pub use format::{PixelFormat, SampleKind};
pub(crate) use layout::{EncodedFrame, FrameReader, decode_frame};
pub(crate) use palette::Palette;
pub(crate) use stored::Stored;
pub(crate) use voi::{Grey, ModalityMap, VoiMap};
