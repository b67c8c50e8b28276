//! `(x - mean x) / sqrt(mean (x - mean x)^2 + epsilon)` over the last axes to LayerNormalization. Scale and bias follow
//! in the pass over normalisations.

use super::edit::{Editor, either_order, input};
use crate::{Binary, Kernel, Program, Reduction, Step, Tensor, Unary, ValueId};

pub fn run(program: &mut Program) -> usize {
    let mut edit = Editor::new(program);
    for at in 0..edit.len() {
        let Some(step) = edit.step(at) else { continue };
        let Some((x, axis, epsilon)) = recognise(&edit, step) else { continue };
        let inner = edit.shape(x)[axis..].to_vec();
        let name = format!("{}:scale", step.node);
        let ones = Tensor::from_f32(inner.clone(), vec![1.0; inner.iter().product()]);
        let Ok(ones) = ones else { continue };
        let scale = edit.add_constant(name, ones);
        edit.replace(at, Kernel::LayerNormalization { axis, epsilon }, vec![Some(x), Some(scale)]);
    }
    edit.finish()
}

/// The normalised value, the first normalised axis, and epsilon.
fn recognise(edit: &Editor<'_>, step: &Step) -> Option<(ValueId, usize, f32)> {
    if step.kernel != Kernel::Binary(Binary::Div) {
        return None;
    }
    let (x, axis) = centred(edit, input(step, 0)?)?;
    let root = edit.producer(input(step, 1)?)?;
    if root.kernel != Kernel::Unary(Unary::Sqrt) {
        return None;
    }
    let sum = edit.producer(input(root, 0)?)?;
    if sum.kernel != Kernel::Binary(Binary::Add) {
        return None;
    }
    let mut orders = either_order(sum).into_iter();
    let (variance, epsilon) = orders.find_map(|(v, c)| Some((v, edit.scalar(c)?)))?;
    let (squares, variance_axis) = trailing_mean(edit, variance)?;
    let squares = edit.producer(squares)?;
    let (a, b) = (input(squares, 0)?, input(squares, 1)?);
    let squared = match squares.kernel {
        Kernel::Binary(Binary::Pow) if edit.scalar(b)? == 2.0 => a,
        Kernel::Binary(Binary::Mul) if a == b => a,
        _ => return None,
    };
    (centred(edit, squared)? == (x, axis) && variance_axis == axis).then_some((x, axis, epsilon))
}

/// `x - mean x`: the value, and the first axis of the mean.
fn centred(edit: &Editor<'_>, id: ValueId) -> Option<(ValueId, usize)> {
    let sub = edit.producer(id)?;
    if sub.kernel != Kernel::Binary(Binary::Sub) {
        return None;
    }
    let x = input(sub, 0)?;
    let (of, axis) = trailing_mean(edit, input(sub, 1)?)?;
    (of == x).then_some((x, axis))
}

/// A mean over the last axes, which stay with size 1: its argument, and the first of them.
fn trailing_mean(edit: &Editor<'_>, id: ValueId) -> Option<(ValueId, usize)> {
    let step = edit.producer(id)?;
    let Kernel::Reduce { reduction: Reduction::Mean, axes } = &step.kernel else { return None };
    let x = input(step, 0)?;
    let rank = edit.shape(x).len();
    let first = *axes.first()?;
    let trailing = axes.iter().copied().eq(first..rank) && edit.shape(id).len() == rank;
    trailing.then_some((x, first))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_same, kernels, noise};
    use crate::{Binary, DType, Kernel, ProgramBuilder, Reduction, Tensor, Unary};

    #[test]
    fn the_decomposed_form_with_scale_and_bias_becomes_one_step() {
        let mut b = ProgramBuilder::new();
        let shape = [2, 3, 8];
        let x = b.input("x", DType::F32, &shape);
        let mean = |of| (Kernel::Reduce { reduction: Reduction::Mean, axes: vec![2] }, [Some(of)]);
        let binary = |op| Kernel::Binary(op);
        let two = b.constant("two", Tensor::from_f32([], vec![2.0]).unwrap());
        let epsilon = b.constant("epsilon", Tensor::from_f32([], vec![1e-3]).unwrap());
        let (kernel, inputs) = mean(x);
        let m = b.step("m", kernel, &inputs, DType::F32, &[2, 3, 1]);
        let d = b.step("d", binary(Binary::Sub), &[Some(x), Some(m)], DType::F32, &shape);
        let p = b.step("p", binary(Binary::Pow), &[Some(d), Some(two)], DType::F32, &shape);
        let (kernel, inputs) = mean(p);
        let v = b.step("v", kernel, &inputs, DType::F32, &[2, 3, 1]);
        let v = b.step("ve", binary(Binary::Add), &[Some(v), Some(epsilon)], DType::F32, &[2, 3, 1]);
        let r = b.step("r", Kernel::Unary(Unary::Sqrt), &[Some(v)], DType::F32, &[2, 3, 1]);
        let y = b.step("n", binary(Binary::Div), &[Some(d), Some(r)], DType::F32, &shape);
        let (scale, bias) = (b.constant("scale", noise(&[8], 1)), b.constant("bias", noise(&[8], 2)));
        let y = b.step("s", binary(Binary::Mul), &[Some(y), Some(scale)], DType::F32, &shape);
        let y = b.step("y", binary(Binary::Add), &[Some(y), Some(bias)], DType::F32, &shape);
        let mut program = b.finish(vec![y]);
        let before = program.clone();
        assert_eq!(super::run(&mut program), 1);
        assert_eq!(super::super::norm_affine::run(&mut program), 2);
        assert_eq!(kernels(&program), ["LayerNormalization"]);
        assert_same(&before, &program);
    }
}
