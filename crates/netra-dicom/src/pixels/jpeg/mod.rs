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
use header::{Frame, Header, Next, Process, Scan};
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
    let mut out = Canvas { bytes: vec![0; format.decoded_bytes()], columns: frame.columns, samples, width };
    let (mut next, mut scans, mut missing) = (Next::Scan(first, at), 0, vec![true; samples]);
    let lossless = frame.process == Process::Lossless;
    let mut components = if lossless { Vec::new() } else { Coefficients::of(&frame, rows) };
    while let Next::Scan(scan, at) = next {
        scans += 1;
        if scans > MAX_SCANS {
            return Err(Error::limit(format!("a JPEG frame of more than {MAX_SCANS} scans")));
        }
        let end = match lossless {
            true => lossless::decode(&header, &frame, &scan, (bytes, at), |y, line| out.pixels(y, &scan, line))?,
            false => scan::decode(&header, &frame, &scan, (bytes, at), &mut components)?,
        };
        scan.parts.iter().for_each(|part| missing[part.component] = false);
        // What may follow the last scan of a frame (an end marker, padding) changes nothing.
        if frame.process != Process::Progressive && !missing.contains(&true) {
            break;
        }
        next = header.read(bytes, end)?;
    }
    if missing.contains(&true) {
        return Err(Error::malformed("a JPEG codestream without all its scans"));
    }
    if !lossless {
        planes::compose(&frame, rows, components, |component, y, line| out.samples(y, component, line, 0))?;
    }
    Ok(Decoded { bytes: out.bytes, colour })
}

/// The decoded frame: little endian, colour by pixel.
struct Canvas {
    bytes: Vec<u8>,
    columns: usize,
    samples: usize,
    /// Bytes of a sample.
    width: usize,
}

impl Canvas {
    fn row(&mut self, y: usize) -> &mut [u8] {
        let length = self.columns * self.samples * self.width;
        &mut self.bytes[y * length..(y + 1) * length]
    }

    /// A line of one component, whose samples are shifted up.
    fn samples(&mut self, y: usize, component: usize, line: &[u16], shift: u32) {
        let (at, width) = (component * self.width, self.width);
        let stride = self.samples * width;
        let slots = self.row(y).chunks_exact_mut(stride).zip(line);
        match width {
            1 => slots.for_each(|(slot, &v)| slot[at] = (v << shift) as u8),
            _ => slots.for_each(|(slot, &v)| slot[at..at + 2].copy_from_slice(&(v << shift).to_le_bytes())),
        }
    }

    /// A line of the components of a scan in turn, pixel by pixel.
    fn pixels(&mut self, y: usize, scan: &Scan, line: &[u16]) {
        let count = scan.parts.len();
        if self.width == 2 && scan.parts.iter().map(|part| part.component).eq(0..self.samples) {
            let slots = self.row(y).as_chunks_mut::<2>().0;
            return slots.iter_mut().zip(line).for_each(|(slot, &v)| *slot = (v << scan.shift).to_le_bytes());
        }
        for (i, part) in scan.parts.iter().enumerate() {
            let own: Vec<u16> = line.iter().skip(i).step_by(count).copied().collect();
            self.samples(y, part.component, &own, scan.shift);
        }
    }
}
