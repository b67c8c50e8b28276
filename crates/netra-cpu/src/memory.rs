//! Which buffer each value of a program lives in, decided before anything runs.
//!
//! Values share a buffer when one is written over the other (an element-wise kernel whose input dies) or is the other
//! under a new shape. Such families live from the first definition to the last use; families whose lives do not overlap
//! take turns in one slot.

use netra_graph::{DType, Kernel, Program, Step};

/// Where a value lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The caller's input of this number.
    Input(usize),
    /// The program's constant behind this value index.
    Constant(usize),
    /// A slot.
    Slot(usize),
    /// Nowhere: nothing defines it.
    Nowhere,
}

/// One buffer of a run.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// Element type.
    pub dtype: DType,
    /// Size in elements.
    pub elements: usize,
}

impl Slot {
    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        self.elements.saturating_mul(self.dtype.size())
    }
}

/// The decision.
#[derive(Debug)]
pub struct Memory {
    /// Of each value.
    pub places: Vec<Place>,
    /// All buffers of a run.
    pub slots: Vec<Slot>,
    /// For each step, the input that its output is written over.
    pub in_place: Vec<Option<usize>>,
}

/// Values that share a buffer.
struct Family {
    dtype: DType,
    elements: usize,
    first: usize,
    last: usize,
    /// Whether the caller gets it.
    output: bool,
}

impl Memory {
    /// Plans the buffers of `program`. The steps marked in `reference` never write over an input.
    pub fn new(program: &Program, reference: &[bool]) -> Self {
        let mut places = vec![Place::Nowhere; program.values.len()];
        for (i, value) in program.values.iter().enumerate() {
            if value.constant.is_some() {
                places[i] = Place::Constant(i);
            }
        }
        for (i, id) in program.inputs.iter().enumerate() {
            places[id.index()] = Place::Input(i);
        }
        // At first `Slot` counts families.
        let last_uses = program.last_uses();
        let mut families: Vec<Family> = Vec::new();
        let mut in_place = vec![None; program.steps.len()];
        for (i, step) in program.steps.iter().enumerate() {
            let out = step.output.index();
            let last = last_uses[out].unwrap_or(i);
            let shared = match step.kernel {
                Kernel::Reshape => step.inputs.first().copied().flatten().map(|id| places[id.index()]),
                _ if reference.get(i) == Some(&true) => None,
                _ => overwritable(program, step, i, &places, &families).map(|input| {
                    in_place[i] = Some(input);
                    step.inputs[input].map_or(Place::Nowhere, |id| places[id.index()])
                }),
            };
            places[out] = match shared {
                Some(Place::Slot(f)) => {
                    families[f].last = families[f].last.max(last);
                    Place::Slot(f)
                }
                Some(place) => place,
                None => {
                    let value = program.value(step.output);
                    families.push(Family {
                        dtype: value.dtype,
                        elements: value.elements(),
                        first: i,
                        last,
                        output: false,
                    });
                    Place::Slot(families.len() - 1)
                }
            };
        }
        for id in &program.outputs {
            if let Place::Slot(family) = places[id.index()] {
                families[family].output = true;
            }
        }
        let (slots, slot_of) = pack(&families);
        for place in &mut places {
            if let Place::Slot(family) = place {
                *family = slot_of[*family];
            }
        }
        Self { places, slots, in_place }
    }

    /// Bytes of all slots.
    pub fn bytes(&self) -> usize {
        self.slots.iter().map(Slot::bytes).sum()
    }
}

/// The input of step `i` that its output may be written over: of the same type and size, read for the last time, and
/// held by no other input.
fn overwritable(program: &Program, step: &Step, i: usize, places: &[Place], families: &[Family]) -> Option<usize> {
    let candidates: &[usize] = match step.kernel {
        Kernel::Unary(_)
        | Kernel::Softmax { .. }
        | Kernel::InstanceNormalization { .. }
        | Kernel::GroupNormalization { .. }
        | Kernel::LayerNormalization { .. } => &[0],
        Kernel::Binary(_) => &[0, 1],
        // The residual.
        Kernel::Conv(_) => &[3],
        _ => &[],
    };
    let out = program.value(step.output);
    candidates.iter().copied().find(|&c| {
        let Some(id) = step.inputs.get(c).copied().flatten() else { return false };
        let value = program.value(id);
        let Place::Slot(family) = places[id.index()] else { return false };
        let alone = step.inputs.iter().flatten().filter(|id| places[id.index()] == Place::Slot(family)).count() == 1;
        families[family].last == i && alone && value.dtype == out.dtype && value.shape == out.shape
    })
}

/// Assigns families to slots, largest first, each to the smallest slot that is free during its life. The caller takes
/// the slot of an output along: one that is much larger would waste his memory, and leave the next run without.
fn pack(families: &[Family]) -> (Vec<Slot>, Vec<usize>) {
    let mut order: Vec<usize> = (0..families.len()).collect();
    order.sort_by_key(|&f| std::cmp::Reverse(families[f].elements.saturating_mul(families[f].dtype.size())));
    let mut slots: Vec<Slot> = Vec::new();
    let mut lives: Vec<Vec<(usize, usize)>> = Vec::new();
    let mut slot_of = vec![0; families.len()];
    for f in order {
        let family = &families[f];
        let free = (0..slots.len())
            .filter(|&s| slots[s].dtype == family.dtype && slots[s].elements >= family.elements)
            .filter(|&s| !family.output || slots[s].elements / 5 <= family.elements / 4)
            .filter(|&s| lives[s].iter().all(|&(first, last)| last < family.first || family.last < first))
            .min_by_key(|&s| slots[s].elements);
        let slot = free.unwrap_or_else(|| {
            slots.push(Slot { dtype: family.dtype, elements: family.elements });
            lives.push(Vec::new());
            slots.len() - 1
        });
        lives[slot].push((family.first, family.last));
        slot_of[f] = slot;
    }
    (slots, slot_of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use netra_graph::{Activation, Binary, ProgramBuilder, Unary};

    #[test]
    fn a_chain_of_unary_steps_needs_one_buffer() {
        let mut b = ProgramBuilder::new();
        let mut x = b.input("x", DType::F32, &[4, 8]);
        for _ in 0..5 {
            x = b.step("relu", Kernel::Unary(Unary::Activation(Activation::Relu)), &[Some(x)], DType::F32, &[4, 8]);
        }
        let memory = Memory::new(&b.finish(vec![x]), &[]);
        assert_eq!(memory.slots.len(), 1);
        // The caller's input is never written over.
        assert_eq!(memory.in_place, [None, Some(0), Some(0), Some(0), Some(0)]);
    }

    #[test]
    fn a_value_that_is_read_again_is_not_written_over() {
        let mut b = ProgramBuilder::new();
        let x = b.input("x", DType::F32, &[16]);
        let y = b.step("exp", Kernel::Unary(Unary::Exp), &[Some(x)], DType::F32, &[16]);
        let shaped = b.step("reshape", Kernel::Reshape, &[Some(y)], DType::F32, &[4, 4]);
        let z = b.step("neg", Kernel::Unary(Unary::Neg), &[Some(y)], DType::F32, &[16]);
        let w = b.step("abs", Kernel::Unary(Unary::Abs), &[Some(shaped)], DType::F32, &[4, 4]);
        let square = b.step("square", Kernel::Binary(Binary::Mul), &[Some(z), Some(z)], DType::F32, &[16]);
        let memory = Memory::new(&b.finish(vec![w, square]), &[]);
        // `neg` must leave `y` to `abs`, which sees it through the reshape and is its last reader; a product of a value
        // with itself is not in place.
        assert_eq!(memory.in_place, [None, None, None, Some(0), None]);
        assert_eq!(memory.places[y.index()], memory.places[shaped.index()]);
        assert_ne!(memory.places[y.index()], memory.places[z.index()]);
    }

    #[test]
    fn buffers_are_used_again_after_the_last_read() {
        let mut b = ProgramBuilder::new();
        let mut x = b.input("x", DType::F32, &[1, 1, 64]);
        for i in 0..6 {
            let size = 64 - 8 * i;
            x = b.step(
                "slice",
                Kernel::Slice { starts: vec![0; 3], steps: vec![1; 3] },
                &[Some(x)],
                DType::F32,
                &[1, 1, size],
            );
        }
        let memory = Memory::new(&b.finish(vec![x]), &[]);
        // Two take turns: the largest, and the one after it. The caller's is no larger than it must be.
        assert_eq!(memory.bytes(), (64 + 56 + 24) * 4);
    }
}
