//! Percentiles without sorting and without a copy of the data.

use rayon::prelude::*;

/// The percentiles `q` (0 to 100) of values with linear interpolation between neighbouring ranks, as
/// `numpy.percentile` computes them. `None` when there are no values, when one of them is NaN, or when a `q` is out
/// of range.
///
/// The values come in blocks: `block(index, take)` calls `take` with one of `blocks` stretches of them. The ranks are
/// found by counting the two halves of the values' bit patterns, so every block is asked for twice, and the extra memory
/// is two megabytes a thread and a distinct rank, whatever the number of values.
pub fn percentiles(blocks: usize, block: impl Fn(usize, &mut dyn FnMut(&[f32])) + Sync, q: &[f64]) -> Option<Vec<f32>> {
    if q.iter().any(|q| !(0.0..=100.0).contains(q)) {
        return None;
    }
    let high = count(blocks, 1, |index, halves| {
        let mut missing = false;
        block(index, &mut |values| {
            missing |= values.iter().fold(false, |missing, v| missing | v.is_nan());
            halves[0].add(values, |value| Some(key(value) >> 16));
        });
        !missing
    })?;
    let [high] = &high[..] else { return None };
    let last = high.iter().sum::<u64>().checked_sub(1)?;
    let position = |q: f64| q / 100.0 * last as f64;
    let ranks = q.iter().flat_map(|&q| [position(q).floor() as u64, (position(q).floor() as u64 + 1).min(last)]);
    let mut bins = bins(high, ranks);
    let low = count(blocks, bins.len(), |index, halves| {
        block(index, &mut |values| {
            for (bin, halves) in bins.iter().zip(halves.iter_mut()) {
                // Most stretches hold nothing of the bin, which is seen without a branch a value.
                for some in values.chunks(64) {
                    let within = |value: f32| key(value) >> 16 == bin.high;
                    if some.iter().fold(false, |any, &value| any | within(value)) {
                        halves.add(some, |value| within(value).then_some(key(value) & 0xFFFF));
                    }
                }
            }
        });
        true
    })?;
    bins.iter_mut().zip(low).for_each(|(bin, low)| bin.low = low);
    q.iter()
        .map(|&q| {
            let position = position(q);
            let rank = position.floor() as u64;
            let (below, above) = (value(&bins, rank)?, value(&bins, (rank + 1).min(last))?);
            let (below, above, t) = (f64::from(below), f64::from(above), position - position.floor());
            // Equal (also infinite) neighbours need no interpolation.
            Some(if below == above { below as f32 } else { (below + (above - below) * t) as f32 })
        })
        .collect()
}

/// How often each half of a bit pattern occurs. Neighbours are counted apart: equal values often follow each other, and
/// an addition to what has just been written has to wait for it.
struct Halves(Vec<[u64; 4]>);

impl Halves {
    /// Counts the half of each value that has one.
    fn add(&mut self, values: &[f32], half: impl Fn(f32) -> Option<u32>) {
        for four in values.chunks(4) {
            for (i, &value) in four.iter().enumerate() {
                if let Some(half) = half(value) {
                    self.0[half as usize & 0xFFFF][i] += 1;
                }
            }
        }
    }
}

/// `tables` counts of halves that `add` fills from each block, each thread its own; `None` when it says so for a block.
fn count(blocks: usize, tables: usize, add: impl Fn(usize, &mut [Halves]) -> bool + Sync) -> Option<Vec<Vec<u64>>> {
    let parts = rayon::current_num_threads().clamp(1, blocks.max(1));
    let counted: Option<Vec<Vec<Halves>>> = (0..parts)
        .into_par_iter()
        .map(|part| {
            let mut halves: Vec<Halves> = (0..tables).map(|_| Halves(vec![[0; 4]; 1 << 16])).collect();
            let all = (part * blocks / parts..(part + 1) * blocks / parts).all(|index| add(index, &mut halves));
            all.then_some(halves)
        })
        .collect();
    let mut sums = vec![vec![0; 1 << 16]; tables];
    for (table, halves) in counted?.iter().flat_map(|part| part.iter().enumerate()) {
        sums[table].iter_mut().zip(&halves.0).for_each(|(sum, counts)| *sum += counts.iter().sum::<u64>());
    }
    Some(sums)
}

/// The values that share one high half.
struct Bin {
    high: u32,
    /// Number of values in all smaller bins.
    before: u64,
    size: u64,
    /// How often each low half occurs.
    low: Vec<u64>,
}

/// The bins of `high` that hold one of `ranks`.
fn bins(high: &[u64], ranks: impl Iterator<Item = u64>) -> Vec<Bin> {
    let mut ranks: Vec<u64> = ranks.collect();
    ranks.sort_unstable();
    let mut bins = Vec::new();
    let mut ranks = ranks.into_iter().peekable();
    let mut before = 0;
    for (index, &size) in high.iter().enumerate() {
        let mut wanted = false;
        while ranks.next_if(|&rank| rank < before + size).is_some() {
            wanted = true;
        }
        if wanted {
            bins.push(Bin { high: index as u32, before, size, low: Vec::new() });
        }
        before += size;
    }
    bins
}

/// The value of a rank that one of `bins` holds.
fn value(bins: &[Bin], rank: u64) -> Option<f32> {
    let bin = bins.iter().find(|b| (b.before..b.before + b.size).contains(&rank))?;
    let mut before = bin.before;
    for (low, &size) in (0u32..).zip(&bin.low) {
        before += size;
        if rank < before {
            return Some(unkey(bin.high << 16 | low));
        }
    }
    None
}

/// The bit pattern of a float turned so that unsigned order is numeric order.
fn key(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn unkey(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f32], q: &[f64]) -> Option<Vec<f32>> {
        let blocks: Vec<&[f32]> = values.chunks(1000).collect();
        percentiles(blocks.len(), |index, take| take(blocks[index]), q)
    }

    /// `numpy.percentile` (2.x) of the same list.
    #[test]
    fn agrees_with_numpy() {
        let values = [3.5, -1.25, 7.0, 0.0, 100.5, -3.75, 2.5, 2.5, 12.0];
        let got = of(&values, &[0.0, 0.5, 2.0, 25.0, 50.0, 73.0, 98.0, 99.5, 100.0]).expect("finite");
        let want = [-3.75, -3.65, -3.35, 0.0, 2.5, 6.44, 86.34, 96.96, 100.5];
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
    }

    #[test]
    fn agrees_with_sorting() {
        let mut state = 1u32;
        let values: Vec<f32> = (0..10_001)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / 1000.0 - 4000.0
            })
            .collect();
        let mut sorted = values.clone();
        sorted.sort_by(f32::total_cmp);
        let got = of(&values, &[0.0, 2.0, 50.0, 98.0, 100.0]).expect("finite");
        assert_eq!(got, [0, 200, 5000, 9800, 10_000].map(|rank| sorted[rank]));
    }

    #[test]
    fn nothing_and_nan_have_no_percentiles() {
        assert_eq!(of(&[], &[50.0]), None);
        assert_eq!(of(&[1.0, f32::NAN], &[50.0]), None);
        assert_eq!(of(&[1.0], &[101.0]), None);
        assert_eq!(of(&[1.5], &[0.0, 40.0, 100.0]), Some(vec![1.5; 3]));
    }
}
