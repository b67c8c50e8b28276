//! RLE Lossless (PS3.5 annex G): one PackBits segment for each byte of a sample, most significant byte first.

use netra_core::{Error, Result};

use super::format::PixelFormat;

const HEADER: usize = 64;

/// Decodes one frame to little endian, colour by pixel. Samples of any whole number of bytes.
pub(super) fn decode(format: &PixelFormat, bytes: &[u8]) -> Result<Vec<u8>> {
    if format.bits_allocated == 1 {
        return Err(Error::unsupported("RLE of single bits"));
    }
    let width = format.bytes_per_sample();
    let wanted = format.samples * width;
    let offsets = header(bytes)?;
    if offsets.len() != wanted {
        return Err(Error::malformed(format!("{} RLE segments, {wanted} are needed", offsets.len())));
    }
    let mut frame = vec![0; format.decoded_bytes()];
    for (index, &start) in offsets.iter().enumerate() {
        let end = offsets.get(index + 1).copied().unwrap_or(bytes.len());
        let place = || format!("RLE segment {}", index + 1);
        let segment = bytes.get(start..end).ok_or_else(|| Error::malformed("the offset is wrong").at(place()))?;
        let (sample, byte) = (index / width, width - 1 - index % width);
        let mut out = frame.iter_mut().skip(sample * width + byte).step_by(wanted);
        if unpack(segment, &mut out).is_none() {
            return Err(Error::malformed("the segment ends before the frame is full").at(place()));
        }
    }
    Ok(frame)
}

/// Segment offsets of the header: a count of at most 15, then 15 offsets.
fn header(bytes: &[u8]) -> Result<Vec<usize>> {
    let words: Vec<usize> = bytes
        .get(..HEADER)
        .ok_or_else(|| Error::malformed("the frame is shorter than an RLE header"))?
        .chunks_exact(4)
        .map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]]) as usize)
        .collect();
    let count = words.first().copied().unwrap_or(0);
    words.get(1..=count).map(<[usize]>::to_vec).ok_or_else(|| Error::malformed(format!("{count} RLE segments")))
}

/// Fills `out` from PackBits runs; `None` when the segment ends first. What follows a full segment is padding.
fn unpack<'a>(segment: &[u8], out: &mut impl Iterator<Item = &'a mut u8>) -> Option<()> {
    let mut out = out.peekable();
    let mut rest = segment;
    while out.peek().is_some() {
        let (&control, tail) = rest.split_first()?;
        rest = match control {
            0..=127 => {
                let (run, tail) = tail.split_at_checked(usize::from(control) + 1).unwrap_or((tail, &[]));
                run.iter().zip(&mut out).for_each(|(&value, slot)| *slot = value);
                tail
            }
            128 => tail,
            129..=255 => {
                let (&value, tail) = tail.split_first()?;
                out.by_ref().take(257 - usize::from(control)).for_each(|slot| *slot = value);
                tail
            }
        };
    }
    Some(())
}
