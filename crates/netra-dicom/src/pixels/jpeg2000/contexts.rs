//! The contexts of coefficient bits (ITU-T T.800 D.3), as tables over the word that `block` keeps for a column of four.

/// Which decomposition a band comes from: its place decides what a neighbour is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Orientation {
    /// Low both ways.
    LL,
    /// High across.
    HL,
    /// High down.
    LH,
    /// High both ways.
    HH,
}

impl Orientation {
    pub(super) fn significance(self) -> &'static [u8; 512] {
        match self {
            Self::LL | Self::LH => &SIGNIFICANCE[0],
            Self::HL => &SIGNIFICANCE[1],
            Self::HH => &SIGNIFICANCE[2],
        }
    }
}

/// The first of two contexts of magnitude bits that have no bit before them; behind them is that of all others.
pub(super) const MAGNITUDE: usize = 14;
pub(super) const RUN: usize = 17;
pub(super) const UNIFORM: usize = 18;

/// Table D.1 by the significance of three rows of three coefficients, the first in the lowest bit, the one in question in the
/// middle (and not counted).
static SIGNIFICANCE: [[u8; 512]; 3] = {
    let mut tables = [[0; 512]; 3];
    let mut i = 0;
    while i < 512 {
        let across = (i >> 3 & 1) + (i >> 5 & 1);
        let down = (i >> 1 & 1) + (i >> 7 & 1);
        let diagonal = (i & 1) + (i >> 2 & 1) + (i >> 6 & 1) + (i >> 8 & 1);
        tables[0][i] = straight(across, down, diagonal);
        tables[1][i] = straight(down, across, diagonal);
        tables[2][i] = crossed(across + down, diagonal);
        i += 1;
    }
    tables
};

const fn straight(along: usize, other: usize, diagonal: usize) -> u8 {
    match (along, other, diagonal) {
        (2, _, _) => 8,
        (1, 1.., _) => 7,
        (1, 0, 1..) => 6,
        (1, 0, 0) => 5,
        (_, 2, _) => 4,
        (_, 1, _) => 3,
        (_, _, 2..) => 2,
        (_, _, 1) => 1,
        _ => 0,
    }
}

const fn crossed(straight: usize, diagonal: usize) -> u8 {
    match (diagonal, straight) {
        (3.., _) => 8,
        (2, 1..) => 7,
        (2, 0) => 6,
        (1, 2..) => 5,
        (1, 1) => 4,
        (1, 0) => 3,
        (_, 2..) => 2,
        (_, 1) => 1,
        _ => 0,
    }
}

/// Tables D.2 and D.3 by pairs of bits (significant, above it in value; negative) of the neighbours north, west, east and south:
/// the context, and in bit 7 whether the decoded sign is turned.
pub(super) static SIGN: [u8; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let (north, west, east, south) = (worth(i), worth(i >> 2), worth(i >> 4), worth(i >> 6));
        let across = one(west + east);
        let down = one(north + south);
        let turned = across < 0 || across == 0 && down < 0;
        let (across, down) = if turned { (-across, -down) } else { (across, down) };
        let context = match (across, down) {
            (1, 1) => 13,
            (1, 0) => 12,
            (1, _) => 11,
            (_, 1) => 10,
            _ => 9,
        };
        table[i] = context | (turned as u8) << 7;
        i += 1;
    }
    table
};

/// A neighbour's sign, 0 of an insignificant one.
const fn worth(pair: usize) -> i8 {
    match pair & 3 {
        2 => 1,
        3 => -1,
        _ => 0,
    }
}

const fn one(sum: i8) -> i8 {
    if sum > 1 {
        1
    } else if sum < -1 {
        -1
    } else {
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_decide_the_context() {
        let of = |orientation: Orientation, window: usize| orientation.significance()[window];
        // West and east, then north and south, then all corners, then all but the middle.
        for (window, expected) in [(0x28, [8, 4, 8, 2]), (0x82, [4, 8, 4, 2]), (0x145, [2, 2, 2, 8]), (0x1EF, [8; 4])] {
            use Orientation::{HH, HL, LH, LL};
            assert_eq!([LL, HL, LH, HH].map(|o| of(o, window)), expected, "{window:x}");
            assert_eq!(of(LL, window), of(LL, window | 0x10));
        }
    }

    #[test]
    fn opposite_signs_turn_the_sign() {
        // North, west, east, south: 2 is positive, 3 negative.
        let of = |n: usize, w: usize, e: usize, s: usize| SIGN[n | w << 2 | e << 4 | s << 6];
        assert_eq!(of(0, 0, 0, 0), 9);
        assert_eq!(of(2, 2, 2, 2), 13);
        assert_eq!(of(3, 3, 3, 3), 13 | 0x80);
        assert_eq!(of(3, 2, 0, 0), 11);
        assert_eq!(of(2, 3, 0, 0), 11 | 0x80);
        assert_eq!(of(2, 2, 3, 0), 10);
        assert_eq!(of(0, 2, 3, 3), 10 | 0x80);
    }
}
