//! Order along an axis: best elements, running sums, distinct elements, selection of boxes.

use std::cmp::Ordering;

use super::Inputs;
use super::emit::{Lowerer, axis, not_constant};
use crate::{DType, Data, Error, Kernel, NonMaxSuppression, Result, Tensor, ValueId};

/// The values, then their indices.
pub fn top_k(lo: &mut Lowerer, inputs: &Inputs<'_>, along: i64, largest: bool) -> Result<Vec<ValueId>> {
    let x = inputs.need(0)?;
    let mut shape = lo.shape(x).to_vec();
    let axis = axis(along, shape.len())?;
    let &[k] = lo.ints(inputs.need(1)?, "k")?.as_slice() else { return Err(Error::malformed("one k")) };
    let k = usize::try_from(k).ok().filter(|&k| k <= shape[axis]);
    shape[axis] = k.ok_or_else(|| Error::malformed(format!("more than the {} elements there are", shape[axis])))?;
    let indices = lo.emit(Kernel::TopK { axis, largest }, &[x], DType::I64, &shape)?;
    let values = lo.emit(Kernel::GatherElements { axis }, &[x, indices], lo.dtype(x), &shape)?;
    Ok(vec![values, indices])
}

/// `kind` is: a product, each element leaves itself out, from the end.
pub fn cumulative(lo: &mut Lowerer, inputs: &Inputs<'_>, kind: (bool, bool, bool)) -> Result<ValueId> {
    let x = inputs.need(0)?;
    let &[along] = lo.ints(inputs.need(1)?, "axis")?.as_slice() else { return Err(Error::malformed("one axis")) };
    let shape = lo.shape(x).to_vec();
    let axis = axis(along, shape.len())?;
    let (product, exclusive, reverse) = kind;
    lo.emit(Kernel::Cumulative { axis, product, exclusive, reverse }, &[x], lo.dtype(x), &shape)
}

pub fn non_max_suppression(lo: &mut Lowerer, inputs: &Inputs<'_>, center_point_box: bool) -> Result<ValueId> {
    let (boxes, scores) = (inputs.need(0)?, inputs.need(1)?);
    let (&[batches, count, 4], &[other, classes, scored]) = (lo.shape(boxes), lo.shape(scores)) else {
        return Err(Error::malformed(format!("boxes {:?} and scores {:?}", lo.shape(boxes), lo.shape(scores))));
    };
    if (batches, count) != (other, scored) || lo.dtype(boxes) != lo.dtype(scores) {
        return Err(Error::malformed(format!("boxes {:?} and scores {:?}", lo.shape(boxes), lo.shape(scores))));
    }
    let most = match inputs.get(2) {
        Some(id) => lo.ints(id, "max_output_boxes_per_class")?.first().copied().unwrap_or(0),
        None => 0,
    };
    let threshold = |i: usize, what: &str| match inputs.get(i) {
        None => Ok(None),
        Some(id) if lo.constant_of(id).is_none() => Err(not_constant(what)),
        Some(id) => lo.scalar_f32(id).map(Some).ok_or_else(|| Error::malformed(format!("{what} is no number"))),
    };
    let kernel = NonMaxSuppression {
        center_point_box,
        max_boxes: usize::try_from(most).unwrap_or(0).min(count),
        iou_threshold: threshold(3, "iou_threshold")?.unwrap_or(0.0),
        score_threshold: threshold(4, "score_threshold")?,
    };
    // No more rows than scores, so the product fits.
    let rows = batches * classes * kernel.max_boxes;
    let found = lo.emit(Kernel::NonMaxSuppression(kernel), &[boxes, scores], DType::I64, &[rows, 3])?;
    lo.trimmed(found, 0)
}

/// Distinct elements (or slices along an axis) of a constant: they, the index of the first of each, which of them
/// each element is, and how many there are of each.
pub fn unique(lo: &mut Lowerer, x: ValueId, along: Option<i64>, sorted: bool) -> Result<Vec<ValueId>> {
    let n = lo.shape(x).iter().product();
    let (x, axis) = match along {
        Some(along) => (x, axis(along, lo.shape(x).len())?),
        None => (lo.reshape(x, &[n])?, 0),
    };
    let lists = match lo.constant_of(x) {
        Some(tensor) => distinct(tensor, axis, sorted),
        None => return Err(not_constant("the input, on which the size of the result depends,")),
    };
    let [first, inverse, counts] = lists.map(|list| lo.constant(Tensor::from_i64s(&list)));
    let distinct = super::index::gather(lo, x, first, axis as i64)?;
    Ok(vec![distinct, first, inverse, counts])
}

/// The last three results of Unique.
fn distinct(tensor: &Tensor, axis: usize, sorted: bool) -> [Vec<i64>; 3] {
    let shape = tensor.shape();
    let (outer, size) = (shape[..axis].iter().product::<usize>(), shape[axis]);
    let inner: usize = shape[axis + 1..].iter().product();
    let order = order(tensor);
    let compare = |&a: &usize, &b: &usize| {
        let offsets = (0..outer).flat_map(|o| (0..inner).map(move |i| (o * size, i)));
        let mut each = offsets.map(|(base, i)| order((base + a) * inner + i, (base + b) * inner + i));
        each.find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    };
    let mut ranked: Vec<usize> = (0..size).collect();
    ranked.sort_by(compare);
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for i in ranked {
        match groups.last_mut() {
            Some(group) if compare(&group[0], &i).is_eq() => group.push(i),
            _ => groups.push(vec![i]),
        }
    }
    if !sorted {
        groups.sort_by_key(|group| group[0]);
    }
    let mut inverse = vec![0; size];
    for (i, group) in (0..).zip(&groups) {
        group.iter().for_each(|&at| inverse[at] = i);
    }
    let first = groups.iter().map(|group| group[0] as i64).collect();
    [first, inverse, groups.iter().map(|group| group.len() as i64).collect()]
}

/// Compares two elements of a tensor; NaN is larger than all numbers, and not equal to itself.
fn order(tensor: &Tensor) -> Box<dyn Fn(usize, usize) -> Ordering + '_> {
    fn floats<T: PartialOrd>(v: &[T]) -> Box<dyn Fn(usize, usize) -> Ordering + '_> {
        let nan = |i: usize| v[i].partial_cmp(&v[i]).is_none();
        Box::new(move |a, b| v[a].partial_cmp(&v[b]).unwrap_or_else(|| (nan(a), a).cmp(&(nan(b), b))))
    }
    fn exact<T: Ord>(v: &[T]) -> Box<dyn Fn(usize, usize) -> Ordering + '_> {
        Box::new(|a, b| v[a].cmp(&v[b]))
    }
    match tensor.data() {
        Data::F32(v) => floats(v),
        Data::F64(v) => floats(v),
        Data::I8(v) => exact(v),
        Data::U8(v) => exact(v),
        Data::I16(v) => exact(v),
        Data::U16(v) => exact(v),
        Data::I32(v) => exact(v),
        Data::U32(v) => exact(v),
        Data::I64(v) => exact(v),
        Data::U64(v) => exact(v),
        Data::Bool(v) => exact(v),
    }
}
