//! JPEG XL (PS3.5 8.2.16) through `jxl-oxide`.

use jxl_oxide::{AllocTracker, FrameBufferSample, ImageStream, JxlImage};
use netra_core::{Error, Result};

use super::codec::{ColourModel, Decoded, check_geometry};
use super::format::PixelFormat;

/// Working memory of a frame that holds next to nothing, and what each of its bytes allows on top.
const BLANK: usize = 160 << 20;
const EACH_BYTE: usize = 1024;

pub(super) fn decode(format: &PixelFormat, bytes: &[u8]) -> Result<Decoded> {
    let failed = |e| Error::malformed("the JPEG XL codestream is damaged").with_source(e);
    // Working buffers hold a few 32-bit planes of the frame, and some fixed tables.
    let memory = format.pixels().saturating_mul(4 * 16).saturating_add(32 << 20);
    let memory = memory.min(bytes.len().saturating_mul(EACH_BYTE).saturating_add(BLANK));
    let image = JxlImage::builder().alloc_tracker(AllocTracker::with_limit(memory)).read(bytes).map_err(failed)?;
    let samples = if image.pixel_format().is_grayscale() { 1 } else { 3 };
    check_geometry(format, image.height().into(), image.width().into(), samples)?;
    let render = image.render_frame(0).map_err(failed)?;
    let stream = render.stream_no_alpha();
    let count = format.pixels() * format.samples;
    let bytes = match format.bits_allocated {
        8 => samples_of::<u8>(stream, count),
        16 => samples_of::<u16>(stream, count).into_iter().flat_map(u16::to_le_bytes).collect(),
        bits => return Err(Error::unsupported(format!("JPEG XL with {bits} bits allocated"))),
    };
    // The decoder returns RGB whatever the codestream holds (XYB, or YCbCr of a recompressed JPEG).
    Ok(Decoded { bytes, colour: (format.samples == 3).then_some(ColourModel::Rgb) })
}

fn samples_of<T: FrameBufferSample + Default + Clone>(mut stream: ImageStream<'_>, count: usize) -> Vec<T> {
    let mut samples = vec![T::default(); count];
    let written = stream.write_to_buffer(&mut samples);
    samples.truncate(written);
    samples
}
