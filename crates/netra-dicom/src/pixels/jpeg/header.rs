//! Marker segments of a JPEG codestream (ITU-T T.81 Annex B).

use netra_core::{Error, Result};

use super::huffman::Table;
use crate::pixels::codec::ColourModel;
use crate::pixels::segments::{segment, word};

/// Where the coefficients of a block lie that come in zigzag order (figure A.6).
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// How samples are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    /// Baseline and extended sequential DCT.
    Sequential,
    /// DCT by spectral selection and successive approximation.
    Progressive,
    /// Prediction from neighbours.
    Lossless,
}

/// A component of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Component {
    id: u8,
    /// Sampling factors, 1 to 4: across, down.
    pub(super) sampling: [usize; 2],
    pub(super) quantiser: usize,
}

/// The frame header (SOF).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) process: Process,
    /// Bits a sample.
    pub(super) precision: u32,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) components: Vec<Component>,
}

/// A component of a scan: its place in the frame, its tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) component: usize,
    pub(super) dc: usize,
    pub(super) ac: usize,
}

/// A scan header (SOS).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) parts: Vec<Part>,
    /// First and last coefficient in zigzag order; of a lossless scan, the predictor and 0.
    pub(super) band: [usize; 2],
    /// Whether a progressive scan adds a bit to coefficients that are known.
    pub(super) refines: bool,
    /// Bits by which coefficients or samples were shifted down.
    pub(super) shift: u32,
}

/// What the segments said so far.
#[derive(Default)]
pub(super) struct Header {
    pub(super) frame: Option<Frame>,
    pub(super) quantisers: [Option<[u16; 64]>; 4],
    pub(super) dc: [Option<Table>; 4],
    pub(super) ac: [Option<Table>; 4],
    /// MCUs from one restart to the next; 0 for none.
    pub(super) restart: usize,
    /// The colour transform of the Adobe segment.
    adobe: Option<u8>,
}

/// What comes next.
pub(super) enum Next {
    /// A scan; its data begin at this byte.
    Scan(Scan, usize),
    End,
}

fn short(what: &str) -> Error {
    Error::malformed(format!("the JPEG {what} is cut short"))
}

impl Header {
    /// Reads segments from the byte `at` on, up to a scan or the end.
    pub(super) fn read(&mut self, bytes: &[u8], mut at: usize) -> Result<Next> {
        loop {
            // Bytes that belong to no segment may precede a marker.
            let rest = bytes.get(at..).unwrap_or_default();
            let found = rest.windows(2).position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xFF));
            at += found.ok_or_else(|| short("codestream"))?;
            let marker = bytes[at + 1];
            at += 2;
            match marker {
                0xD8 | 0x01 | 0xD0..=0xD7 => continue,
                0xD9 => return Ok(Next::End),
                _ => {}
            }
            let (body, end) = segment(bytes, at).ok_or_else(|| short("marker segment"))?;
            at = end;
            match marker {
                0xC0 | 0xC1 => self.frame(Process::Sequential, body)?,
                0xC2 => self.frame(Process::Progressive, body)?,
                0xC3 => self.frame(Process::Lossless, body)?,
                0xC4 => self.huffman(body)?,
                0xC5..=0xC7 | 0xCD..=0xCF => return Err(Error::unsupported("hierarchical JPEG")),
                0xC9..=0xCB => return Err(Error::unsupported("JPEG with arithmetic coding")),
                0xDB => self.quantisers(body)?,
                0xDD => self.restart = word(body, 0).ok_or_else(|| short("restart interval"))?,
                0xDA => return Ok(Next::Scan(self.scan(body)?, at)),
                0xEE if body.starts_with(b"Adobe") => self.adobe = body.get(11).copied(),
                0xF7 => return Err(Error::malformed("a JPEG-LS codestream, not JPEG")),
                // Application data, comments, and whatever else has a length.
                _ => {}
            }
        }
    }

    /// The colour model that the Adobe segment states (0: RGB, 1: YCbCr), or RGB when the components are named so.
    pub(super) fn colour(&self) -> Option<ColourModel> {
        match self.adobe {
            Some(0) => Some(ColourModel::Rgb),
            Some(1) => Some(ColourModel::Ybr),
            Some(_) => None,
            None => {
                let named = self.frame.as_ref()?.components.iter().map(|c| c.id).eq(*b"RGB");
                named.then_some(ColourModel::Rgb)
            }
        }
    }

    fn frame(&mut self, process: Process, body: &[u8]) -> Result<()> {
        if self.frame.is_some() {
            return Err(Error::malformed("a JPEG codestream with two frames"));
        }
        let cut = || short("frame header");
        let precision = u32::from(*body.first().ok_or_else(cut)?);
        let (rows, columns) = word(body, 1).zip(word(body, 3)).ok_or_else(cut)?;
        let count = usize::from(*body.get(5).ok_or_else(cut)?);
        let sound = match process {
            Process::Lossless => (2..=16).contains(&precision),
            Process::Sequential | Process::Progressive => matches!(precision, 8 | 12),
        };
        if !sound || columns == 0 || !(1..=4).contains(&count) {
            let text = format!("a JPEG frame of {columns} columns, {count} components of {precision} bits");
            return Err(Error::unsupported(text));
        }
        let mut components = Vec::with_capacity(count);
        for i in 0..count {
            let &[id, sampling, quantiser] = body.get(6 + 3 * i..9 + 3 * i).ok_or_else(cut)? else {
                return Err(cut());
            };
            let sampling = [usize::from(sampling >> 4), usize::from(sampling & 15)];
            if !sampling.iter().all(|f| (1..=4).contains(f)) || quantiser > 3 {
                return Err(Error::malformed(format!("JPEG component {id} sampled by {sampling:?}")));
            }
            components.push(Component { id, sampling, quantiser: quantiser.into() });
        }
        self.frame = Some(Frame { process, precision, rows, columns, components });
        Ok(())
    }

    fn huffman(&mut self, mut body: &[u8]) -> Result<()> {
        while let Some((&place, rest)) = body.split_first() {
            let counts: &[u8; 16] = rest.first_chunk().ok_or_else(|| short("Huffman table"))?;
            let (total, rest) = (counts.iter().map(|&n| usize::from(n)).sum(), &rest[16..]);
            let symbols = rest.get(..total).ok_or_else(|| short("Huffman table"))?;
            let tables = if place >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            let slot = tables.get_mut(usize::from(place & 15)).ok_or_else(|| Error::malformed("a fifth table"))?;
            *slot = Some(Table::new(counts, symbols)?);
            body = &rest[total..];
        }
        Ok(())
    }

    fn quantisers(&mut self, mut body: &[u8]) -> Result<()> {
        while let Some((&place, rest)) = body.split_first() {
            let width = if place >> 4 == 0 { 1 } else { 2 };
            let steps = rest.get(..64 * width).ok_or_else(|| short("quantisation table"))?;
            let slot = self.quantisers.get_mut(usize::from(place & 15));
            let table = slot.ok_or_else(|| Error::malformed("a fifth table"))?.insert([0; 64]);
            for (&at, step) in ZIGZAG.iter().zip(steps.chunks_exact(width)) {
                table[usize::from(at)] = step.iter().fold(0, |n, &b| (n << 8) | u16::from(b));
            }
            body = &rest[64 * width..];
        }
        Ok(())
    }

    fn scan(&self, body: &[u8]) -> Result<Scan> {
        let frame = self.frame.as_ref().ok_or_else(|| Error::malformed("a JPEG scan before its frame header"))?;
        let cut = || short("scan header");
        let count = usize::from(*body.first().ok_or_else(cut)?);
        let mut parts: Vec<Part> = Vec::with_capacity(count.min(4));
        for pair in body.get(1..1 + 2 * count).ok_or_else(cut)?.chunks_exact(2) {
            let component = frame.components.iter().position(|c| c.id == pair[0]);
            let component = component.ok_or_else(|| Error::malformed(format!("no JPEG component {}", pair[0])))?;
            let (dc, ac) = (usize::from(pair[1] >> 4), usize::from(pair[1] & 15));
            if parts.iter().any(|part| part.component == component) || dc > 3 || ac > 3 {
                return Err(Error::malformed("a JPEG scan header that contradicts itself"));
            }
            parts.push(Part { component, dc, ac });
        }
        let &[first, last, approximation] = body.get(1 + 2 * count..4 + 2 * count).ok_or_else(cut)? else {
            return Err(cut());
        };
        let (first, last) = (usize::from(first), usize::from(last));
        let shift = u32::from(approximation & 15);
        let sound = match frame.process {
            Process::Sequential => true,
            Process::Progressive if first == 0 => last == 0 && shift <= 13,
            Process::Progressive => first <= last && last < 64 && shift <= 13 && count == 1,
            Process::Lossless => (1..=7).contains(&first) && shift < frame.precision,
        };
        if !sound || parts.is_empty() {
            return Err(Error::malformed(format!(
                "a JPEG scan of {count} components, {first} to {last}, shift {shift}"
            )));
        }
        Ok(Scan { parts, band: [first, last], refines: approximation >> 4 != 0, shift })
    }
}
