//! Multiplication and addition by constants taken into the scale and bias of the normalisation before them.

use super::edit::{Editor, either_order, input, per_channel};
use crate::{Binary, DType, Kernel, Program, Step, Tensor, ValueId, eval};

pub fn run(program: &mut Program) -> usize {
    let mut edit = Editor::new(program);
    for at in 0..edit.len() {
        let Some(step) = edit.step(at).cloned() else { continue };
        let Kernel::Binary(op @ (Binary::Mul | Binary::Add)) = step.kernel else { continue };
        let found = either_order(&step).into_iter().find_map(|(y, c)| absorb(&edit, &step, op, y, c));
        let Some((norm, scale, bias)) = found else { continue };
        let mut inputs = vec![input(&norm, 0)];
        inputs.push(Some(edit.add_constant(format!("{}:scale", norm.node), scale)));
        if let Some(bias) = bias {
            inputs.push(Some(edit.add_constant(format!("{}:bias", norm.node), bias)));
        }
        edit.replace(at, norm.kernel, inputs);
    }
    edit.finish()
}

/// The normalisation that makes `y`, with its new scale and bias.
fn absorb(
    edit: &Editor<'_>,
    step: &Step,
    op: Binary,
    y: ValueId,
    c: ValueId,
) -> Option<(Step, Tensor, Option<Tensor>)> {
    let norm = edit.sole_producer(y)?;
    let shape = edit.shape(y);
    if shape != edit.shape(step.output) {
        return None;
    }
    let operand = match norm.kernel {
        Kernel::InstanceNormalization { activation: None, .. }
        | Kernel::GroupNormalization { activation: None, .. } => {
            let values = per_channel(edit.constant(c)?, shape)?;
            Tensor::from_f32([values.len()], values).ok()?
        }
        Kernel::LayerNormalization { axis, .. } => trailing(edit.constant(c)?, shape.len() - axis)?,
        _ => return None,
    };
    let scale = edit.constant(input(norm, 1)?)?;
    let bias = match input(norm, 2) {
        Some(id) => Some(edit.constant(id)?),
        None => None,
    };
    let (scale, bias) = match op {
        Binary::Mul => {
            let bias = match bias {
                Some(bias) => Some(combine(op, bias, &operand)?),
                None => None,
            };
            (combine(op, scale, &operand)?, bias)
        }
        _ => {
            let bias = match bias {
                Some(bias) => combine(op, bias, &operand)?,
                None => operand,
            };
            (scale.clone(), Some(bias))
        }
    };
    Some((norm.clone(), scale, bias))
}

/// A float32 constant without the leading axes of size 1 beyond `rank`.
fn trailing(constant: &Tensor, rank: usize) -> Option<Tensor> {
    constant.as_f32()?;
    let shape = constant.shape();
    let (lead, rest) = shape.split_at(shape.len().saturating_sub(rank));
    lead.iter().all(|&n| n == 1).then(|| constant.clone().reshaped(rest).ok())?
}

/// Two constants combined with broadcasting.
fn combine(op: Binary, a: &Tensor, b: &Tensor) -> Option<Tensor> {
    let rank = a.shape().len().max(b.shape().len());
    let size = |t: &Tensor, i: usize| (i + t.shape().len()).checked_sub(rank).map_or(1, |j| t.shape()[j]);
    let shape: Vec<usize> = (0..rank).map(|i| size(a, i).max(size(b, i))).collect();
    eval::step(&Kernel::Binary(op), &[Some(a), Some(b)], DType::F32, &shape).ok()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_same, kernels, noise};
    use crate::{Binary, DType, Kernel, ProgramBuilder, Tensor};

    #[test]
    fn layer_norm_takes_a_vector_and_a_number() {
        let mut b = ProgramBuilder::new();
        let shape = [3, 4, 5];
        let x = b.input("x", DType::F32, &shape);
        let (scale, c) = (b.constant("scale", noise(&[4, 5], 1)), b.constant("c", noise(&[1, 1, 5], 2)));
        let two = b.constant("two", Tensor::from_f32([], vec![2.0]).unwrap());
        let norm = Kernel::LayerNormalization { axis: 1, epsilon: 1e-5 };
        let y = b.step("n", norm, &[Some(x), Some(scale)], DType::F32, &shape);
        let y = b.step("a", Kernel::Binary(Binary::Add), &[Some(c), Some(y)], DType::F32, &shape);
        let y = b.step("y", Kernel::Binary(Binary::Mul), &[Some(y), Some(two)], DType::F32, &shape);
        let mut program = b.finish(vec![y]);
        let before = program.clone();
        assert_eq!(super::run(&mut program), 2);
        assert_eq!(kernels(&program), ["LayerNormalization"]);
        assert_same(&before, &program);
    }

    #[test]
    fn a_factor_along_another_axis_stays() {
        let mut b = ProgramBuilder::new();
        let x = b.input("x", DType::F32, &[3, 4, 4]);
        let (scale, c) = (b.constant("scale", noise(&[4], 1)), b.constant("c", noise(&[4, 1], 2)));
        let norm = Kernel::LayerNormalization { axis: 2, epsilon: 1e-5 };
        let y = b.step("n", norm, &[Some(x), Some(scale)], DType::F32, &[3, 4, 4]);
        let y = b.step("y", Kernel::Binary(Binary::Mul), &[Some(y), Some(c)], DType::F32, &[3, 4, 4]);
        let mut program = b.finish(vec![y]);
        assert_eq!(super::run(&mut program), 0);
    }
}
