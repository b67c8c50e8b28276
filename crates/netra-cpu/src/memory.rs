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
}

impl Memory {
    /// Plans the buffers of `program`.
    pub fn new(program: &Program) -> Self {
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
                    families.push(Family { dtype: value.dtype, elements: value.elements(), first: i, last });
                    Place::Slot(families.len() - 1)
                }
            };
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

/// Assigns families to slots, largest first, each to the smallest slot that is free during its life.
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
