//! Sums of windows over a ring of slices: slice `z` of the grid lies at `z` modulo the slices kept.

use netra_graph::volumes::{ChannelActivation, LabelGrid, Labelling, Meeting, Window};
use netra_graph::{DType, Error, Result};

use super::decide::Winners;
use super::{fresh, space, three};
use crate::gpu::{Buffer, Gpu};
use crate::kernels::grid::{OverlapLaunch, add_kernel, weigh_kernel};
use crate::kernels::labels::{
    SpanLaunch, divide_kernel, exponential_kernel, level_kernel, most_kernel, sigmoid_kernel,
};
use crate::value::{Value, count};

/// A channel that a part of an output does not have.
const ABSENT: u32 = u32::MAX;

/// The sum of windows' outputs, and of their weights where they are blended.
pub(super) struct Ring {
    /// `[1, channels, slots, rows, columns]`.
    pub value: Value,
    /// For each channel that of the network's output.
    chosen: Vec<usize>,
    /// Of the slots, where labels lie between them.
    pub winners: Winners,
    blend: Option<Blend>,
}

struct Blend {
    weights: Buffer,
    /// Slices, rows, columns of a window.
    window: [usize; 3],
    /// Weights summed, `[slots, rows, columns]`.
    total: Buffer,
}

/// The ring that a labelling needs: channels, slots, rows, columns.
pub(super) fn shape(l: &Labelling<'_>) -> [usize; 5] {
    // Between two slabs, interpolation reads the last slice of the one and the first of the other.
    let interpolated = usize::from(matches!(l.grid, LabelGrid::Linear(_)));
    let slots = (l.window_slices + interpolated).min(l.shape[0]);
    [1, l.chosen.as_ref().map_or(l.channels, Vec::len), slots, l.shape[1], l.shape[2]]
}

impl Ring {
    pub fn new(gpu: &Gpu, l: &Labelling<'_>) -> Result<Self> {
        let value = fresh(gpu, &shape(l))?;
        let linear = matches!(l.grid, LabelGrid::Linear(_));
        let winners = Winners::new(gpu, if linear { count(&value.shape[2..]) } else { 0 });
        let chosen = l.chosen.clone().unwrap_or_else(|| (0..l.channels).collect());
        let blend = match l.meeting {
            Meeting::Beside { .. } => None,
            Meeting::Blended(weights) => {
                let (&[d, h, w], DType::F32, Some(numbers)) = (weights.shape(), weights.dtype(), weights.as_f32())
                else {
                    return Err(Error::invalid(format!("weights of shape {:?}", weights.shape())));
                };
                let voxels = count(&value.shape[2..]);
                let total = gpu.empty(voxels);
                gpu.fill(&total, voxels, 0);
                for part in &value.parts {
                    gpu.fill(&part.buffer, part.channels * voxels, 0);
                }
                Some(Blend { weights: gpu.upload(numbers), window: [d, h, w], total })
            }
        };
        Ok(Self { value, chosen, winners, blend })
    }

    /// Adds a window's output, or puts it in its place.
    pub fn add(&self, gpu: &Gpu, output: &Value, window: &Window) -> Result<()> {
        let size = space(&output.shape)?;
        if self.blend.as_ref().is_some_and(|blend| blend.window != size) {
            return Err(Error::invalid(format!("weights for windows of another size than {size:?}")));
        }
        let ring = [self.value.shape[2], self.value.shape[3], self.value.shape[4]];
        let own: [usize; 3] = std::array::from_fn(|axis| window.own[axis].len());
        let start: [usize; 3] = std::array::from_fn(|axis| window.own[axis].start);
        // Both lie inside the window.
        let within: [usize; 3] = std::array::from_fn(|axis| (start[axis] as isize - window.start[axis]) as usize);
        let overlap = || OverlapLaunch::new(three(own), three(within), three(start), three(size), three(ring));
        let voxels = count(&own);
        for to in &self.value.parts {
            for from in &output.parts {
                let channels = &self.chosen[to.start..to.start + to.channels];
                let table: Vec<u32> = channels
                    .iter()
                    .map(|&c| c.checked_sub(from.start).filter(|&c| c < from.channels).map_or(ABSENT, |c| c as u32))
                    .collect();
                if table.iter().all(|&channel| channel == ABSENT) {
                    continue;
                }
                let total = voxels * to.channels;
                let (cubes, dim) = gpu.grid(total);
                let weights = Buffer::optional(self.blend.as_ref().map(|blend| &blend.weights));
                let (x, table, sum) = (from.buffer.arg(), gpu.upload(&table).arg(), to.buffer.arg());
                add_kernel::launch(&gpu.client, cubes, dim, x, weights.into(), table, sum, total, voxels, overlap());
            }
        }
        if let Some(blend) = &self.blend {
            let (cubes, dim) = gpu.grid(voxels);
            let (weights, total) = (blend.weights.arg(), blend.total.arg());
            weigh_kernel::launch(&gpu.client, cubes, dim, weights, total, voxels, overlap());
        }
        Ok(())
    }

    /// Makes means of the sums of slices that no window will reach any more.
    pub fn divide(&self, gpu: &Gpu, slices: std::ops::Range<usize>) {
        if let Some(blend) = &self.blend {
            let run = Run::of(&self.value, slices);
            for part in &self.value.parts {
                let (cubes, dim) = gpu.grid(run.voxels());
                let span = run.span(part.channels);
                divide_kernel::launch(&gpu.client, cubes, dim, part.buffer.arg(), blend.total.arg(), span);
            }
        }
    }

    /// Makes room for other slices.
    pub fn clear(&self, gpu: &Gpu, slices: std::ops::Range<usize>) {
        if let Some(blend) = &self.blend {
            let run = Run::of(&self.value, slices);
            let sums = self.value.parts.iter().map(|part| (&part.buffer, part.channels));
            for (buffer, channels) in sums.chain([(&blend.total, 1)]) {
                let (cubes, dim) = gpu.grid(run.voxels());
                level_kernel::launch(&gpu.client, cubes, dim, buffer.arg(), 0.0, run.span(channels));
            }
        }
    }
}

/// Slices of a ring `[1, channels, (slots,) rows, columns]`.
pub(super) struct Run {
    slices: std::ops::Range<usize>,
    slots: usize,
    plane: usize,
}

impl Run {
    pub fn of(value: &Value, slices: std::ops::Range<usize>) -> Self {
        let plane = value.shape.iter().rev().take(2).product();
        Self { slices, slots: count(&value.shape[2..]) / plane, plane }
    }

    pub fn voxels(&self) -> usize {
        self.slices.len() * self.plane
    }

    pub fn span(&self, channels: usize) -> SpanLaunch {
        SpanLaunch::new(self.voxels(), self.slices.start % self.slots, self.slots, self.plane, channels)
    }
}

/// Turns channels into probabilities, in place.
pub(super) fn activate(gpu: &Gpu, value: &Value, run: &Run, activation: ChannelActivation) {
    let launch = || gpu.grid(run.voxels());
    let c = &gpu.client;
    if activation == ChannelActivation::Sigmoid {
        for part in &value.parts {
            let (cubes, dim) = launch();
            sigmoid_kernel::launch(c, cubes, dim, part.buffer.arg(), run.span(part.channels));
        }
        return;
    }
    let voxels = run.slots * run.plane;
    let (most, sum) = (gpu.empty(voxels), gpu.empty(voxels));
    gpu.fill(&most, voxels, f32::NEG_INFINITY.to_bits());
    gpu.fill(&sum, voxels, 0);
    for part in &value.parts {
        let (cubes, dim) = launch();
        most_kernel::launch(c, cubes, dim, part.buffer.arg(), most.arg(), run.span(part.channels));
    }
    for part in &value.parts {
        let ((cubes, dim), x, span) = (launch(), part.buffer.arg(), run.span(part.channels));
        exponential_kernel::launch(c, cubes, dim, x, most.arg(), sum.arg(), span);
    }
    for part in &value.parts {
        let (cubes, dim) = launch();
        divide_kernel::launch(c, cubes, dim, part.buffer.arg(), sum.arg(), run.span(part.channels));
    }
}
