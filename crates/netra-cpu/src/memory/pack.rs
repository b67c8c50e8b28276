//! Families to buffers: each output has one that the caller takes along, everything else shares an arena.

use netra_graph::DType;

use super::families::Family;

/// Offsets are multiples of a cache line.
const ALIGN: usize = 64;

/// A buffer that is there anyway, and what lives in it.
struct Buffer {
    dtype: DType,
    /// Size; the arena has no end.
    bytes: usize,
    /// Families and their offsets, by offset.
    placed: Vec<(usize, usize)>,
}

/// Where families live.
pub struct Packing {
    /// Buffer and offset of each family; buffer 0 is the arena, the outputs follow.
    pub places: Vec<(usize, usize)>,
    /// Size of the arena.
    pub arena: usize,
}

/// Places `families`, of which those in `outputs` get a buffer each, in this order: the others may live there as long as
/// the output does not. Largest first, each into the tightest gap that fits (greedy by size, as Pisarchyk and Lee,
/// "Efficient memory management for deep neural net inference", 2020).
pub fn pack(families: &[&Family], outputs: &[usize]) -> Packing {
    let mut buffers = vec![Buffer { dtype: DType::F64, bytes: usize::MAX, placed: Vec::new() }];
    let mut places = vec![(0, 0); families.len()];
    for (i, &f) in outputs.iter().enumerate() {
        buffers.push(Buffer { dtype: families[f].dtype, bytes: families[f].bytes, placed: vec![(f, 0)] });
        places[f] = (i + 1, 0);
    }
    let mut order: Vec<usize> = (0..families.len()).filter(|f| !outputs.contains(f)).collect();
    order.sort_by_key(|&f| (std::cmp::Reverse(families[f].bytes), families[f].first));
    let mut arena = 0;
    for f in order {
        let family = families[f];
        let bytes = family.bytes.max(1).next_multiple_of(ALIGN);
        let meets = |other: usize| families[other].first <= family.last && family.first <= families[other].last;
        let mut best: Option<(usize, usize, usize)> = None;
        for (b, buffer) in buffers.iter().enumerate().rev() {
            // A buffer is aligned to its own elements, the arena to any.
            if buffer.dtype.size() < family.dtype.size() || (best.is_some() && b == 0) {
                continue;
            }
            let mut end = 0;
            let neighbours = buffer.placed.iter().filter(|&&(other, _)| meets(other));
            for (start, after) in neighbours
                .map(|&(other, at)| (at, at + families[other].bytes.max(1).next_multiple_of(ALIGN)))
                .chain([(buffer.bytes, 0)])
            {
                // The end of the arena is the last resort.
                let gap = start.saturating_sub(end);
                if gap >= family.bytes.max(1) && best.is_none_or(|(tightest, ..)| gap < tightest) {
                    best = Some((gap, b, end));
                }
                end = end.max(after);
            }
        }
        let (_, b, at) = best.unwrap_or((0, 0, arena));
        if b == 0 {
            arena = arena.max(at + bytes);
        }
        places[f] = (b, at);
        let placed = &mut buffers[b].placed;
        let before = placed.partition_point(|&(_, other)| other <= at);
        placed.insert(before, (f, at));
    }
    Packing { places, arena }
}
