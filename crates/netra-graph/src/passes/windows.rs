//! Biases of attention that depend on no input, computed once. The masks of shifted windows are a matrix for each window,
//! too many to keep, but few of them differ: only those are computed, and each window is told which is its own.

use super::edit::{Editor, input};
use crate::{Data, Kernel, StridedRows, Tensor, ValueId, eval};

/// Longest chain of steps that is evaluated.
const MAX_STEPS: usize = 64;
/// Most different matrices.
const MAX_DISTINCT: usize = 64;
/// Most elements of all different matrices, and of each value on the way to them.
const MAX_ELEMENTS: usize = 1 << 22;

/// A bias as a tensor that holds each different matrix once, and where those of the sequences of `rows` (places in the value
/// itself, which is row-major) lie in it. `None` when inputs matter, too many matrices differ, or it is a constant without
/// repetition already.
pub fn distinct(edit: &Editor<'_>, id: ValueId, rows: &StridedRows) -> Option<(Tensor, StridedRows)> {
    let id = regrouped(edit, id);
    let shape = edit.shape(id).to_vec();
    let (lead, matrix) = shape.split_at_checked(shape.len().checked_sub(2)?)?;
    let (windows, elements) = (lead.iter().product::<usize>(), matrix.iter().product::<usize>());
    let mut steps = Vec::new();
    let mut leaves = Vec::new();
    collect(edit, id, &mut steps, &mut leaves)?;
    let by_window = steps.iter().all(|&at| window_by_window(edit, at, &shape))
        && lead.iter().filter(|&&size| size != 1).count() <= 1
        && leaves.iter().all(|&leaf| of_windows(edit.shape(leaf), &shape).is_some());
    if !by_window {
        let small = windows * elements <= MAX_ELEMENTS && !steps.is_empty();
        return small
            .then(|| evaluate(edit, id, &steps, |_, leaf| Some(leaf.clone()), shape))?
            .map(|t| (t, rows.clone()));
    }
    let varying: Vec<&Tensor> = leaves
        .iter()
        .filter(|&&leaf| windows > 1 && of_windows(edit.shape(leaf), &shape) == Some(windows))
        .filter_map(|&leaf| edit.constant(leaf))
        .collect();
    let mut firsts: Vec<usize> = Vec::new();
    let mut class = Vec::with_capacity(windows);
    for window in 0..windows {
        let known = firsts.iter().position(|&first| varying.iter().all(|t| same(t, windows, first, window)));
        class.push(known.unwrap_or(firsts.len()));
        if known.is_none() {
            firsts.push(window);
        }
    }
    let repeats = firsts.len() < windows || !steps.is_empty();
    if !repeats || firsts.len() > MAX_DISTINCT || firsts.len() * elements > MAX_ELEMENTS {
        return None;
    }
    // The windows' axis is the only one in front that is not 1, or one that is.
    let axis = lead.iter().position(|&size| size != 1).unwrap_or(0);
    let mut few = shape.clone();
    if axis < lead.len() {
        few[axis] = firsts.len();
    }
    let places = firsts.iter().map(|&first| first as i64).collect();
    let places = Tensor::new([firsts.len()], Data::I64(places)).ok()?;
    let pick = |leaf: ValueId, tensor: &Tensor| {
        if windows == 1 || of_windows(edit.shape(leaf), &shape) != Some(windows) {
            return Some(tensor.clone());
        }
        let mut few = tensor.shape().to_vec();
        let axis = few.len() + axis - shape.len();
        few[axis] = firsts.len();
        eval::step(&Kernel::Gather { axis }, &[Some(tensor), Some(&places)], tensor.dtype(), &few).ok()
    };
    let table = evaluate(edit, id, &steps, pick, few)?;
    let starts = rows.starts.iter().map(|at| class[at / elements.max(1)] * elements).collect();
    Some((table, StridedRows { starts, ..*rows }))
}

/// The value before reshapes that only regroup its matrices.
fn regrouped(edit: &Editor<'_>, mut id: ValueId) -> ValueId {
    while let Some(step) = edit.producer(id).filter(|step| step.kernel == Kernel::Reshape)
        && let Some(x) = input(step, 0)
        && edit.shape(x).last_chunk::<2>() == edit.shape(id).last_chunk::<2>()
    {
        id = x;
    }
    id
}

/// The steps behind a value, in order, and the constants that they begin with.
fn collect(edit: &Editor<'_>, id: ValueId, steps: &mut Vec<usize>, leaves: &mut Vec<ValueId>) -> Option<()> {
    if edit.constant(id).is_some() {
        if !leaves.contains(&id) {
            leaves.push(id);
        }
        return Some(());
    }
    let at = edit.producer_index(id)?;
    if steps.contains(&at) {
        return Some(());
    }
    for &id in edit.step(at)?.inputs.iter().flatten() {
        collect(edit, id, steps, leaves)?;
    }
    steps.push(at);
    (steps.len() <= MAX_STEPS).then_some(())
}

/// Whether step `at` computes each window's part of its result from the same windows' parts of its inputs.
fn window_by_window(edit: &Editor<'_>, at: usize, shape: &[usize]) -> bool {
    let Some(step) = edit.step(at) else { return false };
    let element_wise = matches!(
        step.kernel,
        Kernel::Unary(_) | Kernel::Binary(_) | Kernel::Where | Kernel::Cast { .. } | Kernel::Expand
    );
    element_wise && of_windows(edit.shape(step.output), shape).is_some()
}

/// How many windows a value has that is broadcast to `shape`: all, or one for all. `None` when it does not broadcast.
fn of_windows(own: &[usize], shape: &[usize]) -> Option<usize> {
    let skip = shape.len().checked_sub(own.len())?;
    let fits = own.iter().zip(&shape[skip..]).all(|(own, size)| own == size || *own == 1);
    let lead = shape.len().saturating_sub(2).saturating_sub(skip);
    fits.then(|| own[..lead].iter().product())
}

/// Whether two of the `windows` of a tensor are equal, bit for bit.
fn same(tensor: &Tensor, windows: usize, a: usize, b: usize) -> bool {
    macro_rules! equal {
        ($v:expr, $bits:expr) => {{
            let n = $v.len() / windows.max(1);
            $v[a * n..][..n].iter().map($bits).eq($v[b * n..][..n].iter().map($bits))
        }};
    }
    match tensor.data() {
        Data::F32(v) => equal!(v, |x| x.to_bits()),
        Data::F64(v) => equal!(v, |x| x.to_bits()),
        Data::I32(v) => equal!(v, |x| *x),
        Data::I64(v) => equal!(v, |x| *x),
        Data::Bool(v) => equal!(v, |x| *x),
        _ => a == b,
    }
}

/// Runs `steps` on the leaves that `pick` gives; `shape` is that of the last result, whose leading axes those before share.
fn evaluate(
    edit: &Editor<'_>,
    id: ValueId,
    steps: &[usize],
    pick: impl Fn(ValueId, &Tensor) -> Option<Tensor>,
    shape: Vec<usize>,
) -> Option<Tensor> {
    let whole = edit.shape(id);
    // Of a value, with as many windows as `shape` where it has them all.
    let reduced = |own: &[usize]| {
        let mut own = own.to_vec();
        if whole != shape
            && let Some(skip) = whole.len().checked_sub(own.len())
        {
            for (size, (all, few)) in own.iter_mut().zip(whole.iter().zip(&shape).skip(skip)) {
                if *size == *all {
                    *size = *few;
                }
            }
        }
        own
    };
    let mut known: Vec<(ValueId, Tensor)> = Vec::new();
    for &at in steps {
        let step = edit.step(at)?;
        for &id in step.inputs.iter().flatten() {
            if let Some(tensor) = edit.constant(id).filter(|_| known.iter().all(|(known, _)| *known != id)) {
                known.push((id, pick(id, tensor)?));
            }
        }
        let find = |id: ValueId| known.iter().find(|(known, _)| *known == id).map(|(_, tensor)| tensor);
        let operands: Vec<Option<&Tensor>> = step.inputs.iter().map(|id| id.and_then(find)).collect();
        let shape = reduced(edit.shape(step.output));
        if shape.iter().product::<usize>() > MAX_ELEMENTS {
            return None;
        }
        let result = eval::step(&step.kernel, &operands, edit.dtype(step.output), &shape).ok()?;
        known.push((step.output, result));
    }
    match edit.constant(id) {
        Some(tensor) => pick(id, tensor),
        None => known.into_iter().find(|(known, _)| *known == id).map(|(_, tensor)| tensor),
    }
}
