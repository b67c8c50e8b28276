//! A labelling in progress: windows in, labels out.

use netra_graph::volumes::{
    ChannelActivation, Decision, DeviceVolume, GridMap, LabelGrid, Labeller, Labelling, Labels, Meeting, Window,
};
use netra_graph::{Error, Executable, Result};

use super::decide::{self, Between, LabelMap, Winners};
use super::ring::{self, Ring, Run, activate};
use super::tables::Tables;
use super::{check, issue, space};
use crate::executable::WgpuExecutable;
use crate::gpu::Gpu;
use crate::value::{Value, count};

/// Labels from windows, each of which is either decided as it comes, or summed with others first.
pub(super) struct GpuLabeller<'a> {
    gpu: &'a Gpu,
    channels: usize,
    shape: [usize; 3],
    activation: Option<ChannelActivation>,
    decision: Decision,
    outside: u16,
    confidence: bool,
    /// `None` where windows are decided as they come.
    ring: Option<Ring>,
    grid: Grid,
    labels: LabelMap,
    /// Slices before this one were decided.
    finished: usize,
}

/// Where labels are decided, and taken.
enum Grid {
    Own,
    Nearest(GridMap),
    Linear(Box<Tables>),
}

/// Whether windows are decided as they come: each voxel needs no more than what one of them holds.
fn at_once(l: &Labelling<'_>) -> bool {
    match l.meeting {
        Meeting::Blended(_) => false,
        Meeting::Beside { windows } => l.chosen.is_none() && (windows == 1 || !matches!(l.grid, LabelGrid::Linear(_))),
    }
}

/// See [`Volumes::labelling_bytes`](netra_graph::Volumes::labelling_bytes).
pub(super) fn bytes(gpu: &Gpu, l: &Labelling<'_>) -> Result<u64> {
    let ring = ring::shape(l);
    let voxels = 4 * count(&ring[2..]) as u64;
    let mut bytes = match l.activation {
        Some(ChannelActivation::Softmax) => 2 * voxels,
        _ => 0,
    };
    if !at_once(l) {
        check(gpu, &ring)?;
        bytes += 4 * count(&ring) as u64;
    }
    if let Meeting::Blended(weights) = l.meeting {
        bytes += voxels + 4 * count(weights.shape()) as u64;
    }
    bytes += match &l.grid {
        LabelGrid::Own => decide::bytes(gpu, l.shape)?,
        LabelGrid::Nearest(to) => decide::bytes(gpu, l.shape)? + decide::bytes(gpu, to.shape)?,
        // The winners of each voxel, and their values, beside.
        LabelGrid::Linear(to) => 2 * voxels + decide::bytes(gpu, to.shape)?,
    };
    Ok(bytes)
}

impl<'a> GpuLabeller<'a> {
    pub fn new(gpu: &'a Gpu, l: &Labelling<'_>) -> Result<Self> {
        let candidates = l.chosen.as_ref().map_or(l.channels, Vec::len);
        if candidates == 0 || candidates > usize::from(u16::MAX) {
            return Err(Error::unsupported(format!("{candidates} channels as labels")));
        }
        if let Some(missing) = l.chosen.iter().flatten().find(|&&channel| channel >= l.channels) {
            return Err(Error::invalid(format!("channel {missing} of a network output of {}", l.channels)));
        }
        let (grid, labels) = match &l.grid {
            LabelGrid::Own => (Grid::Own, l.shape),
            LabelGrid::Nearest(to) => (Grid::Nearest(to.clone()), l.shape),
            LabelGrid::Linear(to) => (Grid::Linear(Box::new(Tables::new(gpu, to))), to.shape),
        };
        // What is made at the end has to fit as well.
        if let Grid::Nearest(to) = &grid {
            decide::fitting(gpu, to.shape)?;
        }
        Ok(Self {
            gpu,
            channels: l.channels,
            shape: l.shape,
            activation: l.activation,
            decision: l.decision,
            outside: l.outside,
            confidence: l.confidence,
            ring: if at_once(l) { None } else { Some(Ring::new(gpu, l)?) },
            grid,
            labels: LabelMap::new(gpu, labels, l.outside)?,
            finished: 0,
        })
    }

    fn take(&mut self, executable: &WgpuExecutable, output: usize, input: &DeviceVolume, w: &Window) -> Result<()> {
        let gpu = self.gpu;
        executable.run_resident(output, |place| gpu.cut(input, w, place), |value| self.decide(value, w, executable))
    }

    /// Takes the output of a window.
    fn decide(&mut self, value: &Value, w: &Window, executable: &WgpuExecutable) -> Result<()> {
        let window = executable.program().inputs.first().map(|&id| &executable.program().value(id).shape);
        let size = space(window.ok_or_else(|| Error::invalid("a network without an input"))?)?;
        if value.shape.get(1) != Some(&self.channels) || space(&value.shape)? != size {
            let made = &value.shape;
            return Err(Error::unsupported(format!("windows of size {size:?} that become outputs of shape {made:?}")));
        }
        match &self.ring {
            None => self.decide_window(value, w, size),
            Some(ring) => {
                ring.add(self.gpu, value, w)?;
                if w.finished > self.finished {
                    self.decide_slices(ring, w.finished);
                    self.finished = w.finished;
                }
            }
        }
        Ok(())
    }

    /// Decides a window's own part from its output alone.
    fn decide_window(&self, value: &Value, w: &Window, size: [usize; 3]) {
        let run = Run::of(value, 0..size[0]);
        if let Some(activation) = self.activation {
            activate(self.gpu, value, &run, activation);
        }
        let start: [usize; 3] = std::array::from_fn(|axis| w.own[axis].start);
        let within: [usize; 3] = std::array::from_fn(|axis| (start[axis] as isize - w.start[axis]) as usize);
        let offset = (within[0] * size[1] + within[1]) * size[2] + within[2];
        match &self.grid {
            Grid::Linear(tables) => {
                let winners = &Winners::new(self.gpu, count(&size));
                let place = Between { tables, winners, size: self.shape, ring: size, offset };
                self.labels.decide_linear(self.gpu, value, &place, 0..self.shape[0], &run, self.decision);
            }
            Grid::Own | Grid::Nearest(_) => {
                self.labels.decide(self.gpu, value, within, size, &w.own, self.decision);
            }
        }
    }

    /// Decides what lies in the ring's slices up to `end`, and makes room.
    fn decide_slices(&self, ring: &Ring, end: usize) {
        let (gpu, slices) = (self.gpu, self.finished..end);
        ring.divide(gpu, slices.clone());
        let run = Run::of(&ring.value, slices.clone());
        if let Some(activation) = self.activation {
            activate(gpu, &ring.value, &run, activation);
        }
        let size = [ring.value.shape[2], self.shape[1], self.shape[2]];
        match &self.grid {
            Grid::Linear(tables) => {
                let place = Between { tables, winners: &ring.winners, size: self.shape, ring: size, offset: 0 };
                self.labels.decide_linear(gpu, &ring.value, &place, slices.clone(), &run, self.decision);
                // The last slice is the next slab's first neighbour.
                ring.clear(gpu, slices.start.saturating_sub(1)..slices.end - 1);
            }
            Grid::Own | Grid::Nearest(_) => {
                let own = [slices.clone(), 0..self.shape[1], 0..self.shape[2]];
                self.labels.decide(gpu, &ring.value, [slices.start, 0, 0], size, &own, self.decision);
                ring.clear(gpu, slices);
            }
        }
    }
}

impl Labeller for GpuLabeller<'_> {
    fn add(&mut self, executable: &dyn Executable, output: usize, input: &DeviceVolume, window: &Window) -> Result<()> {
        let own = executable.as_any().and_then(|any| any.downcast_ref::<WgpuExecutable>());
        let own = own.ok_or_else(|| Error::invalid("an executable of another backend"))?;
        issue(self.gpu, "labelling a window", || self.take(own, output, input, window))
    }

    fn finish(self: Box<Self>) -> Result<Labels> {
        issue(self.gpu, "reading labels", || {
            let labels = match &self.grid {
                Grid::Nearest(to) => self.labels.nearest(self.gpu, to, self.outside)?,
                Grid::Own | Grid::Linear(_) => self.labels,
            };
            labels.read(self.gpu, self.confidence)
        })
    }
}
