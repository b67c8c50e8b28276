//! Where the time of one run goes, step by step.

use crate::{Kernel, Program, Step};

/// One step of a profiled run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepTime {
    /// Name of the node it came from; of fused nodes the last.
    pub step: String,
    /// The kernel's name; a backend may append what it chose (`Conv winograd`).
    pub kernel: String,
    /// Shape of the output, outermost first.
    pub shape: Vec<usize>,
    /// Wall-clock time.
    pub nanoseconds: u64,
    /// Floating-point operations by definition of the operator, not by the algorithm used: twice the multiply-adds. `None`
    /// for kernels that are not sums of products.
    pub flops: Option<u64>,
}

impl StepTime {
    /// A step of `program` that took `nanoseconds`.
    pub fn new(program: &Program, step: &Step, nanoseconds: u64) -> Self {
        Self {
            step: step.node.clone(),
            kernel: step.kernel.name().to_string(),
            shape: program.value(step.output).shape.clone(),
            nanoseconds,
            flops: flops(program, step),
        }
    }
}

/// One run of a program, timed. A backend that runs several of the program's steps at once lists them as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// Steps in the order in which they ran.
    pub steps: Vec<StepTime>,
    /// Wall-clock time of the whole run; at least the sum over the steps.
    pub nanoseconds: u64,
}

impl Profile {
    /// A run that took `nanoseconds`.
    pub fn new(steps: Vec<StepTime>, nanoseconds: u64) -> Self {
        Self { steps, nanoseconds }
    }
}

/// Twice the multiply-adds of a convolution or product.
fn flops(program: &Program, step: &Step) -> Option<u64> {
    let shape = |i: usize| Some(program.value(step.inputs.get(i).copied().flatten()?).shape.as_slice());
    let count = |sizes: &[usize]| sizes.iter().map(|&n| n as u64).product::<u64>();
    let (places, each) = match &step.kernel {
        // Each output element sums over a filter of the weight [M, C / groups, kernel...].
        Kernel::Conv(_) | Kernel::NormalizedConv(_) => {
            (count(&program.value(step.output).shape), count(shape(1)?.get(1..)?))
        }
        // Each input element is spread by a filter of the weight [C, M / groups, kernel...].
        Kernel::ConvTranspose(_) => (count(shape(0)?), count(shape(1)?.get(1..)?)),
        Kernel::UpsampledConv(_) => {
            let conv = count(&program.value(step.output).shape).checked_mul(count(shape(1)?.get(1..)?))?;
            (conv.checked_add(count(shape(0)?).checked_mul(count(shape(4)?.get(1..)?))?)?, 1)
        }
        Kernel::MatMul { trans_a, .. } => {
            let a = shape(0)?;
            let axis = a.len().checked_sub(if *trans_a { 2 } else { 1 })?;
            (count(&program.value(step.output).shape), *a.get(axis)? as u64)
        }
        Kernel::Attention(p) => {
            let scores = count(&[p.q.starts.len(), p.queries, p.keys]);
            (scores, (p.width + p.value_width) as u64)
        }
        _ => return None,
    };
    places.checked_mul(each)?.checked_mul(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conv, ConvTranspose, DType, ProgramBuilder};

    fn one(kernel: Kernel, x: &[usize], weight: &[usize], out: &[usize]) -> Option<u64> {
        let mut builder = ProgramBuilder::new();
        let x = builder.input("x", DType::F32, x);
        let weight = builder.input("w", DType::F32, weight);
        let y = builder.step("y", kernel, &[Some(x), Some(weight)], DType::F32, out);
        let program = builder.finish(vec![y]);
        StepTime::new(&program, &program.steps[0], 0).flops
    }

    #[test]
    fn operations_are_twice_the_multiply_adds() {
        let conv =
            Conv { strides: vec![2, 2], pads: vec![(1, 1); 2], dilations: vec![1, 1], groups: 2, activation: None };
        assert_eq!(one(Kernel::Conv(conv), &[1, 8, 10, 10], &[6, 4, 3, 3], &[1, 6, 5, 5]), Some(2 * 6 * 25 * 4 * 9));
        let transposed = ConvTranspose {
            strides: vec![2, 2],
            pads: vec![(0, 0); 2],
            dilations: vec![1, 1],
            groups: 1,
            activation: None,
        };
        let got = one(Kernel::ConvTranspose(transposed), &[1, 8, 5, 5], &[8, 3, 2, 2], &[1, 3, 10, 10]);
        assert_eq!(got, Some(2 * 8 * 25 * 3 * 4));
        let product = |trans_a| Kernel::MatMul { trans_a, trans_b: false, alpha: 1.0 };
        assert_eq!(one(product(false), &[2, 4, 5], &[5, 6], &[2, 4, 6]), Some(2 * 2 * 4 * 6 * 5));
        assert_eq!(one(product(true), &[2, 5, 4], &[5, 6], &[2, 4, 6]), Some(2 * 2 * 4 * 6 * 5));
        let rows = |row| crate::StridedRows { starts: vec![0, row], row: 2 * row, column: 1 };
        let attention = crate::DotProductAttention {
            queries: 7,
            keys: 7,
            width: 3,
            value_width: 3,
            scale: 1.0,
            q: rows(3),
            k: rows(3),
            v: rows(3),
            out: rows(3),
            biases: Vec::new(),
        };
        assert_eq!(one(Kernel::Attention(Box::new(attention)), &[7, 6], &[7, 6], &[7, 6]), Some(2 * 2 * 7 * 7 * 6));
        assert_eq!(one(Kernel::Reshape, &[4], &[1], &[2, 2]), None);
    }
}
