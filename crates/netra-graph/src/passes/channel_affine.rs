//! Batch normalisation that no convolution precedes (DenseNet's, before its activation): multiplication and addition by
//! constants for each channel become one depthwise convolution of single elements, which takes the activation in too.

use super::edit::{Editor, either_order, input, per_channel};
use crate::{Binary, Conv, DType, Kernel, Program, Step, Tensor, ValueId};

pub fn run(program: &mut Program) -> usize {
    let mut edit = Editor::new(program);
    for at in 0..edit.len() {
        let Some(step) = edit.step(at).cloned() else { continue };
        let Some((x, factors, shifts)) = recognise(&edit, &step) else { continue };
        let shape = edit.shape(x);
        let (channels, spatial) = (shape[1], shape.len() - 2);
        let weight = Tensor::from_f32([vec![channels, 1], vec![1; spatial]].concat(), factors);
        let (Ok(weight), Ok(bias)) = (weight, Tensor::from_f32([channels], shifts)) else { continue };
        let weight = edit.add_constant(format!("{}:weight", step.node), weight);
        let bias = edit.add_constant(format!("{}:bias", step.node), bias);
        let conv = Conv {
            strides: vec![1; spatial],
            pads: vec![(0, 0); spatial],
            dilations: vec![1; spatial],
            groups: channels,
            activation: None,
        };
        edit.replace(at, Kernel::Conv(conv), vec![Some(x), Some(weight), Some(bias)]);
    }
    edit.finish()
}

/// `x`, factors and shifts of an addition to a product.
fn recognise(edit: &Editor<'_>, step: &Step) -> Option<(ValueId, Vec<f32>, Vec<f32>)> {
    let (product, shifts) = constant_operand(edit, step, Binary::Add)?;
    let (x, factors) = constant_operand(edit, edit.sole_producer(product)?, Binary::Mul)?;
    let shape = edit.shape(x);
    let images = (3..=5).contains(&shape.len()) && shape[1] > 1;
    (images && shape == edit.shape(step.output)).then_some((x, factors, shifts))
}

/// The other operand and the constants of a step that combines float32 with one constant for each channel.
fn constant_operand(edit: &Editor<'_>, step: &Step, wanted: Binary) -> Option<(ValueId, Vec<f32>)> {
    if step.kernel != Kernel::Binary(wanted) {
        return None;
    }
    let (x, values) = either_order(step).into_iter().find_map(|(x, c)| {
        let constant = edit.constant(c).filter(|c| c.shape().iter().product::<usize>() > 1)?;
        Some((x, per_channel(constant, edit.shape(x))?))
    })?;
    (edit.dtype(x) == DType::F32 && input(step, 2).is_none()).then_some((x, values))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_same, kernels, noise};
    use crate::{Binary, DType, Kernel, ProgramBuilder};

    #[test]
    fn a_product_and_a_sum_by_channel_become_one_convolution() {
        let mut b = ProgramBuilder::new();
        let shape = [2, 6, 3, 4];
        let x = b.input("x", DType::F32, &shape);
        let (f, s) = (b.constant("f", noise(&[6, 1, 1], 1)), b.constant("s", noise(&[1, 6, 1, 1], 2)));
        let y = b.step("m", Kernel::Binary(Binary::Mul), &[Some(x), Some(f)], DType::F32, &shape);
        let y = b.step("a", Kernel::Binary(Binary::Add), &[Some(s), Some(y)], DType::F32, &shape);
        // One along the width is no constant of a channel.
        let w = b.constant("w", noise(&[4], 3));
        let z = b.step("n", Kernel::Binary(Binary::Mul), &[Some(y), Some(w)], DType::F32, &shape);
        let z = b.step("z", Kernel::Binary(Binary::Add), &[Some(z), Some(s)], DType::F32, &shape);
        let mut program = b.finish(vec![z]);
        let before = program.clone();
        assert_eq!(super::run(&mut program), 1);
        assert_eq!(kernels(&program), ["Conv", "Binary", "Binary"]);
        assert_same(&before, &program);
    }
}
