//! Steps that do nothing: reshapes to the same shape, transpositions that undo each other, and their chains.

use super::edit::{Editor, input};
use crate::{Kernel, Program, ValueId};

/// Merges chains of reshapes and of transpositions, then removes steps whose result is their input.
pub fn run(program: &mut Program) -> usize {
    merge(program) + bypass(program)
}

fn merge(program: &mut Program) -> usize {
    let mut edit = Editor::new(program);
    for at in 0..edit.len() {
        let Some(step) = edit.step(at) else { continue };
        let Some(inner) = input(step, 0).and_then(|x| edit.producer(x)) else { continue };
        let Some(source) = input(inner, 0) else { continue };
        let kernel = match (&step.kernel, &inner.kernel) {
            (Kernel::Reshape, Kernel::Reshape) => Kernel::Reshape,
            (Kernel::Transpose { perm: outer }, Kernel::Transpose { perm: inner }) => {
                Kernel::Transpose { perm: outer.iter().map(|&a| inner[a]).collect() }
            }
            _ => continue,
        };
        edit.replace(at, kernel, vec![Some(source)]);
    }
    edit.finish()
}

fn does_nothing(program: &Program, at: usize) -> Option<ValueId> {
    let step = &program.steps[at];
    let [Some(x)] = step.inputs[..] else { return None };
    let (from, to) = (program.value(x), program.value(step.output));
    let same = from.shape == to.shape && from.dtype == to.dtype;
    let moves_nothing = match &step.kernel {
        Kernel::Reshape | Kernel::Expand | Kernel::Cast { .. } | Kernel::Concat { .. } => true,
        Kernel::Transpose { perm } => perm.iter().copied().eq(0..perm.len()),
        Kernel::Slice { starts, .. } => starts.iter().all(|&s| s == 0),
        _ => false,
    };
    (same && moves_nothing).then_some(x)
}

fn bypass(program: &mut Program) -> usize {
    let mut forward: Vec<ValueId> = (0..program.values.len() as u32).map(ValueId).collect();
    let mut named: Vec<bool> = program.values.iter().map(|v| v.constant.is_some()).collect();
    let mut is_output = vec![false; program.values.len()];
    for id in program.inputs.iter().chain(&program.outputs) {
        named[id.index()] = true;
    }
    for id in &program.outputs {
        is_output[id.index()] = true;
    }
    let mut fired = 0;
    for at in 0..program.steps.len() {
        let Some(x) = does_nothing(program, at) else { continue };
        let (x, y) = (forward[x.index()], program.steps[at].output);
        if is_output[y.index()] {
            // The output's name moves to the value that takes its place, unless that has a name to keep.
            if named[x.index()] {
                continue;
            }
            named[x.index()] = true;
            is_output[x.index()] = true;
            program.values[x.index()].name = program.value(y).name.clone();
        }
        forward[y.index()] = x;
        fired += 1;
    }
    if fired > 0 {
        program.steps.retain(|s| forward[s.output.index()] == s.output);
        let inputs = program.steps.iter_mut().flat_map(|s| s.inputs.iter_mut().flatten());
        for id in inputs.chain(&mut program.outputs) {
            *id = forward[id.index()];
        }
    }
    fired
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_same, kernels};
    use crate::{DType, Kernel, ProgramBuilder};

    #[test]
    fn chains_collapse_and_no_ops_go() {
        let mut b = ProgramBuilder::new();
        let x = b.input("x", DType::F32, &[2, 3, 4]);
        let mut t = x;
        for (i, shape) in [[3, 4, 2], [4, 2, 3], [2, 3, 4]].into_iter().enumerate() {
            t = b.step(&format!("t{i}"), Kernel::Transpose { perm: vec![1, 2, 0] }, &[Some(t)], DType::F32, &shape);
        }
        let s = b.step("s", Kernel::Softmax { axis: 1, log: false }, &[Some(t)], DType::F32, &[2, 3, 4]);
        let r = b.step("r", Kernel::Reshape, &[Some(s)], DType::F32, &[24]);
        let r = b.step("r2", Kernel::Reshape, &[Some(r)], DType::F32, &[6, 4]);
        let y = b.step("y", Kernel::Reshape, &[Some(r)], DType::F32, &[2, 3, 4]);
        let z = b.step("z", Kernel::Reshape, &[Some(x)], DType::F32, &[2, 3, 4]);
        let mut program = b.finish(vec![y, z]);
        let before = program.clone();
        assert!(super::run(&mut program) > 0);
        // The copy of the input stays: an output has a name of its own.
        assert_eq!(kernels(&program), ["Softmax", "Reshape"]);
        assert_same(&before, &program);
    }
}
