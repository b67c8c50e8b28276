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
        let byte = index / width * width + width - 1 - index % width;
        let full = match wanted {
            1 => unpack::<1>(segment, &mut frame, byte),
            2 => unpack::<2>(segment, &mut frame, byte),
            3 => unpack::<3>(segment, &mut frame, byte),
            4 => unpack::<4>(segment, &mut frame, byte),
            6 => unpack::<6>(segment, &mut frame, byte),
            8 => unpack::<8>(segment, &mut frame, byte),
            12 => unpack::<12>(segment, &mut frame, byte),
            _ => return Err(Error::unsupported(format!("{wanted} RLE segments"))),
        };
        if full.is_none() {
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

/// Fills byte `at` of every pixel of `N` bytes from PackBits runs; `None` when the segment ends first. What follows a full
/// segment is padding.
fn unpack<const N: usize>(segment: &[u8], frame: &mut [u8], at: usize) -> Option<()> {
    let mut pixels = frame.as_chunks_mut::<N>().0;
    let mut rest = segment;
    while !pixels.is_empty() {
        let (&control, tail) = rest.split_first()?;
        rest = tail;
        let run = match control {
            0..=127 => (usize::from(control) + 1).min(rest.len()),
            128 => continue,
            _ => 257 - usize::from(control),
        };
        let (now, later) = pixels.split_at_mut(run.min(pixels.len()));
        pixels = later;
        if control < 128 {
            let (bytes, tail) = rest.split_at(run);
            rest = tail;
            now.iter_mut().zip(bytes).for_each(|(pixel, &byte)| pixel[at] = byte);
        } else {
            let (&byte, tail) = rest.split_first()?;
            rest = tail;
            now.iter_mut().for_each(|pixel| pixel[at] = byte);
        }
    }
    Some(())
}
