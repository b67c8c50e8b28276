//! Weights of narrow products in the order of the inner loop.

use super::element::round;
use super::{FILTERS, Format, LANE, SIDE};
use crate::parallel;

/// The bytes of one cache line: a vector.
type Line = parallel::Line<[u8; 64]>;

/// How the vectors of a run follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Lane by lane, both vectors of output channels: what vector instructions read.
    Lanes,
    /// All lanes of the first [`SIDE`] output channels, then those of the next: two tiles, where a run has [`SIDE`] lanes.
    Tiles,
}

/// What weights are of.
pub struct Weights {
    /// Groups.
    pub groups: usize,
    /// Output channels of a group.
    pub filters: usize,
    /// Runs of lanes a block.
    pub runs: usize,
    /// Lanes of a run.
    pub steps: usize,
    /// How their vectors lie.
    pub order: Order,
}

/// Weights, scales and bias in blocks of [`FILTERS`] output channels.
pub struct Packed {
    /// `[group][block][run]`, then as [`Order`] says.
    weights: Vec<Line>,
    /// `[group][block][output channel]`, with what the inputs' zero adds to each sum of bytes taken off.
    bias: Vec<f32>,
    /// Likewise: the value of one in a sum of bytes. Of bfloat16: 1.
    scales: Vec<f32>,
}

impl Packed {
    /// Bytes of the copies.
    pub fn bytes(&self) -> usize {
        size_of_val(self.weights.as_slice()) + size_of_val(self.bias.as_slice()) + size_of_val(self.scales.as_slice())
    }

    /// Weights, bias and scales of a block. There are `groups * blocks` of equal size.
    pub fn block(&self, index: usize) -> (&[u8], &[f32], &[f32]) {
        let lines = self.weights.len() * FILTERS / self.bias.len();
        let weights = &self.weights[index * lines..][..lines];
        // SAFETY: a `Line` is 64 bytes without padding (`repr(C)`).
        let weights = unsafe { std::slice::from_raw_parts(weights.as_ptr().cast(), size_of_val(weights)) };
        (weights, &self.bias[index * FILTERS..][..FILTERS], &self.scales[index * FILTERS..][..FILTERS])
    }
}

impl Weights {
    /// Packs `weight(output channel, run, element of the run)`, which is zero where there is none, and `bias(output channel)`;
    /// output channels are counted over all groups.
    pub fn pack(
        &self,
        format: Format,
        weight: impl Fn(usize, usize, usize) -> f32,
        bias: impl Fn(usize) -> f32,
    ) -> Packed {
        let blocks = self.filters.div_ceil(FILTERS);
        let lines = self.runs * self.steps * FILTERS / SIDE;
        let all = self.groups * blocks;
        let mut weights = vec![parallel::Line([0; 64]); all * lines];
        let (mut biases, mut scales) = (vec![0.0; all * FILTERS], vec![1.0; all * FILTERS]);
        let elements = self.steps * format.count();
        for (i, to) in weights.chunks_exact_mut(lines.max(1)).enumerate() {
            let first = i % blocks * FILTERS;
            for f in 0..FILTERS.min(self.filters - first) {
                let filter = i / blocks * self.filters + first + f;
                let terms = (0..self.runs).flat_map(|run| (0..elements).map(move |k| (run, k)));
                let bias = bias(filter);
                match format {
                    Format::Bf16(_) => {
                        for (run, k) in terms {
                            self.put(to, f, run, k, round(weight(filter, run, k)).to_le_bytes());
                        }
                        biases[i * FILTERS + f] = bias;
                    }
                    Format::Int8(x) => {
                        let most = terms.clone().fold(0.0f32, |m, (run, k)| m.max(weight(filter, run, k).abs()));
                        let scale = if most > 0.0 { most / 127.0 } else { 1.0 };
                        let mut sum = 0i32;
                        for (run, k) in terms {
                            let byte = (weight(filter, run, k) / scale).round() as i8;
                            sum += i32::from(byte);
                            self.put(to, f, run, k, [byte as u8]);
                        }
                        let scale = scale * x.scale();
                        scales[i * FILTERS + f] = scale;
                        biases[i * FILTERS + f] = bias - scale * (sum as f32 * f32::from(x.zero()));
                    }
                }
            }
        }
        Packed { weights, bias: biases, scales }
    }

    /// Puts one element of output channel `f` of a block where it belongs.
    fn put<const BYTES: usize>(&self, to: &mut [Line], f: usize, run: usize, element: usize, value: [u8; BYTES]) {
        let (step, place) = (element * BYTES / LANE, element * BYTES % LANE);
        let vector = match self.order {
            Order::Lanes => 2 * step + f / SIDE,
            Order::Tiles => f / SIDE * self.steps + step,
        };
        let at = f % SIDE * LANE + place;
        to[2 * run * self.steps + vector].0[at..at + BYTES].copy_from_slice(&value);
    }
}
