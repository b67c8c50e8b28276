//! `x/2 (1 + erf(x / sqrt 2))` to Gelu, in any order of its three factors.

use super::edit::{Editor, either_order, input, near};
use crate::{Binary, Kernel, Program, Step, Unary, ValueId};

pub fn run(program: &mut Program) -> usize {
    let mut edit = Editor::new(program);
    for at in 0..edit.len() {
        let Some(step) = edit.step(at) else { continue };
        if let Some(x) = argument(&edit, step) {
            edit.replace(at, Kernel::Unary(Unary::Gelu), vec![Some(x)]);
        }
    }
    edit.finish()
}

/// The `x` of a product of `x`, one half and `1 + erf(x / sqrt 2)`.
fn argument(edit: &Editor<'_>, step: &Step) -> Option<ValueId> {
    let is_mul = |s: &&Step| s.kernel == Kernel::Binary(Binary::Mul);
    is_mul(&step).then_some(())?;
    either_order(step).into_iter().find_map(|(product, c)| {
        let inner = edit.sole_producer(product).filter(is_mul)?;
        let (a, b) = (input(inner, 0)?, input(inner, 1)?);
        let orders = [(a, b, c), (b, a, c), (a, c, b), (c, a, b), (b, c, a), (c, b, a)];
        orders
            .into_iter()
            .find_map(|(half, x, gate)| (edit.scalar(half)? == 0.5 && erf_argument(edit, gate)? == x).then_some(x))
    })
}

/// The `x` of `1 + erf(x / sqrt 2)`.
fn erf_argument(edit: &Editor<'_>, gate: ValueId) -> Option<ValueId> {
    let sum = edit.producer(gate)?;
    if sum.kernel != Kernel::Binary(Binary::Add) {
        return None;
    }
    let mut orders = either_order(sum).into_iter();
    let erf = orders.find_map(|(e, one)| if edit.scalar(one)? == 1.0 { edit.producer(e) } else { None })?;
    if erf.kernel != Kernel::Unary(Unary::Erf) {
        return None;
    }
    let scaled = edit.producer(input(erf, 0)?)?;
    match scaled.kernel {
        Kernel::Binary(Binary::Div) => {
            near(edit.scalar(input(scaled, 1)?)?, std::f32::consts::SQRT_2).then(|| input(scaled, 0))?
        }
        Kernel::Binary(Binary::Mul) => {
            let mut orders = either_order(scaled).into_iter();
            orders.find_map(|(x, c)| near(edit.scalar(c)?, std::f32::consts::FRAC_1_SQRT_2).then_some(x))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_same, kernels};
    use crate::{Binary, DType, Kernel, ProgramBuilder, Tensor, Unary, ValueId};

    #[test]
    fn the_three_factors_in_either_grouping_become_one_step() {
        for half_first in [true, false] {
            let mut b = ProgramBuilder::new();
            let x = b.input("x", DType::F32, &[50]);
            let number = |b: &mut ProgramBuilder, v: f32| b.constant("number", Tensor::from_f32([], vec![v]).unwrap());
            let (root, one, half) =
                (number(&mut b, std::f32::consts::SQRT_2), number(&mut b, 1.0), number(&mut b, 0.5));
            let binary = |b: &mut ProgramBuilder, op, x: ValueId, y: ValueId| {
                b.step("binary", Kernel::Binary(op), &[Some(x), Some(y)], DType::F32, &[50])
            };
            let scaled = binary(&mut b, Binary::Div, x, root);
            let erf = b.step("erf", Kernel::Unary(Unary::Erf), &[Some(scaled)], DType::F32, &[50]);
            let gate = binary(&mut b, Binary::Add, erf, one);
            let y = if half_first {
                let left = binary(&mut b, Binary::Mul, x, half);
                binary(&mut b, Binary::Mul, left, gate)
            } else {
                let product = binary(&mut b, Binary::Mul, x, gate);
                binary(&mut b, Binary::Mul, product, half)
            };
            let mut program = b.finish(vec![y]);
            let before = program.clone();
            assert_eq!(super::run(&mut program), 1);
            assert_eq!(kernels(&program), ["Unary"]);
            assert_same(&before, &program);
        }
    }
}
