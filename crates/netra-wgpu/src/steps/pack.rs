//! Weights and terms of a convolution as the matrix product reads them.

use std::ops::Range;

use half::f16;

use super::conv::Problem;
use crate::kernels::tile::Tile;

/// Bits for the positions of a kernel along its axes; the one that is left stands for no position at all.
pub(crate) const POSITIONS: usize = 31;
/// Numbers of a term in the table.
const TERM: usize = 4;

/// Weights of some output and input channels as `[tiles, slices, depth, rows]`, the last tile and slice filled up with 0, and
/// more of these behind them: the kernel reads one slice ahead, as many vectors as it has threads at a time.
pub(crate) fn pack(problem: &Problem<'_>, out: &Range<usize>, part: &Range<usize>, tile: &Tile) -> Vec<f32> {
    let taps = problem.taps();
    let (terms, rows) = (part.len() * taps, out.len().next_multiple_of(tile.rows));
    let behind = 4 * tile.slice().next_multiple_of(tile.threads());
    let mut packed = Vec::with_capacity(rows * terms.next_multiple_of(tile.depth) + behind);
    for first in out.clone().step_by(tile.rows) {
        for term in 0..terms.next_multiple_of(tile.depth) {
            let value = |m| {
                if term < terms { problem.weight(m, out, part.start + term / taps, term % taps) } else { 0.0 }
            };
            packed.extend((first..first + tile.rows).map(value));
        }
    }
    packed.resize(packed.len() + behind, 0.0);
    packed
}

/// The table of the terms of some input channels: distance from the window's first element, bits of its positions along the
/// axes, channel, and nothing. Those that fill the last slice are in no window, nor are those of the slice behind it.
pub(crate) fn terms(problem: &Problem<'_>, channels: usize, depth: usize) -> Vec<u32> {
    let g = &problem.geometry;
    let [kd, kh, kw] = g.kernel;
    let mut table = Vec::new();
    for channel in 0..channels {
        for (z, y, x) in (0..kd).flat_map(|z| (0..kh).flat_map(move |y| (0..kw).map(move |x| (z, y, x)))) {
            let row = (channel * g.input[0] + z * g.dilation[0]) * g.input[1] + y * g.dilation[1];
            let distance = row * g.input[2] + x * g.dilation[2];
            let positions = 1u32 << z | 1 << (kd + y) | 1 << (kd + kh + x);
            table.extend([distance as u32, positions, channel as u32, 0]);
        }
    }
    let full = ((table.len() / TERM).next_multiple_of(depth) + depth) * TERM;
    while table.len() < full {
        table.extend([0, 1 << POSITIONS, 0, 0]);
    }
    table
}

/// Numbers in half precision, two in 32 bits.
pub(crate) fn halves(values: &[f32]) -> Vec<u32> {
    let bits = |v: f32| u32::from(f16::from_f32(v).to_bits());
    values.as_chunks::<2>().0.iter().map(|&[low, high]| bits(low) | bits(high) << 16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::window::Geometry;

    /// Three output channels and two input channels of a kernel of two, with room around the image.
    fn problem(data: &[f32]) -> Problem<'_> {
        let geometry = Geometry {
            input: [1, 5, 7],
            output: [1, 5, 7],
            kernel: [1, 1, 2],
            stride: [1; 3],
            dilation: [1, 1, 3],
            pad: [0; 3],
        };
        Problem { geometry, batch: 1, ins: vec![], outs: vec![], data, channels: 2 }
    }

    #[test]
    fn weights_are_packed_in_slices() {
        let tile = Tile { rows: 4, cols: 4, depth: 3, thread_rows: 4, thread_cols: 1 };
        let data: Vec<f32> = (1..=12).map(|i| i as f32).collect();
        let packed = pack(&problem(&data), &(0..3), &(0..2), &tile);
        // Four terms in slices of three, four rows a term: the last row and the last two terms are empty.
        let terms = [[1.0, 5.0, 9.0, 0.0], [2.0, 6.0, 10.0, 0.0], [3.0, 7.0, 11.0, 0.0], [4.0, 8.0, 12.0, 0.0]];
        let behind = 16;
        assert_eq!(packed, [terms.concat(), vec![0.0; 8 + behind]].concat());
        assert_eq!(halves(&[1.0, -2.0, 65_504.0, 0.0]), [0xc000_3c00, 0x7bff]);
    }

    #[test]
    fn terms_know_their_places() {
        let table = terms(&problem(&[]), 2, 3);
        let rows: Vec<&[u32]> = table.chunks(TERM).collect();
        assert_eq!(rows[..2], [[0, 0b0111, 0, 0], [3, 0b1011, 0, 0]]);
        assert_eq!(rows[2..4], [[35, 0b0111, 1, 0], [38, 0b1011, 1, 0]]);
        assert_eq!(rows[4..], [[0, 1 << POSITIONS, 0, 0]; 5]);
    }
}
