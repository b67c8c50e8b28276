//! Where each value of a program lives, decided before anything runs.
//!
//! Values that share memory form families (`families`), which live from the first definition to the last use; families
//! whose lives do not overlap take turns (`pack`).

mod families;
mod pack;

use netra_graph::{DType, Program};

use crate::region::Span;
use families::{Families, Home};

/// Where a value lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The caller's input of this number.
    Input(usize),
    /// The program's constant behind this value index.
    Constant(usize),
    /// In a buffer of the run: 0 is the arena, 1 and on are those of `Memory::outputs`.
    Buffer(Span),
    /// Nowhere: nothing defines it.
    Nowhere,
}

/// A buffer that the caller takes along.
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

/// What the output of a step may share memory with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// Nothing.
    Nothing,
    /// What is usual for its kernel.
    #[default]
    Usual,
    /// Its first input as well.
    FirstInput,
}

/// The decision.
#[derive(Debug)]
pub struct Memory {
    /// Of each value.
    pub places: Vec<Place>,
    /// Size of the arena in bytes.
    pub arena: usize,
    /// The buffers of outputs that are not part of something larger, an input or a constant.
    pub outputs: Vec<Slot>,
    /// For each step, the input that its output is written over.
    pub in_place: Vec<Option<usize>>,
    /// Steps whose output is their input, or a part of it.
    pub aliases: Vec<bool>,
    /// Concatenations whose parts lie behind one another: each is there already, or copied there.
    pub joins: Vec<bool>,
}

impl Memory {
    /// Plans the buffers of `program`, whose steps may share memory with their inputs as `sharing` tells.
    pub fn new(program: &Program, sharing: &[Sharing]) -> Self {
        let families = least(program, sharing);
        let (numbers, whole): (Vec<usize>, Vec<_>) = families.whole().unzip();
        let index = |family: usize| numbers.partition_point(|&number| number < family);
        let mut owned = Vec::new();
        let mut outputs = Vec::new();
        for id in &program.outputs {
            let value = program.value(*id);
            if let Home::Family(family, 0) = families.home(id.index())
                && whole[index(family)].bytes == value.bytes()
                && !owned.contains(&index(family))
            {
                owned.push(index(family));
                outputs.push(Slot { dtype: value.dtype, elements: value.elements() });
            }
        }
        let packing = pack::pack(&whole, &owned);
        let place = |(v, value): (usize, &netra_graph::StepValue)| match families.home(v) {
            Home::Input(i) => Place::Input(i),
            Home::Constant(i) => Place::Constant(i),
            Home::Nowhere => Place::Nowhere,
            Home::Family(family, at) => {
                let (buffer, start) = packing.places[index(family)];
                Place::Buffer(Span { buffer, start: start + at, bytes: value.bytes() })
            }
        };
        let places = program.values.iter().enumerate().map(place).collect();
        let Families { in_place, aliases, joins, .. } = families;
        Self { places, arena: packing.arena, outputs, in_place, aliases, joins }
    }

    /// Bytes of all buffers.
    pub fn bytes(&self) -> usize {
        self.outputs.iter().map(Slot::bytes).sum::<usize>() + self.arena
    }
}

/// The families that need least memory. A concatenation is alive since its first part is, and half empty until the last:
/// where that raises the peak, only the youngest part is written into place, or none.
fn least(program: &Program, sharing: &[Sharing]) -> Families {
    // From which step on the parts of a concatenation may be alive to be written into place.
    let mut since = vec![0; program.steps.len()];
    let find = |since: &[usize]| Families::new(program, sharing, |i, first| first >= since[i]);
    let mut best = find(&since);
    let joins: Vec<usize> = (0..since.len()).filter(|&i| best.joins[i]).collect();
    for i in joins {
        let bytes = program.value(program.steps[i].output).bytes();
        // Small ones hardly matter, and there may be hundreds.
        if bytes < best.peak() / 64 {
            continue;
        }
        for from in [best.youngest[i], i + 1] {
            let before = std::mem::replace(&mut since[i], from);
            let other = find(&since);
            if other.peak() < best.peak() {
                best = other;
            } else {
                since[i] = before;
            }
        }
    }
    best
}

#[cfg(test)]
mod tests;
