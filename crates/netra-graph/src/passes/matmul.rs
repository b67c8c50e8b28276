//! What follows a matrix product taken into it: a constant addend becomes its bias, a constant factor its alpha.

use super::edit::{Editor, either_order, input};
use crate::{Binary, Kernel, Program, Step, ValueId};

pub fn run(program: &mut Program) -> usize {
    let mut edit = Editor::new(program);
    for at in 0..edit.len() {
        let Some(step) = edit.step(at) else { continue };
        let Kernel::Binary(op) = step.kernel else { continue };
        let fused = either_order(step).into_iter().find_map(|(y, c)| fuse(&edit, step, op, y, c));
        if let Some((kernel, inputs)) = fused {
            edit.replace(at, kernel, inputs);
        }
    }
    edit.finish()
}

fn fuse(edit: &Editor<'_>, step: &Step, op: Binary, y: ValueId, c: ValueId) -> Option<(Kernel, Vec<Option<ValueId>>)> {
    let product = edit.sole_producer(y)?;
    let Kernel::MatMul { trans_a, trans_b, alpha } = product.kernel else { return None };
    if input(product, 2).is_some() || edit.shape(y) != edit.shape(step.output) {
        return None;
    }
    let (a, b) = (input(product, 0), input(product, 1));
    let scaled = |factor: f32| {
        let alpha = alpha * factor;
        alpha.is_finite().then_some((Kernel::MatMul { trans_a, trans_b, alpha }, vec![a, b]))
    };
    match op {
        Binary::Add => {
            edit.floats(c)?;
            Some((product.kernel.clone(), vec![a, b, Some(c)]))
        }
        Binary::Mul => scaled(edit.scalar(c)?),
        Binary::Div if input(step, 1) == Some(c) => scaled(1.0 / edit.scalar(c)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_same, kernels, noise};
    use crate::{Binary, DType, Kernel, ProgramBuilder, Tensor};

    #[test]
    fn factor_then_bias_end_up_in_the_product() {
        let mut b = ProgramBuilder::new();
        let x = b.input("x", DType::F32, &[2, 3, 4]);
        let (w, bias) = (b.constant("w", noise(&[4, 5], 1)), b.constant("bias", noise(&[5], 2)));
        let eight = b.constant("eight", Tensor::from_f32([1], vec![8.0]).unwrap());
        let product = Kernel::MatMul { trans_a: false, trans_b: false, alpha: 1.0 };
        let y = b.step("p", product, &[Some(x), Some(w)], DType::F32, &[2, 3, 5]);
        let y = b.step("d", Kernel::Binary(Binary::Div), &[Some(y), Some(eight)], DType::F32, &[2, 3, 5]);
        let y = b.step("y", Kernel::Binary(Binary::Add), &[Some(bias), Some(y)], DType::F32, &[2, 3, 5]);
        let mut program = b.finish(vec![y]);
        let before = program.clone();
        assert_eq!(super::run(&mut program), 2);
        assert_eq!(kernels(&program), ["MatMul"]);
        assert_same(&before, &program);
    }
}
