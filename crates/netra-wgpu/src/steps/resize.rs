//! Resampling: tables of source indices and weights are made on the host, where coordinates are exact, and each axis is
//! resampled in turn.

use netra_graph::{Resize, Taps};

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

/// Why a resize cannot run.
pub(crate) fn check(p: &Resize, input: &[usize], output: &[usize], in_parts: bool) -> Result<(), String> {
    // An axis that changes has another size, another scale than 1, or a crop.
    let changes = input.get(1) != output.get(1)
        || p.scales.get(1).is_some_and(|&s| s != 1.0)
        || p.crop.get(1).is_some_and(|&c| c != (0.0, 1.0));
    if in_parts && changes { Err("channels of a tensor larger than a buffer".into()) } else { Ok(()) }
}

/// Tables of the axes that change, those that shrink most first, so that no intermediate is larger than both ends.
pub(crate) fn tables(gpu: &Gpu, p: &Resize, input: &[usize], output: &[usize]) -> Vec<Table> {
    let changed = p.tables(input, output).into_iter().enumerate();
    let mut tables: Vec<(usize, Vec<Taps>)> = changed.filter_map(|(axis, table)| Some((axis, table?))).collect();
    tables.sort_by(|(a, _), (b, _)| {
        let growth = |axis: usize| output[axis] as f64 / input[axis].max(1) as f64;
        growth(*a).total_cmp(&growth(*b))
    });
    let upload = |(axis, table): (usize, Vec<Taps>)| {
        // The kernel takes a single tap as it is: with an element outside a crop, whose weight is 0, there are two.
        let least = if table.iter().any(Vec::is_empty) { 2 } else { 1 };
        let taps = table.iter().map(Vec::len).max().unwrap_or(1).max(least);
        let (mut indices, mut weights) = (Vec::new(), Vec::new());
        for list in &table {
            let filled = list.iter().copied().chain(std::iter::repeat((list.first().map_or(0, |t| t.0), 0.0)));
            for (index, weight) in filled.take(taps) {
                indices.push(index as u32);
                weights.push(weight as f32);
            }
        }
        Table { axis, size: output[axis], taps, indices: gpu.upload(&indices), weights: gpu.upload(&weights) }
    };
    tables.into_iter().map(upload).collect()
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
