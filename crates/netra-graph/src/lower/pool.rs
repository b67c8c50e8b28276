//! Pooling.

use super::emit::Lowerer;
use super::spatial::planes;
use super::window;
use crate::{DType, Error, Kernel, Pool, Reduction, Result, ValueId, Window};

pub fn max(lo: &mut Lowerer, x: ValueId, window: &Window, ceil_mode: bool) -> Result<ValueId> {
    let (pool, shape) = resolve(lo, x, window, ceil_mode)?;
    lo.emit(Kernel::MaxPool(pool), &[x], DType::F32, &shape)
}

pub fn average(
    lo: &mut Lowerer,
    x: ValueId,
    window: &Window,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Result<ValueId> {
    let (pool, shape) = resolve(lo, x, window, ceil_mode)?;
    lo.emit(Kernel::AveragePool { pool, count_include_pad }, &[x], DType::F32, &shape)
}

fn resolve(lo: &Lowerer, x: ValueId, window: &Window, ceil_mode: bool) -> Result<(Pool, Vec<usize>)> {
    let (n, channels, spatial) = planes(lo.shape(x))?;
    let kernel = window.kernel_shape.as_deref().unwrap_or_default();
    let window = window::resolve(window, kernel, spatial)?;
    for (i, &(before, after)) in window.pads.iter().enumerate() {
        // Otherwise a window could see no element at all.
        if before.max(after) >= window::extent(window.kernel[i], window.dilations[i])? {
            return Err(Error::malformed(format!("padding {:?} of a window {:?}", window.pads, window.kernel)));
        }
    }
    let shape = [vec![n, channels], window.output(spatial, ceil_mode)?].concat();
    let pool = Pool { kernel: window.kernel, strides: window.strides, pads: window.pads, dilations: window.dilations };
    Ok((pool, shape))
}

/// Over all spatial axes, which stay with size 1.
pub fn global(lo: &mut Lowerer, x: ValueId, reduction: Reduction) -> Result<ValueId> {
    let (n, channels, spatial) = planes(lo.shape(x))?;
    let mut shape = vec![n, channels];
    shape.resize(2 + spatial.len(), 1);
    let axes = (2..shape.len()).collect();
    lo.emit(Kernel::Reduce { reduction, axes }, &[x], DType::F32, &shape)
}
