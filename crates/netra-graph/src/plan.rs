//! Memory known before a run, and places in one arena for storage that is needed at different times.

use std::cmp::Reverse;

/// Peak memory of one compiled program on one backend, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Constants, in the form the backend keeps them (packed copies included).
    pub weights: u64,
    /// Most bytes of live values at any step, inputs and outputs included.
    pub activations: u64,
    /// Bytes on top of that for scratch of steps, and for gaps between the places of values.
    pub workspace: u64,
}

impl MemoryPlan {
    /// The sum: what the run adds to the process (cpu) or to the adapter (wgpu).
    pub fn peak(&self) -> u64 {
        self.weights + self.activations + self.workspace
    }
}

/// Storage, and when it is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Size.
    pub bytes: u64,
    /// First moment at which it is alive.
    pub from: usize,
    /// Last moment at which it is alive.
    pub to: usize,
}

impl Block {
    fn meets(&self, other: &Block) -> bool {
        self.from <= other.to && other.from <= self.to
    }
}

/// An offset for each block such that no two that are alive at the same moment overlap, and none lies across a multiple of
/// `page`, in which each has to fit. Offsets are multiples of `align`, as `page` must be. Largest first, each into the
/// tightest gap that fits (greedy by size, as Pisarchyk and Lee, "Efficient memory management for deep neural net inference",
/// 2020).
pub fn place(blocks: &[Block], align: u64, page: u64) -> Vec<u64> {
    let size = |b: usize| blocks[b].bytes.max(1).next_multiple_of(align.max(1));
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by_key(|&b| (Reverse(size(b)), blocks[b].from));
    let mut offsets = vec![0u64; blocks.len()];
    // Placed blocks by offset.
    let mut placed: Vec<usize> = Vec::with_capacity(blocks.len());
    for block in order {
        let bytes = size(block);
        // The first place from `at` on that is within one page.
        let fitting = |at: u64| if at % page > page.saturating_sub(bytes) { (at / page + 1) * page } else { at };
        let (mut end, mut best) = (0u64, None);
        for &other in placed.iter().filter(|&&p| blocks[p].meets(&blocks[block])) {
            let start = fitting(end);
            let gap = offsets[other].saturating_sub(start);
            if gap >= bytes && best.is_none_or(|(tightest, _)| gap < tightest) {
                best = Some((gap, start));
            }
            end = end.max(offsets[other] + size(other));
        }
        offsets[block] = best.map_or_else(|| fitting(end), |(_, offset)| offset);
        let at = placed.partition_point(|&p| offsets[p] <= offsets[block]);
        placed.insert(at, block);
    }
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(bytes: u64, from: usize, to: usize) -> Block {
        Block { bytes, from, to }
    }

    #[test]
    fn blocks_alive_together_never_overlap() {
        for seed in 1..300u64 {
            let mut state = seed;
            let mut below = |n: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % n
            };
            let blocks: Vec<Block> = (0..5 + below(40))
                .map(|_| {
                    let from = below(30) as usize;
                    block(below(64), from, from + below(9) as usize)
                })
                .collect();
            for page in [64, 1 << 40] {
                let offsets = place(&blocks, 16, page);
                for (i, (a, &at)) in blocks.iter().zip(&offsets).enumerate() {
                    assert_eq!(at % 16, 0);
                    assert!(a.bytes == 0 || at / page == (at + a.bytes - 1) / page, "across pages");
                    for (b, &other) in blocks.iter().zip(&offsets).take(i) {
                        let overlap = at < other + b.bytes && other < at + a.bytes;
                        assert!(!(a.meets(b) && overlap), "seed {seed}: {a:?} at {at} and {b:?} at {other}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_chain_needs_two_places() {
        let blocks: Vec<Block> = (0..10).map(|i| block(100, i, i + 1)).collect();
        let offsets = place(&blocks, 1, u64::MAX);
        assert!(offsets.iter().enumerate().all(|(i, &at)| at == (i as u64 % 2) * 100));
    }

    #[test]
    fn no_block_lies_across_pages() {
        let blocks = [block(60, 0, 3), block(60, 1, 3), block(30, 1, 2), block(30, 2, 4), block(100, 5, 6)];
        assert_eq!(place(&blocks, 10, 100), [0, 100, 60, 160, 0]);
    }
}
