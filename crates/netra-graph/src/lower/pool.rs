//! Pooling.

use super::emit::Lowerer;
use super::spatial::planes;
use super::window;
use crate::{Binary, Conv, DType, Error, Kernel, Pool, Reduction, Result, Unary, ValueId, Window};

/// Integers of 8 bits are exact in float32.
pub fn max(lo: &mut Lowerer, x: ValueId, window: &Window, ceil_mode: bool) -> Result<ValueId> {
    let dtype = lo.dtype(x);
    let x = if matches!(dtype, DType::I8 | DType::U8) { lo.cast(x, DType::F32)? } else { x };
    let (pool, shape) = resolve(lo, x, window, ceil_mode)?;
    let y = lo.emit(Kernel::MaxPool(pool), &[x], lo.dtype(x), &shape)?;
    lo.cast(y, dtype)
}

/// Where the largest elements are, as offsets in the whole tensor.
pub fn max_indices(
    lo: &mut Lowerer,
    x: ValueId,
    window: &Window,
    ceil_mode: bool,
    column_major: bool,
) -> Result<ValueId> {
    let x = if matches!(lo.dtype(x), DType::I8 | DType::U8) { lo.cast(x, DType::F32)? } else { x };
    let (pool, shape) = resolve(lo, x, window, ceil_mode)?;
    lo.emit(Kernel::MaxPoolIndices { pool, column_major }, &[x], DType::I64, &shape)
}

pub fn average(
    lo: &mut Lowerer,
    x: ValueId,
    window: &Window,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Result<ValueId> {
    let (pool, shape) = resolve(lo, x, window, ceil_mode)?;
    lo.emit(Kernel::AveragePool { pool, count_include_pad }, &[x], lo.dtype(x), &shape)
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
    lo.emit(Kernel::Reduce { reduction, axes }, &[x], lo.dtype(x), &shape)
}

/// The norm of order `p` of each window: powers, summed by a convolution with ones, and the root.
pub fn lp(lo: &mut Lowerer, x: ValueId, window: &Window, ceil_mode: bool, p: u32) -> Result<ValueId> {
    let (mut pool, shape) = resolve(lo, x, window, ceil_mode)?;
    let (n, channels, spatial) = planes(lo.shape(x))?;
    // A window past the padded input (ceil mode) sees more zeros.
    for (i, pads) in pool.pads.iter_mut().enumerate() {
        let reach = (shape[i + 2] - 1) * pool.strides[i] + window::extent(pool.kernel[i], pool.dilations[i])?;
        pads.1 = pads.1.max(reach.saturating_sub(spatial[i] + pads.0));
    }
    let images = n.checked_mul(channels).ok_or_else(|| Error::limit("channels"))?;
    let flat = [&[images, 1], spatial].concat();
    let summed = [&[images, 1], &shape[2..]].concat();
    let ones = lo.number(1.0, lo.dtype(x))?;
    let dtype = lo.dtype(x);
    let kernel_shape = [&[1, 1], &pool.kernel[..]].concat();
    let ones = lo.emit(Kernel::Expand, &[ones], dtype, &kernel_shape)?;
    let powers = power(lo, x, p)?;
    let powers = lo.reshape(powers, &flat)?;
    let conv = Conv { strides: pool.strides, pads: pool.pads, dilations: pool.dilations, groups: 1, activation: None };
    let sums = lo.emit(Kernel::Conv(conv), &[powers, ones], dtype, &summed)?;
    let sums = lo.reshape(sums, &shape)?;
    root(lo, sums, p)
}

/// The norm of order `p` over all spatial axes.
pub fn global_lp(lo: &mut Lowerer, x: ValueId, p: u32) -> Result<ValueId> {
    match p {
        1 => global(lo, x, Reduction::L1),
        2 => global(lo, x, Reduction::L2),
        _ => {
            let powers = power(lo, x, p)?;
            let sum = global(lo, powers, Reduction::Sum)?;
            root(lo, sum, p)
        }
    }
}

/// `|x|^p`.
fn power(lo: &mut Lowerer, x: ValueId, p: u32) -> Result<ValueId> {
    if p == 2 {
        return lo.binary(Binary::Mul, x, x);
    }
    let size = lo.unary(Unary::Abs, x)?;
    if p == 1 {
        return Ok(size);
    }
    let order = lo.number(p.into(), lo.dtype(x))?;
    lo.binary(Binary::Pow, size, order)
}

fn root(lo: &mut Lowerer, x: ValueId, p: u32) -> Result<ValueId> {
    match p {
        1 => Ok(x),
        2 => lo.unary(Unary::Sqrt, x),
        _ => {
            let order = lo.number(1.0 / f64::from(p), lo.dtype(x))?;
            lo.binary(Binary::Pow, x, order)
        }
    }
}
