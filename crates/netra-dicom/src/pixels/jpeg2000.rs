//! JPEG 2000 and HTJ2K (PS3.5 8.2.4 and 8.2.15): what is common through `hayro-jpeg2000`, which is a fifth faster, the rest
//! (HTJ2K, more than 16 bits, damage) through `openjp2`, OpenJPEG translated to Rust.

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image as FastImage};
use jpeg2k::{DecodeParameters, Image};
use netra_core::{Error, Result};

use super::codec::{Decoded, check_geometry};
use super::format::PixelFormat;

/// Tiles cost the decoder some kilobytes each before any of them is read.
const MAX_TILES: u64 = 4096;

pub(super) fn decode(format: &PixelFormat, bytes: &[u8]) -> Result<Decoded> {
    let size = Size::read(bytes).ok_or_else(|| Error::malformed("no JPEG 2000 size marker"))?;
    check_geometry(format, size.rows, size.columns, size.components.len() as u64)?;
    if size.tiles > MAX_TILES {
        return Err(Error::limit(format!("{} tiles, the limit is {MAX_TILES}", size.tiles)));
    }
    let frame = match fast(format, &size, bytes) {
        Some(frame) => frame,
        None => complete(format, bytes)?,
    };
    Ok(Decoded { bytes: frame, colour: None })
}

/// Codestreams of up to 16 bits, every component of full size, without a flaw; `None` for all others.
fn fast(format: &PixelFormat, size: &Size, bytes: &[u8]) -> Option<Vec<u8>> {
    if size.components.iter().any(|c| c.bits > 16 || !c.full) {
        return None;
    }
    let settings = DecodeSettings { resolve_palette_indices: false, strict: true, target_resolution: None };
    let image = FastImage::new(bytes.get(size.start..)?, &settings).ok()?;
    let mut context = DecoderContext::default();
    let planes = image.decode(&mut context).ok()?;
    let mut frame = vec![0; format.decoded_bytes()];
    for (sample, (component, plane)) in size.components.iter().zip(planes.components()).enumerate() {
        let values = plane.samples();
        if values.len() != format.pixels() {
            return None;
        }
        // This decoder takes all samples for unsigned ones, which lie around half the range.
        let half = if component.signed { 1 << (component.bits - 1) } else { 0 };
        let highest = ((1u32 << component.bits) - 1) as f32;
        let whole = |v: &f32| (v.clamp(0.0, highest) + 0.5) as i32 - half;
        store(format, &mut frame, sample, values.iter().map(whole));
    }
    Some(frame)
}

/// All codestreams.
fn complete(format: &PixelFormat, bytes: &[u8]) -> Result<Vec<u8>> {
    let params = DecodeParameters::new().strict(true).ignore_pclr_cmap_cdef();
    let failed = |e| Error::malformed("the JPEG 2000 codestream is damaged").with_source(e);
    let image = Image::from_bytes_with(bytes, params).map_err(failed)?;
    let mut frame = vec![0; format.decoded_bytes()];
    for (sample, component) in image.components().iter().take(format.samples).enumerate() {
        if component.data().len() != format.pixels() {
            return Err(Error::malformed(format!("component {sample} is subsampled or incomplete")));
        }
        store(format, &mut frame, sample, component.data().iter().copied());
    }
    Ok(frame)
}

/// Writes the values of one component to their places. Codestream and header may disagree about the sign: the header's
/// stored bits decide.
fn store(format: &PixelFormat, frame: &mut [u8], sample: usize, values: impl Iterator<Item = i32>) {
    let width = format.bytes_per_sample();
    let (at, low) = (sample * width, width.min(4));
    for (slot, value) in frame.chunks_exact_mut(format.samples * width).zip(values) {
        let value = if format.signed { sign_extend(value, format.bits_stored) } else { value }.to_le_bytes();
        slot[at..at + low].copy_from_slice(&value[..low]);
    }
}

fn sign_extend(value: i32, bits: u32) -> i32 {
    let unused = 32u32.saturating_sub(bits);
    (value << unused) >> unused
}

/// The SIZ marker segment (ISO/IEC 15444-1 A.5.1).
struct Size {
    /// Where the codestream starts.
    start: usize,
    rows: u64,
    columns: u64,
    components: Vec<Component>,
    tiles: u64,
}

struct Component {
    bits: u32,
    signed: bool,
    /// Whether it has a sample for every pixel.
    full: bool,
}

impl Size {
    fn read(bytes: &[u8]) -> Option<Self> {
        // Start of codestream and SIZ stand together, at the start or inside a JP2 box.
        let head = bytes.get(..bytes.len().min(64 << 10))?;
        let at = head.windows(4).position(|w| w == [0xFF, 0x4F, 0xFF, 0x51])?;
        let word = |i: usize| {
            let at = at + 8 + 4 * i;
            bytes.get(at..at + 4)?.try_into().ok().map(|b| u64::from(u32::from_be_bytes(b)))
        };
        let (x1, y1, x0, y0) = (word(0)?, word(1)?, word(2)?, word(3)?);
        let (tile_x, tile_y, tile_x0, tile_y0) = (word(4)?, word(5)?, word(6)?, word(7)?);
        let count = bytes.get(at + 40..at + 42)?.try_into().ok().map(u16::from_be_bytes)?;
        let component = |c: &[u8; 3]| Component {
            bits: u32::from(c[0] & 0x7F) + 1,
            signed: c[0] & 0x80 != 0,
            full: c[1..] == [1, 1],
        };
        let components = bytes.get(at + 42..at + 42 + 3 * usize::from(count))?.as_chunks().0.iter().map(component);
        let across = x1.checked_sub(tile_x0)?.checked_add(tile_x.checked_sub(1)?)? / tile_x;
        let down = y1.checked_sub(tile_y0)?.checked_add(tile_y.checked_sub(1)?)? / tile_y;
        Some(Self {
            start: at,
            rows: y1.checked_sub(y0)?,
            columns: x1.checked_sub(x0)?,
            components: components.collect(),
            tiles: across.checked_mul(down)?,
        })
    }
}
