//! Scan, unrolled: the sequence's length is known once the shapes are.

use super::Inputs;
use super::control::join;
use super::emit::{Lowerer, axis};
use crate::{Error, Kernel, Result, ScanLines, Subgraph, ValueId};

/// Steps of one scan.
const MAX_STEPS: usize = 4096;

pub fn scan(
    lo: &mut Lowerer,
    inputs: &Inputs<'_>,
    body: &Subgraph,
    lines: &ScanLines,
    captures: &[ValueId],
) -> Result<Vec<ValueId>> {
    let first = usize::from(lines.batched);
    if lines.batched && inputs.get(0).is_some() {
        return Err(Error::unsupported("Scan with sequence lengths"));
    }
    let all: Vec<ValueId> = (first..inputs.0.len()).map(|i| inputs.need(i)).collect::<Result<_>>()?;
    let states =
        all.len().checked_sub(lines.inputs).ok_or_else(|| Error::malformed("fewer inputs than are scanned"))?;
    if !lines.batched {
        return one(lo, &all, states, body, lines, captures);
    }
    // Operator set 8: each sample of the batch on its own.
    let batch = all.first().and_then(|&id| lo.shape(id).first().copied()).unwrap_or(0);
    if all.iter().any(|&id| lo.shape(id).first() != Some(&batch)) || batch == 0 || batch > MAX_STEPS {
        return Err(Error::malformed(format!("a batch of {batch}, or values without that batch axis")));
    }
    let mut results: Vec<Vec<ValueId>> = Vec::new();
    for sample in 0..batch {
        let part = all.iter().map(|&id| element(lo, id, 0, sample)).collect::<Result<Vec<_>>>()?;
        let outputs = one(lo, &part, states, body, lines, captures)?;
        results.resize(outputs.len(), Vec::new());
        results.iter_mut().zip(outputs).for_each(|(list, id)| list.push(id));
    }
    results.into_iter().map(|list| join(lo, &list, 0)).collect()
}

fn one(
    lo: &mut Lowerer,
    all: &[ValueId],
    states: usize,
    body: &Subgraph,
    lines: &ScanLines,
    captures: &[ValueId],
) -> Result<Vec<ValueId>> {
    let (initial, scanned) = all.split_at(states);
    let formal = body.graph.inputs.len().checked_sub(captures.len());
    if formal != Some(all.len()) || body.graph.outputs.len() < states {
        return Err(Error::malformed("the body's inputs and outputs are not the scan's"));
    }
    let collected = body.graph.outputs.len() - states;
    let listed = [lines.input_axes.len(), lines.input_backward.len()].iter().all(|&n| n == 0 || n == scanned.len());
    if !listed || [lines.output_axes.len(), lines.output_backward.len()].iter().any(|&n| n != 0 && n != collected) {
        return Err(Error::malformed("axes or directions of other inputs or outputs than there are"));
    }
    let axes = scanned.iter().enumerate().map(|(i, &id)| {
        let along = lines.input_axes.get(i).copied().unwrap_or(0);
        axis(along, lo.shape(id).len())
    });
    let axes = axes.collect::<Result<Vec<_>>>()?;
    let steps = scanned.iter().zip(&axes).map(|(&id, &a)| lo.shape(id)[a]).collect::<Vec<_>>();
    let Some(&count) = steps.first().filter(|first| steps.iter().all(|n| n == *first)) else {
        return Err(Error::malformed(format!("sequences of lengths {steps:?}")));
    };
    match count {
        0 => return Err(Error::unsupported("a scan of no steps")),
        1..=MAX_STEPS => {}
        _ => return Err(Error::limit(format!("more than {MAX_STEPS} steps"))),
    }
    let backward = |list: &[bool], i: usize| list.get(i).copied().unwrap_or(false);
    let mut state = initial.to_vec();
    let mut outputs: Vec<Vec<ValueId>> = vec![Vec::new(); collected];
    for t in 0..count {
        lo.spend(1 + (all.len() + captures.len()) / 4)?;
        let mut formal = state;
        for (i, &id) in scanned.iter().enumerate() {
            let at = if backward(&lines.input_backward, i) { count - 1 - t } else { t };
            formal.push(element(lo, id, axes[i], at)?);
        }
        formal.extend(captures);
        let results = super::lower_graph(lo, &body.graph, &formal)?;
        let (next, made) = results.split_at(states);
        state = next.to_vec();
        outputs.iter_mut().zip(made).for_each(|(list, &id)| list.push(id));
    }
    for (i, mut list) in outputs.into_iter().enumerate() {
        if backward(&lines.output_backward, i) {
            list.reverse();
        }
        let rank = list.first().map_or(0, |&id| lo.shape(id).len()) + 1;
        let along = axis(lines.output_axes.get(i).copied().unwrap_or(0), rank)?;
        state.push(join(lo, &list, along)?);
    }
    Ok(state)
}

/// Element `at` along an axis, which goes.
fn element(lo: &mut Lowerer, x: ValueId, axis: usize, at: usize) -> Result<ValueId> {
    let mut shape = lo.shape(x).to_vec();
    let mut starts = vec![0; shape.len()];
    (starts[axis], shape[axis]) = (at, 1);
    let kernel = Kernel::Slice { starts, steps: vec![1; shape.len()] };
    let part = if lo.shape(x) == shape { x } else { lo.emit(kernel, &[x], lo.dtype(x), &shape)? };
    shape.remove(axis);
    lo.reshape(part, &shape)
}
