//! Sampling at given places.

use super::index::{each, strides};
use super::{floats, from_floats};
use crate::{Error, GridMode, GridPadding, GridSample, Result, RoiAlign, Tensor};

/// Most samples along one axis of a region's bin.
const MAX_SAMPLES: f64 = 4096.0;

pub fn grid_sample(p: &GridSample, x: &Tensor, grid: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let (values, places) = (floats(x)?, floats(grid)?);
    let sizes = &x.shape()[2..];
    let (rank, steps) = (sizes.len(), strides(sizes));
    let plane: usize = sizes.iter().product();
    let (channels, points) = (shape[1], shape[2..].iter().product::<usize>());
    let mut out = vec![0.0; shape.iter().product()];
    for n in 0..shape[0] {
        for point in 0..points {
            let at = &places[(n * points + point) * rank..][..rank];
            // Offsets and weights, one axis after the other; the grid names the innermost axis first.
            let mut taps = vec![(0usize, 1.0)];
            for axis in 0..rank {
                let along = axis_taps(p, at[rank - 1 - axis], sizes[axis]);
                let mut next = Vec::with_capacity(taps.len() * along.len());
                for &(o, w) in &taps {
                    next.extend(along.iter().map(|&(i, v)| (o + i * steps[axis], w * v)));
                }
                taps = next;
            }
            for c in 0..channels {
                let base = (n * channels + c) * plane;
                out[(n * channels + c) * points + point] = taps.iter().map(|&(o, w)| values[base + o] * w).sum();
            }
        }
    }
    from_floats(x, shape, out)
}

/// Indices inside the axis, and weights, at normalised coordinate `at`.
fn axis_taps(p: &GridSample, at: f64, size: usize) -> Vec<(usize, f64)> {
    let n = size as f64;
    let x = if p.align_corners { (at + 1.0) / 2.0 * (n - 1.0) } else { ((at + 1.0) * n - 1.0) / 2.0 };
    if !x.is_finite() {
        return Vec::new();
    }
    let (base, t) = (x.floor(), x - x.floor());
    let taps: Vec<(f64, f64)> = match p.mode {
        GridMode::Nearest => vec![(x.round_ties_even(), 1.0)],
        GridMode::Linear => vec![(base, 1.0 - t), (base + 1.0, t)],
        GridMode::Cubic => {
            let near = |d: f64| (1.25 * d - 2.25) * d * d + 1.0;
            let far = |d: f64| ((-0.75 * d + 3.75) * d - 6.0) * d + 3.0;
            vec![(base - 1.0, far(1.0 + t)), (base, near(t)), (base + 1.0, near(1.0 - t)), (base + 2.0, far(2.0 - t))]
        }
    };
    let inside = |i: f64| match p.padding {
        GridPadding::Zeros => (0.0..n).contains(&i).then_some(i),
        GridPadding::Border => Some(i.clamp(0.0, n - 1.0)),
        GridPadding::Reflection => Some(reflect(i, n, p.align_corners)),
    };
    taps.into_iter().filter_map(|(i, w)| Some((inside(i)? as usize, w))).collect()
}

/// Mirrors an index back inside: about the centres of the outermost elements, or about their outer edges.
fn reflect(i: f64, n: f64, about_centres: bool) -> f64 {
    let (low, high) = if about_centres { (0.0, n - 1.0) } else { (-0.5, n - 0.5) };
    let range = high - low;
    if range <= 0.0 {
        return 0.0;
    }
    let distance = (i - low).rem_euclid(2.0 * range);
    let mirrored = low + if distance > range { 2.0 * range - distance } else { distance };
    mirrored.clamp(0.0, n - 1.0)
}

pub fn roi_align(p: &RoiAlign, x: &Tensor, rois: &Tensor, batches: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let (values, rois) = (floats(x)?, floats(rois)?);
    let batches = batches.to_i64s().ok_or_else(|| Error::malformed("batch indices are integers"))?;
    let &[images, channels, height, width] = x.shape() else { return Err(Error::malformed("x has four axes")) };
    let plane = height * width;
    let mut out = Vec::with_capacity(shape.iter().product());
    let mut failed = None;
    let mut taps = Vec::new();
    let mut region = usize::MAX;
    each(shape, |o| {
        if failed.is_some() {
            return;
        }
        if region != o[0] {
            region = o[0];
            let at = &rois[4 * region..][..4];
            let place = usize::try_from(batches[region]).ok().filter(|&b| b < images);
            match place.ok_or_else(|| Error::malformed(format!("image {} of {images}", batches[region]))) {
                Ok(image) => match bins(p, at, (height, width), (shape[2], shape[3])) {
                    Ok(bins) => taps = bins.into_iter().map(|bin| (image, bin)).collect(),
                    Err(e) => failed = Some(e),
                },
                Err(e) => failed = Some(e),
            }
            if failed.is_some() {
                return;
            }
        }
        let (image, bin) = &taps[o[2] * shape[3] + o[3]];
        let base = (image * channels + o[1]) * plane;
        let weighted = bin.iter().map(|&(i, w)| values[base + i] * w);
        out.push(if bin.is_empty() {
            0.0
        } else if p.max {
            // As ONNX's own definition: of the weighted corners, not of the samples that they add up to.
            weighted.fold(f64::NEG_INFINITY, f64::max)
        } else {
            weighted.sum::<f64>() / (bin.len() / 4) as f64
        });
    });
    match failed {
        Some(e) => Err(e),
        None => from_floats(x, shape, out),
    }
}

/// For each bin of a region the offsets and weights of its samples, four neighbours each.
fn bins(p: &RoiAlign, roi: &[f64], input: (usize, usize), output: (usize, usize)) -> Result<Vec<Vec<(usize, f64)>>> {
    let offset = if p.half_pixel { 0.5 } else { 0.0 };
    let scaled = |v: f64| v * f64::from(p.spatial_scale) - offset;
    let axis = |from: f64, to: f64, size: usize, bins: usize| -> Result<(f64, f64, usize)> {
        let (start, mut length) = (scaled(from), scaled(to) - scaled(from));
        if !p.half_pixel {
            length = length.max(1.0);
        }
        let bin = length / bins as f64;
        let samples = if p.sampling_ratio > 0 { p.sampling_ratio as f64 } else { bin.ceil() };
        if samples > MAX_SAMPLES || !start.is_finite() {
            return Err(Error::limit(format!("a region of {length} elements over {size}")));
        }
        Ok((start, bin, samples as usize))
    };
    let (y0, bin_h, rows) = axis(roi[1], roi[3], input.0, output.0)?;
    let (x0, bin_w, columns) = axis(roi[0], roi[2], input.1, output.1)?;
    let mut all = Vec::with_capacity(output.0 * output.1);
    for i in 0..output.0 {
        for j in 0..output.1 {
            let mut bin = Vec::with_capacity(4 * rows * columns);
            for r in 0..rows {
                let ys = neighbours(y0 + bin_h * (i as f64 + (r as f64 + 0.5) / rows as f64), input.0);
                for c in 0..columns {
                    let xs = neighbours(x0 + bin_w * (j as f64 + (c as f64 + 0.5) / columns as f64), input.1);
                    match (ys, xs) {
                        (Some(ys), Some(xs)) => {
                            bin.extend(ys.iter().flat_map(|y| xs.map(|x| (y.0 * input.1 + x.0, y.1 * x.1))));
                        }
                        // Outside: counts as a sample of 0.
                        _ => bin.extend([(0, 0.0); 4]),
                    }
                }
            }
            all.push(bin);
        }
    }
    Ok(all)
}

/// The two indices about coordinate `x`, and their weights; none far outside.
fn neighbours(x: f64, size: usize) -> Option<[(usize, f64); 2]> {
    if !(-1.0..=size as f64).contains(&x) {
        return None;
    }
    let low = x.max(0.0) as usize;
    if low + 1 >= size {
        return Some([(size - 1, 1.0), (size - 1, 0.0)]);
    }
    let t = x.max(0.0) - low as f64;
    Some([(low, 1.0 - t), (low + 1, t)])
}
