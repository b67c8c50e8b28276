//! The three passes over a bit-plane of a code-block (ITU-T T.800 D.3).

use super::contexts::{MAGNITUDE, RUN, SIGN, UNIFORM};
use super::mq::{Mq, Raw, State};

/// The states of all contexts.
pub(super) type States = [State; 32];

/// Where passes take their bits from.
pub(super) trait Source: Copy {
    fn significant(&mut self, states: &mut States, context: u8) -> bool;
    /// The sign of the coefficient in the middle of `window`, 1 if negative.
    fn sign(&mut self, states: &mut States, window: u64) -> u64;
    fn magnitude(&mut self, states: &mut States, context: usize) -> u32;
    /// Whether a column of coefficients without neighbours has a significant one.
    fn run(&mut self, states: &mut States) -> bool;
    fn uniform(&mut self, states: &mut States) -> u32;
}

impl Source for Mq<'_> {
    #[inline(always)]
    fn significant(&mut self, states: &mut States, context: u8) -> bool {
        self.decode(&mut states[usize::from(context & 31)]) != 0
    }

    #[inline(always)]
    fn sign(&mut self, states: &mut States, window: u64) -> u64 {
        let pairs = window & 0xAA | window >> 33 & 0x55;
        let found = SIGN[pairs as usize];
        u64::from(self.decode(&mut states[usize::from(found & 31)]) ^ u32::from(found >> 7))
    }

    #[inline(always)]
    fn magnitude(&mut self, states: &mut States, context: usize) -> u32 {
        self.decode(&mut states[context & 31])
    }

    #[inline(always)]
    fn run(&mut self, states: &mut States) -> bool {
        self.decode(&mut states[RUN]) != 0
    }

    fn uniform(&mut self, states: &mut States) -> u32 {
        self.decode(&mut states[UNIFORM])
    }
}

/// Bits that are not coded, whatever the context. No cleanup pass has such.
impl Source for Raw<'_> {
    fn significant(&mut self, _: &mut States, _: u8) -> bool {
        self.bit() != 0
    }

    fn sign(&mut self, _: &mut States, _: u64) -> u64 {
        u64::from(self.bit())
    }

    fn magnitude(&mut self, _: &mut States, _: usize) -> u32 {
        self.bit()
    }

    fn run(&mut self, _: &mut States) -> bool {
        self.bit() != 0
    }

    fn uniform(&mut self, _: &mut States) -> u32 {
        self.bit()
    }
}

/// The coefficients of a code-block. They come in stripes of 4 rows, in a stripe column by column, and so stand here: a group of 16
/// columns is a set of 64 bits, in which the first coefficient of a column has a place that is a multiple of 4.
#[derive(Default)]
pub(super) struct Field {
    width: usize,
    height: usize,
    /// Whether a stripe is coded without a look at the one below.
    causal: bool,
    /// Groups: which coefficients are significant, with a group on either side and a stripe above and below.
    significant: Vec<u64>,
    /// In the same places: which this plane's propagation has coded, and which had a magnitude bit since they became significant.
    seen: Vec<u64>,
    refined: Vec<u64>,
    /// A word for each column of each stripe, with a column on either side and a stripe above and below: from the row above on, for each
    /// row 3 bits for west, the column itself, east, set where significant; 32 bits up in the same order, set where negative.
    words: Vec<u64>,
    /// Twice the magnitudes, and in the bit below the last decoded one a half of that: the middle of what is possible.
    magnitudes: Vec<[u32; 64]>,
}

/// The significance of a column and of all that touches it.
const AROUND: u64 = 0x3FFFF;
/// The first row of all columns of a group.
const FIRST: u64 = 0x1111_1111_1111_1111;

/// Moved by a row down or up inside a stripe.
fn down(set: u64) -> u64 {
    set << 1 & !FIRST
}

fn up(set: u64) -> u64 {
    set >> 1 & !(FIRST << 3)
}

/// A group: its place among groups, that of its first column among words, that of its magnitudes, and what of it is in the block.
struct Group {
    at: usize,
    word: usize,
    magnitudes: usize,
    inside: u64,
}

impl Field {
    /// Makes all coefficients insignificant.
    pub(super) fn clear(&mut self, width: usize, height: usize, causal: bool) {
        (self.width, self.height, self.causal) = (width, height, causal);
        let (groups, stripes) = (width.div_ceil(16), height.div_ceil(4));
        for set in [&mut self.significant, &mut self.seen, &mut self.refined] {
            set.clear();
            set.resize((groups + 2) * (stripes + 2), 0);
        }
        self.words.clear();
        self.words.resize((width + 2) * (stripes + 2), 0);
        self.magnitudes.clear();
        self.magnitudes.resize(groups * stripes, [0; 64]);
    }

    /// Groups in the order of their coding.
    fn groups(&self) -> impl Iterator<Item = Group> + use<> {
        let (width, height) = (self.width, self.height);
        let groups = width.div_ceil(16);
        (0..groups * height.div_ceil(4)).map(move |i| {
            let (stripe, group) = (i / groups, i % groups);
            let rows = FIRST * ((1 << (height - 4 * stripe).min(4)) - 1);
            let columns = u64::MAX >> (64 - 4 * (width - 16 * group).min(16));
            let at = (stripe + 1) * (groups + 2) + group + 1;
            Group { at, word: (stripe + 1) * (width + 2) + 16 * group + 1, magnitudes: i, inside: rows & columns }
        })
    }

    /// Which coefficients of a group have a significant one above or below, and which have that or are so themselves.
    #[inline(always)]
    fn vertical(&self, at: usize) -> (u64, u64) {
        let stride = self.width.div_ceil(16) + 2;
        let below = if self.causal { 0 } else { self.significant[at + stride] };
        let set = self.significant[at];
        let near = down(set) | up(set) | self.significant[at - stride] >> 3 & FIRST | (below & FIRST) << 3;
        (near, near | set)
    }

    /// Which coefficients of a group have a significant neighbour.
    #[inline(always)]
    fn touched(&self, at: usize) -> u64 {
        let (near, all) = self.vertical(at);
        near | all << 4 | all >> 4 | self.vertical(at - 1).1 >> 60 | self.vertical(at + 1).1 << 60
    }

    /// The significance propagation pass (D.3.1): coefficients beside significant ones.
    #[inline(never)]
    pub(super) fn propagate<S: Source>(&mut self, out: &mut S, states: &mut States, table: &[u8; 512], plane: u32) {
        let mut source = *out;
        for group in self.groups() {
            let mut set = self.significant[group.at];
            let mut todo = self.touched(group.at) & !set & group.inside;
            let mut seen = 0;
            while todo != 0 {
                let place = todo.trailing_zeros();
                let own = todo & todo.wrapping_neg();
                todo ^= own;
                seen |= own;
                let column = group.word + place as usize / 4;
                let window = self.words[column] >> (3 * (place & 3));
                if source.significant(states, table[window as usize & 0x1FF]) {
                    let sign = source.sign(states, window);
                    self.found(column, place & 3, sign);
                    self.magnitudes[group.magnitudes][place as usize & 63] = 3 << plane;
                    set |= own;
                    // Those behind it have a neighbour now.
                    let beside = own | down(own) | up(own);
                    todo |= (down(own) | beside << 4) & !set & group.inside;
                }
            }
            self.seen[group.at] = seen;
            self.significant[group.at] = set;
        }
        *out = source;
    }

    /// The magnitude refinement pass (D.3.3): one more bit of those that were significant before this plane.
    #[inline(never)]
    pub(super) fn refine<S: Source>(&mut self, out: &mut S, states: &mut States, plane: u32) {
        let mut source = *out;
        for group in self.groups() {
            let mut todo = self.significant[group.at] & !self.seen[group.at];
            if todo == 0 {
                continue;
            }
            let refined = self.refined[group.at];
            let touched = self.touched(group.at) & !refined;
            self.refined[group.at] = refined | todo;
            let magnitudes = &mut self.magnitudes[group.magnitudes];
            while todo != 0 {
                let place = todo.trailing_zeros();
                todo &= todo - 1;
                let context = MAGNITUDE + 2 * (refined >> place & 1) as usize + (touched >> place & 1) as usize;
                let bit = source.magnitude(states, context);
                // The half moves down a bit; where the new bit is 0 it leaves its place.
                magnitudes[place as usize & 63] ^= (3 - 2 * bit) << plane;
            }
        }
        *out = source;
    }

    /// The cleanup pass (D.3.4): all others, whole columns at once where nothing is near.
    #[inline(never)]
    pub(super) fn clean<S: Source>(&mut self, out: &mut S, states: &mut States, table: &[u8; 512], plane: u32) {
        let mut source = *out;
        for group in self.groups() {
            let mut set = self.significant[group.at];
            let mut todo = !(set | self.seen[group.at]) & group.inside;
            while todo != 0 {
                let mut place = todo.trailing_zeros();
                let column = group.word + place as usize / 4;
                let mut window = self.words[column] >> (3 * (place & 3));
                // A whole column with nothing around.
                let run = place & 3 == 0 && window & AROUND == 0 && group.inside >> place & 8 != 0;
                if run {
                    if !source.run(states) {
                        todo &= !(15 << place);
                        continue;
                    }
                    let zeros = 2 * source.uniform(states) + source.uniform(states);
                    place += zeros;
                    window >>= 3 * zeros;
                    todo &= !((1 << place) - 1);
                }
                let own = 1 << place;
                todo ^= own;
                if run || source.significant(states, table[window as usize & 0x1FF]) {
                    let sign = source.sign(states, window);
                    self.found(column, place & 3, sign);
                    self.magnitudes[group.magnitudes][place as usize & 63] = 3 << plane;
                    set |= own;
                }
            }
            self.significant[group.at] = set;
        }
        *out = source;
    }

    /// Tells the words of a column and of its neighbours that the coefficient in `row` is significant.
    #[inline(always)]
    fn found(&mut self, column: usize, row: u32, sign: u64) {
        let new = (1 | sign << 32) << (4 + 3 * row);
        self.words[column - 1] |= new << 1;
        self.words[column] |= new;
        self.words[column + 1] |= new >> 1;
        let stride = self.width + 2;
        // Without branches: which row it is cannot be foretold.
        let (first, last) = (if row == 0 && !self.causal { new } else { 0 }, if row == 3 { new } else { 0 });
        let above = &mut self.words[column - stride - 1..column - stride + 2];
        above[0] |= first << 13;
        above[1] |= first << 12;
        above[2] |= first << 11;
        let below = &mut self.words[column + stride - 1..column + stride + 2];
        below[0] |= last >> 11;
        below[1] |= last >> 12;
        below[2] |= last >> 13;
    }

    /// Row by row, for each column twice the magnitude and whether it is negative.
    pub(super) fn rows(&self) -> impl Iterator<Item = impl Iterator<Item = (u32, bool)> + '_> + '_ {
        let groups = self.width.div_ceil(16);
        (0..self.height).map(move |y| {
            let (stripe, row) = (y / 4, y % 4);
            let words = &self.words[(stripe + 1) * (self.width + 2) + 1..][..self.width];
            let magnitudes = self.magnitudes[stripe * groups..(stripe + 1) * groups].as_flattened();
            let fours = magnitudes.as_chunks::<4>().0;
            words.iter().zip(fours).map(move |(word, four)| (four[row], word >> (36 + 3 * row) & 1 != 0))
        })
    }
}
