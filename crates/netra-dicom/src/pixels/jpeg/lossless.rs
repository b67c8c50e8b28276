//! Lossless scans (ITU-T T.81 Annex H): each sample is predicted from its neighbours.

use netra_core::{Error, Result};

use super::bits::Bits;
use super::header::{Frame, Header, Scan};
use super::huffman::Table;

/// Decodes a scan whose data begin at byte `at`, and shows each line to `done` with its number: the samples of the scan's
/// components in turn, pixel by pixel. Gives the position of the marker after the scan.
pub(super) fn decode(
    header: &Header,
    frame: &Frame,
    scan: &Scan,
    (bytes, at): (&[u8], usize),
    mut done: impl FnMut(usize, &[u16]),
) -> Result<usize> {
    let count = scan.parts.len();
    if count > 1 && scan.parts.iter().any(|part| frame.components[part.component].sampling != [1, 1]) {
        return Err(Error::unsupported("lossless JPEG with components of different sizes"));
    }
    let table = |dc: usize| header.dc[dc].as_ref().ok_or_else(|| Error::malformed("a JPEG scan without its table"));
    let tables = scan.parts.iter().map(|part| table(part.dc)).collect::<Result<Vec<&Table>>>()?;
    let lines = match (header.restart, header.restart % frame.columns) {
        (0, _) => usize::MAX,
        (interval, 0) => interval / frame.columns,
        _ => return Err(Error::malformed("a restart within a line of lossless JPEG")),
    };
    // Of the first sample, and of every restart (H.1.1).
    let middle = 1u16 << (frame.precision - 1 - scan.shift);
    let mut bits = Bits::new(bytes, at);
    let mut above = vec![0u16; frame.columns * count];
    let mut line = above.clone();
    for y in 0..frame.rows {
        let place = |e: Error| e.at(format!("line {y}"));
        let first = y.is_multiple_of(lines);
        if first && y > 0 {
            bits = bits.restarted().map_err(place)?;
        }
        differences(&mut bits, &tables, &mut line).and_then(|()| bits.check()).map_err(place)?;
        match (first, scan.band[0]) {
            (true, _) => {
                line[..count].iter_mut().for_each(|v| *v = v.wrapping_add(middle));
                undo(&mut line, &above, count, |a, _, _| a);
            }
            (false, predictor) => {
                line[..count].iter_mut().zip(&above).for_each(|(v, &b)| *v = v.wrapping_add(b));
                match predictor {
                    1 => undo(&mut line, &above, count, |a, _, _| a),
                    2 => undo(&mut line, &above, count, |_, b, _| b),
                    3 => undo(&mut line, &above, count, |_, _, c| c),
                    4 => undo(&mut line, &above, count, |a, b, c| a + b - c),
                    5 => undo(&mut line, &above, count, |a, b, c| a + ((b - c) >> 1)),
                    6 => undo(&mut line, &above, count, |a, b, c| b + ((a - c) >> 1)),
                    _ => undo(&mut line, &above, count, |a, b, _| (a + b) >> 1),
                }
            }
        }
        done(y, &line);
        std::mem::swap(&mut above, &mut line);
    }
    Ok(bits.marker())
}

/// Reads the differences of one line, modulo 2^16.
fn differences(bits: &mut Bits<'_>, tables: &[&Table], line: &mut [u16]) -> Result<()> {
    if let [table] = tables {
        for slot in line {
            *slot = table.difference(bits)? as u16;
        }
        return Ok(());
    }
    for pixel in line.chunks_exact_mut(tables.len()) {
        for (slot, table) in pixel.iter_mut().zip(tables) {
            *slot = table.difference(bits)? as u16;
        }
    }
    Ok(())
}

/// Adds to the differences behind the first pixel what `predict` makes of the samples left, above, and above left.
#[inline(always)]
fn undo(line: &mut [u16], above: &[u16], count: usize, predict: impl Fn(i32, i32, i32) -> i32) {
    if count == 1 {
        let mut left = line[0];
        for (value, pair) in line[1..].iter_mut().zip(above.windows(2)) {
            left = value.wrapping_add(predict(left.into(), pair[1].into(), pair[0].into()) as u16);
            *value = left;
        }
        return;
    }
    for i in count..line.len() {
        let predicted = predict(line[i - count].into(), above[i].into(), above[i - count].into());
        line[i] = line[i].wrapping_add(predicted as u16);
    }
}
