//! Dead code: steps, constants and values that no output needs.

use crate::{Program, ValueId};

/// Drops dead steps and values; ids are renumbered. Inputs stay, read or not.
pub fn run(program: &mut Program) -> usize {
    let mut needed = vec![false; program.values.len()];
    for id in program.outputs.iter().chain(&program.inputs) {
        needed[id.index()] = true;
    }
    let before = program.steps.len();
    let mut live = vec![false; before];
    for (i, step) in program.steps.iter().enumerate().rev() {
        if needed[step.output.index()] {
            live[i] = true;
            for id in step.inputs.iter().flatten() {
                needed[id.index()] = true;
            }
        }
    }
    let mut live = live.into_iter();
    program.steps.retain(|_| live.next().unwrap_or(false));
    let mut renumbered = Vec::with_capacity(needed.len());
    let mut next = 0;
    for &needed in &needed {
        renumbered.push(ValueId(next));
        next += u32::from(needed);
    }
    let mut needed = needed.into_iter();
    program.values.retain(|_| needed.next().unwrap_or(false));
    let ids = program
        .steps
        .iter_mut()
        .flat_map(|s| s.inputs.iter_mut().flatten().chain([&mut s.output]))
        .chain(&mut program.inputs)
        .chain(&mut program.outputs);
    for id in ids {
        *id = renumbered[id.index()];
    }
    before - program.steps.len()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_same, noise};
    use crate::{Activation, DType, Kernel, ProgramBuilder, Unary};

    #[test]
    fn unread_steps_and_constants_go() {
        let mut b = ProgramBuilder::new();
        let x = b.input("x", DType::F32, &[4]);
        let unused = b.constant("unused", noise(&[1000], 1));
        let relu = Kernel::Unary(Unary::Activation(Activation::Relu));
        let dead = b.step("dead", relu.clone(), &[Some(unused)], DType::F32, &[1000]);
        b.step("deader", relu.clone(), &[Some(dead)], DType::F32, &[1000]);
        let y = b.step("y", relu, &[Some(x)], DType::F32, &[4]);
        let mut program = b.finish(vec![y]);
        let before = program.clone();
        assert_eq!(super::run(&mut program), 2);
        assert_eq!((program.steps.len(), program.values.len()), (1, 2));
        assert_same(&before, &program);
    }
}
