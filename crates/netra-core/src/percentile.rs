//! Percentiles without sorting and without a copy of the data.

/// The percentiles `q` (0 to 100) of `values` with linear interpolation between neighbouring ranks, as
/// `numpy.percentile` computes them. `None` when there are no values, when one of them is NaN, or when a `q` is out
/// of range.
///
/// The ranks are found by counting the two halves of the values' bit patterns, so the values are walked twice
/// (`values` is called twice) and the extra memory is half a megabyte a distinct rank, whatever their number.
pub fn percentiles<I: Iterator<Item = f32>>(values: impl Fn() -> I, q: &[f64]) -> Option<Vec<f32>> {
    if q.iter().any(|q| !(0.0..=100.0).contains(q)) {
        return None;
    }
    let mut high = vec![0u64; 1 << 16];
    let mut count = 0u64;
    for value in values() {
        if value.is_nan() {
            return None;
        }
        high[(key(value) >> 16) as usize] += 1;
        count += 1;
    }
    let last = count.checked_sub(1)?;
    let position = |q: f64| q / 100.0 * last as f64;
    let ranks = q.iter().flat_map(|&q| [position(q).floor() as u64, (position(q).floor() as u64 + 1).min(last)]);
    let mut selector = Selector::new(&high, ranks);
    drop(high);
    for value in values() {
        selector.count(key(value));
    }
    q.iter()
        .map(|&q| {
            let position = position(q);
            let rank = position.floor() as u64;
            let (below, above) = (selector.value(rank)?, selector.value((rank + 1).min(last))?);
            let (below, above, t) = (f64::from(below), f64::from(above), position - position.floor());
            // Equal (also infinite) neighbours need no interpolation.
            Some(if below == above { below as f32 } else { (below + (above - below) * t) as f32 })
        })
        .collect()
}

/// The ranks that share one high half, and the counts of their low halves.
struct Bin {
    high: u32,
    /// Number of values in all smaller bins.
    before: u64,
    size: u64,
    low: Vec<u64>,
}

struct Selector(Vec<Bin>);

impl Selector {
    /// Keeps the bins of `high` that hold one of `ranks`.
    fn new(high: &[u64], ranks: impl Iterator<Item = u64>) -> Self {
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
                bins.push(Bin { high: index as u32, before, size, low: vec![0; 1 << 16] });
            }
            before += size;
        }
        Self(bins)
    }

    fn count(&mut self, key: u32) {
        for bin in &mut self.0 {
            if bin.high == key >> 16 {
                bin.low[(key & 0xFFFF) as usize] += 1;
            }
        }
    }

    /// The value of a rank that `new` was told about.
    fn value(&self, rank: u64) -> Option<f32> {
        let bin = self.0.iter().find(|b| (b.before..b.before + b.size).contains(&rank))?;
        let mut before = bin.before;
        for (low, &size) in bin.low.iter().enumerate() {
            before += size;
            if rank < before {
                return Some(unkey(bin.high << 16 | low as u32));
            }
        }
        None
    }
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
        percentiles(|| values.iter().copied(), q)
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
