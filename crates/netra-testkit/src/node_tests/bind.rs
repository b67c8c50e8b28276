//! One case: its inputs bound at run time or as constants, run, and judged.

use std::path::Path;
use std::sync::Arc;

use netra_graph::{Backend, CompileOptions, Error, ErrorKind, Graph, Result, Tensor, TensorView, onnx};

use super::compare::compare;
use super::{Binding, Case, Outcome, Slot};

/// Which inputs of an operator are data, that is, depend on what a network is run on. The others are parameters, which
/// exported networks hold as constants.
enum Data {
    /// The first input; what follows are weights, axes, sizes and the like. The rule for operators not listed.
    First,
    /// These.
    Only(&'static [usize]),
    /// Every input.
    All,
    /// None: the operator makes a tensor from a size, a bound or a condition.
    None,
}

fn data(op: &str) -> Data {
    match op {
        "Constant" | "ConstantOfShape" | "Range" | "EyeLike" | "If" => Data::None,
        "BlackmanWindow" | "HammingWindow" | "HannWindow" | "MelWeightMatrix" => Data::None,
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Mod" | "Min" | "Max" | "Mean" | "Sum" | "Concat" | "Where" => {
            Data::All
        }
        "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "And" | "Or" | "Xor" => Data::All,
        "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" | "BitShift" | "MatMul" | "MatMulInteger" | "Einsum" => Data::All,
        "GridSample" | "GatherElements" | "GatherND" | "MaxRoiPool" => Data::All,
        "Attention" | "FlexAttention" | "LinearAttention" => Data::All,
        "NonMaxSuppression" => Data::Only(&[0, 1]),
        "RoiAlign" | "MaxUnpool" | "CastLike" => Data::Only(&[0, 1]),
        "DeformConv" => Data::Only(&[0, 2, 4]),
        "ScatterElements" | "ScatterND" | "Scatter" | "TensorScatter" => Data::Only(&[0, 2]),
        // Trip count and condition come first.
        "Loop" => Data::Only(&[2, 3, 4]),
        "QLinearMatMul" => Data::Only(&[0, 3]),
        _ => Data::First,
    }
}

impl Data {
    fn holds(&self, input: usize) -> bool {
        match self {
            Data::First => input == 0,
            Data::Only(list) => list.contains(&input),
            Data::All => true,
            Data::None => false,
        }
    }
}

/// Runs a case in each binding until one is not refused. An operator with its own parameters at run time is the hardest
/// form and comes first.
pub fn outcome(backend: &dyn Backend, case: &Case) -> Outcome {
    judge(backend, case).unwrap_or_else(|error| match error.kind() {
        ErrorKind::Unsupported => Outcome::Refused(error.message().to_owned()),
        kind => Outcome::Failed(format!("{kind:?}: {error}")),
    })
}

fn judge(backend: &dyn Backend, case: &Case) -> Result<Outcome> {
    let graph = onnx::read(&case.folder.join("model.onnx"), &onnx::ReadOptions::default())?;
    if !case.inputs.iter().chain(&case.outputs).all(Slot::is_tensor) {
        return Err(Error::unsupported("a value that is no tensor"));
    }
    let inputs = tensors(&case.folder.join("inputs.onnx"), &case.inputs)?;
    let want = tensors(&case.folder.join("expected.onnx"), &case.outputs)?;
    let (count, data) = (inputs.len(), data(&case.op));
    let attempts: [(Option<Binding>, Vec<bool>); 3] = [
        (Some(Binding::RunTime), vec![true; count]),
        (Some(Binding::Data), (0..count).map(|i| data.holds(i)).collect()),
        // Passes only where this is what the attempt before was.
        (None, vec![false; count]),
    ];
    let mut refusal = String::new();
    for (i, (binding, mask)) in attempts.iter().enumerate() {
        if attempts[..i].iter().any(|(_, tried)| tried == mask) {
            continue;
        }
        match run(backend, &graph, &case.inputs, &inputs, mask) {
            Ok(got) => {
                return Ok(match (agree(case, &got, &want), binding) {
                    (Err(why), _) => Outcome::Failed(format!("{why} (at run time: {mask:?})")),
                    (Ok(()), Some(binding)) => Outcome::Passed(*binding),
                    (Ok(()), None) => Outcome::Folded(refusal),
                });
            }
            Err(error) if error.kind() == ErrorKind::Unsupported => error.message().clone_into(&mut refusal),
            Err(error) => return Err(error.at(format!("at run time: {mask:?}"))),
        }
    }
    Ok(Outcome::Refused(refusal))
}

/// The values of a file that holds nothing but initialisers; no values where there is no file.
fn tensors(path: &Path, slots: &[Slot]) -> Result<Vec<Arc<Tensor>>> {
    if slots.is_empty() {
        return Ok(Vec::new());
    }
    let graph = onnx::read(path, &onnx::ReadOptions::default())?;
    let find = |slot: &Slot| {
        let value = graph.values.iter().find(|v| v.name == slot.name);
        value.and_then(|v| v.constant.clone()).ok_or_else(|| Error::malformed(format!("no value '{}'", slot.name)))
    };
    slots.iter().map(find).collect()
}

/// Runs the graph; inputs that `at_run_time` leaves out become initialisers.
fn run(
    backend: &dyn Backend,
    graph: &Graph,
    slots: &[Slot],
    inputs: &[Arc<Tensor>],
    at_run_time: &[bool],
) -> Result<Vec<Tensor>> {
    let mut graph = graph.clone();
    let mut given = Vec::new();
    for ((slot, tensor), &run_time) in slots.iter().zip(inputs).zip(at_run_time) {
        let named = |id: &&netra_graph::ValueId| graph.value(**id).name == slot.name;
        let Some(&id) = graph.inputs.iter().find(named) else {
            return Err(Error::malformed(format!("the model has no input '{}'", slot.name)));
        };
        if run_time {
            given.push((id, tensor));
        } else {
            graph.values[id.index()].constant = Some(tensor.clone());
            graph.inputs.retain(|&input| input != id);
            graph.initialisers.push(id);
        }
    }
    given.sort_by_key(|(id, _)| graph.inputs.iter().position(|input| input == id));
    let shapes: Vec<_> = given.iter().map(|(_, tensor)| tensor.shape().to_vec()).collect();
    let views: Vec<TensorView<'_>> = given.iter().map(|(_, tensor)| tensor.view()).collect();
    let program = graph.specialise(&shapes)?;
    let missing = backend.unsupported(&program);
    if !missing.is_empty() {
        let mut reasons: Vec<_> = missing.iter().map(|u| format!("{}: {}", u.kernel, u.reason)).collect();
        reasons.dedup();
        return Err(Error::unsupported(reasons.join("; ")));
    }
    backend.compile(Arc::new(program), &CompileOptions::default())?.run(&views)
}

fn agree(case: &Case, got: &[Tensor], want: &[Arc<Tensor>]) -> std::result::Result<(), String> {
    if got.len() != want.len() {
        return Err(format!("{} outputs, not {}", got.len(), want.len()));
    }
    for ((slot, got), want) in case.outputs.iter().zip(got).zip(want) {
        compare(got, want, &slot.kind, (case.rtol, case.atol))
            .map_err(|why| format!("output '{}': {why}", slot.name))?;
    }
    Ok(())
}
