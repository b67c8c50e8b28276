//! Marker segments of a JPEG-LS codestream (ITU-T T.87 Annex C).

use netra_core::{Error, Result};

use crate::pixels::segments::{segment, word};

/// A component of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Component {
    id: u8,
}

/// The frame header (SOF55).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Bits a sample.
    pub(super) precision: u32,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) components: Vec<Component>,
}

/// How the components of a scan lie in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interleave {
    None,
    Line,
    Sample,
}

/// A scan header (SOS).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// Positions of its components in the frame.
    pub(super) components: Vec<usize>,
    /// Largest difference from the original.
    pub(super) near: i32,
    pub(super) interleave: Interleave,
    /// Bits by which samples were shifted down.
    pub(super) shift: u32,
}

/// Coding parameters as an LSE segment states them; 0 means the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Preset {
    pub(super) maximum: i32,
    pub(super) thresholds: [i32; 3],
    pub(super) reset: i32,
}

/// What the segments say that precede a scan.
#[derive(Clone, Debug, Default)]
pub(super) struct Header {
    pub(super) frame: Option<Frame>,
    pub(super) preset: Preset,
    /// Lines from one restart to the next; 0 for none.
    pub(super) restart: usize,
}

/// What comes next.
pub(super) enum Next {
    /// A scan; its data begin at this byte.
    Scan(Scan, usize),
    End,
}

fn short(what: &str) -> Error {
    Error::malformed(format!("the JPEG-LS {what} is cut short"))
}

impl Header {
    /// Reads segments from the byte `at` on, up to a scan or the end.
    pub(super) fn read(&mut self, bytes: &[u8], mut at: usize) -> Result<Next> {
        loop {
            // Bytes 0xFF may precede a marker.
            while bytes.get(at) == Some(&0xFF) && bytes.get(at + 1) == Some(&0xFF) {
                at += 1;
            }
            let &[0xFF, marker] = bytes.get(at..at + 2).ok_or_else(|| short("codestream"))? else {
                return Err(Error::malformed(format!("no JPEG-LS marker at byte {at}")));
            };
            at += 2;
            match marker {
                0xD8 | 0x01 | 0xD0..=0xD7 => continue,
                0xD9 => return Ok(Next::End),
                _ => {}
            }
            let (body, end) = segment(bytes, at).ok_or_else(|| short("marker segment"))?;
            at = end;
            match marker {
                0xF7 => self.frame = Some(frame(body)?),
                0xF8 => self.lse(body)?,
                0xDD => self.restart = interval(body).ok_or_else(|| short("restart interval"))?,
                0xDA => return Ok(Next::Scan(self.scan(body)?, at)),
                0xC0..=0xC3 | 0xC5..=0xCB | 0xCD..=0xCF => {
                    return Err(Error::malformed(format!("JPEG of frame type {:#04X}, not JPEG-LS", marker)));
                }
                // Application data, comments, and whatever else has a length.
                _ => {}
            }
        }
    }

    /// A segment of parameters or extensions (C.2.4.1).
    fn lse(&mut self, body: &[u8]) -> Result<()> {
        let value = |i: usize| word(body, 1 + 2 * i).map(|v| v as i32).ok_or_else(|| short("parameters"));
        match body.first() {
            Some(1) => {
                self.preset =
                    Preset { maximum: value(0)?, thresholds: [value(1)?, value(2)?, value(3)?], reset: value(4)? };
                Ok(())
            }
            // Tables are of no consequence unless a scan names one.
            Some(2 | 3) => Ok(()),
            Some(4) => Err(Error::unsupported("a JPEG-LS image of more than 65535 rows or columns")),
            _ => Err(Error::malformed("an unknown JPEG-LS extension")),
        }
    }

    fn scan(&self, body: &[u8]) -> Result<Scan> {
        let frame = self.frame.as_ref().ok_or_else(|| Error::malformed("a JPEG-LS scan before its frame header"))?;
        let count = usize::from(*body.first().ok_or_else(|| short("scan header"))?);
        let mut components = Vec::with_capacity(count);
        for i in 0..count {
            let (id, table) = body.get(1 + 2 * i).zip(body.get(2 + 2 * i)).ok_or_else(|| short("scan header"))?;
            if *table != 0 {
                return Err(Error::unsupported("a JPEG-LS mapping table"));
            }
            let place = frame.components.iter().position(|c| c.id == *id);
            let place = place
                .ok_or_else(|| Error::malformed(format!("a JPEG-LS scan of component {id}, which is not there")))?;
            if components.contains(&place) {
                return Err(Error::malformed(format!("component {id} twice in a JPEG-LS scan")));
            }
            components.push(place);
        }
        let tail = body.get(1 + 2 * count..4 + 2 * count).ok_or_else(|| short("scan header"))?;
        let interleave = match (tail[1], count) {
            (0, 1) => Interleave::None,
            (1, 1..=4) => Interleave::Line,
            (2, 1..=4) => Interleave::Sample,
            (mode, count) => return Err(Error::malformed(format!("{count} components interleaved by mode {mode}"))),
        };
        let shift = u32::from(tail[2] & 0x0F);
        if shift >= frame.precision {
            return Err(Error::malformed(format!("a JPEG-LS point transform of {shift} bits")));
        }
        Ok(Scan { components, near: i32::from(tail[0]), interleave, shift })
    }
}

fn frame(body: &[u8]) -> Result<Frame> {
    let cut = || short("frame header");
    let precision = u32::from(*body.first().ok_or_else(cut)?);
    let (rows, columns) = word(body, 1).zip(word(body, 3)).ok_or_else(cut)?;
    let count = usize::from(*body.get(5).ok_or_else(cut)?);
    if !(2..=16).contains(&precision) || rows == 0 || columns == 0 || !(1..=4).contains(&count) {
        let text = format!("a JPEG-LS frame of {rows} x {columns}, {count} components of {precision} bits");
        return Err(Error::unsupported(text));
    }
    let mut components: Vec<Component> = Vec::with_capacity(count);
    for i in 0..count {
        let &[id, sampling, _] = body.get(6 + 3 * i..9 + 3 * i).ok_or_else(cut)? else { return Err(cut()) };
        if sampling != 0x11 {
            return Err(Error::unsupported("JPEG-LS components of different sizes"));
        }
        if components.iter().any(|c| c.id == id) {
            return Err(Error::malformed(format!("two JPEG-LS components {id}")));
        }
        components.push(Component { id });
    }
    Ok(Frame { precision, rows, columns, components })
}

/// A restart interval of two to four bytes.
fn interval(body: &[u8]) -> Option<usize> {
    (2..=4).contains(&body.len()).then(|| body.iter().fold(0, |n, &b| (n << 8) | usize::from(b)))
}
