//! JPEG with Huffman codes (PS3.5 8.2.1), decoded after ITU-T T.81 (ISO/IEC 10918-1): baseline, extended and progressive DCT of
//! 8 and 12 bits, and lossless of 2 to 16.

mod bits;
mod header;
mod huffman;
mod idct;
mod lossless;
mod planes;
mod scan;

use netra_core::{Error, Result};

use super::codec::{Decoded, check_geometry};
use super::format::PixelFormat;
use header::{Frame, Header, Next, Process};
use scan::Coefficients;

/// More than any encoder writes; each costs a pass over the frame, however little it holds.
const MAX_SCANS: usize = 256;

/// Decodes one frame.
pub(super) fn decode(format: &PixelFormat, bytes: &[u8]) -> Result<Decoded> {
    let mut header = Header::default();
    let Next::Scan(first, at) = header.read(bytes, 0)? else {
        return Err(Error::malformed("a JPEG codestream without a scan"));
    };
    let frame = header.frame.clone().ok_or_else(|| Error::malformed("a JPEG scan without a frame"))?;
    // A line count of 0 is made good by a segment behind the first scan (B.2.5), and known from the header before.
    let rows = if frame.rows == 0 { format.rows } else { frame.rows };
    let samples = frame.components.len();
    check_geometry(format, rows as u64, frame.columns as u64, samples as u64)?;
    let frame = Frame { rows, ..frame };
    let width = format.bytes_per_sample();
    // Some writers code 8 bits as if they were more.
    if frame.precision > 8 && width == 1 && format.bits_stored > 8 {
        return Err(Error::malformed(format!("JPEG samples of {} bits where 8 are allocated", frame.precision)));
    }
    let colour = header.colour();
    let mut out = vec![0; format.decoded_bytes()];
    let mut store = |y: usize, component: usize, every: usize, line: &[u16], shift: u32| {
        let row = &mut out[y * frame.columns * samples * width..][..frame.columns * samples * width];
        let slots = row.chunks_exact_mut(every * width);
        match width {
            1 => slots.zip(line).for_each(|(slot, &v)| slot[component] = (v << shift) as u8),
            2 if every == 1 => slots.zip(line).for_each(|(slot, &v)| slot.copy_from_slice(&(v << shift).to_le_bytes())),
            _ => slots.zip(line).for_each(|(slot, &v)| {
                slot[component * width..component * width + 2].copy_from_slice(&(v << shift).to_le_bytes());
            }),
        }
    };
    let (mut next, mut scans, mut missing) = (Next::Scan(first, at), 0, vec![true; samples]);
    let lossless = frame.process == Process::Lossless;
    let mut components = if lossless { Vec::new() } else { Coefficients::of(&frame, rows) };
    while let Next::Scan(scan, at) = next {
        scans += 1;
        if scans > MAX_SCANS {
            return Err(Error::limit(format!("a JPEG frame of more than {MAX_SCANS} scans")));
        }
        let end = if lossless {
            // A scan of all components has their samples pixel by pixel, as the frame has them.
            let whole = scan.parts.len() == samples && scan.parts.iter().map(|p| p.component).eq(0..samples);
            lossless::decode(&header, &frame, &scan, (bytes, at), |y, line| {
                if whole {
                    return store(y, 0, 1, line, scan.shift);
                }
                for (i, part) in scan.parts.iter().enumerate() {
                    let own: Vec<u16> = line.iter().skip(i).step_by(scan.parts.len()).copied().collect();
                    store(y, part.component, samples, &own, scan.shift);
                }
            })?
        } else {
            scan::decode(&header, &frame, &scan, (bytes, at), &mut components)?
        };
        scan.parts.iter().for_each(|part| missing[part.component] = false);
        // What may follow the last scan of a frame (an end marker, padding) changes nothing.
        if frame.process != Process::Progressive && missing == vec![false; samples] {
            break;
        }
        next = header.read(bytes, end)?;
    }
    if missing.contains(&true) {
        return Err(Error::malformed("a JPEG codestream without all its scans"));
    }
    if !lossless {
        planes::compose(&frame, rows, components, |component, y, line| store(y, component, samples, line, 0))?;
    }
    Ok(Decoded { bytes: out, colour })
}
