//! What values range over: measured on inputs that are at hand, for backends that compute with bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Backend, CompileOptions, DType, Kernel, Program, Reduction, Result, Step, StepValue, TensorView, ValueId};

/// The least and the greatest element of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The least.
    pub low: f32,
    /// The greatest.
    pub high: f32,
}

/// The ranges of values, by their names in the program. Values of one name share the range that holds them all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranges(BTreeMap<String, Range>);

impl Ranges {
    /// The range of a value, when it is known.
    pub fn get(&self, name: &str) -> Option<Range> {
        self.0.get(name).copied()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes the range of a value as wide as to hold `range`, too.
    pub fn widen(&mut self, name: &str, range: Range) {
        let known = self.0.entry(name.to_owned()).or_insert(range);
        known.low = known.low.min(range.low);
        known.high = known.high.max(range.high);
    }

    /// Runs `program` on a backend in float32, and widens the ranges of what its convolutions and products with constants read
    /// to what they read in this run. Fails as compiling and running do.
    pub fn measure(&mut self, backend: &dyn Backend, program: &Program, inputs: &[TensorView<'_>]) -> Result<()> {
        let (observed, names) = observe(program);
        let extremes = backend.compile(Arc::new(observed), &CompileOptions::default())?.run(inputs)?;
        let number = |i: usize| extremes.get(i).and_then(|t| t.as_f32()).and_then(|v| v.first().copied());
        for (i, name) in names.iter().enumerate() {
            if let (Some(low), Some(high)) = (number(2 * i), number(2 * i + 1)) {
                self.widen(name, Range { low, high });
            }
        }
        Ok(())
    }
}

/// `program` with other outputs: the least and the greatest element of each value of float32 that [`Ranges`] are wanted of, and
/// those values' names.
fn observe(program: &Program) -> (Program, Vec<String>) {
    let mut wanted: Vec<ValueId> = program.steps.iter().flat_map(|step| operands(program, step)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted.retain(|&id| {
        let value = program.value(id);
        value.dtype == DType::F32 && value.constant.is_none() && value.elements() > 0
    });
    let names = wanted.iter().map(|&id| program.value(id).name.clone()).collect();
    let mut observed = program.clone();
    observed.outputs.clear();
    for id in wanted {
        // Each value is looked at as soon as it is there, so that none lives longer than it did.
        let at = observed.steps.iter().position(|s| s.output == id).map_or(0, |made| made + 1);
        let axes: Vec<usize> = (0..program.value(id).shape.len()).collect();
        for (k, (reduction, name)) in [(Reduction::Min, "min"), (Reduction::Max, "max")].into_iter().enumerate() {
            let name = format!("{}:{name}", program.value(id).name);
            let (node, shape) = (name.clone(), vec![1; axes.len()]);
            observed.values.push(StepValue { name, dtype: DType::F32, shape, constant: None });
            let output = ValueId(observed.values.len() as u32 - 1);
            let kernel = Kernel::Reduce { reduction, axes: axes.clone() };
            observed.steps.insert(at + k, Step { node, kernel, inputs: vec![Some(id)], output });
            observed.outputs.push(output);
        }
    }
    (observed, names)
}

/// What a step multiplies by constants. The parts of a concatenation, too: a backend may take its readers apart.
fn operands(program: &Program, step: &Step) -> Vec<ValueId> {
    let constant =
        |i: usize| step.inputs.get(i).copied().flatten().is_some_and(|id| program.value(id).constant.is_some());
    let count = match step.kernel {
        Kernel::Conv(_) | Kernel::ConvTranspose(_) => 1,
        Kernel::MatMul { .. } if constant(1) => 1,
        Kernel::Concat { .. } => step.inputs.len(),
        _ => 0,
    };
    step.inputs.iter().take(count).copied().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Binary, Conv, ProgramBuilder, Tensor, eval};

    /// Ranges are of what meets constant weights, and the observed program computes what the program does.
    #[test]
    fn what_meets_weights_is_observed() {
        let mut b = ProgramBuilder::new();
        let x = b.input("x", DType::F32, &[1, 1, 4]);
        let weight = |v: f32| Tensor::from_f32([1, 1, 1], vec![v]).expect("one element");
        let (w, v) = (b.constant("w", weight(-2.0)), b.constant("v", weight(0.5)));
        let conv = || {
            Kernel::Conv(Conv { strides: vec![1], pads: vec![(0, 0)], dilations: vec![1], groups: 1, activation: None })
        };
        let first = b.step("first", conv(), &[Some(x), Some(w)], DType::F32, &[1, 1, 4]);
        let second = b.step("second", conv(), &[Some(first), Some(v)], DType::F32, &[1, 1, 4]);
        let sum = b.step("sum", Kernel::Binary(Binary::Add), &[Some(second), Some(x)], DType::F32, &[1, 1, 4]);
        let program = b.finish(vec![sum]);
        let (observed, names) = observe(&program);
        assert_eq!(names, ["x", "first"]);
        let input = Tensor::from_f32([1, 1, 4], vec![1.0, -3.0, 2.0, 0.0]).expect("four elements");
        let extremes = eval::run(&observed, &[input.view()]).expect("the evaluator runs");
        let extremes: Vec<f32> = extremes.iter().filter_map(|t| Some(t.as_f32()?[0])).collect();
        assert_eq!(extremes, [-3.0, 2.0, -4.0, 6.0]);
    }

    #[test]
    fn ranges_grow() {
        let mut ranges = Ranges::default();
        assert!(ranges.is_empty() && ranges.get("a").is_none());
        ranges.widen("a", Range { low: -1.0, high: 2.0 });
        ranges.widen("a", Range { low: 0.0, high: 3.0 });
        assert_eq!(ranges.get("a"), Some(Range { low: -1.0, high: 3.0 }));
    }
}
