//! Resampling.

use super::Inputs;
use super::emit::{self, Lowerer};
use crate::op::{AspectRatio, ResizeOptions};
use crate::{Coordinates, DType, Data, Error, Kernel, Nearest, Resize, ResizeMode, Result, Tensor, ValueId};

/// `how` is the interpolation and its coordinates; `axes` names those that scales or sizes list (all, when left out).
pub fn resize(
    lo: &mut Lowerer,
    inputs: &Inputs<'_>,
    how: (ResizeMode, Coordinates),
    axes: Option<&[i64]>,
    legacy: bool,
    options: &ResizeOptions,
) -> Result<ValueId> {
    let x = inputs.need(0)?;
    let input = lo.shape(x).to_vec();
    let listed = match axes {
        Some(list) => {
            emit::axes(list, input.len())?;
            list.iter().map(|&a| emit::axis(a, input.len())).collect::<Result<_>>()?
        }
        None => (0..input.len()).collect::<Vec<_>>(),
    };
    let (mode, coordinates) = how;
    let mut p = Resize::new(mode, coordinates, vec![1.0; input.len()]);
    p.exclude_outside = options.exclude_outside;
    // Without anything to reduce, an antialiasing filter is the plain one.
    p.antialias = options.antialias && !matches!(mode, ResizeMode::Nearest(_));
    if coordinates == Coordinates::TfCropAndResize {
        if p.antialias {
            return Err(Error::unsupported("antialias with tf_crop_and_resize"));
        }
        p.crop = crop(lo, inputs.get(1), &listed, input.len())?;
    }
    let shape = sizes(lo, inputs, &mut p, &listed, options.keep_aspect_ratio)?;
    if shape == input && p.scales.iter().all(|&s| s == 1.0) && p.crop.iter().all(|&c| c == (0.0, 1.0)) {
        return Ok(x);
    }
    if legacy && matches!(mode, ResizeMode::Nearest(_)) && p.scales.iter().any(|&s| s < 1.0) {
        return legacy_nearest(lo, x, &p.scales, &shape);
    }
    let y = sampled(lo, x, &p, &shape)?;
    if p.crop.is_empty() || options.extrapolation_value == 0.0 {
        Ok(y)
    } else {
        extrapolated(lo, y, &p, &input, options.extrapolation_value)
    }
}

/// The part of each axis that a crop sees.
fn crop(lo: &Lowerer, roi: Option<ValueId>, listed: &[usize], rank: usize) -> Result<Vec<(f32, f32)>> {
    let roi = roi.ok_or_else(|| Error::malformed("tf_crop_and_resize without a roi"))?;
    let tensor = lo.constant_of(roi).ok_or_else(|| emit::not_constant("roi"))?;
    let values: Vec<f32> = match tensor.data() {
        Data::F32(v) => v.clone(),
        Data::F64(v) => v.iter().map(|&v| v as f32).collect(),
        other => return Err(Error::malformed(format!("a roi of {}", other.dtype()))),
    };
    if values.len() != 2 * listed.len() || values.iter().any(|v| !v.is_finite()) {
        return Err(Error::malformed(format!("a roi {values:?} for {} axes", listed.len())));
    }
    let (starts, ends) = values.split_at(listed.len());
    let mut crop = vec![(0.0, 1.0); rank];
    for ((&axis, &start), &end) in listed.iter().zip(starts).zip(ends) {
        crop[axis] = (start, end);
    }
    Ok(crop)
}

/// The output's shape; sets the scales of the axes that change.
fn sizes(
    lo: &Lowerer,
    inputs: &Inputs<'_>,
    p: &mut Resize,
    listed: &[usize],
    aspect: AspectRatio,
) -> Result<Vec<usize>> {
    let input = lo.shape(inputs.need(0)?).to_vec();
    let mut shape = input.clone();
    // An empty tensor stands for one left out (operator set 11).
    let present = |i: usize| inputs.get(i).filter(|&id| !lo.shape(id).contains(&0));
    match (present(2), present(3)) {
        (Some(given), None) => {
            let tensor = lo.constant_of(given).ok_or_else(|| emit::not_constant("scales"))?;
            let given = tensor.as_f32().filter(|v| v.len() == listed.len());
            let given = given.ok_or_else(|| Error::malformed(format!("scales of shape {:?}", tensor.shape())))?;
            for (&axis, &scale) in listed.iter().zip(given) {
                let seen = p.crop.get(axis).map_or(1.0, |c| c.1 - c.0);
                // float32 arithmetic, as other engines do: 10 x 1.1 is 11.
                let size = (input[axis] as f32 * seen * scale).floor();
                if !(scale > 0.0 && (1.0..1e9).contains(&size)) {
                    return Err(Error::malformed(format!("scale {scale} of {} elements", input[axis])));
                }
                (shape[axis], p.scales[axis]) = (size as usize, scale);
            }
        }
        (None, Some(given)) => {
            let given = lo.ints(given, "sizes")?;
            if given.len() != listed.len() {
                return Err(Error::malformed(format!("{} sizes for {} axes", given.len(), listed.len())));
            }
            for (&axis, &size) in listed.iter().zip(&given) {
                let size = usize::try_from(size).ok().filter(|&s| s > 0);
                shape[axis] = size.ok_or_else(|| Error::malformed(format!("sizes {given:?}")))?;
                p.scales[axis] = shape[axis] as f32 / input[axis] as f32;
            }
            let all = listed.iter().map(|&axis| p.scales[axis]);
            let common = match aspect {
                AspectRatio::Stretch => return Ok(shape),
                AspectRatio::NotLarger => all.fold(f32::INFINITY, f32::min),
                AspectRatio::NotSmaller => all.fold(0.0, f32::max),
            };
            for &axis in listed {
                let size = (f64::from(common) * input[axis] as f64 + 0.5).floor();
                if !(1.0..1e9).contains(&size) {
                    return Err(Error::malformed(format!("scale {common} of {} elements", input[axis])));
                }
                (shape[axis], p.scales[axis]) = (size as usize, common);
            }
        }
        (Some(_), Some(_)) => return Err(Error::malformed("both scales and sizes")),
        (None, None) => return Err(Error::malformed("neither scales nor sizes")),
    }
    Ok(shape)
}

/// One resampling of a value of any element type that the mode makes sense for.
fn sampled(lo: &mut Lowerer, x: ValueId, p: &Resize, shape: &[usize]) -> Result<ValueId> {
    let dtype = lo.dtype(x);
    if dtype.is_float() {
        return lo.emit(Kernel::Resize(p.clone()), &[x], dtype, shape);
    }
    if !matches!(p.mode, ResizeMode::Nearest(_)) {
        // Truncated at the end, as ONNX Runtime does.
        let float = lo.cast(x, DType::F32)?;
        let y = lo.emit(Kernel::Resize(p.clone()), &[float], DType::F32, shape)?;
        return lo.cast(y, dtype);
    }
    // Nearest only moves elements. What lies outside a crop stays the first element; nothing depends on it when there is
    // an extrapolation value, but 0 has to be put there.
    emit::check_size(shape)?;
    let input = lo.shape(x).to_vec();
    let mut y = x;
    for (axis, table) in p.tables(&input, shape).into_iter().enumerate() {
        let Some(table) = table else { continue };
        let indices: Vec<i64> = table.iter().map(|taps| taps.first().map_or(0, |&(i, _)| i as i64)).collect();
        let indices = lo.constant(Tensor::from_i64s(&indices));
        let mut next = lo.shape(y).to_vec();
        next[axis] = shape[axis];
        y = lo.emit(Kernel::Gather { axis }, &[y, indices], dtype, &next)?;
    }
    if p.crop.is_empty() { Ok(y) } else { extrapolated(lo, y, p, &input, 0.0) }
}

/// Puts a value where a crop reaches outside the input: one mask along each axis.
fn extrapolated(lo: &mut Lowerer, mut y: ValueId, p: &Resize, input: &[usize], value: f32) -> Result<ValueId> {
    let shape = lo.shape(y).to_vec();
    let fill = lo.scalar(value)?;
    let fill = lo.cast(fill, lo.dtype(y))?;
    for (axis, table) in p.tables(input, &shape).into_iter().enumerate() {
        let Some(outside) = table.map(|t| t.iter().map(Vec::is_empty).collect::<Vec<bool>>()) else { continue };
        if outside.contains(&true) {
            let mut along = vec![1; shape.len()];
            along[axis] = shape[axis];
            let mask = lo.constant(Tensor::new(along, Data::Bool(outside))?);
            y = lo.emit(Kernel::Where, &[mask, fill, y], lo.dtype(y), &shape)?;
        }
    }
    Ok(y)
}

/// Before operator set 11 nearest rounds down along the axes that grow and up along those that shrink.
fn legacy_nearest(lo: &mut Lowerer, x: ValueId, scales: &[f32], shape: &[usize]) -> Result<ValueId> {
    let mut y = x;
    for (rule, grows) in [(Nearest::Ceil, false), (Nearest::Floor, true)] {
        let chosen = |axis: usize| (scales[axis] >= 1.0) == grows;
        let part = (0..scales.len()).map(|axis| if chosen(axis) { scales[axis] } else { 1.0 }).collect();
        let sizes = lo.shape(y).iter().enumerate();
        let next: Vec<usize> = sizes.map(|(axis, &size)| if chosen(axis) { shape[axis] } else { size }).collect();
        let p = Resize::new(ResizeMode::Nearest(rule), Coordinates::Asymmetric, part);
        if next != lo.shape(y) {
            y = sampled(lo, y, &p, &next)?;
        }
    }
    Ok(y)
}
