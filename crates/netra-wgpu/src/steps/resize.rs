//! Resampling: tables of source indices and weights are made on the host, where coordinates are exact, and each axis is
//! resampled in turn.

use netra_graph::{Coordinates, Nearest, Resize, ResizeMode};

use super::view::{contiguous, empty};
use crate::gpu::{Buffer, Gpu};
use crate::kernels::movement::resample_kernel;
use crate::value::{Value, count, with_channels};

/// One axis to resample.
pub(crate) struct Table {
    axis: usize,
    size: usize,
    taps: usize,
    indices: Buffer,
    weights: Buffer,
}

/// Where output index `o` lies in the input (ONNX `coordinate_transformation_mode`).
fn coordinate(rule: Coordinates, o: usize, scale: f64, input: usize, output: usize) -> Option<f64> {
    let (o, size_in, size_out) = (o as f64, input as f64, output as f64);
    let half_pixel = (o + 0.5) / scale - 0.5;
    Some(match rule {
        Coordinates::HalfPixel => half_pixel,
        Coordinates::HalfPixelSymmetric => size_in / 2.0 * (1.0 - size_out / (scale * size_in)) + half_pixel,
        Coordinates::PytorchHalfPixel if output > 1 => half_pixel,
        Coordinates::AlignCorners if output > 1 => o * (size_in - 1.0) / (size_out - 1.0),
        Coordinates::PytorchHalfPixel | Coordinates::AlignCorners => 0.0,
        Coordinates::Asymmetric => o / scale,
        _ => return None,
    })
}

/// Unclamped source indices and weights at coordinate `x`.
fn taps(mode: ResizeMode, x: f64, input: usize) -> Option<Vec<(f64, f64)>> {
    let (base, t) = (x.floor(), x - x.floor());
    Some(match mode {
        ResizeMode::Nearest(rule) => {
            let index = match rule {
                Nearest::RoundPreferFloor => (x - 0.5).ceil(),
                Nearest::RoundPreferCeil => (x + 0.5).floor(),
                Nearest::Floor => base,
                Nearest::Ceil => x.ceil(),
            };
            vec![(index, 1.0)]
        }
        ResizeMode::Linear => vec![(base, 1.0 - t), (base + 1.0, t)],
        ResizeMode::Cubic { a, exclude_outside } => {
            let a = f64::from(a);
            // Keys' kernel at distance d.
            let weight = |d: f64| match d.abs() {
                d if d <= 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
                d if d < 2.0 => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
                _ => 0.0,
            };
            let mut taps: Vec<_> = (-1..3).map(|k| (base + f64::from(k), weight(t - f64::from(k)))).collect();
            if exclude_outside {
                taps.iter_mut().filter(|(i, _)| !(0.0..input as f64).contains(i)).for_each(|(_, w)| *w = 0.0);
                let sum: f64 = taps.iter().map(|(_, w)| w).sum();
                taps.iter_mut().for_each(|(_, w)| *w /= sum);
            }
            taps
        }
        _ => return None,
    })
}

/// Axes that change. An axis of equal size under a scale of 1 does not.
fn changes(p: &Resize, input: &[usize], output: &[usize]) -> Vec<usize> {
    (0..input.len()).filter(|&a| input[a] != output[a] || p.scales.get(a) != Some(&1.0)).collect()
}

/// Why a resize cannot run.
pub(crate) fn check(p: &Resize, input: &[usize], output: &[usize], in_parts: bool) -> Result<(), String> {
    if in_parts && changes(p, input, output).contains(&1) {
        return Err("channels of a tensor larger than a buffer".into());
    }
    let known = coordinate(p.coordinates, 0, 1.0, 1, 1).is_some() && taps(p.mode, 0.0, 1).is_some();
    if known { Ok(()) } else { Err(format!("{:?} with {:?}", p.mode, p.coordinates)) }
}

/// Tables of the axes that change, those that shrink most first, so that no intermediate is larger than both ends.
pub(crate) fn tables(gpu: &Gpu, p: &Resize, input: &[usize], output: &[usize]) -> Vec<Table> {
    let mut axes = changes(p, input, output);
    axes.sort_by(|&a, &b| {
        let growth = |axis: usize| output[axis] as f64 / input[axis].max(1) as f64;
        growth(a).total_cmp(&growth(b))
    });
    let table = |axis: usize| {
        let (size_in, size_out) = (input[axis], output[axis]);
        let scale = f64::from(p.scales.get(axis).copied().unwrap_or(1.0));
        let (mut indices, mut weights) = (Vec::new(), Vec::new());
        for o in 0..size_out {
            let x = coordinate(p.coordinates, o, scale, size_in, size_out)?;
            for (index, weight) in taps(p.mode, x, size_in)? {
                indices.push(index.clamp(0.0, size_in as f64 - 1.0) as u32);
                weights.push(weight as f32);
            }
        }
        let taps = indices.len() / size_out.max(1);
        Some(Table { axis, size: size_out, taps, indices: gpu.upload(&indices), weights: gpu.upload(&weights) })
    };
    axes.into_iter().filter_map(table).collect()
}

/// Resamples part by part.
pub(crate) fn run(gpu: &Gpu, x: &Value, tables: &[Table], shape: &[usize]) -> Value {
    let mut out = empty(gpu, shape);
    let channels = x.shape.get(1).copied().unwrap_or(1);
    for part in &mut out.parts {
        let taken = if shape.get(1) == Some(&part.channels) { channels } else { part.channels };
        let mut sizes = with_channels(&x.shape, taken);
        let mut buffer = contiguous(gpu, x, part.start, taken);
        for table in tables {
            let inner = count(&sizes[table.axis + 1..]);
            let size_in = std::mem::replace(&mut sizes[table.axis], table.size);
            let total = count(&sizes);
            let next = gpu.empty(total);
            if total > 0 {
                let (cubes, dim) = gpu.grid(total);
                let (c, x, out) = (&gpu.client, buffer.arg(), next.arg());
                let (indices, weights) = (table.indices.arg(), table.weights.arg());
                resample_kernel::launch(
                    c, cubes, dim, x, indices, weights, out, total, size_in, table.size, inner, table.taps,
                );
            }
            buffer = next;
        }
        part.buffer = buffer;
    }
    out
}
