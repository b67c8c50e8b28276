//! Where rounding arises: every step of a run beside the reference evaluator on the same operands.

use std::collections::BTreeMap;
use std::sync::Arc;

use netra_graph::npz::Npz;
use netra_graph::{Backend, CompileOptions, Tensor, eval, onnx};

use crate::{Case, Result};

/// Rounding of the steps of one kernel.
#[derive(Clone, Debug, Default)]
pub struct Rounding {
    /// Number of steps.
    pub steps: usize,
    /// Root mean square error over root mean square value, in units of 2^-24: the mean over the steps.
    pub mean: f64,
    /// The same of the worst step.
    pub worst: f64,
    /// Name of the worst step's node.
    pub node: String,
}

/// Runs a network with every step's result kept, then each step again in the evaluator (plain loops, float64 inside) on
/// the operands of that run: the error that each kernel adds, not what it inherits. By kernel.
pub fn rounding(case: &Case, backend: &dyn Backend) -> Result<BTreeMap<String, Rounding>> {
    let input = Npz::open(&case.folder.join("case.npz"))?.tensor("input")?;
    let graph = onnx::read(&case.folder.join("model.onnx"), &onnx::ReadOptions::default())?;
    let mut program = graph.specialise(&[input.shape().to_vec()])?;
    let &[entry] = program.inputs.as_slice() else { return Err("more than one input".into()) };
    program.outputs = program.steps.iter().map(|step| step.output).collect();
    let program = Arc::new(program);
    let executable = backend.compile(program.clone(), &CompileOptions::default())?;
    let outputs = executable.run(&[input.view()])?;
    let made: BTreeMap<u32, &Tensor> =
        program.outputs.iter().map(|id| id.0).zip(&outputs).chain([(entry.0, &input)]).collect();

    let mut kinds: BTreeMap<String, Rounding> = BTreeMap::new();
    for step in &program.steps {
        let value = program.value(step.output);
        let operand =
            |id: &Option<_>| id.and_then(|id| program.value(id).constant.as_deref().or(made.get(&id.0).copied()));
        let operands: Vec<Option<&Tensor>> = step.inputs.iter().map(operand).collect();
        let exact = eval::step(&step.kernel, &operands, value.dtype, &value.shape)?;
        let (Some(exact), Some(got)) = (exact.as_f32(), made.get(&step.output.0).and_then(|t| t.as_f32())) else {
            continue;
        };
        let squares = |pick: &dyn Fn(f64, f64) -> f64| -> f64 {
            got.iter().zip(exact).map(|(&a, &b)| pick(a.into(), b.into()).powi(2)).sum()
        };
        let share = (squares(&|a, b| a - b) / squares(&|_, b| b).max(f64::MIN_POSITIVE)).sqrt() * f64::from(1 << 24);
        let kind =
            kinds.entry(format!("{:?}", step.kernel).chars().take_while(|c| !"{ ".contains(*c)).collect()).or_default();
        kind.steps += 1;
        kind.mean += (share - kind.mean) / kind.steps as f64;
        if share >= kind.worst {
            (kind.worst, kind.node) = (share, step.node.clone());
        }
    }
    Ok(kinds)
}
