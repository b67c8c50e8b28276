//! Control flow: only what constants decide, so that the program stays straight.

use super::Inputs;
use super::emit::{Lowerer, not_constant};
use crate::{Data, Error, Kernel, Result, Subgraph, Tensor, ValueId};

/// Iterations of one loop.
const MAX_ITERATIONS: i64 = 4096;

fn truth(lo: &Lowerer, id: ValueId) -> Result<bool> {
    match lo.constant_of(id).map(Tensor::data) {
        Some(Data::Bool(v)) if v.len() == 1 => Ok(v[0]),
        Some(_) => Err(Error::malformed("the condition is no truth value")),
        None => Err(not_constant("the condition")),
    }
}

/// `captures` are those of the first branch, then those of the second.
pub fn if_(
    lo: &mut Lowerer,
    condition: ValueId,
    then_branch: &Subgraph,
    else_branch: &Subgraph,
    captures: &[ValueId],
) -> Result<Vec<ValueId>> {
    let (first, second) = captures.split_at(then_branch.captures.len());
    if truth(lo, condition)? {
        super::lower_graph(lo, &then_branch.graph, first)
    } else {
        super::lower_graph(lo, &else_branch.graph, second)
    }
}

/// Unrolls the loop.
pub fn loop_(lo: &mut Lowerer, inputs: &Inputs<'_>, body: &Subgraph, captures: &[ValueId]) -> Result<Vec<ValueId>> {
    let trips = match inputs.get(0) {
        Some(id) => *lo.ints(id, "the trip count")?.first().ok_or_else(|| Error::malformed("no trip count"))?,
        None => i64::MAX,
    };
    let mut carried: Vec<ValueId> = (2..inputs.0.len()).map(|i| inputs.need(i)).collect::<Result<_>>()?;
    let formal = body.graph.inputs.len().checked_sub(captures.len());
    if formal != Some(2 + carried.len()) || body.graph.outputs.len() < 1 + carried.len() {
        return Err(Error::malformed("the body's inputs and outputs are not the loop's"));
    }
    let mut scans: Vec<Vec<ValueId>> = vec![Vec::new(); body.graph.outputs.len() - 1 - carried.len()];
    let mut condition = match inputs.get(1) {
        Some(id) => id,
        None => lo.constant(Tensor::new([], Data::Bool(vec![true]))?),
    };
    let mut i = 0;
    while i < trips && truth(lo, condition)? {
        if i == MAX_ITERATIONS {
            return Err(Error::limit(format!("more than {MAX_ITERATIONS} iterations")));
        }
        lo.spend(1 + (carried.len() + captures.len()) / 4)?;
        let index = lo.constant(Tensor::new([], Data::I64(vec![i]))?);
        let formal = [&[index, condition], &carried[..], captures].concat();
        let results = super::lower_graph(lo, &body.graph, &formal)?;
        let (state, scanned) = results.split_at(1 + carried.len());
        condition = state[0];
        carried = state[1..].to_vec();
        for (scan, &value) in scans.iter_mut().zip(scanned) {
            scan.push(value);
        }
        i += 1;
    }
    for scan in scans {
        carried.push(join(lo, &scan, 0)?);
    }
    Ok(carried)
}

/// The values of all iterations along a new axis.
pub fn join(lo: &mut Lowerer, parts: &[ValueId], axis: usize) -> Result<ValueId> {
    let [first, ..] = *parts else { return Err(Error::unsupported("a scan output of no iterations")) };
    let (dtype, mut shape) = (lo.dtype(first), lo.shape(first).to_vec());
    if parts.iter().any(|&p| lo.shape(p) != shape || lo.dtype(p) != dtype) {
        return Err(Error::unsupported("a scan output whose shape changes"));
    }
    shape.insert(axis, 1);
    let parts = parts.iter().map(|&p| lo.reshape(p, &shape)).collect::<Result<Vec<_>>>()?;
    shape[axis] = parts.len();
    lo.emit(Kernel::Concat { axis }, &parts, dtype, &shape)
}
