//! Group normalisation as PyTorch exports it: channels reshaped into groups, instance normalisation with scale 1 and
//! bias 0, and the shape restored. The real scale and bias follow in the pass over normalisations.

use super::edit::{Editor, input};
use crate::{Kernel, Program, Step, Tensor, ValueId};

pub fn run(program: &mut Program) -> usize {
    let mut edit = Editor::new(program);
    for at in 0..edit.len() {
        let Some(step) = edit.step(at) else { continue };
        let Some((x, groups, epsilon)) = recognise(&edit, step) else { continue };
        let channels = edit.shape(x)[1];
        let name = |what: &str| format!("{}:{what}", step.node);
        let (scale, bias) = (name("scale"), name("bias"));
        let filled = |value| Tensor::from_f32([channels], vec![value; channels]);
        let (Ok(ones), Ok(zeros)) = (filled(1.0), filled(0.0)) else { continue };
        let (scale, bias) = (edit.add_constant(scale, ones), edit.add_constant(bias, zeros));
        let inputs = vec![Some(x), Some(scale), Some(bias)];
        edit.replace(at, Kernel::GroupNormalization { groups, epsilon, activation: None }, inputs);
    }
    edit.finish()
}

fn recognise(edit: &Editor<'_>, step: &Step) -> Option<(ValueId, usize, f32)> {
    if step.kernel != Kernel::Reshape {
        return None;
    }
    let norm = edit.sole_producer(input(step, 0)?)?;
    let Kernel::InstanceNormalization { epsilon, activation: None } = norm.kernel else { return None };
    let all = |i, value: f32| Some(edit.floats(input(norm, i)?)?.iter().all(|v| *v == value));
    if !(all(1, 1.0)? && all(2, 0.0)?) {
        return None;
    }
    let split = edit.producer(input(norm, 0)?)?;
    if split.kernel != Kernel::Reshape {
        return None;
    }
    let x = input(split, 0)?;
    let (&[n, channels, ..], &[groups_n, groups, ..]) = (edit.shape(x), edit.shape(split.output)) else { return None };
    let same = edit.shape(x) == edit.shape(step.output);
    (same && n == groups_n && channels % groups == 0).then_some((x, groups, epsilon))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_same, kernels, noise};
    use crate::{Binary, DType, Kernel, ProgramBuilder, Tensor};

    #[test]
    fn reshape_instance_norm_reshape_with_scale_and_bias_becomes_one_step() {
        let mut b = ProgramBuilder::new();
        let shape = [2, 6, 3, 4];
        let x = b.input("x", DType::F32, &shape);
        let ones = b.constant("ones", Tensor::from_f32([2], vec![1.0; 2]).unwrap());
        let zeros = b.constant("zeros", Tensor::from_f32([2], vec![0.0; 2]).unwrap());
        let r = b.step("r", Kernel::Reshape, &[Some(x)], DType::F32, &[2, 2, 36]);
        let norm = Kernel::InstanceNormalization { epsilon: 1e-3, activation: None };
        let y = b.step("n", norm, &[Some(r), Some(ones), Some(zeros)], DType::F32, &[2, 2, 36]);
        let y = b.step("back", Kernel::Reshape, &[Some(y)], DType::F32, &shape);
        let (scale, bias) = (b.constant("scale", noise(&[6, 1, 1], 1)), b.constant("bias", noise(&[6, 1, 1], 2)));
        let y = b.step("s", Kernel::Binary(Binary::Mul), &[Some(y), Some(scale)], DType::F32, &shape);
        let y = b.step("y", Kernel::Binary(Binary::Add), &[Some(y), Some(bias)], DType::F32, &shape);
        let mut program = b.finish(vec![y]);
        let before = program.clone();
        assert_eq!(super::run(&mut program), 1);
        assert_eq!(super::super::norm_affine::run(&mut program), 2);
        assert_eq!(kernels(&program), ["GroupNormalization"]);
        assert_same(&before, &program);
    }
}
