//! Normalisation, softmax, reductions and arg-max.

use netra_graph::{Activation, Conv, DType, Kernel, NormalizedConv, Reduction};

use super::{Case, EXACT, FUNCTIONS, Operand, SUMS, w, x};
use crate::Rng;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in [&[2, 6, 40][..], &[2, 6, 9, 11], &[1, 4, 5, 6, 7], &[3, 8, 1, 2]] {
        let c = shape[1];
        for activation in [None, Some(Activation::LeakyRelu(0.01)), Some(Activation::Relu)] {
            cases.push(Case::single(
                format!("instance-norm-{shape:?}-{activation:?}"),
                Kernel::InstanceNormalization { epsilon: 1e-5, activation },
                &[x(shape), w(&[c]), w(&[c])],
                shape,
                FUNCTIONS,
            ));
            cases.push(Case::single(
                format!("group-norm-{shape:?}-{activation:?}"),
                Kernel::GroupNormalization { groups: 2, epsilon: 1e-5, activation },
                &[x(shape), w(&[c]), w(&[c])],
                shape,
                FUNCTIONS,
            ));
        }
        for axis in 1..shape.len() {
            cases.push(Case::single(
                format!("layer-norm-{shape:?}-{axis}"),
                Kernel::LayerNormalization { axis, epsilon: 1e-6 },
                &[x(shape), w(&shape[axis..]), if axis == 1 { Operand::None } else { w(&shape[axis..]) }],
                shape,
                FUNCTIONS,
            ));
            for log in [false, true] {
                let name = format!("softmax-{shape:?}-{axis}-{log}");
                cases.push(Case::single(name, Kernel::Softmax { axis, log }, &[x(shape)], shape, FUNCTIONS));
            }
        }
        cases.push(Case::single(
            format!("group-affine-{shape:?}"),
            Kernel::GroupAffine { groups: 2, epsilon: 1e-5 },
            &[x(shape), w(&[c]), w(&[c])],
            &[2, shape[0], c],
            FUNCTIONS,
        ));
        cases.extend(normalized(shape));
        cases.extend(reductions(shape));
    }
    cases
}

/// Convolutions that normalise what they read, with and without shifts, at strides that a backend may leave to the oracle.
fn normalized(shape: &[usize]) -> Vec<Case> {
    let (c, rank) = (shape[1], shape.len() - 2);
    let mut cases = Vec::new();
    for (size, stride) in [(1, 1), (3, 1), (3, 2)] {
        for (rows, activation) in [(2, Some(Activation::LeakyRelu(0.1))), (1, None)] {
            let conv = Conv {
                strides: vec![stride; rank],
                pads: vec![(size / 2, size / 2); rank],
                dilations: vec![1; rank],
                groups: 1,
                activation: Some(Activation::Relu),
            };
            let spatial = shape[2..].iter().map(|n| (n - 1) / stride + 1).collect();
            let out = [vec![shape[0], 8], spatial].concat();
            let weight = w(&[vec![8, c], vec![size; rank]].concat());
            cases.push(Case::single(
                format!("normalized-conv-{shape:?}-{size}-{stride}-{rows}"),
                Kernel::NormalizedConv(Box::new(NormalizedConv { conv, activation })),
                &[x(shape), weight, w(&[8]), Operand::None, w(&[rows, shape[0], c])],
                &out,
                SUMS.max(FUNCTIONS),
            ));
        }
    }
    cases
}

fn reductions(shape: &[usize]) -> Vec<Case> {
    use Reduction::{L1, L2, LogSumExp, Max, Mean, Min, Prod, Sum, SumSquare};
    let mut cases = Vec::new();
    let all: Vec<usize> = (0..shape.len()).collect();
    for reduction in [Sum, Mean, Max, Min, Prod, SumSquare, L1, L2, LogSumExp] {
        let mut choices = vec![vec![1], vec![shape.len() - 1], all[2..].to_vec(), all.clone()];
        choices.dedup();
        for axes in choices {
            for keep in [true, false] {
                let out: Vec<usize> = (0..shape.len())
                    .filter(|a| keep || !axes.contains(a))
                    .map(|a| if axes.contains(&a) { 1 } else { shape[a] })
                    .collect();
                let tolerance = if matches!(reduction, Max | Min) { EXACT } else { FUNCTIONS.max(SUMS) };
                let name = format!("reduce-{reduction:?}-{shape:?}-{axes:?}-{keep}");
                let kernel = Kernel::Reduce { reduction, axes: axes.clone() };
                cases.push(Case::single(name, kernel, &[x(shape)], &out, tolerance));
            }
        }
    }
    for axis in [1, shape.len() - 1] {
        for (smallest, select_last) in [(false, false), (true, false), (false, true)] {
            let mut out = shape.to_vec();
            out[axis] = 1;
            let name = format!("arg-max-{shape:?}-{axis}-{smallest}-{select_last}");
            let kernel = Kernel::ArgMax { axis, smallest, select_last };
            cases.push(Case::with_inputs(name, kernel, &[x(shape)], &mut Rng::new(5), DType::I64, &out, EXACT));
        }
    }
    cases
}
