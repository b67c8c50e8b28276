//! Memory known before a run: who lives when, and a static arena that backends may use.
//!
//! A value lives from the step that makes it (inputs: from the start) to the last step that reads it (outputs: to the
//! end). A `Reshape` of anything but a constant shares its input's storage. While a step runs, its operands and its
//! result are all alive; a backend may still let an element-wise step (`Unary`, or `Binary` on an operand of the
//! result's shape) write over an operand that dies there and whose storage nothing else shares, which only makes the
//! true peak smaller than the one given here.

use crate::{Kernel, Program};

/// Peak memory of one compiled program on one backend, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Constants, in the form the backend keeps them (packed copies included).
    pub weights: u64,
    /// Most bytes of live values at any step, inputs and outputs included.
    pub activations: u64,
    /// Most bytes of scratch that one step needs on top.
    pub workspace: u64,
}

impl MemoryPlan {
    /// The sum: what the run adds to the process (cpu) or to the adapter (wgpu).
    pub fn peak(&self) -> u64 {
        self.weights + self.activations + self.workspace
    }
}

/// A place in one arena for every value that is not a constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Byte offset of each value, indexed by [`ValueId`](crate::ValueId); `None` for constants and for values that
    /// are never made.
    pub offsets: Vec<Option<u64>>,
    /// Bytes of the arena.
    pub arena_bytes: u64,
}

/// Storage that one or more values share.
#[derive(Clone, Copy)]
struct Block {
    bytes: u64,
    /// First step during which it is alive (inputs: 0).
    from: usize,
    /// Last step during which it is alive (outputs: the number of steps).
    to: usize,
}

impl Block {
    fn meets(&self, other: &Block) -> bool {
        self.from <= other.to && other.from <= self.to
    }
}

/// The blocks of a program, and the block of each value.
fn blocks(program: &Program) -> (Vec<Block>, Vec<Option<usize>>) {
    let last = program.last_uses();
    let mut blocks: Vec<Block> = Vec::new();
    let mut of: Vec<Option<usize>> = vec![None; program.values.len()];
    for &id in &program.inputs {
        // An input is there from the start, read or not.
        of[id.index()] = Some(blocks.len());
        blocks.push(Block { bytes: program.value(id).bytes() as u64, from: 0, to: last[id.index()].unwrap_or(0) });
    }
    for (i, step) in program.steps.iter().enumerate() {
        let end = last[step.output.index()].unwrap_or(i);
        let shared = match (&step.kernel, &step.inputs[..]) {
            (Kernel::Reshape, [Some(x)]) => of[x.index()],
            _ => None,
        };
        let block = shared.unwrap_or_else(|| {
            blocks.push(Block { bytes: program.value(step.output).bytes() as u64, from: i, to: i });
            blocks.len() - 1
        });
        blocks[block].to = blocks[block].to.max(end);
        of[step.output.index()] = Some(block);
    }
    (blocks, of)
}

/// Most bytes of live values at any step, inputs and outputs included, constants not.
pub fn peak_activations(program: &Program) -> u64 {
    let (blocks, _) = blocks(program);
    let mut born = vec![0u64; program.steps.len() + 2];
    let mut freed = vec![0u64; program.steps.len() + 2];
    for block in &blocks {
        born[block.from] = born[block.from].saturating_add(block.bytes);
        freed[block.to + 1] = freed[block.to + 1].saturating_add(block.bytes);
    }
    let (mut live, mut peak) = (0u64, 0u64);
    for (born, freed) in born.into_iter().zip(freed) {
        live = live.saturating_sub(freed).saturating_add(born);
        peak = peak.max(live);
    }
    peak
}

/// Places every value in one arena such that no two that live at the same time overlap; offsets are multiples of
/// `align`. Largest first, each into the tightest gap that fits (greedy by size, as Pisarchyk and Lee, "Efficient memory
/// management for deep neural net inference", 2020).
pub fn assign(program: &Program, align: u64) -> Assignment {
    let align = align.max(1);
    let (blocks, of) = blocks(program);
    let size = |b: usize| blocks[b].bytes.max(1).div_ceil(align).saturating_mul(align);
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by_key(|&b| (std::cmp::Reverse(size(b)), blocks[b].from));
    let mut offsets = vec![0u64; blocks.len()];
    // Placed blocks by offset.
    let mut placed: Vec<usize> = Vec::with_capacity(blocks.len());
    let mut arena_bytes = 0u64;
    for block in order {
        let (mut end, mut best) = (0u64, None);
        for &other in placed.iter().filter(|&&p| blocks[p].meets(&blocks[block])) {
            let gap = offsets[other].saturating_sub(end);
            if gap >= size(block) && best.is_none_or(|(tightest, _)| gap < tightest) {
                best = Some((gap, end));
            }
            end = end.max(offsets[other].saturating_add(size(other)));
        }
        offsets[block] = best.map_or(end, |(_, offset)| offset);
        arena_bytes = arena_bytes.max(offsets[block].saturating_add(size(block)));
        let at = placed.partition_point(|&p| offsets[p] <= offsets[block]);
        placed.insert(at, block);
    }
    Assignment { offsets: of.into_iter().map(|b| b.map(|b| offsets[b])).collect(), arena_bytes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Activation, Binary, DType, ProgramBuilder, Unary, ValueId};

    /// A straight program of random element-wise steps, reshapes and sizes.
    fn random(seed: u64) -> Program {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut below = |n: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        };
        let mut b = ProgramBuilder::new();
        let mut made: Vec<ValueId> = (0..1 + below(3)).map(|i| b.input(&format!("x{i}"), DType::F32, &[1])).collect();
        for i in 0..5 + below(40) {
            let x = made[below(made.len())];
            let shape = b.value(x).shape.clone();
            let name = format!("s{i}");
            let id = match below(4) {
                0 => {
                    let flat: usize = shape.iter().product();
                    b.step(&name, Kernel::Reshape, &[Some(x)], DType::F32, &[flat])
                }
                1 => {
                    let mut wider = shape.clone();
                    wider.insert(0, 1 + below(9));
                    b.step(&name, Kernel::Expand, &[Some(x)], DType::F32, &wider[..wider.len().min(3)])
                }
                2 => b.step(&name, Kernel::Binary(Binary::Add), &[Some(x), Some(x)], DType::F32, &shape),
                _ => {
                    let relu = Kernel::Unary(Unary::Activation(Activation::Relu));
                    b.step(&name, relu, &[Some(x)], DType::F32, &shape)
                }
            };
            made.push(id);
        }
        let outputs = (0..1 + below(3)).map(|_| made[below(made.len())]).collect();
        b.finish(outputs)
    }

    #[test]
    fn values_alive_together_never_overlap() {
        for seed in 0..300 {
            let program = random(seed);
            let plan = assign(&program, 16);
            let last = program.last_uses();
            let mut born = vec![None; program.values.len()];
            program.inputs.iter().for_each(|id| born[id.index()] = Some(0));
            program.steps.iter().enumerate().for_each(|(i, s)| born[s.output.index()] = Some(i));
            // Values that a chain of reshapes makes from the same one.
            let mut root: Vec<usize> = (0..program.values.len()).collect();
            for step in program.steps.iter().filter(|s| s.kernel == Kernel::Reshape) {
                root[step.output.index()] = root[step.inputs[0].unwrap().index()];
            }
            let life = |v: usize| (born[v].unwrap(), last[v].unwrap_or(born[v].unwrap()));
            let place = |v: usize| (plan.offsets[v].unwrap(), program.values[v].bytes() as u64);
            for a in 0..program.values.len() {
                assert_eq!(place(a).0 % 16, 0);
                assert!(place(a).0 + place(a).1 <= plan.arena_bytes);
                for b in 0..a {
                    let ((from, to), (start, end)) = (life(a), life(b));
                    let ((at, bytes), (other, others)) = (place(a), place(b));
                    let together = from <= end && start <= to;
                    let overlap = at < other + others && other < at + bytes;
                    if root[a] == root[b] {
                        assert_eq!(at, other, "a reshape moves nothing");
                    } else {
                        assert!(!(together && overlap), "seed {seed}: values {a} and {b}");
                    }
                }
            }
            assert!(assign(&program, 1).arena_bytes >= peak_activations(&program));
        }
    }

    #[test]
    fn a_chain_needs_two_buffers() {
        let mut b = ProgramBuilder::new();
        let mut x = b.input("x", DType::F32, &[100]);
        for i in 0..10 {
            let relu = Kernel::Unary(Unary::Activation(Activation::Relu));
            x = b.step(&format!("s{i}"), relu, &[Some(x)], DType::F32, &[100]);
        }
        let program = b.finish(vec![x]);
        assert_eq!(peak_activations(&program), 800);
        assert_eq!(assign(&program, 1).arena_bytes, 800);
    }
}
