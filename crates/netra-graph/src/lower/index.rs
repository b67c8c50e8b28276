//! Parts of tensors: joining, slicing, gathering, padding.

use super::Inputs;
use super::emit::{self, Lowerer};
use crate::op::PadFill;
use crate::{DType, Data, Error, Kernel, PadMode, Result, Tensor, ValueId};

pub fn concat(lo: &mut Lowerer, parts: &[ValueId], axis: i64) -> Result<ValueId> {
    let [first, ..] = parts else { return Err(Error::malformed("no inputs")) };
    let (mut shape, dtype) = (lo.shape(*first).to_vec(), lo.dtype(*first));
    let axis = emit::axis(axis, shape.len())?;
    let mut total = 0usize;
    for &part in parts {
        let (other, kind) = (lo.shape(part), lo.dtype(part));
        let fits = other.len() == shape.len() && (0..shape.len()).all(|i| i == axis || other[i] == shape[i]);
        if !fits || kind != dtype {
            return Err(Error::malformed(format!("{kind} {other:?} joined to {dtype} {shape:?} along axis {axis}")));
        }
        total = total.checked_add(other[axis]).ok_or_else(|| Error::limit("a joined size"))?;
    }
    shape[axis] = total;
    let mut parts = parts.to_vec();
    parts.retain(|&p| lo.shape(p)[axis] > 0 || total == 0);
    match parts[..] {
        [only] => Ok(only),
        _ => lo.emit(Kernel::Concat { axis }, &parts, dtype, &shape),
    }
}

/// Equal parts unless sizes are given; the last may then be smaller (operator set 18).
pub fn split(lo: &mut Lowerer, inputs: &Inputs<'_>, axis: i64, parts: usize) -> Result<Vec<ValueId>> {
    let x = inputs.need(0)?;
    let axis = emit::axis(axis, lo.shape(x).len())?;
    let size = lo.shape(x)[axis];
    let sizes: Vec<usize> = match inputs.get(1) {
        Some(id) => {
            let sizes = lo.ints(id, "split")?;
            sizes
                .iter()
                .map(|&s| usize::try_from(s))
                .collect::<std::result::Result<_, _>>()
                .map_err(|_| Error::malformed(format!("parts of sizes {sizes:?}")))?
        }
        None if parts == 0 => {
            return Err(Error::malformed(format!("{parts} parts of {size} elements")));
        }
        None => {
            let part = size.div_ceil(parts);
            (0..parts).map(|i| part.min(size.saturating_sub(i * part))).collect()
        }
    };
    if sizes.len() != parts {
        return Err(Error::malformed(format!("{} sizes for {parts} outputs", sizes.len())));
    }
    if sizes.iter().try_fold(0usize, |a, &b| a.checked_add(b)) != Some(size) {
        return Err(Error::malformed(format!("parts of sizes {sizes:?} of {size} elements")));
    }
    let mut start = 0;
    let mut results = Vec::with_capacity(sizes.len());
    for part in sizes {
        results.push(slice_axis(lo, x, axis, start, part)?);
        start += part;
    }
    Ok(results)
}

/// `count` neighbouring elements of one axis.
pub fn slice_axis(lo: &mut Lowerer, x: ValueId, axis: usize, start: usize, count: usize) -> Result<ValueId> {
    let rank = lo.shape(x).len();
    let (mut starts, mut shape) = (vec![0; rank], lo.shape(x).to_vec());
    (starts[axis], shape[axis]) = (start, count);
    emit_slice(lo, x, starts, vec![1; rank], &shape)
}

pub fn emit_slice(
    lo: &mut Lowerer,
    x: ValueId,
    starts: Vec<usize>,
    steps: Vec<isize>,
    shape: &[usize],
) -> Result<ValueId> {
    if lo.shape(x) == shape && starts.iter().all(|&s| s == 0) {
        return Ok(x);
    }
    lo.emit(Kernel::Slice { starts, steps }, &[x], lo.dtype(x), shape)
}

pub fn slice(lo: &mut Lowerer, inputs: &Inputs<'_>) -> Result<ValueId> {
    let x = inputs.need(0)?;
    let (begins, ends) = (lo.ints(inputs.need(1)?, "starts")?, lo.ints(inputs.need(2)?, "ends")?);
    let axes = inputs.get(3).map(|id| lo.ints(id, "axes")).transpose()?;
    let axes = axes.unwrap_or_else(|| (0..begins.len() as i64).collect());
    let by = inputs.get(4).map(|id| lo.ints(id, "steps")).transpose()?.unwrap_or_else(|| vec![1; begins.len()]);
    if [ends.len(), axes.len(), by.len()] != [begins.len(); 3] {
        return Err(Error::malformed("starts, ends, axes and steps of different lengths"));
    }
    let rank = lo.shape(x).len();
    emit::axes(&axes, rank)?;
    let (mut starts, mut steps, mut shape) = (vec![0; rank], vec![1isize; rank], lo.shape(x).to_vec());
    for i in 0..axes.len() {
        let axis = emit::axis(axes[i], rank)?;
        let (start, count) = span(begins[i], ends[i], by[i], shape[axis])?;
        (starts[axis], shape[axis]) = (start, count);
        // A step that is never taken may be anything; 1 overflows nowhere.
        steps[axis] = if count > 1 { by[i] as isize } else { 1 };
    }
    emit_slice(lo, x, starts, steps, &shape)
}

/// First index and number of elements of `start..end` by `step` over `size` elements, clamped as NumPy does.
fn span(start: i64, end: i64, step: i64, size: usize) -> Result<(usize, usize)> {
    if step == 0 {
        return Err(Error::malformed("a step of 0"));
    }
    let (n, step) = (size as i128, i128::from(step));
    let from_end = |i: i64| i128::from(i) + if i < 0 { n } else { 0 };
    // Going down, the end may lie before the first element.
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let (start, end) = (from_end(start).clamp(low.max(0).min(high), high), from_end(end).clamp(low, high));
    let distance = if step > 0 { end - start } else { start - end };
    let count = if distance <= 0 { 0 } else { (distance + step.abs() - 1) / step.abs() };
    Ok((start.max(0) as usize, count as usize))
}

/// Constant indices in arithmetic progression become a slice, which every backend does without integer tensors.
pub fn gather(lo: &mut Lowerer, x: ValueId, indices: ValueId, axis: i64) -> Result<ValueId> {
    let input = lo.shape(x).to_vec();
    let axis = emit::axis(axis, input.len())?;
    let size = input[axis];
    let index_shape = lo.shape(indices).to_vec();
    let shape = [&input[..axis], &index_shape, &input[axis + 1..]].concat();
    if !matches!(lo.dtype(indices), DType::I64 | DType::I32) {
        return Err(Error::malformed(format!("indices of {}", lo.dtype(indices))));
    }
    let indices = lo.cast(indices, DType::I64)?;
    if let Some(list) = lo.constant_of(indices).and_then(|t| t.to_i64s()) {
        let inside = |&i: &i64| {
            let i = if i < 0 { i.saturating_add(size as i64) } else { i };
            usize::try_from(i).ok().filter(|&i| i < size)
        };
        let Some(list) = list.iter().map(inside).collect::<Option<Vec<_>>>() else {
            return Err(Error::malformed(format!("an index outside {size} elements")));
        };
        if let (Some((first, step)), None) = (progression(&list), lo.constant_of(x)) {
            let (mut starts, mut steps) = (vec![0; input.len()], vec![1; input.len()]);
            (starts[axis], steps[axis]) = (first, step);
            let mut part = input;
            part[axis] = list.len();
            let part = emit_slice(lo, x, starts, steps, &part)?;
            return lo.reshape(part, &shape);
        }
    }
    lo.emit(Kernel::Gather { axis }, &[x, indices], lo.dtype(x), &shape)
}

fn progression(list: &[usize]) -> Option<(usize, isize)> {
    let first = *list.first()?;
    let step = list.get(1).map_or(1, |&second| second as isize - first as isize);
    let straight = list.windows(2).all(|w| w[1] as isize - w[0] as isize == step);
    (straight && step != 0).then_some((first, step))
}

pub fn pad(lo: &mut Lowerer, inputs: &Inputs<'_>, mode: PadFill) -> Result<ValueId> {
    let mut x = inputs.need(0)?;
    let rank = lo.shape(x).len();
    let listed = lo.ints(inputs.need(1)?, "pads")?;
    let axes = match inputs.get(3).map(|id| lo.ints(id, "axes")).transpose()? {
        Some(axes) => {
            emit::axes(&axes, rank)?;
            axes.iter().map(|&a| emit::axis(a, rank)).collect::<Result<Vec<_>>>()?
        }
        None => (0..rank).collect(),
    };
    if listed.len() != 2 * axes.len() {
        return Err(Error::malformed(format!("{} pads for {} axes", listed.len(), axes.len())));
    }
    let value = inputs.get(2).filter(|_| mode == PadFill::Constant);
    let known = fill(lo, value, x)?;
    let mode = match mode {
        PadFill::Constant => PadMode::Constant(known.unwrap_or(0.0)),
        PadFill::Reflect => PadMode::Reflect,
        PadFill::Edge => PadMode::Edge,
        PadFill::Wrap => PadMode::Wrap,
    };
    let negative = listed.iter().any(|&p| p < 0);
    if negative && !matches!(mode, PadMode::Constant(_)) && listed.iter().any(|&p| p > 0) {
        return Err(Error::unsupported("pads of both signs with a mode other than constant"));
    }
    let mut pads = vec![(0usize, 0usize); rank];
    let (mut starts, mut part) = (vec![0usize; rank], lo.shape(x).to_vec());
    for (i, &axis) in axes.iter().enumerate() {
        let (before, after) = (listed[i], listed[i + axes.len()]);
        let cut = |p: i64| usize::try_from(p.min(0).unsigned_abs()).unwrap_or(usize::MAX);
        starts[axis] = cut(before);
        part[axis] = part[axis]
            .checked_sub(cut(before))
            .and_then(|n| n.checked_sub(cut(after)))
            .ok_or_else(|| Error::malformed(format!("pads {listed:?} remove more than there is")))?;
        let add = |p: i64| usize::try_from(p.max(0)).map_err(|_| Error::limit("a pad"));
        pads[axis] = (add(before)?, add(after)?);
    }
    x = emit_slice(lo, x, starts, vec![1; rank], &part)?;
    let mut shape = part.clone();
    for (axis, &(before, after)) in pads.iter().enumerate() {
        if mode == PadMode::Reflect && before.max(after) >= part[axis].max(1) {
            return Err(Error::malformed(format!("reflecting {} of {} elements", before.max(after), part[axis])));
        }
        let size = part[axis].checked_add(before).and_then(|n| n.checked_add(after));
        shape[axis] = size.ok_or_else(|| Error::limit("a padded size"))?;
    }
    if shape == part {
        return Ok(x);
    }
    let (pads, dtype) = (&pads, lo.dtype(x));
    let padded = lo.emit(Kernel::Pad { pads: pads.clone(), mode }, &[x], dtype, &shape)?;
    let (Some(value), None) = (value, known) else { return Ok(padded) };
    // The value is computed by the network, or is none of float32's: it is chosen where the padding of a mask shows.
    let inside = lo.number(1.0, DType::Bool)?;
    let inside = lo.expand(inside, &part)?;
    let mask = Kernel::Pad { pads: pads.clone(), mode: PadMode::Constant(0.0) };
    let mask = lo.emit(mask, &[inside], DType::Bool, &shape)?;
    let value = lo.reshape(value, &[])?;
    lo.emit(Kernel::Where, &[mask, padded, value], dtype, &shape)
}

/// Crops what is too large and pads what is too small with zeros, both around the centre.
pub fn center_crop_pad(lo: &mut Lowerer, inputs: &Inputs<'_>, axes: Option<&[i64]>) -> Result<ValueId> {
    let x = inputs.need(0)?;
    let sizes = lo.ints(inputs.need(1)?, "the sizes")?;
    let rank = lo.shape(x).len();
    let all: Vec<i64> = (0..rank as i64).collect();
    let axes = axes.unwrap_or(&all);
    emit::axes(axes, rank)?;
    if axes.len() != sizes.len() {
        return Err(Error::malformed(format!("{} sizes for {} axes", sizes.len(), axes.len())));
    }
    let (mut starts, mut part, mut pads) = (vec![0; rank], lo.shape(x).to_vec(), vec![(0, 0); rank]);
    let mut shape = part.clone();
    for (&along, &size) in axes.iter().zip(&sizes) {
        let axis = emit::axis(along, rank)?;
        let (have, want) =
            (part[axis], usize::try_from(size).map_err(|_| Error::malformed(format!("a size of {size}")))?);
        shape[axis] = want;
        if want < have {
            (starts[axis], part[axis]) = ((have - want) / 2, want);
        } else {
            let before = (want - have) / 2;
            pads[axis] = (before, want - have - before);
        }
    }
    emit::check_size(&shape)?;
    let x = emit_slice(lo, x, starts, vec![1; rank], &part)?;
    if shape == part {
        return Ok(x);
    }
    lo.emit(Kernel::Pad { pads, mode: PadMode::Constant(0.0) }, &[x], lo.dtype(x), &shape)
}

/// The padding value as a kernel holds it, when it is a constant that float32 holds.
fn fill(lo: &Lowerer, value: Option<ValueId>, x: ValueId) -> Result<Option<f32>> {
    let Some(value) = value else { return Ok(Some(0.0)) };
    let same = lo.dtype(value) == lo.dtype(x) || (lo.dtype(value) == DType::F32 && lo.dtype(x) == DType::F64);
    if !same || lo.shape(value).iter().product::<usize>() != 1 {
        return Err(Error::malformed(format!("a value of {} {:?}", lo.dtype(value), lo.shape(value))));
    }
    Ok(match lo.constant_of(value).map(Tensor::data) {
        Some(Data::F32(v)) => Some(v[0]),
        Some(Data::F64(v)) => Some(v[0] as f32).filter(|&f| f64::from(f) == v[0] || v[0].is_nan()),
        Some(Data::Bool(v)) => Some(f32::from(u8::from(v[0]))),
        Some(_) => {
            let list = lo.constant_of(value).and_then(Tensor::to_i64s);
            list.and_then(|v| v.first().copied()).filter(|v| v.abs() <= 1 << 24).map(|v| v as f32)
        }
        None => None,
    })
}
