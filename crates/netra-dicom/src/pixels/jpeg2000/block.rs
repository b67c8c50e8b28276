//! Code-blocks: their codeword segments and the passes that these hold (ITU-T T.800 Annex D).

use std::ops::Range;

use netra_core::{Error, Result};

use super::contexts::{Orientation, RUN, UNIFORM};
use super::mq::{Mq, Raw, initial};
use super::passes::{Field, Source, States};

/// Styles of code-blocks (Table A.19).
pub(super) const BYPASS: u8 = 1;
const RESET: u8 = 2;
pub(super) const TERMINATE: u8 = 4;
const CAUSAL: u8 = 8;
const SYMBOLS: u8 = 32;

/// What one packet holds of one codeword segment.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) bytes: Range<usize>,
    pub(super) passes: usize,
}

/// How many passes share a codeword segment with the pass `pass`, itself and later ones (D.4, D.6).
pub(super) fn segment(style: u8, pass: usize) -> usize {
    match (style & TERMINATE != 0, style & BYPASS != 0) {
        (true, _) => 1,
        (false, false) => usize::MAX,
        (false, true) if pass < 10 => 10 - pass,
        // Two passes of plain bits, one of coded ones.
        (false, true) => [2, 1, 1][(pass - 10) % 3],
    }
}

/// How a code-block is coded.
#[derive(Clone, Copy)]
pub(super) struct Coded {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Bit-planes that are not all zero, 31 at most.
    pub(super) planes: u32,
    pub(super) style: u8,
    pub(super) orientation: Orientation,
}

/// Decodes code-blocks one after the other in the same memory.
#[derive(Default)]
pub(super) struct Decoder {
    field: Field,
    segment: Vec<u8>,
}

impl Decoder {
    /// Decodes what `chunks` of `bytes` hold of a code-block.
    pub(super) fn decode(&mut self, coded: Coded, chunks: &[Chunk], bytes: &[u8]) -> Result<&Field> {
        self.field.clear(coded.width, coded.height, coded.style & CAUSAL != 0);
        let mut states = fresh();
        let (mut pass, mut chunks) = (0, chunks.iter().peekable());
        while chunks.peek().is_some() {
            // A segment is as long as its style says, or what there is of it.
            let last = pass + segment(coded.style, pass).min(3 * 31);
            let mut end = pass;
            self.segment.clear();
            while let Some(chunk) = chunks.next_if(|chunk| end + chunk.passes <= last) {
                self.segment.extend_from_slice(bytes.get(chunk.bytes.clone()).unwrap_or_default());
                end += chunk.passes;
            }
            if end == pass || end > (3 * coded.planes as usize).saturating_sub(2) {
                return Err(Error::malformed("a JPEG 2000 code-block has more passes than bits"));
            }
            self.segment.extend([0xFF; 2]);
            if coded.style & BYPASS != 0 && pass >= 10 && pass % 3 != 0 {
                passes(&mut self.field, &mut Raw::new(&self.segment), coded, &mut states, pass..end);
            } else {
                passes(&mut self.field, &mut Mq::new(&self.segment), coded, &mut states, pass..end);
            }
            pass = end;
        }
        Ok(&self.field)
    }
}

/// The passes of a codeword segment; the first of a block is a cleanup.
fn passes<S: Source>(field: &mut Field, source: &mut S, coded: Coded, states: &mut States, passes: Range<usize>) {
    for pass in passes {
        if coded.style & RESET != 0 {
            *states = fresh();
        }
        let plane = coded.planes - 1 - (pass as u32).div_ceil(3);
        let table = coded.orientation.significance();
        match pass % 3 {
            1 => field.propagate(source, states, table, plane),
            2 => field.refine(source, states, plane),
            _ => field.clean(source, states, table, plane),
        }
        if pass % 3 == 0 && coded.style & SYMBOLS != 0 {
            // Four bits that are always the same (D.5).
            for _ in 0..4 {
                source.uniform(states);
            }
        }
    }
}

/// The states that a code-block starts with (Table D.7).
fn fresh() -> States {
    let mut states = [initial(0); 32];
    states[0] = initial(4);
    states[RUN] = initial(3);
    states[UNIFORM] = initial(46);
    states
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_end_where_the_style_says() {
        let lengths = |style: u8| {
            let mut pass = 0;
            std::iter::from_fn(|| {
                pass += segment(style, pass).min(100);
                (pass < 20).then_some(pass)
            })
            .collect::<Vec<_>>()
        };
        assert_eq!(lengths(0), []);
        assert_eq!(lengths(BYPASS), [10, 12, 13, 15, 16, 18, 19]);
        assert_eq!(lengths(TERMINATE | BYPASS), (1..20).collect::<Vec<_>>());
        assert_eq!(segment(BYPASS, 4), 6);
        assert_eq!(segment(BYPASS, 11), 1);
    }
}
