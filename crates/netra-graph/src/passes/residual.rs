//! The addition of a skip connection taken into the convolution that makes one of its operands.

use super::edit::{Editor, either_order, input};
use crate::{Binary, Kernel, Program, Step, ValueId};

pub fn run(program: &mut Program) -> usize {
    let mut edit = Editor::new(program);
    for at in 0..edit.len() {
        let Some(step) = edit.step(at) else { continue };
        if step.kernel != Kernel::Binary(Binary::Add) {
            continue;
        }
        let fused = either_order(step).into_iter().find_map(|(y, skip)| fuse(&edit, y, skip));
        if let Some((kernel, inputs)) = fused {
            edit.replace(at, kernel, inputs);
        }
    }
    edit.finish()
}

fn fuse(edit: &Editor<'_>, y: ValueId, skip: ValueId) -> Option<(Kernel, Vec<Option<ValueId>>)> {
    let conv: &Step = edit.sole_producer(y)?;
    let Kernel::Conv(p) = &conv.kernel else { return None };
    // A constant of the output's shape would be a weight; none occurs in practice, and backends need not expect one.
    let fits = edit.shape(y) == edit.shape(skip) && edit.constant(skip).is_none() && y != skip;
    if p.activation.is_some() || input(conv, 3).is_some() || !fits {
        return None;
    }
    Some((conv.kernel.clone(), vec![input(conv, 0), input(conv, 1), input(conv, 2), Some(skip)]))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_same, kernels, noise};
    use crate::{Activation, Binary, Conv, DType, Kernel, ProgramBuilder, Unary};

    #[test]
    fn a_skip_connection_and_its_relu_end_up_in_the_convolution() {
        let mut b = ProgramBuilder::new();
        let shape = [1, 3, 6];
        let x = b.input("x", DType::F32, &shape);
        let conv = Kernel::Conv(Conv {
            strides: vec![1],
            pads: vec![(1, 1)],
            dilations: vec![1],
            groups: 1,
            activation: None,
        });
        let (w, v) = (b.constant("w", noise(&[3, 3, 3], 1)), b.constant("v", noise(&[3, 3, 3], 2)));
        let main = b.step("main", conv.clone(), &[Some(x), Some(w)], DType::F32, &shape);
        let skip = b.step("skip", conv, &[Some(x), Some(v)], DType::F32, &shape);
        let sum = b.step("sum", Kernel::Binary(Binary::Add), &[Some(main), Some(skip)], DType::F32, &shape);
        let relu = Kernel::Unary(Unary::Activation(Activation::Relu));
        let y = b.step("y", relu, &[Some(sum)], DType::F32, &shape);
        let mut program = b.finish(vec![y]);
        let before = program.clone();
        assert_eq!(super::run(&mut program), 1);
        assert_eq!(super::super::activation::run(&mut program), 1);
        assert_eq!(kernels(&program), ["Conv", "Conv"]);
        assert_same(&before, &program);
    }
}
