//! Resampling.

use super::Inputs;
use super::emit::{self, Lowerer};
use crate::{Coordinates, Error, Kernel, Nearest, Resize, ResizeMode, Result, ValueId};

/// `how` is the interpolation and its coordinates; `axes` names those that scales or sizes list (all, when left out).
pub fn resize(
    lo: &mut Lowerer,
    inputs: &Inputs<'_>,
    how: (ResizeMode, Coordinates),
    axes: Option<&[i64]>,
    legacy: bool,
) -> Result<ValueId> {
    let x = inputs.need(0)?;
    let input = lo.shape(x).to_vec();
    // An empty tensor stands for one left out (operator set 11).
    let present = |i: usize| inputs.get(i).filter(|&id| !lo.shape(id).contains(&0));
    let listed = match axes {
        Some(list) => {
            emit::axes(list, input.len())?;
            list.iter().map(|&a| emit::axis(a, input.len())).collect::<Result<_>>()?
        }
        None => (0..input.len()).collect::<Vec<_>>(),
    };
    let mut shape = input.clone();
    let mut scales = vec![1.0f32; input.len()];
    match (present(2), present(3)) {
        (Some(given), None) => {
            let tensor = lo.constant_of(given).ok_or_else(|| emit::not_constant("scales"))?;
            let given = tensor.as_f32().filter(|v| v.len() == listed.len());
            let given = given.ok_or_else(|| Error::malformed(format!("scales of shape {:?}", tensor.shape())))?;
            for (&axis, &scale) in listed.iter().zip(given) {
                // float32 arithmetic, as other engines do: 10 x 1.1 is 11.
                let size = (input[axis] as f32 * scale).floor();
                if !(scale > 0.0 && (1.0..1e9).contains(&size)) {
                    return Err(Error::malformed(format!("scale {scale} of {} elements", input[axis])));
                }
                (shape[axis], scales[axis]) = (size as usize, scale);
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
                scales[axis] = shape[axis] as f32 / input[axis] as f32;
            }
        }
        (Some(_), Some(_)) => return Err(Error::malformed("both scales and sizes")),
        (None, None) => return Err(Error::malformed("neither scales nor sizes")),
    }
    if scales.iter().all(|&s| s == 1.0) {
        return Ok(x);
    }
    let (mut mode, coordinates) = how;
    if legacy && matches!(mode, ResizeMode::Nearest(_)) && scales.iter().any(|&s| s < 1.0) {
        if scales.iter().any(|&s| s > 1.0) {
            return Err(Error::unsupported("enlarging one axis and reducing another (operator set 10, nearest)"));
        }
        mode = ResizeMode::Nearest(Nearest::Ceil);
    }
    let kernel = Kernel::Resize(Resize { mode, coordinates, scales });
    lo.emit(kernel, &[x], lo.dtype(x), &shape)
}
