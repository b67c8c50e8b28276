//! Sampling at places that the network computes.

use super::Inputs;
use super::emit::{Lowerer, not_constant};
use super::index::{concat, slice_axis};
use super::shape::transpose;
use super::spatial::planes;
use super::window::{self, extent};
use crate::{
    Binary, DType, Error, GridMode, GridPadding, GridSample, Kernel, Result, RoiAlign, Tensor, ValueId, Window,
};

/// Most elements of the constants that hold places.
const MAX_PLACES: usize = 1 << 26;

/// Integers are sampled in float32 and truncated, as in ONNX's definition.
pub fn grid_sample(lo: &mut Lowerer, x: ValueId, grid: ValueId, p: GridSample) -> Result<ValueId> {
    let dtype = lo.dtype(x);
    let x = if dtype.is_integer() { lo.cast(x, DType::F32)? } else { x };
    let (n, channels, spatial) = planes(lo.shape(x))?;
    let wrong = || Error::malformed(format!("a grid of shape {:?} for {:?}", lo.shape(grid), lo.shape(x)));
    let &[batch, ref out @ .., rank] = lo.shape(grid) else { return Err(wrong()) };
    if batch != n || rank != spatial.len() || out.len() != rank {
        return Err(wrong());
    }
    let shape = [&[n, channels], out].concat();
    let grid = lo.cast(grid, lo.dtype(x))?;
    let y = lo.emit(Kernel::GridSample(p), &[x, grid], lo.dtype(x), &shape)?;
    lo.cast(y, dtype)
}

/// A product of each matrix with the homogeneous places of all elements.
pub fn affine_grid(lo: &mut Lowerer, theta: ValueId, size: ValueId, align_corners: bool) -> Result<ValueId> {
    let size = lo.ints(size, "size")?;
    let spatial: Vec<usize> = size.iter().skip(2).filter_map(|&n| usize::try_from(n).ok()).collect();
    let rank = spatial.len();
    let &[n, rows, columns] = lo.shape(theta) else {
        return Err(Error::malformed(format!("matrices of shape {:?}", lo.shape(theta))));
    };
    if rank + 2 != size.len() || i64::try_from(n) != Ok(size[0]) || (rows, columns) != (rank, rank + 1) || rank == 0 {
        return Err(Error::malformed(format!("matrices of shape {:?} for size {size:?}", lo.shape(theta))));
    }
    let points = spatial.iter().try_fold(1usize, |a, &b| a.checked_mul(b)).filter(|&p| p <= MAX_PLACES);
    let points = points.ok_or_else(|| Error::limit(format!("a grid of size {size:?}")))?;
    let mut places = Vec::with_capacity(points * (rank + 1));
    for point in 0..points {
        let mut inner = 1;
        for &axis_size in spatial.iter().rev() {
            let (i, n) = ((point / inner % axis_size) as f64, axis_size as f64);
            places.push(match (align_corners, axis_size) {
                (true, 1) => 0.0,
                (true, _) => (2.0 * i / (n - 1.0) - 1.0) as f32,
                (false, _) => ((2.0 * i + 1.0) / n - 1.0) as f32,
            });
            inner *= axis_size;
        }
        places.push(1.0);
    }
    let places = lo.constant(Tensor::from_f32([points, rank + 1], places)?);
    let places = lo.cast(places, lo.dtype(theta))?;
    let kernel = Kernel::MatMul { trans_a: false, trans_b: true, alpha: 1.0 };
    let grid = lo.emit(kernel, &[places, theta], lo.dtype(theta), &[n, points, rank])?;
    lo.reshape(grid, &[&[n], &spatial[..], &[rank]].concat())
}

/// `size` is the output's height and width.
pub fn roi_align(lo: &mut Lowerer, inputs: &Inputs<'_>, p: RoiAlign, size: (usize, usize)) -> Result<ValueId> {
    let (x, rois, batches) = (inputs.need(0)?, inputs.need(1)?, inputs.need(2)?);
    let (&[_, channels, _, _], &[regions, 4], &[given]) = (lo.shape(x), lo.shape(rois), lo.shape(batches)) else {
        return Err(Error::malformed(format!("regions of shape {:?} of {:?}", lo.shape(rois), lo.shape(x))));
    };
    if given != regions {
        return Err(Error::malformed(format!("{given} batch indices for {regions} regions")));
    }
    let (rois, batches) = (lo.cast(rois, lo.dtype(x))?, lo.cast(batches, DType::I64)?);
    lo.emit(Kernel::RoiAlign(p), &[x, rois, batches], lo.dtype(x), &[regions, channels, size.0, size.1])
}

/// Blocks of columns back into an image: a transposed convolution with a kernel of ones at one place each.
pub fn col2im(lo: &mut Lowerer, inputs: &Inputs<'_>, window: &Window) -> Result<ValueId> {
    let x = inputs.need(0)?;
    let sizes = |i: usize, what: &str| {
        let list = lo.ints(inputs.need(i)?, what)?;
        let list: Option<Vec<usize>> = list.iter().map(|&v| usize::try_from(v).ok().filter(|&v| v > 0)).collect();
        list.filter(|l| (1..=3).contains(&l.len()))
            .ok_or_else(|| Error::unsupported(format!("{what} other than 1 to 3 sizes")))
    };
    let (image, block) = (sizes(1, "image_shape")?, sizes(2, "block_shape")?);
    let taps = block.iter().try_fold(1usize, |a, &b| a.checked_mul(b)).filter(|&t| t <= 2048);
    let taps = taps.ok_or_else(|| Error::limit(format!("a block of shape {block:?}")))?;
    let &[n, depth, count] = lo.shape(x) else {
        return Err(Error::malformed(format!("columns of shape {:?}", lo.shape(x))));
    };
    let window = window::resolve(window, &block, &image)?;
    let blocks = window.output(&image, false)?;
    if depth % taps != 0 || blocks.iter().product::<usize>() != count {
        return Err(Error::malformed(format!("columns of shape {:?} of blocks {block:?}", lo.shape(x))));
    }
    let channels = depth / taps;
    let mut pads = Vec::with_capacity(image.len());
    for i in 0..image.len() {
        let full = window.strides[i] * (blocks[i] - 1) + extent(block[i], window.dilations[i])?;
        let before = window.pads[i].0;
        let narrow = |v: usize| isize::try_from(v).map_err(|_| Error::limit("a size"));
        pads.push((before, narrow(full)? - narrow(before)? - narrow(image[i])?));
    }
    let images = n.checked_mul(channels).ok_or_else(|| Error::limit("channels"))?;
    let dtype = lo.dtype(x);
    let mut ones = vec![0.0; taps * taps];
    (0..taps).for_each(|i| ones[i * taps + i] = 1.0);
    let ones = lo.constant(Tensor::from_f32([&[taps, 1], &block[..]].concat(), ones)?);
    let ones = lo.cast(ones, dtype)?;
    let x = lo.reshape(x, &[&[images, taps], &blocks[..]].concat())?;
    let kernel = Kernel::ConvTranspose(crate::ConvTranspose {
        strides: window.strides,
        pads,
        dilations: window.dilations,
        groups: 1,
        activation: None,
    });
    let y = lo.emit(kernel, &[x, ones], dtype, &[&[images, 1], &image[..]].concat())?;
    lo.reshape(y, &[&[n, channels], &image[..]].concat())
}

/// The groups of a deformable convolution.
#[derive(Clone, Copy)]
pub struct Groups {
    /// Of the weights.
    pub weight: usize,
    /// Channels that share their offsets.
    pub offset: usize,
}

/// Deformable convolution: every tap of every output element is sampled from the input (beyond it lie zeros), times the
/// mask, and the samples are multiplied with the weights. The samples are as many times the output's plane as the kernel
/// has taps: what the operator reads.
pub fn deform_conv(lo: &mut Lowerer, inputs: &Inputs<'_>, window: &Window, groups: Groups) -> Result<ValueId> {
    let (x, weight, offset) = (inputs.need(0)?, inputs.need(1)?, inputs.need(2)?);
    let dtype = lo.dtype(x);
    let (n, channels, spatial) = planes(lo.shape(x))?;
    let (spatial, rank) = (spatial.to_vec(), spatial.len());
    let &[outputs, inner, ref kernel @ ..] = lo.shape(weight) else {
        return Err(Error::malformed(format!("weights of shape {:?}", lo.shape(weight))));
    };
    let kernel = kernel.to_vec();
    let Groups { weight: parts, offset: sets } = groups;
    if inner.checked_mul(parts) != Some(channels) || outputs % parts != 0 || channels % sets != 0 {
        return Err(Error::malformed(format!("weights of shape {:?} for {channels} channels", lo.shape(weight))));
    }
    let window = window::resolve(window, &kernel, &spatial)?;
    let size = window.output(&spatial, false)?;
    let taps: usize = kernel.iter().product();
    let offsets = [&[n, sets.saturating_mul(taps).saturating_mul(rank)], &size[..]].concat();
    if lo.shape(offset) != offsets {
        return Err(Error::malformed(format!("offsets of shape {:?}, not {offsets:?}", lo.shape(offset))));
    }
    let batch = n.checked_mul(sets).ok_or_else(|| Error::limit("offset groups"))?;
    // [batch, taps, rank, size...] to [batch, taps, size..., rank], innermost axis first.
    let offset = lo.reshape(offset, &[&[batch, taps, rank], &size[..]].concat())?;
    let mut perm = vec![0, 1];
    perm.extend(3..3 + rank);
    perm.push(2);
    let offset = transpose(lo, offset, Some(&perm))?;
    let axis = 2 + rank;
    let columns = (0..rank).rev().map(|i| slice_axis(lo, offset, axis, i, 1)).collect::<Result<Vec<_>>>()?;
    let offset = concat(lo, &columns, axis as i64)?;
    let (places, scale) = tap_places(&window, &spatial, &size)?;
    let (places, scale) = (lo.constant(places), lo.constant(scale));
    let (places, scale) = (lo.cast(places, dtype)?, lo.cast(scale, dtype)?);
    let offset = lo.binary(Binary::Mul, offset, scale)?;
    let grid = lo.binary(Binary::Add, offset, places)?;
    // The taps lie behind each other along the outermost axis.
    let stacked = [&[taps * size[0]], &size[1..]].concat();
    let grid = lo.reshape(grid, &[&[batch], &stacked[..], &[rank]].concat())?;
    let share = channels / sets;
    let x = lo.reshape(x, &[&[batch, share], &spatial[..]].concat())?;
    let how = GridSample { mode: GridMode::Linear, padding: GridPadding::Zeros, align_corners: false };
    let samples = lo.emit(Kernel::GridSample(how), &[x, grid], dtype, &[&[batch, share], &stacked[..]].concat())?;
    let points: usize = size.iter().product();
    let mut samples = lo.reshape(samples, &[batch, share, taps, points])?;
    if let Some(mask) = inputs.get(4) {
        let mask = lo.reshape(mask, &[batch, 1, taps, points])?;
        samples = lo.binary(Binary::Mul, samples, mask)?;
    }
    let samples = lo.reshape(samples, &[n, parts, inner * taps, points])?;
    let weight = lo.reshape(weight, &[1, parts, outputs / parts, inner * taps])?;
    let product = Kernel::MatMul { trans_a: false, trans_b: false, alpha: 1.0 };
    let y = lo.emit(product, &[weight, samples], dtype, &[n, parts, outputs / parts, points])?;
    let y = lo.reshape(y, &[&[n, outputs], &size[..]].concat())?;
    let Some(bias) = inputs.get(3) else { return Ok(y) };
    let mut column = vec![outputs];
    column.resize(1 + rank, 1);
    let bias = lo.reshape(bias, &column)?;
    lo.binary(Binary::Add, y, bias)
}

/// Where the taps of every output element lie without offsets, `[taps, size..., rank]`, and the factor of the offsets
/// `[rank]`: both in coordinates from -1 to 1, innermost axis first.
fn tap_places(window: &window::Resolved, spatial: &[usize], size: &[usize]) -> Result<(Tensor, Tensor)> {
    let rank = spatial.len();
    let (taps, points): (usize, usize) = (window.kernel.iter().product(), size.iter().product());
    let total = taps.checked_mul(points).and_then(|n| n.checked_mul(rank)).filter(|&n| n <= MAX_PLACES);
    let mut places = Vec::with_capacity(total.ok_or_else(|| Error::limit("the places of a deformable convolution"))?);
    for tap in 0..taps {
        for point in 0..points {
            let (mut inner_tap, mut inner) = (1, 1);
            for i in (0..rank).rev() {
                let k = tap / inner_tap % window.kernel[i];
                let o = point / inner % size[i];
                let at = (o * window.strides[i] + k * window.dilations[i]) as f64 - window.pads[i].0 as f64;
                places.push(((2.0 * at + 1.0) / spatial[i] as f64 - 1.0) as f32);
                inner_tap *= window.kernel[i];
                inner *= size[i];
            }
        }
    }
    let scale: Vec<f32> = spatial.iter().rev().map(|&n| (2.0 / n as f64) as f32).collect();
    let places = Tensor::from_f32([&[taps], size, &[rank]].concat(), places)?;
    Ok((places, Tensor::from_f32([rank], scale)?))
}

/// The inverse of pooling: each element to its place, zeros elsewhere.
pub fn max_unpool(lo: &mut Lowerer, inputs: &Inputs<'_>, window: &Window) -> Result<ValueId> {
    let (x, indices) = (inputs.need(0)?, inputs.need(1)?);
    let (n, channels, spatial) = planes(lo.shape(x))?;
    if lo.shape(indices) != lo.shape(x) {
        return Err(Error::malformed(format!("indices of shape {:?} for {:?}", lo.shape(indices), lo.shape(x))));
    }
    let kernel = window.kernel_shape.as_deref().unwrap_or_default();
    let window = window::resolve(window, kernel, spatial)?;
    let mut shape = vec![n, channels];
    for (i, &size) in spatial.iter().enumerate() {
        let reach = size.checked_sub(1).and_then(|s| s.checked_mul(window.strides[i]));
        let reach = reach.and_then(|r| r.checked_add(window.kernel[i]));
        let (before, after) = window.pads[i];
        let inside = reach.and_then(|r| r.checked_sub(before)).and_then(|r| r.checked_sub(after)).filter(|&r| r > 0);
        shape.push(inside.ok_or_else(|| Error::malformed(format!("an output of no elements (spatial axis {i})")))?);
    }
    super::emit::check_size(&shape)?;
    let dtype = lo.dtype(x);
    let (count, total) = (lo.shape(x).iter().product(), shape.iter().product());
    let zero = lo.number(0.0, dtype)?;
    let zeros = lo.emit(Kernel::Expand, &[zero], dtype, &[total])?;
    let (x, indices) = (lo.reshape(x, &[count])?, lo.reshape(indices, &[count])?);
    let kernel = Kernel::ScatterElements { axis: 0, combine: crate::Combine::None };
    let y = lo.emit(kernel, &[zeros, indices, x], dtype, &[total])?;
    let y = lo.reshape(y, &shape)?;
    let Some(target) = inputs.get(2) else { return Ok(y) };
    if lo.constant_of(target).is_none() {
        return Err(not_constant("output_shape"));
    }
    let target = lo.ints(target, "output_shape")?;
    let grown: Option<Vec<(usize, usize)>> = shape
        .iter()
        .zip(&target)
        .map(|(&have, &want)| Some((0, usize::try_from(want).ok()?.checked_sub(have)?)))
        .collect();
    let pads = grown.filter(|_| target.len() == shape.len());
    let pads = pads.ok_or_else(|| Error::malformed(format!("output_shape {target:?} for {shape:?}")))?;
    let wanted: Vec<usize> = shape.iter().zip(&pads).map(|(size, pad)| size + pad.1).collect();
    if wanted == shape {
        return Ok(y);
    }
    lo.emit(Kernel::Pad { pads, mode: crate::PadMode::Constant(0.0) }, &[y], dtype, &wanted)
}
