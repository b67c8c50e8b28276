//! Activations taken into the convolution or normalisation before them.

use super::edit::{Editor, input};
use crate::{Kernel, Program, Unary};

pub fn run(program: &mut Program) -> usize {
    let mut edit = Editor::new(program);
    for at in 0..edit.len() {
        let Some(step) = edit.step(at) else { continue };
        let Kernel::Unary(Unary::Activation(fused)) = step.kernel else { continue };
        let Some(before) = input(step, 0).and_then(|x| edit.sole_producer(x)) else { continue };
        let mut kernel = before.kernel.clone();
        let slot = match &mut kernel {
            Kernel::Conv(p) => &mut p.activation,
            Kernel::ConvTranspose(p) => &mut p.activation,
            Kernel::InstanceNormalization { activation, .. } | Kernel::GroupNormalization { activation, .. } => {
                activation
            }
            _ => continue,
        };
        if slot.is_none() {
            *slot = Some(fused);
            let inputs = before.inputs.clone();
            edit.replace(at, kernel, inputs);
        }
    }
    edit.finish()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_same, kernels, noise};
    use crate::{Activation, DType, Kernel, ProgramBuilder, Unary};

    #[test]
    fn only_an_activation_that_alone_reads_the_value_is_taken_in() {
        let mut b = ProgramBuilder::new();
        let shape = [1, 2, 4, 4];
        let x = b.input("x", DType::F32, &shape);
        let (scale, bias) = (b.constant("scale", noise(&[2], 1)), b.constant("bias", noise(&[2], 2)));
        let norm = Kernel::InstanceNormalization { epsilon: 1e-5, activation: None };
        let relu = Kernel::Unary(Unary::Activation(Activation::LeakyRelu(0.1)));
        let n = b.step("n", norm.clone(), &[Some(x), Some(scale), Some(bias)], DType::F32, &shape);
        let a = b.step("a", relu.clone(), &[Some(n)], DType::F32, &shape);
        let m = b.step("m", norm, &[Some(a), Some(scale), Some(bias)], DType::F32, &shape);
        let y = b.step("y", relu, &[Some(m)], DType::F32, &shape);
        let mut program = b.finish(vec![y, m]);
        let before = program.clone();
        assert_eq!(super::run(&mut program), 1);
        assert_eq!(kernels(&program), ["InstanceNormalization", "InstanceNormalization", "Unary"]);
        assert_same(&before, &program);
    }
}
