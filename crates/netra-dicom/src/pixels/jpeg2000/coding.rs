//! How the components of an image or of a tile are coded: COD, COC, QCD, QCC, RGN and POC (ITU-T T.800 A.6).

use netra_core::{Error, Result};

use super::codestream::{number, short};

/// More changes of progression than any encoder writes; each costs a look at every packet.
const MAX_CHANGES: usize = 64;

/// The order of packets: layers, resolutions, components, positions, the first one outermost (Table A.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Lrcp,
    Rlcp,
    Rpcl,
    Pcrl,
    Cprl,
    /// None that the standard knows.
    Other,
}

impl From<u8> for Order {
    fn from(code: u8) -> Self {
        [Self::Lrcp, Self::Rlcp, Self::Rpcl, Self::Pcrl, Self::Cprl]
            .get(usize::from(code))
            .copied()
            .unwrap_or(Self::Other)
    }
}

/// What a component shares with others by COD and has for itself by COC.
#[derive(Clone, Copy)]
pub(super) struct Style {
    /// Decomposition levels, 32 at most.
    pub(super) levels: u8,
    /// Exponents of the width and the height of a code-block.
    pub(super) block: [u8; 2],
    pub(super) modes: u8,
    /// 0: 9/7 irreversible; 1: 5/3 reversible; others are of Part 2.
    pub(super) transform: u8,
    /// Exponents of the precincts of each resolution: across, and down in the upper four bits.
    pub(super) precincts: [u8; 33],
}

impl Style {
    /// Before any is told: of no transform that there is.
    const NONE: Self = Self { levels: 0, block: [0; 2], modes: 0, transform: u8::MAX, precincts: [0; 33] };
}

/// QCD and QCC.
#[derive(Clone, Default)]
pub(super) struct Quantisation {
    /// 0: none; 1: steps derived from the first; 2: a step for each band.
    pub(super) kind: u8,
    pub(super) guard: u8,
    /// Exponents (5 bits) and mantissas (11 bits).
    pub(super) steps: Vec<u16>,
}

#[derive(Clone)]
pub(super) struct Part {
    pub(super) style: Style,
    pub(super) quantisation: Quantisation,
    /// Bits that the region of interest is shifted up by.
    pub(super) shift: u8,
    /// Whether COC and QCC of the same header have spoken.
    own: [bool; 2],
}

/// A part of the progression (POC): resolutions and components from one on and before another, up to a layer.
#[derive(Clone, Copy)]
pub(super) struct Change {
    pub(super) resolutions: [u32; 2],
    pub(super) components: [u32; 2],
    pub(super) layers: u32,
    pub(super) order: Order,
}

#[derive(Clone)]
pub(super) struct Coding {
    pub(super) order: Order,
    pub(super) layers: u32,
    /// 1: the first three components are transformed together.
    pub(super) colour: u8,
    pub(super) changes: Vec<Change>,
    /// Whether POC of the same header has spoken.
    own_changes: bool,
    pub(super) parts: Vec<Part>,
}

impl Coding {
    pub(super) fn new(components: usize) -> Self {
        let part = Part { style: Style::NONE, quantisation: Quantisation::default(), shift: 0, own: [false; 2] };
        Self {
            order: Order::Other,
            layers: 0,
            colour: 0,
            changes: Vec::new(),
            own_changes: false,
            parts: vec![part; components],
        }
    }

    /// That of a tile until its own header changes it: what it says outranks what the main header says (A.6).
    pub(super) fn of_tile(&self) -> Self {
        let mut this = Self { own_changes: false, ..self.clone() };
        this.parts.iter_mut().for_each(|part| part.own = [false; 2]);
        this
    }

    /// Reads a marker segment if it is one of coding; gives the style where it holds one.
    pub(super) fn read(&mut self, marker: u16, body: &[u8]) -> Result<Option<Style>> {
        // Where components are counted in a byte or two.
        let wide = self.parts.len() > 256;
        let index = || if wide { number::<2>(body, 0) } else { number::<1>(body, 0) };
        let rest = body.get(if wide { 2 } else { 1 }..).unwrap_or_default();
        match marker {
            0xFF52 => {
                self.order = Order::from(number::<1>(body, 1)? as u8);
                self.layers = number::<2>(body, 2)? as u32;
                if self.layers == 0 {
                    return Err(Error::malformed("a JPEG 2000 image without layers"));
                }
                self.colour = number::<1>(body, 4)? as u8;
                let style = style(number::<1>(body, 0)? as u8, body.get(5..).ok_or_else(short)?)?;
                self.parts.iter_mut().filter(|part| !part.own[0]).for_each(|part| part.style = style);
                return Ok(Some(style));
            }
            0xFF53 => {
                let style = style(number::<1>(rest, 0)? as u8, &rest[1..])?;
                let part = self.part(index()?)?;
                (part.style, part.own[0]) = (style, true);
                return Ok(Some(style));
            }
            0xFF5C => {
                let steps = quantisation(body)?;
                self.parts.iter_mut().filter(|part| !part.own[1]).for_each(|part| part.quantisation = steps.clone());
            }
            0xFF5D => {
                let part = self.part(index()?)?;
                (part.quantisation, part.own[1]) = (quantisation(rest)?, true);
            }
            0xFF5E => self.part(index()?)?.shift = number::<1>(rest, 1)? as u8,
            0xFF5F => self.changes(body, wide)?,
            _ => {}
        }
        Ok(None)
    }

    fn part(&mut self, index: u64) -> Result<&mut Part> {
        let none = || Error::malformed(format!("no JPEG 2000 component {index}"));
        self.parts.get_mut(index as usize).ok_or_else(none)
    }

    /// POC (A.6.6).
    fn changes(&mut self, body: &[u8], wide: bool) -> Result<()> {
        if !std::mem::replace(&mut self.own_changes, true) {
            self.changes.clear();
        }
        for change in body.chunks_exact(if wide { 9 } else { 7 }) {
            let component = |at: usize| if wide { number::<2>(change, at) } else { number::<1>(change, at) };
            let at = if wide { 3 } else { 2 };
            let last = component(at + 3)? as u32;
            self.changes.push(Change {
                resolutions: [u32::from(change[0]), number::<1>(change, at + 2)? as u32],
                components: [component(1)? as u32, if last == 0 { 256 } else { last }],
                layers: number::<2>(change, at)? as u32,
                order: Order::from(*change.last().ok_or_else(short)?),
            });
        }
        if self.changes.len() > MAX_CHANGES {
            return Err(Error::limit(format!("more than {MAX_CHANGES} changes of progression")));
        }
        Ok(())
    }
}

/// The part of COD and COC that they share (A.6.1, A.6.2).
fn style(flags: u8, body: &[u8]) -> Result<Style> {
    let &[levels, width, height, modes, transform, ref sizes @ ..] = body else { return Err(short()) };
    if levels > 32 {
        return Err(Error::malformed(format!("{levels} decomposition levels")));
    }
    let mut precincts = [0xFF; 33];
    if flags & 1 != 0 {
        let count = usize::from(levels) + 1;
        precincts[..count].copy_from_slice(sizes.get(..count).ok_or_else(short)?);
    }
    // The exponents of a code-block are those written and 2.
    let block = [(width & 15) + 2, (height & 15) + 2];
    Ok(Style { levels, block, modes, transform, precincts })
}

fn quantisation(body: &[u8]) -> Result<Quantisation> {
    let (&first, rest) = body.split_first().ok_or_else(short)?;
    let steps = match first & 31 {
        0 => rest.iter().map(|&b| u16::from(b >> 3) << 11).collect(),
        _ => rest.as_chunks::<2>().0.iter().map(|&pair| u16::from_be_bytes(pair)).collect(),
    };
    Ok(Quantisation { kind: first & 31, guard: first >> 5, steps })
}
