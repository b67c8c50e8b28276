//! The arithmetic decoder of JPEG 2000 (ITU-T T.800 Annex C).

/// Probability states (Table C.2): the probability of the less probable symbol, the next state after the more and after the less
/// probable one, whether the latter exchanges them.
const PROBABILITIES: [(u16, u8, u8, bool); 47] = [
    (0x5601, 1, 1, true),
    (0x3401, 2, 6, false),
    (0x1801, 3, 9, false),
    (0x0AC1, 4, 12, false),
    (0x0521, 5, 29, false),
    (0x0221, 38, 33, false),
    (0x5601, 7, 6, true),
    (0x5401, 8, 14, false),
    (0x4801, 9, 14, false),
    (0x3801, 10, 14, false),
    (0x3001, 11, 17, false),
    (0x2401, 12, 18, false),
    (0x1C01, 13, 20, false),
    (0x1601, 29, 21, false),
    (0x5601, 15, 14, true),
    (0x5401, 16, 14, false),
    (0x5101, 17, 15, false),
    (0x4801, 18, 16, false),
    (0x3801, 19, 17, false),
    (0x3401, 20, 18, false),
    (0x3001, 21, 19, false),
    (0x2801, 22, 19, false),
    (0x2401, 23, 20, false),
    (0x2201, 24, 21, false),
    (0x1C01, 25, 22, false),
    (0x1801, 26, 23, false),
    (0x1601, 27, 24, false),
    (0x1401, 28, 25, false),
    (0x1201, 29, 26, false),
    (0x1101, 30, 27, false),
    (0x0AC1, 31, 28, false),
    (0x09C1, 32, 29, false),
    (0x08A1, 33, 30, false),
    (0x0521, 34, 31, false),
    (0x0441, 35, 32, false),
    (0x02A1, 36, 33, false),
    (0x0221, 37, 34, false),
    (0x0141, 38, 35, false),
    (0x0111, 39, 36, false),
    (0x0085, 40, 37, false),
    (0x0049, 41, 38, false),
    (0x0025, 42, 39, false),
    (0x0015, 43, 40, false),
    (0x0009, 44, 41, false),
    (0x0005, 45, 42, false),
    (0x0001, 45, 43, false),
    (0x5601, 46, 46, false),
];

/// What is known of a context, so that all that a symbol needs is one load away: from the top the probability (16 bits); the next
/// state if the symbol is the less probable one (from bit 8 on) and if it is the more probable one (from bit 1 on); the more
/// probable symbol.
pub(super) type State = u64;

/// The probability in a state, and as an interval.
const PROBABILITY: u64 = 0xFFFF << 48;

/// The states of both signs: that of row `i` where `s` is the more probable symbol stands at `2 i + s`.
static STATES: [State; 128] = {
    let mut states = [0; 128];
    let mut i = 0;
    while i < 2 * PROBABILITIES.len() {
        let (probability, more, less, exchange) = PROBABILITIES[i / 2];
        let symbol = i as u64 & 1;
        let more = 2 * more as u64 + symbol;
        let less = 2 * less as u64 + (symbol ^ exchange as u64);
        states[i] = (probability as u64) << 48 | less << 8 | more << 1 | symbol;
        i += 1;
    }
    states
};

/// The state of row `i` of the table, 0 being more probable.
pub(super) fn initial(i: usize) -> State {
    STATES[(2 * i) & 127]
}

/// The decoder of one codeword segment. Interval and code are held at the top of 64 bits, so that bytes are read several at a
/// time: the code is a sum, and a carry out of a byte after 0xFF may come early.
#[derive(Clone, Copy)]
pub(super) struct Mq<'a> {
    /// The segment, then 0xFF twice.
    bytes: &'a [u8],
    at: usize,
    interval: u64,
    code: u64,
    /// Bits of `code` that are there beyond its first 16.
    ahead: i32,
}

impl<'a> Mq<'a> {
    /// `bytes` end with 0xFF twice, which stand for all that comes after a segment (C.3.4).
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut this = Self { bytes, at: 0, interval: 1 << 63, code: 0, ahead: -15 };
        this.fill();
        this
    }

    /// Decodes a symbol (C.3.2) without branching on it: which it is can seldom be foretold.
    #[inline(always)]
    pub(super) fn decode(&mut self, state: &mut State) -> u32 {
        let now = *state;
        let less = now & PROBABILITY;
        let rest = self.interval - less;
        let below = self.code < less;
        let rare = below ^ (rest < less);
        self.interval = if below { less } else { rest };
        self.code -= if below { 0 } else { less };
        if self.interval >> 63 == 0 {
            *state = STATES[(now >> if rare { 8 } else { 1 }) as usize & 127];
            self.shift();
        }
        (now as u32 & 1) ^ u32::from(rare)
    }

    /// Makes the interval at least a half again (C.3.3).
    #[inline(always)]
    fn shift(&mut self) {
        let bits = (self.interval | 1).leading_zeros();
        self.interval <<= bits;
        self.code <<= bits;
        self.ahead -= bits as i32;
        if self.ahead < 0 {
            self.fill();
        }
    }

    /// Reads more bytes (C.3.4). `ahead` is -15 at least.
    #[inline(always)]
    fn fill(&mut self) {
        (self.at, self.code, self.ahead) = filled(self.bytes, self.at, self.code, self.ahead);
    }
}

/// [`Mq::fill`] by value, and apart, so that the decoder may stay in registers.
#[cold]
#[inline(never)]
fn filled(bytes: &[u8], mut at: usize, mut code: u64, mut ahead: i32) -> (usize, u64, i32) {
    let mut last = if at == 0 { 0 } else { bytes[at - 1] };
    if let Some(&four) = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>)
        && last != 0xFF
        && !four.contains(&0xFF)
    {
        code = code.wrapping_add(u64::from(u32::from_be_bytes(four)) << (16 - ahead));
        return (at + 4, code, ahead + 32);
    }
    while ahead < 16 {
        let byte = bytes[at];
        if last != 0xFF {
            code = code.wrapping_add(u64::from(byte) << (40 - ahead));
            ahead += 8;
        } else if byte > 0x8F {
            // A marker: ones without end.
            code = code.wrapping_add(0xFF << (40 - ahead));
            ahead += 8;
            continue;
        } else {
            // Its first bit is a carry into what went before.
            code = code.wrapping_add(u64::from(byte) << (41 - ahead));
            ahead += 7;
        }
        last = byte;
        at += 1;
    }
    (at, code, ahead)
}

/// Bits that are not coded (D.6).
#[derive(Clone, Copy)]
pub(super) struct Raw<'a> {
    bytes: &'a [u8],
    at: usize,
    byte: u8,
    left: u32,
}

impl<'a> Raw<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, byte: 0, left: 0 }
    }

    /// Ones behind the end.
    pub(super) fn bit(&mut self) -> u32 {
        if self.left == 0 {
            // A zero bit is stuffed behind 0xFF.
            self.left = if self.byte == 0xFF { 7 } else { 8 };
            self.byte = self.bytes.get(self.at).copied().unwrap_or(0xFF);
            self.at += 1;
        }
        self.left -= 1;
        u32::from(self.byte >> self.left) & 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sequence that ITU-T T.88 H.2 gives for this coder, all in one context.
    #[test]
    fn the_test_sequence_is_decoded() {
        let coded = [
            0x84, 0xC7, 0x3B, 0xFC, 0xE1, 0xA1, 0x43, 0x04, 0x02, 0x20, 0x00, 0x00, 0x41, 0x0D, 0xBB, 0x86, 0xF4, 0x31,
            0x7F, 0xFF, 0x88, 0xFF, 0x37, 0x47, 0x1A, 0xDB, 0x6A, 0xDF, 0xFF, 0xAC, 0xFF, 0xFF,
        ];
        let plain = [
            0x00, 0x02, 0x00, 0x51, 0x00, 0x00, 0x00, 0xC0, 0x03, 0x52, 0x87, 0x2A, 0xAA, 0xAA, 0xAA, 0xAA, 0x82, 0xC0,
            0x20, 0x00, 0xFC, 0xD7, 0x9E, 0xF6, 0xBF, 0x7F, 0xED, 0x90, 0x4F, 0x46, 0xA3, 0xBF,
        ];
        let (mut mq, mut state) = (Mq::new(&coded), initial(0));
        for (i, expected) in plain.into_iter().enumerate() {
            let byte = (0..8).fold(0, |n, _| 2 * n + mq.decode(&mut state));
            assert_eq!(byte, expected, "byte {i}");
        }
    }

    #[test]
    fn plain_bits_skip_what_is_stuffed() {
        let mut raw = Raw::new(&[0xFF, 0x2A]);
        let bits: Vec<u32> = (0..17).map(|_| raw.bit()).collect();
        assert_eq!(bits, [1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0, 1, 0, 1, 1]);
    }
}
