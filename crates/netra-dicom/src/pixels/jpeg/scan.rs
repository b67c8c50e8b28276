//! Scans of DCT coefficients, sequential and progressive (ITU-T T.81 Annexes F and G).

use netra_core::{Error, Result};

use super::bits::Bits;
use super::header::{Frame, Header, Process, Scan, ZIGZAG};
use super::huffman::Table;

/// A progressive coefficient comes first without up to 13 bits, then with one more in each scan.
const MOST_SCANS: u8 = 14;

/// The coefficients of one component, block by block.
pub(super) struct Coefficients {
    /// Blocks that hold samples: across, down.
    pub(super) blocks: [usize; 2],
    /// Blocks in a row, with those that only fill an MCU.
    pub(super) stride: usize,
    pub(super) values: Vec<[i16; 64]>,
    /// Quantisation steps, as they stood before the first scan of the component.
    pub(super) quantiser: Option<[u16; 64]>,
    sampling: [usize; 2],
    /// Scans that held each of them.
    scans: [u8; 64],
}

impl Coefficients {
    /// Of every component of a frame of `rows` rows, all zero.
    pub(super) fn of(frame: &Frame, rows: usize) -> Vec<Self> {
        let most = largest(frame);
        let mcus = [frame.columns.div_ceil(8 * most[0]), rows.div_ceil(8 * most[1])];
        let of = |sampling: [usize; 2]| {
            let own = |size: usize, i: usize| (size * sampling[i]).div_ceil(most[i]).div_ceil(8);
            let stride = mcus[0] * sampling[0];
            Self {
                blocks: [own(frame.columns, 0), own(rows, 1)],
                stride,
                values: vec![[0; 64]; stride * mcus[1] * sampling[1]],
                quantiser: None,
                sampling,
                scans: [0; 64],
            }
        };
        frame.components.iter().map(|c| of(c.sampling)).collect()
    }
}

/// The largest sampling factors: across, down.
pub(super) fn largest(frame: &Frame) -> [usize; 2] {
    [0, 1].map(|i| frame.components.iter().map(|c| c.sampling[i]).max().unwrap_or(1))
}

/// A component of a scan.
struct Part<'a> {
    coefficients: &'a mut Coefficients,
    dc: Option<&'a Table>,
    ac: Option<&'a Table>,
    /// The last DC coefficient.
    last: i32,
}

/// Decodes a scan whose data begin at byte `at`. Gives the position of the marker after it.
pub(super) fn decode(
    header: &Header,
    frame: &Frame,
    scan: &Scan,
    (bytes, at): (&[u8], usize),
    components: &mut [Coefficients],
) -> Result<usize> {
    let mut parts: Vec<Option<Part<'_>>> = scan.parts.iter().map(|_| None).collect();
    for (component, coefficients) in components.iter_mut().enumerate() {
        let Some(i) = scan.parts.iter().position(|part| part.component == component) else { continue };
        if coefficients.quantiser.is_none() {
            coefficients.quantiser = header.quantisers[frame.components[component].quantiser];
        }
        let [first, last] = scan.band;
        for scans in coefficients.scans.iter_mut().take(last + 1).skip(first) {
            *scans += 1;
            if *scans > MOST_SCANS {
                return Err(Error::malformed(format!("a JPEG coefficient in more than {MOST_SCANS} scans")));
            }
        }
        let [dc, ac] = [header.dc[scan.parts[i].dc].as_ref(), header.ac[scan.parts[i].ac].as_ref()];
        parts[i] = Some(Part { coefficients, dc, ac, last: 0 });
    }
    let mut parts: Vec<Part<'_>> = parts.into_iter().flatten().collect();
    let mut decoder = Decoder { bits: Bits::new(bytes, at), scan, process: frame.process, blank: 0 };
    // A scan of one component has no MCUs of several blocks (A.2.2).
    let alone = parts.len() == 1;
    let [across, down] = match &parts[..] {
        [one] => one.coefficients.blocks,
        [first, ..] => {
            let Coefficients { stride, values, sampling, .. } = &*first.coefficients;
            [stride / sampling[0], values.len() / stride / sampling[1]]
        }
        [] => [0, 0],
    };
    let mut until_restart = header.restart;
    for y in 0..down {
        let mut x = 0;
        while x < across {
            if header.restart > 0 {
                if until_restart == 0 {
                    decoder.bits = decoder.bits.restarted()?;
                    decoder.blank = 0;
                    parts.iter_mut().for_each(|part| part.last = 0);
                    until_restart = header.restart;
                }
                until_restart -= 1;
            } else if decoder.blank > 0 && !scan.refines {
                // Nothing is coded for all of these.
                let blocks = (across - x).min(decoder.blank as usize);
                decoder.blank -= blocks as u32;
                x += blocks;
                continue;
            }
            for part in &mut parts {
                let [h, v] = if alone { [1, 1] } else { part.coefficients.sampling };
                for (i, j) in (0..v).flat_map(|i| (0..h).map(move |j| (i, j))) {
                    decoder.block(part, (y * v + i) * part.coefficients.stride + x * h + j)?;
                }
            }
            x += 1;
        }
        decoder.bits.check().map_err(|e| e.at(format!("block row {y}")))?;
    }
    Ok(decoder.bits.marker())
}

struct Decoder<'a> {
    bits: Bits<'a>,
    scan: &'a Scan,
    process: Process,
    /// Blocks to come whose band has no new coefficient (EOBRUN).
    blank: u32,
}

fn given(table: Option<&Table>) -> Result<&Table> {
    table.ok_or_else(|| Error::malformed("a JPEG scan without its table"))
}

impl Decoder<'_> {
    fn block(&mut self, part: &mut Part<'_>, at: usize) -> Result<()> {
        let block = &mut part.coefficients.values[at];
        match (self.process, self.scan.band[0], self.scan.refines) {
            (Process::Progressive, 0, false) => self.dc(block, part.dc, &mut part.last),
            (Process::Progressive, 0, true) => {
                block[0] |= i16::from(self.bits.bit()) << self.scan.shift;
                Ok(())
            }
            (Process::Progressive, _, false) => self.band(block, given(part.ac)?),
            (Process::Progressive, _, true) => self.refine(block, given(part.ac)?),
            _ => {
                self.dc(block, part.dc, &mut part.last)?;
                self.sequential(block, given(part.ac)?)
            }
        }
    }

    /// A DC coefficient: its difference from the last.
    fn dc(&mut self, block: &mut [i16; 64], table: Option<&Table>, last: &mut i32) -> Result<()> {
        *last = last.wrapping_add(given(table)?.difference(&mut self.bits)?);
        let shift = if self.process == Process::Progressive { self.scan.shift } else { 0 };
        block[0] = (*last << shift) as i16;
        Ok(())
    }

    /// All AC coefficients (F.2.2.2).
    fn sequential(&mut self, block: &mut [i16; 64], table: &Table) -> Result<()> {
        let mut k = 1;
        while k < 64 {
            let symbol = table.symbol(&mut self.bits)?;
            let (run, size) = ((symbol >> 4) as usize, symbol & 15);
            if size == 0 {
                if run < 15 {
                    return Ok(());
                }
                k += 16;
                continue;
            }
            k += run;
            let value = self.bits.signed(size);
            *place(block, k)? = value as i16;
            k += 1;
        }
        Ok(())
    }

    /// The first bits of a band of AC coefficients (G.1.2.2).
    fn band(&mut self, block: &mut [i16; 64], table: &Table) -> Result<()> {
        if self.blank > 0 {
            self.blank -= 1;
            return Ok(());
        }
        let [mut k, last] = self.scan.band;
        while k <= last {
            let symbol = table.symbol(&mut self.bits)?;
            let (run, size) = (symbol >> 4, symbol & 15);
            if size == 0 {
                if run < 15 {
                    self.blank = (1 << run) - 1 + self.bits.take(run);
                    return Ok(());
                }
                k += 16;
                continue;
            }
            k += run as usize;
            let value = self.bits.signed(size) << self.scan.shift;
            *place(block, k)? = value as i16;
            k += 1;
        }
        Ok(())
    }

    /// One more bit of a band of AC coefficients (G.1.2.3).
    fn refine(&mut self, block: &mut [i16; 64], table: &Table) -> Result<()> {
        let one = 1i16 << self.scan.shift;
        let [mut k, last] = self.scan.band;
        while k <= last && self.blank == 0 {
            let symbol = table.symbol(&mut self.bits)?;
            let (mut run, size) = (symbol >> 4, symbol & 15);
            if size == 0 && run < 15 {
                self.blank = (1 << run) + self.bits.take(run);
                break;
            }
            let fresh = match size {
                0 => 0,
                _ if self.bits.bit() => one,
                _ => -one,
            };
            // The new coefficient takes the place behind `run` zeros; those that are known get their bit on the way.
            while k <= last {
                let value = place(block, k)?;
                k += 1;
                if *value != 0 {
                    self.correct(value, one);
                } else if run == 0 {
                    *value = fresh;
                    break;
                } else {
                    run -= 1;
                }
            }
        }
        if self.blank > 0 {
            self.blank -= 1;
            for k in k..=last {
                let value = place(block, k)?;
                if *value != 0 {
                    self.correct(value, one);
                }
            }
        }
        Ok(())
    }

    /// Adds the next bit to a coefficient that is known.
    fn correct(&mut self, value: &mut i16, one: i16) {
        if self.bits.bit() && *value & one == 0 {
            *value = value.wrapping_add(one * value.signum());
        }
    }
}

/// Coefficient `k` in zigzag order.
#[inline(always)]
fn place(block: &mut [i16; 64], k: usize) -> Result<&mut i16> {
    let at = ZIGZAG.get(k).ok_or_else(|| Error::malformed("a JPEG coefficient behind the end of its block"))?;
    Ok(&mut block[usize::from(*at) & 63])
}
