//! JPEG 2000 and HTJ2K (PS3.5 8.2.4 and 8.2.15) through `openjp2`, OpenJPEG translated to Rust.

use jpeg2k::{DecodeParameters, Image};
use netra_core::{Error, Result};

use super::codec::{Decoded, check_geometry};
use super::format::PixelFormat;

/// Tiles cost the decoder some kilobytes each before any of them is read.
const MAX_TILES: u64 = 4096;

pub(super) fn decode(format: &PixelFormat, bytes: &[u8]) -> Result<Decoded> {
    let size = Size::read(bytes).ok_or_else(|| Error::malformed("no JPEG 2000 size marker"))?;
    check_geometry(format, size.rows, size.columns, size.components)?;
    if size.tiles > MAX_TILES {
        return Err(Error::limit(format!("{} tiles, the limit is {MAX_TILES}", size.tiles)));
    }
    let params = DecodeParameters::new().ignore_pclr_cmap_cdef();
    let failed = |e| Error::malformed("the JPEG 2000 codestream is damaged").with_source(e);
    let image = Image::from_bytes_with(bytes, params).map_err(failed)?;
    let width = format.bytes_per_sample();
    let mut frame = vec![0; format.decoded_bytes()];
    let stride = format.samples * width;
    for (sample, component) in image.components().iter().take(format.samples).enumerate() {
        if component.data().len() != format.pixels() {
            return Err(Error::malformed(format!("component {sample} is subsampled or incomplete")));
        }
        for (slot, value) in frame.chunks_exact_mut(stride).zip(component.data()) {
            // Codestream and header may disagree about the sign: the header's stored bits decide.
            let value = if format.signed { sign_extend(*value, format.bits_stored) } else { *value }.to_le_bytes();
            let at = sample * width;
            let low = width.min(4);
            slot[at..at + low].copy_from_slice(&value[..low]);
        }
    }
    Ok(Decoded { bytes: frame, colour: None })
}

fn sign_extend(value: i32, bits: u32) -> i32 {
    let unused = 32u32.saturating_sub(bits);
    (value << unused) >> unused
}

/// The SIZ marker segment (ISO/IEC 15444-1 A.5.1).
struct Size {
    rows: u64,
    columns: u64,
    components: u64,
    tiles: u64,
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
        let components = bytes.get(at + 40..at + 42)?.try_into().ok().map(u16::from_be_bytes)?;
        let across = x1.checked_sub(tile_x0)?.checked_add(tile_x.checked_sub(1)?)? / tile_x;
        let down = y1.checked_sub(tile_y0)?.checked_add(tile_y.checked_sub(1)?)? / tile_y;
        Some(Self {
            rows: y1.checked_sub(y0)?,
            columns: x1.checked_sub(x0)?,
            components: components.into(),
            tiles: across.checked_mul(down)?,
        })
    }
}
