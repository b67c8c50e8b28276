//! `x sigmoid(x)` to Silu, and the three spellings of HardSwish.

use super::edit::{Editor, either_order, input, near};
use crate::{Activation, Binary, Kernel, Program, Step, Unary, ValueId};

pub fn run(program: &mut Program) -> usize {
    let mut edit = Editor::new(program);
    for at in 0..edit.len() {
        let Some(step) = edit.step(at) else { continue };
        if let Some((activation, x)) = gated(&edit, step).or_else(|| sixth(&edit, step)) {
            edit.replace(at, Kernel::Unary(Unary::Activation(activation)), vec![Some(x)]);
        }
    }
    edit.finish()
}

/// `x gate(x)`.
fn gated(edit: &Editor<'_>, step: &Step) -> Option<(Activation, ValueId)> {
    if step.kernel != Kernel::Binary(Binary::Mul) {
        return None;
    }
    either_order(step).into_iter().find_map(|(x, gate)| {
        let gate = edit.producer(gate)?;
        if input(gate, 0) == Some(x) {
            return match gate.kernel {
                Kernel::Unary(Unary::Activation(Activation::Sigmoid)) => Some((Activation::Silu, x)),
                Kernel::Unary(Unary::HardSigmoid(a, b)) if near(a, 1.0 / 6.0) && near(b, 0.5) => {
                    Some((Activation::HardSwish, x))
                }
                _ => None,
            };
        }
        // The gate divided first: `x (clip(x + 3, 0, 6) / 6)`.
        (relu6_of(edit, over_six(edit, gate)?)? == x).then_some((Activation::HardSwish, x))
    })
}

/// `x clip(x + 3, 0, 6) / 6`, the product divided last.
fn sixth(edit: &Editor<'_>, step: &Step) -> Option<(Activation, ValueId)> {
    let product = edit.sole_producer(over_six(edit, step)?)?;
    if product.kernel != Kernel::Binary(Binary::Mul) {
        return None;
    }
    let mut orders = either_order(product).into_iter();
    orders.find_map(|(x, gate)| (relu6_of(edit, gate)? == x).then_some((Activation::HardSwish, x)))
}

/// What a step divides by six.
fn over_six(edit: &Editor<'_>, step: &Step) -> Option<ValueId> {
    match step.kernel {
        Kernel::Binary(Binary::Div) if near(edit.scalar(input(step, 1)?)?, 6.0) => input(step, 0),
        Kernel::Binary(Binary::Mul) => {
            let mut orders = either_order(step).into_iter();
            orders.find_map(|(x, c)| near(edit.scalar(c)?, 1.0 / 6.0).then_some(x))
        }
        _ => None,
    }
}

/// The `x` of `clip(x + 3, 0, 6)`.
fn relu6_of(edit: &Editor<'_>, id: ValueId) -> Option<ValueId> {
    let clip = edit.producer(id)?;
    if clip.kernel != Kernel::Unary(Unary::Activation(Activation::Clip(0.0, 6.0))) {
        return None;
    }
    let sum = edit.producer(input(clip, 0)?)?;
    if sum.kernel != Kernel::Binary(Binary::Add) {
        return None;
    }
    either_order(sum).into_iter().find_map(|(x, c)| (edit.scalar(c)? == 3.0).then_some(x))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_same, kernels, noise};
    use crate::{Activation, Binary, DType, Kernel, Program, ProgramBuilder, Tensor, Unary, ValueId};

    fn program(build: impl FnOnce(&mut ProgramBuilder, ValueId) -> ValueId) -> Program {
        let mut b = ProgramBuilder::new();
        let x = b.input("x", DType::F32, &[40]);
        let ten = b.constant("ten", noise(&[40], 9));
        let x = b.step("wide", Kernel::Binary(Binary::Div), &[Some(x), Some(ten)], DType::F32, &[40]);
        let y = build(&mut b, x);
        b.finish(vec![y])
    }

    fn number(b: &mut ProgramBuilder, value: f32) -> Option<ValueId> {
        Some(b.constant("number", Tensor::from_f32([], vec![value]).unwrap()))
    }

    fn binary(b: &mut ProgramBuilder, op: Binary, x: Option<ValueId>, y: Option<ValueId>) -> Option<ValueId> {
        Some(b.step("binary", Kernel::Binary(op), &[x, y], DType::F32, &[40]))
    }

    fn unary(b: &mut ProgramBuilder, op: Unary, x: ValueId) -> Option<ValueId> {
        Some(b.step("unary", Kernel::Unary(op), &[Some(x)], DType::F32, &[40]))
    }

    fn relu6(b: &mut ProgramBuilder, x: ValueId) -> Option<ValueId> {
        let three = number(b, 3.0);
        let sum = binary(b, Binary::Add, three, Some(x)).unwrap();
        unary(b, Unary::Activation(Activation::Clip(0.0, 6.0)), sum)
    }

    #[test]
    fn every_spelling_becomes_one_step() {
        let spellings = [
            program(|b, x| {
                let gate = unary(b, Unary::Activation(Activation::Sigmoid), x);
                binary(b, Binary::Mul, gate, Some(x)).unwrap()
            }),
            program(|b, x| {
                let gate = unary(b, Unary::HardSigmoid(1.0 / 6.0, 0.5), x);
                binary(b, Binary::Mul, Some(x), gate).unwrap()
            }),
            program(|b, x| {
                let (gate, six) = (relu6(b, x), number(b, 6.0));
                let product = binary(b, Binary::Mul, Some(x), gate);
                binary(b, Binary::Div, product, six).unwrap()
            }),
            program(|b, x| {
                let (gate, sixth) = (relu6(b, x), number(b, 1.0 / 6.0));
                let gate = binary(b, Binary::Mul, gate, sixth);
                binary(b, Binary::Mul, Some(x), gate).unwrap()
            }),
        ];
        for mut program in spellings {
            let before = program.clone();
            assert_eq!(super::run(&mut program), 1);
            assert_eq!(kernels(&program), ["Binary", "Unary"]);
            assert_same(&before, &program);
        }
    }

    #[test]
    fn another_gate_stays() {
        let mut program = program(|b, x| {
            let gate = unary(b, Unary::HardSigmoid(0.2, 0.5), x);
            binary(b, Binary::Mul, Some(x), gate).unwrap()
        });
        assert_eq!(super::run(&mut program), 0);
    }
}
