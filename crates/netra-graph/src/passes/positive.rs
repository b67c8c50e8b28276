//! Multiplication by constants that are not negative, moved before a Relu or LeakyRelu: `relu(y) c = relu(c y)`. Done
//! where a convolution makes `y`, which then takes the factor in (batch normalisation after the activation).

use super::edit::{Editor, either_order, input, per_channel};
use crate::{Activation, Binary, Kernel, Program, Step, Unary, ValueId};

pub fn run(program: &mut Program) -> usize {
    let mut edit = Editor::new(program);
    for at in 0..edit.len() {
        let Some(step) = edit.step(at) else { continue };
        let Some((relu_at, relu, y, c)) = recognise(&edit, step) else { continue };
        let scaled = relu.output;
        edit.replace(relu_at, Kernel::Binary(Binary::Mul), vec![Some(y), Some(c)]);
        edit.replace(at, relu.kernel, vec![Some(scaled)]);
    }
    edit.finish()
}

/// The activation and its index, what it is applied to, and the factor.
fn recognise(edit: &Editor<'_>, step: &Step) -> Option<(usize, Step, ValueId, ValueId)> {
    if step.kernel != Kernel::Binary(Binary::Mul) {
        return None;
    }
    either_order(step).into_iter().find_map(|(x, c)| {
        let relu = edit.sole_producer(x)?;
        let Kernel::Unary(Unary::Activation(Activation::Relu | Activation::LeakyRelu(_))) = relu.kernel else {
            return None;
        };
        let y = input(relu, 0)?;
        let conv = edit.sole_producer(y)?;
        let takes_factors = match &conv.kernel {
            Kernel::Conv(p) => p.activation.is_none() && input(conv, 3).is_none(),
            Kernel::ConvTranspose(p) => p.activation.is_none(),
            _ => false,
        };
        let constant = takes_factors && edit.floats(input(conv, 1)?).is_some();
        let shape = edit.shape(x);
        let factors = per_channel(edit.constant(c)?, shape)?;
        let fine = constant && shape == edit.shape(step.output) && factors.iter().all(|f| *f >= 0.0 && f.is_finite());
        fine.then(|| Some((edit.producer_index(x)?, relu.clone(), y, c)))?
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_same, kernels, noise};
    use crate::{Activation, Binary, Conv, DType, Kernel, Program, ProgramBuilder, Tensor, Unary};

    fn program(factors: Vec<f32>) -> Program {
        let mut b = ProgramBuilder::new();
        let x = b.input("x", DType::F32, &[1, 2, 9]);
        let conv = Kernel::Conv(Conv {
            strides: vec![1],
            pads: vec![(1, 1)],
            dilations: vec![1],
            groups: 1,
            activation: None,
        });
        let (w, shape) = (b.constant("w", noise(&[3, 2, 3], 1)), [1, 3, 9]);
        let y = b.step("c", conv, &[Some(x), Some(w)], DType::F32, &shape);
        let relu = Kernel::Unary(Unary::Activation(Activation::Relu));
        let y = b.step("r", relu, &[Some(y)], DType::F32, &shape);
        let f = b.constant("f", Tensor::from_f32([3, 1], factors).unwrap());
        let y = b.step("y", Kernel::Binary(Binary::Mul), &[Some(y), Some(f)], DType::F32, &shape);
        b.finish(vec![y])
    }

    #[test]
    fn a_factor_behind_the_activation_reaches_the_weights() {
        let mut program = program(vec![0.5, 0.0, 2.0]);
        let before = program.clone();
        assert_eq!(super::run(&mut program), 2);
        assert_same(&before, &program);
        assert_eq!(super::super::affine::run(&mut program), 1);
        assert_eq!(super::super::activation::run(&mut program), 1);
        assert_eq!(kernels(&program), ["Conv"]);
        assert_same(&before, &program);
    }

    #[test]
    fn a_negative_factor_stays_behind() {
        assert_eq!(super::run(&mut program(vec![0.5, -1.0, 2.0])), 0);
    }
}
