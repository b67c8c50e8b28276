//! Whether shapes and parameters of a step fit together. Lowering makes only such steps; one built by hand may not be, and
//! burn and wgpu answer what does not fit with a panic.

use netra_graph::{Kernel, Step, StepValue};

use crate::value::count;

fn rule(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// Whether `shape` broadcasts to `to`.
fn broadcasts(shape: &[usize], to: &[usize]) -> bool {
    shape.len() <= to.len() && shape.iter().rev().zip(to.iter().rev()).all(|(&s, &t)| s == t || s == 1)
}

/// Parameters of a sliding window: one entry a spatial axis, steps that move.
fn window(rank: usize, lengths: [usize; 3], steps: [&[usize]; 2]) -> Result<(), String> {
    let spatial = rank.saturating_sub(2);
    rule((1..=3).contains(&spatial), || format!("{spatial} spatial axes"))?;
    rule(lengths.iter().all(|&l| l == spatial), || format!("window parameters of {lengths:?} axes, not {spatial}"))?;
    rule(steps.iter().all(|s| !s.contains(&0)), || "a stride or dilation of 0".into())
}

/// What does not fit in a step; `Ok` when all does.
pub(crate) fn check(step: &Step, inputs: &[Option<&StepValue>], output: &StepValue) -> Result<(), String> {
    let input = |i: usize| -> Result<&[usize], String> {
        let value = inputs.get(i).copied().flatten().ok_or_else(|| format!("input {i} is missing"))?;
        Ok(&value.shape)
    };
    let optional = |i: usize| inputs.get(i).copied().flatten().map(|v| v.shape.as_slice());
    let x = input(0)?;
    let y = output.shape.as_slice();
    let (rank, shapes) = (x.len(), || format!("shapes {x:?} and {y:?} do not fit"));
    let same = || rule(x == y, shapes);
    let axis_in = |axis: usize| rule(axis < rank, || format!("axis {axis} of rank {rank}"));
    let vector = |i: usize, n: usize| match optional(i) {
        Some(s) => rule(count(s) == n, || format!("input {i} has shape {s:?}, not {n} elements")),
        None => Ok(()),
    };
    match &step.kernel {
        Kernel::Conv(p) => {
            let w = input(1)?;
            window(rank, [p.strides.len(), p.dilations.len(), p.pads.len()], [&p.strides, &p.dilations])?;
            let fits = y.len() == rank
                && w.len() == rank
                && p.groups > 0
                && x[1] == w[1] * p.groups
                && y[1] == w[0]
                && w[0].is_multiple_of(p.groups)
                && x[0] == y[0];
            rule(fits, shapes)?;
            vector(2, y[1])?;
            rule(optional(3).is_none_or(|r| r == y), || "the residual is not of the output's shape".into())
        }
        Kernel::NormalizedConv(p) => {
            let w = input(1)?;
            let conv = &p.conv;
            window(
                rank,
                [conv.strides.len(), conv.dilations.len(), conv.pads.len()],
                [&conv.strides, &conv.dilations],
            )?;
            let affine = input(4)?;
            let fits = y.len() == rank
                && w.len() == rank
                && conv.groups == 1
                && [x[1], y[1], x[0]] == [w[1], w[0], y[0]]
                && (affine == [1, x[0], x[1]] || affine == [2, x[0], x[1]]);
            rule(fits, shapes)?;
            vector(2, y[1])?;
            rule(optional(3).is_none_or(|r| r == y), || "the residual is not of the output's shape".into())
        }
        Kernel::GroupAffine { groups, .. } => {
            rule(rank >= 2 && *groups > 0 && x[1].is_multiple_of(*groups) && y == [2, x[0], x[1]], shapes)?;
            vector(1, x[1])?;
            vector(2, x[1])
        }
        Kernel::ConvTranspose(p) => {
            let w = input(1)?;
            window(rank, [p.strides.len(), p.dilations.len(), p.pads.len()], [&p.strides, &p.dilations])?;
            let fits = y.len() == rank
                && w.len() == rank
                && p.groups > 0
                && x[1] == w[0]
                && y[1] == w[1] * p.groups
                && w[0].is_multiple_of(p.groups)
                && x[0] == y[0];
            rule(fits, shapes)?;
            vector(2, y[1])
        }
        Kernel::MaxPool(p) | Kernel::AveragePool { pool: p, .. } | Kernel::MaxPoolIndices { pool: p, .. } => {
            window(rank, [p.kernel.len(), p.strides.len(), p.pads.len()], [&p.strides, &p.dilations])?;
            rule(y.len() == rank && x[..2] == y[..2] && p.dilations.len() == rank - 2, shapes)
        }
        Kernel::MatMul { trans_a, trans_b, .. } => {
            let b = input(1)?;
            rule(rank >= 2 && b.len() >= 2 && y.len() == rank.max(b.len()), shapes)?;
            let ends = |s: &[usize], t: bool| {
                let (p, q) = (s[s.len() - 2], s[s.len() - 1]);
                if t { (q, p) } else { (p, q) }
            };
            let ((m, k), (k2, n)) = (ends(x, *trans_a), ends(b, *trans_b));
            let batch = |s: &[usize]| broadcasts(&s[..s.len() - 2], &y[..y.len() - 2]);
            rule(k == k2 && y.ends_with(&[m, n]) && batch(x) && batch(b), shapes)?;
            rule(optional(2).is_none_or(|c| broadcasts(c, y)), || "the bias does not broadcast".into())
        }
        Kernel::InstanceNormalization { .. } => {
            same()?;
            rule(rank >= 2, shapes)?;
            vector(1, x[1])?;
            vector(2, x[1])
        }
        Kernel::GroupNormalization { groups, .. } => {
            same()?;
            rule(rank >= 2 && *groups > 0 && x[1].is_multiple_of(*groups), shapes)?;
            vector(1, x[1])?;
            vector(2, x[1])
        }
        Kernel::LayerNormalization { axis, .. } => {
            same()?;
            axis_in(*axis)?;
            let fits = |i: usize| optional(i).is_none_or(|s| broadcasts(s, &x[*axis..]));
            rule(fits(1) && fits(2), || "scale or bias does not broadcast".into())
        }
        Kernel::Softmax { axis, .. } | Kernel::Cumulative { axis, .. } => same().and_then(|()| axis_in(*axis)),
        Kernel::Unary(_) | Kernel::Cast { .. } | Kernel::BitCast { .. } => same(),
        Kernel::Binary(_) | Kernel::Where | Kernel::Expand => {
            rule(inputs.iter().flatten().all(|v| broadcasts(&v.shape, y)), || "inputs do not broadcast".into())
        }
        Kernel::Reduce { axes, .. } => {
            rule(axes.is_sorted_by(|a, b| a < b) && axes.iter().all(|&a| a < rank), || format!("axes {axes:?}"))?;
            let kept: usize = (0..rank).filter(|a| !axes.contains(a)).map(|a| x[a]).product();
            rule(count(y) == kept, shapes)
        }
        Kernel::ArgMax { axis, .. } => {
            axis_in(*axis)?;
            rule(x[*axis] > 0 && count(y) * x[*axis] == count(x), shapes)
        }
        Kernel::Reshape => rule(count(x) == count(y), shapes),
        Kernel::Transpose { perm } => {
            let each = (0..rank).all(|a| perm.contains(&a)) && perm.len() == rank && y.len() == rank;
            rule(each && perm.iter().zip(y).all(|(&a, &s)| x[a] == s), shapes)
        }
        Kernel::Concat { axis } => {
            axis_in(*axis)?;
            let others =
                |s: &[usize]| s.len() == rank && y.len() == rank && (0..rank).all(|a| a == *axis || s[a] == y[a]);
            let sum: usize = inputs.iter().flatten().filter_map(|v| v.shape.get(*axis)).sum();
            rule(inputs.iter().flatten().all(|v| others(&v.shape)) && sum == y[*axis], shapes)
        }
        Kernel::Slice { starts, steps } => {
            rule(starts.len() == rank && steps.len() == rank && y.len() == rank, shapes)?;
            let inside = |a: usize| {
                let last = starts[a] as i128 + (y[a] as i128 - 1) * steps[a] as i128;
                y[a] == 0 || (starts[a] < x[a] && (0..x[a] as i128).contains(&last))
            };
            rule((0..rank).all(inside), || format!("slice of {x:?} from {starts:?} by {steps:?} to {y:?}"))
        }
        Kernel::Pad { pads, .. } => {
            rule(pads.len() == rank && y.len() == rank, shapes)?;
            rule((0..rank).all(|a| pads[a].0 + x[a] + pads[a].1 == y[a]), shapes)
        }
        Kernel::Resize(p) => rule(p.scales.len() == rank && y.len() == rank && !x.contains(&0), shapes),
        Kernel::Gather { axis } => {
            axis_in(*axis)?;
            let mut want = x[..*axis].to_vec();
            want.extend(input(1)?);
            want.extend(&x[axis + 1..]);
            rule(want == y && (x[*axis] > 0 || count(y) == 0), shapes)
        }
        Kernel::GatherElements { .. }
        | Kernel::GatherNd { .. }
        | Kernel::ScatterElements { .. }
        | Kernel::ScatterNd { .. } => indexing(&step.kernel, x, input(1)?, optional(2), y),
        Kernel::TopK { axis, .. } => {
            axis_in(*axis)?;
            rule(y.len() == rank && (0..rank).all(|a| y[a] == x[a] || (a == *axis && y[a] <= x[a])), shapes)
        }
        Kernel::GridSample(_) => {
            let grid = input(1)?;
            rule((3..=5).contains(&rank) && grid.len() == rank && y.len() == rank, shapes)?;
            let places = grid[0] == x[0] && grid[rank - 1] == rank - 2 && grid[1..rank - 1] == y[2..];
            rule(places && x[..2] == y[..2] && (!x.contains(&0) || count(y) == 0), shapes)
        }
        Kernel::RoiAlign(_) => {
            let (rois, batches) = (input(1)?, input(2)?);
            rule(rank == 4 && y.len() == 4 && rois == [y[0], 4] && batches == [y[0]], shapes)?;
            rule(x[1] == y[1] && (!x.contains(&0) || count(y) == 0), shapes)
        }
        _ => Ok(()),
    }
}

/// What does not fit in a gather or scatter by index tensors.
fn indexing(kernel: &Kernel, x: &[usize], at: &[usize], updates: Option<&[usize]>, y: &[usize]) -> Result<(), String> {
    let shapes = || format!("shapes {x:?}, indices {at:?}, updates {updates:?} and {y:?} do not fit");
    let depth = at.last().copied().unwrap_or(0);
    let within =
        |axis: usize| axis < x.len() && at.len() == x.len() && (0..x.len()).all(|a| a == axis || at[a] <= x[a]);
    let tuples = |batch: usize| {
        let fits = depth > 0 && batch < at.len() && batch + depth <= x.len() && x[..batch] == at[..batch];
        fits.then(|| [&at[..at.len() - 1], &x[batch + depth..]].concat())
    };
    // An index needs something to point to.
    let sound = match kernel {
        Kernel::GatherElements { axis } => within(*axis) && y == at && (x[*axis] > 0 || count(y) == 0),
        Kernel::GatherNd { batch_dims } => {
            tuples(*batch_dims).is_some_and(|s| s == y) && (!x.contains(&0) || count(y) == 0)
        }
        Kernel::ScatterElements { axis, .. } => {
            within(*axis) && y == x && updates == Some(at) && (x[*axis] > 0 || count(at) == 0)
        }
        _ => {
            let fits = tuples(0).is_some_and(|s| updates == Some(&s));
            fits && y == x && (!x.contains(&0) || updates.is_some_and(|u| u.contains(&0)))
        }
    };
    rule(sound, shapes)
}
