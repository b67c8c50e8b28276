//! Convolutions of a large concatenation, taken apart: the sum over its channels is the sum of one convolution a part.
//!
//! At the top of a U-Net's decoder the skip connection, the upsampled features, both of them joined, and the result would
//! be alive together. Instead the convolution of the skip connection runs before the features are upsampled, which may
//! then take its place, and that of the features is added to it: two full tensors at a time, not four, nothing is copied,
//! and the multiplications are the same.

use std::sync::Arc;

use netra_graph::{Conv, DType, Kernel, Program, Step, StepValue, Tensor, ValueId};

/// Joined tensors from this size on are taken apart; smaller ones stay in a cache, or hardly count.
const LARGE: usize = 64 << 20;

/// `program` with its convolutions of large concatenations taken apart.
pub fn split_joined(program: Program) -> Program {
    split_above(program, LARGE)
}

fn split_above(mut program: Program, bytes: usize) -> Program {
    let next = |program: &Program| {
        let large = |&i: &usize| program.value(program.steps[i].output).bytes() >= bytes;
        (0..program.steps.len()).filter(large).find_map(|i| readers(program, i).map(|readers| (i, readers)))
    };
    while let Some((i, readers)) = next(&program) {
        split(&mut program, i, &readers);
    }
    program
}

/// The convolutions that read the concatenation of step `i`, when it can be taken apart: along the channels, read as
/// the input of plain convolutions with constant weights and by nothing else.
fn readers(program: &Program, i: usize) -> Option<Vec<usize>> {
    let step = &program.steps[i];
    let joined = step.output;
    let parts: Vec<ValueId> = step.inputs.iter().copied().collect::<Option<_>>()?;
    let value = program.value(joined);
    if !matches!(step.kernel, Kernel::Concat { axis: 1 }) || value.shape.len() < 4 || parts.len() < 2 {
        return None;
    }
    if program.outputs.contains(&joined) {
        return None;
    }
    let reads = |s: &Step| s.inputs.contains(&Some(joined));
    let readers: Vec<usize> = (0..program.steps.len()).filter(|&s| reads(&program.steps[s])).collect();
    let plain = |&s: &usize| {
        let Step { kernel: Kernel::Conv(Conv { groups: 0 | 1, .. }), inputs, .. } = &program.steps[s] else {
            return false;
        };
        let residual = inputs.get(3).copied().flatten();
        let weight = inputs.get(1).copied().flatten().and_then(|id| program.value(id).constant.as_ref());
        inputs[0] == Some(joined)
            && inputs.iter().flatten().filter(|&&id| id == joined).count() == 1
            && residual.is_none()
            && weight.is_some_and(|w| w.as_f32().is_some())
    };
    // The sums replace the joined tensor: they must not be larger.
    let sums: usize = readers.iter().map(|&s| program.value(program.steps[s].output).bytes()).sum();
    (!readers.is_empty() && readers.iter().all(plain) && sums <= value.bytes()).then_some(readers)
}

/// Takes the concatenation of step `i` apart.
fn split(program: &mut Program, i: usize, readers: &[usize]) {
    let parts: Vec<ValueId> = program.steps[i].inputs.iter().copied().flatten().collect();
    let born = |id: ValueId| program.steps[..i].iter().position(|s| s.output == id);
    // Oldest first; the sums of all but the youngest are made before that one is.
    let mut order: Vec<(Option<usize>, usize)> = parts.iter().enumerate().map(|(k, &id)| (born(id), k)).collect();
    order.sort_unstable();
    let Some((&(before, youngest), older)) = order.split_last() else { return };
    let mut early = Vec::new();
    for &reader in readers {
        let mut sum = None;
        for &(_, k) in older {
            let weight = weight(program, reader, &parts, k);
            let Step { node, kernel, output, .. } = &program.steps[reader];
            // The bias and the activation are left to the last one.
            let kernel = match kernel {
                Kernel::Conv(p) => Kernel::Conv(Conv { activation: None, ..p.clone() }),
                other => other.clone(),
            };
            let (node, shape) = (format!("{node}[{k}]"), program.value(*output).shape.clone());
            let output = push(program, node.clone(), shape, None);
            early.push(Step { node, kernel, inputs: vec![Some(parts[k]), Some(weight), None, sum], output });
            sum = Some(output);
        }
        let weight = weight(program, reader, &parts, youngest);
        let inputs = &mut program.steps[reader].inputs;
        *inputs = vec![Some(parts[youngest]), Some(weight), inputs.get(2).copied().flatten(), sum];
    }
    program.steps.remove(i);
    let before = before.unwrap_or(i);
    program.steps.splice(before..before, early);
}

/// Adds the weights of a convolution's part `k` to the program.
fn weight(program: &mut Program, reader: usize, parts: &[ValueId], k: usize) -> ValueId {
    let sizes: Vec<usize> = parts.iter().map(|&id| program.value(id).shape[1]).collect();
    let (start, all) = (sizes[..k].iter().sum::<usize>(), sizes.iter().sum::<usize>());
    let whole = program.steps[reader].inputs[1].map(|id| program.value(id).clone());
    let Some(StepValue { name, mut shape, constant, .. }) = whole else { return ValueId(u32::MAX) };
    let run: usize = shape[2..].iter().product();
    let values = constant.as_ref().and_then(|w| w.as_f32()).unwrap_or_default();
    let rows = values.chunks_exact((all * run).max(1));
    let cut = rows.flat_map(|row| &row[start * run..(start + sizes[k]) * run]).copied().collect();
    shape[1] = sizes[k];
    let constant = Tensor::from_f32(shape.clone(), cut).ok().map(Arc::new);
    push(program, format!("{name}[{k}]"), shape, constant)
}

fn push(program: &mut Program, name: String, shape: Vec<usize>, constant: Option<Arc<Tensor>>) -> ValueId {
    program.values.push(StepValue { name, dtype: DType::F32, shape, constant });
    ValueId(program.values.len() as u32 - 1)
}

#[cfg(test)]
mod tests {
    use netra_graph::{Activation, ProgramBuilder, eval};

    use super::*;

    /// Two convolutions of a concatenation of three tensors, one of which is made late.
    fn program() -> Program {
        let mut b = ProgramBuilder::new();
        let ramp = |n: usize| (0..n).map(|i| (i * 37 % 29) as f32 / 29.0 - 0.4).collect::<Vec<_>>();
        let x = b.input("x", DType::F32, &[1, 2, 4, 5]);
        let y = b.step("exp", Kernel::Unary(netra_graph::Unary::Exp), &[Some(x)], DType::F32, &[1, 2, 4, 5]);
        let w = b.constant("one", Tensor::from_f32([3, 2, 1, 1], ramp(6)).unwrap());
        let point =
            Conv { strides: vec![1; 2], pads: vec![(0, 0); 2], dilations: vec![1; 2], groups: 1, activation: None };
        let z = b.step("z", Kernel::Conv(point.clone()), &[Some(y), Some(w)], DType::F32, &[1, 3, 4, 5]);
        let parts = [Some(z), Some(x), Some(y)];
        let joined = b.step("join", Kernel::Concat { axis: 1 }, &parts, DType::F32, &[1, 7, 4, 5]);
        let w = b.constant("a", Tensor::from_f32([2, 7, 3, 3], ramp(126)).unwrap());
        let bias = b.constant("b", Tensor::from_f32([2], vec![0.5, -0.25]).unwrap());
        let relu = Conv { pads: vec![(1, 1); 2], activation: Some(Activation::Relu), ..point.clone() };
        let inputs = [Some(joined), Some(w), Some(bias)];
        let first = b.step("first", Kernel::Conv(relu), &inputs, DType::F32, &[1, 2, 4, 5]);
        let w = b.constant("c", Tensor::from_f32([4, 7, 1, 1], ramp(28)).unwrap());
        let second = b.step("second", Kernel::Conv(point), &[Some(joined), Some(w)], DType::F32, &[1, 4, 4, 5]);
        b.finish(vec![first, second])
    }

    #[test]
    fn the_sum_over_parts_is_the_sum_over_all_channels() {
        let whole = program();
        let split = split_above(whole.clone(), 0);
        assert!(split.steps.iter().all(|s| !matches!(s.kernel, Kernel::Concat { .. })));
        let x = Tensor::from_f32([1, 2, 4, 5], (0..40).map(|i| (i * 7 % 13) as f32 / 13.0).collect()).unwrap();
        let run = |program: &Program| eval::run(program, &[x.view()]).unwrap();
        for (a, b) in run(&whole).iter().zip(&run(&split)) {
            assert_eq!(a.shape(), b.shape());
            for (a, b) in a.as_f32().unwrap().iter().zip(b.as_f32().unwrap()) {
                assert!((a - b).abs() < 1e-5, "{a} and {b}");
            }
        }
    }

    #[test]
    fn what_reads_more_than_convolutions_stays_whole() {
        let mut whole = program();
        let joined = whole.steps[2].output;
        whole.outputs.push(joined);
        assert_eq!(split_above(whole.clone(), 0).steps.len(), whole.steps.len());
        // And small tensors are joined.
        assert_eq!(split_joined(program()).steps.len(), program().steps.len());
    }
}
